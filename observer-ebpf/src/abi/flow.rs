//! Names of connections, and what userspace tells the kernel about one.

/// One end of a connection. IPv4 addresses are mapped into IPv6 (RFC 4291 section 2.5.5.2).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Address in network order.
    pub address: [u8; 16],
    /// Port in host order.
    pub port: u16,
}

/// A connection by its two ends, the lower one first, so that both directions have one name.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey {
    /// The end that compares lower.
    pub low: Endpoint,
    /// The other end.
    pub high: Endpoint,
}

impl Endpoint {
    /// The address of an IPv4 host, mapped.
    #[inline(always)]
    pub const fn v4(address: [u8; 4], port: u16) -> Self {
        let [a, b, c, d] = address;
        Self {
            address: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d],
            port,
        }
    }

    /// The address of an IPv6 host.
    #[inline(always)]
    pub const fn v6(address: [u8; 16], port: u16) -> Self {
        Self { address, port }
    }

    /// The address as two words in an order of its own; compared in the kernel, where `memcmp` is a loop.
    #[inline(always)]
    fn words(&self) -> (u64, u64) {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.address;
        (
            u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            u64::from_be_bytes([i, j, k, l, m, n, o, p]),
        )
    }
}

impl FlowKey {
    /// Bytes of the key in a map.
    pub const SIZE: usize = 36;

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
        let ((from_top, from_bottom), (to_top, to_bottom)) = (from.words(), to.words());
        let from_is_high = if from_top != to_top {
            from_top > to_top
        } else if from_bottom != to_bottom {
            from_bottom > to_bottom
        } else {
            from.port > to.port
        };
        if from_is_high {
            self.low = to;
            self.high = from;
        } else {
            self.low = from;
            self.high = to;
        }
        from_is_high
    }

    /// A number that spreads connections over shards. Both directions agree on it.
    #[inline(always)]
    pub fn spread(&self) -> u32 {
        let (low, high) = (self.low.words(), self.high.words());
        let ports = (u64::from(self.low.port) << 16) | u64::from(self.high.port);
        let mixed = (low.0 ^ high.0 ^ low.1.rotate_left(32) ^ high.1 ^ ports)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as u32
    }

    /// The bytes of the key in a map.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let mut put = |at: usize, value: &[u8]| {
            if let Some(place) = bytes.get_mut(at..at + value.len()) {
                place.copy_from_slice(value);
            }
        };
        put(0, &self.low.address);
        put(16, &self.low.port.to_ne_bytes());
        put(18, &self.high.address);
        put(34, &self.high.port.to_ne_bytes());
        bytes
    }

    /// The key whose bytes these are; any bytes are some key.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let endpoint = |at: usize| {
            let mut address = [0; 16];
            let mut port = [0; 2];
            if let Some(part) = bytes.get(at..at + 16) {
                address.copy_from_slice(part);
            }
            if let Some(part) = bytes.get(at + 16..at + 18) {
                port.copy_from_slice(part);
            }
            Endpoint {
                address,
                port: u16::from_ne_bytes(port),
            }
        };
        Self {
            low: endpoint(0),
            high: endpoint(18),
        }
    }
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
        let mut bytes = [0; 24];
        for (place, word) in bytes
            .chunks_exact_mut(8)
            .zip([self.birth, self.skip[0], self.skip[1]])
        {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
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
        assert_eq!(there.low, a);
        assert_eq!(FlowKey::from_bytes(&there.to_bytes()), there);
    }
}
