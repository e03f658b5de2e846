//! Which response belongs to which request.
//!
//! Invariant: a pair is reported as certain only while every request and every response since the last certain
//! point is accounted for. Loss breaks the order; it is taken up again only at a request that was certainly sent
//! when all earlier ones had been answered, and only on a connection that was never seen to pipeline. Bias: a
//! client that pipelines without any sign of it in what was seen cannot be told from one that takes turns, so that
//! where nothing was counted exactly, exchanges in turns have to be seen first.

mod ending;

pub(super) use ending::Over;

use super::pending::{Pending, Response, Standing};
use super::websocket::Frames;
use super::{Cut, Limits, Moment, Sink, Uncertain};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Exchanges in turns that have to be seen before pairing starts again where requests may be missing. Of simulated
/// conversations that pipeline at random and were joined in the middle, about one in 3,000 was taken for one in turns
/// after one such exchange, one in 50,000 after two, and none of 100,000 after three.
const PROOF: u8 = 3;

/// Requests and responses of one connection that have not ended.
#[derive(Serialize, Deserialize)]
pub(super) struct Pairing<R> {
    /// Requests in their order. Those before `tail` leave no request out.
    queue: VecDeque<Pending<R>>,
    /// The request being read, when it cannot be paired.
    aside: Option<Box<Pending<R>>>,
    /// The response being read, when its request is not known.
    orphan: Option<Box<Pending<R>>>,
    tail: Tail,
    /// How far the server had received the requests when it began its last response; `u64::MAX`: not known.
    last_acked: u64,
    /// Bytes of the shortest request head so far; 0 before the first.
    shortest: u16,
    /// Exchanges in turns since the last loss.
    proof: u8,
    /// Pairing never starts again: the client was seen to pipeline, or framing became ambiguous.
    pub given_up: bool,
    joined: bool,
}

/// What is known about requests that follow those in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Tail {
    /// There are none that were not seen.
    Known,
    /// There are none either; of the responses, at most that of one request sent at this acknowledgement is missing.
    OneLost { acked: u64 },
    /// There may be some. `answered`: request bytes before this offset have had all their responses.
    Unknown { answered: Option<u64> },
}

/// Where the other side's reader stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// Offset of the next byte.
    pub offset: u64,
    /// A message begins there.
    pub boundary: bool,
    pub closed: bool,
}

impl<R> Pairing<R> {
    pub fn new(from_start: bool) -> Self {
        Self {
            queue: VecDeque::new(),
            aside: None,
            orphan: None,
            tail: if from_start {
                Tail::Known
            } else {
                Tail::Unknown { answered: None }
            },
            last_acked: u64::MAX,
            shortest: 0,
            proof: 0,
            given_up: false,
            joined: !from_start,
        }
    }

    /// The request being read, if any.
    pub fn request(&mut self) -> Option<&mut Pending<R>> {
        match &mut self.aside {
            Some(aside) => Some(aside),
            None => self.queue.back_mut().filter(|last| !last.request_done),
        }
    }

    /// The response being read, if any.
    pub fn response(&mut self) -> Option<&mut Pending<R>> {
        match &mut self.orphan {
            Some(orphan) => Some(orphan),
            None => self.queue.front_mut().filter(|first| first.is_answered()),
        }
    }

    /// The response being read, or the request that the next one has to answer.
    pub fn answering(&mut self) -> Option<&mut Pending<R>> {
        match &mut self.orphan {
            Some(orphan) => Some(orphan),
            None => self
                .queue
                .front_mut()
                .filter(|first| first.response != Response::Done),
        }
    }

    /// The WebSocket that the connection is by now.
    pub fn socket(&self) -> Option<&Frames> {
        let open = self.orphan.as_deref().or_else(|| self.queue.front());
        open?.socket.as_deref()
    }

    /// As [`Self::socket`].
    pub fn socket_mut(&mut self) -> Option<&mut Frames> {
        let open = match &mut self.orphan {
            Some(orphan) => Some(&mut **orphan),
            None => self.queue.front_mut(),
        };
        open?.socket.as_deref_mut()
    }

    /// The request that is being answered, which goes on elsewhere.
    pub fn take_first(&mut self) -> Option<Pending<R>> {
        match self.orphan.take() {
            Some(orphan) => Some(*orphan),
            None => self.queue.pop_front(),
        }
    }

    /// The request that was sent last, while its exchange has not ended.
    pub fn last(&self) -> Option<&Pending<R>> {
        self.aside.as_deref().or_else(|| self.queue.back())
    }

    /// As [`Self::last`].
    pub fn last_mut(&mut self) -> Option<&mut Pending<R>> {
        match &mut self.aside {
            Some(aside) => Some(aside),
            None => self.queue.back_mut(),
        }
    }

    /// Whether the response being read has no known request, so that not even its length is certain.
    pub fn is_orphan(&self) -> bool {
        self.orphan.is_some()
    }

    /// Where a response has to begin to be a candidate's.
    pub fn expected_at(&self) -> Option<u64> {
        let first = self.queue.front()?;
        let waits = matches!(first.standing, Standing::Candidate | Standing::Probe);
        if waits && first.response == Response::Waiting {
            first.acked
        } else {
            None
        }
    }

    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.aside.is_none() && self.orphan.is_none()
    }

    pub fn heap_bytes(&self) -> usize {
        let boxes = usize::from(self.aside.is_some()) + usize::from(self.orphan.is_some());
        (self.queue.capacity() + boxes) * size_of::<Pending<R>>()
    }

    /// A request's head was read. `responses` is where the other side stands.
    pub fn begin_request<S: Sink<Request = R>>(
        &mut self,
        mut request: Pending<R>,
        responses: Position,
        limits: &Limits,
        sink: &mut S,
    ) {
        self.unfinished_request(request.start, sink);
        let unseen = request.acked.is_some_and(|acked| acked > responses.offset);
        // Sent before all that was answered had arrived, or although the one before had no whole response: pipelined,
        // unless that response is still to come here.
        let early = request.acked.is_some_and(|acked| acked < responses.offset);
        let waits = self
            .queue
            .front()
            .is_some_and(|first| first.response != Response::Done);
        if early || waits && !unseen {
            self.given_up = true;
        }
        if self.expected_at().is_some()
            || self
                .queue
                .front()
                .is_some_and(|first| first.standing == Standing::Probe)
        {
            self.fail_all(self.why(), sink);
            (self.tail, self.proof) = (Tail::Unknown { answered: None }, 0);
        }
        request.standing = self.standing(&request, responses, limits);
        if self.tail == Tail::Known && request.standing == Standing::Sure {
            let head = u16::try_from(request.reached - request.start).unwrap_or(u16::MAX);
            self.shortest = if self.shortest == 0 {
                head
            } else {
                self.shortest.min(head)
            };
        }
        match request.standing {
            Standing::Alone(_) => {
                if self.tail != Tail::Known {
                    self.tail = Tail::Unknown { answered: None };
                }
                self.aside = Some(Box::new(request));
                return;
            }
            Standing::Candidate => self.tail = Tail::Known,
            Standing::Probe => self.tail = Tail::Unknown { answered: None },
            Standing::Sure => {}
        }
        if responses.closed {
            request.cut(Cut::NoResponse);
        }
        if self.queue.capacity() == 0 {
            self.queue.reserve_exact(1);
        }
        self.queue.push_back(request);
    }

    fn standing(&mut self, request: &Pending<R>, responses: Position, limits: &Limits) -> Standing {
        let (start, acked) = (request.start, request.acked);
        if self.tail == Tail::Known {
            if self.queue.len() < limits.pipeline_depth {
                return Standing::Sure;
            }
            self.given_up = true;
            self.tail = Tail::Unknown { answered: None };
            return Standing::Alone(Uncertain::PipelineBound);
        }
        let alone = Standing::Alone(self.why());
        let Some(acked) = acked else { return alone };
        if self.given_up
            || !self.queue.is_empty()
            || self.orphan.is_some()
            || acked < responses.offset
        {
            return alone;
        }
        let in_turn = responses.boundary && acked == responses.offset;
        // The last response that was received began before the server had all that comes before this request: something
        // in between is not answered, unless that response came early.
        if in_turn && self.last_acked != u64::MAX && self.last_acked.saturating_add(2) < start {
            return alone;
        }
        match self.tail {
            // Response bytes came since the lost one's request, and a response begins here: the lost one is over.
            Tail::OneLost { acked: before } if acked > before => Standing::Candidate,
            Tail::OneLost { .. } => {
                self.given_up = true;
                alone
            }
            Tail::Unknown {
                answered: Some(answered),
            } if in_turn && answered == start => Standing::Candidate,
            // Of what was lost nothing was answered: a client that takes turns would not have gone on.
            Tail::Unknown {
                answered: Some(answered),
            } if in_turn && answered < start => {
                self.given_up = true;
                alone
            }
            Tail::Unknown { .. } if in_turn && self.proof >= PROOF => Standing::Candidate,
            Tail::Unknown { .. } | Tail::Known => Standing::Probe,
        }
    }

    /// The request being read is complete at this offset (or will get no further).
    pub fn end_request<S: Sink<Request = R>>(&mut self, offset: u64, sink: &mut S) {
        self.unfinished_request(offset, sink);
        self.settle(sink);
    }

    fn unfinished_request<S: Sink<Request = R>>(&mut self, offset: u64, sink: &mut S) {
        let why = self.why();
        if let Some(mut aside) = self.aside.take() {
            aside.request_done = true;
            aside.report(why, sink);
        } else if let Some(last) = self.queue.back_mut().filter(|last| !last.request_done) {
            (last.request_done, last.reached) = (true, offset);
            self.settle(sink);
        }
    }

    /// The first byte of a response head, interim ones included, is at `offset`. Picks the request that it answers.
    pub fn begin_response<S: Sink<Request = R>>(
        &mut self,
        offset: u64,
        moment: Moment,
        requests: Position,
        sink: &mut S,
    ) {
        if self.response().is_some() {
            return;
        }
        let acked = moment.acked;
        // Two responses without a request in between.
        if acked.is_some_and(|acked| acked == self.last_acked) {
            self.given_up = true;
        }
        self.last_acked = acked.unwrap_or(u64::MAX);
        if let Some(first) = self
            .queue
            .front_mut()
            .filter(|first| first.response == Response::Waiting)
        {
            // A blank line after a body is tolerated, and is no next request.
            let next_came = first.request_done
                && acked.is_some_and(|acked| acked > first.reached.saturating_add(2));
            match first.standing {
                Standing::Sure if acked.is_none_or(|acked| acked > first.start) => {
                    self.given_up |= next_came;
                    return;
                }
                // An answer to nothing, as 408 before a close: what the client takes it for cannot be known.
                Standing::Sure | Standing::Alone(_) => {
                    self.fail_all(Uncertain::PairingBroken, sink);
                    self.given_up = true;
                }
                Standing::Candidate | Standing::Probe => {
                    self.given_up |= next_came;
                    let expected = first.acked.unwrap_or(0);
                    let received = acked.is_some_and(|acked| {
                        acked >= first.reached || acked > first.start && !first.request_done
                    });
                    if offset == expected && received && !next_came {
                        if first.standing == Standing::Candidate {
                            (first.standing, self.joined) = (Standing::Sure, false);
                        }
                        return;
                    }
                    if offset >= expected {
                        self.fail_all(self.why(), sink);
                        self.tail = Tail::Unknown { answered: None };
                    }
                }
            }
        }
        self.orphaned(acked, requests);
        self.orphan = Some(Box::new(Pending::orphan(moment.time, self.why())));
    }

    /// A response came for which no request waits.
    fn orphaned(&mut self, acked: Option<u64>, requests: Position) {
        self.proof = 0;
        let answered = match self.tail {
            Tail::Known if requests.boundary => Some(requests.offset),
            Tail::Known => None,
            Tail::Unknown { answered } => answered,
            Tail::OneLost { .. } => return,
        };
        // What the server received since its last response is one request, if it is too short for two: a request
        // is taken to be no shorter than three quarters of the shortest one seen.
        let answered = answered.zip(acked).and_then(|(answered, acked)| {
            let piece = acked.checked_sub(answered)?;
            (piece > 0 && piece < u64::from(self.shortest) * 3 / 2).then_some(acked)
        });
        self.tail = Tail::Unknown { answered };
    }

    /// The response being read is complete.
    pub fn end_response<S: Sink<Request = R>>(&mut self, sink: &mut S) {
        let why = self.why();
        if let Some(orphan) = self.orphan.take() {
            return orphan.report(why, sink);
        }
        if let Some(first) = self.queue.front_mut().filter(|first| first.is_answered()) {
            first.response = Response::Done;
            if first.standing == Standing::Probe && first.request_done {
                self.proof = self.proof.saturating_add(1);
            }
        }
        self.settle(sink);
    }

    /// Ends everything that waits, as uncertain: the first for this reason, the rest because the order is lost.
    fn fail_all<S: Sink<Request = R>>(&mut self, first: Uncertain, sink: &mut S) {
        let mut why = first;
        for mut pending in std::mem::take(&mut self.queue) {
            pending.doubt(why);
            why = Uncertain::PairingBroken;
            if pending.request_done {
                pending.report(why, sink);
            } else {
                pending.response = Response::Done;
                pending.standing = Standing::Alone(why);
                self.aside = Some(Box::new(pending));
            }
        }
    }

    /// Reports what has ended, in order.
    fn settle<S: Sink<Request = R>>(&mut self, sink: &mut S) {
        let why = self.why();
        while self
            .queue
            .front()
            .is_some_and(|first| first.request_done && first.response == Response::Done)
        {
            if let Some(first) = self.queue.pop_front() {
                first.report(why, sink);
            }
        }
        // An idle connection owns no heap.
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }

    fn why(&self) -> Uncertain {
        if self.joined {
            Uncertain::JoinedInTheMiddle
        } else {
            Uncertain::PairingBroken
        }
    }
}
