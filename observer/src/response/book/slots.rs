//! Numbers of actions in the tables of whoever carries them out.
//!
//! One that became free is given out again as late as possible: what was not yet told of its action's end still bears it.

use std::collections::VecDeque;

/// Slots are 1 to this. Zero is no slot.
pub const MOST: u32 = 16_384 - 1;

/// Which slots are free.
#[derive(Debug, Default)]
pub struct Slots {
    /// The greatest that was ever given out.
    last: u32,
    free: VecDeque<u32>,
}

impl Slots {
    /// With these in use, each between 1 and [`MOST`].
    pub fn with(mut used: Vec<u32>) -> Self {
        used.sort_unstable();
        let last = used.last().copied().unwrap_or_default();
        let free = (1..=last).filter(|slot| used.binary_search(slot).is_err());
        Self {
            free: free.collect(),
            last,
        }
    }

    /// One that is free.
    pub fn take(&mut self) -> Option<u32> {
        if self.last < MOST {
            self.last += 1;
            return Some(self.last);
        }
        self.free.pop_front()
    }

    /// Gives one back.
    pub fn give(&mut self, slot: u32) {
        self.free.push_back(slot);
    }

    /// Whether none is free.
    pub fn is_full(&self) -> bool {
        self.last >= MOST && self.free.is_empty()
    }
}
