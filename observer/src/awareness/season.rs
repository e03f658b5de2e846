//! How much is usual at this time: means by half-hour of the day, and by hour of the week once two weeks are known.

use serde::{Deserialize, Serialize};

/// Half-hours of a day, hours of a week.
const SLOTS: (usize, usize) = (48, 168);
/// Minutes that the mean of a half-hour is made of at most: three days.
const MEMORY: u8 = 90;
/// Weight of a minute in the mean of an hour of the week.
const WEIGHT: f32 = 1.0 / 40.0;
/// Minutes after which every hour of the week has come twice.
const TWO_WEEKS: u64 = 16 * DAY;
/// 1970-01-01 was a Thursday; weeks begin on Monday.
const MONDAY: u64 = 3 * 24 * 60;
const DAY: u64 = 24 * 60;

/// A mean per minute that follows day and week. Times are minutes since 1970 in UTC.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Season {
    days: Vec<f32>,
    /// Minutes that each of these is made of.
    known: Vec<u8>,
    weeks: Vec<Mean>,
    /// The first minute.
    born: u64,
}

/// A mean in 16 bits: the logarithm of one more than it, in steps of a thirtieth of a per cent, up to three thousand million.
/// Kept over a restart as a number, which is none where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "f32", into = "f32")]
struct Mean(u16);

impl Mean {
    const UNKNOWN: Self = Self(u16::MAX);
    /// Steps of a factor of e.
    const STEPS: f32 = 3_000.0;
}

impl From<f32> for Mean {
    fn from(mean: f32) -> Self {
        if mean.is_nan() {
            return Self::UNKNOWN;
        }
        let steps = (mean.max(0.0).ln_1p() * Self::STEPS).round();
        Self((steps as u16).min(u16::MAX - 1))
    }
}

impl From<Mean> for f32 {
    fn from(mean: Mean) -> Self {
        if mean == Mean::UNKNOWN {
            return Self::NAN;
        }
        (Self::from(mean.0) / Mean::STEPS).exp_m1()
    }
}

impl Season {
    /// Learns how much came in a minute.
    pub fn learn(&mut self, minute: u64, value: f64) {
        if self.days.is_empty() && self.weeks.is_empty() {
            self.days = vec![0.0; SLOTS.0];
            self.known = vec![0; SLOTS.0];
            self.born = minute;
        }
        if !self.follows_weeks() && self.knows_weeks(minute) {
            (self.days, self.known) = (Vec::new(), Vec::new());
        }
        let slot = day_slot(minute);
        if let (Some(mean), Some(known)) = (self.days.get_mut(slot), self.known.get_mut(slot)) {
            *known = known.saturating_add(1).min(MEMORY);
            *mean += (value as f32 - *mean) / f32::from(*known);
        }
        // A week's slots cost much: only for what lives that long.
        if self.age(minute) >= 2 * DAY {
            if self.weeks.is_empty() {
                self.weeks = vec![Mean::UNKNOWN; SLOTS.1];
            }
            if let Some(slot) = self.weeks.get_mut(week_slot(minute)) {
                let mean = f32::from(*slot);
                *slot = Mean::from(if mean.is_nan() {
                    value as f32
                } else {
                    mean + WEIGHT * (value as f32 - mean)
                });
            }
        }
    }

    /// Whether every hour of the week is known, so that those of the day are not needed any more.
    fn knows_weeks(&self, minute: u64) -> bool {
        self.age(minute) >= TWO_WEEKS && self.weeks.iter().all(|mean| *mean != Mean::UNKNOWN)
    }

    /// Whether those of the day are gone.
    fn follows_weeks(&self) -> bool {
        self.days.is_empty() && !self.weeks.is_empty()
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn heap_bytes(&self) -> usize {
        self.days.capacity() * size_of::<f32>()
            + self.weeks.capacity() * size_of::<Mean>()
            + self.known.capacity()
    }

    /// Minutes since the first.
    pub fn age(&self, minute: u64) -> u64 {
        minute.saturating_sub(self.born)
    }

    /// What is usual in a minute; `None` before a whole day is known.
    pub fn expected(&self, minute: u64) -> Option<f64> {
        if self.born == 0 || self.age(minute) < DAY {
            return None;
        }
        if self.follows_weeks() {
            let mean = self.weeks.get(week_slot(minute))?;
            return Some(f64::from(f32::from(*mean)));
        }
        // Between the middles of two half-hours.
        let at = minute % DAY;
        let from = (at + DAY - 15) % DAY;
        let share = (from % 30) as f64 / 30.0;
        let mean = |minute: u64| {
            let slot = day_slot(minute);
            let known = self.known.get(slot).is_some_and(|known| *known > 0);
            self.days
                .get(slot)
                .filter(|_| known)
                .map(|mean| f64::from(*mean))
        };
        match (mean(from), mean(from + 30)) {
            (Some(one), Some(two)) => Some(one * (1.0 - share) + two * share),
            (one, two) => one.or(two),
        }
    }

    /// Mean of all day.
    pub fn mean(&self) -> f64 {
        let mean = |means: &mut dyn Iterator<Item = f32>| {
            let (count, sum) = means.fold((0.0, 0.0), |(count, sum), mean| {
                (count + 1.0, sum + f64::from(mean))
            });
            (count > 0.0).then(|| sum / count)
        };
        let days = self.days.iter().zip(&self.known);
        let days = days.filter(|(_, known)| **known > 0);
        mean(&mut days.map(|(mean, _)| *mean))
            .or_else(|| {
                let weeks = self.weeks.iter().copied().map(f32::from);
                mean(&mut weeks.filter(|mean| !mean.is_nan()))
            })
            .unwrap_or(0.0)
    }
}

fn day_slot(minute: u64) -> usize {
    (minute % DAY / 30) as usize
}

fn week_slot(minute: u64) -> usize {
    ((minute + MONDAY) / 60 % SLOTS.1 as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daily_curve_is_expected_again_the_next_day() {
        let mut season = Season::default();
        let curve = |minute: u64| {
            100.0 + 80.0 * ((minute % DAY) as f64 / DAY as f64 * std::f64::consts::TAU).sin()
        };
        for minute in DAY..4 * DAY {
            assert_eq!(season.expected(minute).is_some(), minute >= 2 * DAY);
            season.learn(minute, curve(minute));
        }
        for minute in 4 * DAY..5 * DAY {
            let expected = season.expected(minute).expect("three days are known");
            assert!(
                (expected - curve(minute)).abs() < 12.0,
                "{minute}: {expected}"
            );
        }
        assert!((season.mean() - 100.0).abs() < 3.0);
    }

    #[test]
    fn means_of_any_size_survive_their_sixteen_bits_and_a_restart() {
        let mut value = 0.01_f32;
        while value < 1e9 {
            let kept = f32::from(Mean::from(value));
            assert!(
                (kept - value).abs() < 2e-4 * (1.0 + value),
                "{value}: {kept}"
            );
            value *= 1.7;
        }
        let season = Season {
            weeks: vec![Mean::UNKNOWN, Mean::from(0.0), Mean::from(42.0)],
            ..Season::default()
        };
        let kept = postcard::to_allocvec(&season).expect("bytes");
        let back: Season = postcard::from_bytes(&kept).expect("what was written");
        assert_eq!(back.weeks, season.weeks);
        // As numbers, in the form that was always kept.
        let form = (
            Vec::<f32>::new(),
            Vec::<u8>::new(),
            vec![f32::NAN, 0.0, 42.0],
            0_u64,
        );
        let back: Season = postcard::from_bytes(&postcard::to_allocvec(&form).expect("bytes"))
            .expect("what was written before");
        assert_eq!(back.weeks, season.weeks);
    }

    #[test]
    fn weekends_are_known_after_two_weeks() {
        let mut season = Season::default();
        let first = 20_000 * DAY;
        let much = |minute: u64| {
            if (minute + MONDAY) / DAY % 7 < 5 {
                100.0
            } else {
                20.0
            }
        };
        for minute in first..first + 21 * DAY {
            season.learn(minute, much(minute));
        }
        assert!(season.days.is_empty(), "weeks are enough");
        for minute in first + 21 * DAY..first + 28 * DAY {
            let expected = season.expected(minute).expect("known");
            assert!(
                (expected - much(minute)).abs() < 1.0,
                "{minute}: {expected}"
            );
        }
        assert!((season.mean() - (5.0 * 100.0 + 2.0 * 20.0) / 7.0).abs() < 1.0);
    }
}
