//! The bytes of a table's entries, the oldest first, and behind them those of the field that is being read.
//!
//! Invariant: bytes that are given up are wiped before anything else happens to their memory. They are overwritten in place,
//! which no compiler leaves out while the memory is owned; where it is freed, `zeroize` sees to it.

use zeroize::Zeroize;

use super::huffman;

/// Capacity to begin with, in bytes.
const FIRST: usize = 256;
/// Capacity that is kept for later, whatever there is to hold.
const IDLE: usize = 16 << 10;

/// Bytes that are added at one end and given up at both.
#[derive(Default)]
pub(super) struct Arena {
    /// Zeros outside of `start..end`.
    memory: Box<[u8]>,
    start: usize,
    end: usize,
    /// Position of the first byte of memory. Positions count on over all bytes ever, and wrap.
    origin: u32,
}

/// Some of an arena's bytes.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// Position of the first.
    pub at: u32,
    /// How many.
    pub length: u32,
}

impl Arena {
    /// Position of the next byte.
    #[inline]
    pub fn end(&self) -> u32 {
        self.origin.wrapping_add(self.end as u32)
    }

    /// The bytes of a span.
    #[inline]
    pub fn get(&self, span: Span) -> &[u8] {
        let at = self.index(span.at);
        let bytes = self.memory.get(at..).unwrap_or_default();
        bytes.get(..span.length as usize).unwrap_or_default()
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Span {
        let at = self.reserve(bytes.len());
        if let Some(free) = self.memory.get_mut(self.end..self.end + bytes.len()) {
            free.copy_from_slice(bytes);
        }
        self.added(at, bytes.len())
    }

    /// Adds a copy of bytes that are here.
    pub fn repeat(&mut self, span: Span) -> Span {
        let length = span.length as usize;
        let at = self.reserve(length);
        let from = self.index(span.at);
        if from.saturating_add(length) <= self.end {
            self.memory.copy_within(from..from + length, self.end);
        }
        self.added(at, length)
    }

    /// Adds what a string in the code of Huffman says; `None`: it is not well-formed.
    pub fn decode(&mut self, string: &[u8]) -> Option<Span> {
        let most = huffman::most(string.len());
        let at = self.reserve(most);
        let free = self.memory.get_mut(self.end..self.end + most)?;
        let written = huffman::decode(string, free);
        if written.is_none() {
            free.fill(0);
        }
        Some(self.added(at, written?))
    }

    /// Gives up the newest bytes, from a position on.
    #[inline]
    pub fn truncate(&mut self, at: u32) {
        let at = self.index(at);
        if let Some(newest) = self.memory.get_mut(at..self.end) {
            newest.fill(0);
            self.end = at;
        }
    }

    /// Gives up as many of the oldest bytes.
    pub fn give_up(&mut self, length: usize) {
        let until = self.start.saturating_add(length).min(self.end);
        if let Some(oldest) = self.memory.get_mut(self.start..until) {
            oldest.fill(0);
        }
        self.start = until;
        if self.start == self.end {
            self.compact();
        }
    }

    /// Frees what a block took that was larger than most.
    pub fn settle(&mut self) {
        let live = self.end - self.start;
        if self.memory.len() > IDLE && self.memory.len() / 4 > live {
            self.relocate(live);
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.memory.len()
    }

    /// Whether these bytes stand anywhere in memory.
    #[cfg(test)]
    pub fn shows(&self, bytes: &[u8]) -> bool {
        let mut windows = self.memory.windows(bytes.len());
        windows.any(|window| window == bytes)
    }

    fn index(&self, at: u32) -> usize {
        at.wrapping_sub(self.origin) as usize
    }

    #[inline]
    fn added(&mut self, at: u32, length: usize) -> Span {
        self.end += length;
        Span {
            at,
            length: length as u32,
        }
    }

    /// Makes room, and gives the position of the next byte.
    #[inline]
    fn reserve(&mut self, more: usize) -> u32 {
        if self.memory.len() - self.end < more {
            self.make_room(more);
        }
        self.end()
    }

    fn make_room(&mut self, more: usize) {
        let needed = (self.end - self.start).saturating_add(more);
        let capacity = self.memory.len();
        // Moving is worth it where much was given up: else every entry would move all the others.
        if needed <= capacity && self.start >= capacity / 4 {
            self.compact();
        } else {
            self.relocate(needed.max(2 * capacity).max(FIRST));
        }
    }

    /// Moves the bytes to the beginning of their memory.
    fn compact(&mut self) {
        let live = self.end - self.start;
        self.memory.copy_within(self.start..self.end, 0);
        // What was before `start` is zeros where nothing was moved to.
        if let Some(moved) = self.memory.get_mut(live.max(self.start)..self.end) {
            moved.fill(0);
        }
        self.moved();
    }

    fn relocate(&mut self, capacity: usize) {
        let mut memory = vec![0; capacity].into_boxed_slice();
        let live = self.memory.get(self.start..self.end);
        for (to, from) in memory.iter_mut().zip(live.unwrap_or_default()) {
            *to = *from;
        }
        self.memory.zeroize();
        self.memory = memory;
        self.moved();
    }

    fn moved(&mut self) {
        self.origin = self.origin.wrapping_add(self.start as u32);
        self.end -= self.start;
        self.start = 0;
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.memory.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        /// Positions wrap, memory moves and grows: the bytes stay, and there are no others.
        #[test]
        fn bytes_stay_until_they_are_given_up(
            steps in vec((any::<u8>(), 1..400_u32, 0..8_u8), 1..60),
            before in 0..3000_u32,
        ) {
            let mut arena = Arena::default();
            arena.origin = u32::MAX - before;
            let mut spans: Vec<(Span, Vec<u8>)> = Vec::new();
            for (octet, length, step) in steps {
                let octet = octet.max(1);
                match step {
                    0..=2 => {
                        let bytes = vec![octet; length as usize];
                        spans.push((arena.push(&bytes), bytes));
                    }
                    3 | 4 if !spans.is_empty() => {
                        let (span, bytes) = spans[usize::from(octet) % spans.len()].clone();
                        spans.push((arena.repeat(span), bytes));
                    }
                    5 | 6 if !spans.is_empty() => {
                        arena.give_up(spans.remove(0).0.length as usize);
                    }
                    7 if !spans.is_empty() => {
                        arena.truncate(spans.pop().unwrap().0.at);
                        arena.settle();
                    }
                    _ => {}
                }
                for (span, bytes) in &spans {
                    prop_assert_eq!(arena.get(*span), bytes);
                }
                let live: usize = spans.iter().map(|(_, bytes)| bytes.len()).sum();
                let octets = arena.memory.iter().filter(|octet| **octet != 0).count();
                prop_assert_eq!(octets, live);
                prop_assert_eq!(arena.end - arena.start, live);
            }
        }
    }
}
