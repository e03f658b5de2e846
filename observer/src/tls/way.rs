//! One direction of a connection: where it stands in its records and in what they hold.
//!
//! Plaintext has offsets of its own, which begin where those of the stream do. Bytes that were lost count one for one, because
//! nobody knows what they held: so offsets grow in both alike, and what was acknowledged maps from one to the other.

use std::collections::VecDeque;

use observer_ebpf::track::ORIGIN;
use serde::{Deserialize, Serialize};

use super::framing::Assembly;
use super::message::Kinds;
use super::search::Search;
use super::{Plain, Side};
use crate::flow::Seen;

/// Places kept of one direction at most; what was acknowledged further back counts as the first of them.
const MARKS: usize = 64;
/// Places kept that were acknowledged: segments may come in another order than they were sent.
const ACKNOWLEDGED: usize = 8;

/// One direction.
#[derive(Debug)]
pub(super) struct Way {
    /// Stream offset right after the last record.
    pub next: u64,
    /// Offset of the next byte of plaintext.
    pub plain: u64,
    pub assembly: Assembly,
    /// Where the next record begins is not known.
    pub search: Option<Box<Search>>,
    /// Nothing more comes.
    pub ended: Option<Seen>,
    /// The record with the first byte of plaintext that its reader still waits with, and that byte's offset.
    pub head: Option<(Point, u64)>,
    /// Offset before which plaintext was handed on before a restart.
    pub taken: u64,
    pub(super) marks: VecDeque<Mark>,
}

/// A place between two records.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Point {
    /// Stream offset of the next record.
    pub stream: u64,
    /// Offset of the next byte of plaintext.
    pub plain: u64,
    /// Number of the next record.
    pub sequence: u64,
    /// How often keys were updated before it.
    pub updates: u32,
    /// Its keys are those of the application: they follow from what is kept.
    pub stays: bool,
    /// How far handshake messages were read that go over several records.
    pub kinds: Kinds,
}

/// Where a record ends, in both kinds of offsets.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Mark {
    stream: u64,
    plain: u64,
    /// What stands before it, up to the mark before, was lost.
    lost: bool,
}

/// Something for each direction.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Both<T> {
    pub client: T,
    pub server: T,
}

impl<T> Both<T> {
    pub fn of(&self, side: Side) -> &T {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    pub fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

impl Default for Way {
    fn default() -> Self {
        Self {
            next: ORIGIN,
            plain: ORIGIN,
            assembly: Assembly::default(),
            search: None,
            ended: None,
            head: None,
            taken: ORIGIN,
            marks: VecDeque::new(),
        }
    }
}

impl Way {
    /// Of a direction that goes on after a restart.
    pub fn restored(point: &Point, taken: u64, marks: VecDeque<Mark>, lost: Option<u64>) -> Self {
        Self {
            next: point.stream,
            plain: point.plain,
            search: lost.map(|lost| Box::new(Search::restored(lost))),
            taken,
            marks,
            ..Self::default()
        }
    }

    /// A record was taken: notes whether its reader waits with something of it, or of one before. `begin`: offset of the first
    /// byte that it waits with.
    pub fn note_head(&mut self, record: Point, begin: Option<u64>) {
        self.head = begin.map(|begin| match self.head {
            Some((before, _)) if begin < record.plain => (before, begin),
            _ => (record, begin),
        });
    }

    /// A record ends here, with so many bytes of plaintext.
    pub fn advance(&mut self, end: u64, length: usize) {
        if length > 0 {
            self.plain += length as u64;
            self.mark(end, false);
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let search = self.search.as_ref().map_or(0, |search| search.heap_bytes());
        self.assembly.heap_bytes() + search + self.marks.capacity() * size_of::<Mark>()
    }

    fn mark(&mut self, stream: u64, lost: bool) {
        if self.marks.is_empty() {
            self.marks.push_back(Mark {
                stream: ORIGIN,
                plain: ORIGIN,
                lost: false,
            });
        }
        if self.marks.len() >= MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(Mark {
            stream,
            plain: self.plain,
            lost,
        });
    }

    /// How much plaintext the other side has, which acknowledged so much of the stream. A record is plaintext once all of it is
    /// there.
    fn plain_at(&mut self, acked: u64) -> u64 {
        let after = self.marks.partition_point(|mark| mark.stream <= acked);
        let next_lost = match self.marks.get(after) {
            Some(next) => next.lost,
            None => self.search.is_some(),
        };
        let Some(known) = after
            .checked_sub(1)
            .and_then(|last| self.marks.get(last))
            .copied()
        else {
            return self.marks.front().map_or(self.plain, |mark| mark.plain);
        };
        self.marks.drain(..after.saturating_sub(ACKNOWLEDGED));
        if next_lost {
            known.plain.saturating_add(acked - known.stream)
        } else {
            known.plain
        }
    }
}

impl Both<Way> {
    /// When something was seen, as it is for plaintext.
    pub fn seen(&mut self, from: Side, seen: Seen) -> Seen {
        let other = self.of_mut(from.other());
        Seen {
            acked: seen.acked.map(|acked| other.plain_at(acked)),
            ..seen
        }
    }

    /// Bytes of the stream were lost, and with them nobody knows how much plaintext.
    pub fn lose(&mut self, from: Side, seen: Seen, length: u64, plain: &mut impl Plain) {
        if length == 0 {
            return;
        }
        let seen = self.seen(from, seen);
        let way = self.of_mut(from);
        let offset = way.plain;
        if way.marks.back().is_none_or(|last| last.stream < way.next) {
            way.mark(way.next, false);
        }
        way.next = way.next.saturating_add(length);
        way.plain = way.plain.saturating_add(length);
        way.mark(way.next, true);
        plain.gap(from, seen, offset, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_maps_to_whole_records() {
        let mut way = Way::default();
        assert_eq!(way.plain_at(ORIGIN + 700), ORIGIN);
        for (end, length) in [(1_000, 0), (1_122, 100), (1_200, 0), (1_244, 22)] {
            way.next = ORIGIN + end;
            way.advance(ORIGIN + end, length);
        }
        for (acked, plain) in [
            (0, 0),
            (1_000, 0),
            (1_121, 0),
            (1_122, 100),
            (1_243, 100),
            (1_244, 122),
            (2_000, 122),
        ] {
            assert_eq!(way.plain_at(ORIGIN + acked), ORIGIN + plain, "{acked}");
        }
        for number in 1..1_000 {
            way.advance(ORIGIN + 1_244 + number * 23, 1);
        }
        assert!(way.marks.len() <= MARKS);
        assert_eq!(way.plain_at(ORIGIN + 1_244 + 999 * 23), ORIGIN + 122 + 999);
        assert!(way.marks.len() <= ACKNOWLEDGED);
        // Further back than is kept: less than there is.
        assert!(way.plain_at(ORIGIN + 1_244) < way.plain);
    }
}
