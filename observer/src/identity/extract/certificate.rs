//! What a proxy says of the client's certificate: `X-Forwarded-Client-Cert`, `Client-Cert` and fields with the subject.
//!
//! Bias: only what the last proxy added itself is taken, and a subject that can be read in two ways stands for itself as a whole.

use std::borrow::Cow;
use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

/// Bytes of a certificate in base64 that are hashed; the largest in use take some KiB.
const CERTIFICATE_BYTES: usize = 16 * 1024;

/// How a field tells of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Envoy's `X-Forwarded-Client-Cert`.
    Forwarded,
    /// The certificate itself (RFC 9440 section 2.2).
    Certificate,
    /// A distinguished name.
    Subject,
}

/// Names of a certificate's holder, the most telling first: SPIFFE id or other URI, DNS name, common name; then the
/// certificate's own as `sha256:` and 64 hexadecimal digits of its DER form.
pub fn names(form: Form, value: &[u8]) -> [Option<Cow<'_, str>>; 2] {
    match form {
        Form::Forwarded => forwarded(value),
        Form::Certificate => [None, certificate(value).map(Cow::Owned)],
        Form::Subject => {
            let subject = str::from_utf8(value).ok();
            [
                subject.map(|subject| Cow::Borrowed(common_name(subject).unwrap_or(subject))),
                None,
            ]
        }
    }
}

/// The last element: those before it are what the proxy was told (Envoy, "HTTP header manipulation",
/// x-forwarded-client-cert).
fn forwarded(value: &[u8]) -> [Option<Cow<'_, str>>; 2] {
    let Ok(value) = str::from_utf8(value) else {
        return [None, None];
    };
    let element = split(value, ',').last().unwrap_or_default();
    let (mut uri, mut dns, mut subject, mut hash) = (None, None, None, None);
    for pair in split(element, ';') {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
            .unwrap_or(value);
        let slot = match name.trim() {
            name if name.eq_ignore_ascii_case("uri") => &mut uri,
            name if name.eq_ignore_ascii_case("dns") => &mut dns,
            name if name.eq_ignore_ascii_case("subject") => &mut subject,
            name if name.eq_ignore_ascii_case("hash") => &mut hash,
            _ => continue,
        };
        // A certificate may have several names of a kind; the first is the one that was chosen for it.
        if !value.is_empty() {
            slot.get_or_insert(value);
        }
    }
    let subject = subject.map(|subject| common_name(subject).unwrap_or(subject));
    let hash = hash.filter(|hash| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()));
    [
        uri.or(dns).or(subject).map(Cow::Borrowed),
        hash.map(|hash| Cow::Owned(format!("sha256:{}", hash.to_ascii_lowercase()))),
    ]
}

/// Splits at a character outside of quotes; a backslash in them takes the next character along.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c => return c == at && !quoted,
        }
        false
    })
}

/// `:base64:`, a byte sequence (RFC 9651 section 3.3.5) with the DER form.
fn certificate(value: &[u8]) -> Option<String> {
    let encoded = value.strip_prefix(b":")?.strip_suffix(b":")?;
    if encoded.len() > CERTIFICATE_BYTES {
        return None;
    }
    let der = BASE64_STANDARD.decode(encoded).ok()?;
    // A certificate is a SEQUENCE (RFC 5280 section 4.1).
    if der.first() != Some(&0x30) {
        return None;
    }
    let mut name = "sha256:".to_owned();
    for byte in Sha256::digest(&der) {
        // Writing to a string does not fail.
        let _ = write!(name, "{byte:02x}");
    }
    Some(name)
}

/// The common name of a distinguished name: `CN=a,O=b` (RFC 4514) or `/O=b/CN=a` (OpenSSL). `None` where there is none, where
/// there are two, or where anything is escaped.
fn common_name(subject: &str) -> Option<&str> {
    if subject.contains(['\\', '"', '+']) {
        return None;
    }
    let separator = if subject.starts_with('/') { '/' } else { ',' };
    let mut names = subject
        .split(separator)
        .filter_map(|part| part.trim().strip_prefix("CN="))
        .filter(|name| !name.is_empty());
    match (names.next(), names.next()) {
        (Some(name), None) => Some(name),
        _ => None,
    }
}
