//! One HTTP/2 connection: bytes and holes of both directions in, exchanges out.
//!
//! Invariant: a response is of the request on its stream, whatever was lost. Bias: what was lost may have been fields that later
//! heads refer to, and the ends of streams; both are uncertain from then on, and never guessed.

mod ending;
mod frames;
mod loss;
mod streams;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::pending::Pending;
use super::super::{Limits, Moment, Side, Sink, Switch};
use super::frame::{HEADER, Header, Kind};
use super::reader::{Open, PREFACE, Reader, Scan, State, begins, scan};
use super::stream::Stream;

/// The first stream of a client.
const FIRST: u32 = 1;

/// One HTTP/2 connection, read passively. `R` is what the [`Sink`] keeps of a request.
#[derive(Serialize, Deserialize)]
pub struct Connection<R> {
    client: Reader,
    server: Reader,
    streams: BTreeMap<u32, Box<Stream<R>>>,
    /// The newest stream of which the request was seen, or is known to be lost; zero before the first.
    newest: u32,
    /// The oldest such one, or the first that there can be.
    oldest: u32,
    /// Bytes of the client were lost since its newest request.
    lost: bool,
    /// Every byte was seen, from the first on.
    gapless: bool,
    /// Since when some response may be among lost bytes, at the earliest.
    suspects: Option<u64>,
    client_closed: bool,
    opaque: bool,
}

/// A frame, or a block over several, that is whole.
struct Unit<'a> {
    bytes: &'a [u8],
    begin: Moment,
    now: Moment,
}

impl<R> Connection<R> {
    /// A connection that begins here.
    pub fn new(begin: Switch) -> Self {
        let state = if begin.prefaced {
            State::Frame
        } else {
            State::Preface
        };
        Self::of(
            Reader::new(begin.client, state),
            Reader::new(begin.server, State::Frame),
        )
    }

    /// A connection that begins here, and answers a request of HTTP/1 on its first stream.
    pub(in crate::http) fn upgraded(begin: Switch, pending: Pending<R>) -> Self {
        let mut connection = Self::new(begin);
        (connection.oldest, connection.newest) = (1, 1);
        let stream = Box::new(Stream::upgraded(pending));
        connection.streams.insert(1, stream);
        connection
    }

    /// A connection that will be seen from its first byte on, which has this stream offset on both sides.
    pub fn starting_at(offset: u64) -> Self {
        let begin = Switch {
            client: offset,
            server: offset,
            prefaced: false,
        };
        Self::new(begin)
    }

    /// Stream offset of the next byte of a side.
    pub fn next(&self, side: Side) -> u64 {
        self.reader(side).next()
    }

    /// A connection that is joined in the middle.
    pub fn joined() -> Self {
        Self::of(Reader::new(0, State::Lost), Reader::new(0, State::Lost))
    }

    fn of(client: Reader, server: Reader) -> Self {
        let oldest = if client.joined { u32::MAX } else { FIRST };
        Self {
            gapless: !client.joined,
            client,
            server,
            streams: BTreeMap::new(),
            newest: 0,
            oldest,
            lost: false,
            suspects: None,
            client_closed: false,
            opaque: false,
        }
    }

    /// In-order bytes of one side. `offset` is the stream offset of the first of them, right after what came before on that side.
    pub fn data<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        now: Moment,
        offset: u64,
        bytes: &[u8],
        limits: &Limits,
        sink: &mut S,
    ) {
        let at = self.reader(side).next();
        if offset > at {
            self.hole(side, now, at, offset - at, limits, sink);
        }
        let known = usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut rest = bytes.get(known..).unwrap_or_default();
        let mut first = known == 0;
        while !rest.is_empty() && !self.opaque {
            let taken = self.bytes(side, now, rest, first, limits, sink);
            rest = rest.get(taken..).unwrap_or_default();
            first = first && taken == 0;
        }
        if self
            .suspects
            .is_some_and(|since| loss::is_over(since, now.time))
        {
            self.give_up_suspects(now.time, limits, sink);
        }
    }

    /// Takes bytes of one side; returns how many. `first`: they begin a segment.
    fn bytes<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        now: Moment,
        bytes: &[u8],
        first: bool,
        limits: &Limits,
        sink: &mut S,
    ) -> usize {
        let reader = self.reader_mut(side);
        match reader.state {
            State::Closed => {
                reader.pass(bytes.len() as u64);
                bytes.len()
            }
            State::Lost if first && begins(bytes) => {
                (reader.state, reader.joined) = (State::Frame, false);
                0
            }
            State::Lost => {
                reader.pass(bytes.len() as u64);
                bytes.len()
            }
            State::Preface => self.preface(bytes),
            State::Frame => self.unit(side, now, bytes, limits, sink),
            State::Skip { left } => {
                let taken = bytes.len().min(left as usize);
                self.pass_frame(side, taken as u64);
                taken
            }
            State::Data { content, .. } => {
                let seen = bytes.len().min(content as usize);
                let content = bytes.get(..seen).unwrap_or_default();
                self.content(side, now, bytes.len() as u64, Some(content), limits, sink)
            }
        }
    }

    /// Passes over what is left of a frame, or some of it.
    fn pass_frame(&mut self, side: Side, bytes: u64) {
        let reader = self.reader_mut(side);
        reader.pass(bytes);
        if let State::Skip { left } = &mut reader.state {
            *left = left.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
            if *left == 0 {
                reader.state = State::Frame;
            }
        }
    }

    /// Takes up to so many octets of content and padding; returns how many. `seen`: the content among them, where it was seen.
    fn content<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        now: Moment,
        octets: u64,
        seen: Option<&[u8]>,
        limits: &Limits,
        sink: &mut S,
    ) -> usize {
        let reader = self.reader_mut(side);
        let State::Data {
            stream,
            content,
            padding,
            end,
        } = &mut reader.state
        else {
            return 0;
        };
        let (stream, end) = (*stream, *end);
        let octets = u32::try_from(octets).unwrap_or(u32::MAX);
        let inside = octets.min(*content);
        let behind = (octets - inside).min(*padding);
        *content -= inside;
        *padding -= behind;
        let over = *content == 0 && *padding == 0;
        if over {
            reader.state = State::Frame;
        }
        reader.pass(u64::from(inside + behind));
        if let Some(known) = self.streams.get_mut(&stream) {
            known.content(side, now, inside.into(), seen);
            known.tell_news(now, sink);
            if over && end {
                known.end(side, now);
                self.settle(stream, now.time, limits, sink);
            }
        }
        (inside + behind) as usize
    }

    /// Takes bytes of what the client says first.
    fn preface(&mut self, bytes: &[u8]) -> usize {
        let reader = &mut self.client;
        let open = reader.open.get_or_insert_with(|| {
            Box::new(Open::new(Moment {
                time: 0,
                acked: None,
            }))
        });
        let have = open.bytes.bytes().len();
        let expected = PREFACE.get(have..).unwrap_or_default();
        let taken = bytes.len().min(expected.len());
        let piece = bytes.get(..taken).unwrap_or_default();
        if !expected.starts_with(piece) {
            self.opaque = true;
            return bytes.len();
        }
        open.bytes.extend(piece);
        if taken == expected.len() {
            reader.open = None;
            reader.pass(PREFACE.len() as u64);
            reader.state = State::Frame;
        }
        taken
    }

    /// Takes bytes where a frame has to be.
    fn unit<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        now: Moment,
        bytes: &[u8],
        limits: &Limits,
        sink: &mut S,
    ) -> usize {
        let most = limits.head_bytes;
        let reader = self.reader_mut(side);
        let overlong = reader.overlong;
        let Some(mut open) = reader.open.take() else {
            let found = scan(bytes, &mut 0, most, overlong);
            let begin = now;
            return match found {
                Scan::Need(_) => {
                    let mut open = Box::new(Open::new(now));
                    open.bytes.extend(bytes);
                    reader.open = Some(open);
                    bytes.len()
                }
                found => self.found(side, found, &Unit { bytes, begin, now }, limits, sink),
            };
        };
        let before = open.bytes.bytes().len();
        let found = match open.scan(most, overlong) {
            Scan::Need(missing) => {
                let piece = bytes.get(..missing).unwrap_or(bytes);
                open.bytes.extend(piece);
                open.scan(most, overlong)
            }
            found => found,
        };
        let added = open.bytes.bytes().len() - before;
        if matches!(found, Scan::Need(_)) {
            self.reader_mut(side).open = Some(open);
            return added;
        }
        let begin = open.begin;
        let bytes = open.bytes.bytes();
        self.found(side, found, &Unit { bytes, begin, now }, limits, sink);
        added
    }

    /// Takes a frame, or a block, of which the end is known.
    fn found<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        found: Scan,
        unit: &Unit<'_>,
        limits: &Limits,
        sink: &mut S,
    ) -> usize {
        let header = unit.bytes.first_chunk::<HEADER>().map(Header::read);
        let (Some(header), Scan::Done(length)) = (header, found) else {
            let Scan::TooLong { bytes, last } = found else {
                return self.unsound(side, unit);
            };
            return self.too_long(side, (bytes, last), unit, limits, sink);
        };
        sink.frame(header.kind);
        let whole = Unit {
            bytes: unit.bytes.get(..length).unwrap_or_default(),
            ..*unit
        };
        let reader = self.reader_mut(side);
        let start = reader.offset;
        reader.pass(length as u64);
        // What of the frame was not needed.
        let left = (HEADER as u32 + header.length).saturating_sub(length as u32);
        let is_sound = match header.kind {
            Kind::Headers => self.block(side, &header, &whole, limits, sink),
            // Nobody asked for it, so that it is nobody's; but heads after it refer to its fields.
            Kind::Push => self.fields(side, whole.bytes, limits).is_some(),
            Kind::Data => self.begin_data(side, &header, &whole, left, limits, sink),
            _ => {
                self.control(side, &header, &whole, limits, sink);
                if left > 0 {
                    self.reader_mut(side).state = State::Skip { left };
                }
                true
            }
        };
        if !is_sound {
            self.reader_mut(side).offset = start;
            return self.unsound(side, unit);
        }
        length
    }

    /// Up to which stream offset of this side nothing needs to be copied.
    pub fn skip_until(&self, side: Side) -> Option<u64> {
        let reader = self.reader(side);
        match reader.state {
            // The lengths of messages stand in it.
            State::Data { stream, .. }
                if self
                    .streams
                    .get(&stream)
                    .is_some_and(|stream| stream.is_looked_at()) =>
            {
                None
            }
            State::Data {
                content, padding, ..
            } => Some(
                reader
                    .offset
                    .saturating_add(u64::from(content) + u64::from(padding)),
            ),
            State::Skip { left } => Some(reader.offset.saturating_add(left.into())),
            _ => None,
        }
    }

    /// Stream offset of the first byte of what is half read on this side.
    pub fn half_read(&self, side: Side) -> Option<u64> {
        let reader = self.reader(side);
        reader.open.as_ref().map(|_| reader.offset)
    }

    /// Nothing is pending, and no frame is half read.
    pub fn is_idle(&self) -> bool {
        self.streams.is_empty() && self.client.open.is_none() && self.server.open.is_none()
    }

    /// This is not HTTP/2: whatever follows is ignored.
    pub fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// Bytes of heap that the connection owns, without what the `R`s own.
    pub fn heap_bytes(&self) -> usize {
        let streams = self.streams.len() * Stream::<R>::HEAP_BYTES;
        size_of::<Self>() + streams + self.client.heap_bytes() + self.server.heap_bytes()
    }

    fn reader(&self, side: Side) -> &Reader {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    fn reader_mut(&mut self, side: Side) -> &mut Reader {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}
