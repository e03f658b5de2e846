//! Names of connections, and what userspace tells the kernel about one.

/// One end of a connection. IPv4 addresses are mapped into IPv6 (RFC 4291 section 2.5.5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address's bytes, eight to a word: compared and copied in the kernel, where bytes would be a loop.
    words: [u64; 2],
    /// Port in host order.
    pub port: u16,
}

/// A connection by its two ends in an order of their own, so that both directions have one name.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey {
    low: [u64; 2],
    high: [u64; 2],
    low_port: u16,
    high_port: u16,
    /// Always zero.
    reserved: u32,
}

impl Endpoint {
    /// The address of an IPv4 host, mapped.
    #[inline(always)]
    pub const fn v4(address: [u8; 4], port: u16) -> Self {
        let [a, b, c, d] = address;
        Self {
            words: [0, u64::from_ne_bytes([0, 0, 0xff, 0xff, a, b, c, d])],
            port,
        }
    }

    /// The address of an IPv6 host.
    #[inline(always)]
    pub const fn v6(address: [u8; 16], port: u16) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address;
        Self {
            words: [
                u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
                u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
            ],
            port,
        }
    }

    /// The address in network order.
    pub fn address(&self) -> [u8; 16] {
        joined(self.words)
    }
}

impl FlowKey {
    /// Bytes of the key in a map.
    pub const SIZE: usize = 40;

    /// The name of the connection between two ends, and whether `from` is the high one.
    #[inline(always)]
    pub fn new(from: Endpoint, to: Endpoint) -> (Self, bool) {
        let mut key = Self::default();
        let from_is_high = key.set(from, to);
        (key, from_is_high)
    }

    /// Makes this the name of the connection between two ends; says whether `from` is the high one.
    #[inline(always)]
    pub fn set(&mut self, from: Endpoint, to: Endpoint) -> bool {
        let ([from_top, from_bottom], [to_top, to_bottom]) = (from.words, to.words);
        let from_is_high = if from_top != to_top {
            from_top > to_top
        } else if from_bottom != to_bottom {
            from_bottom > to_bottom
        } else {
            from.port > to.port
        };
        let (low, high) = if from_is_high { (to, from) } else { (from, to) };
        (self.low, self.low_port) = (low.words, low.port);
        (self.high, self.high_port) = (high.words, high.port);
        from_is_high
    }

    /// The end that comes first.
    #[inline(always)]
    pub fn low(&self) -> Endpoint {
        Endpoint {
            words: self.low,
            port: self.low_port,
        }
    }

    /// The other end.
    #[inline(always)]
    pub fn high(&self) -> Endpoint {
        Endpoint {
            words: self.high,
            port: self.high_port,
        }
    }

    /// A number that spreads connections over shards. Both directions agree on it.
    #[inline(always)]
    pub fn spread(&self) -> u32 {
        let ports = (u64::from(self.low_port) << 16) | u64::from(self.high_port);
        let addresses = self.low[0] ^ self.high[0] ^ self.low[1].rotate_left(32) ^ self.high[1];
        ((addresses ^ ports).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32
    }

    /// The bytes of the key in a map.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let ports = u64::from_ne_bytes({
            let ([a, b], [c, d]) = (self.low_port.to_ne_bytes(), self.high_port.to_ne_bytes());
            [a, b, c, d, 0, 0, 0, 0]
        });
        joined([self.low[0], self.low[1], self.high[0], self.high[1], ports])
    }

    /// The key whose bytes these are; any bytes are some key.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let mut words = [0; Self::SIZE / 8];
        for (word, part) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_ne_bytes(*part);
        }
        let [low_top, low_bottom, high_top, high_bottom, ports] = words;
        let [a, b, c, d, ..] = ports.to_ne_bytes();
        Self {
            low: [low_top, low_bottom],
            high: [high_top, high_bottom],
            low_port: u16::from_ne_bytes([a, b]),
            high_port: u16::from_ne_bytes([c, d]),
            reserved: 0,
        }
    }
}

/// The bytes of words as they lie in memory; `BYTES` is eight times `WORDS`.
fn joined<const WORDS: usize, const BYTES: usize>(words: [u64; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_ne_bytes();
    }
    bytes
}

/// What userspace knows about a connection's bodies, so that they need not be copied.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Birth of the connection it was said of; a hint about an earlier connection of the same name says nothing.
    pub birth: u64,
    /// Stream offsets, of the low and the high end's bytes, before which nothing needs to be copied.
    pub skip: [u64; 2],
}

impl Hint {
    /// The bytes of the value in a map.
    pub fn to_bytes(self) -> [u8; 24] {
        joined([self.birth, self.skip[0], self.skip[1]])
    }
}

const _: () = assert!(size_of::<FlowKey>() == FlowKey::SIZE && size_of::<Hint>() == 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_have_one_name() {
        let a = Endpoint::v4([10, 0, 0, 1], 80);
        let b = Endpoint::v4([10, 0, 0, 1], 40_000);
        let ((there, there_high), (back, back_high)) = (FlowKey::new(a, b), FlowKey::new(b, a));
        assert_eq!(there, back);
        assert_ne!(there_high, back_high);
        let ends = [there.low(), there.high()];
        assert!(ends.contains(&a) && ends.contains(&b));
        assert_eq!(a.address()[10..], [0xff, 0xff, 10, 0, 0, 1]);
        assert_eq!(FlowKey::from_bytes(&there.to_bytes()), there);
    }
}
