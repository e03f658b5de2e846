//! Which objects a key asks for: whether they are ones that it never asked for, one after the other.

use serde::{Deserialize, Serialize};

use crate::identity::Object;

/// Bits of one generation of the filter.
const BITS: usize = 3072;
/// Bits of a cache line.
const LINE: usize = 512;
/// Bits set at which a generation is full: one in ten unknown objects then looks known.
const FULL: u32 = 1050;
/// Seconds after which a walk through objects is over.
const QUIET: u64 = 600;
/// How far apart the numbers of a walk may be.
const NEAR: u64 = 2;

/// Objects of one key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Objects {
    /// Two generations of a Bloom filter with two bits an object; the older one goes when the younger is full.
    young: Filter,
    old: Filter,
    walk: Walk,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Filter {
    bits: Vec<u64>,
    set: u32,
}

/// Numbers in a row on one route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// The route, by the number that it has here.
    pub route: u32,
    /// The last number.
    last: u64,
    /// Nanoseconds since 1970.
    pub since: u64,
    until: u64,
    /// Objects asked for that were not the one before.
    pub objects: u32,
    /// Of these, next to the one before.
    pub near: u32,
    /// Of these, never asked for by this key.
    pub new: u32,
    /// Requests that were refused or not found.
    pub refused: u32,
}

impl Objects {
    /// Takes a request for an object. Returns whether the key never asked for it before. `learn`: whether it is known from now
    /// on; who goes through everything must not push out what is the key's own.
    pub fn observe(
        &mut self,
        object: Object,
        route: u32,
        refused: bool,
        time: u64,
        learn: bool,
    ) -> bool {
        // The same number on another route is another object.
        let hash = u64::from(object.hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ u64::from(route)
                .rotate_left(17)
                .wrapping_mul(0xff51_afd7_ed55_8ccd);
        let known = self.young.has(hash) || self.old.has(hash);
        if learn && !self.young.has(hash) {
            self.young.add(hash);
            if self.young.set >= FULL {
                self.old = std::mem::take(&mut self.young);
            }
        }
        if let Some(number) = object.number {
            self.walk(number, route, !known, refused, time);
        }
        !known
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn heap_bytes(&self) -> usize {
        (self.young.bits.capacity() + self.old.bits.capacity()) * size_of::<u64>()
    }

    /// The walk that goes on.
    pub fn walk_so_far(&self) -> Walk {
        self.walk
    }

    fn walk(&mut self, number: u64, route: u32, new: bool, refused: bool, time: u64) {
        let walk = &mut self.walk;
        let over = time.saturating_sub(walk.until) > QUIET * 1_000_000_000;
        if walk.route != route && !over && walk.objects >= 10 {
            // Something else in between does not hide a walk.
            return;
        }
        if walk.route != route || over {
            *walk = Walk {
                route,
                since: time,
                ..Walk::default()
            };
        } else if number != walk.last {
            walk.objects += 1;
            walk.near += u32::from(number.abs_diff(walk.last) <= NEAR);
            walk.new += u32::from(new);
            walk.refused += u32::from(refused);
            if walk.objects >= 40 && walk.near * 2 < walk.objects {
                // Not a walk so far: what comes from now on may become one.
                *walk = Walk {
                    route,
                    since: time,
                    ..Walk::default()
                };
            }
        }
        (self.walk.last, self.walk.until) = (number, time);
    }
}

impl Walk {
    /// Whether it steps through numbers that are not the key's own.
    pub fn is_sequential(&self) -> bool {
        self.objects >= 20 && self.near * 10 > self.objects * 6 && self.new * 2 > self.objects
    }
}

impl Filter {
    /// Two bits of one cache line.
    fn places(hash: u64) -> [usize; 2] {
        let line = (hash >> 32) as usize % (BITS / LINE) * LINE;
        [
            line + hash as usize % LINE,
            line + (hash >> 16) as usize % LINE,
        ]
    }

    fn has(&self, hash: u64) -> bool {
        Self::places(hash).into_iter().all(|place| {
            self.bits
                .get(place / 64)
                .is_some_and(|word| word >> (place % 64) & 1 == 1)
        })
    }

    fn add(&mut self, hash: u64) {
        if self.bits.is_empty() {
            self.bits = vec![0; BITS / 64];
        }
        for place in Self::places(hash) {
            if let Some(word) = self.bits.get_mut(place / 64) {
                self.set += u32::from(*word >> (place % 64) & 1 == 0);
                *word |= 1 << (place % 64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(number: u64) -> Object {
        Object {
            hash: crate::identity::traits::hash(&number.to_le_bytes()),
            number: Some(number),
        }
    }

    #[test]
    fn a_walk_is_told_from_reading_the_same_objects_again() {
        let mut objects = Objects::default();
        for number in 0..600_u64 {
            objects.observe(object(1_000 + number * 7919 % 50), 1, false, number, true);
            assert!(!objects.walk_so_far().is_sequential());
        }
        let found = (0..100).position(|number| {
            objects.observe(object(5_000 + number), 1, false, 600 + number, true);
            objects.walk_so_far().is_sequential()
        });
        assert!(found.is_some_and(|objects| objects < 60), "{found:?}");
    }

    #[test]
    fn an_object_is_new_once() {
        let mut objects = Objects::default();
        assert!(objects.observe(object(1), 1, false, 0, true));
        assert!(!objects.observe(object(1), 1, false, 1, true));
        assert!(
            objects.observe(object(1), 2, false, 2, true),
            "another route's"
        );
        let new =
            (0..5_000).filter(|number| objects.observe(object(10 + number), 1, false, 3, true));
        assert!(new.count() > 4_000);
    }
}
