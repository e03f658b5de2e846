//! Ids beside signatures: HTTP Message Signatures (RFC 9421) and fields that go in pairs.
//!
//! Invariant: an id is taken from where the signature's own syntax has it, never from within a text that it signs.

use std::borrow::Cow;

use super::parameters::unquoted;

/// Signatures of one request whose keys are looked at.
const SIGNATURES: usize = 4;

/// The `keyid` of each signature in a `Signature-Input` field (RFC 9421 section 2.3), in their order: parameters of the inner
/// lists, not of what stands in them.
pub fn key_ids(input: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    const NAME: &[u8] = b"keyid=";
    let (mut quoted, mut escaped, mut inside, mut begins) = (false, false, false, false);
    let found = input.iter().enumerate().filter_map(move |(at, byte)| {
        let parameter = std::mem::take(&mut begins) && !quoted && !inside;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'(' => inside = true,
            b')' => inside = false,
            b';' => begins = true,
            // Structured fields let spaces follow a semicolon (RFC 9651 section 3.1.2).
            b' ' => begins = parameter,
            _ => {}
        }
        let rest = input.get(at..).filter(|_| parameter)?;
        quoted_string(rest.strip_prefix(NAME)?).map(unquoted)
    });
    found.filter(|id| !id.is_empty()).take(SIGNATURES)
}

/// The string (RFC 9651 section 3.3.3) that a text begins with, quotes included.
fn quoted_string(text: &[u8]) -> Option<&[u8]> {
    let mut escaped = false;
    let (first, rest) = text.split_first()?;
    if *first != b'"' {
        return None;
    }
    let end = rest.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    text.get(..end + 2)
}

/// `id:signature`, as Azure, Google and Amazon's version 2 have it.
pub fn id_of_pair(credentials: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', credentials)?;
    let (id, signature) = (credentials.get(..colon)?, credentials.get(colon + 1..)?);
    (!id.is_empty() && !signature.is_empty()).then_some(id)
}
