//! What an attributed exchange is, and the one set of counters that metrics, reports and invoices are made of.
//!
//! An exchange counts once: edge and local vantages as usage, hops apart. What could not be read with certainty is
//! attributed to nobody by guess, and lowers the completeness.

mod agreements;
pub mod batch;
mod capture;
mod counters;
pub mod draft;
mod labels;
mod messages;
pub mod period;
pub mod rating;
pub mod reconcile;
pub mod responsibility;
mod series;
mod snapshot;
pub mod statement;
pub(crate) mod window;

#[cfg(test)]
pub(crate) mod tests;

use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

pub use crate::identity::money;
pub use agreements::Agreements;
pub use capture::{CaptureStats, InterfaceTraffic, LedgerStats, Opaque, ProgramRuns, Responses};
pub use counters::{Counters, recent_nanoseconds};
pub use labels::shown_method;
pub use messages::Messages;
pub use series::OTHER;
pub use snapshot::{
    BUCKETS, ConsumerRow, DurationRow, ErrorClass, FailureRow, HopRow, RequestRow, Snapshot,
    StatusLabel,
};

use crate::http::http2::Reason;
use crate::http::{Cut, Malformed, Rpc, Uncertain, WebSocket};
use crate::identity::{self, Traits};
use crate::tls::Terms;

/// Requests without a credential.
pub const UNKEYED: &str = "__unkeyed__";
/// Requests with a credential that the registry does not have.
pub const UNREGISTERED: &str = "__unregistered__";
/// Requests whose credential could not be read with certainty.
pub const UNKNOWN: &str = "__unknown__";

/// Where an exchange was seen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Vantage {
    /// The client is another host.
    Edge,
    /// The client is a process of this host that does not serve.
    Local,
    /// The client is a process of this host that itself serves.
    Hop,
}

/// Whether the exchange could be read by anyone on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Not encrypted.
    Plaintext,
    /// Inside TLS.
    Tls,
}

/// What came of a request: the first that applies, in the order of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Recipients are known to read the message differently.
    Malformed,
    /// The client left before the end of the response.
    ClientAbort,
    /// The server left before the end of the response.
    ServerReset,
    /// The connection ended without a response.
    NoResponse,
    /// 2xx, 101 and 304.
    Ok,
    /// 3xx but 304.
    Redirect,
    /// 401 to a request without credential.
    AuthMissing,
    /// 401 or 403 to a request with one.
    AuthRejected,
    /// 403 to a request without credential.
    Forbidden,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 429.
    RateLimited,
    /// Every other 4xx.
    ClientError,
    /// 5xx, and what is no status of a final response (RFC 9110 section 15).
    ServerError,
}

/// Who has to act on an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Responsible {
    /// Whoever sent the request.
    Consumer,
    /// Whoever serves the API.
    Provider,
}

/// One attributed exchange, in the fields of the contract's record.
#[derive(Clone, Debug)]
pub struct Call {
    /// Time of the request's first byte. Nanoseconds since 1970 in UTC.
    pub begin: u64,
    /// To the last byte of the exchange. Nanoseconds.
    pub duration: u64,
    /// To the first byte of the response's head. Nanoseconds.
    pub first_byte: Option<u64>,
    /// The peer, or what trusted proxies say.
    pub client: SocketAddr,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// This end of the connection.
    pub server: SocketAddr,
    /// Where the segments were seen.
    pub interface: Arc<str>,
    /// From where.
    pub vantage: Vantage,
    /// Encrypted or not.
    pub visibility: Visibility,
    /// What was agreed on where it is encrypted.
    pub tls: Option<Arc<Terms>>,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
    /// As sent; `None` for a response without its request.
    pub method: Option<Arc<str>>,
    /// From [`crate::route::Resolved`].
    pub api: Arc<str>,
    /// Host field or `:authority`.
    pub host: Option<Arc<str>>,
    /// As much of the request target as the configuration lets a record keep.
    pub target: Option<Box<str>>,
    /// From [`crate::route::Resolved`].
    pub route: Arc<str>,
    /// Whether the operation needs no credential.
    pub public: bool,
    /// Status of the final response.
    pub status: Option<u16>,
    /// From [`Outcome::of`].
    pub outcome: Outcome,
    /// Bytes of the request's head.
    pub request_head_bytes: u64,
    /// Bytes of the request's content.
    pub request_body_bytes: u64,
    /// Bytes of the response's head.
    pub response_head_bytes: u64,
    /// Bytes of the response's content.
    pub response_body_bytes: u64,
    /// The credential that decided on the consumer.
    pub credential: Option<Credential>,
    /// A registered id, or one of the reserved names.
    pub consumer: Arc<str>,
    /// The registered application.
    pub app: Option<Arc<str>>,
    /// The registered key.
    pub key: Option<Arc<str>>,
    /// The reason that one side gave for cutting it (HTTP/2).
    pub reset: Option<Reason>,
    /// What is known of a call of gRPC.
    pub rpc: Option<Rpc>,
    /// What passed through a WebSocket.
    pub socket: Option<WebSocket>,
    /// Why part of either head was not seen.
    pub uncertain: Option<Uncertain>,
    /// Why recipients may have read it differently.
    pub malformed: Option<Malformed>,
    /// What is not shown, and compared.
    pub traits: Traits,
    /// The action by which the observer itself refused it; the application never saw it.
    pub refused: Option<Arc<str>>,
}

/// What may be shown of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Such as `api-key` or `bearer`.
    pub scheme: &'static str,
    /// Such as `header:x-api-key`, `query:api_key` or `path:1`.
    pub location: Arc<str>,
    /// The keyed fingerprint.
    pub fingerprint: Fingerprint,
    /// Whether the server answered, and neither with 401 nor with 403.
    pub accepted: bool,
    /// What the kernel side finds it by, where it can.
    pub spelling: Option<u64>,
    /// The fingerprint as it is compared.
    pub known_by: identity::Fingerprint,
}

/// The text of a fingerprint, in place. What is longer than its 32 bytes is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    bytes: [u8; 32],
    length: usize,
}

impl Fingerprint {
    /// Keeps what this value displays.
    pub fn new(fingerprint: impl fmt::Display) -> Self {
        let mut text = Self {
            bytes: [0; 32],
            length: 0,
        };
        // The only failure is a text that is too long, which is cut.
        let _ = write!(text, "{fingerprint}");
        text
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..self.length)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl fmt::Write for Fingerprint {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = text.floor_char_boundary(self.bytes.len() - self.length);
        let end = self.length + fits;
        if let Some((room, text)) = self.bytes.get_mut(self.length..end).zip(text.get(..fits)) {
            room.copy_from_slice(text.as_bytes());
            self.length = end;
        }
        if fits < text.len() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Vantage {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Local => "local",
            Self::Hop => "hop",
        }
    }
}

impl Visibility {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Tls => "tls",
        }
    }
}

impl Outcome {
    /// Every one, in the order of the contract.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::ClientAbort,
        Self::ServerReset,
        Self::NoResponse,
        Self::Ok,
        Self::Redirect,
        Self::AuthMissing,
        Self::AuthRejected,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RateLimited,
        Self::ClientError,
        Self::ServerError,
    ];

    /// The one of this name in records.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
    }

    /// Of a call of gRPC that ended with this code (<https://grpc.io/docs/guides/status-codes/>): as the status of HTTP that Google's
    /// APIs have for it (google/rpc/code.proto).
    pub fn of_grpc(code: u32, credential: bool) -> Self {
        let status = match code {
            0 => 200,
            1 => return Self::ClientAbort,
            3 | 9 | 11 => 400,
            4 => 504,
            5 => 404,
            6 | 10 => 409,
            7 => 403,
            8 => 429,
            12 => 501,
            14 => 503,
            16 => 401,
            _ => 500,
        };
        Self::of_status(status, credential)
    }

    /// By the contract's precedence. No status and no cut is no response: the pairing was lost.
    pub fn of(
        status: Option<u16>,
        cut: Option<Cut>,
        malformed: Option<Malformed>,
        credential: bool,
    ) -> Self {
        if malformed.is_some() {
            return Self::Malformed;
        }
        match (cut, status) {
            (Some(Cut::ClientAbort), _) => Self::ClientAbort,
            (Some(Cut::ServerReset), _) => Self::ServerReset,
            (Some(Cut::NoResponse), _) | (None, None) => Self::NoResponse,
            (None, Some(status)) => Self::of_status(status, credential),
        }
    }

    fn of_status(status: u16, credential: bool) -> Self {
        match (status, credential) {
            (101 | 200..=299 | 304, _) => Self::Ok,
            (300..=399, _) => Self::Redirect,
            (401 | 403, true) => Self::AuthRejected,
            (401, false) => Self::AuthMissing,
            (403, false) => Self::Forbidden,
            (404, _) => Self::NotFound,
            (405, _) => Self::MethodNotAllowed,
            (429, _) => Self::RateLimited,
            (400..=499, _) => Self::ClientError,
            _ => Self::ServerError,
        }
    }

    /// The name in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::ClientAbort => "client_abort",
            Self::ServerReset => "server_reset",
            Self::NoResponse => "no_response",
            Self::Ok => "ok",
            Self::Redirect => "redirect",
            Self::AuthMissing => "auth_missing",
            Self::AuthRejected => "auth_rejected",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RateLimited => "rate_limited",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
        }
    }

    /// Who has to act; `None` where nothing went wrong.
    pub fn responsible(self) -> Option<Responsible> {
        match self {
            Self::Ok | Self::Redirect => None,
            Self::ServerReset | Self::NoResponse | Self::ServerError => Some(Responsible::Provider),
            Self::Malformed
            | Self::ClientAbort
            | Self::AuthMissing
            | Self::AuthRejected
            | Self::Forbidden
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::RateLimited
            | Self::ClientError => Some(Responsible::Consumer),
        }
    }

    /// Whether the exchange failed without a status saying so.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::Malformed | Self::ClientAbort | Self::ServerReset | Self::NoResponse
        )
    }
}

impl Responsible {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Provider => "provider",
        }
    }
}

impl Call {
    /// Whether both heads were seen in full.
    pub fn is_certain(&self) -> bool {
        self.uncertain.is_none() && self.method.is_some()
    }

    /// Why the record is not complete, or else why it is malformed, or what was said when it was cut. Of a head that was cut off,
    /// how.
    pub fn reason(&self) -> Option<&'static str> {
        self.uncertain
            .map(Uncertain::name)
            .or_else(|| self.malformed.map(Malformed::name))
            .or_else(|| self.reset.map(Reason::name))
            .or_else(|| (!self.is_certain()).then(|| self.outcome.as_str()))
    }

    /// Whether the application did what was asked for: only then is the credential more than a claim.
    pub fn has_succeeded(&self) -> bool {
        self.uncertain.is_none() && matches!(self.outcome, Outcome::Ok | Outcome::Redirect)
    }

    /// End of the exchange. Nanoseconds since 1970 in UTC.
    pub fn end(&self) -> u64 {
        self.begin.saturating_add(self.duration)
    }
}
