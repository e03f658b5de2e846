//! A bounded table whose entries keep their numbers; those that were quiet for longest make room.

use std::hash::Hash;

use hashbrown::{Equivalent, HashMap};

/// Entries looked at for one that makes room.
const LOOKED_AT: usize = 16;

/// Values by key, numbered. A number may be given to another entry once its own had to go.
#[derive(Debug)]
pub struct Table<K, V> {
    index: HashMap<K, u32>,
    slots: Vec<(K, V)>,
    capacity: usize,
    cursor: usize,
    refused: u64,
}

impl<K: Hash + Eq + Clone, V> Table<K, V> {
    /// An empty table for so many entries.
    pub fn new(capacity: usize) -> Self {
        Self {
            index: HashMap::new(),
            slots: Vec::new(),
            capacity,
            cursor: 0,
            refused: 0,
        }
    }

    /// The number of an entry.
    #[inline]
    pub fn find<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> Option<u32> {
        self.index.get(key).copied()
    }

    /// An entry by its number.
    #[inline]
    pub fn get(&self, number: u32) -> Option<&V> {
        self.slots.get(number as usize).map(|(_, value)| value)
    }

    /// An entry by its number.
    #[inline]
    pub fn get_mut(&mut self, number: u32) -> Option<&mut V> {
        self.slots.get_mut(number as usize).map(|(_, value)| value)
    }

    /// Takes a new entry. Where the table is full, the one of a few with the smallest `rank` goes.
    pub fn enter(&mut self, key: K, value: V, rank: impl Fn(&V) -> u64) -> Option<u32> {
        if self.slots.len() < self.capacity {
            let number = u32::try_from(self.slots.len()).ok()?;
            self.index.insert(key.clone(), number);
            self.slots.push((key, value));
            return Some(number);
        }
        let mut oldest: Option<(u64, usize)> = None;
        for _ in 0..LOOKED_AT.min(self.slots.len()) {
            self.cursor = (self.cursor + 1) % self.slots.len();
            if let Some(rank) = self.slots.get(self.cursor).map(|(_, value)| rank(value))
                && oldest.is_none_or(|(least, _)| rank < least)
            {
                oldest = Some((rank, self.cursor));
            }
        }
        self.refused += 1;
        let (_, at) = oldest?;
        let slot = self.slots.get_mut(at)?;
        self.index.remove(&slot.0);
        let number = u32::try_from(at).ok()?;
        self.index.insert(key.clone(), number);
        *slot = (key, value);
        Some(number)
    }

    /// How many had to go or were not taken.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Every entry with its number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &V)> + Clone {
        (0..).zip(self.slots.iter().map(|(_, value)| value))
    }

    /// Every entry with its number.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut V)> {
        (0..).zip(self.slots.iter_mut().map(|(_, value)| value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_entries_make_room_and_numbers_hold() {
        let mut table = Table::new(20);
        for comes in 0..1_000_u64 {
            let number = table.enter(comes, comes, |value| *value).expect("a number");
            assert_eq!(table.find(&comes), Some(number));
            assert_eq!(table.get(number), Some(&comes));
        }
        assert_eq!(table.iter().count(), 20);
        assert_eq!(table.refused(), 980);
        let kept = (900..1_000_u64).filter(|comes| table.find(comes).is_some());
        assert!(kept.count() >= 18, "the oldest ones go");
    }
}
