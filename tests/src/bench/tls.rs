//! HTTPS at saturation, without and with the observer, in turns: on connections that stay open, and on one new connection a
//! request. Beside it what probes of OpenSSL's reads and writes cost that do nothing at all, and how fast records are decrypted.

mod classic;
mod client;
mod decryption;
mod ends;

use std::process::Command;
use std::thread;
use std::time::Duration;

use clap::Args;

use crate::figures::{Floor, Table, median};
use crate::lab::{Failure, KEY, Lab, Metrics, SERVER, output};
use crate::process::Process;
use crate::throughput::{Observed, observed};
use crate::turns;
use classic::Classic;
use ends::Identity;

const PORT: u16 = 8443;
const TARGET: &str = "/v1/widgets/42";
/// What the kernel counts of programs, by the observer's names.
const RUNS: &str = "observer_bpf_runs_total";
const RUN_TIME: &str = "observer_bpf_run_seconds_total";
/// Seconds that wrk may take to open its connections.
const OPENING: u32 = 2;

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

/// Measures.
pub fn measure(options: &Options) -> Result<Table, Failure> {
    let lab = Lab::new()?;
    let identity = Identity::make(lab.folder.path())?;
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    let nginx = lab.nginx_with(
        1,
        1024,
        &format!(
            "listen {PORT} ssl reuseport backlog=4096; ssl_certificate {certificate}; ssl_certificate_key {key};\n\
             ssl_protocols TLSv1.3; ssl_session_tickets off; ssl_session_cache off;\n"
        ),
    )?;
    let mut table = Table::default();
    let mut runs = kept_open(&lab, options, &mut table)?;
    usual_probes(&lab, &nginx, options, &mut table)?;
    runs.extend(newly_opened(&lab, &identity, options, &mut table)?);
    told_right(&runs, &mut table);
    decryption::measure(&identity, &mut table)?;
    Ok(table)
}

/// Connections that stay open.
fn kept_open(lab: &Lab, options: &Options, table: &mut Table) -> Result<Vec<Observed>, Failure> {
    load(lab, 1)?;
    let (ratio, runs) = turns::compare(
        "tls: kept open",
        "requests/s",
        options.pairs,
        || load(lab, options.seconds),
        || observed(lab, || load(lab, options.seconds)),
        |run| run.rate,
    )?;
    table.add(
        "tls: kept open: with the observer / without",
        ratio,
        "",
        Floor::AtLeast(0.95),
    );
    daemon_time("tls:   CPU time of the daemon a request", &runs, table);
    let counted = counted(lab, options, |seconds| load(lab, seconds))?;
    table.add(
        "tls: kept open: runs of the probe a request",
        counted.probe_runs,
        "",
        Floor::Exactly(0.0),
    );
    table.add(
        "tls:   kernel programs a request",
        counted.programs,
        "us",
        Floor::None,
    );
    Ok(runs)
}

/// What the kernel counted, a request.
struct Counted {
    probe_runs: f64,
    /// Microseconds of the run time of all programs.
    programs: f64,
    /// Of it, of the probe.
    probe: f64,
}

/// A run of a load with the observer, of which the time from after it opened its connections until before it closes them counts.
fn counted(
    lab: &Lab,
    options: &Options,
    load: impl FnOnce(u32) -> Result<f64, Failure> + Send,
) -> Result<Counted, Failure> {
    turns::with_statistics(|| {
        let observer = lab.observe()?;
        let between = thread::scope(|scope| {
            let load = scope.spawn(|| load(options.seconds + 2 * OPENING));
            let between = between(lab, options.seconds);
            match load.join() {
                Ok(load) => load.and(between),
                Err(_) => Err(Failure::new("a load", "panicked")),
            }
        });
        drop(observer);
        lab.unpin();
        between
    })
}

/// In seconds of their own: what else on this host shakes hands meanwhile runs the probe too, hardly in each of them, so that the
/// second with the fewest runs counts.
fn between(lab: &Lab, seconds: u32) -> Result<Counted, Failure> {
    thread::sleep(Duration::from_secs(OPENING.into()));
    let mut before = lab.metrics()?;
    if of_probe(&before, RUNS)? == 0.0 {
        return Err(Failure::new("the probe", "did not see connections open"));
    }
    let (mut least, mut programs, mut probe) = (f64::INFINITY, Vec::new(), Vec::new());
    for _ in 0..seconds {
        thread::sleep(Duration::from_secs(1));
        let after = lab.metrics()?;
        let passed = |family| after.sum(family) - before.sum(family);
        let requests = passed("observer_http_requests_total");
        if requests == 0.0 {
            return Err(Failure::new("a load", "none of its requests was seen"));
        }
        let by_probe = |family| -> Result<f64, Failure> {
            Ok(of_probe(&after, family)? - of_probe(&before, family)?)
        };
        least = least.min(by_probe(RUNS)? / requests);
        programs.push(passed(RUN_TIME) * 1e6 / requests);
        probe.push(by_probe(RUN_TIME)? * 1e6 / requests);
        before = after;
    }
    Ok(Counted {
        probe_runs: least,
        programs: median(&programs),
        probe: median(&probe),
    })
}

/// What the kernel counted of the probe. That there is no count must not look like one of nothing.
fn of_probe(metrics: &Metrics, family: &str) -> Result<f64, Failure> {
    metrics
        .series(family)
        .find(|(labels, _)| labels.contains("\"observer_keys\""))
        .map(|(_, value)| value)
        .ok_or_else(|| Failure::new(family, "does not tell of the probe"))
}

/// The figure to beat: probes on every read and write.
fn usual_probes(
    lab: &Lab,
    nginx: &Process,
    options: &Options,
    table: &mut Table,
) -> Result<(), Failure> {
    let worker = classic::only_child(nginx.id())?;
    let (ratio, _) = turns::compare(
        "tls: probes of SSL_read and SSL_write",
        "requests/s",
        options.pairs,
        || load(lab, options.seconds),
        || {
            let probes = Classic::attach(worker)?;
            let rate = load(lab, options.seconds)?;
            drop(probes);
            Ok(rate)
        },
        |rate| *rate,
    )?;
    let runs = turns::with_statistics(|| {
        let probes = Classic::attach(worker)?;
        let answered = lab.answered()?;
        load(lab, options.seconds)?;
        Ok(probes.runs()? / (lab.answered()? - answered - 1) as f64)
    })?;
    table.add(
        "tls:   with empty probes of reads, writes / without",
        ratio,
        "",
        Floor::None,
    );
    table.add("tls:   runs of those a request", runs, "", Floor::None);
    Ok(())
}

/// One new connection a request.
fn newly_opened(
    lab: &Lab,
    identity: &Identity,
    options: &Options,
    table: &mut Table,
) -> Result<Vec<Observed>, Failure> {
    let configuration = identity.client()?;
    let open = |seconds: u32| {
        let window = Duration::from_secs(seconds.into());
        client::connections(lab, &configuration, PORT, TARGET, window)
    };
    let mut without = Vec::new();
    let (ratio, runs) = turns::compare(
        "tls: newly opened",
        "connections/s",
        options.pairs,
        || {
            let rate = open(options.seconds)?;
            without.push(rate);
            Ok(rate)
        },
        || observed(lab, || open(options.seconds)),
        |run| run.rate,
    )?;
    table.add(
        "tls: newly opened: with the observer / without",
        ratio,
        "",
        Floor::AtLeast(0.92),
    );
    table.add(
        "tls:   connections a second without it",
        median(&without),
        "1/s",
        Floor::None,
    );
    daemon_time("tls:   CPU time of the daemon a connection", &runs, table);
    let counted = counted(lab, options, open)?;
    table.add(
        "tls:   kernel programs a connection",
        counted.programs,
        "us",
        Floor::None,
    );
    table.add(
        "tls:     of it the probe, its interrupts aside",
        counted.probe,
        "us",
        Floor::None,
    );
    table.add(
        "tls:   runs of the probe a connection",
        counted.probe_runs,
        "",
        Floor::None,
    );
    Ok(runs)
}

fn daemon_time(name: &str, runs: &[Observed], table: &mut Table) {
    let microseconds = |run: &Observed| run.daemon / run.exchanges / 1000.0;
    let all: Vec<_> = runs.iter().map(microseconds).collect();
    table.add(name, median(&all), "us", Floor::None);
}

/// Whether the observer saw what there was, neither more nor less.
fn told_right(runs: &[Observed], table: &mut Table) {
    let lost = runs.iter().map(|run| run.lost).sum();
    table.add("tls: lost events", lost, "", Floor::Exactly(0.0));
    table.add(
        "tls: exchanges that differ from nginx's count",
        runs.iter().map(|run| run.excess.abs()).sum(),
        "",
        Floor::Exactly(0.0),
    );
    table.add(
        "tls: connections that were not read",
        runs.iter().map(|run| run.opaque).sum(),
        "",
        Floor::Exactly(0.0),
    );
    let completeness = runs.iter().map(|run| run.completeness);
    table.add(
        "tls: completeness, least",
        completeness.fold(f64::INFINITY, f64::min),
        "",
        Floor::Exactly(1.0),
    );
}

/// Requests a second of wrk at saturation, on connections that stay open.
fn load(lab: &Lab, seconds: u32) -> Result<f64, Failure> {
    let text = lab.client.enter(|| {
        output(
            Command::new("wrk")
                .args(["-t2", "-c32", &format!("-d{seconds}s")])
                .args(["-H", &format!("X-Api-Key: {KEY}")])
                .arg(format!("https://{SERVER}:{PORT}{TARGET}")),
        )
    })?;
    text.lines()
        .find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok())
        .ok_or_else(|| Failure::new("wrk", text))
}
