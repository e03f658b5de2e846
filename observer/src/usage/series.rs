//! A bounded map of counters by their labels, in which the least used fold into one.
//!
//! The sum over all series is never changed by folding. A series that comes back after it was folded starts at zero,
//! as after a restart.

use std::hash::Hash;

use hashbrown::{Equivalent, HashMap};

/// Label value of what was folded.
pub const OTHER: &str = "__other__";

/// A value that can take over another one's counts.
pub(super) trait Fold: Default {
    /// Adds everything that `other` counted.
    fn absorb(&mut self, other: Self);

    /// How much the series is used: the least used are folded first.
    fn uses(&self) -> u64;
}

impl Fold for u64 {
    fn absorb(&mut self, other: Self) {
        *self = self.wrapping_add(other);
    }

    fn uses(&self) -> u64 {
        *self
    }
}

/// Counters by their labels.
#[derive(Clone, Debug)]
pub(super) struct Series<K, V> {
    entries: HashMap<K, V>,
    bound: usize,
    folded_into: fn() -> K,
    overflowed: u64,
}

impl<K: Hash + Eq + Clone, V: Fold> Series<K, V> {
    /// At most `bound` series (at least two), one of which is then what `folded_into` names.
    pub(super) fn new(bound: usize, folded_into: fn() -> K) -> Self {
        Self {
            entries: HashMap::new(),
            bound: bound.max(2),
            folded_into,
            overflowed: 0,
        }
    }

    /// The value of this series, made when there is none.
    pub(super) fn get<Q>(&mut self, key: &Q) -> &mut V
    where
        Q: Hash + Equivalent<K> + ?Sized,
        K: for<'a> From<&'a Q>,
    {
        if self.entries.len() >= self.bound && !self.entries.contains_key(key) {
            self.fold();
        }
        self.entries.entry_ref(key).or_default()
    }

    /// Every series.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter()
    }

    /// How many series were folded.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Folds the least used eighth, so that the cost is spread over as many new series.
    fn fold(&mut self) {
        let other = (self.folded_into)();
        let mut uses: Vec<(u64, K)> = self
            .entries
            .iter()
            .filter(|(key, _)| **key != other)
            .map(|(key, value)| (value.uses(), key.clone()))
            .collect();
        // Room for the new one and for the one that takes the rest.
        let count = (self.bound / 8).max(2).min(uses.len());
        if count < uses.len() {
            uses.select_nth_unstable_by_key(count, |(uses, _)| *uses);
        }
        let mut rest = V::default();
        for (_, key) in uses.into_iter().take(count) {
            if let Some(value) = self.entries.remove(&key) {
                rest.absorb(value);
                self.overflowed += 1;
            }
        }
        self.entries.entry(other).or_default().absorb(rest);
    }
}
