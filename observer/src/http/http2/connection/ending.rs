//! How connections end, and what that says of the streams that are open.

use super::Connection;
use crate::http::http2::frame::{HEADER, Header, Kind};
use crate::http::http2::reader::State;
use crate::http::http2::stream::Stream;
use crate::http::{Cut, Limits, Moment, Side, Sink, Uncertain};

impl<R> Connection<R> {
    /// Half-close, in order: this side sends nothing more.
    pub fn fin<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        _moment: Moment,
        _limits: &Limits,
        sink: &mut S,
    ) {
        if self.reader(side).state == State::Closed {
            return;
        }
        match side {
            Side::Client => {
                self.fragment(Some(Cut::ClientAbort), sink);
                self.client_closed = true;
            }
            Side::Server => self.over(Some(Cut::NoResponse), sink),
        }
        let reader = self.reader_mut(side);
        reader.open = None;
        reader.state = State::Closed;
    }

    /// Reports a request of which the head will never be whole.
    pub(super) fn fragment<S: Sink<Request = R>>(&mut self, cut: Option<Cut>, sink: &mut S) {
        let Some(open) = self.client.open.take() else {
            return;
        };
        let bytes = open.bytes.bytes();
        let header = bytes.first_chunk::<HEADER>().map(Header::read);
        let is_head = header
            .is_some_and(|header| header.kind == Kind::Headers && header.stream > self.newest);
        if self.client.state == State::Frame && is_head {
            let mut stream = Stream::orphan(open.begin.time, Uncertain::Gap);
            stream.fragment(bytes.len() as u64, cut);
            stream.report(sink);
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
            Some(match side {
                Side::Client => Cut::ClientAbort,
                Side::Server => Cut::ServerReset,
            }),
            sink,
        );
    }

    /// The connection is over, and nobody saw how.
    pub fn end<S: Sink<Request = R>>(&mut self, _time: u64, _limits: &Limits, sink: &mut S) {
        self.over(None, sink);
    }

    pub(super) fn over<S: Sink<Request = R>>(&mut self, cut: Option<Cut>, sink: &mut S) {
        self.fragment(cut, sink);
        for (_, mut stream) in std::mem::take(&mut self.streams) {
            let cut = match cut {
                Some(_) if self.client_closed => Some(Cut::ClientAbort),
                // Closed in the middle of a response.
                Some(Cut::NoResponse) if !stream.waits() => Some(Cut::ServerReset),
                cut => cut,
            };
            stream.over(cut);
            stream.report(sink);
        }
        for reader in [&mut self.client, &mut self.server] {
            (reader.state, reader.open) = (State::Closed, None);
        }
    }
}
