//! Credentials as they are spelled in a request's head: where their lines are, and the keyed hash that stands for one.
//!
//! Shared by the program that refuses requests and by userspace, which learns from the requests it reads what to refuse. The
//! hash is SipHash-1-3 (Aumasson and Bernstein, 2012) of the field's name in lower case and its value, each filled up with
//! zeros to whole words, and a word with both lengths. It says where a credential stood as well as what it was.
//!
//! Bias: what is folded, too long or out of the ordinary is not found here; userspace reads it.

/// First bytes of a segment that are looked at.
pub const HEAD: usize = 4096;
/// Lines of a head that are hashed; further ones are left to userspace.
pub const LINES: u32 = 4;
/// Steps that any head takes: one for each word and each line.
pub const STEPS: u32 = 768;
/// Words of a field's name.
pub const NAME_WORDS: u32 = 8;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Names of fields by their first four letters; 256 bits.
pub type Places = [u64; 4];

/// The bit of a name that begins with these four bytes, whatever their case.
#[inline(always)]
fn bit(start: u32) -> u32 {
    (start | 0x2020_2020).wrapping_mul(0x9e37_79b1) >> 24
}

/// Enters the name of a field in the places to look at. Shorter than three bytes, it stands nowhere.
pub fn mark(places: &mut Places, name: &[u8]) {
    // Of a name of three letters, the colon follows.
    let start = match *name {
        [a, b, c, d, ..] => [a, b, c, d],
        [a, b, c] => [a, b, c, b':'],
        _ => return,
    };
    let at = bit(u32::from_le_bytes(start));
    for (word, index) in places.iter_mut().zip(0..) {
        if index == at >> 6 {
            *word |= 1 << (at & 63);
        }
    }
}

/// Whether a name that begins with these bytes may be among the places.
#[inline(always)]
fn is_marked(places: &Places, start: u32) -> bool {
    let at = bit(start);
    let [a, b, c, d] = *places;
    let word = match at >> 6 {
        0 => a,
        1 => b,
        2 => c,
        _ => d,
    };
    (word >> (at & 63)) & 1 == 1
}

/// The highest bit of each byte that equals `byte`; exact up to the first one.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    let other = word ^ (ONES * byte as u64);
    other.wrapping_sub(ONES) & !other & HIGHS
}

/// A line of a head: where its name begins, and where the line feed stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// First byte.
    pub start: u32,
    /// One past the last byte; zero: not seen.
    pub end: u32,
}

/// A look through heads for lines that may carry a credential.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    at: u32,
    end: u32,
    /// Lines found. The last one may be open.
    found: u32,
    /// A field says that content follows: what stands behind this head is none.
    content: bool,
    open: bool,
    lines: [Line; LINES as usize],
    places: Places,
}

impl Scan {
    /// A look through the first `length` bytes, which begin with a request line.
    #[inline(always)]
    pub fn new(length: u32, places: Places) -> Self {
        Self {
            end: length,
            places,
            ..Self::default()
        }
    }

    /// Where the next word is to be read.
    #[inline(always)]
    pub fn at(&self) -> u32 {
        self.at
    }

    /// The line of that number, zero first; its end is zero where there is none.
    #[inline(always)]
    pub fn line(&self, index: u32) -> Option<Line> {
        let [a, b, c, d] = self.lines;
        match index {
            0 => Some(a),
            1 => Some(b),
            2 => Some(c),
            3 => Some(d),
            _ => None,
        }
    }

    /// Goes on by a word. `word`: the eight bytes at [`Scan::at`]; `read` gives those at any other place, zeros past the end.
    /// False: there is no more.
    #[inline(always)]
    pub fn step(&mut self, word: u64, read: impl Fn(u32) -> u64) -> bool {
        let feeds = equal(word, b'\n');
        if feeds == 0 {
            self.at += 8;
            return self.at < self.end;
        }
        let feed = self.at + (feeds.trailing_zeros() >> 3);
        if feed >= self.end {
            return false;
        }
        if self.open {
            self.close(feed);
        }
        self.at = feed + 1;
        if self.at >= self.end {
            return false;
        }
        let next = read(self.at);
        let blank = match next as u16 {
            start if start as u8 == b'\n' => 1,
            0x0a0d => 2,
            _ => 0,
        };
        if blank > 0 {
            // Another request may stand right behind this one (RFC 9112 section 9.3.2).
            self.at += blank;
            return !self.content
                && self.at < self.end
                && (read(self.at) as u8).is_ascii_uppercase();
        }
        let start = next as u32;
        match start | 0x2020_2020 {
            // "cont" of Content-Length, "tran" of Transfer-Encoding, in little-endian order.
            0x746e_6f63 | 0x6e61_7274 => self.content = true,
            _ if is_marked(&self.places, start) && self.found < LINES => self.open(),
            _ => {}
        }
        true
    }

    #[inline(always)]
    fn open(&mut self) {
        self.open = true;
        let start = self.at;
        let [a, b, c, d] = &mut self.lines;
        let line = match self.found {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        };
        line.start = start;
        self.found += 1;
    }

    #[inline(always)]
    fn close(&mut self, feed: u32) {
        self.open = false;
        let [a, b, c, d] = &mut self.lines;
        let line = match self.found {
            1 => a,
            2 => b,
            3 => c,
            _ => d,
        };
        line.end = feed;
    }
}

/// Name and value of a field: where they begin, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// First byte of the name.
    pub name: u32,
    /// Bytes of the name.
    pub name_length: u32,
    /// First byte of the value, without white space before it.
    pub value: u32,
    /// Bytes of the value, without white space behind it.
    pub value_length: u32,
}

impl Field {
    /// The field of a line. `read`: eight bytes at a place.
    #[inline(always)]
    pub fn of(line: Line, read: impl Fn(u32) -> u64) -> Option<Self> {
        let Line { start, end } = line;
        let mut name_length = 0;
        let mut words = 0;
        while words < NAME_WORDS {
            let colons = equal(read(start + 8 * words), b':');
            if colons != 0 {
                name_length = 8 * words + (colons.trailing_zeros() >> 3);
                break;
            }
            words += 1;
        }
        if name_length == 0 {
            return None;
        }
        let white = |byte: u8| byte == b' ' || byte == b'\t';
        let mut value = start + name_length + 1;
        let mut last = end;
        let mut steps = 0;
        while steps < 4 && white(read(value) as u8) {
            value += 1;
            steps += 1;
        }
        // The end of the word before: a line is longer than one.
        steps = 0;
        while steps < 4 {
            let byte = (read(last.wrapping_sub(8)) >> 56) as u8;
            let ends = steps == 0 && byte == b'\r';
            if !(white(byte) || ends) {
                break;
            }
            last -= 1;
            steps += 1;
        }
        if last <= value {
            return None;
        }
        Some(Self {
            name: start,
            name_length,
            value,
            value_length: last - value,
        })
    }

    /// Words that are hashed of it.
    #[inline(always)]
    pub fn words(&self) -> u32 {
        self.name_length.div_ceil(8) + self.value_length.div_ceil(8)
    }

    /// Hashes the word of that number.
    #[inline(always)]
    pub fn hash(&self, state: &mut Hash, index: u32, read: impl Fn(u32) -> u64) {
        let names = self.name_length.div_ceil(8);
        let (at, left) = if index < names {
            (self.name + 8 * index, self.name_length - 8 * index)
        } else {
            let index = index - names;
            (
                self.value + 8 * index,
                self.value_length.wrapping_sub(8 * index),
            )
        };
        let mut word = read(at);
        if left < 8 {
            word &= (1 << (8 * u64::from(left & 7))) - 1;
        }
        state.word(if index < names { lower(word) } else { word });
    }

    /// The hash, once all words are in it.
    #[inline(always)]
    pub fn finish(&self, mut state: Hash) -> u64 {
        state.word(u64::from(self.name_length) << 32 | u64::from(self.value_length));
        state.finish(self.words() + 1)
    }
}

/// The bytes of a word with letters in lower case.
#[inline(always)]
fn lower(word: u64) -> u64 {
    let low = word & !HIGHS;
    let from_a = low.wrapping_add(ONES * (0x80 - b'A' as u64));
    let past_z = low.wrapping_add(ONES * (0x80 - b'Z' as u64 - 1));
    word | ((from_a & !past_z & !word & HIGHS) >> 2)
}

/// SipHash-1-3, fed with whole words.
#[derive(Clone, Copy)]
pub struct Hash([u64; 4]);

impl Hash {
    /// The hash of nothing yet, under a key.
    #[inline(always)]
    pub fn new([first, second]: [u64; 2]) -> Self {
        Self([
            first ^ 0x736f_6d65_7073_6575,
            second ^ 0x646f_7261_6e64_6f6d,
            first ^ 0x6c79_6765_6e65_7261,
            second ^ 0x7465_6462_7974_6573,
        ])
    }

    #[inline(always)]
    fn round(&mut self) {
        let [a, b, c, d] = &mut self.0;
        *a = a.wrapping_add(*b);
        *c = c.wrapping_add(*d);
        *b = b.rotate_left(13) ^ *a;
        *d = d.rotate_left(16) ^ *c;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*b);
        *a = a.wrapping_add(*d);
        *b = b.rotate_left(17) ^ *c;
        *d = d.rotate_left(21) ^ *a;
        *c = c.rotate_left(32);
    }

    #[inline(always)]
    fn word(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline(always)]
    fn finish(mut self, words: u32) -> u64 {
        self.word(u64::from(words * 8) << 56);
        self.0[2] ^= 0xff;
        self.round();
        self.round();
        self.round();
        let [a, b, c, d] = self.0;
        a ^ b ^ c ^ d
    }
}

/// The hash of a field under a key, as userspace has it: the name in any case, the value without white space around it.
/// `None` where the kernel side would not find it: names past 63 bytes, values past [`HEAD`].
pub fn hash(key: [u64; 2], name: &[u8], value: &[u8]) -> Option<u64> {
    if name.len() < 3
        || name.len() >= 8 * NAME_WORDS as usize
        || value.is_empty()
        || value.len() > HEAD
    {
        return None;
    }
    let mut state = Hash::new(key);
    for part in name.chunks(8) {
        state.word(lower(word(part)));
    }
    for part in value.chunks(8) {
        state.word(word(part));
    }
    let field = Field {
        name: 0,
        name_length: name.len() as u32,
        value: 0,
        value_length: value.len() as u32,
    };
    Some(field.finish(state))
}

/// Up to eight bytes as a word, zeros after them.
fn word(part: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(part) {
        *to = *from;
    }
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests;
