//! Statements as one table (RFC 4180): a row a line, times in UTC, amounts as decimal numbers.
//!
//! The columns are a contract with other people's scripts: new ones are added at the end. What statements come to is in no
//! row, so that a column can be added up.

use crate::export::plain::csv as cell;
use crate::usage::money::Money;
use crate::usage::statement::{Kind, Line, LineKind, Meter, Statement};

use super::percent;

/// The columns, in order.
pub const COLUMNS: [&str; 27] = [
    "number",
    "kind",
    "corrects",
    "issued",
    "account",
    "name",
    "period",
    "from",
    "until",
    "time_zone",
    "plan",
    "showback",
    "line",
    "line_kind",
    "text",
    "meter",
    "api",
    "route",
    "quantity",
    "per",
    "price",
    "surcharge",
    "amount",
    "currency",
    "vat_category",
    "vat_percent",
    "completeness",
];

/// The table, with its header.
pub fn table<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> String {
    let mut text = COLUMNS.join(",");
    text.push_str("\r\n");
    for statement in statements {
        for (index, line) in statement.lines.iter().enumerate() {
            text.push_str(&row(statement, index + 1, line).join(","));
            text.push_str("\r\n");
        }
    }
    text
}

fn row(statement: &Statement, number: usize, line: &Line) -> [String; COLUMNS.len()] {
    let safe = |text: &str| cell(text).into_owned();
    let optional = |text: &Option<String>| safe(text.as_deref().unwrap_or_default());
    let period = &statement.period;
    let vat = line.vat;
    // What is given back is below zero, so that a column can be added up.
    let turned = statement.is_turned();
    let sign = if turned && line.quantity > 0 { "-" } else { "" };
    let signed = |money: Money| if turned { money.negated() } else { money };
    [
        optional(&statement.number),
        kind(statement.kind).to_owned(),
        optional(&statement.corrects),
        optional(&statement.issued),
        safe(&statement.customer.id),
        optional(&statement.customer.name),
        safe(&period.name),
        safe(&period.from),
        safe(&period.until),
        safe(&period.time_zone),
        optional(&statement.plan),
        statement.showback.to_string(),
        number.to_string(),
        line_kind(line.kind).to_owned(),
        safe(&line.text),
        line.meter.map_or("", Meter::name).to_owned(),
        optional(&line.api),
        optional(&line.route),
        format!("{sign}{}", line.quantity),
        line.per.to_string(),
        line.price.to_string(),
        signed(line.surcharge).to_string(),
        signed(line.amount).fixed(statement.places),
        safe(&statement.currency),
        vat.category.code().to_owned(),
        percent(vat.rate),
        statement.completeness.to_string(),
    ]
}

/// As in JSON.
const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Draft => "draft",
        Kind::Invoice => "invoice",
        Kind::CreditNote => "credit_note",
    }
}

/// As in JSON.
const fn line_kind(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Usage => "usage",
        LineKind::Fee => "fee",
        LineKind::Minimum => "minimum",
        LineKind::Allowance => "allowance",
    }
}
