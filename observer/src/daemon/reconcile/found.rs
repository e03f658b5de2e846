//! What came of it, as it is printed: counts, or what does not match.

use super::work::Work;
use crate::daemon::cli;
use crate::daemon::failure::Failure;
use crate::daemon::report::{Cell, Report};
use crate::identity::Registry;
use crate::identity::shown::Shown;
use crate::usage::reconcile::{Class, Entry, Finding};

impl Work {
    /// Prints it.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn report(
        self,
        arguments: &cli::Reconcile,
        from: u64,
        until: u64,
        completeness: f64,
        registry: Option<&Registry>,
    ) -> Result<(), Failure> {
        let (columns, rows) = if arguments.list {
            listed(&self.findings, registry)
        } else {
            let count = |class: Class| self.counts.get(&class).copied().unwrap_or(0);
            let row = |class: Class| {
                vec![
                    Cell::Text(class.name().to_owned()),
                    Cell::Count(count(class)),
                ]
            };
            (vec!["class", "count"], Class::ALL.map(row).to_vec())
        };
        Report {
            from,
            to: until,
            completeness,
            notes: self.notes,
            columns,
            rows,
            nothing: "nothing was found",
        }
        .print(arguments.format)
    }
}

/// Findings, a row each. A log's name of who called is whole where it is a consumer's: in its place may stand a key.
fn listed(
    findings: &[Finding],
    registry: Option<&Registry>,
) -> (Vec<&'static str>, Vec<Vec<Cell>>) {
    let caller = |name: &str| {
        if registry.is_some_and(|registry| registry.account(name).is_some()) {
            name.to_owned()
        } else {
            Shown(name).to_string()
        }
    };
    let row = |finding: &Finding| {
        let (wire, log) = (finding.wire.as_ref(), finding.log.as_ref());
        let either = wire.or(log);
        let text = |text: Option<String>| Cell::Text(text.unwrap_or_default());
        let time = either.and_then(|entry| jiff::Timestamp::from_microsecond(entry.time).ok());
        let status = |entry: Option<&Entry>| text(entry.map(|entry| entry.status.to_string()));
        let bytes = |entry: Option<&Entry>| {
            text(
                entry
                    .and_then(|entry| entry.bytes)
                    .map(|bytes| bytes.to_string()),
            )
        };
        let consumer = |entry: Option<&Entry>| {
            text(
                entry
                    .and_then(|entry| entry.consumer.as_deref())
                    .map(caller),
            )
        };
        vec![
            Cell::Text(finding.class.name().to_owned()),
            text(time.map(|time| time.to_string())),
            text(log.map(|entry| entry.line.to_string())),
            text(
                either
                    .and_then(|entry| entry.client)
                    .map(|client| client.to_string()),
            ),
            text(either.map(|entry| entry.what.to_string())),
            status(wire),
            status(log),
            bytes(wire),
            bytes(log),
            consumer(wire),
            consumer(log),
        ]
    };
    let columns = vec![
        "class",
        "time",
        "line",
        "client",
        "request",
        "wire_status",
        "log_status",
        "wire_bytes",
        "log_bytes",
        "wire_consumer",
        "log_consumer",
    ];
    (columns, findings.iter().map(row).collect())
}
