//! `observer replay` on one core, from a file in the page cache.

use std::fs;
use std::process::Command;
use std::time::Instant;

use clap::Args;

use crate::capture;
use crate::figures::{Floor, Table, median};
use crate::lab::{Failure, configuration, failed, observer};

/// How to measure.
#[derive(Args)]
pub struct Options {
    /// Exchanges in the capture file
    #[arg(long, default_value_t = 1_000_000)]
    exchanges: u32,
    /// Runs, of which the median counts
    #[arg(long, default_value_t = 5)]
    runs: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            exchanges: 1_000_000,
            runs: 5,
        }
    }
}

/// Measures.
pub fn measure(options: &Options) -> Result<Table, Failure> {
    let folder = tempfile::tempdir().map_err(failed("a temporary folder"))?;
    let file = folder.path().join("replay.pcap");
    capture::write(&file, options.exchanges)?;
    let keys: Vec<_> = (0..capture::CONNECTIONS).map(capture::key).collect();
    let config = configuration(folder.path(), &keys)?;
    // Read once, so that it lies in the page cache.
    fs::read(&file).map_err(failed(file.display().to_string()))?;
    let (mut by_clock, mut by_cpu) = (Vec::new(), Vec::new());
    let mut wrong = 0.0;
    for run in 0..options.runs {
        let metrics = folder.path().join("metrics");
        let (start, before) = (Instant::now(), cpu_of_children());
        let status = Command::new("taskset")
            .args(["-c", "0"])
            .arg(observer()?)
            .arg("replay")
            .arg(&file)
            .arg("--config")
            .arg(&config)
            .arg("--metrics")
            .arg(&metrics)
            .status()
            .map_err(failed("observer replay"))?;
        if !status.success() {
            return Err(Failure::new("observer replay", status));
        }
        let (clock, cpu) = (start.elapsed().as_secs_f64(), cpu_of_children() - before);
        let text = fs::read_to_string(&metrics).map_err(failed("metrics"))?;
        let counted = crate::lab::Metrics::from(text).sum("observer_http_requests_total");
        wrong += (counted - f64::from(options.exchanges)).abs();
        by_clock.push(counted / clock);
        by_cpu.push(counted / cpu);
        eprintln!(
            "replay: run {}: {clock:.3} s, {cpu:.3} s of CPU time",
            run + 1
        );
    }
    let mut table = Table::default();
    table.add(
        "replay: exchanges a second of CPU time",
        median(&by_cpu),
        "1/s",
        Floor::AtLeast(500_000.0),
    );
    table.add(
        "replay: exchanges a second",
        median(&by_clock),
        "1/s",
        Floor::None,
    );
    table.add(
        "replay: exchanges not counted right",
        wrong,
        "",
        Floor::Exactly(0.0),
    );
    Ok(table)
}

/// Seconds of CPU time of the processes that were waited for (`/proc/self/stat`, cutime and cstime).
fn cpu_of_children() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = after_name
        .split_ascii_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / rustix::param::clock_ticks_per_second() as f64
}
