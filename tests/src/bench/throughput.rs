//! nginx at saturation, without and with the observer, in turns.

use std::process::Command;

use clap::Args;

use crate::figures::{Floor, Table, median};
use crate::lab::{Failure, KEY, Lab, SERVER, output};
use crate::process::Process;
use crate::turns;

const PORT: u16 = 8080;

/// How to measure.
#[derive(Args)]
pub struct Options {
    /// Pairs of runs
    #[arg(long, default_value_t = 7)]
    pairs: u32,
    /// Seconds of a run
    #[arg(long, default_value_t = 4)]
    seconds: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pairs: 7,
            seconds: 4,
        }
    }
}

/// What one run with the observer showed.
pub struct Observed {
    /// What the load said.
    pub rate: f64,
    /// Exchanges that the observer counted.
    pub exchanges: f64,
    /// Nanoseconds of the daemon's CPU time.
    pub daemon: f64,
    /// Nanoseconds of the programs' run time, and their runs; zero while statistics are off.
    programs: f64,
    runs: f64,
    /// Events that found no room.
    pub lost: f64,
    /// Exchanges that the observer counted beyond those of nginx.
    pub excess: f64,
    /// Of what passed, how much it says that it saw.
    pub completeness: f64,
    /// Connections that it says it could not read.
    pub opaque: f64,
    detail: Vec<(String, f64)>,
}

impl Observed {
    /// Nanoseconds of CPU time an exchange, of the daemon and of the programs where statistics are on.
    pub fn cost(&self) -> f64 {
        (self.daemon + self.programs) / self.exchanges
    }
}

/// Measures.
pub fn measure(options: &Options) -> Result<Table, Failure> {
    let lab = Lab::new()?;
    let _nginx = lab.nginx(1, 1024, &[PORT])?;
    load(&lab, 1)?;
    let (ratio, mut runs) = turns::compare(
        "throughput",
        "requests/s",
        options.pairs,
        || load(&lab, options.seconds),
        || observed(&lab, || load(&lab, options.seconds)),
        |run| run.rate,
    )?;
    let counted = turns::with_statistics(|| observed(&lab, || load(&lab, options.seconds)))?;

    let daemon = |run: &Observed| run.daemon / run.exchanges;
    let daemon = median(&runs.iter().map(daemon).collect::<Vec<_>>());
    let programs = counted.programs / counted.exchanges;
    runs.push(counted);
    let mut table = Table::default();
    table.add(
        "throughput: with the observer / without",
        ratio,
        "",
        Floor::AtLeast(0.95),
    );
    let lost = runs.iter().map(|run| run.lost).sum();
    table.add("throughput: lost events", lost, "", Floor::Exactly(0.0));
    let differ = runs.iter().map(|run| run.excess.abs()).sum();
    table.add(
        "throughput: exchanges that differ from nginx's count",
        differ,
        "",
        Floor::Exactly(0.0),
    );
    let completeness = runs.iter().map(|run| run.completeness);
    table.add(
        "throughput: completeness, least",
        completeness.fold(f64::INFINITY, f64::min),
        "",
        Floor::Exactly(1.0),
    );
    table.add(
        "throughput: CPU time an exchange",
        (daemon + programs) / 1000.0,
        "us",
        Floor::AtMost(2.0),
    );
    table.add("throughput:   daemon", daemon / 1000.0, "us", Floor::None);
    table.add(
        "throughput:   kernel programs",
        programs / 1000.0,
        "us",
        Floor::None,
    );
    if let Some(counted) = runs.last() {
        table.add(
            "throughput:   packets an exchange",
            counted.runs / counted.exchanges,
            "",
            Floor::None,
        );
        for (program, nanoseconds) in &counted.detail {
            table.add(
                format!("throughput:   {program} a packet"),
                *nanoseconds,
                "ns",
                Floor::None,
            );
        }
    }
    Ok(table)
}

/// Requests a second of wrk at saturation.
pub fn load(lab: &Lab, seconds: u32) -> Result<f64, Failure> {
    let text = lab.client.enter(|| {
        output(
            Command::new("wrk")
                .args(["-t2", "-c32", &format!("-d{seconds}s")])
                .args(["-H", &format!("X-Api-Key: {KEY}")])
                .arg(format!("http://{SERVER}:{PORT}/v1/widgets/42")),
        )
    })?;
    text.lines()
        .find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())
        .ok_or_else(|| Failure::new("wrk", text))
}

/// A run with the observer, of a load that says its rate.
pub fn observed(
    lab: &Lab,
    load: impl FnOnce() -> Result<f64, Failure>,
) -> Result<Observed, Failure> {
    let observer: Process = lab.observe()?;
    let (answered, cpu) = (lab.answered()?, observer.cpu_time()?);
    let before = lab.metrics()?;
    let rate = load()?;
    let metrics = lab.settled_metrics()?;
    let daemon = (observer.cpu_time()? - cpu) as f64;
    // The second question about its count is in nginx's count too.
    let answered = (lab.answered()? - answered - 1) as f64;
    let exchanges = metrics.sum("observer_http_requests_total");
    drop(observer);
    lab.unpin();
    let seconds_of = "observer_bpf_run_seconds_total";
    let runs_of = "observer_bpf_runs_total";
    let detail = metrics
        .series(seconds_of)
        .zip(metrics.series(runs_of))
        .filter(|(_, (_, runs))| *runs > 1000.0)
        .map(|((program, seconds), (_, runs))| (program.to_owned(), seconds * 1e9 / runs))
        .collect();
    Ok(Observed {
        rate,
        exchanges,
        daemon,
        programs: (metrics.sum(seconds_of) - before.sum(seconds_of)) * 1e9,
        runs: metrics.sum(runs_of) - before.sum(runs_of),
        lost: metrics.sum("observer_capture_lost_events_total"),
        excess: exchanges - answered,
        completeness: metrics.sum("observer_capture_completeness_ratio"),
        opaque: metrics.sum("observer_opaque_connections_total"),
        detail,
    })
}
