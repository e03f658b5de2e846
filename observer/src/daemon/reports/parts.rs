//! Sections that more than one audience has, made of figures.

use std::collections::BTreeMap;

use super::figures::{Amount, Figures, Pair};
use super::span::Spans;
use crate::export::reports::{Cell, Section, Table};
use crate::store::Period;
use crate::usage::{ErrorClass, Responsible};

/// Rows of a table of the most; what is beyond them is told in a sentence.
pub const TOP: usize = 20;

/// What a section's numbers are counted of.
pub const COUNTED: [&str; 3] = ["requests", "requests_before", "requests_change"];

/// A number beside the one before, and what changed.
pub fn beside(now: u64, before: u64) -> [Cell; 3] {
    [
        Cell::Count(now),
        Cell::Count(before),
        Cell::change(now, before),
    ]
}

/// As [`beside`], of bytes.
pub fn bytes(now: u64, before: u64) -> [Cell; 3] {
    [
        Cell::Bytes(now),
        Cell::Bytes(before),
        Cell::change(now, before),
    ]
}

/// A table of a caption and columns.
pub fn table(
    caption: impl Into<String>,
    columns: &[&[&'static str]],
    rows: Vec<Vec<Cell>>,
) -> Table {
    Table {
        caption: caption.into(),
        columns: columns.concat(),
        rows,
    }
}

/// All together, a measure a row.
pub fn totals(total: &Pair) -> Section {
    let Pair { now, before } = total;
    let measure = |name: &str, cells: [Cell; 3]| {
        let mut row = vec![Cell::text(name)];
        row.extend(cells);
        row
    };
    let mut rows = vec![
        measure("requests", beside(now.requests, before.requests)),
        measure("errors", beside(now.failed(), before.failed())),
        measure(
            "share of errors",
            [
                Cell::share(now.failed(), now.requests),
                Cell::share(before.failed(), before.requests),
                Cell::Nothing,
            ],
        ),
    ];
    rows.extend([
        measure(
            "bytes of requests",
            bytes(now.request_bytes, before.request_bytes),
        ),
        measure(
            "bytes of responses",
            bytes(now.response_bytes, before.response_bytes),
        ),
        measure(
            "mean service, ms",
            [now.mean(), before.mean(), Cell::Nothing],
        ),
    ]);
    let table = table(
        "Everything in this time, beside the period before",
        &[&["measure", "now", "before", "change"]],
        rows,
    );
    Section::new("totals", "In numbers").shows(table, "")
}

/// Usage over time, drawn.
pub fn course(
    now: &BTreeMap<u64, Amount>,
    before: &BTreeMap<u64, Amount>,
    spans: Spans,
    hours: bool,
) -> Section {
    let step = if hours { 3_600 } else { 86_400 };
    let name = if hours { "hour" } else { "day" };
    let mut rows = Vec::new();
    for at in (spans.now.from..spans.now.until).step_by(step) {
        // The same hour or day of the period before.
        let then = at - spans.now.from + spans.before.from;
        let one = now.get(&at).copied().unwrap_or_default();
        let other = before.get(&then).copied().unwrap_or_default();
        rows.push(vec![
            Cell::Time(at),
            Cell::Count(one.requests),
            Cell::Count(other.requests),
            Cell::Count(one.failed()),
            Cell::Count(other.failed()),
        ]);
    }
    let known = !now.is_empty() || !before.is_empty();
    let table = table(
        format!("Requests and errors by the {name}"),
        &[&[
            name,
            "requests",
            "requests_before",
            "errors",
            "errors_before",
        ]],
        if known { rows } else { Vec::new() },
    );
    Section::new("course", "Over time")
        .shows(
            table,
            "There were no requests, or none that are kept in steps so small.",
        )
        .draws(
            &format!("Requests by the {name}, beside those of the period before"),
            &["requests", "requests_before"],
        )
}

/// Errors by class and by who has to act, as far as `wanted` are concerned, judged by `all`.
pub fn responsibility(all: &Figures, wanted: &Figures) -> Section {
    let judged = all.judged();
    let mut groups: BTreeMap<(&str, &str, &str), (u64, u64)> = BTreeMap::new();
    for line in &wanted.lines {
        let Some(class) = ErrorClass::of(line.outcome) else {
            continue;
        };
        let judgement = judged.iter().find(|(one, _)| *one == class);
        let who = judgement.and_then(|(_, one)| one.responsible(line.outcome, line.route()));
        let who = who.map_or("", Responsible::as_str);
        let sums = groups
            .entry((class.as_str(), who, line.outcome.as_str()))
            .or_default();
        sums.0 += line.pair.now.requests;
        sums.1 += line.pair.before.requests;
    }
    let row = |((class, who, outcome), (now, before)): ((&str, &str, &str), (u64, u64))| {
        let mut row = vec![Cell::text(class), Cell::text(who), Cell::text(outcome)];
        row.extend(beside(now, before));
        row
    };
    let table = table(
        "Errors by class, who has to act, and what came of the request",
        &[&[
            "class",
            "responsible",
            "outcome",
            "errors",
            "errors_before",
            "errors_change",
        ]],
        groups.into_iter().map(row).collect(),
    );
    Section::new("errors", "Errors, and who has to act").shows(table, "Nothing went wrong.")
}

/// The most used of a kind; names of a row go with `columns`.
pub fn most<K>(
    section: Section,
    columns: &[&'static str],
    groups: &[(K, Pair)],
    names: impl Fn(&K) -> Vec<Cell>,
    most: usize,
) -> Section {
    let row = |(name, pair): &(K, Pair)| {
        let Pair { now, before } = pair;
        let mut row = names(name);
        row.extend(beside(now.requests, before.requests));
        row.extend([
            Cell::Count(now.failed()),
            Cell::Count(before.failed()),
            Cell::share(now.failed(), now.requests),
            Cell::share(before.failed(), before.requests),
            now.mean(),
            before.mean(),
        ]);
        row
    };
    let used = groups.iter().filter(|(_, pair)| pair.now.requests > 0);
    let count = used.clone().count();
    let table = table(
        if count > most {
            format!("The {most} with most requests, of {count}")
        } else {
            "By their requests".to_owned()
        },
        &[
            columns,
            &COUNTED,
            &[
                "errors",
                "errors_before",
                "error_share",
                "error_share_before",
                "mean_ms",
                "mean_ms_before",
            ],
        ],
        used.take(most).map(row).collect(),
    );
    section.shows(table, "There were none.")
}

/// Those that grew and shrank most in requests, of what was there in both periods or in one.
pub fn movers(groups: &[(String, &'static str, Pair)]) -> Section {
    let moved = |pair: &Pair| pair.now.requests.abs_diff(pair.before.requests);
    let mut ranked: Vec<&(String, &str, Pair)> = groups
        .iter()
        .filter(|(_, _, pair)| pair.now.requests > 0 && pair.before.requests > 0 && moved(pair) > 0)
        .collect();
    ranked.sort_by_key(|(_, _, pair)| std::cmp::Reverse(moved(pair)));
    let row = |(name, kind, pair): &(String, &str, Pair)| {
        let grew = pair.now.requests > pair.before.requests;
        let mut row = vec![
            Cell::text(name),
            Cell::text(kind),
            Cell::text(if grew { "grew" } else { "shrank" }),
        ];
        row.extend(beside(pair.now.requests, pair.before.requests));
        row
    };
    let part = |grew: bool| {
        let part = ranked
            .iter()
            .filter(move |(_, _, pair)| (pair.now.requests > pair.before.requests) == grew);
        part.take(TOP / 2).map(|one| row(one)).collect::<Vec<_>>()
    };
    let rows = [part(true), part(false)].concat();
    let table = table(
        "Those whose requests changed most",
        &[&["name", "kind", "direction"], &COUNTED],
        rows,
    );
    Section::new("movers", "What grew and what shrank")
        .shows(table, "Nothing changed that was there before.")
}

/// What is there that was not before, and the other way round.
pub fn newcomers(groups: &[(String, &'static str, Pair)]) -> Section {
    let mut rows = Vec::new();
    for (what, here) in [("new", true), ("gone", false)] {
        let of = |pair: &Pair| (pair.now.requests > 0, pair.before.requests > 0) == (here, !here);
        let mut part: Vec<_> = groups.iter().filter(|(_, _, pair)| of(pair)).collect();
        part.sort_by_key(|(_, _, pair)| {
            std::cmp::Reverse(pair.now.requests.max(pair.before.requests))
        });
        rows.extend(part.into_iter().take(TOP).map(|(name, kind, pair)| {
            vec![
                Cell::text(name),
                Cell::text(kind),
                Cell::text(what),
                Cell::Count(pair.now.requests),
                Cell::Count(pair.before.requests),
            ]
        }));
    }
    let table = table(
        "Used in one of the two periods only",
        &[&["name", "kind", "what", "requests", "requests_before"]],
        rows,
    );
    Section::new("newcomers", "New and gone").shows(table, "Whatever was used was used before too.")
}

/// API and route in a word.
pub fn place((api, route): (&str, &str)) -> String {
    if api.is_empty() {
        route.to_owned()
    } else {
        format!("{api} {route}")
    }
}

/// Whether seconds since 1970 lie in a period.
pub fn within(period: Period, second: u64) -> bool {
    (period.from..period.until).contains(&second)
}
