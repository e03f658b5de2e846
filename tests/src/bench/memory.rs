//! The daemon's own memory, at rest and while many connections are open.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use clap::Args;

use crate::figures::{Floor, Table};
use crate::lab::{Failure, Lab, SERVER, failed};
use crate::process::Process;

/// Connections of one client process, and room for those of one nginx worker: below a usual limit of descriptors.
const EACH: u32 = 12_500;
const PORT: u16 = 8100;

/// How to measure.
#[derive(Args)]
pub struct Options {
    /// Connections that are open at the same time
    #[arg(long, default_value_t = 100_000)]
    connections: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 100_000,
        }
    }
}

/// Measures.
pub fn measure(options: &Options) -> Result<Table, Failure> {
    let lab = Lab::new()?;
    let processes = options.connections.div_ceil(EACH);
    // A port for each client process: one address has too few ports of its own for all of them.
    let ports: Vec<u16> = (0..processes).map(|number| PORT + number as u16).collect();
    let _nginx = lab.nginx(processes, EACH * 3 / 2, &ports)?;
    let observer = lab.observe()?;
    thread::sleep(Duration::from_secs(2));
    let rest = observer.status("RssAnon")?;
    let mut holders = Vec::new();
    let mut left = options.connections;
    for port in &ports {
        let connections = left.min(EACH);
        left -= connections;
        let own = std::env::current_exe().map_err(failed("the benchmark's own path"))?;
        holders.push(lab.client.enter(|| {
            Process::start(
                Command::new(own)
                    .args(["hold", "--to", &format!("{SERVER}:{port}")])
                    .args(["--connections", &connections.to_string()])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped()),
            )
        })?);
    }
    for holder in &mut holders {
        if !holder.line()?.starts_with("open") {
            return Err(Failure::new("a client", "could not open its connections"));
        }
    }
    let metrics = lab.settled_metrics()?;
    let loaded = observer.status("RssAnon")?;
    let mut table = Table::default();
    let followed = metrics.sum("observer_connections");
    table.add(
        "memory: connections followed",
        followed,
        "",
        Floor::AtLeast(f64::from(options.connections)),
    );
    let exchanges = metrics.sum("observer_http_requests_total");
    table.add(
        "memory: exchanges seen on them",
        exchanges,
        "",
        Floor::Exactly(f64::from(options.connections)),
    );
    let mebibytes = |kibibytes: u64| kibibytes as f64 / 1024.0;
    table.add(
        "memory: RssAnon at rest",
        mebibytes(rest),
        "MiB",
        Floor::AtMost(32.0),
    );
    table.add(
        "memory: RssAnon with all connections open",
        mebibytes(loaded),
        "MiB",
        Floor::AtMost(64.0),
    );
    table.add(
        "memory:   of it, a connection",
        loaded.saturating_sub(rest) as f64 * 1024.0 / followed.max(1.0),
        "bytes",
        Floor::None,
    );
    table.add(
        "memory: shared with the kernel (RssShmem + RssFile)",
        mebibytes(observer.status("RssShmem")? + observer.status("RssFile")?),
        "MiB",
        Floor::None,
    );
    Ok(table)
}
