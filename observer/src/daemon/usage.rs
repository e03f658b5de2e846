//! `observer usage`: who used what, and how complete the figures are.

use std::collections::BTreeMap;

use super::cli::{self, Column};
use super::failure::Failure;
use super::reading::{self, Reading};
use super::report::{Cell, Report, time};
use super::rules;
use crate::store::{self, Coverage, Period, UsageRow};
use crate::usage::batch::Sums;

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
    let mut notes: Vec<String> = reading
        .note
        .iter()
        .cloned()
        .chain(notes(&coverage))
        .collect();
    notes.extend(kept_by_the_day(&reading, &names, &rows).map_err(failed)?);
    let before = if arguments.compare {
        if names.iter().any(|name| matches!(*name, "hour" | "day")) {
            let why = "hours and days have none of the same name before (leave them out of --by)";
            return Err(Failure::input("--compare", why));
        }
        let before = reading.period.before();
        let coverage = store::coverage(&reading.ledger, before).map_err(failed)?;
        notes.push(note_before(before, &coverage));
        Some(store::usage(&reading.ledger, before, &names).map_err(failed)?)
    } else {
        None
    };
    let mut columns = names;
    columns.extend([
        "requests",
        "uncertain",
        "completeness",
        "request_bytes",
        "response_bytes",
        "mean_ms",
    ]);
    let rows = match before {
        None => rows.into_iter().map(|row| cells(row, &coverage)).collect(),
        Some(before) => {
            columns.extend([
                "requests_before",
                "request_bytes_before",
                "response_bytes_before",
                "mean_ms_before",
            ]);
            beside(rows, before, &coverage)
        }
    };
    let report = Report {
        from: reading.period.from,
        to: reading.period.until,
        completeness: coverage.completeness(),
        notes,
        columns,
        rows,
        nothing: "nothing was used in this time",
    };
    report.print(arguments.format)
}

/// Says how much there is no hour of any more, where hours were asked for.
fn kept_by_the_day(
    reading: &Reading,
    names: &[&'static str],
    rows: &[UsageRow],
) -> Result<Option<String>, rusqlite::Error> {
    if !names.contains(&"hour") {
        return Ok(None);
    }
    let sum = |rows: &[UsageRow]| rows.iter().map(|row| row.sums.requests).sum::<u64>();
    let all = sum(&store::usage(&reading.ledger, reading.period, &[])?);
    let missing = all.saturating_sub(sum(rows));
    Ok((missing > 0).then(|| format!("{missing} requests are kept by the day only: ask by day")))
}

/// Rows of a period beside those of the one before; what was used only before comes last.
fn beside(rows: Vec<UsageRow>, before: Vec<UsageRow>, coverage: &Coverage) -> Vec<Vec<Cell>> {
    let mut before: BTreeMap<Vec<String>, Sums> = before
        .into_iter()
        .map(|row| (row.group, row.sums))
        .collect();
    let mut pairs: Vec<(UsageRow, Sums)> = Vec::with_capacity(rows.len());
    for row in rows {
        let sums = before.remove(&row.group).unwrap_or_default();
        pairs.push((row, sums));
    }
    let gone = before.into_iter().map(|(group, before)| {
        let sums = Sums::default();
        (UsageRow { group, sums }, before)
    });
    let pairs = pairs.into_iter().chain(gone);
    let rows = pairs.map(|(row, before)| {
        let mut cells = cells(row, coverage);
        cells.extend([
            Cell::Count(before.requests),
            Cell::Count(before.request_bytes),
            Cell::Count(before.response_bytes),
            Cell::Number(mean(&before)),
        ]);
        cells
    });
    rows.collect()
}

/// Milliseconds of service a request.
fn mean(sums: &Sums) -> f64 {
    sums.service_us as f64 / 1_000.0 / sums.requests.max(1) as f64
}

fn cells(row: UsageRow, coverage: &Coverage) -> Vec<Cell> {
    let sums = row.sums;
    let mut cells: Vec<Cell> = row.group.into_iter().map(Cell::Text).collect();
    cells.extend([
        Cell::Count(sums.requests),
        Cell::Count(sums.uncertain),
        Cell::Number(coverage.of(sums.requests, sums.uncertain)),
        Cell::Count(sums.request_bytes),
        Cell::Count(sums.response_bytes),
        Cell::Number(mean(&sums)),
    ]);
    cells
}

/// How complete the period before is, in a sentence.
pub fn note_before(before: Period, coverage: &Coverage) -> String {
    format!(
        "before: {} to {}, completeness {:.6}",
        time(before.from),
        time(before.until),
        coverage.completeness()
    )
}

/// What was missed, in sentences.
pub fn notes(coverage: &Coverage) -> Vec<String> {
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
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}
