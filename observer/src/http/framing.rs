//! What a head means for its connection: which exchange it belongs to, and what follows it.
//!
//! Bias: where recipients may disagree on what follows, the exchange says so and nothing after it is paired.

use super::body::Body;
use super::connection::{Connection, Other, Switch};
use super::head::{self, Coding, Method, Upgrade};
use super::message::When;
use super::pending::{Pending, Response};
use super::reader::State;
use super::{Limits, Malformed, RequestHead, Side, Sink};

impl<R> Connection<R> {
    /// Reads a whole request head, and says what follows it.
    pub(super) fn request_head<S: Sink<Request = R>>(
        &mut self,
        when: When,
        raw: &[u8],
        flaw: Option<Malformed>,
        limits: &Limits,
        sink: &mut S,
    ) {
        self.fresh = false;
        let offset = Some(self.requests.offset);
        let ask = |head: &RequestHead<'_>| sink.request(head, when.begin, offset);
        let (facts, request) = match head::request(raw, flaw, ask) {
            Ok(read) => read,
            Err(reason) => {
                self.no_head(Side::Client, when, reason, raw.len(), limits, sink);
                return;
            }
        };
        let mut pending = Pending::request(Some(request), when, self.requests.offset, raw.len());
        pending.method = facts.method;
        pending.expect = facts.expect;
        pending.switching = facts.upgrade || facts.method == Method::Connect;
        pending.exchange.malformed = facts.lengths.malformed;
        self.requests.offset = self.requests.offset.saturating_add(raw.len() as u64);
        self.pairing
            .begin_request(pending, self.responses.position(), limits, sink);
        if facts.lengths.malformed.is_some() {
            self.pairing.sever();
        }
        let body = match (facts.lengths.coding, facts.lengths.content) {
            (Coding::Chunked, _) => Body::chunked(),
            (Coding::Other, _) => {
                return self.broken(Side::Client, Malformed::TransferEncoding, sink);
            }
            (Coding::Absent, _) if facts.lengths.malformed == Some(Malformed::ContentLength) => {
                return self.broken(Side::Client, Malformed::ContentLength, sink);
            }
            (Coding::Absent, None | Some(0)) => return self.end_message(Side::Client, sink),
            (Coding::Absent, Some(left)) => Body::Fixed { left },
        };
        self.requests.state = State::Body {
            body,
            touched: false,
        };
    }

    /// Reads a whole response head, and says what follows it (RFC 9112 section 6.3).
    pub(super) fn response_head<S: Sink<Request = R>>(
        &mut self,
        when: When,
        raw: &[u8],
        flaw: Option<Malformed>,
        sink: &mut S,
    ) {
        let (offset, requests) = (self.responses.offset, self.requests.position());
        self.pairing
            .begin_response(offset, when.begin, requests, sink);
        self.responses.offset = self.responses.offset.saturating_add(raw.len() as u64);
        let facts = match head::response(raw, flaw) {
            Ok(facts) => facts,
            Err((reason, status)) => {
                self.answer(when, raw.len(), status);
                return self.broken(Side::Server, reason, sink);
            }
        };
        let status = facts.status;
        if (100..200).contains(&status) && status != 101 {
            if let Some(pending) = self.pairing.answering() {
                pending.response = Response::Interim;
                pending.touch(when.now.time);
            }
            if let Some(reason) = flaw {
                self.broken(Side::Server, reason, sink);
            }
            return;
        }
        let (method, switching) = self.answer(when, raw.len(), Some(status));
        if let Some(pending) = self.pairing.response() {
            pending.exchange.advice = facts.advice;
        }
        if status == 101 || (method == Method::Connect && (200..300).contains(&status)) {
            return match facts.upgrade {
                Upgrade::Http2 if status == 101 => self.become_http2(),
                upgrade => self.tunnel(status == 101 && upgrade == Upgrade::WebSocket),
            };
        }
        if switching && self.requests.state == State::Tunnel {
            // Bytes were sent as if the protocol had changed, and it did not.
            self.broken(Side::Client, Malformed::Head, sink);
        }
        if let Some(reason) = facts.lengths.malformed {
            if let Some(pending) = self.pairing.response() {
                pending.exchange.malformed.get_or_insert(reason);
            }
            self.pairing.sever_responses(sink);
        }
        let body = match (facts.lengths.coding, facts.lengths.content) {
            _ if method == Method::Head || matches!(status, 204 | 304) => {
                return self.end_message(Side::Server, sink);
            }
            (Coding::Chunked, _) => Body::chunked(),
            (Coding::Absent, _) if facts.lengths.malformed == Some(Malformed::ContentLength) => {
                return self.broken(Side::Server, Malformed::ContentLength, sink);
            }
            (Coding::Absent, Some(0)) => return self.end_message(Side::Server, sink),
            (Coding::Absent, Some(left)) => Body::Fixed { left },
            (Coding::Other, _) | (Coding::Absent, None) => Body::UntilClose,
        };
        self.responses.state = State::Body {
            body,
            touched: false,
        };
    }

    /// Notes the final response's head with the exchange that it belongs to: that request's method, and whether
    /// another protocol may follow it.
    pub(super) fn answer(
        &mut self,
        when: When,
        length: usize,
        status: Option<u16>,
    ) -> (Method, bool) {
        let Some(pending) = self.pairing.answering() else {
            return (Method::Other, false);
        };
        pending.response = Response::Content;
        pending.exchange.status = status;
        pending.exchange.first_byte = Some(when.begin.time);
        pending.exchange.response_head_bytes = length as u64;
        pending.touch(when.now.time);
        (pending.method, pending.switching)
    }

    /// From here on the connection speaks HTTP/2, and answers this request on its first stream (RFC 7540 section 3.2).
    fn become_http2(&mut self) {
        let pending = self.pairing.take_first();
        self.other = Some(Box::new(Other {
            switch: Switch {
                client: self.requests.next(),
                server: self.responses.offset,
                prefaced: false,
            },
            pending,
        }));
        self.opaque = true;
    }

    /// From here on the connection is a tunnel (RFC 9110 sections 9.3.6 and 15.2.2).
    fn tunnel(&mut self, socket: bool) {
        self.responses.state = State::Tunnel;
        let open = self.requests.state != State::Closed;
        if let Some(pending) = self.pairing.response() {
            pending.response = Response::Tunnel;
            pending.request_done = !open || pending.is_alone();
            pending.socket = socket.then(Box::default);
        }
        if open {
            self.requests.state = State::Tunnel;
            self.requests.open = None;
        }
    }
}
