//! The connections that ended last, by which their stragglers are known.
//!
//! The two ends of a connection may be seen by two processors at once. Each then tells of its segment in an order of its own:
//! a segment that was seen before the last one of its connection may stand after it in the ring, and must not begin the
//! connection a second time.

use observer_ebpf::abi::FlowKey;

/// Connections that are remembered, a power of two: more than end while one processor is between seeing a segment and telling of it.
const PLACES: usize = 512;

/// The connections that ended last, each with its birth.
#[derive(Debug)]
pub struct Ended(Box<[(FlowKey, u64)]>);

impl Default for Ended {
    fn default() -> Self {
        Self(vec![(FlowKey::default(), 0); PLACES].into_boxed_slice())
    }
}

impl Ended {
    /// Remembers a connection, in place of another one.
    pub fn note(&mut self, key: FlowKey, birth: u64) {
        if let Some(place) = self.0.get_mut(place(birth)) {
            *place = (key, birth);
        }
    }

    /// Whether a connection is among those that ended last.
    pub fn has(&self, key: &FlowKey, birth: u64) -> bool {
        self.0.get(place(birth)) == Some(&(*key, birth))
    }
}

/// Where a connection is remembered: births are nanoseconds, of a clock that may leave out the lowest bits.
fn place(birth: u64) -> usize {
    /// 2^64 by the golden ratio: its upper bits mix all of what it multiplies.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    (birth.wrapping_mul(SPREAD) >> (u64::BITS - PLACES.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::{Endpoint, FlowKey};

    use super::{Ended, PLACES};

    fn key(port: u16) -> FlowKey {
        let client = Endpoint::v4([192, 0, 2, 0], port);
        FlowKey::new(client, Endpoint::v4([192, 0, 2, 1], 443)).0
    }

    #[test]
    fn what_ended_last_is_known_and_nothing_else() {
        let mut ended = Ended::default();
        assert!(!ended.has(&key(1), 40));
        ended.note(key(1), 40);
        assert!(ended.has(&key(1), 40));
        // Of the same name, but born later; of another name, but born at the same time.
        assert!(!ended.has(&key(1), 41));
        assert!(!ended.has(&key(2), 40));
    }

    #[test]
    fn births_of_a_coarse_clock_share_no_few_places() {
        for step in [1, 40, 1_000, 1 << 20] {
            let mut ended = Ended::default();
            let births = || (1..=PLACES as u64 / 8).map(|number| 1_790_000_000_000 + number * step);
            for birth in births() {
                ended.note(key(1), birth);
            }
            let known = births().filter(|birth| ended.has(&key(1), *birth)).count();
            assert!(known > PLACES / 10, "{known} at steps of {step}");
        }
    }
}
