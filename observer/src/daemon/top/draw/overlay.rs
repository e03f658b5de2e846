//! A box over everything: a question, or the list of keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear, Widget};

use super::super::layout::wrap;
use super::style::Styles;

/// Columns of a box.
const WIDE: u16 = 72;

/// Draws a box with these paragraphs in the middle.
pub fn draw(buffer: &mut Buffer, area: Rect, title: &str, paragraphs: &[String], styles: &Styles) {
    let width = area.width.saturating_sub(4).min(WIDE);
    let room = usize::from(width.saturating_sub(4));
    let lines: Vec<String> = (paragraphs.iter())
        .flat_map(|paragraph| wrap(paragraph, room))
        .collect();
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let height = height.min(area.height);
    let framed = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(framed, buffer);
    Block::bordered()
        .title(format!(" {title} "))
        .render(framed, buffer);
    for (y, line) in (framed.y + 1..framed.y + height.saturating_sub(1)).zip(&lines) {
        buffer.set_stringn(framed.x + 2, y, line, room, styles.strong());
    }
}

/// All keys.
pub fn help() -> Vec<String> {
    [
        "1-4 Tab      consumers, routes, incidents, responses",
        "Up Down j k  move; PgUp PgDn Home End",
        "Enter Esc    open what is selected, go back",
        "Left Right   the other table, of a consumer",
        "/            only rows with a text in them; Esc: all",
        "s r          next column to sort by; reverse",
        "p Space      pause: nothing moves; go on",
        "b l u        block, limit, unblock what is selected",
        "a x          incident: acknowledge, close; proposal: approve, reject",
        "q Ctrl-C     quit",
        "ratios: percent of 5 min / what is usual",
        "score 1.00 and more: an alarm",
    ]
    .map(str::to_owned)
    .to_vec()
}
