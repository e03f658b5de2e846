//! One numeric series, judged value by value: how far beyond everything it did before, in words that can be recomputed.
//!
//! Five views of a series are kept: the value, the drift of its level, and what the hour of the week and the hour of the
//! day leave unexplained. Each has a [`Band`] that it was seen in, and a value is anomalous as far as it takes a view out
//! of its band, measured in widths of the band. So no distribution is assumed, and a series that has always been wild may
//! go on being wild. Prefers silence: a band remembers for weeks, and after an alarm only what is much further out is
//! told for a while. It does not see a pattern that changes within its bounds.
//!
//! The parameters are the same for every series, counted in values and not in seconds where they are not about a
//! calendar. They were chosen on the Numenta Anomaly Benchmark, to which our tests hold the result; any of them changed by
//! 30 % takes at most two points from its standard score.

use serde::{Deserialize, Serialize};

mod band;
mod calendar;

use band::Band;
use calendar::Calendar;

/// Values over which the level is averaged: long enough that a lone value does not move it out of its band.
const LEVEL: f64 = 3.0;
/// Values over which the level that drift is measured from is averaged.
const PAST: f64 = 20.0;
/// Least width of a view's band, of the width in which the value itself was seen.
const LEAST_OF_RANGE: f64 = 0.05;
/// Least width of a view's band, of the mean value: what moves by less is not news, however steady it was.
const LEAST_OF_MEAN: f64 = 0.01;
/// Values after an alarm in which only what is [`LOUDER`] is told. Longer rests miss what follows closely.
const REST: u32 = 80;
/// How much further than the last alarm a value has to be to be told during its rest.
const LOUDER: f64 = 1.7;
/// How far out of a band a value is that scores one half, in widths of the band.
const HALF: f64 = 0.05;
/// Beyond this a value is taken for a fault of who measured it: differences would overflow.
const LARGEST: f64 = 1e300;

/// What is known of a series: 3.3 KiB, whatever its length. Two that were told the same are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// Moving averages over [`LEVEL`] and [`PAST`] values.
    level: f64,
    past: f64,
    calendar: Calendar,
    bands: [Band; 5],
    /// Values told.
    seen: u64,
    /// Values since the last alarm, and how far out it was, in widths of a band.
    since: u32,
    told: f64,
}

/// What a value is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum View {
    /// The value itself.
    Value,
    /// The mean of the last few values, beside that of the last twenty.
    Drift,
    /// The value, beside what is usual at this hour of the week.
    HourOfWeek,
    /// What the last thirty values or so differed by from what is usual at their hours of the day, on average.
    DayPattern,
    /// What the last thirty values or so differed by from what is usual at their hours of the week, on average.
    WeekPattern,
}

/// What there is to say of one value, in the units of the series: `observed` where `expected` +- `spread` was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// 0 is nothing, 1 is unheard of; [`Stream::ALARM`] is worth a look. 0 too while an alarm about as loud rests.
    ///
    /// With d = (|`residual`| / `spread` - 1) / 2, at most 10, times n / (n + 400) at the nth value: d / (d + 0.05).
    pub score: f64,
    /// The view that is furthest from the middle of its band, which the other fields are about.
    pub view: View,
    /// The middle of the band in which the view was seen so far.
    pub expected: f64,
    /// Half the width of that band; 0 for what never moved. What is within is not anomalous.
    pub spread: f64,
    /// What was observed, less `expected`. What was observed is the value only for [`View::Value`] and
    /// [`View::HourOfWeek`]; for the others it is a mean.
    pub residual: f64,
}

impl Default for Stream {
    fn default() -> Self {
        Self::new()
    }
}

impl Stream {
    /// The score from which a value is worth telling someone: a twentieth of its band beyond it, a tenth of
    /// [`Verdict::spread`]. Noise that never changes gets there about once in ten thousand values, to 0.8 a fifth as often.
    pub const ALARM: f64 = 0.5;

    /// A series of which nothing is known: the first hundred values are never anomalous.
    pub fn new() -> Self {
        Self {
            level: 0.0,
            past: 0.0,
            calendar: Calendar::new(),
            bands: [Band::default(); 5],
            seen: 0,
            since: REST,
            told: 0.0,
        }
    }

    /// Judges the next value by those before it, then remembers it.
    ///
    /// `time` is in seconds since 1970, UTC. Only the hour of the week and the time since the last value are taken from
    /// it, so that gaps, repeated times and steps of the clock do no harm. A value that is no number is passed over.
    pub fn push(&mut self, time: u64, value: f64) -> Verdict {
        if value.is_nan() || value.abs() > LARGEST {
            return Verdict::none(value);
        }
        if self.seen == 0 {
            (self.level, self.past) = (value, value);
        }
        self.seen = self.seen.saturating_add(1);
        let count = self.seen as f64;
        self.level += (value - self.level) / LEVEL.min(count);
        self.past += (value - self.past) / PAST.min(count);
        let [day, week] = self.calendar.push(time, value);

        let [of_value, ..] = &self.bands;
        let least = (LEAST_OF_RANGE * of_value.width()).max(LEAST_OF_MEAN * of_value.mean().abs());
        // Each view is how far something is from a base, which the band is then drawn around.
        let views = [
            (View::Value, 0.0, value),
            (View::Drift, self.past, self.level - self.past),
            (View::HourOfWeek, week.usual, value - week.usual),
            (View::DayPattern, day.usual, day.recent),
            (View::WeekPattern, week.usual, week.recent),
        ];
        let mut furthest = Verdict::none(value);
        let (mut outside, mut distance) = (0f64, 0.0);
        for (band, (view, base, position)) in self.bands.iter_mut().zip(views) {
            let (middle, spread) = (band.middle(), band.width().max(least) / 2.0);
            let residual = position - middle;
            // A view that never moved and does not now is no distance from anything.
            let from_middle = residual.abs() / spread;
            if from_middle > distance {
                distance = from_middle;
                furthest = Verdict {
                    score: 0.0,
                    view,
                    expected: base + middle,
                    spread,
                    residual,
                };
            }
            outside = outside.max(band.push(position, least));
        }
        let told = self.damp(outside);
        furthest.score = told / (told + HALF);
        furthest
    }

    /// What is left of an alarm after those before it.
    fn damp(&mut self, outside: f64) -> f64 {
        self.since = self.since.saturating_add(1);
        if outside <= 0.0 || (self.since < REST && outside < self.told * LOUDER) {
            return 0.0;
        }
        (self.since, self.told) = (0, outside);
        outside
    }
}

impl Verdict {
    fn none(value: f64) -> Self {
        Self {
            score: 0.0,
            view: View::Value,
            expected: value,
            spread: 0.0,
            residual: 0.0,
        }
    }
}

#[cfg(test)]
mod tests;
