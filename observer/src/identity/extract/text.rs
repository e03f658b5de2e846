//! Request targets taken apart, and percent-encoding (RFC 3986 sections 2.1 and 3) undone.
//!
//! Bias: what is not well formed stands for itself; nothing is refused.

use zeroize::Zeroizing;

use super::Secret;

/// A request target in its parts (RFC 9112 section 3.2), without fragment and user information.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The path as sent; of `CONNECT host:port` and `*`, the whole.
    pub path: &'a str,
    /// What follows the first question mark.
    pub query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Takes any text apart.
    pub fn split(target: &'a str) -> Self {
        let target = target.split_once('#').map_or(target, |(before, _)| before);
        let (whole, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query)));
        let path = if whole.starts_with('/') {
            whole
        } else if let Some((_, rest)) = whole.split_once("://") {
            rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
        } else {
            // authority form: no user information belongs there, so if there is some it may be a password
            whole.rsplit_once('@').map_or(whole, |(_, host)| host)
        };
        Self { path, query }
    }
}

/// Name and value of each parameter, as sent.
pub fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Undoes percent-encoding; `form`: a plus sign is a space.
pub fn decoded(text: &[u8], form: bool) -> Secret<'_> {
    if memchr::memchr(b'%', text).is_none() && !(form && memchr::memchr(b'+', text).is_some()) {
        return Secret::Borrowed(text);
    }
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, tail @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                out.push(nibble(*high) << 4 | nibble(*low));
                rest = tail;
            }
            (b'+', _) if form => out.push(b' '),
            _ => out.push(first),
        }
    }
    Secret::Owned(out)
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}
