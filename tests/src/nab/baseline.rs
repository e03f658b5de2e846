//! Detectors whose figures are published or plain, by which the scorer is proved and others are measured.

use super::Detector;

/// Finds nothing: scores 0 by definition.
pub fn null() -> Detector {
    Box::new(|_, _| 0.5)
}

/// Scores from a fixed seed, whatever the value.
pub fn random(seed: u64) -> Detector {
    let mut state = seed;
    Box::new(move |_, _| {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    })
}

/// An alarm every so many rows, whatever the value: what rarity of alarms alone is worth.
pub fn metronome(rows: u64) -> Detector {
    let mut row = 0;
    Box::new(move |_, _| {
        row += 1;
        if row % rows == 0 { 1.0 } else { 0.0 }
    })
}

/// NAB's `windowedGaussian`: the tail of a normal distribution over the last 6400 rows, moved on by 100 at a time.
///
/// The published figures were taken from scores written with twelve digits, which is where its threshold of 1 is from.
pub fn windowed_gaussian() -> Detector {
    const WINDOW: usize = 6400;
    const STEP: usize = 100;
    let mut window: Vec<f64> = Vec::new();
    let mut waiting = Vec::new();
    let (mut mean, mut deviation) = (0.0, 1.0);
    // Sums about the first value: the difference of large squares would lose what a small variance is.
    let mut sums = (0.0, 0.0, 0.0);
    Box::new(move |_, value| {
        let score = if window.is_empty() {
            0.0
        } else {
            let distance: f64 = (value - mean) / deviation;
            let likelihood = 1.0 - 0.5 * complementary_error(distance.abs() / 2f64.sqrt());
            (likelihood * 1e12).round() / 1e12
        };
        if window.len() < WINDOW {
            if window.is_empty() {
                sums.2 = value;
            }
            window.push(value);
            sums.0 += value - sums.2;
            sums.1 += (value - sums.2) * (value - sums.2);
            let count = window.len() as f64;
            mean = sums.2 + sums.0 / count;
            deviation = (sums.1 / count - (sums.0 / count) * (sums.0 / count))
                .max(0.0)
                .sqrt();
        } else {
            waiting.push(value);
            if waiting.len() < STEP {
                return score;
            }
            window.drain(..STEP);
            window.append(&mut waiting);
            let count = window.len() as f64;
            mean = window.iter().sum::<f64>() / count;
            let squares = window.iter().map(|value| (value - mean) * (value - mean));
            deviation = (squares.sum::<f64>() / count).sqrt();
        }
        if deviation == 0.0 {
            deviation = 0.000_001;
        }
        score
    })
}

/// erfc for arguments from 0 on, to a relative error of 1.2e-7 (Numerical Recipes, 6.2.2).
fn complementary_error(argument: f64) -> f64 {
    const CHEBYSHEV: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let t = 1.0 / (1.0 + 0.5 * argument);
    let series = CHEBYSHEV
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * t + coefficient);
    t * (series - argument * argument).exp()
}
