//! TLS as far as it goes in the clear: what a server agreed on in its hello, and whether that still protects anybody.
//!
//! Bias: a handshake that was not read to its hello is [`Outcome::Unread`], never guessed from what came before it.

mod cipher;
mod hello;

use std::net::SocketAddr;
use std::sync::Arc;

pub use cipher::name as cipher_name;
pub use hello::{Flight, Hello};
use serde::{Deserialize, Serialize};

/// A version of the protocol (RFC 8446 appendix D and its predecessors), the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// SSL 3.0 (RFC 6101).
    Ssl3,
    /// TLS 1.0 (RFC 2246).
    Tls10,
    /// TLS 1.1 (RFC 4346).
    Tls11,
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// How a handshake went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server chose; what follows is encrypted.
    Agreed(Hello),
    /// The server refused.
    Refused,
    /// Not all of the server's hello was seen, or it was none.
    Unread,
}

/// One handshake.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// When the server answered, in nanoseconds since 1970 in UTC.
    pub time: u64,
    /// Who asked.
    pub client: SocketAddr,
    /// Who answered.
    pub server: SocketAddr,
    /// Whether it is none that this host began with a server elsewhere.
    pub inbound: bool,
    /// Where it was seen.
    pub interface: Arc<str>,
    /// How it went.
    pub outcome: Outcome,
}

impl Version {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Ssl3,
        Self::Tls10,
        Self::Tls11,
        Self::Tls12,
        Self::Tls13,
    ];

    /// By the number on the wire.
    fn of(number: u16) -> Option<Self> {
        Some(match number {
            0x0300 => Self::Ssl3,
            0x0301 => Self::Tls10,
            0x0302 => Self::Tls11,
            0x0303 => Self::Tls12,
            0x0304 => Self::Tls13,
            _ => return None,
        })
    }

    /// The name in metrics, without the protocol's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ssl3 => "ssl3",
            Self::Tls10 => "1.0",
            Self::Tls11 => "1.1",
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }

    /// The name of a column.
    pub const fn column(self) -> &'static str {
        match self {
            Self::Ssl3 => "ssl_3_0",
            Self::Tls10 => "tls_1_0",
            Self::Tls11 => "tls_1_1",
            Self::Tls12 => "tls_1_2",
            Self::Tls13 => "tls_1_3",
        }
    }

    /// The name in a sentence.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ssl3 => "SSL 3.0",
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }
}

impl Hello {
    /// What must not be used any more of what was agreed on: the version (RFC 8996), or the cipher suite (RFC 9325 section
    /// 4.1).
    pub fn weakness(&self) -> Option<&'static str> {
        if self.version < Version::Tls12 {
            return Some("an obsolete version");
        }
        cipher::weakness(self.cipher)
    }
}

impl Outcome {
    /// The result in metrics. What was agreed on cannot be read.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agreed(_) => "opaque",
            Self::Refused => "refused",
            Self::Unread => "unread",
        }
    }
}
