//! A report as one page that loads nothing, runs nothing, and can be printed.
//!
//! Invariant: whatever others wrote is text: it passes [`escaped`]. A policy in the page itself forbids everything else.

use std::fmt::Write as _;

use super::super::plain;
use super::plot::{self, PlotError};
use super::{Cell, Report, Section, Table};

/// What stands between three digits: a space that is narrow and does not break.
const GROUP: &str = "\u{202f}";

/// Columns past which a table is printed in a smaller type.
const BROAD: usize = 8;

const STYLE: &str = include_str!("report.css");

/// Writes a report.
///
/// # Errors
/// When a plot cannot be drawn.
pub fn html(report: &Report) -> Result<String, PlotError> {
    let title = escaped(&report.title);
    let [from, to, begin, end, written] = [
        report.period.from,
        report.period.until,
        report.before.from,
        report.before.until,
        report.written,
    ]
    .map(|second| cell(&Cell::Time(second)));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}{}</style>\n</head>\n\
         <body>\n<header>\n<h1>{title}</h1>\n<p>{from} to {to}, beside {begin} to {end}; written {written}</p>\n\
         <p class=\"standing {}\"><strong>{}</strong></p>\n\
         <dl><dt>completeness</dt><dd id=\"completeness-now\">{}</dd><dt>observed, of the time</dt><dd>{}</dd></dl>\n</header>\n<main>\n",
        plot::STYLE,
        if report.complete { "whole" } else { "lacking" },
        escaped(&report.standing()),
        cell(&report.completeness),
        cell(&report.observed),
    );
    for one in &report.sections {
        section(one, &mut page)?;
    }
    page.push_str("</main>\n</body>\n</html>\n");
    Ok(page)
}

// Writing to a string does not fail.
fn section(section: &Section, page: &mut String) -> Result<(), PlotError> {
    let id = section.id;
    let _ = writeln!(
        page,
        "<section id=\"{id}\" aria-labelledby=\"{id}-heading\">\n<h2 id=\"{id}-heading\">{}</h2>",
        escaped(section.heading)
    );
    for sentence in &section.text {
        let _ = writeln!(page, "<p>{}</p>", escaped(sentence));
    }
    if let Some(table) = &section.table {
        if let Some(plot) = &section.plot {
            let title = escaped(&plot.title);
            let drawn = plot::svg(plot, table)?;
            // The table below says the same to those who do not see it.
            let named = drawn.replacen(
                "<svg ",
                &format!("<svg role=\"img\" aria-label=\"{title}; the numbers stand in the table below\" "),
                1,
            );
            let _ = writeln!(
                page,
                "<figure>\n{}\n<figcaption>{title}{}</figcaption>\n</figure>",
                named.trim(),
                key(&plot.series)
            );
        }
        rows(section, table, page);
    }
    page.push_str("</section>\n");
    Ok(())
}

/// What is which in a plot.
fn key(series: &[&str]) -> String {
    let kinds = ["bars", "line"];
    let parts = series.iter().zip(kinds).map(|(name, kind)| {
        format!(
            " <span class=\"key {kind}\" aria-hidden=\"true\"></span> {kind}: {}",
            escaped(&name.replace('_', " "))
        )
    });
    parts.collect()
}

fn rows(section: &Section, table: &Table, page: &mut String) {
    let caption = escaped(&table.caption);
    // Wide tables scroll by themselves, with the keyboard too.
    let _ = write!(
        page,
        "<div class=\"wide{}\" role=\"region\" aria-label=\"{}: {caption}\" tabindex=\"0\">\n<table>\n<caption>{caption}</caption>\n<thead><tr>",
        if table.columns.len() > BROAD {
            " broad"
        } else {
            ""
        },
        escaped(section.heading)
    );
    let numeric = |column: usize| {
        let mut cells = table.rows.iter().filter_map(|row| row.get(column));
        cells.any(Cell::is_number)
    };
    for (column, name) in table.columns.iter().enumerate() {
        let class = if numeric(column) { " class=\"n\"" } else { "" };
        let name = escaped(&name.replace('_', " "));
        let _ = write!(page, "<th scope=\"col\"{class}>{name}</th>");
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        page.push_str("<tr>");
        for (column, one) in row.iter().enumerate() {
            let _ = match (column, one.is_number()) {
                (0, false) => write!(page, "<th scope=\"row\">{}</th>", cell(one)),
                (_, true) => write!(page, "<td class=\"n\">{}</td>", cell(one)),
                (_, false) => write!(page, "<td>{}</td>", cell(one)),
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
}

/// A cell, with what programs read of it.
fn cell(cell: &Cell) -> String {
    let words = escaped(&cell.words(GROUP));
    match cell {
        Cell::Nothing | Cell::Text(_) => words,
        Cell::Time(_) => format!("<time>{words}</time>"),
        number => format!("<data value=\"{}\">{words}</data>", number.value()),
    }
}

/// A text in which nothing is markup, neither as content nor between quotes, and nothing turns the direction of what follows.
fn escaped(text: &str) -> String {
    let text = plain::shown(text);
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
