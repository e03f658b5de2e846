//! Totals that somebody reports, against the ledger's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::daemon::cli;
use crate::daemon::config::Config;
use crate::daemon::failure::Failure;
use crate::daemon::reading;
use crate::daemon::report::{Cell, Report, time};
use crate::identity::registry::is_reserved;
use crate::identity::shown::Shown;
use crate::store::{self, Period};
use crate::usage::reconcile::totals::{self, Meter, Standing};

/// Bytes of a file of totals.
const BYTES: u64 = 256 << 20;

/// A total of the ledger, and how much of its period was seen.
struct Seen {
    consumer: String,
    meter: Meter,
    quantity: f64,
}

/// Compares. False: something does not match.
pub(super) fn of_reported(
    arguments: &cli::Reconcile,
    config: &Config,
    path: &Path,
) -> Result<bool, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::input(path.display(), error);
    let length = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if length > BYTES {
        return Err(failed(&"it is larger than 256 MiB"));
    }
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    let reported = totals::parse(&text).map_err(|error| failed(&error))?;
    let note = reading::ask(&config.control.socket, "commit").err();
    let ledger = reading::ledger(config)?;
    let refused = |error| Failure::input("ledger", error);
    let periods: BTreeSet<(u64, u64)> = reported.iter().map(|row| (row.from, row.to)).collect();
    let mut rows = Vec::new();
    let mut clean = true;
    let mut completeness: f64 = 1.0;
    for (from, to) in periods {
        // The ledger counts by the minute.
        let period = Period {
            from: from / 60 * 60,
            until: to.div_ceil(60) * 60,
        };
        let coverage = store::coverage(&ledger, period).map_err(refused)?;
        completeness = completeness.min(coverage.completeness());
        let seen = seen(&ledger, period).map_err(refused)?;
        let mut row = |consumer: &str, meter: Meter, standing: Standing, told: f64, was: f64| {
            clean &= !standing.is_drift();
            rows.push(vec![
                Cell::Text(consumer.to_owned()),
                Cell::Text(meter.name().to_owned()),
                Cell::Text(time(from)),
                Cell::Text(time(to)),
                Cell::Text(standing.name().to_owned()),
                Cell::Number(told),
                Cell::Number(was),
            ]);
        };
        let of_period: Vec<_> = reported
            .iter()
            .filter(|row| (row.from, row.to) == (from, to))
            .collect();
        for told in &of_period {
            let found = seen
                .iter()
                .find(|seen| *seen.consumer == *told.consumer && seen.meter == told.meter);
            let was = found.map_or(0.0, |seen| seen.quantity);
            let standing = Standing::of(
                told.quantity,
                was,
                coverage.completeness(),
                arguments.tolerance / 100.0,
            );
            let name = match found {
                Some(_) => told.consumer.to_string(),
                // What the ledger has not may be anything.
                None => Shown(&told.consumer).to_string(),
            };
            row(&name, told.meter, standing, told.quantity, was);
        }
        // Of meters that are reported at all, nobody may be left out.
        let meters: BTreeSet<Meter> = of_period.iter().map(|row| row.meter).collect();
        for seen in seen.iter().filter(|seen| meters.contains(&seen.meter)) {
            let is_told = of_period
                .iter()
                .any(|told| *told.consumer == *seen.consumer && told.meter == seen.meter);
            if !is_told && seen.quantity > 0.0 && !is_reserved(&seen.consumer) {
                row(
                    &seen.consumer,
                    seen.meter,
                    Standing::Unreported,
                    0.0,
                    seen.quantity,
                );
            }
        }
    }
    Report {
        from: reported.iter().map(|row| row.from).min().unwrap_or(0),
        to: reported.iter().map(|row| row.to).max().unwrap_or(0),
        completeness,
        notes: note.into_iter().collect(),
        columns: vec![
            "consumer", "meter", "from", "to", "class", "reported", "ledger",
        ],
        rows,
        nothing: "nothing is reported",
    }
    .print(arguments.format)?;
    Ok(clean)
}

fn seen(ledger: &store::Reader, period: Period) -> Result<Vec<Seen>, rusqlite::Error> {
    let rows = store::usage(ledger, period, &["consumer"])?;
    Ok(rows
        .into_iter()
        .flat_map(|row| {
            let consumer = row.group.first().cloned().unwrap_or_default();
            let sums = row.sums;
            [
                (Meter::Requests, sums.requests),
                (Meter::RequestBytes, sums.request_bytes),
                (Meter::ResponseBytes, sums.response_bytes),
            ]
            .map(|(meter, quantity)| Seen {
                consumer: consumer.clone(),
                meter,
                quantity: quantity as f64,
            })
        })
        .collect())
}
