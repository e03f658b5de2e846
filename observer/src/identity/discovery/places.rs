//! Everything in a request that could be a credential, by place.
//!
//! Bias: a name that a configuration could not name is no place.

use super::super::extract::{Extractor, Target, Trust, Value, decoded, pairs};
use super::super::fingerprint::Fingerprinter;
use super::{PREFIX, SIGHTINGS, Sighting};
use crate::http::RequestHead;
use httparse::Header;

/// Longer names cannot be configured.
const NAME: usize = 64;
/// Segments of a path that are looked at.
const SEGMENTS: usize = 8;
/// A segment that takes less to guess is a name or a number.
const SEGMENT_BITS: f64 = 60.0;

/// Fields that say something else by their definition (RFC 9110, RFC 9111, Fetch Metadata, Client Hints, RFC 7239).
const OTHER_FIELDS: [&str; 40] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "cookie",
    "date",
    "dnt",
    "expect",
    "forwarded",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-real-ip",
];

/// What stands at each place of a request, at most [`SIGHTINGS`].
pub fn all(usual: &Extractor, hasher: &Fingerprinter, head: &RequestHead<'_>) -> Vec<Sighting> {
    let mut found = Vec::new();
    for field in head.fields {
        let value = field.value.trim_ascii();
        if field.name.eq_ignore_ascii_case("cookie") {
            cookies(hasher, value, &mut found);
        } else if !value.is_empty() {
            header(usual, hasher, field, &mut found);
        }
    }
    let target = Target::split(head.target);
    for (name, value) in target.query.into_iter().flat_map(pairs) {
        let known = usual.is_query_credential(name);
        let value = decoded(value.as_bytes(), true);
        put("query", name, value.bytes(), known, hasher, &mut found);
    }
    path(hasher, target.path, &mut found);
    found.truncate(SIGHTINGS);
    found
}

fn header(
    usual: &Extractor,
    hasher: &Fingerprinter,
    field: &Header<'_>,
    found: &mut Vec<Sighting>,
) {
    let name = field.name.to_ascii_lowercase();
    if OTHER_FIELDS.contains(&&*name)
        || name.starts_with("sec-fetch-")
        || name.starts_with("sec-ch-")
    {
        return;
    }
    let fields = [*field];
    let alone = RequestHead {
        method: "GET",
        target: "/",
        version: crate::http::Version::Http11,
        fields: &fields,
    };
    // What a scheme names its caller by, where it has one: what is signed is another with every request.
    let candidates = usual.candidates(&alone, Trust::default());
    let Some(first) = candidates.iter().next() else {
        let known = false;
        if name != "authorization" && !name.starts_with("sec-websocket-") {
            put(
                "header",
                &name,
                field.value.trim_ascii(),
                known,
                hasher,
                found,
            );
        }
        return;
    };
    let value = field.value.trim_ascii();
    let value = match memchr::memchr(b' ', value) {
        Some(space) if name == "authorization" => value.get(space + 1..).unwrap_or_default(),
        _ => value,
    };
    let location = if &**first.location == "authorization:other" {
        let scheme = field.value.trim_ascii().split(|byte| *byte == b' ').next();
        match scheme
            .and_then(|scheme| str::from_utf8(scheme).ok())
            .filter(|name| is_name(name))
        {
            Some(scheme) => format!("authorization:{}", scheme.to_ascii_lowercase()),
            None => return,
        }
    } else if &**first.location == "authorization" {
        // A value without a scheme: the field is configured as any other.
        "header:authorization".to_owned()
    } else {
        first.location.to_string()
    };
    let fingerprint = match &first.value {
        Value::Secret(secret) => hasher.fingerprint(secret.bytes()),
        Value::Identity {
            issuer, subject, ..
        } => hasher.identity(first.scheme, issuer, subject),
    };
    found.push(Sighting {
        location: location.into(),
        value: fingerprint,
        length: value.len(),
        bits: bits(value),
        // Parameters of a scheme are no text.
        text: false,
        known: true,
        prefix: [0; PREFIX],
    });
}

fn cookies(hasher: &Fingerprinter, value: &[u8], found: &mut Vec<Sighting>) {
    for pair in value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
        let Some(equals) = memchr::memchr(b'=', pair) else {
            continue;
        };
        if let Some(name) = pair
            .get(..equals)
            .and_then(|name| str::from_utf8(name).ok())
        {
            let value = pair.get(equals + 1..).unwrap_or_default();
            put("cookie", name, value, false, hasher, found);
        }
    }
}

/// Segments that no one guesses, each with what stands before it as a pattern.
fn path(hasher: &Fingerprinter, path: &str, found: &mut Vec<Sighting>) {
    let mut before = String::new();
    for segment in path.split('/').skip(1).take(SEGMENTS) {
        let value = segment.as_bytes();
        let is_key = bits(value) >= SEGMENT_BITS
            && value.iter().any(u8::is_ascii_digit)
            && value.iter().any(u8::is_ascii_alphabetic);
        before.push('/');
        if is_key {
            let mut prefix = [0; PREFIX];
            let letters = value.iter().take_while(|byte| byte.is_ascii_lowercase());
            prefix
                .iter_mut()
                .zip(letters)
                .for_each(|(to, letter)| *to = *letter);
            found.push(Sighting {
                location: format!("path:{before}{{key}}").into(),
                value: hasher.fingerprint(value),
                length: value.len(),
                bits: bits(value),
                text: false,
                known: false,
                prefix,
            });
            before.push_str("{id}");
        } else if value.iter().any(u8::is_ascii_digit) || !is_name(segment) || segment.len() > 24 {
            // Versions are told from numbers by their letter.
            let version = segment.len() <= 3 && segment.starts_with('v');
            before.push_str(if version { segment } else { "{id}" });
        } else {
            before.push_str(segment);
        }
    }
}

fn put(
    kind: &str,
    name: &str,
    value: &[u8],
    known: bool,
    hasher: &Fingerprinter,
    found: &mut Vec<Sighting>,
) {
    if value.is_empty() || !is_name(name) || found.len() >= SIGHTINGS {
        return;
    }
    found.push(Sighting {
        location: format!("{kind}:{name}").into(),
        value: hasher.fingerprint(value),
        length: value.len(),
        bits: bits(value),
        text: value.iter().any(|byte| b" ,;()".contains(byte)),
        known,
        prefix: [0; PREFIX],
    });
}

/// What a configuration takes as a name.
fn is_name(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    (1..=NAME).contains(&name.len()) && name.bytes().all(valid)
}

/// Bits that it takes to guess a value, if each character is any of its kind.
fn bits(value: &[u8]) -> f64 {
    let has = |kind: fn(&u8) -> bool| value.iter().any(kind);
    let hex = value
        .iter()
        .all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    let kinds = if hex && has(u8::is_ascii_alphabetic) {
        16
    } else {
        10 * u32::from(has(u8::is_ascii_digit))
            + 26 * u32::from(has(u8::is_ascii_lowercase))
            + 26 * u32::from(has(u8::is_ascii_uppercase))
            + 4 * u32::from(has(u8::is_ascii_punctuation))
    };
    value.len() as f64 * f64::from(kinds.max(1)).log2()
}
