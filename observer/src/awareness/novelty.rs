//! Whether something was never seen before, and how surprising that is.
//!
//! The chance that the next one is new is estimated by how often one was new before, by the rule of succession. It is never
//! less than the missing mass of Good and Turing, which takes occasions for exchangeable: a client that roams stays on each
//! network for a while. So a key that roams may do so, and one that has had a single network for weeks may not.

use serde::{Deserialize, Serialize};

/// Things kept of each subject; the one that was not seen for longest makes room, those never accepted first.
const KEPT: usize = 12;
/// Occasions, of one minute each, after which the older ones count half: a month.
const MONTH: u32 = 30 * 24 * 60;

/// Things of one kind that a subject was seen with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Novelty {
    known: Vec<Known>,
    /// Minutes in which anything was accepted.
    occasions: u32,
    /// Those in which something was accepted for the first time.
    discoveries: u32,
    /// What was accepted last, and in which minute.
    #[serde(skip)]
    latest: (u32, u32),
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    hash: u32,
    /// Minutes since 1970.
    last: u32,
    accepted: bool,
}

/// What was accepted for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct New {
    /// Chance that one is new.
    pub chance: f64,
    /// How many were accepted before.
    pub known: usize,
}

impl Novelty {
    /// Takes one occurrence, and whether the application accepted it. Says how surprising it is when it is accepted for the
    /// first time.
    #[inline]
    pub fn observe(&mut self, hash: u32, minute: u32, accepted: bool) -> Option<New> {
        // Nearly always the one of just before.
        if self.latest == (hash, minute) {
            return None;
        }
        let new = self.look(hash, minute, accepted);
        if accepted {
            self.latest = (hash, minute);
        }
        new
    }

    fn look(&mut self, hash: u32, minute: u32, accepted: bool) -> Option<New> {
        if let Some(at) = self.known.iter().position(|known| known.hash == hash) {
            // What comes again and again is found at once.
            self.known.swap(0, at);
        }
        if let Some(known) = self.known.first_mut().filter(|known| known.hash == hash) {
            if known.accepted {
                if minute > known.last {
                    known.last = minute;
                    self.occasion();
                }
                return None;
            }
            known.last = minute;
            if !accepted {
                return None;
            }
            known.accepted = true;
            return Some(self.discover());
        }
        let known = Known {
            hash,
            last: minute,
            accepted,
        };
        if self.known.len() < KEPT {
            if self.known.is_empty() {
                // One for most; the rest when there is another.
                self.known.reserve_exact(1);
            } else if self.known.len() == 1 {
                self.known.reserve_exact(KEPT - 1);
            }
            self.known.push(known);
        } else if let Some(oldest) = (self.known.iter_mut())
            .filter(|known| accepted || !known.accepted)
            .min_by_key(|known| (known.accepted, known.last))
        {
            *oldest = known;
        }
        accepted.then(|| self.discover())
    }

    /// Whether the application accepted this before.
    #[inline]
    pub fn is_accepted(&self, hash: u32) -> bool {
        let known = self.known.iter().find(|known| known.hash == hash);
        known.is_some_and(|known| known.accepted)
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn heap_bytes(&self) -> usize {
        self.known.capacity() * size_of::<Known>()
    }

    /// How many were accepted.
    pub fn accepted(&self) -> usize {
        self.known.iter().filter(|known| known.accepted).count()
    }

    fn occasion(&mut self) {
        self.occasions += 1;
        if self.occasions >= 2 * MONTH {
            self.occasions /= 2;
            self.discoveries /= 2;
        }
    }

    /// What was accepted for the first time stands among the known already.
    fn discover(&mut self) -> New {
        let known = self.accepted().saturating_sub(1);
        let new = New {
            chance: (f64::from(self.discoveries) + 1.0) / (f64::from(self.occasions) + 2.0),
            known,
        };
        // The first of all is no discovery.
        self.discoveries += u32::from(known > 0);
        self.occasion();
        new
    }
}

/// How often each of a few came lately: the most frequent ones of many, with counts that halve as time passes
/// (Space-Saving, Metwally et al. 2005).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Shares {
    counts: Vec<(u32, f32)>,
    total: f32,
    /// Seconds since 1970 at which the counts were brought up to date.
    faded: u64,
}

/// Different ones counted.
const COUNTED: usize = 8;
/// Seconds between two fadings, and seconds in which counts fade to half.
const STEP: u64 = 10;
const HALF: f32 = 150.0;

/// What is left of a count.
fn fading(from: u64, now: u64) -> f32 {
    (-(now.saturating_sub(from) as f32) / HALF).exp2()
}

impl Shares {
    /// Takes one at `now`, seconds since 1970.
    #[inline]
    pub fn add(&mut self, of: u32, now: u64) {
        if now >= self.faded + STEP {
            self.fade(now);
        }
        self.total += 1.0;
        if let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| *known == of) {
            *count += 1.0;
        } else if self.counts.len() < COUNTED {
            self.counts.push((of, 1.0));
        } else if let Some(least) = self
            .counts
            .iter_mut()
            .min_by(|one, two| one.1.total_cmp(&two.1))
        {
            *least = (of, least.1 + 1.0);
        }
    }

    fn fade(&mut self, now: u64) {
        let keep = fading(self.faded, now);
        self.faded = now;
        self.total *= keep;
        for (_, count) in &mut self.counts {
            *count *= keep;
        }
        self.counts.retain(|(_, count)| *count > 0.25);
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn heap_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<(u32, f32)>()
    }

    /// The most frequent one and its share.
    pub fn top(&self) -> Option<(u32, f64)> {
        let top = self
            .counts
            .iter()
            .max_by(|one, two| one.1.total_cmp(&two.1))?;
        Some((top.0, f64::from(top.1 / self.total.max(1e-6)).min(1.0)))
    }

    /// The share of one.
    pub fn share(&self, of: u32) -> f64 {
        let count = self.counts.iter().find(|(known, _)| *known == of);
        count.map_or(0.0, |(_, count)| {
            f64::from(count / self.total.max(1e-6)).min(1.0)
        })
    }

    /// Different ones that came more than `least` times, faded up to `now`.
    pub fn different(&self, least: f32, now: u64) -> usize {
        let least = least / fading(self.faded, now).max(1e-6);
        self.counts
            .iter()
            .filter(|(_, count)| *count >= least)
            .count()
    }

    /// Those, the most frequent first.
    pub fn ranked(&self) -> Vec<u32> {
        let mut ranked = self.counts.clone();
        ranked.sort_by(|one, two| two.1.total_cmp(&one.1));
        ranked.into_iter().map(|(of, _)| of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_for_days_makes_another_surprising_and_roaming_does_not() {
        let (mut steady, mut roaming) = (Novelty::default(), Novelty::default());
        for minute in 0..3 * 24 * 60 {
            let new = steady.observe(1, minute, true);
            assert!(new.is_none_or(|new| new.known == 0));
            roaming.observe(minute / 400 + 10, minute, true);
        }
        let new = steady.observe(2, 4_320, true).expect("never seen");
        assert!(new.chance < 1e-3 && new.known == 1, "{new:?}");
        assert_eq!(steady.observe(2, 4_320, true), None);
        let new = roaming.observe(9_999, 4_320, true).expect("never seen");
        assert!(new.chance > 1e-3, "{new:?}");
    }

    #[test]
    fn what_was_refused_is_told_once_it_is_accepted() {
        let mut novelty = Novelty::default();
        novelty.observe(1, 1, true);
        assert_eq!(novelty.observe(2, 2, false), None);
        let new = novelty.observe(2, 3, true);
        assert!(new.is_some_and(|new| new.known == 1), "{new:?}");
        assert!(novelty.is_accepted(2) && !novelty.is_accepted(3));
        for other in 0..1_000 {
            novelty.observe(100 + other, 4, false);
        }
        assert!(
            novelty.is_accepted(1),
            "refused ones push out no accepted one"
        );
        assert_eq!((novelty.known.len(), novelty.accepted()), (KEPT, 2));
    }

    #[test]
    fn shares_name_the_most_frequent() {
        let mut shares = Shares::default();
        for number in 0..1_000_u32 {
            shares.add(if number % 3 == 0 { number } else { 7 }, 1_000);
        }
        let (top, share) = shares.top().expect("one");
        assert!(top == 7 && share > 0.6, "{share}");
    }
}
