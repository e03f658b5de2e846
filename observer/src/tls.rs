//! TLS: what a server agreed on in its hello and whether that still protects anybody, and, where secrets are known, what
//! records hold.
//!
//! Bias: a handshake that was not read to its hello is [`Outcome::Unread`], never guessed from what came before it; a connection
//! of which anything is missing that its keys depend on is not read at all.

mod alpn;
mod cipher;
mod framing;
mod hello;
mod kept;
mod message;
mod offer;
mod opening;
mod protection;
mod reading;
mod schedule;
mod search;
pub mod secrets;
mod session;
mod suite;
mod way;

use std::net::SocketAddr;
use std::sync::Arc;

pub use alpn::Alpn;
pub use cipher::name as cipher_name;
pub use hello::{Hello, Hellos};
pub use offer::Offer;
use serde::{Deserialize, Serialize};
pub use session::{Inputs, Session};

use crate::flow::Seen;

/// Which end of a connection sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The end that began it.
    Client,
    /// The end that accepted it.
    Server,
}

/// Where plaintext goes. Its offsets begin at [`observer_ebpf::track::ORIGIN`], as those of a stream; [`Seen::acked`] is in
/// offsets of the other side's plaintext.
pub trait Plain {
    /// What the two ends agreed on; said once, before anything else.
    fn agreed(&mut self, terms: Terms);
    /// Bytes that follow what came before.
    fn data(&mut self, from: Side, seen: Seen, offset: u64, bytes: &[u8]);
    /// As many bytes inside of what [`Self::needless_until`] said, which were not decrypted.
    fn content(&mut self, from: Side, seen: Seen, offset: u64, length: u64);
    /// Here something is missing. How much is not known: `length` only moves the offset on.
    fn gap(&mut self, from: Side, seen: Seen, offset: u64, length: u64);
    /// No more bytes of this side.
    fn fin(&mut self, from: Side, seen: Seen);
    /// Offset before which bytes of this side are of no use.
    fn needless_until(&self, from: Side) -> Option<u64>;
    /// Offset of the first byte of this side that something half read begins with.
    fn half_read(&self, from: Side) -> Option<u64>;
}

/// Bounds of what waits for secrets.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one connection's records.
    pub waiting_bytes: usize,
    /// Nanoseconds.
    pub waiting_time: u64,
}

/// Whether these bytes are an alert in the clear, and nothing else (RFC 8446 sections 5.1 and 6).
pub fn is_alert(bytes: &[u8]) -> bool {
    matches!(bytes, [21, 3, _, 0, 2, 1 | 2, _])
}

/// Why a connection cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreadable {
    /// Its secrets did not come.
    NoSecret,
    /// Its records do not open with its secrets.
    WrongSecret,
    /// A version before TLS 1.2, or a draft.
    Version,
    /// A cipher suite without authenticated encryption, or with one that is not known.
    Suite,
    /// Bytes of its handshake are missing, or so much later on that the next record was not found.
    Gap,
    /// It does not follow the protocol.
    Malformed,
    /// Keys were agreed on anew (RFC 5246 section 7.4.1.1).
    Renegotiation,
    /// One end refused the other.
    Refused,
    /// It began before a restart, over which no secrets are kept.
    Restart,
    /// It carries something else.
    NotHttp,
}

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

/// What the two ends of a connection agreed on, and what the client had offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What the server chose.
    pub hello: Hello,
    /// `None` where not all of the client's hello was seen.
    pub offer: Option<Arc<Offer>>,
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
    /// What the client offered; `None` where not all of its hello was seen.
    pub offer: Option<Arc<Offer>>,
    /// What follows is decrypted here.
    pub read: bool,
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

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl Unreadable {
    /// The reason in metrics; `None` where there was nothing to read.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NoSecret => "tls_no_secret",
            Self::WrongSecret => "tls_wrong_secret",
            Self::Version => "tls_version",
            Self::Suite => "tls_suite",
            Self::Gap => "tls_gap",
            Self::Malformed => "tls_malformed",
            Self::Renegotiation => "tls_renegotiation",
            Self::Restart => "tls_restart",
            Self::NotHttp => "not_http",
            Self::Refused => return None,
        })
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

impl Handshake {
    /// The result in metrics.
    pub const fn result(&self) -> &'static str {
        match self.outcome {
            Outcome::Agreed(_) if self.read => "read",
            Outcome::Agreed(_) => "opaque",
            Outcome::Refused => "refused",
            Outcome::Unread => "unread",
        }
    }
}
