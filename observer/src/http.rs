//! HTTP read passively: in-order bytes of both directions go in, exchanges come out.
//!
//! Bias: prefers losing an exchange to inventing one. A hole breaks a pairing and never shifts it: what was
//! pending at the hole ends as uncertain, and pairing starts again only where it is sure.

mod advice;
mod body;
mod connection;
mod detect;
mod exchange;
mod framing;
mod head;
pub mod http2;
mod loss;
mod message;
mod pairing;
mod pending;
mod proxy_protocol;
mod reader;
mod websocket;
mod wiped;
#[cfg(test)]
pub(crate) mod tests;

pub use advice::{ACTION, Advice};
pub use connection::{Connection, Switch};
pub use detect::{Start, detect};
pub use exchange::{Cut, Exchange, Malformed, Rpc, Uncertain};

pub use websocket::WebSocket;

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Which end of a connection sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The end that sends requests.
    Client,
    /// The end that answers.
    Server,
}

/// What is known of the segment that carried some bytes.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Nanoseconds on the capture's monotonic clock.
    pub time: u64,
    /// How far the sender of this segment had received the other direction: a stream offset of the other side.
    /// `None` where the segment carried no acknowledgement or the other side's offsets are not known.
    pub acked: Option<u64>,
}

/// Bounds of one connection's memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one message head, start line included.
    pub head_bytes: usize,
    /// Requests that wait for their response.
    pub pipeline_depth: usize,
}

/// HTTP version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
}

/// A request's head, borrowed for the time of [`Sink::request`]. It may carry secrets: nobody keeps it.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    /// Any token (RFC 9110 section 9.1), case-sensitive.
    pub method: &'a str,
    /// The request target as sent: origin, absolute, authority or asterisk form (RFC 9112 section 3.2).
    pub target: &'a str,
    /// Version of the start line.
    pub version: Version,
    /// Fields in their order, names as sent.
    pub fields: &'a [httparse::Header<'a>],
}

impl<'a> RequestHead<'a> {
    /// Values of every field of that name, in order. Names compare without case.
    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let named = self
            .fields
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value)
    }
}

/// Where a connection's exchanges go.
pub trait Sink {
    /// What is kept of a request until its exchange ends.
    type Request;

    /// A request's head is complete; `moment` is its first byte's, and `offset` that byte's place in the stream where the request has
    /// one of its own (HTTP/1). Called once a request, in order, before any of its response is read.
    fn request(
        &mut self,
        head: &RequestHead<'_>,
        moment: Moment,
        offset: Option<u64>,
    ) -> Self::Request;

    /// A PROXY protocol header at the start of the connection named this source (`None`: LOCAL or UNKNOWN).
    fn proxied(&mut self, source: Option<SocketAddr>);

    /// An exchange ended, in the order in which exchanges end.
    fn exchange(&mut self, exchange: Exchange<Self::Request>);

    /// Bytes that were never seen and do not lie in a body of known length.
    fn missing(&mut self, bytes: u64);

    /// A frame of HTTP/2 began.
    fn frame(&mut self, _kind: http2::Kind) {}

    /// A call of gRPC has had so many more messages, of the client and of the server; said while it lives. `certain`: all of the
    /// request's head is known.
    fn messages(&mut self, _request: &Self::Request, _certain: bool, _more: [u64; 2]) {}
}
