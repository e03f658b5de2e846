//! What managing costs: loading a large registry, and holding a long log against the wire.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use crate::capture;
use crate::figures::{Floor, Table, median};
use crate::lab::{Failure, configuration, failed, observer};

/// Keys of an account.
const KEYS_OF_ACCOUNT: usize = 10;

/// How to measure.
#[derive(Args)]
pub struct Options {
    /// Keys in the registry
    #[arg(long, default_value_t = 100_000)]
    keys: usize,
    /// Lines in the log
    #[arg(long, default_value_t = 1_000_000)]
    lines: u32,
    /// Runs, of which the median counts
    #[arg(long, default_value_t = 5)]
    runs: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keys: 100_000,
            lines: 1_000_000,
            runs: 5,
        }
    }
}

/// Measures.
pub fn measure(options: &Options) -> Result<Table, Failure> {
    let mut table = Table::default();
    registry(options, &mut table)?;
    reconciliation(options, &mut table)?;
    Ok(table)
}

fn registry(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(failed("a temporary folder"))?;
    let config = configuration(folder.path(), &[])?;
    let mut text = String::new();
    for account in 0..options.keys.div_ceil(KEYS_OF_ACCOUNT) {
        let _ = write!(
            text,
            "[[account]]\nid = \"account-{account}\"\nname = \"Account {account}\"\n[[account.app]]\nid = \"app-{account}\"\n"
        );
        for key in 0..KEYS_OF_ACCOUNT.min(options.keys - account * KEYS_OF_ACCOUNT) {
            let _ = write!(
                text,
                "[[account.app.key]]\nid = \"key-{account}-{key}\"\nscheme = \"basic\"\nsubject = \"user-{account}-{key}\"\n\
                 hint = \"number {key}\"\nstate = \"active\"\nvalid_from = 2026-01-01T00:00:00Z\n"
            );
        }
    }
    fs::write(folder.path().join("registry.d/large.toml"), text).map_err(failed("large.toml"))?;
    let mut seconds = Vec::new();
    for _ in 0..options.runs {
        let start = Instant::now();
        let mut command = Command::new(observer()?);
        let output = finish(command.args(["config", "check"]).arg(&config))?;
        seconds.push(start.elapsed().as_secs_f64());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !said.contains(&format!("({} keys)", options.keys)) {
            return Err(Failure::new("observer config check", said));
        }
    }
    table.add(
        format!("management: seconds to load {} keys", options.keys),
        median(&seconds),
        "s",
        Floor::AtMost(1.0),
    );
    Ok(())
}

fn reconciliation(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(failed("a temporary folder"))?;
    let keys: Vec<_> = (0..capture::CONNECTIONS).map(capture::key).collect();
    let config = configuration(folder.path(), &keys)?;
    let place = |name: &str| folder.path().join(name);
    let (packets, records, log) = (place("wire.pcap"), place("records"), place("access.log"));
    capture::write(&packets, options.lines)?;
    let mut command = Command::new(observer()?);
    command
        .arg("replay")
        .arg(&packets)
        .arg("--config")
        .arg(&config)
        .arg("--records")
        .arg(&records);
    finish(&mut command)?;
    write_log(&records, &log)?;
    let mut seconds = Vec::new();
    for run in 0..options.runs {
        let start = Instant::now();
        let mut command = Command::new("taskset");
        command
            .args(["-c", "0"])
            .arg(observer()?)
            .args(["reconcile", "--log-format", "nginx-combined", "--log"])
            .arg(&log)
            .arg("--records")
            .arg(&records)
            .args(["--format", "json", "--config"])
            .arg(&config);
        let output = finish(&mut command)?;
        seconds.push(start.elapsed().as_secs_f64());
        let answer: Value =
            serde_json::from_slice(&output.stdout).map_err(failed("observer reconcile"))?;
        let rows = answer["rows"].as_array().cloned().unwrap_or_default();
        let matched = rows.iter().find(|row| row["class"] == "matched");
        let matched = matched.and_then(|row| row["count"].as_u64()).unwrap_or(0);
        if matched != u64::from(options.lines) {
            return Err(Failure::new("observer reconcile", answer));
        }
        eprintln!(
            "management: run {}: a log in {:.3} s",
            run + 1,
            seconds[run as usize]
        );
    }
    table.add(
        format!(
            "management: seconds to reconcile {} lines on one core",
            options.lines
        ),
        median(&seconds),
        "s",
        Floor::AtMost(10.0),
    );
    Ok(())
}

/// The access log that a server would have written of these records: a line an exchange, when it ends.
fn write_log(records: &Path, log: &Path) -> Result<(), Failure> {
    let lines = BufReader::new(File::open(records).map_err(failed("records"))?).lines();
    let mut log = BufWriter::new(File::create(log).map_err(failed("access.log"))?);
    for line in lines {
        let line = line.map_err(failed("records"))?;
        let record: Value = serde_json::from_str(&line).map_err(failed("records"))?;
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let time = text("time");
        let client = text("client");
        let client = client.rsplit_once(':').map_or("-", |(address, _)| address);
        // 2023-11-14T22:13:20.000000000Z as 14/Nov/2023:22:13:20
        let (year, day, clock) = (&time[..4], &time[8..10], &time[11..19]);
        writeln!(
            log,
            "{client} - - [{day}/Nov/{year}:{clock} +0000] \"{} {} HTTP/1.1\" {} {} \"-\" \"client/1.0\"",
            text("method"),
            text("target"),
            record["status"],
            record["response_body_bytes"],
        )
        .map_err(failed("access.log"))?;
    }
    log.flush().map_err(failed("access.log"))
}

/// Runs a command to its end, which has to be a good one.
fn finish(command: &mut Command) -> Result<Output, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(failed(name.clone()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure::new(name, said));
    }
    Ok(output)
}
