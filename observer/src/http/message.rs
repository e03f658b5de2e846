//! Bytes of one direction, taken message by message.
//!
//! Invariant: every call either takes bytes or changes the state so that the next one does. No byte of a request's
//! head stays in memory after the head was read.

use super::body::Taken;
use super::connection::{Connection, Other, Switch};
use super::detect::{Look, Start, look};
use super::head::{Method, Partial, Scan};
use super::http2::{self, PREFACE};
use super::pending::{Pending, Response};
use super::proxy_protocol::{self, Header};
use super::reader::{Open, State};
use super::{Limits, Malformed, Moment, Side, Sink};

/// Line ends that are waited through before what follows them tells a request from another protocol.
const BLANK_BYTES: usize = 16;
/// Longest PROXY header, its extensions included, that is waited for.
const PROXY_BYTES: usize = 4096;

/// When some bytes were seen.
#[derive(Clone, Copy)]
pub(super) struct When {
    /// The first of a head, which may have come in an earlier segment.
    pub begin: Moment,
    pub now: Moment,
}

impl<R> Connection<R> {
    /// Takes bytes of one side; returns how many. `first`: they begin a segment.
    pub(super) fn bytes<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        when: When,
        bytes: &[u8],
        first: bool,
        limits: &Limits,
        sink: &mut S,
    ) -> usize {
        match (self.reader(side).state, side) {
            (State::Head, _) => self.head_bytes(side, when, bytes, limits, sink),
            (State::Lost, _) => self.lost(side, bytes, first),
            // The body was given up, or never was one: the response may be to a HEAD that was not seen.
            (State::Body { touched: false, .. }, _)
                if first
                    && starts(side, bytes)
                    && match side {
                        Side::Client => self.may_abandon_body(),
                        Side::Server => self.pairing.is_orphan(),
                    } =>
            {
                self.end_message(side, sink);
                0
            }
            _ => self.content(side, when.now, bytes, limits, sink),
        }
    }

    /// Looks for the next message where the place was lost: at the beginning of a segment, or, in the middle of one
    /// too, where a request said that its response has to begin.
    fn lost(&mut self, side: Side, bytes: &[u8], first: bool) -> usize {
        let expected = match side {
            Side::Client => None,
            Side::Server => self
                .pairing
                .expected_at()
                .filter(|expected| *expected >= self.responses.offset),
        };
        let reader = self.reader_mut(side);
        if (first || expected == Some(reader.offset)) && starts(side, bytes) {
            (reader.state, reader.joined) = (State::Head, false);
            return 0;
        }
        let ahead = expected
            .map(|expected| expected - reader.offset)
            .filter(|ahead| *ahead > 0);
        let ahead = ahead
            .and_then(|ahead| usize::try_from(ahead).ok())
            .unwrap_or(usize::MAX);
        let taken = ahead.min(bytes.len());
        reader.offset = reader.offset.saturating_add(taken as u64);
        taken
    }

    /// Takes bytes that are no head.
    fn content<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        moment: Moment,
        bytes: &[u8],
        limits: &Limits,
        sink: &mut S,
    ) -> usize {
        if self.reader(side).state == State::Tunnel
            && let Some(socket) = self.pairing.socket_mut()
        {
            socket.take(side, bytes);
        }
        let reader = self.reader_mut(side);
        let mut content = 0;
        let taken = match &mut reader.state {
            State::Body { body, touched } => {
                *touched = true;
                body.take(bytes, limits.head_bytes, &mut content)
            }
            State::Tunnel => {
                content = bytes.len() as u64;
                Taken::More
            }
            State::Head | State::Lost | State::Closed => {
                reader.offset = reader.offset.saturating_add(bytes.len() as u64);
                return bytes.len();
            }
        };
        let length = if let Taken::Done { bytes } = taken {
            bytes
        } else {
            bytes.len()
        };
        reader.offset = reader.offset.saturating_add(length as u64);
        self.count(side, moment, content);
        match taken {
            Taken::More => {}
            Taken::Done { .. } => self.end_message(side, sink),
            Taken::Broken(reason) => self.broken(side, reason, sink),
        }
        length
    }

    /// The end of the message being read cannot be found any more.
    pub(super) fn broken<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        reason: Malformed,
        sink: &mut S,
    ) {
        let pending = match side {
            Side::Client => self.pairing.request(),
            Side::Server => self.pairing.answering(),
        };
        if let Some(pending) = pending {
            pending.exchange.malformed.get_or_insert(reason);
        }
        match side {
            Side::Client => self.pairing.sever(),
            Side::Server => self.pairing.sever_responses(sink),
        }
        self.end_message(side, sink);
        self.reader_mut(side).state = State::Lost;
    }

    /// Takes bytes where a head has to be.
    fn head_bytes<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        when: When,
        bytes: &[u8],
        limits: &Limits,
        sink: &mut S,
    ) -> usize {
        let Some(mut open) = self.reader_mut(side).open.take() else {
            if let Some(taken) = self.before_head(side, when, bytes, sink, limits) {
                return taken;
            }
            let mut scan = Scan::default();
            return match scan.end(bytes) {
                Some((length, flaw)) if length <= limits.head_bytes => {
                    self.head(
                        side,
                        when,
                        bytes.get(..length).unwrap_or_default(),
                        flaw,
                        limits,
                        sink,
                    );
                    length
                }
                None if bytes.len() < limits.head_bytes => self.keep(side, when.begin, bytes),
                Some(_) | None => self.no_head(
                    side,
                    when,
                    Malformed::HeadTooLong,
                    bytes.len(),
                    limits,
                    sink,
                ),
            };
        };
        let before = open.head.bytes().len();
        if !starts(side, open.head.bytes()) {
            // What it is could not be told yet: begin again with more of it.
            open.head.extend(bytes);
            let (mut at, whole) = (0, open.head.bytes());
            while let Some(rest) = whole
                .get(at..)
                .filter(|rest| !rest.is_empty() && !self.opaque)
            {
                let begin = if at < before { open.begin } else { when.now };
                at += self.bytes(
                    side,
                    When {
                        begin,
                        now: when.now,
                    },
                    rest,
                    false,
                    limits,
                    sink,
                );
            }
            return bytes.len();
        }
        let room = limits.head_bytes.saturating_sub(before);
        open.head.extend(bytes.get(..room).unwrap_or(bytes));
        let when = When {
            begin: open.begin,
            now: when.now,
        };
        match open.head.end() {
            Some((length, flaw)) => {
                self.head(
                    side,
                    when,
                    open.head.bytes().get(..length).unwrap_or_default(),
                    flaw,
                    limits,
                    sink,
                );
                length.saturating_sub(before)
            }
            None if bytes.len() < room => {
                self.reader_mut(side).open = Some(open);
                bytes.len()
            }
            None => {
                let seen = before + bytes.len();
                self.no_head(side, when, Malformed::HeadTooLong, seen, limits, sink);
                bytes.len()
            }
        }
    }

    /// Keeps the beginning of a head.
    fn keep(&mut self, side: Side, begin: Moment, bytes: &[u8]) -> usize {
        let mut head = Partial::default();
        head.extend(bytes);
        self.reader_mut(side).open = Some(Box::new(Open { head, begin }));
        bytes.len()
    }

    /// Deals with what stands where a head has to be and is none. `None`: it is one.
    fn before_head<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        when: When,
        bytes: &[u8],
        sink: &mut S,
        limits: &Limits,
    ) -> Option<usize> {
        let looks = look(bytes);
        let blank = bytes
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        match (side, looks) {
            (Side::Server, Look::Is(Start::Response)) => return None,
            (Side::Server, Look::Short) if b"HTTP/1.".starts_with(bytes) => {
                return Some(self.keep(side, when.begin, bytes));
            }
            (Side::Server, _) => {}
            (Side::Client, _) if self.may_switch() => {
                // Blank lines are tolerated here too: what follows them tells.
                let follows = look(bytes.get(blank..).unwrap_or_default());
                if self.tunnels(follows, blank) {
                    return Some(0);
                }
                return match follows {
                    Look::Short => Some(self.keep(side, when.begin, bytes)),
                    _ if blank > 0 => {
                        self.requests.offset = self.requests.offset.saturating_add(blank as u64);
                        Some(blank)
                    }
                    _ => None,
                };
            }
            (Side::Client, Look::Is(Start::Request)) => return None,
            (Side::Client, Look::Is(Start::Proxy)) if self.fresh => {
                return Some(self.proxy(when.begin, bytes, sink));
            }
            (Side::Client, Look::Short) if self.fresh || blank == 0 => {
                return Some(self.keep(side, when.begin, bytes));
            }
            // Blank lines before a request line are tolerated (RFC 9112 section 2.2).
            (Side::Client, _) if blank > 0 => {
                self.requests.offset = self.requests.offset.saturating_add(blank as u64);
                return Some(blank);
            }
            (Side::Client, _) => {}
        }
        if self.fresh {
            let prefaced = side == Side::Client && looks == Look::Is(Start::Http2);
            if prefaced || (side == Side::Server && http2::begins_connection(bytes)) {
                let preface = if prefaced { PREFACE.len() as u64 } else { 0 };
                let switch = Switch {
                    client: self.requests.offset.saturating_add(preface),
                    server: self.responses.offset,
                    prefaced,
                };
                self.other = Some(Box::new(Other {
                    switch,
                    pending: None,
                }));
            }
            self.opaque = true;
            return Some(bytes.len());
        }
        Some(self.no_head(side, when, Malformed::Head, bytes.len(), limits, sink))
    }

    /// After CONNECT or Upgrade, bytes may be another protocol's before the response says so.
    fn may_switch(&self) -> bool {
        self.pairing.last().is_some_and(|last| {
            last.switching && matches!(last.response, Response::Waiting | Response::Interim)
        })
    }

    /// Whether bytes are taken for another protocol's, `follows` being what stands after `blank` line ends.
    fn tunnels(&mut self, follows: Look, blank: usize) -> bool {
        let Some(last) = self.pairing.last_mut() else {
            return false;
        };
        let request = matches!(follows, Look::Is(Start::Request) | Look::Short);
        if request && blank <= BLANK_BYTES && last.method != Method::Connect {
            return false;
        }
        last.request_done = false;
        self.requests.state = State::Tunnel;
        true
    }

    fn proxy<S: Sink<Request = R>>(&mut self, begin: Moment, bytes: &[u8], sink: &mut S) -> usize {
        match proxy_protocol::parse(bytes) {
            Header::Complete { length, source } => {
                sink.proxied(source);
                self.requests.offset = self.requests.offset.saturating_add(length as u64);
                length
            }
            Header::Short if bytes.len() < PROXY_BYTES => self.keep(Side::Client, begin, bytes),
            Header::Short | Header::Bad => {
                self.opaque = true;
                bytes.len()
            }
        }
    }

    /// There is no head where one has to be. `seen` bytes of what is there are taken.
    pub(super) fn no_head<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        when: When,
        reason: Malformed,
        seen: usize,
        limits: &Limits,
        sink: &mut S,
    ) -> usize {
        match side {
            Side::Client => {
                let mut request = Pending::request(None, when, self.requests.offset, 0);
                request.exchange.request_head_bytes = seen as u64;
                self.pairing
                    .begin_request(request, self.responses.position(), limits, sink);
            }
            Side::Server => {
                let (offset, requests) = (self.responses.offset, self.requests.position());
                self.pairing
                    .begin_response(offset, when.begin, requests, sink);
                self.answer(when, seen, None);
            }
        }
        let reader = self.reader_mut(side);
        reader.offset = reader.offset.saturating_add(seen as u64);
        self.broken(side, reason, sink);
        seen
    }

    /// Reads a whole head.
    fn head<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        when: When,
        raw: &[u8],
        flaw: Option<Malformed>,
        limits: &Limits,
        sink: &mut S,
    ) {
        match side {
            Side::Client => self.request_head(when, raw, flaw, limits, sink),
            Side::Server => self.response_head(when, raw, flaw, sink),
        }
    }
}

/// Whether a message of that side certainly starts with these bytes.
fn starts(side: Side, bytes: &[u8]) -> bool {
    look(bytes)
        == Look::Is(match side {
            Side::Client => Start::Request,
            Side::Server => Start::Response,
        })
}
