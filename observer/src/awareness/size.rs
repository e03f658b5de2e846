//! Whether contents became larger, or took longer to serve: the mean of a stretch of requests against the means before.
//!
//! Means are compared by their logarithm, against the spread that those of as many minutes have shown.

use serde::{Deserialize, Serialize};

use super::{GAUSSIAN, keep_latest};

/// Minutes of a stretch.
const MINUTES: usize = 5;
/// Weight of a minute in what is usual.
const USUAL: f32 = 1.0 / 720.0;
/// No spread is smaller: a third of the mean.
const LEAST: f32 = 0.3;
/// Minutes with requests before anything is usual.
const KNOWN: u32 = 120;
/// Bytes past what is usual that matter, and microseconds: five minutes of a sixtieth of one worker.
pub const BYTES: f64 = 131_072.0;
pub const MICROSECONDS: f64 = 5_000_000.0;
/// How many times the usual mean matters.
const TIMES: f64 = 3.0;
/// Minutes after which larger means are accepted as how things are.
const ACCEPTED: u32 = 24 * 60;

/// Sizes of one direction of one key, or its times of service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sizes {
    /// Requests and bytes (or microseconds) of the last minutes that had any.
    recent: Vec<(u32, u64)>,
    mean: f32,
    spread: f32,
    known: u32,
    suspicious: u32,
}

/// A stretch that is out of line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Large {
    /// Bytes that came, or microseconds that it took.
    pub sum: f64,
    /// In so many requests.
    pub requests: u32,
    /// Those of a usual request.
    pub usual: f64,
    /// Spreads above what is usual.
    pub score: f64,
}

impl Sizes {
    /// Whether the last stretch was out of line.
    #[inline]
    pub fn is_suspicious(&self) -> bool {
        self.suspicious > 0
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn heap_bytes(&self) -> usize {
        self.recent.capacity() * size_of::<(u32, u64)>()
    }

    /// Takes a minute that is over. `matters`: what has to come past the usual to be worth telling.
    /// Returns how far it is from what is usual, and what is out of line.
    pub fn close(
        &mut self,
        requests: u32,
        sum: u64,
        limit: f64,
        matters: f64,
    ) -> (Option<f64>, Option<Large>) {
        if requests == 0 {
            return (None, None);
        }
        keep_latest(&mut self.recent, MINUTES, (requests, sum));
        let (count, sum) = self
            .recent
            .iter()
            .fold((0_u32, 0_u64), |(count, sum), minute| {
                (count.saturating_add(minute.0), sum.saturating_add(minute.1))
            });
        let size = sum as f64 / f64::from(count.max(1));
        let log = size.ln_1p() as f32;
        if self.known < KNOWN {
            self.known += 1;
            let weight = 1.0 / self.known as f32;
            self.mean += weight * (log - self.mean);
            self.spread += weight * ((log - self.mean).abs() * GAUSSIAN - self.spread);
            return (None, None);
        }
        let usual = f64::from(self.mean).exp_m1();
        let score = f64::from((log - self.mean) / self.spread.max(LEAST));
        let large = score > limit
            && size > TIMES * usual
            && sum as f64 - usual * f64::from(count) > matters;
        self.suspicious = if large { self.suspicious + 1 } else { 0 };
        if !large || self.suspicious > ACCEPTED {
            self.mean += USUAL * (log - self.mean);
            let size = ((log - self.mean).abs() * GAUSSIAN).min(4.0 * self.spread.max(LEAST));
            self.spread += USUAL * (size - self.spread);
        }
        let found = large.then_some(Large {
            sum: sum as f64,
            requests: count,
            usual,
            score,
        });
        (Some(score), found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_responses_are_found_and_more_of_the_same_are_not() {
        let mut sizes = Sizes::default();
        for minute in 0..600_u64 {
            assert_eq!(
                sizes
                    .close(60, 60 * (1_500 + minute * 37 % 500), 5.0, BYTES)
                    .1,
                None
            );
        }
        assert_eq!(sizes.close(6_000, 6_000 * 1_700, 5.0, BYTES).1, None);
        let large = (0..5)
            .find_map(|_| sizes.close(60, 60 * 60_000, 5.0, BYTES).1)
            .expect("found");
        assert!((large.usual - 1_750.0).abs() < 100.0, "{large:?}");
    }
}
