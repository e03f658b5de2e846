//! Reports: one model, and the four ways in which it is written.
//!
//! Invariant: every number of a report is a cell of a table, rounded once when it becomes one. Writers only spell cells, and
//! plots are drawn of them, so that no two formats of a report can say different numbers.

mod csv;
mod html;
mod json;
mod markdown;
mod plot;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::plain;

pub use csv::csv;
pub use html::html;
pub use json::json;
pub use markdown::markdown;
pub use plot::PlotError;

/// A half-open time, seconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first second.
    pub from: u64,
    /// The second after its last.
    pub until: u64,
}

/// A report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What it is, in a few words.
    pub title: String,
    /// For whom: `owner`, `security`, `finance`, `consumer:ID`.
    pub audience: String,
    /// What it is about.
    pub period: Span,
    /// What that is compared with.
    pub before: Span,
    /// When it was made, seconds since 1970 in UTC.
    pub written: u64,
    /// Certain exchanges among all that must have been: [`Cell::Ratio`].
    pub completeness: Cell,
    /// Share of the period in which somebody observed: [`Cell::Ratio`].
    pub observed: Cell,
    /// Whether nothing is missing.
    pub complete: bool,
    /// What it says, the most important first.
    pub sections: Vec<Section>,
}

/// A part of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its name in files: lower case, digits and `_`.
    pub id: &'static str,
    /// Its heading.
    pub heading: &'static str,
    /// Sentences before the table.
    pub text: Vec<String>,
    /// Its numbers.
    pub table: Option<Table>,
    /// What of them is drawn.
    pub plot: Option<Plot>,
}

/// Rows of cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What it shows, in a sentence without a full stop.
    pub caption: String,
    /// Names of the columns: lower case, digits and `_`. The first columns name the row.
    pub columns: Vec<&'static str>,
    /// Rows of as many cells.
    pub rows: Vec<Vec<Cell>>,
}

/// Columns of the section's table over its first column, which says when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plot {
    /// What it shows, for those who do not see it too.
    pub title: String,
    /// Columns that are drawn, two at most: bars, and a line over them.
    pub series: Vec<&'static str>,
}

/// One value. Measured ones are rounded when they are made, and infinite ones are none.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing to be said.
    Nothing,
    /// A text, whoever wrote it.
    Text(String),
    /// A number of things.
    Count(u64),
    /// Bytes.
    Bytes(u64),
    /// A share of a whole from 0 to 1, to four places.
    Share(f64),
    /// A share that is almost all, to six places.
    Ratio(f64),
    /// How much more than before, as a share of that: -1 is nothing left. Four places.
    Change(f64),
    /// Milliseconds, to three places.
    Milliseconds(f64),
    /// A measured number, to three places.
    Number(f64),
    /// A time, seconds since 1970 in UTC.
    Time(u64),
}

fn rounded(number: f64, digits: i32) -> Option<f64> {
    let scale = 10_f64.powi(digits);
    let rounded = (number * scale).round() / scale;
    // No number in JSON is infinite, and none is below zero by nothing.
    rounded.is_finite().then_some(rounded + 0.0)
}

impl Cell {
    /// A text.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A share; nothing of nothing.
    pub fn share(part: u64, whole: u64) -> Self {
        if whole == 0 {
            return Self::Nothing;
        }
        rounded(part as f64 / whole as f64, 4).map_or(Self::Nothing, Self::Share)
    }

    /// A share that is almost all. What is rounded to all is all.
    pub fn ratio(ratio: f64) -> Self {
        let down = (ratio * 1e6).floor() / 1e6;
        if down.is_finite() {
            Self::Ratio(down)
        } else {
            Self::Nothing
        }
    }

    /// How much more there is than before; nothing where there was nothing.
    pub fn change(now: u64, before: u64) -> Self {
        if before == 0 {
            return Self::Nothing;
        }
        rounded((now as f64 - before as f64) / before as f64, 4).map_or(Self::Nothing, Self::Change)
    }

    /// Mean milliseconds of `count` things that took so many microseconds together.
    pub fn mean(microseconds: u64, count: u64) -> Self {
        if count == 0 {
            return Self::Nothing;
        }
        let mean = microseconds as f64 / 1_000.0 / count as f64;
        rounded(mean, 3).map_or(Self::Nothing, Self::Milliseconds)
    }

    /// A measured number.
    pub fn number(number: f64) -> Self {
        rounded(number, 3).map_or(Self::Nothing, Self::Number)
    }

    /// A time, seconds since 1970 in UTC; 0 is none.
    pub fn time(second: u64) -> Self {
        if second == 0 {
            Self::Nothing
        } else {
            Self::Time(second)
        }
    }

    /// As programs read it.
    fn value(&self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Text(text) => Value::from(text.as_str()),
            Self::Count(count) | Self::Bytes(count) => Value::from(*count),
            Self::Share(number)
            | Self::Ratio(number)
            | Self::Change(number)
            | Self::Milliseconds(number)
            | Self::Number(number) => Value::from(*number),
            Self::Time(second) => Value::from(plain::time(*second)),
        }
    }

    /// As people read it; `group`: what stands between three digits of a number of things.
    fn words(&self, group: &str) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) => plain::shown(text).into_owned(),
            Self::Count(count) | Self::Bytes(count) => grouped(*count, group),
            Self::Share(share) => format!("{:.2} %", share * 100.0),
            Self::Ratio(share) => format!("{:.4} %", share * 100.0),
            Self::Change(share) => format!("{:+.2} %", share * 100.0),
            Self::Milliseconds(number) | Self::Number(number) => format!("{number:.3}"),
            Self::Time(second) => plain::time(*second),
        }
    }

    /// Whether it is a number.
    fn is_number(&self) -> bool {
        self.value().is_number()
    }
}

/// A number with something between every three digits.
fn grouped(number: u64, group: &str) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push_str(group);
        }
        text.push(digit);
    }
    text
}

impl Report {
    /// The numbers that the first lines say.
    fn head(&self) -> [(&'static str, Cell); 8] {
        [
            ("title", Cell::text(&self.title)),
            ("audience", Cell::text(&self.audience)),
            ("from", Cell::Time(self.period.from)),
            ("to", Cell::Time(self.period.until)),
            ("before_from", Cell::Time(self.before.from)),
            ("before_to", Cell::Time(self.before.until)),
            ("completeness", self.completeness.clone()),
            ("observed", self.observed.clone()),
        ]
    }

    /// Whether everything is there, in words.
    pub fn standing(&self) -> String {
        let part = |cell: &Cell| cell.words("");
        if self.complete {
            "Complete: all exchanges that could be read were seen with certainty. What could not be read at all stands below, if there was any.".to_owned()
        } else {
            format!(
                "Not complete: {} of the exchanges that must have been were seen with certainty, in {} of the time. What is missing stands below.",
                part(&self.completeness),
                part(&self.observed)
            )
        }
    }
}

impl Section {
    /// A part without anything in it yet.
    pub fn new(id: &'static str, heading: &'static str) -> Self {
        Self {
            id,
            heading,
            text: Vec::new(),
            table: None,
            plot: None,
        }
    }

    /// With a sentence more.
    #[must_use]
    pub fn says(mut self, text: impl Into<String>) -> Self {
        self.text.push(text.into());
        self
    }

    /// With this table; without rows, with this sentence instead.
    #[must_use]
    pub fn shows(mut self, table: Table, nothing: &str) -> Self {
        if table.rows.is_empty() {
            return self.says(nothing);
        }
        self.table = Some(table);
        self
    }

    /// With a plot of its table, where that has two rows at least: one is no line.
    #[must_use]
    pub fn draws(mut self, title: &str, series: &[&'static str]) -> Self {
        if self
            .table
            .as_ref()
            .is_some_and(|table| table.rows.len() > 1)
        {
            self.plot = Some(Plot {
                title: title.to_owned(),
                series: series.to_vec(),
            });
        }
        self
    }
}
