//! The ledger: what writing to it costs under load, how large it gets in years, and how fast it answers.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use clap::Args;
use rusqlite::{Connection, params};

use crate::capture;
use crate::figures::{Floor, Table, median};
use crate::lab::{Failure, Lab, SERVER, configuration, failed, observer, output};

const PORT: u16 = 8080;
const ACCOUNTS: u32 = 100;
/// Routes that there are, and those of them that an account uses.
const ROUTES: u32 = 50;
const USED: u32 = 10;
const DAY: u64 = 86_400;
/// Default retention: seconds of each step, and how long it is kept.
const KEPT: [(&str, u64, u64); 3] = [
    ("minute", 60, 2 * DAY),
    ("quarter", 900, 62 * DAY),
    ("day", DAY, 1826 * DAY),
];

/// How to measure.
#[derive(Args)]
pub struct Options {
    /// Seconds under load
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Queries, of which the median counts
    #[arg(long, default_value_t = 11)]
    queries: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seconds: 20,
            queries: 11,
        }
    }
}

/// Measures.
pub fn measure(options: &Options) -> Result<Table, Failure> {
    let mut table = Table::default();
    writing(options, &mut table)?;
    reading(options, &mut table)?;
    Ok(table)
}

/// Load of every account on its routes: CPU time of the ledger's thread as a share of the daemon's.
fn writing(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let lab = Lab::new()?;
    let keys: Vec<_> = (0..ACCOUNTS).map(capture::key).collect();
    configuration(lab.folder.path(), &keys)?;
    let _nginx = lab.nginx(1, 1024, &[PORT])?;
    let script = lab.folder.path().join("accounts.lua");
    let list: Vec<_> = keys.iter().map(|key| format!("{key:?}")).collect();
    // Fewer names under one segment than make them look like identifiers.
    let lua = format!(
        "local keys = {{{}}}
        local number = 0
        function request()
          number = number + 1
          local account = number % {ACCOUNTS}
          local route = (account + math.floor(number / {ACCOUNTS}) % {USED}) % {ROUTES}
          local name = '/v' .. math.floor(route / 25) .. '/r' .. string.char(97 + route % 25)
          return wrk.format('GET', name .. '/' .. number, {{['X-Api-Key'] = keys[account + 1]}})
        end",
        list.join(",")
    );
    fs::write(&script, lua).map_err(failed("accounts.lua"))?;
    let observer = lab.observe()?;
    let spent = || -> Result<(u64, u64), Failure> {
        Ok((
            observer.cpu_time()?,
            observer.cpu_time_of(|name| name == "ledger")?,
        ))
    };
    let before = spent()?;
    lab.client.enter(|| {
        output(
            Command::new("wrk")
                .args(["-t1", "-c32", &format!("-d{}s", options.seconds), "-s"])
                .arg(&script)
                .arg(format!("http://{SERVER}:{PORT}")),
        )
    })?;
    let metrics = lab.settled_metrics()?;
    let after = spent()?;
    let (all, ledger) = (after.0 - before.0, after.1 - before.1);
    let exchanges = metrics.sum("observer_http_requests_total");
    table.add(
        "ledger: exchanges a second",
        exchanges / f64::from(options.seconds),
        "1/s",
        Floor::None,
    );
    table.add(
        "ledger: share of its writer in the daemon's CPU time",
        ledger as f64 / all as f64,
        "",
        Floor::AtMost(0.05),
    );
    table.add(
        "ledger: rows written at a time",
        metrics.series("observer_http_requests_total").count() as f64,
        "",
        Floor::None,
    );
    Ok(())
}

/// Five years of every account on its routes, and a month's usage of them.
fn reading(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(failed("a temporary folder"))?;
    let config = configuration(folder.path(), &[])?;
    let path = folder.path().join("ledger.sqlite");
    let rows = generate(&path).map_err(failed("generating a ledger"))?;
    table.add("ledger: rows in five years", rows as f64, "", Floor::None);
    let bytes = fs::metadata(&path).map_err(failed("the ledger"))?.len();
    table.add(
        "ledger: size after five years",
        bytes as f64 / f64::from(1 << 30),
        "GiB",
        Floor::AtMost(2.0),
    );
    let binary = observer()?;
    let mut times = Vec::new();
    for _ in 0..options.queries {
        let begun = Instant::now();
        let answer = output(
            Command::new(&binary)
                .args(["usage", "--from", "40d", "--to", "10d", "--format", "json"])
                .arg("--config")
                .arg(&config),
        )?;
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        let accounts = answer.matches("\"consumer\"").count();
        if accounts != ACCOUNTS as usize {
            return Err(Failure::new(
                "a month's usage",
                format!("{accounts} accounts"),
            ));
        }
    }
    table.add(
        "ledger: a month's usage by consumer",
        median(&times),
        "ms",
        Floor::AtMost(100.0),
    );
    Ok(())
}

/// Fills a ledger as five years of traffic would, up to now. Returns the number of rows.
fn generate(path: &Path) -> Result<u64, Box<dyn std::error::Error>> {
    let mut ledger: Connection = observer::store::open(path, None)?;
    ledger.pragma_update(None, "synchronous", "OFF")?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)?
        .as_secs();
    let transaction = ledger.transaction()?;
    let mut dimensions = 0;
    for account in 0..ACCOUNTS {
        for route in 0..USED {
            for (status, outcome) in [(200, "ok"), (404, "not_found")] {
                transaction.execute(
                    "INSERT INTO dimension (consumer, app, key, api, route, method, status, outcome)
                     VALUES (?1, ?2, ?3, 'orders', ?4, 'GET', ?5, ?6)",
                    params![
                        format!("account-{account}"),
                        format!("app-{account}"),
                        format!("key-{account}"),
                        format!("/v1/r{}/{{id}}", (account + route) % ROUTES),
                        status,
                        outcome
                    ],
                )?;
                dimensions += 1;
            }
        }
    }
    let mut rows = 0;
    for (table, step, kept) in KEPT {
        let mut insert = transaction.prepare(&format!(
            "INSERT INTO {table} VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6)"
        ))?;
        let first = (now - kept) / step * step;
        for start in (first..now).step_by(step as usize) {
            for dimension in 1..=dimensions {
                // Errors are rarer: an eighth of the windows of a minute, all of a day's.
                let seldom = dimension % 2 == 0 && (start / step + dimension) % 8 != 0;
                if seldom && table != "day" {
                    continue;
                }
                let requests = step * (1 + dimension % 7);
                insert.execute(params![
                    start,
                    dimension,
                    requests,
                    requests * 100,
                    requests * 2_000,
                    requests * 900
                ])?;
                rows += 1;
            }
        }
    }
    transaction.commit()?;
    ledger.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
    Ok(rows)
}
