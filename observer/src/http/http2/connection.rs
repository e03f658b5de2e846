//! One HTTP/2 connection: bytes and holes of both directions in, exchanges out.
//!
//! Invariant: a response is of the request on its stream, whatever was lost. Bias: what was lost may have been fields that later
//! heads refer to, and the ends of streams; both are uncertain from then on, and never guessed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::pending::Pending;
use super::super::wiped::Wiped;
use super::super::{Cut, Limits, Malformed, Moment, Side, Sink, Switch, Uncertain};
use super::error::Reason;
use super::frame::{HEADER, Header, Kind, flag};
use super::heads::{Asked, Fields, is_looked_at};
use super::reader::{Block, Open, PREFACE, Reader, Scan, State, begins, scan};
use super::stream::Stream;

/// How long a response may be missing after a loss until it is taken for lost with it. Nanoseconds.
const PATIENCE: u64 = 60_000_000_000;
/// The first stream of a client.
const FIRST: u32 = 1;
/// Requests that are taken to be lost at once where ids are left out after a loss; more are one.
const MISSED: usize = 256;

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
        if self.suspects.is_some_and(|since| is_over(since, now.time)) {
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

    /// The beginning of content, of which so many octets are left with the padding. False: there is less than that.
    fn begin_data<S: Sink<Request = R>>(
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
    fn control<S: Sink<Request = R>>(
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
    fn fields(&mut self, side: Side, frames: &[u8], limits: &Limits) -> Option<Fields> {
        let table = &mut self.reader_mut(side).table;
        let wanted = |name: &[u8]| side == Side::Client || is_looked_at(name);
        match single(frames) {
            Some(block) => Fields::read(table, block, limits.head_bytes, wanted),
            None => Fields::read(table, block_of(frames)?.bytes(), limits.head_bytes, wanted),
        }
    }

    /// A head or trailers. False: they cannot be read.
    fn block<S: Sink<Request = R>>(
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
                    let asked = fields.request(|head| sink.request(head, unit.begin));
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

    /// Something of the server came on a stream.
    fn meet<S: Sink<Request = R>>(
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
    fn unseen<S: Sink<Request = R>>(
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
    fn miss<S: Sink<Request = R>>(&mut self, id: u32, time: u64, limits: &Limits, sink: &mut S) {
        self.note_missed(id, time, limits, sink);
        self.lost = false;
        self.newest = id;
        self.oldest = self.oldest.min(id);
    }

    /// Notes requests before one that must have been among lost bytes: clients leave out no id.
    fn note_missed<S: Sink<Request = R>>(
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
                stream.lose(Side::Server, time);
                self.suspects.get_or_insert(time);
                self.enter(missed, stream, limits, sink);
            }
        }
    }

    /// Whether it is known which streams come next.
    fn follows(&self) -> bool {
        self.newest != 0 || self.oldest == FIRST
    }

    /// Hands a stream over. Where its request must have been among lost bytes, it is not noted again.
    fn tell<S: Sink<Request = R>>(
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
    fn enter<S: Sink<Request = R>>(
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
            stream.lose(Side::Server, stream.begin());
            self.suspects.get_or_insert(stream.begin());
        }
        // One that answers before its request was seen is known already.
        if let Some(orphan) = self.streams.remove(&id) {
            stream.adopt(*orphan);
        }
        self.streams.insert(id, stream);
    }

    /// Hands a stream over that is done.
    fn settle<S: Sink<Request = R>>(&mut self, id: u32, time: u64, limits: &Limits, sink: &mut S) {
        if self.streams.get(&id).is_some_and(|stream| stream.is_done())
            && let Some(stream) = self.streams.remove(&id)
        {
            self.tell(id, *stream, time, limits, sink);
        }
    }

    /// What a side allows the other.
    fn settings(&mut self, side: Side, payload: &[u8]) {
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
    fn too_long<S: Sink<Request = R>>(
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

    /// No frame is here, or none that may be: what follows cannot be told apart.
    fn unsound(&mut self, side: Side, unit: &Unit<'_>) -> usize {
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

    fn lose_streams(&mut self, side: Side, time: u64) {
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
            stream.lose(side, time);
        }
    }

    /// Gives up on responses that have been missing since a loss for too long.
    fn give_up_suspects<S: Sink<Request = R>>(&mut self, now: u64, limits: &Limits, sink: &mut S) {
        let gone = self.streams.iter().filter(|(_, stream)| {
            let since = stream.suspect();
            since.is_some_and(|since| is_over(since, now))
        });
        let gone: Vec<u32> = gone.map(|(id, _)| *id).collect();
        for id in gone {
            if let Some(mut stream) = self.streams.remove(&id) {
                stream.doubt(Uncertain::Gap);
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

    fn gap<S: Sink<Request = R>>(
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
    fn fragment<S: Sink<Request = R>>(&mut self, cut: Option<Cut>, sink: &mut S) {
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

    fn over<S: Sink<Request = R>>(&mut self, cut: Option<Cut>, sink: &mut S) {
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

/// Whether a response that is missing since then is taken for lost.
fn is_over(since: u64, now: u64) -> bool {
    now.saturating_sub(since) >= PATIENCE
}

fn number_at(bytes: &[u8], at: usize) -> u32 {
    let octets = bytes.get(at..).and_then(|rest| rest.first_chunk());
    octets.map_or(0, |octets| u32::from_be_bytes(*octets))
}
