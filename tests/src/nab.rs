//! The Numenta Anomaly Benchmark, version 1.1: how early a detector finds what is labelled, and how often it cries wolf.
//!
//! Scores are those of numenta/NAB (`nab/sweeper.py`, `nab/optimizer.py`, `nab/runner.py`, `config/profiles.json`):
//! one threshold a profile over all files together, and only the earliest detection in a window counts. A detector
//! is told the rows of a file in their order and nothing else: no labels, no range of the file, no length.
//!
//! What the figures do not say: a false positive costs a ninth of a window, so that even an alarm at regular intervals
//! that never looks at a value ([`baseline::metronome`]) scores well above nothing. Figures are to be read against it.

use std::io;
use std::path::Path;

pub mod baseline;
mod corpus;
mod sweep;

pub use corpus::locate;
pub use sweep::Profile;

/// What a detector reaches: 0 is to find nothing, 100 is every window at its first row without one false positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// Score and threshold under [`Profile::STANDARD`].
    pub standard: Reached,
    /// Score and threshold under [`Profile::LOW_FP`].
    pub low_fp: Reached,
    /// Score and threshold under [`Profile::LOW_FN`].
    pub low_fn: Reached,
}

/// The best that one threshold reaches under one profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached {
    /// Normalised score, at most 100; below 0 only for detectors that are worse than none.
    pub score: f64,
    /// Rows with at least this score are detections; above 1 where none are best.
    pub threshold: f64,
    /// Windows with a detection.
    pub windows: usize,
    /// Detections outside windows.
    pub false_positives: usize,
}

/// One series: is told seconds since 1970 and a value, and answers how anomalous that is, between 0 and 1.
pub type Detector = Box<dyn FnMut(u64, f64) -> f64>;

/// Runs one new detector a file over the corpus, a copy of NAB's `data` and `labels` folders, and scores them together.
///
/// # Errors
/// When a file cannot be read, or is not what NAB publishes.
pub fn evaluate(corpus: &Path, detector: &mut dyn FnMut() -> Detector) -> io::Result<Scores> {
    let mut rows = Vec::new();
    let mut windows = 0;
    for file in corpus::read(corpus)? {
        let mut push = detector();
        let scores: Vec<f64> = file
            .rows
            .iter()
            .map(|&(time, value)| push(time, value))
            .collect();
        sweep::judge(&file, &scores, windows, &mut rows);
        windows += file.windows.len();
    }
    rows.sort_by(|left, right| right.score.total_cmp(&left.score));
    Ok(Scores {
        standard: Profile::STANDARD.best(&rows, windows),
        low_fp: Profile::LOW_FP.best(&rows, windows),
        low_fn: Profile::LOW_FN.best(&rows, windows),
    })
}

#[cfg(test)]
mod tests;
