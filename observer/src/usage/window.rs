//! Sums over a trailing time, in a ring of slots.
//!
//! Time that goes backwards counts into the newest slot: nothing is lost and nothing is counted twice. The sum covers
//! between one slot less than the whole time and the whole time.

/// Sums of `N` kinds over `SLOTS` slots.
#[derive(Clone, Debug)]
pub(crate) struct Window<const N: usize, const SLOTS: usize> {
    slots: [[u32; N]; SLOTS],
    /// Number of the newest slot since time zero.
    newest: u64,
    slot_nanoseconds: u64,
}

impl<const N: usize, const SLOTS: usize> Window<N, SLOTS> {
    pub(crate) fn new(slot_nanoseconds: u64) -> Self {
        Self {
            slots: [[0; N]; SLOTS],
            newest: 0,
            slot_nanoseconds: slot_nanoseconds.max(1),
        }
    }

    /// Adds to some kinds. `now` in nanoseconds of any one clock.
    pub(crate) fn add(&mut self, now: u64, counts: [u32; N]) {
        self.advance(now);
        if let Some(slot) = self.slots.get_mut(Self::index(self.newest)) {
            for (sum, count) in slot.iter_mut().zip(counts) {
                *sum = sum.saturating_add(count);
            }
        }
    }

    /// The sums as of `now`.
    pub(crate) fn sums(&self, now: u64) -> [u64; N] {
        let now = (now / self.slot_nanoseconds).max(self.newest);
        let mut sums = [0; N];
        for age in 0..SLOTS as u64 {
            let Some(number) = now.checked_sub(age) else {
                break;
            };
            if number > self.newest || self.newest - number >= SLOTS as u64 {
                continue;
            }
            if let Some(slot) = self.slots.get(Self::index(number)) {
                for (sum, count) in sums.iter_mut().zip(slot) {
                    *sum += u64::from(*count);
                }
            }
        }
        sums
    }

    /// Takes over another window of the same slots.
    pub(super) fn absorb(&mut self, other: &Self) {
        for age in 0..SLOTS as u64 {
            if let Some(number) = other.newest.checked_sub(SLOTS as u64 - 1 - age)
                && let Some(slot) = other.slots.get(Self::index(number))
            {
                let oldest = self.newest.saturating_sub(SLOTS as u64 - 1);
                if number > self.newest {
                    self.add(number.saturating_mul(self.slot_nanoseconds), *slot);
                } else if number >= oldest
                    && let Some(mine) = self.slots.get_mut(Self::index(number))
                {
                    for (sum, count) in mine.iter_mut().zip(slot) {
                        *sum = sum.saturating_add(*count);
                    }
                }
            }
        }
    }

    fn advance(&mut self, now: u64) {
        let number = now / self.slot_nanoseconds;
        let passed = number.saturating_sub(self.newest).min(SLOTS as u64);
        for step in 0..passed {
            if let Some(slot) = self.slots.get_mut(Self::index(number - step)) {
                *slot = [0; N];
            }
        }
        self.newest = self.newest.max(number);
    }

    fn index(number: u64) -> usize {
        usize::try_from(number % SLOTS as u64).unwrap_or(0)
    }
}
