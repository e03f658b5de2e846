//! Statements in the format that is asked for, printed or written into a folder.

use std::path::Path;
use std::{fs, io};

use serde_json::{Map, Value, json};

use super::super::cli::Format;
use super::super::failure::Failure;
use super::super::report::{Cell, Report, printable, time};
use super::accounts::{Books, second};
use super::{Invoice, InvoiceFormat, unwritable};
use crate::export::statement::{csv, customer_lacks, focus, html, is_invoice, seller_lacks, ubl};
use crate::store::archive::{settle, write_whole};
use crate::usage::statement::{Kind, Statement};

const COLUMNS: [&str; 10] = [
    "consumer",
    "period",
    "number",
    "kind",
    "requests",
    "net",
    "tax",
    "total",
    "currency",
    "completeness",
];

/// Whether all of it can be written.
///
/// # Errors
/// What one of them lacks, or that they are too many for one answer.
pub fn check(arguments: &Invoice, documents: &[Statement]) -> Result<(), Failure> {
    let format = arguments.format;
    if arguments.out.is_none() && !format.holds_many() && documents.len() > 1 {
        let all = documents.len();
        let why = format!("{all} statements are {all} documents (--out DIR)");
        return Err(Failure::input("--format", why));
    }
    if let Some(folder) = &arguments.out {
        fs::create_dir_all(folder).map_err(|error| unwritten(folder, error))?;
    }
    match format {
        InvoiceFormat::Table | InvoiceFormat::Json => Ok(()),
        _ => writable(documents, format).map(drop),
    }
}

fn unwritten(path: &Path, error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Failure::support(path.display(), format_args!("{error} (repeat it as root)"));
    }
    Failure::input(path.display(), error)
}

/// Prints or writes.
///
/// # Errors
/// When a statement cannot be written in the format, or a file not at all.
pub fn print(
    arguments: &Invoice,
    books: &Books<'_>,
    documents: &[Statement],
) -> Result<(), Failure> {
    match (&arguments.out, arguments.format) {
        (Some(folder), format) => write(folder, format, documents),
        (None, InvoiceFormat::Table) => table(books, documents),
        (None, InvoiceFormat::Json) => super::super::print(&json(books, documents)?),
        (None, InvoiceFormat::Csv) => super::super::print(&csv::table(documents)),
        (None, InvoiceFormat::Focus) => {
            let written = writable(documents, InvoiceFormat::Focus)?;
            told(&written);
            let table = focus::table(written.written.iter().map(|(one, _)| *one));
            super::super::print(&table.map_err(|why| Failure::input("--format focus", why))?)
        }
        (None, format) => {
            let written = writable(documents, format)?;
            told(&written);
            let mut texts = written.written.iter();
            texts.try_for_each(|(_, text)| super::super::print(text))
        }
    }
}

/// What can be written, and why the rest cannot.
struct Written<'a> {
    written: Vec<(&'a Statement, String)>,
    left_out: Vec<String>,
}

/// Statements in a format. What was taken back, and what took it back, may be left out: a statement that was closed as none could
/// ever be written would else stand in the way of the one that corrects it.
fn writable(documents: &[Statement], format: InvoiceFormat) -> Result<Written<'_>, Failure> {
    let (mut written, mut left_out) = (Vec::new(), Vec::new());
    for one in documents {
        let is_corrected =
            one.number.is_some() && documents.iter().any(|later| later.corrects == one.number);
        match document(one, format) {
            Ok(text) => written.push((one, text)),
            Err(why) if is_corrected || one.kind == Kind::CreditNote => {
                left_out.push(why.to_string());
            }
            Err(why) => return Err(why),
        }
    }
    Ok(Written { written, left_out })
}

/// Tells what was left out.
fn told(written: &Written<'_>) {
    for why in &written.left_out {
        eprintln!("{why}; left out, since it was taken back");
    }
}

/// One statement.
fn document(statement: &Statement, format: InvoiceFormat) -> Result<String, Failure> {
    let failed = |why| unwritable(statement, &why);
    let alone = std::slice::from_ref(statement);
    match format {
        InvoiceFormat::Html => Ok(html::page(statement)),
        InvoiceFormat::Ubl => ubl::document(statement, ubl::Profile::Plain).map_err(failed),
        InvoiceFormat::Peppol => ubl::document(statement, ubl::Profile::Peppol).map_err(failed),
        InvoiceFormat::Focus => focus::table(alone).map_err(failed),
        InvoiceFormat::Csv => Ok(csv::table(alone)),
        InvoiceFormat::Json | InvoiceFormat::Table => crate::export::statement::json(statement)
            .map_err(|error| Failure::input("statement", error)),
    }
}

/// A file for each statement, each whole or not there.
fn write(folder: &Path, format: InvoiceFormat, documents: &[Statement]) -> Result<(), Failure> {
    // A table is for a terminal.
    let format = match format {
        InvoiceFormat::Table => InvoiceFormat::Html,
        other => other,
    };
    let all = writable(documents, format)?;
    told(&all);
    for (statement, text) in &all.written {
        let name = match &statement.number {
            Some(number) => number.clone(),
            None => format!("{}-{}-draft", statement.customer.id, statement.period.name),
        };
        let path = folder.join(format!("{name}.{}", format.extension()));
        write_whole(&path, text.as_bytes()).map_err(|error| unwritten(&path, error))?;
    }
    settle(folder).map_err(|error| unwritten(folder, error))?;
    let count = all.written.len();
    let plural = if count == 1 { "" } else { "s" };
    super::super::print(&format!(
        "{count} statement{plural} in {}\n",
        folder.display()
    ))
}

fn json(books: &Books<'_>, documents: &[Statement]) -> Result<String, Failure> {
    let failed = |error| Failure::input("statement", error);
    let mut rows = Vec::with_capacity(documents.len());
    for statement in documents {
        let mut row = Map::new();
        row.insert("consumer".to_owned(), json!(statement.customer.id));
        // What it would need to be an invoice.
        let of = |who: &str, lacks: Vec<&str>| -> Vec<String> {
            lacks.iter().map(|what| format!("{who} {what}")).collect()
        };
        let mut lacks = of("seller", seller_lacks(statement));
        lacks.extend(of("account", customer_lacks(statement)));
        row.insert("lacks".to_owned(), json!(lacks));
        if let Value::Object(fields) = serde_json::to_value(statement).map_err(failed)? {
            row.extend(fields);
        }
        rows.push(Value::Object(row));
    }
    let (from, until, completeness) = period(books, documents);
    let answer = json!({
        "from": time(from),
        "to": time(until),
        "completeness": completeness,
        "notes": books.note.iter().collect::<Vec<_>>(),
        "rows": rows,
    });
    Ok(printable(&format!("{answer:#}\n")))
}

/// From when until when the statements are, and how complete the least of them is.
fn period(books: &Books<'_>, documents: &[Statement]) -> (u64, u64, f64) {
    let (from, until, completeness) = books.coverage();
    let first = documents.iter().filter_map(|one| second(&one.period.from));
    let last = documents.iter().filter_map(|one| second(&one.period.until));
    let least = documents.iter().map(|one| one.completeness);
    (
        first.min().unwrap_or(from),
        last.max().unwrap_or(until),
        least.fold(completeness, f64::min),
    )
}

fn table(books: &Books<'_>, documents: &[Statement]) -> Result<(), Failure> {
    let row = |statement: &Statement| {
        let amount = |money: crate::usage::money::Money| Cell::Text(money.fixed(statement.places));
        vec![
            Cell::text(&statement.customer.id),
            Cell::text(&statement.period.name),
            Cell::text(statement.number.as_deref().unwrap_or("")),
            Cell::text(kind(statement)),
            Cell::Count(statement.usage.requests),
            amount(statement.net),
            amount(statement.tax),
            amount(statement.total),
            Cell::text(&statement.currency),
            Cell::Number(statement.completeness),
        ]
    };
    let (from, to, completeness) = period(books, documents);
    let report = Report {
        from,
        to,
        completeness,
        notes: books.note.iter().cloned().collect(),
        columns: COLUMNS.to_vec(),
        rows: documents.iter().map(row).collect(),
        nothing: "no statement",
    };
    report.print(Format::Table)
}

fn kind(statement: &Statement) -> &'static str {
    match statement.kind {
        Kind::Draft => "draft",
        Kind::Invoice if is_invoice(statement) => "invoice",
        Kind::Invoice => "statement",
        Kind::CreditNote => "credit note",
    }
}
