//! One request with its response, as it was read; not yet attributed to anybody.

use serde::{Deserialize, Serialize};

use super::http2::Reason;
use super::{Advice, WebSocket};

/// One request with its response, or what was seen of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange<R> {
    /// What [`super::Sink::request`] made of the request; `None` for a response whose request is not known.
    pub request: Option<R>,
    /// Status of the final response; `None` when none came.
    pub status: Option<u16>,
    /// Time of the request's first byte (of the response's, when there is no request). Nanoseconds, capture clock.
    pub begin: u64,
    /// Time of the response head's first byte.
    pub first_byte: Option<u64>,
    /// Time of the last byte that belongs to the exchange.
    pub end: u64,
    /// Bytes of the request's head with its empty line.
    pub request_head_bytes: u64,
    /// Bytes of the request's content, without transfer framing; of the tunnel after CONNECT or Upgrade.
    pub request_body_bytes: u64,
    /// Bytes of the final response's head with its empty line; interim responses are not in it.
    pub response_head_bytes: u64,
    /// Bytes of the response's content, without transfer framing; of the tunnel after CONNECT or Upgrade.
    pub response_body_bytes: u64,
    /// What the final response says of when and how often to ask.
    pub advice: Advice,
    /// How the exchange was cut before its end.
    pub cut: Option<Cut>,
    /// It had a stream of HTTP/2.
    #[serde(default)]
    pub http2: bool,
    /// The reason that was given for it (HTTP/2).
    #[serde(default)]
    pub reason: Option<Reason>,
    /// What is known of a call of gRPC.
    #[serde(default)]
    pub rpc: Option<Rpc>,
    /// What passed through a WebSocket that it opened.
    #[serde(default)]
    pub socket: Option<WebSocket>,
    /// Why the application may have read this exchange differently.
    pub malformed: Option<Malformed>,
    /// Why some part of either head is not known with certainty.
    pub uncertain: Option<Uncertain>,
}

/// A call of gRPC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rpc {
    /// `grpc-status`; `None`: there was none.
    pub status: Option<u32>,
    /// Messages of the client; `None`: how many is not known.
    pub requests: Option<u64>,
    /// Messages of the server.
    pub responses: Option<u64>,
}

/// How an exchange was cut before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cut {
    /// The client closed or reset before its response was complete.
    ClientAbort,
    /// The server closed or reset in the middle of its response, or reset before it.
    ServerReset,
    /// The connection ended, or went idle past its timeout, and no response came.
    NoResponse,
}

/// A message that recipients are known to read differently (RFC 9112 sections 2.2, 5.2, 6.3, 11.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Malformed {
    /// Content-Length beside Transfer-Encoding.
    BothLengths,
    /// Content-Length values that differ or are no number.
    ContentLength,
    /// A Transfer-Encoding that does not end in chunked, or is no known coding, in a request.
    TransferEncoding,
    /// A line that ends in a bare line feed.
    BareLineFeed,
    /// A field continued on the next line.
    ObsFold,
    /// A chunk size that is no number or too large.
    ChunkSize,
    /// Bytes that are no head, where a head has to be.
    Head,
    /// A head longer than the bound.
    HeadTooLong,
}

/// Why part of an exchange is not certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Uncertain {
    /// Bytes of a head or of body framing were never seen.
    Gap,
    /// The response could not be paired with a request, or the request with a response, after a gap.
    PairingBroken,
    /// The connection was joined after this message began.
    JoinedInTheMiddle,
    /// More requests waited for their response than the bound allows.
    PipelineBound,
    /// Retransmitted bytes differed: which ones the receiver took cannot be known.
    Conflict,
    /// Fields of a head refer to some that were never seen (RFC 7541).
    HeaderTable,
}

impl Cut {
    /// The name in records and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientAbort => "client_abort",
            Self::ServerReset => "server_reset",
            Self::NoResponse => "no_response",
        }
    }
}

impl Malformed {
    /// The name in records and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::BothLengths => "both_lengths",
            Self::ContentLength => "content_length",
            Self::TransferEncoding => "transfer_encoding",
            Self::BareLineFeed => "bare_line_feed",
            Self::ObsFold => "obs_fold",
            Self::ChunkSize => "chunk_size",
            Self::Head => "head",
            Self::HeadTooLong => "head_too_long",
        }
    }
}

impl Uncertain {
    /// The name in records and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::PairingBroken => "pairing_broken",
            Self::JoinedInTheMiddle => "joined_in_the_middle",
            Self::PipelineBound => "pipeline_bound",
            Self::Conflict => "conflict",
            Self::HeaderTable => "header_table",
        }
    }
}
