//! What is in the tables of each view: columns, and rows of what the daemon said.

mod drill;

use serde_json::Value as Json;

use super::super::responses::act::several;
use super::figures;
use super::place::Tab;
use super::state::State;
use super::table::{Cell, Column, Name, Row, Table, Value};
use crate::export::live::{Consumer, Frame, Route};
use crate::response::Action;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
/// The score that is an alarm.
const ALARM: f64 = 1.0;

/// Severities, the worst first.
pub const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];

const CONSUMERS: [Column; 10] = [
    Column::text("consumer", 0),
    Column::number("req/s", 1),
    Column::number("requests", 8),
    Column::number("5 min", 7),
    Column::number("client", 2),
    Column::number("auth", 4),
    Column::number("limited", 5),
    Column::number("server", 3),
    Column::number("score", 6),
    Column::number("complete", 9),
];

const ROUTES: [Column; 17] = [
    Column::text("api", 2),
    Column::text("route", 0),
    Column::number("req/s", 1),
    Column::number("requests", 6),
    Column::number("2xx", 9),
    Column::number("3xx", 12),
    Column::number("4xx", 7),
    Column::number("5xx", 5),
    Column::number("none", 11),
    Column::number("errors", 3),
    Column::number("mean ms", 8),
    Column::number("p95 ms", 4),
    Column::text("posture", 10),
    Column::number("client", 13),
    Column::number("auth", 14),
    Column::number("limited", 16),
    Column::number("server", 15),
];

const INCIDENTS: [Column; 6] = [
    Column::text("severity", 0),
    Column::text("rule", 1),
    Column::text("subject", 2),
    Column::text("since", 4),
    Column::text("state", 3),
    Column::text("statement", 5),
];

const RESPONSES: [Column; 12] = [
    Column::text("id", 2),
    Column::text("state", 1),
    Column::text("verb", 1),
    Column::text("whom", 0),
    Column::number("left", 3),
    Column::number("refused", 4),
    Column::number("passed", 5),
    Column::number("late", 6),
    Column::number("shared", 7),
    Column::number("packets", 8),
    Column::text("by", 10),
    Column::text("reason", 9),
];

/// The tables that are on the screen, in order.
pub fn tables(state: &State) -> Vec<Table> {
    let mut tables = match state.drills.last() {
        None => vec![tab(state.tab, &state.all.frame, state.answered)],
        Some(drill) => drill::tables(drill, state.paused),
    };
    for (at, table) in tables.iter_mut().enumerate() {
        if let Some(cursor) = state.cursor_of(at) {
            cursor.arrange(table);
        }
    }
    tables
}

fn tab(tab: Tab, frame: &Frame, answered: bool) -> Table {
    let table = |title: &str, columns, wide, rows, nothing: &str| Table {
        title: title.to_owned(),
        columns,
        wide,
        rows,
        all: 0,
        nothing: if answered {
            nothing
        } else {
            "asking the daemon"
        }
        .to_owned(),
    };
    let quiet = "no traffic yet: send a request to a service of this host (observer doctor says which ports cannot be read)";
    match tab {
        Tab::Consumers => {
            let rows = frame.consumers.iter().flatten().map(consumer).collect();
            table("consumers", &CONSUMERS, 0, rows, quiet)
        }
        Tab::Routes => {
            let rows = frame.routes.iter().flatten().map(route).collect();
            table("routes", &ROUTES, 1, rows, quiet)
        }
        Tab::Incidents => {
            let rows = frame.incidents.iter().flatten().map(incident).collect();
            let nothing =
                "no incident is open (observer incidents list --all: those that are over)";
            table("incidents", &INCIDENTS, 5, rows, nothing)
        }
        Tab::Responses => {
            let now = figures::second(&frame.time);
            let actions = frame.actions.iter().flatten();
            let rows = actions.map(|action| response(action, now)).collect();
            let nothing = "nothing is shut off, limited or proposed (b and l in Consumers do it)";
            table("responses", &RESPONSES, 3, rows, nothing)
        }
    }
}

/// A share of errors beside what is usual.
fn against(share: Option<f64>, usual: Option<f64>) -> Cell {
    Cell::number(figures::against(share, usual), share)
}

fn consumer(row: &Consumer) -> Row {
    let class = |at: usize| {
        let of = |all: &[f64; 4]| all.get(at).copied();
        let alarm = of(&row.score).is_some_and(|score| score >= ALARM);
        against(of(&row.error_ratio), row.baseline.as_ref().and_then(of)).bad(alarm)
    };
    let (score, most) = figures::score(&row.score);
    Row {
        name: Name::Consumer(row.consumer.to_string()),
        cells: vec![
            Cell::text(&row.consumer),
            Cell::measure(row.rate),
            Cell::count(row.requests),
            Cell::count(row.recent),
            class(0),
            class(1),
            class(2),
            class(3),
            Cell::number(score, Some(most)).bad(most >= ALARM),
            Cell::number(
                figures::completeness(row.completeness),
                Some(row.completeness),
            ),
        ],
    }
}

fn route(row: &Route) -> Row {
    let status = |at: usize| Cell::count(row.status.get(at).copied().unwrap_or(0));
    let sum = |all: &Option<[f64; 4]>| all.map(|all| all.iter().sum());
    let class = |at: usize| {
        let of = |all: &Option<[f64; 4]>| all.as_ref().and_then(|all| all.get(at)).copied();
        against(of(&row.error_ratio), of(&row.baseline))
    };
    let mut cells = vec![
        Cell::text(&row.api),
        Cell::text(&row.route),
        Cell::measure(row.rate),
        Cell::count(row.requests),
    ];
    cells.extend([1, 2, 3, 4, 5].map(status));
    cells.extend([
        against(sum(&row.error_ratio), sum(&row.baseline)),
        Cell::measure(row.mean_ms),
        Cell::measure(row.p95_ms),
        Cell::text(row.posture.as_deref().unwrap_or(figures::NOTHING)),
    ]);
    cells.extend([0, 1, 2, 3].map(class));
    Row {
        name: Name::Route {
            api: row.api.to_string(),
            route: row.route.to_string(),
        },
        cells,
    }
}

fn field<'a>(incident: &'a Json, name: &str) -> &'a str {
    let value = incident.get(name).and_then(Json::as_str);
    value.unwrap_or_default()
}

fn incident(incident: &Json) -> Row {
    let severity = field(incident, "severity");
    let rank = SEVERITIES.iter().position(|name| *name == severity);
    let consumer = incident.get("consumer").and_then(Json::as_str);
    let since = figures::moment(field(incident, "first_seen"));
    Row {
        name: Name::Incident {
            id: field(incident, "id").to_owned(),
            consumer: consumer.map(str::to_owned),
        },
        cells: vec![
            Cell {
                value: rank.map_or(Value::Nothing, |rank| Value::Number(rank as f64)),
                ..Cell::text(severity)
            }
            .bad(rank.is_some_and(|rank| rank < 2)),
            Cell::text(field(incident, "rule")),
            Cell::text(field(incident, "subject")),
            Cell::text(&since),
            Cell::text(field(incident, "state")),
            Cell::text(field(incident, "statement")),
        ],
    }
}

/// What is to be said of an incident below the table, a line each.
pub fn detail(incident: &Json) -> Vec<String> {
    let field = |name: &str| figures::plain(field(incident, name));
    let mut lines = vec![field("statement")];
    lines.push(format!(
        "{} {} of {}, first seen {}, last {}; id {}",
        field("severity"),
        field("rule"),
        field("subject"),
        field("first_seen"),
        field("last_seen"),
        field("id"),
    ));
    let action = field("proposed_action");
    if !action.is_empty() {
        lines.push(format!("what could be done: {action}"));
    }
    lines
}

fn response(action: &Action, now: Option<u64>) -> Row {
    let left = now.map(|now| (action.until / SECOND).saturating_sub(now));
    let left = match left {
        Some(seconds) => Cell::number(figures::span(seconds), Some(seconds as f64)),
        None => Cell::nothing(),
    };
    let hits = &action.hits;
    let verb = action.verb.to_string();
    Row {
        name: Name::Action {
            id: action.id.to_string(),
            what: format!("{verb} of {}", named(action)),
            consumer: action.consumer.as_deref().map(str::to_owned),
        },
        cells: vec![
            Cell::text(action.id.as_str()),
            Cell::text(action.state.name()),
            Cell::text(&verb),
            Cell::text(&named(action)),
            left,
            Cell::count(hits.refused),
            Cell::count(hits.passed),
            Cell::count(hits.late),
            Cell::count(hits.shared),
            Cell::count(hits.packets),
            Cell::text(&action.by.to_string()),
            Cell::text(&action.reason),
        ],
    }
}

/// What a proposal does to whom, for how long and why.
pub fn proposed(action: &Action) -> String {
    let seconds = action.until.saturating_sub(action.begun) / SECOND;
    format!(
        "{} of {} for {} ({})",
        action.verb,
        named(action),
        figures::span(seconds),
        action.reason
    )
}

/// What a proposal would have hit, before it was made and since.
pub fn would_have(action: &Action) -> String {
    let since = several(action.dry, "request");
    let since = format!("While it was proposed it would have refused {since}.");
    if !action.radius.known {
        return format!("{since} How much it would have hit before is not known.");
    }
    format!(
        "{since} In the hour before it would have hit {} of {}.",
        several(action.radius.exchanges, "exchange"),
        several(action.radius.consumers.into(), "consumer")
    )
}

/// Whom an action is about, and whose that is, as it stands in the JSON.
fn named(action: &Action) -> String {
    let subject = action.subject.to_string();
    match &action.consumer {
        Some(consumer) if **consumer != *action.subject.id() => format!("{subject} ({consumer})"),
        _ => subject,
    }
}
