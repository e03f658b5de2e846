//! An exchange on a stream of its own, which has not ended yet.

use serde::{Deserialize, Serialize};

use super::super::pending::{Pending, blank};
use super::super::websocket::Frames;
use super::super::{Cut, Exchange, Malformed, Moment, Side, Sink, Uncertain};
use super::error::Reason;
use super::heads::{Asked, Said};
use super::messages::Messages;

const SECOND: u64 = 1_000_000_000;

/// One request with what was read of its response so far, or a response whose request is not known.
#[derive(Serialize, Deserialize)]
pub(super) struct Stream<R> {
    exchange: Exchange<R>,
    /// Bytes of content that the request announces.
    length: Option<u64>,
    request_done: bool,
    response: Response,
    calls: Option<Box<Calls>>,
    socket: Option<Box<Frames>>,
    tunnel: bool,
    /// Since when it is not known whether its response was lost.
    suspect: Option<(u64, Uncertain)>,
    /// Whether the client gave it up may be among lost bytes.
    given_up: bool,
}

/// Messages of a call, of the client and of the server.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Calls {
    sides: [Messages; 2],
    /// As many were told of.
    told: [u64; 2],
    /// When that was last.
    told_at: u64,
}

/// How far the response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Response {
    /// Nothing of it was seen.
    Waiting,
    /// An interim response was seen.
    Interim,
    /// Its head was seen.
    Content,
    Done,
}

impl<R> Stream<R> {
    /// Bytes on the heap of one that is followed, at most, without what the request owns.
    pub const HEAP_BYTES: usize = size_of::<Self>() + size_of::<Calls>() + 32;

    /// A request whose head has so many bytes.
    pub fn request(asked: Asked<R>, begin: Moment, now: Moment, bytes: u64) -> Self {
        let mut exchange = blank(asked.request, begin.time);
        exchange.end = now.time;
        exchange.request_head_bytes = bytes;
        exchange.malformed = asked.malformed;
        exchange.uncertain = asked.uncertain;
        Self {
            length: asked.length.filter(|_| !asked.tunnel),
            calls: asked.calls.then(Box::default),
            socket: asked.socket.then(Box::default),
            tunnel: asked.tunnel,
            ..Self::of(exchange, false)
        }
    }

    /// A request of HTTP/1, whose connection was asked to go on as HTTP/2.
    pub fn upgraded(pending: Pending<R>) -> Self {
        let mut exchange = pending.exchange;
        // The response that said so is an interim one.
        (exchange.status, exchange.first_byte) = (None, None);
        exchange.response_head_bytes = 0;
        Self::of(exchange, true)
    }

    /// A response whose request was not seen, or a request of which only this is known.
    pub fn orphan(time: u64, why: Uncertain) -> Self {
        let mut exchange = blank(None, time);
        exchange.uncertain = Some(why);
        Self::of(exchange, true)
    }

    fn of(mut exchange: Exchange<R>, request_done: bool) -> Self {
        exchange.http2 = true;
        Self {
            exchange,
            length: None,
            request_done,
            response: Response::Waiting,
            calls: None,
            socket: None,
            tunnel: false,
            suspect: None,
            given_up: false,
        }
    }

    /// Whether a response's head is to come.
    pub fn waits(&self) -> bool {
        matches!(self.response, Response::Waiting | Response::Interim)
    }

    /// Whether nothing more of it is to come.
    pub fn is_done(&self) -> bool {
        self.request_done && self.response == Response::Done
    }

    /// Time of its first byte.
    pub fn begin(&self) -> u64 {
        self.exchange.begin
    }

    /// Since when it is not known whether its response was lost.
    pub fn suspect(&self) -> Option<u64> {
        self.suspect.map(|(since, _)| since)
    }

    /// A head of the response, of so many bytes.
    pub fn answer(&mut self, said: &Said, begin: Moment, now: Moment, bytes: u64) {
        self.touch(now.time);
        self.suspect = None;
        if said
            .status
            .is_some_and(|status| (100..200).contains(&status))
        {
            self.response = Response::Interim;
            return;
        }
        let exchange = &mut self.exchange;
        self.response = Response::Content;
        exchange.status = said.status;
        exchange.advice = said.advice;
        exchange.first_byte.get_or_insert(begin.time);
        exchange.response_head_bytes = bytes;
        if said.status.is_none() {
            if said.status_veiled {
                self.doubt(Uncertain::HeaderTable);
            } else {
                exchange.malformed.get_or_insert(Malformed::Head);
            }
        }
        self.trail(said);
    }

    /// Fields after the response's content, or in its head when there is none.
    pub fn trail(&mut self, said: &Said) {
        if self.calls.is_none() {
            return;
        }
        let rpc = self.exchange.rpc.get_or_insert_default();
        rpc.status = rpc.status.or(said.grpc_status);
        if said.call_veiled && said.grpc_status.is_none() {
            self.doubt(Uncertain::HeaderTable);
        }
    }

    /// Content, or as much of it as was not seen.
    pub fn content(&mut self, from: Side, now: Moment, octets: u64, bytes: Option<&[u8]>) {
        self.touch(now.time);
        let (total, messages) = match from {
            Side::Client => (&mut self.exchange.request_body_bytes, 0),
            Side::Server => (&mut self.exchange.response_body_bytes, 1),
        };
        *total = total.saturating_add(octets);
        match (&mut self.socket, bytes) {
            (Some(socket), Some(bytes)) => socket.take(from, bytes),
            (Some(socket), None) => socket.skip(from, octets),
            (None, _) => {}
        }
        let messages = self
            .calls
            .as_mut()
            .and_then(|calls| calls.sides.get_mut(messages));
        match (messages, bytes) {
            (Some(messages), Some(bytes)) => messages.take(bytes),
            (Some(messages), None) => messages.skip(octets),
            (None, _) => {}
        }
    }

    /// Nothing more of one side.
    pub fn end(&mut self, from: Side, now: Moment) {
        self.touch(now.time);
        match from {
            Side::Client => {
                // Whoever translates to HTTP/1 may take either for the length (RFC 9113 section 8.1.1).
                let exchange = &mut self.exchange;
                let differs = self
                    .length
                    .is_some_and(|length| length != exchange.request_body_bytes);
                if !self.request_done && differs && exchange.uncertain.is_none() {
                    exchange.malformed.get_or_insert(Malformed::ContentLength);
                }
                self.request_done = true;
            }
            Side::Server => {
                // Trailers of which the head was not seen.
                if self.waits() {
                    self.doubt(Uncertain::Gap);
                }
                self.response = Response::Done;
            }
        }
    }

    /// One side ends it before its time.
    pub fn reset(&mut self, from: Side, reason: Reason, time: u64) {
        self.touch(time);
        // A response that is whole is not cut by whoever does not want the rest of the request.
        if self.response != Response::Done {
            self.doubt_suspect();
            self.exchange.cut = Some(match from {
                Side::Client => Cut::ClientAbort,
                Side::Server => Cut::ServerReset,
            });
            self.exchange.reason = Some(reason);
        }
    }

    /// So many bytes of its head are all that came.
    pub fn fragment(&mut self, bytes: u64, cut: Option<Cut>) {
        self.exchange.request_head_bytes = bytes;
        self.exchange.cut = cut;
        self.exchange.uncertain = cut.is_none().then_some(Uncertain::Gap);
    }

    /// Takes over a response that came before its request was seen.
    pub fn adopt(&mut self, orphan: Self) {
        let (mine, other) = (&mut self.exchange, orphan.exchange);
        mine.status = other.status;
        mine.first_byte = other.first_byte;
        mine.end = mine.end.max(other.end);
        mine.response_head_bytes = other.response_head_bytes;
        mine.response_body_bytes = other.response_body_bytes;
        mine.advice = other.advice;
        mine.uncertain.get_or_insert(Uncertain::PairingBroken);
        self.response = orphan.response;
    }

    /// The server did not and will not look at it.
    pub fn refuse(&mut self, reason: Reason) {
        self.doubt_suspect();
        self.exchange.cut = Some(Cut::NoResponse);
        self.exchange.reason = Some(reason);
    }

    /// Bytes of one side were lost, and nobody knows of which streams.
    pub fn lose(&mut self, from: Side, time: u64, why: Uncertain) {
        self.given_up |= from == Side::Client;
        let over = match from {
            Side::Client => self.request_done,
            Side::Server => self.response == Response::Done,
        };
        if over {
            return;
        }
        match from {
            Side::Client => {
                self.doubt(why);
                self.request_done = true;
            }
            Side::Server => {
                if self.response == Response::Content {
                    self.doubt(why);
                }
                self.suspect = Some((time, why));
            }
        }
        if let Some(socket) = &mut self.socket {
            socket.skip(from, u64::MAX);
        }
        if let Some(calls) = &mut self.calls {
            let [requests, responses] = &mut calls.sides;
            let messages = match from {
                Side::Client => requests,
                Side::Server => responses,
            };
            messages.skip(u64::MAX);
        }
    }

    /// What is not known of the response makes all of it uncertain.
    pub fn doubt_suspect(&mut self) {
        if let Some((_, why)) = self.suspect {
            self.doubt(why);
        }
    }

    /// Retransmitted bytes differed.
    pub fn doubt(&mut self, why: Uncertain) {
        self.exchange.uncertain.get_or_insert(why);
    }

    /// The connection is over. `cut`: how; `None`: nobody saw.
    pub fn over(&mut self, cut: Option<Cut>) {
        if self.response == Response::Done || self.exchange.uncertain.is_some() && self.waits() {
            return;
        }
        self.doubt_suspect();
        if self.suspect.is_some() || self.given_up {
            self.doubt(Uncertain::Gap);
            return;
        }
        match (cut, self.response) {
            // A tunnel ends with its connection.
            (_, Response::Content) if self.tunnel => {}
            (Some(cut), _) => self.exchange.cut = Some(cut),
            (None, Response::Waiting) => self.exchange.cut = Some(Cut::NoResponse),
            (None, _) => self.doubt(Uncertain::Gap),
        }
    }

    /// Tells of messages that came since that was done, at most once a second.
    pub fn tell_news<S: Sink<Request = R>>(&mut self, now: Moment, sink: &mut S) {
        if let Some(calls) = &mut self.calls
            && now.time.saturating_sub(calls.told_at) >= SECOND
        {
            calls.told_at = now.time;
            self.tell(sink);
        }
    }

    fn tell<S: Sink<Request = R>>(&mut self, sink: &mut S) {
        let (Some(calls), Some(request)) = (&mut self.calls, &self.exchange.request) else {
            return;
        };
        let now = calls.sides.map(|side| side.seen());
        let [client, server] = calls.told;
        let more = [now[0] - client, now[1] - server];
        if more != [0, 0] {
            calls.told = now;
            sink.messages(request, self.exchange.uncertain.is_none(), more);
        }
    }

    /// Hands it over.
    pub fn report<S: Sink<Request = R>>(mut self, sink: &mut S) {
        self.tell(sink);
        if let Some(calls) = self.calls {
            let [requests, responses] = calls.sides.map(|side| side.count());
            let rpc = self.exchange.rpc.get_or_insert_default();
            (rpc.requests, rpc.responses) = (requests, responses);
        }
        self.exchange.socket = self.socket.map(|frames| frames.counts());
        sink.exchange(self.exchange);
    }

    /// Whether lengths are looked for in content.
    pub fn is_looked_at(&self) -> bool {
        self.calls.is_some() || self.socket.is_some()
    }

    fn touch(&mut self, time: u64) {
        self.exchange.end = self.exchange.end.max(time);
    }
}
