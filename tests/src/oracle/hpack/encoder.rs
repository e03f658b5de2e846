//! An encoder (RFC 7541) that writes a field in any of the ways there are, and says what one who joined late can know of it.
//!
//! It shares nothing with the decoder that it is held against. The tests of that module include this file too: it uses only the
//! standard library.

use std::collections::VecDeque;

/// Some of the static table (RFC 7541 appendix A), by index.
const FIXED: [(u32, &[u8], &[u8]); 10] = [
    (1, b":authority", b""),
    (2, b":method", b"GET"),
    (3, b":method", b"POST"),
    (4, b":path", b"/"),
    (8, b":status", b"200"),
    (16, b"accept-encoding", b"gzip, deflate"),
    (23, b"authorization", b""),
    (31, b"content-type", b""),
    (32, b"cookie", b""),
    (61, b"www-authenticate", b""),
];
/// Where indices of the dynamic table begin.
const DYNAMIC: usize = 62;

/// How a field is written (RFC 7541 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As one index, where a table has the field; else inserted.
    Indexed,
    /// As a literal that is put into the table.
    Inserted,
    /// As a literal.
    Plain,
    /// As a literal that nobody may put into a table.
    Never,
}

/// A field, and how it is written.
#[derive(Clone, Debug)]
pub struct Said {
    pub form: Form,
    /// A literal's name is an index, where a table has it.
    pub by_index: bool,
    /// Which of the indices that would do.
    pub pick: u8,
    /// Name and value are in the code of Huffman.
    pub coded: [bool; 2],
    pub name: Vec<u8>,
    pub value: Vec<u8>,
}

/// The number of the block from which on one must have read to know the name, and the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    pub name: usize,
    pub value: usize,
}

/// One end's encoder.
pub struct Encoder {
    /// The newest first.
    entries: VecDeque<(Vec<u8>, Vec<u8>, Since)>,
    bound: u32,
    blocks: usize,
}

impl Encoder {
    /// At the start of a connection.
    pub fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            bound: 4096,
            blocks: 0,
        }
    }

    /// The table's size (RFC 7541 section 4.1), and its bound.
    pub fn size(&self) -> (usize, u32) {
        let sizes = self
            .entries
            .iter()
            .map(|(name, value, _)| name.len() + value.len() + 32);
        (sizes.sum(), self.bound)
    }

    /// The next block: size updates, and then fields.
    pub fn block(&mut self, sizes: &[u32], fields: &[Said]) -> (Vec<u8>, Vec<Since>) {
        let mut block = Vec::new();
        for size in sizes {
            integer(&mut block, 0x20, 5, *size);
            self.bound = *size;
            self.evict(0);
        }
        let since = fields
            .iter()
            .map(|said| self.field(&mut block, said))
            .collect();
        self.blocks += 1;
        (block, since)
    }

    fn field(&mut self, block: &mut Vec<u8>, said: &Said) -> Since {
        let now = Since {
            name: self.blocks,
            value: self.blocks,
        };
        let Said { name, value, .. } = said;
        if said.form == Form::Indexed
            && let Some((index, since)) = self.find(said.pick, |(n, v)| n == name && v == value)
        {
            integer(block, 0x80, 7, index);
            return since.unwrap_or(now);
        }
        let (first, bits) = match said.form {
            Form::Indexed | Form::Inserted => (0x40, 6),
            Form::Plain => (0, 4),
            Form::Never => (0x10, 4),
        };
        let named = said
            .by_index
            .then(|| self.find(said.pick, |(n, _)| n == name));
        let mut since = now;
        if let Some((index, found)) = named.flatten() {
            integer(block, first, bits, index);
            since.name = found.map_or(self.blocks, |found| found.name);
        } else {
            integer(block, first, bits, 0);
            string(block, name, said.coded[0]);
        }
        string(block, value, said.coded[1]);
        if matches!(said.form, Form::Indexed | Form::Inserted) {
            let size = name.len() + value.len() + 32;
            self.evict(size);
            if size <= self.bound as usize {
                self.entries
                    .push_front((name.clone(), value.clone(), since));
            }
        }
        since
    }

    /// One of the indices of fields that fit, and since when a field in the dynamic table is known.
    fn find(
        &self,
        pick: u8,
        fits: impl Fn((&[u8], &[u8])) -> bool,
    ) -> Option<(u32, Option<Since>)> {
        let fixed = FIXED
            .iter()
            .map(|(index, name, value)| (*index, *name, *value, None));
        let dynamic = (DYNAMIC as u32..)
            .zip(&self.entries)
            .map(|(index, (name, value, since))| (index, &name[..], &value[..], Some(*since)));
        let found: Vec<_> = fixed
            .chain(dynamic)
            .filter(|(_, name, value, _)| fits((name, value)))
            .map(|(index, _, _, since)| (index, since))
            .collect();
        found.get(usize::from(pick) % found.len().max(1)).copied()
    }

    fn evict(&mut self, more: usize) {
        while !self.entries.is_empty() && self.size().0 + more > self.bound as usize {
            self.entries.pop_back();
        }
    }
}

/// RFC 7541 section 5.1.
pub fn integer(block: &mut Vec<u8>, first: u8, bits: u32, value: u32) {
    let full = (1 << bits) - 1;
    if value < full {
        block.push(first | value as u8);
        return;
    }
    block.push(first | full as u8);
    let mut rest = value - full;
    while rest >= 0x80 {
        block.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    block.push(rest as u8);
}

/// RFC 7541 section 5.2.
pub fn string(block: &mut Vec<u8>, text: &[u8], coded: bool) {
    if !coded {
        integer(block, 0, 7, text.len() as u32);
        block.extend(text);
        return;
    }
    let bytes = huffman(text);
    integer(block, 0x80, 7, bytes.len() as u32);
    block.extend(bytes);
}

/// A string in the code of Huffman, padded with ones.
pub fn huffman(text: &[u8]) -> Vec<u8> {
    let mut codes = [(0_u64, 0_u32); 256];
    let mut next = 0;
    for length in 1..=30 {
        next <<= 1;
        for (octet, bits) in BITS.iter().enumerate() {
            if *bits == length {
                codes[octet] = (next, u32::from(length));
                next += 1;
            }
        }
    }
    let (mut out, mut held, mut count) = (Vec::new(), 0_u64, 0);
    for octet in text {
        let (code, length) = codes[usize::from(*octet)];
        held = held << length | code;
        count += length;
        while count >= 8 {
            count -= 8;
            out.push((held >> count) as u8);
        }
        held &= (1 << count) - 1;
    }
    if count > 0 {
        out.push((held << (8 - count)) as u8 | 0xff >> count);
    }
    out
}

/// Bits of every octet's code (RFC 7541 appendix B), which is canonical: the code of the end of a string comes last.
#[rustfmt::skip]
const BITS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];
