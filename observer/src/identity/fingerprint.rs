//! Keyed fingerprints: the only form in which a credential leaves this process.
//!
//! Invariant: without the pepper nobody can test a guess, and nothing here prints the pepper or a value.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use super::extract::Scheme;
use super::spelling::SpellingKey;

/// Bytes of a pepper.
pub const PEPPER_BYTES: usize = 32;

/// The id that stands in front of every fingerprint made with the current pepper.
const PEPPER_ID: u8 = 1;
/// 80 bits: among a million keys two share a fingerprint with a chance below 1e-12.
const DIGEST_BYTES: usize = 10;
const DIGEST_CHARS: usize = 16;
/// Separates the fingerprints of keys from any other use of the pepper.
const KEY_LABEL: &[u8] = b"observer/fp/v1\0";
/// The key of hashes that stand for spellings.
const SPELLING_LABEL: &[u8] = b"observer/spelling/v1\0";
/// Clear identities have a domain of their own, so that a key whose value is somebody's user name is not that user.
const IDENTITY_LABEL: &[u8] = b"observer/id/v1\0";

/// The secret under which fingerprints are made. Overwritten with zeros when dropped.
pub struct Pepper(Zeroizing<[u8; PEPPER_BYTES]>);

impl Pepper {
    /// Takes the bytes over and overwrites where they stood.
    pub fn new(bytes: &mut [u8; PEPPER_BYTES]) -> Self {
        let pepper = Self(Zeroizing::new(*bytes));
        bytes.zeroize();
        pepper
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(..)")
    }
}

/// A credential's keyed fingerprint, not secret: `k<pepper id>_` and 16 characters of base32 (RFC 4648, no padding).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    pepper: u8,
    digest: [u8; DIGEST_BYTES],
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; DIGEST_CHARS];
        BASE32_NOPAD.encode_mut(&self.digest, &mut text);
        write!(
            f,
            "k{}_{}",
            self.pepper,
            str::from_utf8(&text).unwrap_or_default()
        )
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no fingerprint. Does not carry the text: it may be a key that was pasted in the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a fingerprint: one reads k1_ and {DIGEST_CHARS} of A-Z2-7, as `observer keys fingerprint` prints it"
)]
pub struct NotAFingerprint;

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;

    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let (pepper, digest) = text
            .strip_prefix('k')
            .and_then(|rest| rest.split_once('_'))
            .ok_or(NotAFingerprint)?;
        if pepper.starts_with('0')
            || !pepper.bytes().all(|byte| byte.is_ascii_digit())
            || digest.len() != DIGEST_CHARS
        {
            return Err(NotAFingerprint);
        }
        let mut bytes = [0_u8; DIGEST_BYTES];
        BASE32_NOPAD
            .decode_mut(digest.as_bytes(), &mut bytes)
            .map_err(|_| NotAFingerprint)?;
        Ok(Self {
            pepper: pepper.parse().map_err(|_| NotAFingerprint)?,
            digest: bytes,
        })
    }
}

/// Makes fingerprints. Holds the keyed hash states, so one fingerprint costs two blocks of SHA-256 for a usual key.
#[derive(Clone)]
pub struct Fingerprinter {
    key: Hmac<Sha256>,
    identity: Hmac<Sha256>,
    spelling: SpellingKey,
}

impl Fingerprinter {
    /// Keys the states; the pepper itself is not needed after that.
    pub fn new(pepper: &Pepper) -> Self {
        let keyed = |label: &[u8]| {
            // RFC 2104 section 2: a key shorter than the block is padded with zeros, so this block is the same key.
            let mut block = Zeroizing::new([0_u8; 64]);
            for (to, from) in block.iter_mut().zip(pepper.0.iter()) {
                *to = *from;
            }
            let mut state = Hmac::<Sha256>::new((&*block).into());
            state.update(label);
            state
        };
        let spelling = keyed(SPELLING_LABEL).finalize().into_bytes();
        let mut halves = [0; 2];
        for (half, part) in halves.iter_mut().zip(spelling.as_chunks().0) {
            *half = u64::from_le_bytes(*part);
        }
        Self {
            key: keyed(KEY_LABEL),
            identity: keyed(IDENTITY_LABEL),
            spelling: SpellingKey(halves),
        }
    }

    /// What spellings of credentials are hashed with.
    pub fn spelling(&self) -> SpellingKey {
        self.spelling
    }

    /// The fingerprint of a key, token or other secret value.
    pub fn fingerprint(&self, value: &[u8]) -> Fingerprint {
        let mut state = self.key.clone();
        state.update(value);
        finish(state)
    }

    /// The fingerprint of an identity that travels in the clear (a user name, a token's subject, an access key id).
    pub fn identity(&self, scheme: Scheme, issuer: &str, subject: &str) -> Fingerprint {
        let mut state = self.identity.clone();
        for part in [scheme.name(), issuer, subject] {
            // Lengths in front: no two triples read the same.
            state.update(&(part.len() as u64).to_be_bytes());
            state.update(part.as_bytes());
        }
        finish(state)
    }
}

fn finish(state: Hmac<Sha256>) -> Fingerprint {
    let full = state.finalize().into_bytes();
    let mut digest = [0_u8; DIGEST_BYTES];
    for (to, from) in digest.iter_mut().zip(full.iter()) {
        *to = *from;
    }
    Fingerprint {
        pepper: PEPPER_ID,
        digest,
    }
}

impl fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprinter(..)")
    }
}
