//! Texts of others as a message may repeat them: of bounded length, without control characters, and nothing in them that
//! could be a key.
//!
//! Prefers hiding an id to showing a key: people paste keys where ids, fingerprints and names belong.

use std::fmt::{self, Write};

/// Characters of a text that a message repeats.
const LENGTH: usize = 64;
/// Characters from which on a word could be a key.
const KEY: usize = 12;
/// Letters that a key has at least; times, and numbers with a unit, have fewer.
const LETTERS: usize = 4;
/// Characters that are shown of what could be one.
const HINT: usize = 4;

/// The start of a text, with what could be a key cut to its first characters.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(LENGTH).map(|(at, _)| at);
        let start = end.and_then(|end| self.0.get(..end)).unwrap_or(self.0);
        f.write_str(&without_keys(start))
    }
}

/// The text with every word that could be a key cut to its first characters, and without control characters but for line feeds.
pub fn without_keys(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if is_inner(first) {
            let end = rest.find(|c| !is_inner(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if could_be_key(word) {
                shown.extend(word.chars().take(HINT));
                shown.push('…');
            } else {
                shown.push_str(word);
            }
            rest = after;
            continue;
        }
        if first.is_control() && first != '\n' {
            let _ = write!(shown, "{}", first.escape_default());
        } else {
            shown.push(first);
        }
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
    shown
}

/// What keys are made of: letters and digits, with what Base64 and prefixes have between them.
fn is_inner(c: char) -> bool {
    c.is_alphanumeric() || "_-+=".contains(c)
}

/// Names are words of one case; keys mix letters with digits or cases, and are long.
fn could_be_key(word: &str) -> bool {
    let count = |kind: fn(char) -> bool| word.chars().filter(|c| kind(*c)).count();
    let (lower, upper) = (count(char::is_lowercase), count(char::is_uppercase));
    let mixed = count(char::is_numeric) > 0 || (lower > 0 && upper > 1);
    word.chars().count() >= KEY && mixed && count(char::is_alphabetic) >= LETTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_and_keys_are_not() {
        for name in [
            "valid_from",
            "x-forwarded-client-certificate",
            "acme-2",
            "Authorization",
            "2026-11-29T10:15:00Z",
            "2001:db8::1",
            "1234567890123",
            "99999999999GiB",
            "`intrefaces` in [capture] (did you mean `interfaces`?)",
        ] {
            assert_eq!(Shown(name).to_string(), name);
        }
        for (key, shown) in [
            ("sk_live_7d1f0a9c55e2", "sk_l…"),
            ("AKIAIOSFODNN7EXAMPLE", "AKIA…"),
            ("hF3XBMcwMMUdWvoiOzy0TAzS", "hF3X…"),
            (
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl1",
                "eyJh….eyJz….c2ln…",
            ),
            (
                "invalid value: string \"ghp_16C7e42F292c6912E7\", expected",
                "invalid value: string \"ghp_…\", expected",
            ),
        ] {
            assert_eq!(Shown(key).to_string(), shown);
        }
        assert_eq!(Shown("a\u{1b}[2J\0").to_string(), "a\\u{1b}[2J\\u{0}");
        assert_eq!(Shown(&"ä ".repeat(100)).to_string().chars().count(), LENGTH);
    }
}
