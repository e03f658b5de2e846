//! What bytes that were never seen do to the message that they were of.

use super::connection::Connection;
use super::pending::blank;
use super::reader::State;
use super::{Cut, Moment, Side, Sink, Uncertain};

impl<R> Connection<R> {
    /// Bytes of one side are missing, and how many is not known, as when they were encrypted: not even a body goes on after
    /// them. `length` moves the offset on and says nothing else.
    pub fn lose<S: Sink<Request = R>>(&mut self, side: Side, length: u64, sink: &mut S) {
        if self.opaque {
            return;
        }
        let reader = self.reader_mut(side);
        let end = reader.next().saturating_add(length);
        match reader.state {
            State::Closed => reader.offset = end,
            State::Tunnel => {
                reader.offset = end;
                let pending = match self.pairing.request() {
                    Some(request) => Some(request),
                    None => self.pairing.response(),
                };
                if let Some(pending) = pending {
                    pending.doubt(Uncertain::Gap);
                }
                if let Some(socket) = self.pairing.socket_mut() {
                    socket.skip(side, u64::MAX);
                }
            }
            State::Lost | State::Head | State::Body { .. } => self.gap(side, end, false, sink),
        }
    }

    /// Bytes up to `end` were never seen, and do not lie in a body of known length. `measured`: so many they were.
    pub(super) fn gap<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        end: u64,
        measured: bool,
        sink: &mut S,
    ) {
        let expected = self.pairing.expected_at();
        let reader = self.reader_mut(side);
        let (begin, start, was) = (reader.next(), reader.offset, reader.state);
        let open = reader.abandon(side);
        reader.offset = end;
        reader.state = State::Lost;
        if reader.joined {
            return;
        }
        sink.missing(end - begin);
        match side {
            Side::Client => {
                if let Some((moment, length)) = open {
                    self.fragment(side, moment, length, None, sink);
                }
                let boundary = (was == State::Head && measured).then_some(start);
                self.pairing.lose_requests(boundary, sink);
            }
            Side::Server => {
                match (open, self.pairing.answering()) {
                    (Some((moment, _)), Some(pending)) => pending.touch(moment.time),
                    (Some((moment, length)), None) => {
                        self.fragment(side, moment, length, None, sink)
                    }
                    (None, _) => {}
                }
                // In a place that was lost anyway, only what was expected there can be lost too.
                if was != State::Lost || expected.is_some_and(|expected| expected < end) {
                    self.pairing.lose_responses(end, measured, sink);
                }
            }
        }
    }

    /// Reports a head that will never be whole.
    pub(super) fn fragment<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        begin: Moment,
        length: u64,
        cut: Option<Cut>,
        sink: &mut S,
    ) {
        let mut exchange = blank(None, begin.time);
        match side {
            Side::Client => exchange.request_head_bytes = length,
            Side::Server => {
                exchange.response_head_bytes = length;
                exchange.first_byte = Some(begin.time);
            }
        }
        exchange.cut = cut;
        exchange.uncertain = cut.is_none().then_some(Uncertain::Gap);
        sink.exchange(exchange);
    }
}
