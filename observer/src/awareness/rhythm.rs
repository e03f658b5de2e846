//! Whether a key that acts at times of its own begins to act like clockwork: requests that change something, at even distances.
//!
//! Distances are judged by their coefficient of variation, which is one for requests at random and grows with bursts. Machines
//! that were regular from the beginning are what keys are for: told is who was not and becomes so.

use serde::{Deserialize, Serialize};

use super::cause::{Who, percent, span};
use super::events::event;
use super::rules::Rule;
use super::{Awareness, Seen};
use crate::usage::Call;

/// Distances of a block, and blocks that are judged together: two hundred requests.
const BLOCK: u8 = 50;
const BLOCKS: usize = 4;
/// Coefficient of variation below which distances are regular, and above which a key's own are not.
const REGULAR: f32 = 0.1;
const IRREGULAR: f32 = 0.3;
/// Blocks that a history is made of at least, and about how many it remembers.
const KNOWN: u16 = 8;
const REMEMBERED: u16 = 20;
/// Seconds after which regularity is how things are.
const ACCEPTED: u64 = 24 * 3600;

/// Distances between the requests of one key that change something.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rhythm {
    /// Mean coefficient of variation of the blocks so far, none of which counts for more than one, and how many they are.
    usual: f32,
    known: u16,
    /// When the last request began, nanoseconds since 1970.
    #[serde(skip)]
    last: u64,
    #[serde(skip)]
    block: Distances,
    #[serde(skip)]
    before: [Distances; BLOCKS - 1],
    /// Seconds since 1970 from which on it was regular and is not used to be; zero: it is not.
    #[serde(skip)]
    since: u64,
}

/// Distances in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Distances {
    count: u8,
    sum: f32,
    squares: f32,
}

/// Requests that became regular.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regular {
    requests: u32,
    /// Coefficient of variation, now and before.
    variation: f32,
    usual: f32,
    /// Mean distance in seconds.
    distance: f32,
}

impl Rhythm {
    /// Takes a request that began at `begin`, nanoseconds since 1970. Says so at the end of each block that completes two hundred
    /// regular ones of a key that was not.
    pub fn observe(&mut self, begin: u64) -> Option<Regular> {
        let last = self.last;
        self.last = begin.max(last);
        if last == 0 {
            return None;
        }
        // Requests of the same moment may end in another order than they began in.
        let distance = begin.abs_diff(last) as f32 / 1e9;
        self.block.count += 1;
        self.block.sum += distance;
        self.block.squares += distance * distance;
        if self.block.count < BLOCK {
            return None;
        }
        let block = std::mem::take(&mut self.block);
        let all = self.before.iter().fold(block, |all, one| Distances {
            count: all.count + one.count,
            sum: all.sum + one.sum,
            squares: all.squares + one.squares,
        });
        self.before.rotate_left(1);
        if let Some(latest) = self.before.last_mut() {
            *latest = block;
        }
        let was_irregular = self.known >= KNOWN && self.usual > IRREGULAR;
        let suspicious = was_irregular && block.variation() < REGULAR;
        let second = begin / 1_000_000_000;
        self.since = match self.since {
            _ if !suspicious => 0,
            0 => second,
            since => since,
        };
        if !suspicious || second > self.since + ACCEPTED {
            self.known = (self.known + 1).min(REMEMBERED);
            let weight = 1.0 / f32::from(self.known);
            self.usual += weight * (block.variation().min(1.0) - self.usual);
        }
        let full = usize::from(all.count) == BLOCKS * usize::from(BLOCK);
        (suspicious && full && all.variation() < REGULAR).then(|| Regular {
            requests: u32::from(all.count),
            variation: all.variation(),
            usual: self.usual,
            distance: all.sum / f32::from(all.count),
        })
    }
}

impl Distances {
    /// Deviation, in means.
    fn variation(&self) -> f32 {
        let count = f32::from(self.count.max(1));
        let mean = (self.sum / count).max(1e-9);
        let variance = (self.squares / count - mean * mean).max(0.0);
        variance.sqrt() / mean
    }
}

/// Whether a request changes something, by its method (RFC 9110 section 9.2.1).
#[inline]
pub fn changes(call: &Call) -> bool {
    matches!(
        call.method.as_deref(),
        Some("POST" | "PUT" | "PATCH" | "DELETE")
    )
}

impl Awareness {
    /// Tells of a key that became regular.
    pub(super) fn tell_regular(&mut self, regular: Regular, call: &Call, seen: &Seen) {
        let Some(subject) = seen.key.and_then(|key| self.subject(Who::Key(key))) else {
            return;
        };
        let length = f64::from(regular.distance) * f64::from(regular.requests) * 1e9;
        let statement = format!(
            "{}: the last {} requests that change something came {} apart, {} more or less, over {}; it varied by {} before",
            subject.words(),
            regular.requests,
            span((f64::from(regular.distance) * 1e9) as u64),
            percent(f64::from(regular.variation)),
            span(length as u64),
            percent(f64::from(regular.usual)),
        );
        let mut finding = event(Rule::Automation, subject, statement, call, seen);
        let evidence = &mut finding.evidence;
        evidence.seen = f64::from(regular.variation);
        evidence.baseline = f64::from(regular.usual);
        evidence.limit = f64::from(REGULAR);
        evidence.since = seen.time.saturating_sub(length as u64);
        finding.confidence = 0.9;
        self.raise(finding, seen.time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Clock {
        rhythm: Rhythm,
        now: u64,
        seed: u64,
    }

    impl Clock {
        fn new() -> Self {
            Self {
                rhythm: Rhythm::default(),
                now: 1_795_342_500_000_000_000,
                seed: 1,
            }
        }

        /// So many requests, `distance` seconds apart in the mean: at random, or but for a share of it at even distances.
        fn run(&mut self, requests: u32, distance: f64, even: Option<f64>) -> Vec<Regular> {
            let step = |clock: &mut Self| {
                clock.seed = clock
                    .seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let share = ((clock.seed >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
                let factor = match even {
                    Some(width) => 1.0 + width * (share - 0.5),
                    None => -share.ln(),
                };
                clock.now += (distance * factor * 1e9) as u64;
                clock.rhythm.observe(clock.now)
            };
            (0..requests).filter_map(|_| step(self)).collect()
        }
    }

    #[test]
    fn who_becomes_regular_is_told_after_two_hundred_requests() {
        let mut clock = Clock::new();
        assert_eq!(clock.run(451, 20.0, None), []);
        let told = clock.run(199, 20.0, Some(0.2));
        assert_eq!(told, []);
        let told = clock.run(1, 20.0, Some(0.2));
        let [regular] = &*told else {
            panic!("{told:?}");
        };
        assert!(
            regular.variation < 0.07 && regular.usual > 0.7,
            "{regular:?}"
        );
        assert!((regular.distance - 20.0).abs() < 0.5);
        // After a day that is how things are.
        clock.run(24 * 180 + 50 * 40, 20.0, Some(0.2));
        assert_eq!(clock.run(1_000, 20.0, Some(0.2)), []);
    }

    #[test]
    fn machines_that_were_regular_from_the_beginning_are_not() {
        let mut clock = Clock::new();
        for _ in 0..40 {
            // Now and then there is a break.
            clock.now += 4 * 3_600_000_000_000;
            assert_eq!(clock.run(500, 10.0, Some(0.05)), []);
        }
    }

    #[test]
    fn chance_and_loops_that_wait_for_each_answer_are_not() {
        let mut clock = Clock::new();
        assert_eq!(clock.run(20_000, 5.0, None), []);
        assert_eq!(clock.run(20_000, 0.1, Some(0.8)), []);
    }

    #[test]
    fn what_only_reads_is_not_judged() {
        let call = crate::usage::tests::call();
        assert!(!changes(&call));
        assert!(changes(&Call {
            method: Some("POST".into()),
            ..call
        }));
    }
}
