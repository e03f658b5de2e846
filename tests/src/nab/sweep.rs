//! What each row is worth when it is detected, and the threshold at which the sum of all is largest.
//!
//! Follows `nab/sweeper.py` to the letter, including that a window is entered and left at rows that bear its exact
//! times, and that positions count from one past its last row.

use super::Reached;
use super::corpus::File;

/// What is paid for in NAB, relative to a window that is found (`config/profiles.json`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Cost of a detection far from any window.
    pub false_positive: f64,
    /// Cost of a window without any detection.
    pub false_negative: f64,
}

/// A row that counts, which those of the probationary part do not.
pub struct Row {
    /// What the detector said.
    pub score: f64,
    /// Which window of the corpus it lies in.
    window: Option<usize>,
    /// Within a window up to 1, outside down to -1.
    worth: f64,
}

impl Profile {
    /// `standard`.
    pub const STANDARD: Self = Self {
        false_positive: 0.11,
        false_negative: 1.0,
    };
    /// `reward_low_FP_rate`.
    pub const LOW_FP: Self = Self {
        false_positive: 0.22,
        false_negative: 1.0,
    };
    /// `reward_low_FN_rate`.
    pub const LOW_FN: Self = Self {
        false_positive: 0.11,
        false_negative: 2.0,
    };

    /// The best that any threshold reaches over rows in falling order of their scores.
    pub(super) fn best(self, rows: &[Row], windows: usize) -> Reached {
        let none = -(windows as f64) * self.false_negative;
        let perfect = windows as f64;
        let normalised = |raw: f64| 100.0 * (raw - none) / (perfect - none);

        let mut found: Vec<Option<f64>> = vec![None; windows];
        let mut raw = none;
        let mut now = Reached {
            score: 0.0,
            threshold: 1.1,
            windows: 0,
            false_positives: 0,
        };
        let mut best = now;
        for equal in rows.chunk_by(|left, right| left.score == right.score) {
            for row in equal {
                now.threshold = row.score;
                match row.window.and_then(|window| found.get_mut(window)) {
                    None => {
                        raw += row.worth * self.false_positive;
                        now.false_positives += 1;
                    }
                    Some(Some(worth)) => {
                        raw += (row.worth - *worth).max(0.0);
                        *worth = worth.max(row.worth);
                    }
                    Some(first) => {
                        raw += row.worth + self.false_negative;
                        *first = Some(row.worth);
                        now.windows += 1;
                    }
                }
            }
            now.score = normalised(raw);
            if now.score > best.score {
                best = now;
            }
        }
        best
    }
}

/// Adds what the rows of a file are worth; its windows are numbered from `first_window` on.
pub fn judge(file: &File, scores: &[f64], first_window: usize, judged: &mut Vec<Row>) {
    let probation = file.rows.len().min(5000) * 15 / 100;
    let index_of = |time: u64| file.rows.iter().position(|row| row.0 == time).unwrap_or(0);
    let mut windows = (first_window..).zip(&file.windows).peekable();
    let mut current: Option<(usize, u64, f64, f64)> = None;
    let mut previous: Option<(f64, f64)> = None;
    for (index, (&(time, _), &score)) in file.rows.iter().zip(scores).enumerate() {
        if let Some((number, &(first, last))) = windows.next_if(|(_, limits)| limits.0 == time) {
            let right = index_of(last) as f64;
            current = Some((number, last, right, right - index_of(first) as f64 + 1.0));
        }
        let at = index as f64;
        let worth = match (current, previous) {
            (Some((_, _, right, width)), _) => sigmoid(-(right - at + 1.0) / width) / sigmoid(-1.0),
            (None, Some((right, width))) => sigmoid((at - right).abs() / (width - 1.0)),
            (None, None) => -1.0,
        };
        if index >= probation {
            judged.push(Row {
                score,
                window: current.map(|(number, ..)| number),
                worth,
            });
        }
        if let Some((_, _, _, width)) = current.take_if(|(_, last, ..)| *last == time) {
            previous = Some((at, width));
        }
    }
}

/// 1 well before the end of a window, which is at 0, and -1 well behind it; positions in widths of the window.
fn sigmoid(position: f64) -> f64 {
    if position > 3.0 {
        -1.0
    } else {
        2.0 / (1.0 + (5.0 * position).exp()) - 1.0
    }
}
