//! `observer errors`: what went wrong, beside the period before, and who is responsible by where the excess lies.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::cli::{self, ErrorColumn};
use super::failure::Failure;
use super::report::{Cell, Report, time};
use super::{reading, rules, usage};
use crate::store::{self, UsageRow};
use crate::usage::responsibility::{self, Cause, Judgement, judge, ratio};
use crate::usage::{ErrorClass, Outcome};

/// What is read of the ledger, whatever is asked for: what is judged by stands first.
const READ: [&str; 8] = [
    "consumer", "api", "route", "outcome", "status", "app", "key", "method",
];

/// Now and before.
#[derive(Clone, Copy, Default)]
struct Counts {
    now: u64,
    before: u64,
}

/// Rows of both periods.
struct Rows {
    now: Vec<UsageRow>,
    before: Vec<UsageRow>,
}

/// Reads, judges and prints.
///
/// # Errors
/// When the ledger cannot be read.
pub fn errors(arguments: &cli::Errors) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let reading = reading::open(&config, &arguments.period)?;
    let failed = |error| Failure::input("ledger", error);
    let needed = |name: &&&str| {
        let judged = READ.iter().take(5).any(|read| read == *name);
        judged || arguments.by.iter().any(|column| column.name() == **name)
    };
    let columns: Vec<&'static str> = READ.iter().filter(needed).copied().collect();
    let (period, before) = (reading.period, reading.period.before());
    let coverage = store::coverage(&reading.ledger, period).map_err(failed)?;
    let known = store::coverage(&reading.ledger, before).map_err(failed)?;
    let rows = Rows {
        now: store::usage(&reading.ledger, period, &columns).map_err(failed)?,
        before: store::usage(&reading.ledger, before, &columns).map_err(failed)?,
    };
    let judged: Vec<(ErrorClass, Judgement<'_>)> = ErrorClass::ALL
        .into_iter()
        .map(|class| (class, judged(&rows, &columns, class)))
        .collect();

    let mut notes: Vec<String> = reading.note.into_iter().collect();
    notes.extend(usage::notes(&coverage));
    notes.push(usage::note_before(before, &known));
    if rows.before.is_empty() {
        notes.push("nothing is known of the time before: no excess can be told".to_owned());
    }
    let told = judged.iter().filter(|(_, one)| one.errors > 0);
    notes.extend(told.map(|(class, judgement)| words(*class, judgement)));

    let names = arguments.by.iter().map(|column| column.name());
    let mut header: Vec<&'static str> = names.collect();
    header.extend([
        "errors",
        "requests",
        "ratio",
        "errors_before",
        "requests_before",
        "ratio_before",
    ]);
    let report = Report {
        from: period.from,
        to: period.until,
        completeness: coverage.completeness(),
        notes,
        columns: header,
        rows: groups(&rows, &columns, &arguments.by, &judged),
        nothing: "nothing went wrong in this time",
    };
    let concentration = judged.iter().map(|(class, one)| shown(*class, one));
    let more = json!({
        "before": {
            "from": time(before.from),
            "to": time(before.until),
            "completeness": known.completeness(),
        },
        "concentration": concentration.collect::<Vec<_>>(),
    });
    let more = match more {
        Value::Object(more) => more,
        _ => Map::new(),
    };
    report.print_with(arguments.format, more)
}

/// Values of a row by the name of their column.
struct Named<'a> {
    columns: &'a [&'static str],
    row: &'a UsageRow,
}

impl<'a> Named<'a> {
    fn text(&self, name: &str) -> &'a str {
        let at = self.columns.iter().position(|column| *column == name);
        at.and_then(|at| self.row.group.get(at))
            .map_or("", String::as_str)
    }

    fn route(&self) -> (&'a str, &'a str) {
        (self.text("api"), self.text("route"))
    }

    /// An outcome that this version does not know went wrong somehow.
    fn outcome(&self) -> Outcome {
        Outcome::named(self.text("outcome")).unwrap_or(Outcome::ServerError)
    }
}

impl Rows {
    /// Every row, whether it is of the period before, and its number of requests.
    fn all<'a>(
        &'a self,
        columns: &'a [&'static str],
    ) -> impl Iterator<Item = (Named<'a>, bool, u64)> {
        let named = move |row| Named { columns, row };
        let now = self
            .now
            .iter()
            .map(move |row| (named(row), false, row.sums.requests));
        let before = self.before.iter();
        now.chain(before.map(move |row| (named(row), true, row.sums.requests)))
    }
}

impl Counts {
    fn add(&mut self, before: bool, count: u64) {
        *(if before {
            &mut self.before
        } else {
            &mut self.now
        }) += count;
    }
}

fn judged<'a>(rows: &'a Rows, columns: &'a [&'static str], class: ErrorClass) -> Judgement<'a> {
    let mut cells: BTreeMap<_, (Counts, Counts)> = BTreeMap::new();
    for (row, before, count) in rows.all(columns) {
        let key = (row.text("consumer"), row.route());
        let (requests, errors) = cells.entry(key).or_default();
        requests.add(before, count);
        if ErrorClass::of(row.outcome()) == Some(class) {
            errors.add(before, count);
        }
    }
    let cells =
        cells.into_iter().map(
            |((consumer, route), (requests, errors))| responsibility::Cell {
                consumer,
                route,
                requests: requests.now,
                errors: errors.now,
                requests_before: requests.before,
                errors_before: errors.before,
            },
        );
    judge(&cells.collect::<Vec<_>>())
}

/// Groups in which something went wrong, now or before, those with most errors first. Their ratio is that of the errors to all
/// requests of the group, whatever came of them.
fn groups(
    rows: &Rows,
    columns: &[&'static str],
    by: &[ErrorColumn],
    judged: &[(ErrorClass, Judgement<'_>)],
) -> Vec<Vec<Cell>> {
    let mut errors: BTreeMap<Vec<String>, Counts> = BTreeMap::new();
    let mut requests: BTreeMap<Vec<String>, Counts> = BTreeMap::new();
    for (row, before, count) in rows.all(columns) {
        let class = ErrorClass::of(row.outcome());
        let of_class = judged.iter().find(|(one, _)| Some(*one) == class);
        let responsible = of_class.and_then(|(_, one)| one.responsible(row.outcome(), row.route()));
        let value = |column: &ErrorColumn| match column {
            ErrorColumn::Responsible => responsible.map_or("", |who| who.as_str()),
            column => row.text(column.name()),
        };
        let all = by.iter().filter(|column| !column.is_of_the_error());
        let whole = all.map(|column| value(column).to_owned()).collect();
        requests.entry(whole).or_default().add(before, count);
        if class.is_some() {
            let group = by.iter().map(|column| value(column).to_owned()).collect();
            errors.entry(group).or_default().add(before, count);
        }
    }
    let mut groups: Vec<_> = errors.into_iter().collect();
    groups.sort_by(|(name, one), (other_name, other)| {
        (other.now, other.before, name).cmp(&(one.now, one.before, other_name))
    });
    let rows = groups.into_iter().map(|(group, errors)| {
        let parts = by.iter().zip(&group);
        let whole: Vec<String> = parts
            .filter(|(column, _)| !column.is_of_the_error())
            .map(|(_, value)| value.clone())
            .collect();
        let requests = requests.get(&whole).copied().unwrap_or_default();
        let mut cells: Vec<Cell> = group.into_iter().map(Cell::Text).collect();
        cells.extend([
            Cell::Count(errors.now),
            Cell::Count(requests.now),
            Cell::Number(ratio(errors.now, requests.now)),
            Cell::Count(errors.before),
            Cell::Count(requests.before),
            Cell::Number(ratio(errors.before, requests.before)),
        ]);
        cells
    });
    rows.collect()
}

/// What is decided by, in a sentence that can be recomputed.
pub fn words(class: ErrorClass, judgement: &Judgement<'_>) -> String {
    let percent = |part, whole| 100.0 * ratio(part, whole);
    let mut text = format!(
        "{} errors: {} of {} ({:.2} %), before {} of {} ({:.2} %)",
        class.as_str(),
        judgement.errors,
        judgement.requests,
        percent(judgement.errors, judgement.requests),
        judgement.errors_before,
        judgement.requests_before,
        percent(judgement.errors_before, judgement.requests_before),
    );
    let (Some(consumer), Some(route)) = (judgement.top_consumer, judgement.top_route) else {
        return text;
    };
    if judgement.requests_before == 0 {
        return text;
    }
    let (api, path) = route.of;
    let route_words = format!("{api} {path}").escape_debug().to_string();
    text.push_str(&format!(
        "; {:.0} more than its rates give: {:.0} % of them met by {}, {:.0} % on {route_words} ({} consumers): {}",
        judgement.excess,
        100.0 * consumer.share,
        consumer.of.escape_debug(),
        100.0 * route.share,
        judgement.consumers,
        match judgement.cause {
            Cause::None => "no clear step",
            Cause::Consumer if class == ErrorClass::Server => "the provider's, with one trigger",
            Cause::Consumer => "the consumer's",
            Cause::Route => "the provider's, on this route",
            Cause::Everybody => "the provider's, on many routes",
        }
    ));
    text
}

fn shown(class: ErrorClass, judgement: &Judgement<'_>) -> Value {
    let first = match class {
        ErrorClass::Server => "provider",
        _ => "consumer",
    };
    json!({
        "class": class.as_str(),
        "errors": judgement.errors,
        "requests": judgement.requests,
        "ratio": ratio(judgement.errors, judgement.requests),
        "errors_before": judgement.errors_before,
        "requests_before": judgement.requests_before,
        "ratio_before": ratio(judgement.errors_before, judgement.requests_before),
        "excess": judgement.excess,
        "top_consumer": judgement.top_consumer.map(|top| json!({"consumer": top.of, "share": top.share})),
        "top_route": judgement.top_route.map(|top| {
            json!({"api": top.of.0, "route": top.of.1, "share": top.share})
        }),
        "consumers": judgement.consumers,
        "cause": judgement.cause.as_str(),
        "responsible": match judgement.cause {
            Cause::None => Value::Null,
            Cause::Consumer => json!(first),
            Cause::Route | Cause::Everybody => json!("provider"),
        },
    })
}

impl ErrorColumn {
    /// The name in answers; of all but `responsible` also the column of the ledger.
    fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::App => "app",
            Self::Key => "key",
            Self::Api => "api",
            Self::Route => "route",
            Self::Method => "method",
            Self::Status => "status",
            Self::Outcome => "outcome",
            Self::Responsible => "responsible",
        }
    }

    /// Whether it says something of the error, and not of who asked for what.
    fn is_of_the_error(self) -> bool {
        matches!(self, Self::Status | Self::Outcome | Self::Responsible)
    }
}
