//! Streams: which are followed, which were missed, and when their exchanges are told.
//!
//! Bias: an id that is left out after a loss is a request that was lost; clients leave out none.

use super::{Connection, FIRST};
use crate::http::http2::reader::State;
use crate::http::http2::stream::Stream;
use crate::http::{Limits, Moment, Side, Sink, Uncertain};

/// Requests that are taken to be lost at once where ids are left out after a loss; more are one.
const MISSED: usize = 256;

impl<R> Connection<R> {
    /// Something of the server came on a stream.
    pub(super) fn meet<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        id: u32,
        now: Moment,
        limits: &Limits,
        sink: &mut S,
    ) {
        let known = (self.oldest..=self.newest).contains(&id);
        if side == Side::Server && !known && !id.is_multiple_of(2) {
            self.unseen(id, now, limits, sink);
        }
    }

    /// A stream of which the request was not seen: it is an exchange all the same.
    pub(super) fn unseen<S: Sink<Request = R>>(
        &mut self,
        id: u32,
        now: Moment,
        limits: &Limits,
        sink: &mut S,
    ) {
        if self.streams.contains_key(&id) {
            return;
        }
        let why = if id < self.oldest {
            Uncertain::JoinedInTheMiddle
        } else {
            Uncertain::Gap
        };
        self.enter(id, Stream::orphan(now.time, why), limits, sink);
    }

    /// A request is the newest; those that must have been among lost bytes are noted.
    pub(super) fn miss<S: Sink<Request = R>>(
        &mut self,
        id: u32,
        time: u64,
        limits: &Limits,
        sink: &mut S,
    ) {
        self.note_missed(id, time, limits, sink);
        self.lost = false;
        self.newest = id;
        self.oldest = self.oldest.min(id);
    }

    /// Notes requests before one that must have been among lost bytes: clients leave out no id.
    pub(super) fn note_missed<S: Sink<Request = R>>(
        &mut self,
        id: u32,
        time: u64,
        limits: &Limits,
        sink: &mut S,
    ) {
        if !self.lost || !self.follows() {
            return;
        }
        let first = match self.newest {
            0 => FIRST,
            newest => newest + 2,
        };
        for missed in (first..id).step_by(2).take(MISSED) {
            if !self.streams.contains_key(&missed) {
                let mut stream = Stream::orphan(time, Uncertain::Gap);
                stream.lose(Side::Server, time, Uncertain::Gap);
                self.suspects.get_or_insert(time);
                self.enter(missed, stream, limits, sink);
            }
        }
    }

    /// Whether it is known which streams come next.
    pub(super) fn follows(&self) -> bool {
        self.newest != 0 || self.oldest == FIRST
    }

    /// Hands a stream over. Where its request must have been among lost bytes, it is not noted again.
    pub(super) fn tell<S: Sink<Request = R>>(
        &mut self,
        id: u32,
        stream: Stream<R>,
        time: u64,
        limits: &Limits,
        sink: &mut S,
    ) {
        stream.report(sink);
        if self.lost && self.follows() && id > self.newest {
            self.note_missed(id, time, limits, sink);
            self.newest = id;
        }
    }

    /// Follows a stream; where there is no room, the oldest one is given up.
    pub(super) fn enter<S: Sink<Request = R>>(
        &mut self,
        id: u32,
        stream: Stream<R>,
        limits: &Limits,
        sink: &mut S,
    ) {
        if self.streams.len() >= limits.pipeline_depth
            && let Some((_, mut oldest)) = self.streams.pop_first()
        {
            oldest.doubt(Uncertain::PipelineBound);
            oldest.report(sink);
        }
        let mut stream = Box::new(stream);
        // While nothing can be read of the server, its response may pass.
        if self.server.state == State::Lost {
            let why = if self.server.joined {
                Uncertain::JoinedInTheMiddle
            } else {
                Uncertain::Gap
            };
            stream.lose(Side::Server, stream.begin(), why);
            self.suspects.get_or_insert(stream.begin());
        }
        // One that answers before its request was seen is known already.
        if let Some(orphan) = self.streams.remove(&id) {
            stream.adopt(*orphan);
        }
        self.streams.insert(id, stream);
    }

    /// Hands a stream over that is done.
    pub(super) fn settle<S: Sink<Request = R>>(
        &mut self,
        id: u32,
        time: u64,
        limits: &Limits,
        sink: &mut S,
    ) {
        if self.streams.get(&id).is_some_and(|stream| stream.is_done())
            && let Some(stream) = self.streams.remove(&id)
        {
            self.tell(id, *stream, time, limits, sink);
        }
    }
}
