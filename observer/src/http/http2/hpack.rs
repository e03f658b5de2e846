//! HPACK (RFC 7541) read passively: header blocks of one direction in, fields out.
//!
//! Bias: a field is unknown rather than wrong. A block refers to what blocks before it put into a table; whoever joined in the
//! middle, or lost a block, knows only what was put there since. An index counts from the newest entry, so that what is known
//! is right, and what lies behind it is unknown, until the table is known to hold nothing else.

mod arena;
mod fixed;
mod huffman;
mod kept;
mod prefix;
mod table;
#[cfg(test)]
pub(super) mod tests;

use std::fmt;

use fixed::Place;
use prefix::Input;
use table::{OVERHEAD, Part, Table};

/// Bytes that a table may have before anything else is agreed on (RFC 9113 section 6.5.2).
const INITIAL: u32 = 4096;

/// The header blocks of one direction of a connection.
///
/// It holds what its table holds, secrets among it: `Debug` shows none, memory is wiped before it is given up, and what
/// `Serialize` writes has values only of fields that never carry a credential. After a restart the others are unknown.
pub struct Decoder {
    table: Table,
    /// What a size update may say, at most; [`u32::MAX`]: not known.
    limit: u32,
}

/// A field, borrowed for the time of one call. Either part may be a secret, or not known.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// As it was sent; no octet is refused here.
    pub name: Option<&'a [u8]>,
    /// As it was sent.
    pub value: Option<&'a [u8]>,
    /// The sender wants it in no table on its way (RFC 7541 section 6.2.3).
    pub never_indexed: bool,
}

/// What came of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Fields that it has.
    pub fields: u32,
    /// Not all of them were handed out.
    pub truncated: bool,
}

/// Why a block cannot be read: for its receiver, a connection error of type COMPRESSION_ERROR (RFC 9113 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Section 5.
    #[error("it ends in the middle of a field")]
    Truncated,
    /// Section 5.1.
    #[error("an integer is too large, or too long")]
    Integer,
    /// Section 5.2.
    #[error("a string is not well-formed in the code of Huffman")]
    Huffman,
    /// Section 2.3.3.
    #[error("an index is zero, or beyond the table")]
    Index,
    /// Section 6.3.
    #[error("the table's size is set to {size} bytes, and {limit} are allowed")]
    Size {
        /// What the block says.
        size: u32,
        /// What was agreed on.
        limit: u32,
    },
    /// Section 4.2.
    #[error("the table's size is set after a field")]
    LateSize,
}

/// Where a block's fields go, until they are too many.
struct List<W, F> {
    wanted: W,
    each: F,
    /// Bytes that may still be handed out.
    room: usize,
    outcome: Outcome,
}

impl Decoder {
    /// From the connection's first byte on: the table is empty, and bound to 4096 bytes (RFC 9113 section 6.5.2).
    pub fn new() -> Self {
        Self {
            table: Table::new(INITIAL, true),
            limit: INITIAL,
        }
    }

    /// Joined in the middle: nothing is known of the table, nor of its bound.
    pub fn joined() -> Self {
        Self {
            table: Table::new(u32::MAX, false),
            limit: u32::MAX,
        }
    }

    /// A block was lost, or could not be read: what the table holds is not known from here on. The limit stands.
    pub fn forget(&mut self) {
        // What was lost may have set the table's size to anything that is allowed.
        self.table = Table::new(self.table.bound().max(self.limit), false);
    }

    /// The receiver of these blocks allows the table so many bytes (SETTINGS_HEADER_TABLE_SIZE, RFC 9113 section 6.5.2);
    /// [`u32::MAX`]: it is not known how many. It counts from where the sender of the blocks acknowledges it.
    ///
    /// The bound is the sender's to choose, by a size update within the limit. One that does not shrink its table when it has
    /// to is not refused: its indices are right.
    pub fn set_limit(&mut self, bytes: u32) {
        self.limit = bytes;
    }

    /// Reads a whole block (RFC 9113 section 4.3: the fragments of HEADERS or PUSH_PROMISE with their CONTINUATION), and
    /// hands its fields out in order: as many as have `max_list` bytes together, names and values and 32 for each
    /// (RFC 9113 section 6.5.2). The table is kept up to date past that.
    ///
    /// # Errors
    /// When the block is malformed. Fields before that place were handed out; the table is forgotten.
    pub fn decode(
        &mut self,
        block: &[u8],
        max_list: usize,
        each: impl FnMut(Field<'_>),
    ) -> Result<Outcome, Malformed> {
        self.decode_some(block, max_list, |_| true, each)
    }

    /// As [`Self::decode`], for fields with a name that is `wanted`, or not known. Others may be handed out too; where they are not,
    /// their values were not read, and may be malformed.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_some(
        &mut self,
        block: &[u8],
        max_list: usize,
        wanted: impl Fn(&[u8]) -> bool,
        each: impl FnMut(Field<'_>),
    ) -> Result<Outcome, Malformed> {
        let mut list = List {
            wanted,
            each,
            room: max_list,
            outcome: Outcome::default(),
        };
        let result = self.fields(Input::new(block), &mut list);
        match result {
            Ok(()) => {
                self.table.settle();
                Ok(list.outcome)
            }
            Err(reason) => {
                self.forget();
                Err(reason)
            }
        }
    }

    /// Whether nothing is unknown, but for values from before a restart.
    pub fn is_certain(&self) -> bool {
        self.table.is_complete()
    }

    /// Bytes on the heap: below half a MiB and five times the largest block.
    pub fn heap_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    fn fields<W: Fn(&[u8]) -> bool, F: FnMut(Field<'_>)>(
        &mut self,
        mut input: Input<'_>,
        list: &mut List<W, F>,
    ) -> Result<(), Malformed> {
        while let Some(first) = input.octet() {
            match first {
                0x80.. => {
                    let index = input.integer(first, 7)?;
                    let (name, value) = self.indexed(index)?;
                    list.hand(&self.table, name, value, false);
                }
                0x40..=0x7f => self.insertion(&mut input, first, list)?,
                0x20..=0x3f => {
                    let size = input.integer(first, 5)?;
                    self.resize(size, list.outcome.fields)?;
                }
                _ => self.literal(&mut input, first, list)?,
            }
        }
        Ok(())
    }

    /// A dynamic table size update, after so many fields (RFC 7541 section 6.3).
    fn resize(&mut self, size: u32, fields: u32) -> Result<(), Malformed> {
        let limit = self.limit;
        if fields > 0 {
            return Err(Malformed::LateSize);
        }
        if size > limit {
            return Err(Malformed::Size { size, limit });
        }
        self.table.resize(size);
        Ok(())
    }

    /// A literal field with incremental indexing (RFC 7541 section 6.2.1). Its bytes are put where the entry's will be before
    /// entries are evicted, of which one may have its name.
    fn insertion<W: Fn(&[u8]) -> bool, F: FnMut(Field<'_>)>(
        &mut self,
        input: &mut Input<'_>,
        first: u8,
        list: &mut List<W, F>,
    ) -> Result<(), Malformed> {
        let mark = self.table.mark();
        let name = self.name(input, first, 6)?;
        let name = self.table.hold(name, mark);
        let value = self.table.read(input.text()?)?;
        let value = self.table.hold(value, mark);
        list.hand(&self.table, name, value, false);
        let name = name.length();
        self.table
            .insert(mark, name, value.length().unwrap_or(0), true);
        Ok(())
    }

    /// A literal field that is not indexed (RFC 7541 sections 6.2.2 and 6.2.3).
    fn literal<W: Fn(&[u8]) -> bool, F: FnMut(Field<'_>)>(
        &mut self,
        input: &mut Input<'_>,
        first: u8,
        list: &mut List<W, F>,
    ) -> Result<(), Malformed> {
        let mark = self.table.mark();
        let name = self.name(input, first, 4)?;
        let value = input.text()?;
        if self
            .table
            .get(name)
            .is_some_and(|name| !(list.wanted)(name))
        {
            list.outcome.fields = list.outcome.fields.saturating_add(1);
            self.table.release(mark);
            return Ok(());
        }
        let value = self.table.read(value)?;
        list.hand(&self.table, name, value, first & 0x10 != 0);
        self.table.release(mark);
        Ok(())
    }

    /// The name of a literal field: an index of so many bits, or a string.
    fn name<'b>(
        &mut self,
        input: &mut Input<'b>,
        first: u8,
        bits: u32,
    ) -> Result<Part<'b>, Malformed> {
        match input.integer(first, bits)? {
            0 => self.table.read(input.text()?),
            index => Ok(self.indexed(index)?.0),
        }
    }

    #[inline]
    fn indexed(&self, index: u32) -> Result<(Part<'static>, Part<'static>), Malformed> {
        match fixed::place(index).ok_or(Malformed::Index)? {
            Place::Fixed(name, value) => Ok((Part::Elsewhere(name), Part::Elsewhere(value))),
            Place::Dynamic(place) => self.table.entry(place),
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("entries", &self.table.len())
            .field("bytes", &self.table.bytes())
            .field("bound", &self.table.bound())
            .field("limit", &self.limit)
            .field("certain", &self.is_certain())
            .finish()
    }
}

impl<W: Fn(&[u8]) -> bool, F: FnMut(Field<'_>)> List<W, F> {
    #[inline]
    fn hand(&mut self, table: &Table, name: Part<'_>, value: Part<'_>, never_indexed: bool) {
        self.outcome.fields = self.outcome.fields.saturating_add(1);
        if self.outcome.truncated {
            return;
        }
        let (name, value) = (table.get(name), table.get(value));
        if name.is_some_and(|name| !(self.wanted)(name)) {
            return;
        }
        let bytes = name.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + OVERHEAD;
        match self.room.checked_sub(bytes) {
            Some(room) => {
                self.room = room;
                (self.each)(Field {
                    name,
                    value,
                    never_indexed,
                });
            }
            None => self.outcome.truncated = true,
        }
    }
}
