//! How much is usual at this time: means by half-hour of the day, and by hour of the week once two weeks are known.

use serde::{Deserialize, Serialize};

/// Half-hours of a day, hours of a week.
const SLOTS: (usize, usize) = (48, 168);
/// Minutes that a slot's mean is made of at most: three days of a half-hour, two weeks of an hour.
const MEMORY: (u16, u16) = (90, 120);
/// 1970-01-01 was a Thursday; weeks begin on Monday.
const MONDAY: u64 = 3 * 24 * 60;
const DAY: u64 = 24 * 60;

/// A mean per minute that follows day and week. Times are minutes since 1970 in UTC.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Season {
    days: Vec<Slot>,
    weeks: Vec<Slot>,
    /// The first minute.
    born: u64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Slot {
    mean: f32,
    known: u16,
}

impl Season {
    /// Learns how much came in a minute.
    pub fn learn(&mut self, minute: u64, value: f64) {
        if self.days.is_empty() {
            self.days = vec![Slot::default(); SLOTS.0];
            self.born = minute;
        }
        if let Some(slot) = self.days.get_mut(day_slot(minute)) {
            slot.learn(value, MEMORY.0);
        }
        // A week's slots cost much: only for what lives that long.
        if self.age(minute) >= 2 * DAY {
            self.weeks.resize(SLOTS.1, Slot::default());
            if let Some(slot) = self.weeks.get_mut(week_slot(minute)) {
                slot.learn(value, MEMORY.1);
            }
        }
    }

    /// Minutes since the first.
    pub fn age(&self, minute: u64) -> u64 {
        minute.saturating_sub(self.born)
    }

    /// What is usual in a minute; `None` before a whole day is known.
    pub fn expected(&self, minute: u64) -> Option<f64> {
        if self.days.is_empty() || self.age(minute) < DAY {
            return None;
        }
        if self.age(minute) >= 16 * DAY
            && let Some(slot) = self
                .weeks
                .get(week_slot(minute))
                .filter(|slot| slot.known >= 60)
        {
            return Some(f64::from(slot.mean));
        }
        // Between the middles of two half-hours.
        let at = minute % DAY;
        let from = (at + DAY - 15) % DAY;
        let share = (from % 30) as f64 / 30.0;
        let slot = |minute: u64| {
            self.days
                .get(day_slot(minute))
                .filter(|slot| slot.known > 0)
        };
        match (slot(from), slot(from + 30)) {
            (Some(one), Some(two)) => {
                Some(f64::from(one.mean) * (1.0 - share) + f64::from(two.mean) * share)
            }
            (Some(one), None) | (None, Some(one)) => Some(f64::from(one.mean)),
            (None, None) => None,
        }
    }

    /// Mean of all day.
    pub fn mean(&self) -> f64 {
        let known = self.days.iter().filter(|slot| slot.known > 0);
        let (count, sum) = known.fold((0.0, 0.0), |(count, sum), slot| {
            (count + 1.0, sum + f64::from(slot.mean))
        });
        if count > 0.0 { sum / count } else { 0.0 }
    }
}

impl Slot {
    fn learn(&mut self, value: f64, memory: u16) {
        self.known = self.known.saturating_add(1).min(memory);
        self.mean += (value as f32 - self.mean) / f32::from(self.known);
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
        for minute in 0..3 * DAY {
            assert_eq!(season.expected(minute).is_some(), minute >= DAY);
            season.learn(minute, curve(minute));
        }
        for minute in 3 * DAY..4 * DAY {
            let expected = season.expected(minute).expect("three days are known");
            assert!(
                (expected - curve(minute)).abs() < 12.0,
                "{minute}: {expected}"
            );
        }
        assert!((season.mean() - 100.0).abs() < 3.0);
    }
}
