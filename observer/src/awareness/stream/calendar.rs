//! What is usual at an hour of the day and of the week, in UTC: whose hours they are does not matter, only that they return.

use serde::{Deserialize, Serialize};

/// Seconds of an hour.
const HOUR: u64 = 3600;
/// What a full hour of values leaves of what was usual at it before: a new habit is learnt within days.
const KEPT: f64 = 0.6;
/// Values over which differences from what is usual are averaged.
const RECENT: f64 = 30.0;

/// A mean for each hour of a day and for each hour of a week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calendar {
    day: [Hour; 24],
    week: [[Hour; 24]; 7],
    /// Recent means of what the day and the week do not explain.
    beside_day: f64,
    beside_week: f64,
    /// Time of the last value.
    last: Option<u64>,
}

/// How a value differs from what is usual.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// What is usual at this hour; the value itself where there was none yet.
    pub usual: f64,
    /// Recent mean of values less what was usual at their hours.
    pub recent: f64,
}

/// What one hour was like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Hour {
    mean: f64,
    count: u32,
}

impl Calendar {
    pub fn new() -> Self {
        Self {
            day: [Hour::default(); 24],
            week: [[Hour::default(); 24]; 7],
            beside_day: 0.0,
            beside_week: 0.0,
            last: None,
        }
    }

    /// How a value differs from what is usual at its hour of the day and of the week; then learns it.
    pub fn push(&mut self, time: u64, value: f64) -> [Difference; 2] {
        // A value stands for the time since the one before it, so that hours weigh the same however often one looks.
        let passed = self
            .last
            .map_or(HOUR, |last| time.saturating_sub(last).min(HOUR));
        self.last = Some(time);
        let weight = 1.0 - KEPT.powf(passed as f64 / HOUR as f64);

        let hour = (time / HOUR % 24) as usize;
        let day = (time / HOUR / 24 % 7) as usize;
        let of_day = self.day.get_mut(hour);
        let of_week = self.week.get_mut(day).and_then(|day| day.get_mut(hour));
        let [mut by_day, mut by_week] = [of_day, of_week].map(|hour| Difference {
            usual: hour.map_or(value, |hour| hour.learn(value, weight)),
            recent: 0.0,
        });
        self.beside_day += (value - by_day.usual - self.beside_day) / RECENT;
        self.beside_week += (value - by_week.usual - self.beside_week) / RECENT;
        by_day.recent = self.beside_day;
        by_week.recent = self.beside_week;
        [by_day, by_week]
    }
}

impl Hour {
    /// What was usual before this value.
    fn learn(&mut self, value: f64, weight: f64) -> f64 {
        let usual = if self.count == 0 { value } else { self.mean };
        self.count = self.count.saturating_add(1);
        self.mean += (value - self.mean) * weight.max(1.0 / f64::from(self.count));
        usual
    }
}
