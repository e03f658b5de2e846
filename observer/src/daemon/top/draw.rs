//! Draws the state, and nothing else: the same state is the same screen.
//!
//! Invariant: without colours there are none at all, and with them nothing is said by a colour alone.

pub mod head;
mod overlay;
mod style;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::figures::{count, plain};
use super::layout::{self, Areas, GAP, LEAST, fit, wrap};
use super::place::Tab;
use super::state::{Mode, State};
use super::table::{Cursor, Name, Row, Table};
use super::views;
use style::Styles;

/// What stands before the selected row.
const MARK: &str = "> ";

/// Draws everything.
pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let styles = Styles::of(state);
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if area.width < state.size.0 || area.height < state.size.1 {
        // It has just become smaller: that event is on its way, and until then nothing would stand where it belongs.
        return;
    }
    let Some(areas) = layout::areas(state) else {
        let says = format!("needs {}x{}", LEAST.0, LEAST.1);
        buffer.set_stringn(0, 0, says, area.width.into(), Style::default());
        return;
    };
    let wide = usize::from(areas.head.width);
    for (at, text) in head::lines(state, wide).iter().enumerate() {
        let style = if at == 0 {
            styles.strong()
        } else {
            styles.text()
        };
        line(buffer, areas.head, at, text, style);
    }
    for (at, text) in head::banner(state, wide).iter().enumerate() {
        line(
            buffer,
            areas.banner,
            at,
            &fit(text, wide, false),
            styles.alarm(),
        );
    }
    tabs(state, buffer, areas.tabs, &styles);
    let tables = views::tables(state);
    for (at, (table, pane)) in tables.iter().zip(&areas.panes).enumerate() {
        if let Some(cursor) = state.cursor_of(at) {
            let focus = state.focus() == at;
            let title = title(state, at, table, cursor);
            draw_table(buffer, *pane, table, cursor, &title, focus, &styles);
        }
    }
    detail(state, buffer, &areas, &styles);
    for (at, text) in wrap(&head::said(state), wide).iter().enumerate() {
        line(buffer, areas.said, at, text, styles.strong());
    }
    line(
        buffer,
        areas.keys,
        0,
        &head::keys(state, wide),
        styles.weak(),
    );
    match &state.mode {
        Mode::Help => overlay::draw(buffer, area, "keys", &overlay::help(), &styles),
        Mode::Confirm(confirm) => overlay::draw(buffer, area, "sure?", &confirm.said(), &styles),
        Mode::Tables | Mode::Filter => {}
    }
}

/// A line of an area; what is too long is cut.
fn line(buffer: &mut Buffer, area: Rect, at: usize, text: &str, style: Style) {
    let y = u16::try_from(at).unwrap_or(u16::MAX);
    if y < area.height {
        buffer.set_stringn(area.x, area.y + y, text, area.width.into(), style);
    }
}

fn tabs(state: &State, buffer: &mut Buffer, area: Rect, styles: &Styles) {
    let mut spans = Vec::new();
    for tab in Tab::ALL {
        let here = tab == state.tab;
        let (open, close) = if here { ('[', ']') } else { (' ', ' ') };
        let text = format!("{open}{} {}{close}", tab.index() + 1, tab.title());
        let style = if here { styles.strong() } else { styles.weak() };
        spans.push(Span::styled(text, style));
        spans.push(Span::raw(" "));
    }
    buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
}

/// Where one is, and what is shown of the rows, in which order.
fn title(state: &State, at: usize, table: &Table, cursor: &Cursor) -> String {
    let path = state.path();
    let mut title = match (at, path.len()) {
        (0, 2..) => format!("{} > {}: ", path.join(" > "), table.title),
        _ => format!("{}: ", table.title),
    };
    let (shown, all) = (table.rows.len(), table.all);
    let behind = |of: usize| state.drills.is_empty() && of > all;
    let counts = state.frame().counts;
    let there = match state.tab {
        Tab::Consumers => counts.consumers,
        Tab::Routes => counts.routes,
        Tab::Incidents => counts.incidents,
        Tab::Responses => counts.actions,
    };
    let number = |number: usize| count(number as u64);
    if shown == all {
        title.push_str(&number(all));
    } else {
        title.push_str(&format!("{} of {}", number(shown), number(all)));
    }
    if behind(there) {
        title.push_str(&format!(" (of {} here)", number(there)));
    }
    match cursor.sort.and_then(|at| table.columns.get(at)) {
        Some(column) => {
            let way = match column.number != cursor.reversed {
                true => "falling",
                false => "rising",
            };
            title.push_str(&format!(", by {}, {way}", column.title));
        }
        None if cursor.reversed => title.push_str(", the other way round"),
        None => {}
    }
    if !cursor.filter.is_empty() {
        title.push_str(&format!(", with \"{}\"", plain(&cursor.filter)));
    }
    title
}

fn draw_table(
    buffer: &mut Buffer,
    pane: Rect,
    table: &Table,
    cursor: &Cursor,
    title: &str,
    focus: bool,
    styles: &Styles,
) {
    let wide = usize::from(pane.width);
    let style = if focus {
        styles.strong()
    } else {
        styles.weak()
    };
    line(buffer, pane, 0, &fit(title, wide, false), style);
    let columns = layout::columns(table, wide.saturating_sub(MARK.len()), cursor.sort);
    let mut spans = vec![Span::raw(" ".repeat(MARK.len()))];
    for (at, has) in &columns {
        let Some(column) = table.columns.get(*at) else {
            continue;
        };
        let style = if cursor.sort == Some(*at) {
            styles.sorted()
        } else {
            styles.columns()
        };
        spans.push(Span::styled(fit(column.title, *has, column.number), style));
        spans.push(Span::raw(" ".repeat(GAP)));
    }
    if pane.height > 1 {
        buffer.set_line(pane.x, pane.y + 1, &Line::from(spans), pane.width);
    }
    if table.rows.is_empty() {
        let says = if table.all == 0 {
            table.nothing.as_str()
        } else {
            "no row has that in it (Esc takes the filter away)"
        };
        for (at, text) in wrap(says, wide.saturating_sub(MARK.len()))
            .iter()
            .enumerate()
        {
            line(buffer, pane, at + 2, &format!("  {text}"), styles.text());
        }
    }
    let shown = table.rows.iter().enumerate().skip(cursor.offset);
    for (y, (at, row)) in shown.take(layout::rows(pane)).enumerate() {
        let selected = focus && at == cursor.index;
        let y = pane.y + 2 + u16::try_from(y).unwrap_or(0);
        let text = draw_row(table, row, &columns, selected, styles);
        buffer.set_line(pane.x, y, &text, pane.width);
        if selected {
            let area = Rect::new(pane.x, y, pane.width, 1);
            buffer.set_style(area, styles.selected());
        }
    }
}

fn draw_row<'a>(
    table: &Table,
    row: &Row,
    columns: &[(usize, usize)],
    selected: bool,
    styles: &Styles,
) -> Line<'a> {
    let mark = if selected { MARK } else { "  " };
    let mut spans = vec![Span::styled(mark, styles.text())];
    for (at, has) in columns {
        let (Some(column), Some(cell)) = (table.columns.get(*at), row.cells.get(*at)) else {
            continue;
        };
        let style = if cell.bad {
            styles.bad()
        } else {
            styles.text()
        };
        let text = fit(&cell.text, *has, column.number);
        spans.push(Span::styled(text, style));
        spans.push(Span::styled(" ".repeat(GAP), styles.text()));
    }
    Line::from(spans)
}

/// More of the selected incident.
fn detail(state: &State, buffer: &mut Buffer, areas: &Areas, styles: &Styles) {
    if areas.detail.height == 0 {
        return;
    }
    let Some(Name::Incident { id, .. }) = state.selected() else {
        return;
    };
    let mut incidents = state.all.frame.incidents.iter().flatten();
    let is = |one: &&serde_json::Value| one.get("id").and_then(|id| id.as_str()) == Some(&id);
    let lines = incidents.find(is).map(views::detail).unwrap_or_default();
    let wide = usize::from(areas.detail.width).saturating_sub(MARK.len());
    let wrapped = lines.iter().flat_map(|text| wrap(text, wide));
    for (at, text) in wrapped.enumerate() {
        line(
            buffer,
            areas.detail,
            at,
            &format!("  {text}"),
            styles.text(),
        );
    }
}
