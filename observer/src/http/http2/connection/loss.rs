//! What bytes that were never seen, or cannot be read, do to a connection.

use super::{Connection, Unit};
use crate::http::http2::reader::State;
use crate::http::{Limits, Moment, Side, Sink, Uncertain};

/// How long a response may be missing after a loss until it is taken for lost with it. Nanoseconds.
const PATIENCE: u64 = 60_000_000_000;

impl<R> Connection<R> {
    /// No frame is here, or none that may be: what follows cannot be told apart.
    pub(super) fn unsound(&mut self, side: Side, unit: &Unit<'_>) -> usize {
        let length = unit.bytes.len();
        if self.gapless && self.newest == 0 && self.streams.is_empty() {
            self.opaque = true;
            return length;
        }
        let reader = self.reader_mut(side);
        reader.lose(reader.offset.saturating_add(length as u64));
        self.lose_streams(side, unit.now.time);
        length
    }

    pub(super) fn lose_streams(&mut self, side: Side, time: u64) {
        // What this side allows the other may be among it.
        let other = match side {
            Side::Client => &mut self.server,
            Side::Server => &mut self.client,
        };
        other.allow(u32::MAX);
        self.lost |= side == Side::Client;
        self.gapless = false;
        if side == Side::Server {
            self.suspects.get_or_insert(time);
        }
        for stream in self.streams.values_mut() {
            stream.lose(side, time, Uncertain::Gap);
        }
    }

    /// Gives up on responses that have been missing since a loss for too long.
    pub(super) fn give_up_suspects<S: Sink<Request = R>>(
        &mut self,
        now: u64,
        limits: &Limits,
        sink: &mut S,
    ) {
        let gone = self.streams.iter().filter(|(_, stream)| {
            let since = stream.suspect();
            since.is_some_and(|since| is_over(since, now))
        });
        let gone: Vec<u32> = gone.map(|(id, _)| *id).collect();
        for id in gone {
            if let Some(mut stream) = self.streams.remove(&id) {
                stream.doubt_suspect();
                self.tell(id, *stream, now, limits, sink);
            }
        }
        let since = self.streams.values().filter_map(|stream| stream.suspect());
        self.suspects = since.min();
    }

    /// `length` in-order bytes of one side, from `offset` on, that were not copied or never seen. Inside of a frame's content
    /// they are content; elsewhere they are a gap.
    pub fn hole<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        now: Moment,
        offset: u64,
        length: u64,
        limits: &Limits,
        sink: &mut S,
    ) {
        let end = offset.saturating_add(length);
        while self.reader(side).next() < end && !self.opaque {
            let reader = self.reader_mut(side);
            let left = end - reader.next();
            match reader.state {
                State::Closed => reader.offset = end,
                State::Skip { left: frame } => self.pass_frame(side, left.min(frame.into())),
                State::Data { .. } => {
                    self.content(side, now, left, None, limits, sink);
                }
                State::Preface | State::Frame | State::Lost => {
                    return self.gap(side, now.time, end, true, sink);
                }
            }
        }
    }

    /// Bytes of one side are missing, and how many is not known. `length` moves the offset on and says nothing else.
    pub fn lose<S: Sink<Request = R>>(&mut self, side: Side, time: u64, length: u64, sink: &mut S) {
        if self.opaque {
            return;
        }
        let reader = self.reader_mut(side);
        let end = reader.next().saturating_add(length);
        if reader.state == State::Closed {
            reader.offset = end;
        } else {
            self.gap(side, time, end, false, sink);
        }
    }

    pub(super) fn gap<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        time: u64,
        end: u64,
        measured: bool,
        sink: &mut S,
    ) {
        let reader = self.reader_mut(side);
        let begin = reader.next();
        reader.lose(end);
        if reader.joined {
            return;
        }
        sink.missing(if measured { end - begin } else { 0 });
        self.lose_streams(side, time);
    }

    /// Retransmitted bytes of this side differed from those that were taken.
    pub fn conflict(&mut self, side: Side) {
        self.reader_mut(side).forget();
        for stream in self.streams.values_mut() {
            stream.doubt(Uncertain::Conflict);
        }
    }
}

/// Whether a response that is missing since then is taken for lost.
pub(super) fn is_over(since: u64, now: u64) -> bool {
    now.saturating_sub(since) >= PATIENCE
}
