//! One frame, printed: for scripts, and for whoever has no terminal.

use super::super::cli::Format;
use super::super::failure::Failure;
use super::super::report::{Cell, Report, printable};
use super::figures;
use crate::export::live::Frame;

/// Columns of a consumer's row.
const COLUMNS: [&str; 22] = [
    "consumer",
    "rate",
    "requests",
    "recent",
    "client_ratio",
    "client_baseline",
    "auth_ratio",
    "auth_baseline",
    "limited_ratio",
    "limited_baseline",
    "server_ratio",
    "server_baseline",
    "score",
    "completeness",
    "client_errors",
    "auth_errors",
    "limited_errors",
    "server_errors",
    "request_bytes",
    "response_bytes",
    "from",
    "to",
];
/// How many of them a table has.
const TABLE: usize = 14;

/// Prints a frame. `text`: as the daemon gave it.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(format: Format, text: &str, frame: &Frame) -> Result<(), Failure> {
    if format == Format::Json {
        return super::super::print(&printable(&format!("{text}\n")));
    }
    let shown = match format {
        Format::Table => TABLE,
        _ => COLUMNS.len(),
    };
    let columns = COLUMNS.iter().take(shown).copied().collect();
    let mut notes = Vec::new();
    if let Some(trouble) = &frame.trouble {
        notes.push(format!(
            "traffic is not observed: {}",
            figures::plain(trouble)
        ));
    }
    let rows = frame.consumers.iter().flatten().map(|row| {
        let share = |share: Option<f64>| share.map_or_else(|| Cell::text(""), Cell::Number);
        let mut cells = vec![
            Cell::text(&row.consumer),
            share(row.rate),
            Cell::Count(row.requests),
            Cell::Count(row.recent),
        ];
        for (class, ratio) in row.error_ratio.iter().enumerate() {
            cells.push(Cell::Number(*ratio));
            let usual = row.baseline.as_ref().and_then(|all| all.get(class));
            cells.push(share(usual.copied()));
        }
        cells.push(Cell::Number(figures::score(&row.score).1));
        cells.push(Cell::Number(row.completeness));
        cells.extend(row.errors.map(Cell::Count));
        cells.push(Cell::Count(row.request_bytes));
        cells.push(Cell::Count(row.response_bytes));
        cells.push(Cell::text(&frame.from));
        cells.push(Cell::text(&frame.time));
        cells.truncate(shown);
        cells
    });
    let report = Report {
        from: figures::second(&frame.from).unwrap_or(0),
        to: figures::second(&frame.time).unwrap_or(0),
        completeness: frame.completeness,
        notes,
        columns,
        rows: rows.collect(),
        nothing: "no traffic yet",
    };
    report.print(format)
}
