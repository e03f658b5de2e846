//! What in a request is good for this request alone, and what is there twice.

use crate::http::RequestHead;
use crate::identity::traits::{hash, wide_hash};

use super::{Target, pairs};

/// Parameters of a query that are compared.
const PARAMETERS: usize = 16;

/// A hash of the signature or proof that a request carries: AWS Signature Version 4, HTTP Message Signatures (RFC 9421) and
/// DPoP proofs (RFC 9449). Zero without any.
pub fn signature(head: &RequestHead<'_>) -> u64 {
    for field in head.fields {
        let value = match field.name.len() {
            4 if field.name.eq_ignore_ascii_case("dpop") => Some(field.value),
            9 if field.name.eq_ignore_ascii_case("signature") => Some(field.value),
            13 if field.name.eq_ignore_ascii_case("authorization") => aws(field.value),
            _ => None,
        };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            return wide_hash(value);
        }
    }
    0
}

fn aws(value: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"Signature=";
    if !value.starts_with(b"AWS4-") {
        return None;
    }
    let at = memchr::memmem::find(value, NAME)?;
    value.get(at + NAME.len()..)
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
