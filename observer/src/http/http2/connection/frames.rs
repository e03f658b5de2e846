//! What frames say, once they are whole.

use super::{Connection, Unit};
use crate::http::http2::error::Reason;
use crate::http::http2::frame::{HEADER, Header, Kind, flag};
use crate::http::http2::heads::{Asked, Fields, is_looked_at};
use crate::http::http2::reader::{Block, State};
use crate::http::http2::stream::Stream;
use crate::http::wiped::Wiped;
use crate::http::{Limits, Malformed, Side, Sink, Uncertain};

impl<R> Connection<R> {
    /// The beginning of content, of which so many octets are left with the padding. False: there is less than that.
    pub(super) fn begin_data<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        header: &Header,
        unit: &Unit<'_>,
        left: u32,
        limits: &Limits,
        sink: &mut S,
    ) -> bool {
        let padding = unit.bytes.get(HEADER);
        let padding = padding.map_or(0, |padding| u32::from(*padding));
        let Some(content) = left.checked_sub(padding) else {
            return false;
        };
        self.reader_mut(side).state = State::Data {
            stream: header.stream,
            content,
            padding,
            end: header.has(flag::END_STREAM),
        };
        self.meet(side, header.stream, unit.now, limits, sink);
        if left == 0 {
            self.content(side, unit.now, 0, Some(&[]), limits, sink);
        }
        true
    }

    /// A frame that is neither content nor fields.
    pub(super) fn control<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        header: &Header,
        unit: &Unit<'_>,
        limits: &Limits,
        sink: &mut S,
    ) {
        match header.kind {
            Kind::Continuation => {
                self.reader_mut(side).overlong = !header.has(flag::END_HEADERS);
            }
            Kind::Settings => self.settings(side, unit.bytes.get(HEADER..).unwrap_or_default()),
            Kind::Reset => {
                let reason = Reason::of(number_at(unit.bytes, HEADER));
                if let Some(mut stream) = self.streams.remove(&header.stream) {
                    stream.reset(side, reason, unit.now.time);
                    self.tell(header.stream, *stream, unit.now.time, limits, sink);
                }
            }
            Kind::GoAway if side == Side::Server => {
                let last = number_at(unit.bytes, HEADER) & (u32::MAX >> 1);
                let reason = Reason::of(number_at(unit.bytes, HEADER + 4));
                for (_, mut stream) in self.streams.split_off(&last.saturating_add(1)) {
                    if stream.waits() {
                        stream.refuse(reason);
                    }
                    stream.report(sink);
                }
            }
            _ => {}
        }
    }

    /// Resolves the block of frames. `None`: it is malformed.
    pub(super) fn fields(&mut self, side: Side, frames: &[u8], limits: &Limits) -> Option<Fields> {
        let table = &mut self.reader_mut(side).table;
        let wanted = |name: &[u8]| side == Side::Client || is_looked_at(name);
        match single(frames) {
            Some(block) => Fields::read(table, block, limits.head_bytes, wanted),
            None => Fields::read(table, block_of(frames)?.bytes(), limits.head_bytes, wanted),
        }
    }

    /// A head or trailers. False: they cannot be read.
    pub(super) fn block<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        header: &Header,
        unit: &Unit<'_>,
        limits: &Limits,
        sink: &mut S,
    ) -> bool {
        let Some(fields) = self.fields(side, unit.bytes, limits) else {
            return false;
        };
        let (id, end) = (header.stream, header.has(flag::END_STREAM));
        let bytes = unit.bytes.len() as u64;
        match side {
            Side::Client => {
                let may_ask = id > self.newest && !id.is_multiple_of(2);
                if may_ask && end && fields.trailing && !self.gapless {
                    self.unseen(id, unit.now, limits, sink);
                } else if may_ask {
                    self.miss(id, unit.now.time, limits, sink);
                    let asked = fields.request(|head| sink.request(head, unit.begin, None));
                    let stream = Stream::request(asked, unit.begin, unit.now, bytes);
                    self.enter(id, stream, limits, sink);
                }
            }
            Side::Server => {
                let mut said = fields.response();
                // It stands in the last fields.
                said.call_veiled &= end;
                self.meet(side, id, unit.now, limits, sink);
                if let Some(stream) = self.streams.get_mut(&id) {
                    let is_head = said.status.is_some() || said.status_veiled;
                    if stream.waits() && (is_head || !end) {
                        stream.answer(&said, unit.begin, unit.now, bytes);
                    } else {
                        stream.trail(&said);
                    }
                }
            }
        }
        if end && let Some(stream) = self.streams.get_mut(&id) {
            stream.end(side, unit.now);
            self.settle(id, unit.now.time, limits, sink);
        }
        true
    }

    /// What a side allows the other.
    pub(super) fn settings(&mut self, side: Side, payload: &[u8]) {
        /// `SETTINGS_HEADER_TABLE_SIZE`
        const TABLE_SIZE: u16 = 1;
        for setting in payload.as_chunks::<6>().0 {
            let [high, low, value @ ..] = *setting;
            if u16::from_be_bytes([high, low]) == TABLE_SIZE {
                let other = match side {
                    Side::Client => &mut self.server,
                    Side::Server => &mut self.client,
                };
                other.allow(u32::from_be_bytes(value));
            }
        }
    }

    /// A block is longer than the bound: its stream's head is not known, and neither are fields that later ones refer to.
    pub(super) fn too_long<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        (bytes, last): (usize, bool),
        unit: &Unit<'_>,
        limits: &Limits,
        sink: &mut S,
    ) -> usize {
        let Some(header) = unit.bytes.first_chunk::<HEADER>().map(Header::read) else {
            return unit.bytes.len();
        };
        let taken = unit.bytes.len().min(bytes);
        let reader = self.reader_mut(side);
        reader.forget();
        reader.pass(taken as u64);
        reader.overlong = !last;
        if bytes > taken {
            let left = u32::try_from(bytes - taken).unwrap_or(u32::MAX);
            reader.state = State::Skip { left };
        }
        let id = header.stream;
        if side == Side::Client && id > self.newest && !id.is_multiple_of(2) {
            let asked = Asked {
                malformed: Some(Malformed::HeadTooLong),
                ..Asked::default()
            };
            self.miss(id, unit.now.time, limits, sink);
            let stream = Stream::request(asked, unit.begin, unit.now, bytes as u64);
            self.enter(id, stream, limits, sink);
        } else if let Some(stream) = self.streams.get_mut(&id) {
            stream.doubt(Uncertain::Gap);
        }
        if header.has(flag::END_STREAM)
            && let Some(stream) = self.streams.get_mut(&id)
        {
            stream.end(side, unit.now);
            self.settle(id, unit.now.time, limits, sink);
        }
        taken
    }
}

/// The block of a single frame, where it has all of it.
fn single(bytes: &[u8]) -> Option<&[u8]> {
    let mut block = Block::of(bytes)?;
    block
        .first
        .has(flag::END_HEADERS)
        .then(|| block.next())
        .flatten()
        .flatten()
}

/// The block of several frames. `None`: padding is longer than its frame.
fn block_of(bytes: &[u8]) -> Option<Wiped> {
    let mut whole = Wiped::with_capacity(bytes.len());
    let mut block = Block::of(bytes)?;
    while let Some(fragment) = block.next() {
        whole.extend(fragment?);
    }
    Some(whole)
}

fn number_at(bytes: &[u8], at: usize) -> u32 {
    let octets = bytes.get(at..).and_then(|rest| rest.first_chunk());
    octets.map_or(0, |octets| u32::from_be_bytes(*octets))
}
