//! `observer usage`: who used what, and how complete the figures are.

use super::cli::{self, Column};
use super::failure::Failure;
use super::report::{Cell, Report, time};
use super::{reading, rules};
use crate::store::{self, Coverage, UsageRow};

/// Reads and prints.
///
/// # Errors
/// When the ledger cannot be read.
pub fn usage(arguments: &cli::Usage) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let reading = reading::open(&config, &arguments.period)?;
    let names: Vec<&'static str> = arguments.by.iter().map(|column| column.name()).collect();
    let failed = |error| Failure::input("ledger", error);
    let coverage = store::coverage(&reading.ledger, reading.period).map_err(failed)?;
    let rows = store::usage(&reading.ledger, reading.period, &names).map_err(failed)?;
    let mut columns = names;
    columns.extend([
        "requests",
        "uncertain",
        "completeness",
        "request_bytes",
        "response_bytes",
        "mean_ms",
    ]);
    let report = Report {
        from: reading.period.from,
        to: reading.period.until,
        completeness: coverage.completeness(),
        notes: reading.note.into_iter().chain(notes(&coverage)).collect(),
        columns,
        rows: rows.into_iter().map(|row| cells(row, &coverage)).collect(),
        nothing: "nothing was used in this time",
    };
    report.print(arguments.format)
}

fn cells(row: UsageRow, coverage: &Coverage) -> Vec<Cell> {
    let sums = row.sums;
    let certain = sums.requests.saturating_sub(sums.uncertain);
    let own = certain as f64 / sums.requests.max(1) as f64;
    let mean = sums.service_us as f64 / 1_000.0 / sums.requests.max(1) as f64;
    let mut cells: Vec<Cell> = row.group.into_iter().map(Cell::Text).collect();
    cells.extend([
        Cell::Count(sums.requests),
        Cell::Count(sums.uncertain),
        // What was lost cannot be said to be anybody's: everybody bears its share.
        Cell::Number(own * coverage.seen()),
        Cell::Count(sums.request_bytes),
        Cell::Count(sums.response_bytes),
        Cell::Number(mean),
    ]);
    cells
}

/// What was missed, in sentences.
fn notes(coverage: &Coverage) -> Vec<String> {
    let mut notes = Vec::new();
    for (reason, count) in &coverage.reasons {
        notes.push(format!("missed: {count} ({})", reason.replace('_', " ")));
    }
    for gap in &coverage.gaps {
        notes.push(format!(
            "not observed from {} to {}: {}",
            time(gap.from),
            time(gap.until),
            gap.reason
        ));
    }
    notes
}

impl Column {
    /// The column of the ledger, and the name in answers.
    fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::App => "app",
            Self::Key => "key",
            Self::Api => "api",
            Self::Route => "route",
            Self::Method => "method",
            Self::Status => "status",
            Self::Outcome => "outcome",
        }
    }
}
