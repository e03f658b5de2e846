//! Whether much more or much less comes than is usual at this time.
//!
//! Counts are compared with their season after a transformation that makes their spread alike (Anscombe 1948), over
//! several lengths of time, and divided by the spread that this very stream has shown: keys burst, and a Poisson
//! distribution would call every burst an anomaly.
//!
//! Invariant: an alarm needs an effect that matters, however sure it is; what is suspicious is learned from late, if at all.

use serde::{Deserialize, Serialize};

use super::season::Season;
use super::{GAUSSIAN, in_a_row, keep_latest};

/// Minutes of each scale.
pub const SCALES: [usize; 3] = [1, 5, 30];
/// Minutes after which what set off an alarm is learned as how things are.
const ACCEPTED: u32 = 24 * 60;
/// Weight of one minute in the spread of a scale.
const SPREAD: f32 = 1.0 / 720.0;
/// Weight of one minute in the level that follows what the season does not know.
const LEVEL: f32 = 1.0 / 120.0;
/// No spread is smaller: that of a Poisson distribution, after the transformation.
const POISSON: f32 = 1.0;

/// Counts of one stream by the minute.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Volume {
    season: Season,
    /// What came and what was expected in each of the last minutes, the latest last.
    recent: Vec<(f32, f32)>,
    spreads: [f32; 3],
    /// What came and what was expected, over the last hours.
    level: (f32, f32),
    suspicious: u32,
    /// Minutes in a row past the limit on the shortest scale.
    streak: u8,
}

/// How far one minute was from what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Residual {
    /// Minutes over which it is.
    pub minutes: usize,
    /// What came.
    pub seen: f64,
    /// What was expected.
    pub expected: f64,
    /// In spreads.
    pub score: f64,
}

/// Where the residuals of a minute stand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Minute {
    /// The scale that is farthest above.
    pub above: Option<Residual>,
    /// The scale that is farthest below.
    pub below: Option<Residual>,
    /// The farthest of all scales, for the tail of all.
    pub score: Option<f64>,
}

impl Default for Volume {
    fn default() -> Self {
        Self {
            season: Season::default(),
            recent: Vec::new(),
            spreads: [1.5, 2.0, 3.0],
            level: (0.0, 0.0),
            suspicious: 0,
            streak: 0,
        }
    }
}

impl Minute {
    /// Whether no scale is out of line.
    pub fn is_usual(&self) -> bool {
        self.above.is_none() && self.below.is_none()
    }
}

impl Volume {
    /// What is expected in a minute (since 1970), season and level together.
    pub fn expected(&self, minute: u64) -> Option<f64> {
        let season = self.season.expected(minute)?;
        let (seen, expected) = self.level;
        let level = if expected >= 20.0 * LEVEL {
            f64::from(seen / expected).clamp(0.5, 2.0)
        } else {
            1.0
        };
        Some(season * level)
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub fn heap_bytes(&self) -> usize {
        self.recent.capacity() * size_of::<(f32, f32)>() + self.season.heap_bytes()
    }

    /// Mean per day.
    pub fn per_day(&self) -> f64 {
        self.season.mean() * 1_440.0
    }

    /// What came and what was expected in five minutes, with this one of so many requests.
    pub fn lately(&self, minute: u64, count: f64) -> Option<(f64, f64)> {
        let expected = self.expected(minute)?;
        let from = self.recent.len().checked_sub(SCALES[1] - 1)?;
        let (before, usual) = sum(self.recent.get(from..)?);
        Some((before + count, usual + expected))
    }

    /// Takes a minute that is over. `common`: how much more than expected comes of all streams together.
    pub fn close(&mut self, minute: u64, count: f64, common: f64, limit: f64) -> Minute {
        let Some(expected) = self.expected(minute) else {
            self.season.learn(minute, count);
            return Minute::default();
        };
        let expected = expected * common;
        keep_latest(&mut self.recent, SCALES[2], (count as f32, expected as f32));
        let mut found = Minute::default();
        for (index, minutes) in SCALES.into_iter().enumerate() {
            let Some(residual) = self.residual(minutes, index) else {
                continue;
            };
            let size = residual.score.abs();
            found.score = Some(found.score.map_or(size, |score| score.max(size)));
            if is_surge(&residual, limit) && farther(residual, found.above) {
                found.above = Some(residual);
            }
            if is_drop(&residual, limit) && farther(residual, found.below) {
                found.below = Some(residual);
            }
        }
        if let Some(silence) = self.silence()
            && is_drop(&silence, limit)
            && farther(silence, found.below)
        {
            found.below = Some(silence);
        }
        // One minute alone may be a retry storm's last.
        let short = found.above.is_some_and(|above| above.minutes == SCALES[0]);
        self.streak = in_a_row(self.streak, short);
        if short && self.streak < 2 {
            found.above = None;
        }
        self.learn(minute, count, common, !found.is_usual() || short);
        found
    }

    fn residual(&self, minutes: usize, index: usize) -> Option<Residual> {
        let from = self.recent.len().checked_sub(minutes)?;
        let (seen, expected) = sum(self.recent.get(from..)?);
        let spread = f64::from(self.spreads.get(index).copied()?.max(POISSON));
        Some(Residual {
            minutes,
            seen,
            expected,
            score: anscombe(seen, expected) / spread,
        })
    }

    /// Since anything came, where nothing has for a while.
    fn silence(&self) -> Option<Residual> {
        let quiet = self
            .recent
            .iter()
            .rev()
            .take_while(|(seen, _)| *seen == 0.0);
        let minutes = quiet.count();
        if minutes < 2 {
            return None;
        }
        let index = SCALES.iter().position(|scale| minutes <= *scale)?;
        self.residual(minutes, index)
    }

    fn learn(&mut self, minute: u64, count: f64, common: f64, suspicious: bool) {
        self.suspicious = if suspicious {
            self.suspicious + 1
        } else {
            self.suspicious.saturating_sub(5)
        };
        if self.suspicious > 0 && self.suspicious < ACCEPTED {
            return;
        }
        for (index, minutes) in SCALES.into_iter().enumerate() {
            let Some(residual) = self.residual(minutes, index) else {
                continue;
            };
            if let Some(spread) = self.spreads.get_mut(index) {
                // Far ones count as four.
                let size = (residual.score.abs() as f32 * spread.max(POISSON) * GAUSSIAN)
                    .min(4.0 * *spread);
                *spread += SPREAD * (size - *spread);
            }
        }
        if let Some(season) = self.season.expected(minute) {
            let common = if common > 0.0 { common } else { 1.0 };
            self.level.0 += LEVEL * ((count / common) as f32 - self.level.0);
            self.level.1 += LEVEL * (season as f32 - self.level.1);
        }
        self.season.learn(minute, count / common.max(1e-3));
    }
}

/// Difference after Anscombe's transformation of a Poisson count: standard deviation one, whatever the mean.
fn anscombe(seen: f64, expected: f64) -> f64 {
    2.0 * ((seen + 0.375).sqrt() - (expected + 0.375).sqrt())
}

fn sum(minutes: &[(f32, f32)]) -> (f64, f64) {
    minutes.iter().fold((0.0, 0.0), |(seen, expected), minute| {
        (seen + f64::from(minute.0), expected + f64::from(minute.1))
    })
}

fn is_surge(residual: &Residual, limit: f64) -> bool {
    residual.score > limit
        && residual.seen >= 1.8 * residual.expected
        && residual.seen >= residual.expected + 10.0
}

fn is_drop(residual: &Residual, limit: f64) -> bool {
    residual.score < -limit
        && residual.seen <= 0.25 * residual.expected
        && residual.expected >= 30.0
}

fn farther(one: Residual, other: Option<Residual>) -> bool {
    other.is_none_or(|other| one.score.abs() > other.score.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60;

    /// A stream of `rate` a minute with the noise of a linear congruential generator, three days old.
    fn taught(rate: f64) -> Volume {
        let mut volume = Volume::default();
        let mut seed = 1_u64;
        for minute in DAY..3 * DAY {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let noise = (seed >> 40) as f64 / (1 << 24) as f64 - 0.5;
            let count = (rate + noise * 4.0 * rate.sqrt()).max(0.0).round();
            let minute = volume.close(minute, count, 1.0, 8.0);
            assert!(
                minute.above.is_none() && minute.below.is_none(),
                "{minute:?}"
            );
        }
        volume
    }

    #[test]
    fn a_surge_is_found_within_minutes_with_the_numbers_that_prove_it() {
        let mut volume = taught(20.0);
        let took = (0..10)
            .find_map(|minute| {
                let found = volume.close(3 * DAY + minute, 100.0, 1.0, 6.0);
                found.above.map(|above| (minute, above))
            })
            .expect("a surge");
        assert!(took.0 <= 2, "{took:?}");
        assert!(took.1.seen > 1.8 * took.1.expected);
    }

    #[test]
    fn silence_is_found_and_twice_as_much_of_everything_is_not() {
        let mut volume = taught(20.0);
        let quiet = (0..30).find(|minute| {
            volume
                .close(3 * DAY + minute, 0.0, 1.0, 6.0)
                .below
                .is_some()
        });
        assert!(quiet.is_some_and(|minutes| minutes < 8), "{quiet:?}");
        let mut volume = taught(20.0);
        for minute in 0..30 {
            let found = volume.close(3 * DAY + minute, 60.0, 3.0, 6.0);
            assert_eq!(found.above, None);
        }
    }
}
