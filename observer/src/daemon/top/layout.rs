//! Where things stand on the screen, and how texts are cut to fit.

use ratatui::layout::Rect;
use ratatui::text::Span;

use super::draw::head;
use super::place::Tab;
use super::state::State;
use super::table::Table;

/// The smallest screen that everything fits on.
pub const LEAST: (u16, u16) = (60, 15);
/// Columns from which on two tables stand beside each other.
const BESIDE: u16 = 100;
/// Lines that what is to be said may take.
const SAID: usize = 4;
/// Lines below a table of incidents.
const DETAIL: u16 = 6;
/// Columns between columns of a table.
pub const GAP: usize = 2;
/// Columns of a text before it is cut, where there is no room.
const LONG: usize = 28;
/// Columns that the widest column of a table has at least.
const LEAST_WIDE: usize = 20;

/// Where things stand.
#[derive(Clone, Debug)]
pub struct Areas {
    /// What holds for the whole host.
    pub head: Rect,
    /// What is wrong.
    pub banner: Rect,
    /// The tabs.
    pub tabs: Rect,
    /// Tables: a line of title, one of columns, and rows.
    pub panes: Vec<Rect>,
    /// More of what is selected.
    pub detail: Rect,
    /// What is to be said.
    pub said: Rect,
    /// Keys.
    pub keys: Rect,
}

/// Where things stand; nothing on a screen that is too small.
pub fn areas(state: &State) -> Option<Areas> {
    let (width, height) = state.size;
    if width < LEAST.0 || height < LEAST.1 {
        return None;
    }
    let lines = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
    let wide = usize::from(width);
    let head = lines(head::lines(state, wide).len());
    let banner = lines(head::banner(state, wide).len());
    let said = lines(wrap(&head::said(state), wide).len().clamp(1, SAID));
    let mut y = 0;
    let mut take = |height: u16| {
        let area = Rect::new(0, y, width, height);
        y += height;
        area
    };
    let (head, banner, tabs) = (take(head), take(banner), take(1));
    let body = height.saturating_sub(head.height + banner.height + 1 + said + 1);
    let incidents = state.drills.is_empty() && state.tab == Tab::Incidents;
    let detail = if incidents { DETAIL.min(body / 2) } else { 0 };
    let body = take(body - detail);
    let (detail, said, keys) = (take(detail), take(said), take(1));
    let two = state.drills.last().is_some_and(|drill| drill.tables() == 2);
    let panes = match two {
        false => vec![body],
        true if width >= BESIDE => {
            let half = body.width / 2;
            let left = Rect {
                width: half - 1,
                ..body
            };
            let right = Rect {
                x: half + 1,
                width: body.width - half - 1,
                ..body
            };
            vec![left, right]
        }
        true => {
            let half = body.height / 2;
            let upper = Rect {
                height: half,
                ..body
            };
            let lower = Rect {
                y: body.y + half,
                height: body.height - half,
                ..body
            };
            vec![upper, lower]
        }
    };
    Some(Areas {
        head,
        banner,
        tabs,
        panes,
        detail,
        said,
        keys,
    })
}

/// Rows that a table's area shows.
pub fn rows(pane: Rect) -> usize {
    usize::from(pane.height.saturating_sub(2))
}

/// Columns that a text takes on a terminal.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text of so many columns: filled up, or cut with a sign that it was.
pub fn fit(text: &str, columns: usize, right: bool) -> String {
    let has = width(text);
    if has <= columns {
        let space = " ".repeat(columns - has);
        return if right {
            space + text
        } else {
            text.to_owned() + &space
        };
    }
    let mut cut = String::new();
    let mut taken = 0;
    for c in text.chars() {
        let more = width(c.encode_utf8(&mut [0; 4]));
        if taken + more + 1 > columns {
            break;
        }
        taken += more;
        cut.push(c);
    }
    if taken < columns {
        cut.push('…');
        taken += 1;
    }
    cut + &" ".repeat(columns - taken)
}

/// A text in lines of so many columns, broken between words where that is possible.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if width(&line) + width(c.encode_utf8(&mut [0; 4])) > columns {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}

/// Which columns of a table are shown in so much room, and how wide. `sorted`: the column that is shown in any case.
pub fn columns(table: &Table, room: usize, sorted: Option<usize>) -> Vec<(usize, usize)> {
    let cells = |at: usize| table.rows.iter().filter_map(move |row| row.cells.get(at));
    let needs = |at: usize, title: &str| {
        let most = cells(at).map(|cell| width(&cell.text)).max().unwrap_or(0);
        most.max(title.len())
    };
    let mut order: Vec<usize> = (0..table.columns.len()).collect();
    let rank = |at: &usize| {
        let rank = table.columns.get(*at).map_or(u8::MAX, |column| column.rank);
        // The name comes before all, what is sorted by next.
        if rank > 0 && sorted == Some(*at) {
            1
        } else {
            rank
        }
    };
    order.sort_by_key(rank);
    let mut shown = Vec::new();
    let mut left = room;
    for at in order {
        let Some(column) = table.columns.get(at) else {
            continue;
        };
        let need = needs(at, column.title);
        let most = match column.number {
            true => need,
            false if at == table.wide => need.min(LEAST_WIDE),
            false => need.min(LONG),
        };
        let gap = if shown.is_empty() { 0 } else { GAP };
        if most + gap <= left {
            left -= most + gap;
            shown.push((at, most));
        } else if shown.is_empty() {
            left = 0;
            shown.push((at, room));
        } else {
            // What matters less would look like the next in importance.
            break;
        }
    }
    for (at, has) in &mut shown {
        if *at == table.wide {
            let title = table.columns.get(*at).map_or("", |column| column.title);
            let more = needs(*at, title).saturating_sub(*has).min(left);
            *has += more;
            left -= more;
        }
    }
    shown.sort_unstable();
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_what_they_take() {
        assert_eq!(fit("acme", 6, false), "acme  ");
        assert_eq!(fit("1.0", 6, true), "   1.0");
        assert_eq!(fit("accounts", 5, false), "acco…");
        assert_eq!(fit("日本語", 6, false), "日本語");
        assert_eq!(fit("日本語", 4, false), "日… ");
        assert_eq!(fit("日本語", 1, false), "…");
        assert_eq!(fit("日本語", 0, false), "");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("abcdefgh i", 4), ["abcd", "efgh", "i"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
    }
}
