//! What every reading command prints: a period, how complete it is, and rows, as a table, JSON or CSV.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::cli::Format;
use super::failure::Failure;
use crate::export::csv;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A text.
    Text(String),
    /// A number of things.
    Count(u64),
    /// A ratio or another measured number.
    Number(f64),
}

/// An answer.
pub struct Report {
    /// Its period, seconds since 1970 in UTC.
    pub from: u64,
    /// Its end.
    pub to: u64,
    /// Certain exchanges among all that must have been.
    pub completeness: f64,
    /// What else is known of how complete it is, a sentence each.
    pub notes: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<&'static str>,
    /// Rows of as many cells.
    pub rows: Vec<Vec<Cell>>,
    /// What a table says where there is no row.
    pub nothing: &'static str,
}

impl Report {
    /// Prints it.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print(&self, format: Format) -> Result<(), Failure> {
        self.print_with(format, Map::new())
    }

    /// As [`Self::print`], with more fields in JSON.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print_with(&self, format: Format, more: Map<String, Value>) -> Result<(), Failure> {
        super::print(&match format {
            Format::Table => self.table(),
            Format::Json => {
                let mut answer = self.json();
                if let Value::Object(fields) = &mut answer {
                    fields.extend(more);
                }
                printable(&format!("{answer:#}\n"))
            }
            Format::Csv => self.csv(),
        })
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let fields = self.columns.iter().zip(row).map(|(name, cell)| {
                let value = match cell {
                    Cell::Text(text) => json!(text),
                    Cell::Count(count) => json!(count),
                    Cell::Number(number) => json!(number),
                };
                ((*name).to_owned(), value)
            });
            Value::Object(fields.collect::<Map<_, _>>())
        });
        json!({
            "from": time(self.from),
            "to": time(self.to),
            "completeness": self.completeness,
            "notes": self.notes,
            "rows": rows.collect::<Vec<_>>(),
        })
    }

    /// Its rows (RFC 4180).
    pub fn csv(&self) -> String {
        let mut text = self.columns.join(",");
        text.push_str("\r\n");
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(Cell::csv).collect();
            text.push_str(&cells.join(","));
            text.push_str("\r\n");
        }
        text
    }

    fn table(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(Cell::shown).collect())
            .collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let header = self.columns.get(column).map_or(0, |name| name.len());
            cells
                .map(|cell| cell.chars().count())
                .fold(header, usize::max)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut text = format!(
            "{} to {}, completeness {}\n",
            time(self.from),
            time(self.to),
            Cell::Number(self.completeness).shown()
        );
        for note in &self.notes {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{note}");
        }
        let header: Vec<String> = self.columns.iter().map(|name| (*name).to_owned()).collect();
        let numeric = |column: usize| {
            let first = self.rows.first().and_then(|row| row.get(column));
            !matches!(first, Some(Cell::Text(_)) | None)
        };
        for row in std::iter::once(&header).chain(&rows) {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let _ = if numeric(column) {
                    write!(line, "  {cell:>width$}")
                } else {
                    write!(line, "  {cell:<width$}")
                };
            }
            let _ = writeln!(text, "{}", line.trim_start_matches("  ").trim_end());
        }
        if self.rows.is_empty() {
            let _ = writeln!(text, "{}", self.nothing);
        }
        text
    }
}

impl Cell {
    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A time in seconds since 1970 in UTC; empty where there is none.
    pub fn time(second: Option<u64>) -> Self {
        Self::Text(second.map_or_else(String::new, time))
    }

    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.escape_debug().to_string(),
            Self::Count(count) => count.to_string(),
            Self::Number(number) if *number == 1.0 => "1".to_owned(),
            Self::Number(number) => format!("{number:.6}"),
        }
    }

    fn csv(&self) -> String {
        match self {
            Self::Text(text) => csv::cell(text).into_owned(),
            Self::Count(count) => count.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// A JSON text that says the same without what a terminal would obey: such characters stand in strings only (RFC 8259 section
/// 7), but for line ends between values.
pub fn printable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        let shown = c.is_ascii_graphic()
            || matches!(c, ' ' | '\n')
            || (!c.is_ascii() && c.escape_debug().len() == 1);
        if shown {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

/// A second since 1970 as RFC 3339.
pub fn time(second: u64) -> String {
    i64::try_from(second)
        .ok()
        .and_then(|second| jiff::Timestamp::from_second(second).ok())
        .map_or_else(|| second.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::csv::is_steering;

    /// What a hostile name may hold reaches nobody's terminal or spreadsheet, in any format.
    #[test]
    fn what_steers_is_escaped_in_every_format() {
        let hostile = "=cmd|'x'!A1\u{1b}[2J\u{9b}31m\u{202e}\r\n\"";
        let report = Report {
            from: 0,
            to: 60,
            completeness: 1.0,
            notes: Vec::new(),
            columns: vec!["name"],
            rows: vec![vec![Cell::Text(hostile.to_owned())]],
            nothing: "",
        };
        let json = printable(&format!("{:#}", report.json()));
        for text in [
            report.table(),
            report.csv().replace("\r\n", "\n"),
            json.clone(),
        ] {
            let steering = text.chars().find(|c| is_steering(*c) && *c != '\n');
            assert_eq!(steering, None, "{text:?}");
        }
        assert!(report.csv().contains("\r\n\"'=cmd"));
        // A program reads what was there.
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["rows"][0]["name"], hostile);
    }
}
