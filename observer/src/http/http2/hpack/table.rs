//! The dynamic table (RFC 7541 sections 2.3.2 and 4), as far as it is known.
//!
//! Invariant: the entries here are the newest of the encoder's, so that an index, which counts from the newest, leads to the
//! right one. What may be wrong is only how many there are, and no encoder refers to what it has evicted:
//!
//! - `bound` is at least the size that the encoder keeps to, and `bytes` at most the size of the entries;
//! - so an entry that does not fit in is certainly gone, and with it all that are older: from then on the table is complete;
//! - while it is not, entries may stand behind those that are known, and an index that leads there is unknown.

use std::collections::VecDeque;

use super::Malformed;
use super::arena::{Arena, Span};
use super::prefix::Text;

/// What an entry costs beyond its name and value, in bytes (RFC 7541 section 4.1).
pub(super) const OVERHEAD: usize = 32;
/// Entries are kept up to this size (RFC 7541 section 4.1); an encoder that is allowed more has older ones.
pub(super) const KEPT: usize = 64 << 10;

/// What is known of a table.
#[derive(Default)]
pub(super) struct Table {
    /// The oldest first.
    entries: VecDeque<Entry>,
    arena: Arena,
    /// The size of all entries, at least.
    bytes: usize,
    bound: u32,
    complete: bool,
}

/// An entry. Its bytes, as far as they are known, lie behind those of the one before, the name first.
#[derive(Clone, Copy)]
struct Entry {
    at: u32,
    /// Length of the name; [`u32::MAX`]: it is not known.
    name: u32,
    value: u32,
    value_known: bool,
}

/// A name or a value, wherever it lies.
#[derive(Clone, Copy)]
pub(super) enum Part<'b> {
    Unknown,
    Elsewhere(&'b [u8]),
    Here(Span),
}

impl Table {
    /// An empty table; `complete`: the encoder's is empty too.
    pub fn new(bound: u32, complete: bool) -> Self {
        Self {
            bound,
            complete,
            ..Self::default()
        }
    }

    /// A table again, from the entries that [`Self::iter`] gave.
    pub fn restored<'a>(
        bound: u32,
        complete: bool,
        entries: impl Iterator<Item = (Option<&'a [u8]>, Option<&'a [u8]>, u32)>,
    ) -> Self {
        let mut table = Self::new(bound, complete);
        for (name, value, length) in entries {
            let mark = table.mark();
            let name = name.map(|name| table.arena.push(name).length);
            let length = value.map_or(length, |value| table.arena.push(value).length);
            table.insert(mark, name, length, value.is_some());
        }
        table.complete = complete;
        table
    }

    /// The size that the encoder keeps to, at most.
    pub fn bound(&self) -> u32 {
        self.bound
    }

    /// No entry is older than those that are known.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The size of all entries, at least.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.arena.heap_bytes() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Whether these bytes stand anywhere in memory.
    #[cfg(test)]
    pub fn shows(&self, bytes: &[u8]) -> bool {
        self.arena.shows(bytes)
    }

    /// Name and value of an entry, counted from the newest on.
    ///
    /// # Errors
    /// When no table of that bound can have so many.
    pub fn entry(&self, place: u32) -> Result<(Part<'static>, Part<'static>), Malformed> {
        let place = place as usize;
        let from_oldest = self.entries.len().checked_sub(place.saturating_add(1));
        match from_oldest.and_then(|at| self.entries.get(at)) {
            Some(entry) => Ok((entry.name_part(), entry.value_part())),
            None if place - self.entries.len() < self.older() => Ok((Part::Unknown, Part::Unknown)),
            None => Err(Malformed::Index),
        }
    }

    /// The entries that are known, the oldest first: name, value, and the value's length.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Option<&[u8]>, Option<&[u8]>, u32)> {
        self.entries.iter().map(|entry| {
            let (name, value) = (entry.name_part(), entry.value_part());
            (self.get(name), self.get(value), entry.value)
        })
    }

    /// The bytes of a part.
    #[inline]
    pub fn get<'a>(&'a self, part: Part<'a>) -> Option<&'a [u8]> {
        match part {
            Part::Unknown => None,
            Part::Elsewhere(bytes) => Some(bytes),
            Part::Here(span) => Some(self.arena.get(span)),
        }
    }

    /// Where the next field's bytes begin.
    #[inline]
    pub fn mark(&self) -> u32 {
        self.arena.end()
    }

    /// Gives up the bytes of a field that is not inserted.
    #[inline]
    pub fn release(&mut self, mark: u32) {
        self.arena.truncate(mark);
    }

    /// Frees what a block took that was larger than most.
    pub fn settle(&mut self) {
        self.arena.settle();
    }

    /// What a string says.
    ///
    /// # Errors
    /// When it is not well-formed.
    pub fn read<'b>(&mut self, text: Text<'b>) -> Result<Part<'b>, Malformed> {
        if !text.coded {
            return Ok(Part::Elsewhere(text.bytes));
        }
        let span = self.arena.decode(text.bytes).ok_or(Malformed::Huffman)?;
        Ok(Part::Here(span))
    }

    /// Puts a part to the bytes of the field that began at `mark`, where it is not one of them.
    pub fn hold<'b>(&mut self, part: Part<'b>, mark: u32) -> Part<'b> {
        match part {
            Part::Unknown => Part::Unknown,
            Part::Elsewhere(bytes) => Part::Here(self.arena.push(bytes)),
            Part::Here(span) => {
                // Positions wrap: they are compared by how far they lie from the end.
                let end = self.arena.end();
                let of_field = end.wrapping_sub(span.at) <= end.wrapping_sub(mark);
                Part::Here(if of_field {
                    span
                } else {
                    self.arena.repeat(span)
                })
            }
        }
    }

    /// Inserts the field whose bytes begin at `mark`: the name, where it is known, and right behind it the value, of
    /// which at least the length is (RFC 7541 section 4.4).
    pub fn insert(&mut self, mark: u32, name: Option<u32>, value: u32, value_known: bool) {
        let known = name.unwrap_or(0) as usize;
        let size = known
            .saturating_add(value as usize)
            .saturating_add(OVERHEAD);
        let bound = self.bound as usize;
        if size > bound || size > KEPT {
            self.arena.truncate(mark);
            self.evict_to(0);
            self.complete = size > bound;
            return;
        }
        if self.bytes + size > bound {
            self.evict_to(bound - size);
            self.complete = true;
        } else if self.bytes + size > KEPT {
            self.evict_to(KEPT - size);
            self.complete = false;
        }
        self.bytes += size;
        self.entries.push_back(Entry {
            at: mark,
            name: name.unwrap_or(u32::MAX),
            value,
            value_known,
        });
        self.complete |= self.older() == 0;
    }

    /// The encoder keeps to this size from now on (RFC 7541 section 4.3).
    pub fn resize(&mut self, bound: u32) {
        self.bound = bound;
        if self.bytes > bound as usize {
            self.evict_to(bound as usize);
            self.complete = true;
        }
        self.complete |= self.older() == 0;
    }

    /// Entries that may stand behind those that are known, at most.
    fn older(&self) -> usize {
        if self.complete {
            return 0;
        }
        (self.bound as usize).saturating_sub(self.bytes) / OVERHEAD
    }

    fn evict_to(&mut self, bytes: usize) {
        while self.bytes > bytes
            && let Some(oldest) = self.entries.pop_front()
        {
            let (name, value) = (oldest.name_length(), oldest.value as usize);
            self.bytes -= OVERHEAD + name + value;
            let known = if oldest.value_known { value } else { 0 };
            self.arena.give_up(name + known);
        }
    }
}

impl Part<'_> {
    /// In bytes, where it is known.
    pub fn length(&self) -> Option<u32> {
        match self {
            Part::Unknown => None,
            Part::Elsewhere(bytes) => u32::try_from(bytes.len()).ok(),
            Part::Here(span) => Some(span.length),
        }
    }
}

impl Entry {
    fn name_length(&self) -> usize {
        if self.name == u32::MAX {
            0
        } else {
            self.name as usize
        }
    }

    #[inline]
    fn name_part(&self) -> Part<'static> {
        if self.name == u32::MAX {
            return Part::Unknown;
        }
        Part::Here(Span {
            at: self.at,
            length: self.name,
        })
    }

    #[inline]
    fn value_part(&self) -> Part<'static> {
        if !self.value_known {
            return Part::Unknown;
        }
        Part::Here(Span {
            at: self.at.wrapping_add(self.name_length() as u32),
            length: self.value,
        })
    }
}
