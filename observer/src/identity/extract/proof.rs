//! DPoP proofs (RFC 9449 section 4.2): whose key signed one, and which one it is. Decoded, not verified.
//!
//! Bias: a proof that parsers read differently (a member twice) is nobody's.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Longer proofs are not decoded: a key of 4096 bits and a signature by it take 2 KiB.
const PROOF_BYTES: usize = 8 * 1024;
/// Bytes of a `jti` that are believed to be one.
const JTI_BYTES: usize = 256;

/// The header of a proof: what is needed of it.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    jwk: Key<'a>,
}

/// A public key (RFC 7517), as far as its thumbprint needs it. Values with escapes are none that a key has.
#[derive(Deserialize)]
struct Key<'a> {
    kty: &'a str,
    crv: Option<&'a str>,
    x: Option<&'a str>,
    y: Option<&'a str>,
    e: Option<&'a str>,
    n: Option<&'a str>,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
}

/// The three parts of a compact token, the first two decoded.
fn parts(proof: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if !proof.starts_with(b"eyJ") || proof.len() > PROOF_BYTES {
        return None;
    }
    let mut parts = proof.split(|byte| *byte == b'.');
    let (header, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    let decode = |part| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
    match parts.next() {
        None => Some((decode(header)?, decode(claims)?)),
        Some(_) => None,
    }
}

/// The SHA-256 thumbprint of the key in a proof (RFC 7638 section 3), in base64url: the `jkt` that tokens are bound to
/// (RFC 9449 section 6.1).
pub fn thumbprint(proof: &[u8]) -> Option<String> {
    let (header, _) = parts(proof)?;
    let Header { jwk: key } = serde_json::from_slice(&header).ok()?;
    // Members in the order of their names, without spaces.
    let members = match key.kty {
        "EC" => format!(
            r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
            key.crv?, key.x?, key.y?
        ),
        // RFC 8037 section 2
        "OKP" => format!(r#"{{"crv":"{}","kty":"OKP","x":"{}"}}"#, key.crv?, key.x?),
        "RSA" => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, key.e?, key.n?),
        _ => return None,
    };
    Some(BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(members)))
}

/// The `jti` of a proof, which no other proof has (RFC 9449 section 4.2).
pub fn jti(proof: &[u8]) -> Option<String> {
    let (_, claims) = parts(proof)?;
    let Claims { jti } = serde_json::from_slice(&claims).ok()?;
    (1..=JTI_BYTES).contains(&jti.len()).then_some(jti)
}
