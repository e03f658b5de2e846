//! Texts of others as files and terminals may show them.
//!
//! Invariant: nothing in what is returned steers a terminal, turns the direction of what is beside it, or is a formula.

use std::borrow::Cow;
use std::fmt::Write as _;

/// RFC 4180 section 2. A text that a spreadsheet would take for a formula is made one that it does not, and what would steer
/// a terminal is shown instead.
pub fn csv(text: &str) -> Cow<'_, str> {
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

/// The text with the numbers of what would steer a terminal in its place.
pub fn shown(text: &str) -> Cow<'_, str> {
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
pub fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A JSON text that says the same without what a terminal would obey: such characters stand in strings only (RFC 8259 section
/// 7), but for line ends between values.
pub fn printable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        let shown = c.is_ascii_graphic()
            || matches!(c, ' ' | '\n')
            || (!c.is_ascii() && c.escape_debug().len() == 1);
        if shown {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

/// A second since 1970 in UTC as RFC 3339.
pub fn time(second: u64) -> String {
    i64::try_from(second)
        .ok()
        .and_then(|second| jiff::Timestamp::from_second(second).ok())
        .map_or_else(|| second.to_string(), |time| time.to_string())
}
