//! One direction of a connection put in order.
//!
//! What the receiver took is what came first, unless it never arrived: so bytes that differ between retransmissions
//! before they were acknowledged are a conflict, and nobody can say which ones counted.

use std::collections::BTreeMap;

use super::{Reader, Seen};
use crate::segment::Segment;

#[cfg(test)]
mod tests;

/// Bounds of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes held back until what stands before them arrives.
    pub held_bytes: usize,
    /// Nanoseconds that they are held back.
    pub held_time: u64,
    /// Latest bytes kept to compare retransmissions with.
    pub compared_bytes: usize,
}

/// One direction: what comes next, what waits, what may be sent again.
#[derive(Debug, Default)]
pub struct Stream {
    /// Stream offset of the next byte; zero before the first.
    next: u64,
    /// Out-of-order segments and bytes not acknowledged; absent in a quiet connection.
    rest: Option<Box<Rest>>,
    /// FIN was handed on.
    finished: bool,
}

#[derive(Debug, Default)]
struct Rest {
    held: BTreeMap<u64, Piece>,
    held_bytes: usize,
    held_since: u64,
    /// Bytes handed on and perhaps not acknowledged, which end at `Stream::next`.
    recent: Vec<u8>,
    fin: Option<(u64, Seen)>,
}

/// A segment's bytes, or a stretch that was not copied.
#[derive(Debug)]
struct Piece {
    seen: Seen,
    skipped: u32,
    bytes: Box<[u8]>,
    length: u32,
}

impl Stream {
    /// A direction that was followed before, up to `next`.
    pub fn restored(next: u64, finished: bool) -> Self {
        Self {
            next,
            rest: None,
            finished,
        }
    }

    /// Whether the first byte was seen.
    pub fn is_open(&self) -> bool {
        self.next != 0
    }

    /// Stream offset of the next byte.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The stream begins, or is joined, at this offset.
    pub fn open(&mut self, start: u64) {
        self.next = start;
    }

    /// Whether something waits for bytes before it.
    pub fn is_waiting(&self) -> bool {
        self.first_waiting().is_some()
    }

    /// Whether FIN was handed on.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| {
            size_of::<Rest>() + rest.held_bytes + rest.recent.capacity()
        })
    }

    /// Takes a segment of this direction. `start`: where the stream begins, if this is the first of it.
    pub fn segment<R: Reader>(
        &mut self,
        segment: &Segment<'_>,
        start: u64,
        bounds: &Bounds,
        reader: &mut R,
    ) {
        let header = &segment.header;
        let (high, seen) = (
            segment.from_high(),
            Seen {
                time: header.time,
                acked: segment.acked(),
            },
        );
        if self.next == 0 {
            self.next = start;
        }
        let fin = header.has(observer_ebpf::abi::flags::FIN);
        if header.offset > self.next {
            self.skip_needless(high, seen, header.offset, reader);
        }
        if header.offset > self.next && header.lost > 0 {
            // The kernel side says that it could not deliver what is missing.
            self.give_up(high, seen, header.offset, bounds, reader);
        }
        if header.offset > self.next {
            self.hold(segment, seen, fin, bounds, reader);
            return;
        }
        self.take(
            high,
            seen,
            header.offset,
            header.skipped,
            segment.payload,
            header.length,
            bounds,
            reader,
        );
        if fin {
            self.rest().fin = Some((segment.end(), seen));
        }
        self.release(high, bounds, reader);
    }

    /// The other side acknowledged up to `acked`: what is missing before it will not be sent again.
    pub fn acknowledged<R: Reader>(
        &mut self,
        high: bool,
        acked: u64,
        seen: Seen,
        bounds: &Bounds,
        reader: &mut R,
    ) {
        if self.next == 0 {
            return;
        }
        if let Some(rest) = &mut self.rest {
            let beyond = self
                .next
                .saturating_sub(acked)
                .min(rest.recent.len() as u64) as usize;
            let done = rest.recent.len() - beyond;
            rest.recent.drain(..done);
        }
        // FIN takes a number of its own, so the last one acknowledged may be no byte.
        while acked > self.next + 1 {
            let waiting = self.first_waiting().unwrap_or(acked - 1);
            let until = waiting.min(acked - 1);
            self.skip_needless(high, seen, until, reader);
            self.give_up(high, seen, until, bounds, reader);
        }
        // Inside a body, the last one is a byte of it: a sender that has more to send does not finish.
        if acked > self.next && !self.finished {
            self.skip_needless(high, seen, acked, reader);
            self.release(high, bounds, reader);
        }
        self.tidy();
    }

    /// Gives up on what has been missing for too long.
    pub fn expire<R: Reader>(&mut self, high: bool, now: u64, bounds: &Bounds, reader: &mut R) {
        let seen = Seen {
            time: now,
            acked: None,
        };
        while let Some(first) = self.first_waiting()
            && self
                .rest
                .as_ref()
                .is_some_and(|rest| now.saturating_sub(rest.held_since) >= bounds.held_time)
        {
            self.give_up(high, seen, first, bounds, reader);
        }
    }

    /// Forgets what was kept to compare retransmissions with.
    pub fn settle(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.recent = Vec::new();
            self.tidy();
        }
    }

    /// Hands on everything that is held back, holes and all: the connection is over.
    pub fn close<R: Reader>(&mut self, high: bool, now: u64, bounds: &Bounds, reader: &mut R) {
        let patient = Bounds {
            held_time: 0,
            ..*bounds
        };
        self.expire(high, now, &patient, reader);
    }

    /// What comes next is of no use to the reader: goes on behind it.
    fn skip_needless<R: Reader>(&mut self, high: bool, seen: Seen, before: u64, reader: &mut R) {
        if let Some(until) = reader.needless_until(high) {
            let until = until.min(before);
            if until > self.next {
                let (offset, length) = (self.next, until - self.next);
                self.forget_recent();
                self.next = until;
                reader.hole(high, seen, offset, length);
            }
        }
    }

    /// Where the first thing begins that waits for bytes before it.
    fn first_waiting(&self) -> Option<u64> {
        let rest = self.rest.as_ref()?;
        rest.held
            .first_key_value()
            .map(|(first, _)| *first)
            .or(rest.fin.map(|(end, _)| end))
    }

    /// Declares what is missing before `until` a hole, and goes on behind it.
    fn give_up<R: Reader>(
        &mut self,
        high: bool,
        seen: Seen,
        until: u64,
        bounds: &Bounds,
        reader: &mut R,
    ) {
        if until > self.next {
            let (offset, length) = (self.next, until - self.next);
            self.forget_recent();
            self.next = until;
            reader.hole(high, seen, offset, length);
        }
        self.release(high, bounds, reader);
    }

    /// Takes a piece whose beginning is not past what comes next.
    #[expect(
        clippy::too_many_arguments,
        reason = "a piece as it stands in a segment or in the held ones"
    )]
    fn take<R: Reader>(
        &mut self,
        high: bool,
        seen: Seen,
        offset: u64,
        skipped: u32,
        bytes: &[u8],
        length: u32,
        bounds: &Bounds,
        reader: &mut R,
    ) {
        let end = offset.saturating_add(u64::from(length));
        let from = offset.saturating_add(u64::from(skipped));
        if offset < self.next && self.differs(from, bytes) {
            reader.conflict(high);
        }
        if end <= self.next {
            return;
        }
        if self.next < from.min(end) {
            let (hole, missing) = (self.next, from.min(end) - self.next);
            self.forget_recent();
            self.next += missing;
            reader.hole(high, seen, hole, missing);
        }
        let old = (self.next - from.min(self.next)) as usize;
        if let Some(fresh) = bytes.get(old..).filter(|fresh| !fresh.is_empty()) {
            let at = self.next;
            self.next += fresh.len() as u64;
            reader.data(high, seen, at, fresh);
            self.remember(fresh, bounds, reader.needless_until(high).is_some());
        }
        if end > self.next {
            let (hole, missing) = (self.next, end - self.next);
            self.forget_recent();
            self.next = end;
            reader.hole(high, seen, hole, missing);
        }
    }

    /// Holds a segment back until what stands before it arrives.
    fn hold<R: Reader>(
        &mut self,
        segment: &Segment<'_>,
        seen: Seen,
        fin: bool,
        bounds: &Bounds,
        reader: &mut R,
    ) {
        let (high, header) = (segment.from_high(), &segment.header);
        let end = segment.end();
        let rest = self.rest();
        if rest.held.is_empty() && rest.fin.is_none() {
            rest.held_since = seen.time;
        }
        if fin {
            rest.fin = Some((end, seen));
        }
        if header.length > 0 {
            let piece = Piece {
                seen,
                skipped: header.skipped,
                bytes: Box::from(segment.payload),
                length: header.length,
            };
            let conflict = rest.held.get(&header.offset).is_some_and(|known| {
                known.skipped == piece.skipped
                    && known
                        .bytes
                        .iter()
                        .zip(&piece.bytes)
                        .any(|(one, two)| one != two)
            });
            // The first to come stays, unless the later one is longer.
            if rest
                .held
                .get(&header.offset)
                .is_none_or(|known| known.length < piece.length)
            {
                rest.held_bytes += piece.bytes.len() + size_of::<Piece>();
                if let Some(old) = rest.held.insert(header.offset, piece) {
                    rest.held_bytes -= old.bytes.len() + size_of::<Piece>();
                }
            }
            if conflict {
                reader.conflict(high);
            }
        }
        // A large piece may weigh as much as many small ones.
        while let Some(first) = self.excess(bounds) {
            self.give_up(high, seen, first, bounds, reader);
        }
    }

    /// Where the first held piece begins, when more is held than there is room for.
    fn excess(&self, bounds: &Bounds) -> Option<u64> {
        let rest = self.rest.as_ref()?;
        (rest.held_bytes > bounds.held_bytes)
            .then(|| rest.held.keys().next().copied())
            .flatten()
    }

    /// Hands on held pieces whose turn has come, and FIN after the last byte.
    fn release<R: Reader>(&mut self, high: bool, bounds: &Bounds, reader: &mut R) {
        while let Some(rest) = &mut self.rest {
            let Some(first) = rest
                .held
                .first_entry()
                .filter(|first| *first.key() <= self.next)
            else {
                break;
            };
            let (offset, piece) = first.remove_entry();
            rest.held_bytes -= piece.bytes.len() + size_of::<Piece>();
            rest.held_since = piece.seen.time;
            self.take(
                high,
                piece.seen,
                offset,
                piece.skipped,
                &piece.bytes,
                piece.length,
                bounds,
                reader,
            );
        }
        if let Some(rest) = &mut self.rest
            && let Some((end, seen)) = rest.fin
            && end <= self.next
        {
            rest.fin = None;
            if !self.finished {
                self.finished = true;
                reader.fin(high, seen);
            }
        }
        self.tidy();
    }

    /// Whether bytes that were handed on before differ from these.
    fn differs(&self, from: u64, bytes: &[u8]) -> bool {
        let Some(rest) = &self.rest else { return false };
        let known_from = self.next - rest.recent.len() as u64;
        let start = from.max(known_from);
        let known = rest
            .recent
            .get((start - known_from) as usize..)
            .unwrap_or_default();
        let again = bytes.get((start - from) as usize..).unwrap_or_default();
        known.iter().zip(again).any(|(one, two)| one != two)
    }

    /// Keeps bytes for comparison until they are acknowledged; those of a body are not worth it.
    fn remember(&mut self, bytes: &[u8], bounds: &Bounds, in_body: bool) {
        if in_body {
            self.forget_recent();
            return;
        }
        let recent = &mut self.rest().recent;
        let kept = bytes.len().min(bounds.compared_bytes);
        let excess = (recent.len() + kept)
            .saturating_sub(bounds.compared_bytes)
            .min(recent.len());
        recent.drain(..excess);
        recent.extend_from_slice(bytes.get(bytes.len() - kept..).unwrap_or_default());
    }

    fn forget_recent(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.recent.clear();
        }
    }

    fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    fn tidy(&mut self) {
        if self.rest.as_ref().is_some_and(|rest| {
            rest.held.is_empty() && rest.recent.is_empty() && rest.fin.is_none()
        }) {
            self.rest = None;
        }
    }
}
