//! Cipher suites whose records can be opened: those with authenticated encryption that TLS 1.2 and 1.3 share.

use ring::{aead, digest, hmac};
use serde::{Deserialize, Serialize};
use tls_parser::{TlsCipherEnc, TlsCipherEncMode, TlsCipherKx, TlsCipherSuite, TlsPRF};

use super::Version;

/// What a suite encrypts with, and hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Suite {
    pub version: Version,
    pub aead: Aead,
    pub hash: Hash,
}

/// How records are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Aead {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

/// What transcripts and key schedules hash with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Hash {
    Sha256,
    Sha384,
}

impl Suite {
    /// The suite of a number in IANA's registry. `None`: it cannot be read, or is none of that version.
    pub fn of(version: Version, number: u16) -> Option<Self> {
        let suite = TlsCipherSuite::from_id(number)?;
        let is_new = suite.kx == TlsCipherKx::Tls13;
        if is_new != (version == Version::Tls13) || version < Version::Tls12 {
            return None;
        }
        let aead = match (suite.enc, suite.enc_mode, suite.enc_size) {
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 128) => Aead::Aes128Gcm,
            (TlsCipherEnc::Aes, TlsCipherEncMode::Gcm, 256) => Aead::Aes256Gcm,
            (TlsCipherEnc::Chacha20_Poly1305, ..) => Aead::ChaCha20Poly1305,
            _ => return None,
        };
        let hash = match suite.prf {
            TlsPRF::Sha256 => Hash::Sha256,
            TlsPRF::Sha384 => Hash::Sha384,
            _ => return None,
        };
        Some(Self {
            version,
            aead,
            hash,
        })
    }
}

impl Aead {
    pub fn algorithm(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128Gcm => &aead::AES_128_GCM,
            Self::Aes256Gcm => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        }
    }

    /// Bytes of the key.
    pub fn key_bytes(self) -> usize {
        self.algorithm().key_len()
    }
}

impl Hash {
    /// Bytes of a hash, and of a secret.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    pub fn context(self) -> digest::Context {
        digest::Context::new(match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
        })
    }

    pub fn of(self, bytes: &[u8]) -> digest::Digest {
        let mut context = self.context();
        context.update(bytes);
        context.finish()
    }

    pub fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_is_told_from_what_cannot() {
        let of = |version, number| {
            Suite::of(version, number).map(|suite| (suite.aead, suite.hash.bytes()))
        };
        assert_eq!(of(Version::Tls13, 0x1301), Some((Aead::Aes128Gcm, 32)));
        assert_eq!(of(Version::Tls13, 0x1302), Some((Aead::Aes256Gcm, 48)));
        assert_eq!(
            of(Version::Tls13, 0x1303),
            Some((Aead::ChaCha20Poly1305, 32))
        );
        assert_eq!(of(Version::Tls12, 0xc02f), Some((Aead::Aes128Gcm, 32)));
        assert_eq!(of(Version::Tls12, 0xc030), Some((Aead::Aes256Gcm, 48)));
        assert_eq!(of(Version::Tls12, 0x009c), Some((Aead::Aes128Gcm, 32)));
        assert_eq!(
            of(Version::Tls12, 0xcca8),
            Some((Aead::ChaCha20Poly1305, 32))
        );
        // CCM, CBC, the wrong version, an old one, and a number that nobody has.
        for (version, number) in [
            (Version::Tls13, 0x1304),
            (Version::Tls12, 0xc0ac),
            (Version::Tls12, 0xc013),
            (Version::Tls12, 0x1301),
            (Version::Tls13, 0xc02f),
            (Version::Tls11, 0xc02f),
            (Version::Tls12, 0xfefe),
        ] {
            assert_eq!(of(version, number), None, "{number:#06x}");
        }
    }
}
