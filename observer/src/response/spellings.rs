//! Spellings: the forms in which credentials were seen, as keyed hashes, and who holds each.
//!
//! A credential has one for each way to write it down: with another prefix, in another place, in another base. Whoever looks
//! at bytes before they are understood finds its holder by them.
//!
//! Invariant: at most [`MOST`] in all and [`EACH`] of a credential, the one not seen for longest goes; one belongs to one
//! credential; and none of an allowed account is ever under an action.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use observer_ebpf::abi::guard::{ALLOWED, STRANGER};
use serde::{Deserialize, Serialize};

use super::book::Book;
use crate::identity::{Fingerprint, Registry};

/// Spellings in all.
const MOST: usize = 131_072;
/// Of one credential.
const EACH: usize = 16;
/// Seconds after which a spelling that is seen again is noted and stored anew.
const AGAIN: u64 = 3_600;

/// A spelling as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its keyed hash.
    pub hash: u64,
    /// Of which credential.
    pub fingerprint: Fingerprint,
    /// When it was seen, in seconds since 1970, to the hour.
    pub seconds: u64,
}

/// A spelling that is known from now on, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is known.
    Learned(u64),
    /// It made room.
    Forgotten(u64),
}

/// Who holds the credential of a spelling, as whoever looks at bytes needs to know it. Whether it comes from a network that is
/// allowed is to be asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The same number for all credentials of one account, never zero; for a credential that is not registered one of its own
    /// where it is under an action, else [`STRANGER`]. The top bit is set where the account is allowed.
    pub consumer: u32,
    /// The slot of the action that decides about it, wherever it comes from; zero where none does.
    pub action: u32,
}

/// Every spelling that is known.
#[derive(Debug, Default)]
pub struct Spellings {
    of: HashMap<u64, Spelling>,
    by: HashMap<Fingerprint, Credential>,
    /// When each was seen, and which.
    seen: BTreeSet<(u64, u64)>,
    /// What is to be stored.
    new: HashSet<u64>,
    /// What was handed out and is no longer known.
    gone: HashSet<u64>,
    /// Credentials with spellings that were not handed out.
    fresh: HashSet<Fingerprint>,
    numbers: Numbers,
    /// Of the book, when all were worked out; `None`: never.
    version: Option<u64>,
    forgotten: u64,
}

#[derive(Clone, Copy, Debug)]
struct Spelling {
    fingerprint: Fingerprint,
    seconds: u64,
    /// Whether its holder was handed out.
    given: bool,
}

#[derive(Clone, Debug, Default)]
struct Credential {
    spellings: VecDeque<u64>,
    /// Its own number, while it is not registered; zero: none so far.
    number: u32,
    /// What was handed out for its spellings.
    given: Option<Holder>,
}

/// Numbers of consumers: each is given out once, so that a stale one means nobody.
#[derive(Debug, Default)]
struct Numbers {
    last: u32,
    of: HashMap<Arc<str>, u32>,
}

impl Spellings {
    /// A credential was accepted in this spelling at `seconds` since 1970. Returns what is known or forgotten since.
    pub fn learn(&mut self, hash: u64, fingerprint: Fingerprint, seconds: u64) -> Vec<Change> {
        let known = self.of.get(&hash);
        if let Some(known) = known.filter(|known| known.fingerprint == fingerprint) {
            let before = known.seconds;
            if seconds >= before.saturating_add(AGAIN) {
                self.see(hash, before, seconds);
                self.new.insert(hash);
            }
            return Vec::new();
        }
        let mut changes = Vec::new();
        if known.is_some() {
            // Two credentials with one hash: nobody may be taken for the other, and the later one is there.
            self.forget(hash, &mut changes);
        }
        let spellings = self.by.get(&fingerprint).map(|of| &of.spellings);
        if spellings.is_some_and(|spellings| spellings.len() >= EACH) {
            let oldest = spellings
                .into_iter()
                .flatten()
                .min_by_key(|hash| self.of.get(*hash).map(|spelling| spelling.seconds))
                .copied();
            self.forget_counted(oldest, &mut changes);
        } else if self.of.len() >= MOST {
            let oldest = self.seen.first().map(|(_, hash)| *hash);
            self.forget_counted(oldest, &mut changes);
        }
        self.enter(hash, fingerprint, seconds);
        self.new.insert(hash);
        changes.push(Change::Learned(hash));
        changes
    }

    /// Spellings of a credential.
    pub fn of(&self, fingerprint: &Fingerprint) -> impl Iterator<Item = u64> {
        let known = self.by.get(fingerprint);
        known
            .into_iter()
            .flat_map(|of| of.spellings.iter().copied())
    }

    /// The number of an account, if one of its credentials was handed out.
    pub fn consumer(&self, id: &str) -> Option<u32> {
        self.numbers.of.get(id).copied()
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// How many made room for others.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Takes what was stored. Those seen last stay, where there are too many.
    pub fn restore(&mut self, rows: impl IntoIterator<Item = Row>) {
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_unstable_by_key(|row| row.seconds);
        for row in rows {
            self.learn(row.hash, row.fingerprint, row.seconds);
        }
        self.new.clear();
    }

    /// What was learned, or seen again after a while, since this was asked last: to be stored, in no particular order.
    pub fn take_new(&mut self) -> Vec<Row> {
        let new = std::mem::take(&mut self.new);
        new.into_iter()
            .filter_map(|hash| {
                self.of.get(&hash).map(|spelling| Row {
                    hash,
                    fingerprint: spelling.fingerprint,
                    seconds: spelling.seconds,
                })
            })
            .collect()
    }

    /// Who holds what, as far as that is not what was handed out before; `None`: the spelling is no longer known. Works out
    /// all only after the book changed, which has to have been told of the registry by [`Book::registered`].
    pub fn refresh(&mut self, book: &Book, registry: &Registry) -> Vec<(u64, Option<Holder>)> {
        let gone = std::mem::take(&mut self.gone);
        let gone = gone.into_iter().filter(|hash| !self.of.contains_key(hash));
        let mut changes: Vec<_> = gone.map(|hash| (hash, None)).collect();
        let fresh = std::mem::take(&mut self.fresh);
        if self.version == Some(book.version()) {
            for fingerprint in fresh {
                if let Some(credential) = self.by.get_mut(&fingerprint) {
                    let holder = hold(&mut self.numbers, credential, &fingerprint, book, registry);
                    hand_out(&mut self.of, credential, holder, &mut changes);
                }
            }
            return changes;
        }
        self.version = Some(book.version());
        // Whoever lost its last spelling needs no number any more; one that is given out once is known by no other.
        if self.numbers.of.len() > self.by.len() {
            self.numbers.of.clear();
        }
        for (fingerprint, credential) in &mut self.by {
            let holder = hold(&mut self.numbers, credential, fingerprint, book, registry);
            if credential.given != Some(holder) || fresh.contains(fingerprint) {
                hand_out(&mut self.of, credential, holder, &mut changes);
            }
        }
        changes
    }

    fn enter(&mut self, hash: u64, fingerprint: Fingerprint, seconds: u64) {
        let spelling = Spelling {
            fingerprint,
            seconds,
            given: false,
        };
        self.of.insert(hash, spelling);
        self.seen.insert((seconds, hash));
        self.by
            .entry(fingerprint)
            .or_default()
            .spellings
            .push_back(hash);
        self.fresh.insert(fingerprint);
    }

    fn see(&mut self, hash: u64, before: u64, seconds: u64) {
        self.seen.remove(&(before, hash));
        self.seen.insert((seconds, hash));
        if let Some(spelling) = self.of.get_mut(&hash) {
            spelling.seconds = seconds;
        }
    }

    fn forget_counted(&mut self, hash: Option<u64>, changes: &mut Vec<Change>) {
        if let Some(hash) = hash {
            self.forgotten += 1;
            self.forget(hash, changes);
        }
    }

    fn forget(&mut self, hash: u64, changes: &mut Vec<Change>) {
        let Some(spelling) = self.of.remove(&hash) else {
            return;
        };
        self.seen.remove(&(spelling.seconds, hash));
        self.new.remove(&hash);
        if spelling.given {
            self.gone.insert(hash);
        }
        if let Some(credential) = self.by.get_mut(&spelling.fingerprint) {
            credential.spellings.retain(|known| *known != hash);
            if credential.spellings.is_empty() {
                self.by.remove(&spelling.fingerprint);
                self.fresh.remove(&spelling.fingerprint);
            }
        }
        changes.push(Change::Forgotten(hash));
    }
}

impl Numbers {
    fn next(&mut self) -> u32 {
        // Two billion later the first is nobody's any more.
        self.last = (self.last + 1) % ALLOWED;
        self.last = self.last.max(1);
        self.last
    }

    fn of(&mut self, consumer: &Arc<str>) -> u32 {
        if let Some(number) = self.of.get(consumer) {
            return *number;
        }
        let number = self.next();
        self.of.insert(Arc::clone(consumer), number);
        number
    }
}

fn hold(
    numbers: &mut Numbers,
    credential: &mut Credential,
    fingerprint: &Fingerprint,
    book: &Book,
    registry: &Registry,
) -> Holder {
    let names = book.names(fingerprint, registry);
    let action = book.held(names.as_ref(), fingerprint);
    let Some(names) = names else {
        // Whoever is not registered is no consumer of his own: anybody can make up a credential that some route accepts.
        if action != 0 && credential.number == 0 {
            credential.number = numbers.next();
        }
        return Holder {
            consumer: if action == 0 {
                STRANGER
            } else {
                credential.number
            },
            action,
        };
    };
    let number = numbers.of(&names.consumer);
    let allowed = book.is_allowed(&names.consumer);
    Holder {
        consumer: if allowed { number | ALLOWED } else { number },
        action,
    }
}

fn hand_out(
    of: &mut HashMap<u64, Spelling>,
    credential: &mut Credential,
    holder: Holder,
    changes: &mut Vec<(u64, Option<Holder>)>,
) {
    let other = credential.given != Some(holder);
    credential.given = Some(holder);
    for hash in &credential.spellings {
        if let Some(spelling) = of.get_mut(hash).filter(|known| other || !known.given) {
            spelling.given = true;
            changes.push((*hash, Some(holder)));
        }
    }
}

#[cfg(test)]
mod tests;
