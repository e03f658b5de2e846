//! What representations are made of: integers and strings (RFC 7541 section 5).
//!
//! Invariant: nothing is read past the end of the block, and an integer is at most [`u32::MAX`].

use super::Malformed;

/// Octets after the first that an integer may have: five of seven bits are enough for 32.
const MOST_OCTETS: u32 = 5;

/// What is left of a block.
pub(super) struct Input<'b> {
    rest: &'b [u8],
}

/// A string as it is written.
#[derive(Clone, Copy)]
pub(super) struct Text<'b> {
    pub bytes: &'b [u8],
    /// In the code of Huffman.
    pub coded: bool,
}

impl<'b> Input<'b> {
    pub fn new(block: &'b [u8]) -> Self {
        Self { rest: block }
    }

    /// The next octet.
    #[inline]
    pub fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// The integer that begins in the last `bits` bits of `first`, which was read (RFC 7541 section 5.1).
    ///
    /// # Errors
    /// When the block ends in it, it does not fit, or it has more octets than any that does.
    #[inline]
    pub fn integer(&mut self, first: u8, bits: u32) -> Result<u32, Malformed> {
        let full = (1_u32 << bits) - 1;
        let value = u32::from(first) & full;
        if value < full {
            return Ok(value);
        }
        self.long_integer(full)
    }

    fn long_integer(&mut self, full: u32) -> Result<u32, Malformed> {
        let mut value = u64::from(full);
        for place in 0..MOST_OCTETS {
            let octet = self.octet().ok_or(Malformed::Truncated)?;
            value += u64::from(octet & 0x7f) << (7 * place);
            if octet & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| Malformed::Integer);
            }
        }
        Err(Malformed::Integer)
    }

    /// The string that comes next (RFC 7541 section 5.2).
    ///
    /// # Errors
    /// As [`Self::integer`], and when the block ends in it.
    #[inline]
    pub fn text(&mut self) -> Result<Text<'b>, Malformed> {
        let first = self.octet().ok_or(Malformed::Truncated)?;
        let length = self.integer(first, 7)? as usize;
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(Text {
            bytes,
            coded: first & 0x80 != 0,
        })
    }
}
