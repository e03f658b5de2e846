//! Rust source as names and punctuation, without comments, strings and characters.
//!
//! Exact enough to follow paths: a lifetime is told from a character, raw strings and nested comments end where they end.

/// A name, `::`, or one character of punctuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'t> {
    /// As it stands in the source.
    pub text: &'t str,
    /// From 1.
    pub line: usize,
}

/// The tokens of a source file; text that does not close runs to the end.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (length, is_token) = measure(rest, first);
        let (text, after) = rest.split_at(length);
        if is_token {
            found.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    found
}

/// The bytes of the next piece, and whether it is a token.
fn measure(rest: &str, first: char) -> (usize, bool) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (comment(rest), false);
    }
    if let Some(length) = string(rest) {
        return (length, false);
    }
    if rest.starts_with("::") {
        return (2, true);
    }
    if first == '\'' {
        return (quote(rest), false);
    }
    if is_name(first) {
        return (
            rest.find(|letter| !is_name(letter)).unwrap_or(rest.len()),
            true,
        );
    }
    (first.len_utf8(), !first.is_whitespace())
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// A block comment; they nest.
fn comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// A string of any kind: plain, byte, C, raw with any number of `#`.
fn string(rest: &str) -> Option<usize> {
    let after = rest.trim_start_matches(['b', 'c']);
    let prefix = rest.len() - after.len();
    if prefix > 1 {
        return None;
    }
    if let Some(raw) = after.strip_prefix('r') {
        let body = raw.trim_start_matches('#');
        let hashes = raw.len() - body.len();
        let inside = body.strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        let opening = prefix + 2 + hashes;
        return Some(
            inside
                .find(&close)
                .map_or(rest.len(), |end| opening + end + close.len()),
        );
    }
    let inside = after.strip_prefix('"')?;
    let mut escaped = false;
    let end = inside.char_indices().find(|&(_, letter)| {
        let closes = letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        closes
    });
    Some(end.map_or(rest.len(), |(at, _)| prefix + 1 + at + 1))
}

/// A character with its quotes, or the quote alone of a lifetime.
fn quote(rest: &str) -> usize {
    let mut letters = rest.char_indices().skip(1);
    let Some((_, first)) = letters.next() else {
        return 1;
    };
    if first == '\\' {
        let escape = letters
            .next()
            .map_or(rest.len(), |(at, letter)| at + letter.len_utf8());
        return rest
            .get(escape..)
            .and_then(|after| after.find('\''))
            .map_or(rest.len(), |end| escape + end + 1);
    }
    match letters.next() {
        Some((at, '\'')) => at + 1,
        _ => 1,
    }
}
