//! A report for spreadsheets: section, row, column and value (RFC 4180), a line for each cell.

use super::super::plain;
use super::{Cell, Report};

/// Writes a report. The head is the section `report`; sentences are the column `text` of rows of their own.
pub fn csv(report: &Report) -> String {
    let mut text = "section,row,column,value\r\n".to_owned();
    let mut line = |section: &str, row: usize, column: &str, cell: &Cell| {
        let value = cell.value();
        // Numbers below zero are no formulas; texts may look like some.
        let value = match &value {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => plain::csv(text).into_owned(),
            number => number.to_string(),
        };
        text.push_str(&format!("{section},{row},{column},{value}\r\n"));
    };
    for (name, cell) in report.head() {
        line("report", 1, name, &cell);
    }
    line("report", 1, "written", &Cell::Time(report.written));
    line("report", 1, "text", &Cell::Text(report.standing()));
    for section in &report.sections {
        for (number, sentence) in section.text.iter().enumerate() {
            line(section.id, number + 1, "text", &Cell::text(sentence));
        }
        let Some(table) = &section.table else {
            continue;
        };
        for (number, row) in table.rows.iter().enumerate() {
            for (column, cell) in table.columns.iter().zip(row) {
                line(section.id, number + 1, column, cell);
            }
        }
    }
    text
}
