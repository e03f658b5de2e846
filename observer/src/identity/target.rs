//! How much of a request target may be kept, with every credential in it replaced.
//!
//! Invariant: what a place for credentials holds never comes out, in no mode.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::extract::{Extractor, Target, decoded, pairs};
use super::fingerprint::Fingerprinter;

/// How much of a request target a record may keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetPrivacy {
    /// Nothing: only the route that it belongs to.
    Route,
    /// The path.
    #[default]
    Path,
    /// The path and the query.
    Full,
}

/// What stands for a key in a path.
const MASK: &str = "{key}";

/// Parameters that hold a secret though they identify nobody.
const SECRET_PARAMETERS: [&str; 20] = [
    "secret",
    "client_secret",
    "password",
    "passwd",
    "pwd",
    "refresh_token",
    "id_token",
    "assertion",
    "client_assertion",
    "sig",
    "signature",
    "x-amz-signature",
    "x-amz-security-token",
    "x-goog-signature",
    "x-goog-credential",
    "x-api-key",
    "apitoken",
    "api_token",
    "jwt",
    "session",
];

/// A target as a record may keep it; `None` when nothing of it may be.
pub fn redact(
    extractor: &Extractor,
    fingerprinter: &Fingerprinter,
    target: &str,
    privacy: TargetPrivacy,
) -> Option<String> {
    let parts = Target::split(target);
    let path = mask_path(extractor, parts.path);
    match (privacy, parts.query) {
        (TargetPrivacy::Route, _) => None,
        (TargetPrivacy::Path, _) | (TargetPrivacy::Full, None) => Some(path.into_owned()),
        (TargetPrivacy::Full, Some(query)) => {
            let mut kept = path.into_owned();
            kept.push('?');
            for (number, (name, value)) in pairs(query).enumerate() {
                if number > 0 {
                    kept.push('&');
                }
                kept.push_str(name);
                if value.is_empty() {
                    continue;
                }
                kept.push('=');
                if is_secret(extractor, name, value) {
                    kept.push_str(
                        &fingerprinter
                            .fingerprint(decoded(value.as_bytes(), true).bytes())
                            .to_string(),
                    );
                } else {
                    kept.push_str(value);
                }
            }
            Some(kept)
        }
    }
}

/// A path with the keys in it masked: those of configured patterns, and session ids that servers append.
pub fn mask_path<'t>(extractor: &Extractor, path: &'t str) -> Cow<'t, str> {
    let mut ranges: Vec<_> = extractor
        .keys_in_path(path)
        .chain(session_ids(path))
        .collect();
    if ranges.is_empty() {
        return Cow::Borrowed(path);
    }
    ranges.sort_by_key(|range| range.start);
    let mut masked = String::with_capacity(path.len());
    let mut at = 0;
    for range in ranges {
        if range.start >= at {
            masked.push_str(path.get(at..range.start).unwrap_or_default());
            masked.push_str(MASK);
        }
        at = at.max(range.end);
    }
    masked.push_str(path.get(at..).unwrap_or_default());
    Cow::Owned(masked)
}

fn is_secret(extractor: &Extractor, name: &str, value: &str) -> bool {
    let plain = decoded(name.as_bytes(), true);
    extractor.is_query_credential(name)
        || SECRET_PARAMETERS.iter().any(|secret| secret.as_bytes().eq_ignore_ascii_case(plain.bytes()))
        // a JSON Web Token under any name
        || value.starts_with("eyJ")
}

/// `;jsessionid=...` (Servlet specification 7.1.3).
fn session_ids(path: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    const NAME: &[u8] = b"jsessionid=";
    memchr::memchr_iter(b';', path.as_bytes()).filter_map(move |semicolon| {
        let start = semicolon + 1 + NAME.len();
        let name = path.as_bytes().get(semicolon + 1..start)?;
        let rest = path
            .get(start..)
            .filter(|_| name.eq_ignore_ascii_case(NAME))?;
        let length = rest.find(['/', ';']).unwrap_or(rest.len());
        (length > 0).then_some(start..start + length)
    })
}
