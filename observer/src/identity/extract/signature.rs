//! What in a request is good for this request alone, and what is there twice.

use crate::http::RequestHead;
use crate::identity::traits::{hash, wide_hash};

use super::parameters::{has, parameter};
use super::{Target, pairs, proof};

/// Parameters of a query that are compared.
const PARAMETERS: usize = 16;

/// A hash of what makes a request's signature or proof good for one request only. Zero without any, and where the same request
/// is rightly signed the same again.
///
/// AWS Signature Version 4, Google's and HTTP Message Signatures (RFC 9421): the signature. Hawk: its `mac`. Digest (RFC 7616
/// section 3.4), where it counts: the `response`. OAuth 1 (RFC 5849 section 3.3) and EdgeGrid, with a nonce: the signature.
/// draft-cavage-http-signatures and Kong's likeness, where they sign a time: the signature. Shared Key, which signs the date: all
/// of it. `X-Signature` beside `X-Nonce` or `X-Timestamp`: the signature. DPoP (RFC 9449 section 11.1): `jti` and key. What stands in a URL
/// is meant to be used again until it expires.
pub fn signature(head: &RequestHead<'_>) -> u64 {
    let (mut pair, mut fresh) = (0, false);
    for field in head.fields {
        let hashed = match field.name.len() {
            4 if field.name.eq_ignore_ascii_case("dpop") => proven(field.value),
            7 if field.name.eq_ignore_ascii_case("x-nonce") => {
                fresh = true;
                0
            }
            9 if field.name.eq_ignore_ascii_case("signature") => message(field.value),
            11 if field.name.eq_ignore_ascii_case("x-signature") => {
                pair = hashed(field.value);
                0
            }
            11 if field.name.eq_ignore_ascii_case("x-timestamp") => {
                fresh = true;
                0
            }
            13 if field.name.eq_ignore_ascii_case("authorization") => authorization(field.value),
            _ => 0,
        };
        if hashed != 0 {
            return hashed;
        }
    }
    if fresh { pair } else { 0 }
}

fn hashed(value: &[u8]) -> u64 {
    if value.is_empty() {
        0
    } else {
        wide_hash(value)
    }
}

/// Of a proof that cannot be read, all of it.
fn proven(value: &[u8]) -> u64 {
    match proof::jti(value) {
        Some(jti) => {
            let key = proof::thumbprint(value).unwrap_or_default();
            wide_hash(&[key.as_bytes(), b" ", jti.as_bytes()].concat())
        }
        None => hashed(value),
    }
}

/// The `Signature` field of RFC 9421 section 4.2, or that of draft-cavage.
fn message(value: &[u8]) -> u64 {
    if has(value, "keyId") {
        signed_parameters(value)
    } else {
        hashed(value)
    }
}

/// draft-cavage-http-signatures-12 section 2.1: without `headers` it is `(created)` that is signed.
fn signed_parameters(value: &[u8]) -> u64 {
    let timely = parameter(value, "headers").is_none_or(|headers| {
        let mut signed = headers.split(|byte| *byte == b' ');
        let times: [&[u8]; 4] = [b"date", b"x-date", b"(created)", b"digest"];
        signed.any(|name| times.iter().any(|time| name.eq_ignore_ascii_case(time)))
    });
    if timely { named(value, "signature") } else { 0 }
}

fn named(credentials: &[u8], name: &str) -> u64 {
    parameter(credentials, name).map_or(0, |value| hashed(&value))
}

fn authorization(value: &[u8]) -> u64 {
    let Some(space) = memchr::memchr(b' ', value) else {
        return 0;
    };
    let (scheme, credentials) = (
        value.get(..space).unwrap_or_default(),
        value.get(space + 1..).unwrap_or_default(),
    );
    let is = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
    // By the first letter: bearer tokens and Basic are told apart by it alone.
    match scheme.first().map(u8::to_ascii_lowercase) {
        Some(b'a') if scheme.starts_with(b"AWS4-") => named(credentials, "Signature"),
        Some(b'g') if is("goog1") => hashed(credentials),
        Some(b'g') if scheme.starts_with(b"GOOG4-") => named(credentials, "Signature"),
        Some(b'a') if is("aws") => hashed(credentials),
        Some(b'h') if is("hawk") => named(credentials, "mac"),
        Some(b'h') if is("hmac") => signed_parameters(credentials),
        Some(b's') if is("signature") => signed_parameters(credentials),
        Some(b's') if is("sharedkey") || is("sharedkeylite") => hashed(credentials),
        Some(b'd') if is("digest") && has(credentials, "nc") => named(credentials, "response"),
        Some(b'o') if is("oauth") && has(credentials, "oauth_nonce") => {
            let plain = parameter(credentials, "oauth_signature_method")
                .is_some_and(|method| method.eq_ignore_ascii_case(b"PLAINTEXT"));
            // RFC 5849 section 3.4.4: no signature but the secrets themselves.
            if plain {
                named(credentials, "oauth_nonce")
            } else {
                named(credentials, "oauth_signature")
            }
        }
        Some(b'e') if is("eg1-hmac-sha256") => named(credentials, "signature"),
        _ => 0,
    }
}

/// Whether a parameter stands in the query twice, with different values.
pub fn polluted(target: &str) -> bool {
    let Some(query) = Target::split(target).query else {
        return false;
    };
    let mut seen = [(0_u32, 0_u32); PARAMETERS];
    for (count, (name, value)) in pairs(query).take(PARAMETERS).enumerate() {
        let pair = (hash(name.as_bytes()), hash(value.as_bytes()));
        let before = seen.get(..count).unwrap_or_default();
        if before
            .iter()
            .any(|known| known.0 == pair.0 && known.1 != pair.1)
        {
            return true;
        }
        if let Some(slot) = seen.get_mut(count) {
            *slot = pair;
        }
    }
    false
}
