//! `cargo xtask bench`: what observing costs, as ratios and sums within one run, against the floors that are promised.
//!
//! Bias: what is compared runs in turns on the same machine, and the median of the pairs counts; a busy machine makes
//! the figures worse, never better.

mod awareness;
mod capture;
mod figures;
mod hold;
mod http2;
mod lab;
mod ledger;
mod looking;
mod management;
mod memory;
mod packet;
mod process;
mod replay;
mod response;
mod statements;
mod throughput;
mod tls;
mod turns;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use observer_tests::akb;

use crate::figures::Table;
use crate::lab::Failure;

/// Measure what observing costs.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// nginx's throughput without and with the observer, and CPU time an exchange (root)
    Throughput(throughput::Options),
    /// CPU time of an exchange over HTTP/2 beside one over HTTP/1 (root)
    Http2(http2::Options),
    /// HTTPS without and with the observer, what its probe costs beside the usual ones, and decryption (root)
    Tls(tls::Options),
    /// Exchanges a second of `observer replay` on one core
    Replay(replay::Options),
    /// Memory at rest and with many open connections (root)
    Memory(memory::Options),
    /// What the ledger costs, how large it gets and how fast it answers (root)
    Ledger(ledger::Options),
    /// Loading a large registry, and holding a long log against the wire
    Management(management::Options),
    /// AKB-1 and NAB: what awareness tells, how soon, and what it costs
    Awareness(awareness::Options),
    /// nginx's throughput with nothing and with many keys shut off, and how soon one is (root)
    Response(response::Options),
    /// Invoicing a year of a hundred consumers
    Statements(statements::Options),
    /// The daemon's CPU time and memory with many open pages (root)
    Looking(looking::Options),
    /// Nanoseconds that the kernel programs take for each kind of packet (root)
    Packet(packet::Options),
    /// Open connections and keep them: a part of `memory`
    #[command(hide = true)]
    Hold(hold::Options),
    /// Write the traffic of a seed of AKB-1 as a capture, with a configuration that knows its keys, to look at
    Scene {
        /// The folder
        to: PathBuf,
        /// The seed
        #[arg(long, default_value_t = 11)]
        seed: u64,
        /// Keys
        #[arg(long, default_value_t = 80)]
        keys: usize,
        /// Days before anything is planted
        #[arg(long, default_value_t = 1)]
        training: u64,
        /// Days after
        #[arg(long, default_value_t = 1)]
        days: u64,
    },
    /// Write the capture file of `replay`, to look at it with other tools
    Capture {
        /// The file
        to: PathBuf,
        /// Exchanges in it
        #[arg(long, default_value_t = 1_000_000)]
        exchanges: u32,
    },
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Whether every floor was met.
fn measure(arguments: &Arguments) -> Result<bool, Failure> {
    let table = match &arguments.what {
        Some(What::Hold(options)) => return hold::connections(options).map(|()| true),
        Some(What::Capture { to, exchanges }) => {
            return capture::write(to, *exchanges).map(|()| true);
        }
        Some(What::Scene {
            to,
            seed,
            keys,
            training,
            days,
        }) => {
            let size = akb::Size {
                keys: *keys,
                training: *training,
                days: *days,
            };
            let written = std::fs::create_dir_all(to).and_then(|()| akb::emit(*seed, size, to));
            return written
                .map(|_| true)
                .map_err(|error| Failure::new(to.display().to_string(), error));
        }
        Some(What::Throughput(options)) => throughput::measure(options)?,
        Some(What::Http2(options)) => http2::measure(options)?,
        Some(What::Tls(options)) => tls::measure(options)?,
        Some(What::Replay(options)) => replay::measure(options)?,
        Some(What::Memory(options)) => memory::measure(options)?,
        Some(What::Ledger(options)) => ledger::measure(options)?,
        Some(What::Management(options)) => management::measure(options)?,
        Some(What::Awareness(options)) => awareness::measure(options)?,
        Some(What::Response(options)) => response::measure(options)?,
        Some(What::Statements(options)) => statements::measure(options)?,
        Some(What::Looking(options)) => looking::measure(options)?,
        Some(What::Packet(options)) => packet::measure(options)?,
        None => {
            let mut all = Table::default();
            all.extend(replay::measure(&replay::Options::default())?);
            all.extend(throughput::measure(&throughput::Options::default())?);
            all.extend(http2::measure(&http2::Options::default())?);
            all.extend(tls::measure(&tls::Options::default())?);
            all.extend(memory::measure(&memory::Options::default())?);
            all.extend(ledger::measure(&ledger::Options::default())?);
            all.extend(management::measure(&management::Options::default())?);
            all.extend(awareness::measure(&awareness::Options::default())?);
            all.extend(response::measure(&response::Options::default())?);
            all.extend(statements::measure(&statements::Options::default())?);
            all.extend(looking::measure(&looking::Options::default())?);
            all.extend(packet::measure(&packet::Options::default())?);
            all
        }
    };
    print!("{table}");
    Ok(table.is_met())
}
