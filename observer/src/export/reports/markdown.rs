//! A report as Markdown, tables in GitHub's way.
//!
//! Invariant: a text of others is plain words, or a code span in which nothing means anything: it makes no cell, no line, no
//! link, no markup and no reference to somebody.

use super::super::plain;
use super::{Cell, Report, Table};

/// Writes a report.
pub fn markdown(report: &Report) -> String {
    let mut lines = vec![
        format!("# {}", inline(&report.title)),
        String::new(),
        format!(
            "{} to {}, beside {} to {}; written {}",
            plain::time(report.period.from),
            plain::time(report.period.until),
            plain::time(report.before.from),
            plain::time(report.before.until),
            plain::time(report.written),
        ),
        String::new(),
        format!("**{}**", inline(&report.standing())),
        String::new(),
        format!(
            "Completeness {}, observed {} of the time",
            report.completeness.words(""),
            report.observed.words("")
        ),
    ];
    for section in &report.sections {
        lines.extend([String::new(), format!("## {}", section.heading)]);
        for sentence in &section.text {
            lines.extend([String::new(), inline(sentence)]);
        }
        if let Some(table) = &section.table {
            lines.extend([
                String::new(),
                format!("{}:", inline(&table.caption)),
                String::new(),
            ]);
            rows(table, &mut lines);
        }
    }
    lines.join("\n") + "\n"
}

fn rows(table: &Table, lines: &mut Vec<String>) {
    let names = table.columns.iter().map(|name| name.replace('_', " "));
    lines.push(format!("| {} |", names.collect::<Vec<_>>().join(" | ")));
    let numeric = |column: usize| {
        let mut cells = table.rows.iter().filter_map(|row| row.get(column));
        cells.any(Cell::is_number)
    };
    let rule = (0..table.columns.len()).map(|column| if numeric(column) { "---:" } else { "---" });
    lines.push(format!("| {} |", rule.collect::<Vec<_>>().join(" | ")));
    for row in &table.rows {
        let cells = row.iter().map(|cell| match cell {
            Cell::Text(text) => inline(text),
            cell => cell.words(""),
        });
        lines.push(format!("| {} |", cells.collect::<Vec<_>>().join(" | ")));
    }
}

/// A text as it stands, where no character of it could mean anything, or else as a code span (CommonMark section 6.1). Bars
/// have a backslash there, since they end a cell before anything else is looked at.
fn inline(text: &str) -> String {
    let text = plain::shown(text);
    if is_plain(&text) {
        return text.into_owned();
    }
    // A fence is longer than every run of backticks within it.
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ', '\\']) {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\\|"))
}

/// Whether a text begins like a sentence and has nothing in it that Markdown, HTML or a forge would take for something else.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let word = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_alphanumeric)
    };
    let harmless = |(at, c): (usize, char)| match c {
        '_' => word(at.checked_sub(1)) && word(Some(at + 1)),
        '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '#' | '!' | '@' | '$' => false,
        _ => true,
    };
    text.is_empty()
        || text.starts_with(char::is_alphabetic)
            && text.char_indices().all(harmless)
            && !text.contains("://")
            && !text.to_ascii_lowercase().contains("www.")
            && !text.to_ascii_lowercase().contains("mailto:")
            && !text.to_ascii_lowercase().contains("xmpp:")
}
