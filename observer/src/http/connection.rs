//! One HTTP/1 connection: bytes and holes of both directions in, exchanges out.
//!
//! Invariant: an idle connection owns no heap, and none owns more than its limits. Bias: bytes are a message only
//! where a message has to begin, or where a segment begins after the place was lost.

use super::body::Body;
use super::message::When;
use super::pairing::{Over, Pairing};
use super::pending::{Pending, Response};
use super::reader::{Open, Reader, State};
use super::{Cut, Limits, Moment, Side, Sink, http2};
use serde::{Deserialize, Serialize};

/// One HTTP/1 connection, read passively. `R` is what the [`Sink`] keeps of a request.
#[derive(Serialize, Deserialize)]
pub struct Connection<R> {
    pub(super) requests: Reader,
    pub(super) responses: Reader,
    pub(super) pairing: Pairing<R>,
    /// Nothing was read of the client yet but a PROXY header.
    pub(super) fresh: bool,
    pub(super) opaque: bool,
    client_closed: bool,
    /// It turned out to speak HTTP/2.
    #[serde(skip, default = "nothing")]
    pub(super) other: Option<Box<Other<R>>>,
}

/// Nothing, of any type.
fn nothing<T>() -> Option<T> {
    None
}

/// What a connection becomes.
pub(super) struct Other<R> {
    pub switch: Switch,
    /// The request that it answers first.
    pub pending: Option<Pending<R>>,
}

/// Where HTTP/2 begins on a connection: stream offsets of each side's next byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The client's.
    pub client: u64,
    /// The server's.
    pub server: u64,
    /// What the client says first (RFC 9113 section 3.4) was seen.
    pub prefaced: bool,
}

impl<R> Connection<R> {
    /// A connection of which nothing was seen. `from_start`: it will be seen from its first byte; else it is joined
    /// in the middle, and reading begins at the first sure message start of each side.
    pub fn new(from_start: bool) -> Self {
        Self {
            requests: Reader::new(from_start),
            responses: Reader::new(from_start),
            pairing: Pairing::new(from_start),
            fresh: from_start,
            opaque: false,
            client_closed: false,
            other: None,
        }
    }

    /// A connection that will be seen from its first byte on, which has this stream offset on both sides.
    pub fn starting_at(offset: u64) -> Self {
        let mut connection = Self::new(true);
        connection.requests.offset = offset;
        connection.responses.offset = offset;
        connection
    }

    /// In-order bytes of one side. `offset` is the stream offset of the first of them, right after what came before
    /// on that side.
    pub fn data<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        moment: Moment,
        offset: u64,
        bytes: &[u8],
        limits: &Limits,
        sink: &mut S,
    ) {
        let at = self.reader(side).next();
        if offset > at {
            self.hole(side, moment, at, offset - at, limits, sink);
        }
        let known = usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut rest = bytes.get(known..).unwrap_or_default();
        let mut first = known == 0;
        while !rest.is_empty() && !self.opaque {
            let taken = self.bytes(
                side,
                When {
                    begin: moment,
                    now: moment,
                },
                rest,
                first,
                limits,
                sink,
            );
            rest = rest.get(taken..).unwrap_or_default();
            first = first && taken == 0;
        }
    }

    /// `length` in-order bytes of one side, from `offset` on, that were not copied or never seen. Inside a body of
    /// known length they are content; elsewhere they are a gap, which breaks the pairing.
    pub fn hole<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        moment: Moment,
        offset: u64,
        length: u64,
        _limits: &Limits,
        sink: &mut S,
    ) {
        let end = offset.saturating_add(length);
        while self.reader(side).next() < end && !self.opaque {
            let abandoned = side == Side::Client && self.may_abandon_body();
            let reader = self.reader_mut(side);
            let left = end - reader.next();
            match &mut reader.state {
                State::Closed => reader.offset = end,
                State::Tunnel => {
                    reader.offset = end;
                    self.count(side, moment, left);
                    if let Some(socket) = self.pairing.socket_mut() {
                        socket.skip(side, left);
                    }
                }
                State::Body { body, touched } if body.content_ahead() > 0 && !abandoned => {
                    *touched = true;
                    let (taken, over) = body.skip(left);
                    reader.offset = reader.offset.saturating_add(taken);
                    self.count(side, moment, taken);
                    if over {
                        self.end_message(side, sink);
                    }
                }
                State::Lost | State::Head | State::Body { .. } => {
                    return self.gap(side, end, true, sink);
                }
            }
        }
    }

    /// Retransmitted bytes of this side differed from those that were taken. What is pending becomes uncertain, and
    /// nothing after it pairs: message ends may lie elsewhere for the receiver.
    pub fn conflict(&mut self, side: Side) {
        if self.reader(side).open.is_some() || !self.pairing.is_idle() {
            self.pairing.conflict();
        }
    }

    /// Half-close, in order: this side sends nothing more.
    pub fn fin<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        _moment: Moment,
        _limits: &Limits,
        sink: &mut S,
    ) {
        if self.reader(side).state == State::Closed || self.opaque {
            return;
        }
        let reader = self.reader_mut(side);
        let abandoned = reader.abandon(side);
        let (offset, state) = (reader.offset, reader.state);
        reader.state = State::Closed;
        match side {
            Side::Client => {
                if let Some((begin, length)) = abandoned {
                    self.fragment(side, begin, length, Some(Cut::ClientAbort), sink);
                }
                self.client_closed = true;
                self.pairing.end_request(offset, sink);
            }
            Side::Server => {
                if let Some((begin, length)) =
                    abandoned.filter(|_| self.pairing.answering().is_none())
                {
                    self.fragment(side, begin, length, Some(Cut::ServerReset), sink);
                }
                let by_close = matches!(
                    state,
                    State::Tunnel
                        | State::Body {
                            body: Body::UntilClose,
                            ..
                        }
                );
                self.pairing
                    .server_closed(self.client_closed, abandoned.is_some(), by_close, sink);
            }
        }
    }

    /// A reset sent by this side: the connection is over.
    pub fn reset<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        _moment: Moment,
        _limits: &Limits,
        sink: &mut S,
    ) {
        self.over(
            if side == Side::Client {
                Over::ClientReset
            } else {
                Over::ServerReset
            },
            sink,
        );
    }

    /// The connection is over, and nobody saw how: idle for too long, its ports used again, the capture's end.
    pub fn end<S: Sink<Request = R>>(&mut self, _time: u64, _limits: &Limits, sink: &mut S) {
        self.over(Over::Silent, sink);
    }

    /// Up to which stream offset of this side nothing needs to be copied, because it is content; `u64::MAX` up to
    /// the close.
    pub fn skip_until(&self, side: Side) -> Option<u64> {
        let reader = self.reader(side);
        match &reader.state {
            State::Tunnel if side == Side::Server || self.responses.state == State::Tunnel => {
                match self.pairing.socket() {
                    Some(socket) => {
                        let needless = socket.needless(side)?;
                        Some(reader.offset.saturating_add(needless))
                    }
                    None => Some(u64::MAX),
                }
            }
            State::Body { body, touched } if *touched || !self.may_be_no_body(side) => {
                let ahead = body.content_ahead();
                (ahead > 0).then(|| reader.offset.saturating_add(ahead))
            }
            _ => None,
        }
    }

    /// Stream offset of the first byte of the head that is half read on this side.
    pub fn half_read(&self, side: Side) -> Option<u64> {
        let reader = self.reader(side);
        reader.open.as_ref().map(|_| reader.offset)
    }

    /// Nothing is pending, and no head is half read.
    pub fn is_idle(&self) -> bool {
        self.pairing.is_idle() && self.requests.open.is_none() && self.responses.open.is_none()
    }

    /// It speaks HTTP/2 from there on: whatever follows is ignored here.
    pub(crate) fn take_http2(&mut self) -> Option<Box<http2::Connection<R>>> {
        let other = self.other.take()?;
        Some(Box::new(match other.pending {
            Some(pending) => http2::Connection::upgraded(other.switch, pending),
            None => http2::Connection::new(other.switch),
        }))
    }

    /// Nothing was read of it yet, and it is joined in the middle.
    pub fn is_joined(&self) -> bool {
        self.requests.joined && self.responses.joined
    }

    /// This is not HTTP/1: whatever follows is ignored.
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// Bytes of heap that the connection owns, without what the `R`s own.
    pub fn heap_bytes(&self) -> usize {
        let open = |reader: &Reader| {
            reader
                .open
                .as_ref()
                .map_or(0, |open| size_of::<Open>() + open.head.capacity())
        };
        self.pairing.heap_bytes() + open(&self.requests) + open(&self.responses)
    }

    pub(super) fn reader(&self, side: Side) -> &Reader {
        match side {
            Side::Client => &self.requests,
            Side::Server => &self.responses,
        }
    }

    pub(super) fn reader_mut(&mut self, side: Side) -> &mut Reader {
        match side {
            Side::Client => &mut self.requests,
            Side::Server => &mut self.responses,
        }
    }

    /// The next client byte may be a request where a body was announced (RFC 9110 section 10.1.1).
    pub(super) fn may_abandon_body(&self) -> bool {
        let untouched = matches!(self.requests.state, State::Body { touched: false, .. });
        let answered = |response| matches!(response, Response::Content | Response::Done);
        untouched
            && self
                .pairing
                .last()
                .is_some_and(|last| last.expect && answered(last.response))
    }

    /// The body that was announced may not come: it was given up, or a response is one to an unknown HEAD.
    fn may_be_no_body(&self, side: Side) -> bool {
        match side {
            Side::Client => self.pairing.last().is_some_and(|last| last.expect),
            Side::Server => self.pairing.is_orphan(),
        }
    }

    /// Notes content of the message being read.
    pub(super) fn count(&mut self, side: Side, moment: Moment, content: u64) {
        let pending = match side {
            Side::Client if self.responses.state != State::Tunnel => self.pairing.request(),
            Side::Client | Side::Server => self.pairing.response(),
        };
        let Some(pending) = pending else { return };
        pending.touch(moment.time);
        let exchange = &mut pending.exchange;
        let total = match side {
            Side::Client => &mut exchange.request_body_bytes,
            Side::Server => &mut exchange.response_body_bytes,
        };
        *total = total.saturating_add(content);
    }

    /// The message being read is complete.
    pub(super) fn end_message<S: Sink<Request = R>>(&mut self, side: Side, sink: &mut S) {
        let reader = self.reader_mut(side);
        reader.state = State::Head;
        let offset = reader.offset;
        match side {
            Side::Client => self.pairing.end_request(offset, sink),
            Side::Server => self.pairing.end_response(sink),
        }
    }

    fn over<S: Sink<Request = R>>(&mut self, over: Over, sink: &mut S) {
        if self.opaque {
            return;
        }
        let request = self.requests.abandon(Side::Client);
        let response = self.responses.abandon(Side::Server);
        let known =
            matches!(self.responses.state, State::Body { body, .. } if body != Body::UntilClose);
        let cut = match over {
            Over::ClientReset => Some(Cut::ClientAbort),
            Over::ServerReset => Some(Cut::ServerReset),
            Over::Silent => None,
        };
        let answers = self.pairing.answering().is_some();
        self.pairing
            .over(over, self.client_closed, response.is_some(), known, sink);
        if let Some((begin, length)) = request {
            self.fragment(Side::Client, begin, length, cut, sink);
        }
        if let Some((begin, length)) = response.filter(|_| !answers) {
            self.fragment(Side::Server, begin, length, cut, sink);
        }
        self.requests.state = State::Closed;
        self.responses.state = State::Closed;
    }
}
