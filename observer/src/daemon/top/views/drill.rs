//! What was opened: keys and routes of a consumer, routes of a key, consumers of a route, and exchanges.

use std::collections::HashSet;

use super::super::figures;
use super::super::place::{Drill, What};
use super::super::seen::{Exchange, Part, Seen};
use super::super::table::{Cell, Column, Name, Row, Table};
use crate::awareness::KeyView;

const KEYS: [Column; 6] = [
    Column::text("key", 0),
    Column::number("requests", 1),
    Column::number("errors", 2),
    Column::number("success", 3),
    Column::number("used ago", 4),
    Column::text("app", 5),
];

const ROUTES: [Column; 8] = [
    Column::text("route", 0),
    Column::number("requests", 1),
    Column::number("errors", 2),
    Column::text("api", 3),
    Column::number("mean ms", 4),
    Column::number("client", 5),
    Column::number("auth", 6),
    Column::number("server", 7),
];

const CONSUMERS: [Column; 7] = [
    Column::text("consumer", 0),
    Column::number("requests", 1),
    Column::number("client", 2),
    Column::number("auth", 3),
    Column::number("limited", 5),
    Column::number("server", 4),
    Column::number("mean ms", 6),
];

const EXCHANGES: [Column; 9] = [
    Column::text("time", 0),
    Column::text("client", 5),
    Column::text("method", 2),
    Column::text("target", 1),
    Column::text("status", 1),
    Column::text("outcome", 3),
    Column::number("ms", 4),
    Column::text("consumer", 6),
    Column::text("key", 7),
];

/// The tables of what was opened.
pub fn tables(drill: &Drill, paused: bool) -> Vec<Table> {
    let seen = drill.seen.as_ref();
    let hour = |part: &Result<super::super::seen::History, String>| part.as_ref().err().cloned();
    let unknown = seen.and_then(|seen| seen.history.as_ref()).map(hour);
    let table = |title: &str, columns, wide, rows: Vec<Row>, state: Option<Option<String>>| Table {
        title: title.to_owned(),
        columns,
        wide,
        rows,
        all: 0,
        nothing: match state {
            Some(None) => "nothing in the last hour".to_owned(),
            Some(Some(why)) => figures::plain(&format!("not known: {why}")),
            None if paused => "nothing is asked while paused (p goes on)".to_owned(),
            None => "asking the daemon".to_owned(),
        },
    };
    match &drill.what {
        What::Consumer(_) => vec![
            table("keys, last hour", &KEYS, 0, keys(seen), unknown.clone()),
            table("routes, last hour", &ROUTES, 0, routes(seen), unknown),
        ],
        What::Key { .. } => vec![table(
            "routes, last hour",
            &ROUTES,
            0,
            routes(seen),
            unknown,
        )],
        What::Route { .. } => {
            let rows = seen.map(consumers).unwrap_or_default();
            vec![table("consumers, last hour", &CONSUMERS, 0, rows, unknown)]
        }
        What::Exchanges(_) => {
            let exchanges = seen.and_then(|seen| seen.exchanges.as_ref());
            let rows = exchanges.and_then(|rows| rows.as_ref().ok());
            let rows = rows.map(|rows| rows.iter().map(exchange).collect());
            let state = exchanges.map(|rows| rows.as_ref().err().cloned());
            let mut one = table("exchanges", &EXCHANGES, 3, rows.unwrap_or_default(), state);
            if exchanges.is_some_and(Result::is_ok) {
                one.nothing = "waiting for the next exchange".to_owned();
            }
            vec![one]
        }
    }
}

/// What the last hour has of a kind.
fn parts(seen: Option<&Seen>, of: fn(&super::super::seen::History) -> &Vec<Part>) -> &[Part] {
    let history = seen.and_then(|seen| seen.history.as_ref());
    match history {
        Some(Ok(history)) => of(history),
        _ => &[],
    }
}

fn errors(part: &Part) -> Cell {
    Cell::count(part.errors.iter().sum())
}

fn class(part: &Part, at: usize) -> Cell {
    Cell::count(part.errors.get(at).copied().unwrap_or(0))
}

/// Keys of the last hour, and those that were not used in it.
fn keys(seen: Option<&Seen>) -> Vec<Row> {
    let known: &[KeyView] = match seen.and_then(|seen| seen.keys.as_ref()) {
        Some(Ok(keys)) => keys,
        _ => &[],
    };
    let now = seen.and_then(|seen| figures::second(&seen.frame.time));
    let row = |key: &str, part: Option<&Part>, view: Option<&KeyView>| Row {
        name: Name::Key(key.to_owned()),
        cells: vec![
            Cell::text(if key.is_empty() {
                figures::NOTHING
            } else {
                key
            }),
            part.map_or_else(Cell::nothing, |part| Cell::count(part.requests)),
            part.map_or_else(Cell::nothing, errors),
            match view {
                Some(view) => Cell::number(figures::percent(view.success), Some(view.success)),
                None => Cell::nothing(),
            },
            match view.and_then(|view| Some(now?.saturating_sub(view.last))) {
                Some(ago) => Cell::number(figures::span(ago), Some(ago as f64)),
                None => Cell::nothing(),
            },
            Cell::text(
                part.and_then(|part| part.app.as_deref())
                    .unwrap_or(figures::NOTHING),
            ),
        ],
    };
    let used = parts(seen, |history| &history.keys);
    let mut rows = Vec::with_capacity(used.len() + known.len());
    let mut named = HashSet::new();
    for part in used {
        let key = part.key.as_deref().unwrap_or_default();
        named.insert(key);
        rows.push(row(
            key,
            Some(part),
            known.iter().find(|view| *view.key == *key),
        ));
    }
    let rest = known.iter().filter(|view| !named.contains(&*view.key));
    let none = Part::default();
    // The ledger does not tell apart what is not registered: nobody knows how much of it one key was.
    rows.extend(rest.map(|view| row(&view.key, view.registered.then_some(&none), Some(view))));
    rows
}

fn routes(seen: Option<&Seen>) -> Vec<Row> {
    let row = |part: &Part| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let (api, route) = (text(&part.api), text(&part.route));
        Row {
            cells: vec![
                Cell::text(&route),
                Cell::count(part.requests),
                errors(part),
                Cell::text(&api),
                Cell::measure(part.mean_ms),
                class(part, 0),
                class(part, 1),
                class(part, 3),
            ],
            name: Name::Route { api, route },
        }
    };
    parts(seen, |history| &history.routes)
        .iter()
        .map(row)
        .collect()
}

fn consumers(seen: &Seen) -> Vec<Row> {
    let row = |part: &Part| {
        let consumer = part.consumer.clone().unwrap_or_default();
        Row {
            cells: vec![
                Cell::text(&consumer),
                Cell::count(part.requests),
                class(part, 0),
                class(part, 1),
                class(part, 2),
                class(part, 3),
                Cell::measure(part.mean_ms),
            ],
            name: Name::Consumer(consumer),
        }
    };
    let parts = parts(Some(seen), |history| &history.consumers);
    parts.iter().map(row).collect()
}

fn exchange(row: &Exchange) -> Row {
    let text = |text: &Option<String>| Cell::text(text.as_deref().unwrap_or(figures::NOTHING));
    let failed = row.status.is_none_or(|status| status >= 500);
    let target = row.target.as_deref().unwrap_or(&row.route);
    let took = row.duration_us as f64 / 1_000.0;
    Row {
        name: Name::Exchange(format!(
            "{} {} {} {target}",
            row.time,
            row.peer,
            row.method.as_deref().unwrap_or_default()
        )),
        cells: vec![
            Cell::text(&figures::clock(&row.time)),
            Cell::text(&row.client),
            text(&row.method),
            Cell::text(target),
            text(&row.status.map(|status| status.to_string())).bad(failed),
            Cell::text(&row.outcome),
            Cell::measure(Some(took)),
            Cell::text(&row.consumer),
            text(&row.key),
        ],
    }
}
