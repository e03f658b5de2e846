//! One direction's keys, and records opened with them (RFC 8446 section 5.2, RFC 5288, RFC 7905).
//!
//! Invariant: what comes out was authenticated. Key schedules inside of `ring` are not wiped when they are dropped; secrets
//! and keys on this side are.

use ring::aead::{Aad, LessSafeKey, Nonce, UnboundKey};

use super::Version;
use super::suite::Aead;

/// Bytes of a record's header.
pub(super) const HEADER: usize = 5;
/// Longest content of a record.
pub(super) const CONTENT: usize = 1 << 14;
/// Longest body of a record: content and what protection adds (RFC 5246 section 6.2.3; 1.3 allows less).
pub(super) const BODY: usize = CONTENT + 2048;

/// `change_cipher_spec`
pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
/// `alert`
pub(super) const ALERT: u8 = 21;
/// `handshake`
pub(super) const HANDSHAKE: u8 = 22;
/// `application_data`
pub(super) const APPLICATION_DATA: u8 = 23;

/// Bytes of the tag of every suite here.
const TAG: usize = 16;
/// Bytes of a nonce that TLS 1.2 sends with each record of AES-GCM.
const EXPLICIT: usize = 8;

/// The keys of one direction.
pub(super) struct Keys {
    key: LessSafeKey,
    iv: [u8; 12],
    framing: Framing,
    /// Number of the next record.
    pub sequence: u64,
}

/// How a record is built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// The content's type and padding are inside.
    New,
    /// The nonce is made from the number alone.
    Counted,
    /// Part of the nonce is sent.
    Explicit,
}

/// A record that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// The content's type.
    pub kind: u8,
    /// Bytes of content.
    pub length: usize,
}

impl Keys {
    /// `iv`: 12 bytes, or the 4 that TLS 1.2 has of it with AES-GCM.
    pub fn new(version: Version, aead: Aead, key: &[u8], iv: &[u8]) -> Option<Self> {
        let framing = match (version, aead) {
            (Version::Tls13, _) => Framing::New,
            (_, Aead::ChaCha20Poly1305) => Framing::Counted,
            (_, Aead::Aes128Gcm | Aead::Aes256Gcm) => Framing::Explicit,
        };
        let mut full = [0; 12];
        full.get_mut(..iv.len())?.copy_from_slice(iv);
        Some(Self {
            key: LessSafeKey::new(UnboundKey::new(aead.algorithm(), key).ok()?),
            iv: full,
            framing,
            sequence: 0,
        })
    }

    /// Bytes that protection adds to content at least.
    pub fn overhead(&self) -> usize {
        match self.framing {
            Framing::New => TAG + 1,
            Framing::Counted => TAG,
            Framing::Explicit => EXPLICIT + TAG,
        }
    }

    /// Bytes of a body that stand before its content.
    pub fn lead(&self) -> usize {
        match self.framing {
            Framing::New | Framing::Counted => 0,
            Framing::Explicit => EXPLICIT,
        }
    }

    /// Bytes of content of a record, where its header tells: since TLS 1.3 it may be padded.
    pub fn content_length(&self, body: usize) -> Option<usize> {
        match self.framing {
            Framing::New => None,
            Framing::Counted | Framing::Explicit => body.checked_sub(self.overhead()),
        }
    }

    /// Opens record `sequence` into `content`, which is cleared first and afterwards begins with the content. `None`: these
    /// are not its bytes.
    pub fn open(
        &self,
        sequence: u64,
        header: [u8; HEADER],
        body: &[u8],
        content: &mut Vec<u8>,
    ) -> Option<Opened> {
        content.clear();
        let (lead, sealed) = body.split_at_checked(self.lead())?;
        let inside = body.len().checked_sub(self.overhead())?;
        content.extend_from_slice(sealed);
        let mut nonce = self.iv;
        if self.framing == Framing::Explicit {
            for (byte, sent) in nonce.iter_mut().skip(4).zip(lead) {
                *byte = *sent;
            }
        } else {
            for (byte, count) in nonce.iter_mut().skip(4).zip(sequence.to_be_bytes()) {
                *byte ^= count;
            }
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let [kind, major, minor, ..] = header;
        let opened = if self.framing == Framing::New {
            self.key.open_in_place(nonce, Aad::from(header), content)
        } else {
            let [a, b, c, d, e, f, g, h] = sequence.to_be_bytes();
            let [high, low] = (inside as u16).to_be_bytes();
            let about = [a, b, c, d, e, f, g, h, kind, major, minor, high, low];
            self.key.open_in_place(nonce, Aad::from(about), content)
        };
        let opened = opened.ok()?;
        if self.framing != Framing::New {
            return Some(Opened {
                kind,
                length: opened.len(),
            });
        }
        let last = opened.iter().rposition(|byte| *byte != 0)?;
        Some(Opened {
            kind: opened.get(last).copied()?,
            length: last,
        })
    }
}
