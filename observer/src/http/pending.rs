//! An exchange that has not ended yet.

use super::head::Method;
use super::message::When;
use super::websocket::Frames;
use super::{Advice, Cut, Exchange, Sink, Uncertain};
use serde::{Deserialize, Serialize};

/// One request with what was read of its response so far, or a response whose request is not known.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending<R> {
    pub exchange: Exchange<R>,
    /// Offset of the request's first byte.
    pub start: u64,
    /// Offset right after the request's head; after its body, once `request` is done.
    pub reached: u64,
    /// How far the client had received the responses when it sent the request.
    pub acked: Option<u64>,
    pub method: Method,
    /// Expect: 100-continue: the body may never come (RFC 9110 section 10.1.1).
    pub expect: bool,
    /// Bytes after this request may be another protocol's.
    pub switching: bool,
    pub request_done: bool,
    pub response: Response,
    pub standing: Standing,
    /// Its connection is a WebSocket now.
    #[serde(default)]
    pub socket: Option<Box<Frames>>,
}

/// How far the response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Response {
    /// Nothing of it was seen.
    Waiting,
    /// An interim response was seen.
    Interim,
    /// Its head was seen.
    Content,
    /// The connection is a tunnel now.
    Tunnel,
    Done,
}

/// How sure the pairing of request and response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Standing {
    /// The next response without a request is this request's.
    Sure,
    /// So it is if it begins exactly where the client had received everything before.
    Candidate,
    /// Looks like the next response's request, and serves only to see whether the connection goes in turns.
    Probe,
    /// Never pairs.
    Alone(Uncertain),
}

impl<R> Pending<R> {
    /// A request whose head of `length` bytes begins at `start`.
    pub fn request(request: Option<R>, when: When, start: u64, length: usize) -> Self {
        let length = length as u64;
        let mut exchange = blank(request, when.begin.time);
        exchange.end = when.now.time;
        exchange.request_head_bytes = length;
        Self {
            exchange,
            start,
            reached: start.saturating_add(length),
            acked: when.begin.acked,
            method: Method::Other,
            expect: false,
            switching: false,
            request_done: false,
            response: Response::Waiting,
            standing: Standing::Sure,
            socket: None,
        }
    }

    /// A response without a request, whose head begins now.
    pub fn orphan(time: u64, why: Uncertain) -> Self {
        Self {
            exchange: blank(None, time),
            start: 0,
            reached: 0,
            acked: None,
            method: Method::Other,
            expect: false,
            switching: false,
            request_done: true,
            response: Response::Waiting,
            standing: Standing::Alone(why),
            socket: None,
        }
    }

    /// A response without a known request, or the other way round.
    pub fn is_alone(&self) -> bool {
        matches!(self.standing, Standing::Alone(_))
    }

    /// Whether part of the response was read and more is to come.
    pub fn is_answered(&self) -> bool {
        matches!(
            self.response,
            Response::Interim | Response::Content | Response::Tunnel
        )
    }

    /// Notes a byte of either side at this time.
    pub fn touch(&mut self, time: u64) {
        self.exchange.end = self.exchange.end.max(time);
    }

    pub fn doubt(&mut self, why: Uncertain) {
        self.exchange.uncertain.get_or_insert(why);
    }

    /// The exchange will never see its response's end.
    pub fn cut(&mut self, cut: Cut) {
        if !matches!(self.response, Response::Done | Response::Tunnel) {
            self.exchange.cut = Some(cut);
        }
        self.response = Response::Done;
    }

    /// Hands the exchange over. What was paired on trial only goes as a request and a response, each on its own.
    pub fn report<S: Sink<Request = R>>(mut self, why: Uncertain, sink: &mut S) {
        self.exchange.socket = self.socket.take().map(|frames| frames.counts());
        match self.standing {
            Standing::Sure => {}
            Standing::Alone(why) => self.doubt(why),
            Standing::Candidate => self.doubt(why),
            Standing::Probe => {
                self.doubt(why);
                if self.exchange.first_byte.is_some() {
                    let exchange = &mut self.exchange;
                    let mut response = blank(None, exchange.first_byte.unwrap_or(exchange.end));
                    response.status = exchange.status.take();
                    response.first_byte = exchange.first_byte.take();
                    response.end = exchange.end;
                    response.response_head_bytes =
                        std::mem::take(&mut exchange.response_head_bytes);
                    response.response_body_bytes =
                        std::mem::take(&mut exchange.response_body_bytes);
                    response.advice = std::mem::take(&mut exchange.advice);
                    response.cut = exchange.cut.take();
                    response.uncertain = Some(why);
                    sink.exchange(self.exchange);
                    sink.exchange(response);
                    return;
                }
            }
        }
        sink.exchange(self.exchange);
    }
}

/// An exchange of which nothing is known but its first byte's time.
pub(super) fn blank<R>(request: Option<R>, time: u64) -> Exchange<R> {
    Exchange {
        request,
        status: None,
        begin: time,
        first_byte: None,
        end: time,
        request_head_bytes: 0,
        request_body_bytes: 0,
        response_head_bytes: 0,
        response_body_bytes: 0,
        advice: Advice::default(),
        cut: None,
        http2: false,
        reason: None,
        rpc: None,
        socket: None,
        malformed: None,
        uncertain: None,
    }
}
