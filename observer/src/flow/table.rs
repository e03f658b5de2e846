//! Every connection being followed, bounded in number; the one that was quiet longest makes room.

use hashbrown::HashMap;
use observer_ebpf::abi::{FlowKey, flags};
use observer_ebpf::track::ORIGIN;

use super::{Bounds, Reader, Seen, Stream};
use crate::segment::Segment;

const NONE: u32 = u32::MAX;

/// One connection: its two directions, and what its reader keeps.
#[derive(Debug)]
pub struct Flow<C> {
    /// Its name.
    pub key: FlowKey,
    /// When the kernel side first saw it.
    pub birth: u64,
    /// Its two directions.
    pub streams: Streams,
    /// What its reader keeps.
    pub connection: C,
    older: u32,
    newer: u32,
}

/// The two directions of a connection.
#[derive(Debug)]
pub struct Streams {
    /// When its last segment was seen.
    pub last: u64,
    /// Whether it was seen from its handshake on.
    pub from_start: bool,
    low: Stream,
    high: Stream,
}

impl Streams {
    /// The two directions of a connection that was followed before: stream offsets of the next bytes, of the low end first,
    /// and which of them have ended.
    pub fn restored(last: u64, from_start: bool, next: [u64; 2], finished: [bool; 2]) -> Self {
        let [low, high] = next;
        let [low_finished, high_finished] = finished;
        Self {
            last,
            from_start,
            low: Stream::restored(low, low_finished),
            high: Stream::restored(high, high_finished),
        }
    }

    /// Whether a direction has ended.
    pub fn has_ended(&self, high: bool) -> bool {
        if high {
            self.high.is_finished()
        } else {
            self.low.is_finished()
        }
    }

    /// Whether a direction waits for bytes before those that came.
    pub fn waits(&self, high: bool) -> bool {
        if high {
            self.high.is_waiting()
        } else {
            self.low.is_waiting()
        }
    }

    /// Puts a segment of this connection in order.
    pub fn segment<R: Reader>(&mut self, segment: &Segment<'_>, bounds: &Bounds, reader: &mut R) {
        let header = &segment.header;
        self.last = self.last.max(header.time);
        let high = segment.from_high();
        let seen = Seen {
            time: header.time,
            acked: segment.acked(),
        };
        let (sent, other) = if high {
            (&mut self.high, &mut self.low)
        } else {
            (&mut self.low, &mut self.high)
        };
        if let Some(acked) = seen.acked {
            if other.is_open() {
                other.acknowledged(!high, acked, seen, bounds, reader);
            } else {
                other.open(if self.from_start { ORIGIN } else { acked });
            }
        }
        let start = if self.from_start {
            ORIGIN
        } else {
            header.offset
        };
        sent.segment(segment, start, bounds, reader);
        if reader.is_idle() {
            self.low.settle();
            self.high.settle();
        }
    }

    /// Gives up on what both directions have missed for too long.
    pub fn expire<R: Reader>(&mut self, now: u64, bounds: &Bounds, reader: &mut R) {
        self.low.expire(false, now, bounds, reader);
        self.high.expire(true, now, bounds, reader);
    }

    /// Hands on everything that both directions hold back.
    pub fn close<R: Reader>(&mut self, now: u64, bounds: &Bounds, reader: &mut R) {
        self.low.close(false, now, bounds, reader);
        self.high.close(true, now, bounds, reader);
    }

    /// Stream offset of the next byte of a direction.
    pub fn next(&self, high: bool) -> u64 {
        if high {
            self.high.next()
        } else {
            self.low.next()
        }
    }

    /// Whether something waits for bytes before it.
    pub fn is_waiting(&self) -> bool {
        self.low.is_waiting() || self.high.is_waiting()
    }

    /// Whether both directions have ended.
    pub fn is_finished(&self) -> bool {
        self.low.is_finished() && self.high.is_finished()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.low.heap_bytes() + self.high.heap_bytes()
    }
}

/// The connections.
#[derive(Debug)]
pub struct Table<C> {
    places: HashMap<FlowKey, u32>,
    flows: Vec<Option<Flow<C>>>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    capacity: usize,
}

impl<C> Table<C> {
    /// Room for `capacity` connections.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, NONE as usize - 1);
        Self {
            places: HashMap::new(),
            flows: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            capacity,
        }
    }

    /// Number of connections.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether a new one needs room made first.
    pub fn is_full(&self) -> bool {
        self.places.len() >= self.capacity
    }

    /// A connection by its name that is heard of at a time: now the newest, unless it was heard of then before (events are
    /// read again after a restart).
    pub fn heard(&mut self, key: &FlowKey, time: u64) -> Option<&mut Flow<C>> {
        let place = *self.places.get(key)?;
        let last = self.flow(place)?.streams.last;
        if self.newest != place && time > last {
            self.unlink(place);
            self.link(place);
        }
        self.flow_mut(place)
    }

    /// Enters the connection that a segment begins, replacing any of that name. Fails when the table is full.
    pub fn enter(&mut self, segment: &Segment<'_>, connection: C) -> Option<&mut Flow<C>> {
        if self.is_full() && !self.places.contains_key(&segment.header.flow) {
            return None;
        }
        let header = &segment.header;
        let streams = Streams::restored(
            header.time,
            header.has(flags::FROM_START),
            [0; 2],
            [false; 2],
        );
        self.put(header.flow, header.birth, streams, connection)
    }

    /// Puts a connection in, replacing any of that name. Fails when the table is full.
    pub fn put(
        &mut self,
        key: FlowKey,
        birth: u64,
        streams: Streams,
        connection: C,
    ) -> Option<&mut Flow<C>> {
        self.remove(&key);
        if self.is_full() {
            return None;
        }
        let flow = Flow {
            key,
            birth,
            streams,
            connection,
            older: NONE,
            newer: NONE,
        };
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.flows.push(None);
                (self.flows.len() - 1) as u32
            }
        };
        *self.flows.get_mut(place as usize)? = Some(flow);
        self.places.insert(key, place);
        self.link(place);
        self.flow_mut(place)
    }

    /// Every connection, the one that was quiet longest first.
    pub fn iter(&self) -> impl Iterator<Item = &Flow<C>> {
        std::iter::successors(self.flow(self.oldest), |flow| self.flow(flow.newer))
    }

    /// Takes a connection out.
    pub fn remove(&mut self, key: &FlowKey) -> Option<Flow<C>> {
        let place = self.places.remove(key)?;
        self.unlink(place);
        self.free.push(place);
        self.flows.get_mut(place as usize)?.take()
    }

    /// Takes out the connection that was quiet longest, if it was so since before `since`.
    pub fn remove_oldest(&mut self, since: u64) -> Option<Flow<C>> {
        let oldest = self.flow(self.oldest)?;
        if oldest.streams.last >= since {
            return None;
        }
        let key = oldest.key;
        self.remove(&key)
    }

    /// A connection by its name.
    pub fn get(&mut self, key: &FlowKey) -> Option<&mut Flow<C>> {
        let place = *self.places.get(key)?;
        self.flow_mut(place)
    }

    fn flow(&self, place: u32) -> Option<&Flow<C>> {
        self.flows.get(place as usize)?.as_ref()
    }

    fn flow_mut(&mut self, place: u32) -> Option<&mut Flow<C>> {
        self.flows.get_mut(place as usize)?.as_mut()
    }

    /// Makes a connection the newest.
    fn link(&mut self, place: u32) {
        let before = std::mem::replace(&mut self.newest, place);
        if let Some(flow) = self.flow_mut(place) {
            (flow.older, flow.newer) = (before, NONE);
        }
        match self.flow_mut(before) {
            Some(flow) => flow.newer = place,
            None => self.oldest = place,
        }
    }

    /// Takes a connection out of the order.
    fn unlink(&mut self, place: u32) {
        let Some(flow) = self.flow(place) else { return };
        let (older, newer) = (flow.older, flow.newer);
        match self.flow_mut(older) {
            Some(flow) => flow.newer = newer,
            None => self.oldest = newer,
        }
        match self.flow_mut(newer) {
            Some(flow) => flow.older = older,
            None => self.newest = older,
        }
    }
}
