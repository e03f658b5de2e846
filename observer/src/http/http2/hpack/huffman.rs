//! The code of Huffman that strings may be written in (RFC 7541 section 5.2 and appendix B).
//!
//! Invariant: what is not the one way to end a string is refused, so that no two readers see different strings.

/// Bits of every octet's code, and of the end of the string at last. The code is canonical, so that these are all of it: codes
/// of one length count upwards with the octet, and go on from those of the length before.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
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
    30,
];
/// Octets, and the end of the string.
const SYMBOLS: usize = 257;
const END: u16 = 256;
/// Bits of the longest code.
const LONGEST: usize = 30;
/// Codes of up to so many bits are looked up at once: all of letters and digits.
const QUICK: u32 = 8;

static CODE: Code = Code::new();

/// The code as it is read.
struct Code {
    /// Symbol and length by the next [`QUICK`] bits; length 0: a longer code.
    quick: [(u8, u8); 1 << QUICK],
    /// By length: where the codes that are longer begin, of 32 bits; and what to add to a code for its place in `sorted`.
    limits: [(u64, i64); LONGEST + 1],
    /// Symbols in the order of their codes.
    sorted: [u16; SYMBOLS],
}

/// Bytes that a string of so many may become: no code has less than five bits.
pub(super) fn most(length: usize) -> usize {
    length.saturating_mul(8) / 5
}

/// Writes what a string says and gives its length in bytes; `None`: it is not well-formed. `out` has room for [`most`].
pub(super) fn decode(string: &[u8], out: &mut [u8]) -> Option<usize> {
    let room = out.len();
    let mut slots = out.iter_mut();
    // The next bits, from the highest on, and how many there are.
    let (mut bits, mut held) = (0_u64, 0_u32);
    let mut rest = string;
    while let Some((word, after)) = rest.split_first_chunk::<4>() {
        bits |= u64::from(u32::from_be_bytes(*word)) << (32 - held);
        held += 32;
        rest = after;
        while held >= 32 {
            let (symbol, length) = CODE.next(bits);
            *slots.next()? = u8::try_from(symbol).ok()?;
            bits <<= length;
            held -= length;
        }
    }
    for octet in rest {
        bits |= u64::from(*octet) << (56 - held);
        held += 8;
    }
    // After the end there are ones, as in the padding: a code that needs them is not whole.
    loop {
        let padded = bits | (u64::MAX >> held);
        let (symbol, length) = CODE.next(padded);
        if length > held {
            let padding = held < 8 && padded == u64::MAX;
            return padding.then(|| room - slots.len());
        }
        *slots.next()? = u8::try_from(symbol).ok()?;
        bits <<= length;
        held -= length;
    }
}

impl Code {
    /// The symbol that bits begin with, and the length of its code.
    #[inline]
    fn next(&self, bits: u64) -> (u16, u32) {
        let quick = self.quick.get((bits >> (64 - QUICK)) as usize);
        match quick {
            Some((symbol, length)) if *length != 0 => (u16::from(*symbol), u32::from(*length)),
            _ => self.long(bits),
        }
    }

    fn long(&self, bits: u64) -> (u16, u32) {
        let next = bits >> 32;
        for (length, (limit, offset)) in (0_u32..).zip(&self.limits).skip(QUICK as usize + 1) {
            if next < *limit {
                let place = (next >> (32 - length)) as i64 + offset;
                let symbol = usize::try_from(place)
                    .ok()
                    .and_then(|place| self.sorted.get(place));
                return (symbol.copied().unwrap_or(END), length);
            }
        }
        (END, LONGEST as u32)
    }

    const fn new() -> Self {
        let mut code = Self {
            quick: [(0, 0); 1 << QUICK],
            limits: [(0, 0); LONGEST + 1],
            sorted: [0; SYMBOLS],
        };
        // `next` is the next code of `length` bits, `place` its symbol's.
        let (mut length, mut next, mut place) = (1, 0_u64, 0);
        while length <= LONGEST {
            next <<= 1;
            let offset = place as i64 - next as i64;
            let mut symbol = 0;
            while symbol < SYMBOLS {
                if LENGTHS[symbol] as usize == length {
                    code.sorted[place] = symbol as u16;
                    if length <= QUICK as usize {
                        let first = next << (QUICK as usize - length);
                        let mut at = first;
                        while at < first + (1 << (QUICK as usize - length)) {
                            code.quick[at as usize] = (symbol as u8, length as u8);
                            at += 1;
                        }
                    }
                    next += 1;
                    place += 1;
                }
                symbol += 1;
            }
            code.limits[length] = (next << (32 - length), offset);
            length += 1;
        }
        code
    }
}
