//! What is compared, in turns.

use std::fs;

use crate::figures::median;
use crate::lab::{Failure, failed};

const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Pairs of runs, without and with something: the median of the ratios of their rates (with, of without), and all runs with it.
///
/// Bias: every other pair the other way round, so that a drift of the machine favours neither.
pub fn compare<T>(
    name: &str,
    unit: &str,
    pairs: u32,
    mut without: impl FnMut() -> Result<f64, Failure>,
    mut with: impl FnMut() -> Result<T, Failure>,
    rate: impl Fn(&T) -> f64,
) -> Result<(f64, Vec<T>), Failure> {
    let (mut ratios, mut runs) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        let (without, run) = if pair % 2 == 0 {
            let without = without()?;
            (without, with()?)
        } else {
            let run = with()?;
            (without()?, run)
        };
        let with = rate(&run);
        ratios.push(with / without);
        eprintln!(
            "{name}: pair {}: {without:.0} {unit} without, {with:.0} with, ratio {:.3}",
            pair + 1,
            with / without
        );
        runs.push(run);
    }
    Ok((median(&ratios), runs))
}

/// Does something while the kernel keeps run statistics of its programs.
pub fn with_statistics<T>(deed: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let before = fs::read_to_string(STATISTICS).map_err(failed(STATISTICS))?;
    fs::write(STATISTICS, "1").map_err(failed(STATISTICS))?;
    let done = deed();
    fs::write(STATISTICS, before).map_err(failed(STATISTICS))?;
    done
}
