//! Between which bounds a quantity was seen. What exceeds a bound pushes it out; what was rare is slowly forgotten.

use serde::{Deserialize, Serialize};

/// Values in which what a bound exceeds the ordinary by shrinks to a third: ten days of minutes.
const MEMORY: f64 = 14_000.0;
/// How far from the mean is ordinary, in mean deviations, and never forgotten: were it, then noise that never changes
/// would be told again and again. The extremes of two weeks of minutes of normal noise are about as far out.
const ORDINARY: f64 = 5.0;
/// Values before anything can be out of bounds.
const WARM_UP: u64 = 100;
/// Values after which what is out of bounds counts by half: early bounds are broken by nearly everything.
const TRUST: f64 = 400.0;
/// How far one value pushes a bound out, in widths. A lone spike must not hide what follows it for weeks.
const STRETCH: f64 = 2.0;
/// The furthest out that is told apart, in widths.
const FURTHEST: f64 = 10.0;

/// Lower and upper bound, and the middle and breadth of what is ordinary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Band {
    low: f64,
    high: f64,
    mean: f64,
    /// Mean distance from the mean.
    deviation: f64,
    count: u64,
}

impl Band {
    /// Upper less lower bound; 0 for what never moved.
    pub fn width(&self) -> f64 {
        self.high - self.low
    }

    /// What lies halfway between the bounds.
    pub fn middle(&self) -> f64 {
        self.low + self.width() / 2.0
    }

    /// Mean of what was taken in, for long ones of the last [`MEMORY`].
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// How far out a value is, in widths of the band or of `least`, whichever is more; then takes it in.
    pub fn push(&mut self, value: f64, least: f64) -> f64 {
        if self.count == 0 {
            (self.low, self.high, self.mean) = (value, value, value);
        }
        self.count = self.count.saturating_add(1);
        let count = self.count as f64;
        let width = self.width().max(least);
        let beyond = ((value - self.middle()).abs() - width / 2.0).max(0.0);
        let outside = if width > 0.0 {
            (beyond / width).min(FURTHEST)
        } else if beyond > 0.0 {
            FURTHEST
        } else {
            0.0
        };

        let window = count.min(MEMORY);
        self.mean += (value - self.mean) / window;
        self.deviation += ((value - self.mean).abs() - self.deviation) / window;
        let ordinary = ORDINARY * self.deviation;
        self.high -= (self.high - self.mean - ordinary).max(0.0) / MEMORY;
        self.low += (self.mean - ordinary - self.low).max(0.0) / MEMORY;

        let warm = self.count >= WARM_UP;
        // What never moved has no width to measure by.
        let reach = if warm && width > 0.0 {
            STRETCH * width
        } else {
            f64::INFINITY
        };
        self.high = self.high.max(value.min(self.high + reach));
        self.low = self.low.min(value.max(self.low - reach));
        if warm {
            outside * count / (count + TRUST)
        } else {
            0.0
        }
    }
}
