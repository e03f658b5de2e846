//! A cell of CSV (RFC 4180): nothing in it is a formula to a spreadsheet or a command to a terminal.

use std::borrow::Cow;

/// A text as one cell (RFC 4180 section 2). A text that a spreadsheet would take for a formula is made one that it does not,
/// and what would steer a terminal is shown instead.
pub fn cell(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && !text.contains(['"', ',']) && !text.contains(is_steering) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 1);
    if formula {
        safe.push('\'');
    }
    safe.push_str(&shown(text));
    if safe.contains(['"', ',']) {
        safe = format!("\"{}\"", safe.replace('"', "\"\""));
    }
    safe.into()
}

/// The text with what steers shown as an escape, such as `\u{202e}`.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_steering) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_steering(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    safe.into()
}

/// Whether a character steers a terminal or turns the direction of what is beside it, instead of being shown.
pub(crate) fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
