//! `observer responses log`: what was done, by whom and why; nothing in it is ever changed.

use super::super::cli;
use super::super::failure::Failure;
use super::super::report::{self, Cell, Report};
use super::super::{reading, rules};
use super::SECOND;
use crate::response::Event;
use crate::store;

const COLUMNS: [&str; 15] = [
    "time",
    "action",
    "deed",
    "by",
    "subject",
    "verb",
    "until",
    "exchanges",
    "consumers",
    "refused",
    "passed",
    "late",
    "shared",
    "packets",
    "reason",
];

/// `observer responses log`.
///
/// # Errors
/// When the ledger cannot be read, or the period is none.
pub fn log(arguments: &cli::ResponseLog) -> Result<(), Failure> {
    let config = rules::load_config(arguments.asked.config.as_deref())?;
    let reading = reading::open(&config, &arguments.period)?;
    let failed = |error| Failure::input("ledger", error);
    let coverage = store::coverage(&reading.ledger, reading.period).map_err(failed)?;
    let (mut events, unread) = events(&reading.ledger, reading.period.from)?;
    let until = reading.period.until.saturating_mul(SECOND);
    events.retain(|event| event.time < until);
    let report = Report {
        from: reading.period.from,
        to: reading.period.until,
        completeness: coverage.completeness(),
        notes: reading.note.into_iter().chain(unread).collect(),
        columns: COLUMNS.to_vec(),
        rows: events.iter().map(row).collect(),
        nothing: "nothing was done in this time",
    };
    report.print(arguments.asked.format)
}

/// The log since a second, and what of it this version cannot read.
pub(super) fn events(
    ledger: &store::Reader,
    since: u64,
) -> Result<(Vec<Event>, Option<String>), Failure> {
    let bodies = store::action_events(ledger, since.saturating_mul(SECOND))
        .map_err(|error| Failure::input("ledger", error))?;
    let all = bodies.len();
    let events: Vec<Event> = bodies
        .iter()
        .filter_map(|body| serde_json::from_str(body).ok())
        .collect();
    let unread = all - events.len();
    let note = (unread > 0)
        .then(|| format!("{unread} lines were written by another version and are not shown"));
    Ok((events, note))
}

fn row(event: &Event) -> Vec<Cell> {
    vec![
        Cell::Text(report::time(event.time / SECOND)),
        Cell::text(event.action.as_str()),
        Cell::text(event.deed.name()),
        Cell::text(&event.by),
        Cell::text(&event.subject),
        Cell::text(&event.verb),
        Cell::Text(report::time(event.until / SECOND)),
        Cell::Count(event.radius.exchanges),
        Cell::Count(event.radius.consumers.into()),
        Cell::Count(event.hits.refused),
        Cell::Count(event.hits.passed),
        Cell::Count(event.hits.late),
        Cell::Count(event.hits.shared),
        Cell::Count(event.hits.packets),
        Cell::text(&event.reason),
    ]
}
