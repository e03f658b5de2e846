//! CPU time of an exchange over HTTP/2 beside one over HTTP/1: the same load generator asks the same nginx the same, in turns, once
//! with one request at a time on each connection and once with many.

use std::process::Command;

use clap::Args;

use crate::figures::{Floor, Table, median};
use crate::lab::{Failure, KEY, Lab, SERVER, output};
use crate::throughput::{Observed, observed};
use crate::turns;

const HTTP1: u16 = 8080;
const HTTP2: u16 = 8081;
/// Connections of the load generator.
const CONNECTIONS: u32 = 32;

/// How to measure.
#[derive(Args)]
pub struct Options {
    /// Rounds, of which the median counts
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Requests of a run
    #[arg(long, default_value_t = 150_000)]
    requests: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rounds: 5,
            requests: 150_000,
        }
    }
}

/// Measures.
pub fn measure(options: &Options) -> Result<Table, Failure> {
    let lab = Lab::new()?;
    let listen = format!(
        "listen {HTTP1} reuseport backlog=4096; listen {HTTP2} http2 reuseport backlog=4096;\n\
         http2_max_concurrent_streams 256;\n"
    );
    let _nginx = lab.nginx_with(1, 1024, &listen)?;
    let mut all = Vec::new();
    let mut table = Table::default();
    let mut rounds = [const { Vec::new() }; 3];
    for _ in 0..options.rounds {
        let kinds = [(HTTP1, 1), (HTTP2, 1), (HTTP2, 100)];
        for ((port, streams), costs) in kinds.into_iter().zip(&mut rounds) {
            let run = turns::with_statistics(|| {
                observed(&lab, || load(&lab, port, streams, options.requests))
            })?;
            costs.push(run.cost());
            all.push(run);
        }
    }
    let [http1, http2, many] = &rounds;
    for (name, costs) in [
        ("http2: CPU time an exchange of HTTP/1", http1),
        ("http2: CPU time an exchange of HTTP/2", http2),
        ("http2: the same, 100 at a time", many),
    ] {
        table.add(name, median(costs) / 1000.0, "us", Floor::None);
    }
    let ratios = http1.iter().zip(http2).map(|(one, two)| two / one);
    table.add(
        "http2: CPU time an exchange, HTTP/2 / HTTP/1",
        median(&ratios.collect::<Vec<_>>()),
        "",
        Floor::AtMost(1.5),
    );
    let differ = |value: fn(&Observed) -> f64| all.iter().map(value).sum();
    for (name, value) in [
        ("http2: lost events", differ(|run| run.lost)),
        ("http2: connections not read", differ(|run| run.opaque)),
        (
            "http2: exchanges that differ from nginx's count",
            differ(|run| run.excess.abs()),
        ),
    ] {
        table.add(name, value, "", Floor::Exactly(0.0));
    }
    Ok(table)
}

/// Requests a second of h2load at saturation.
fn load(lab: &Lab, port: u16, streams: u32, requests: u32) -> Result<f64, Failure> {
    let text = lab.client.enter(|| {
        let mut h2load = Command::new("h2load");
        if port == HTTP1 {
            h2load.arg("--h1");
        }
        output(
            h2load
                .args(["-t", "1", "-c", &CONNECTIONS.to_string()])
                .args(["-m", &streams.to_string(), "-n", &requests.to_string()])
                .args(["-H", &format!("X-Api-Key: {KEY}")])
                .arg(format!("http://{SERVER}:{port}/v1/widgets/42")),
        )
    })?;
    text.lines()
        .find_map(|line| {
            let (_, rate) = line.strip_prefix("finished in ")?.split_once(", ")?;
            rate.split_once(" req/s")?.0.parse().ok()
        })
        .ok_or_else(|| Failure::new("h2load", text))
}
