//! `observer posture`: how this host is set up, as its traffic shows: routes, keys, ports that speak TLS, documents.

use super::cli;
use super::failure::Failure;
use super::reading::Known;
use super::report::{Cell, Report};
use super::rules;
use crate::awareness::inventory::{self, Inventory};
use crate::awareness::{Incident, KeyView, Listener, Posture, RouteView, State};
use crate::store::{self, Period};
use crate::tls::Version;

const DAY: u64 = 86_400;

/// Columns, and rows of them.
type Table = (Vec<&'static str>, Vec<Vec<Cell>>);

/// Prints the posture. False: some route is mixed or open that is not declared public.
///
/// # Errors
/// When the ledger cannot be read.
pub fn posture(arguments: &cli::Posture) -> Result<bool, Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let known = Known::read(&config, &*rules::registry(&config)?)?;
    let (view, now) = (&known.view, known.now);
    let documents = rules::routes(&config)?.documents();
    let inventories = inventory::inventories(&documents, &view.routes);
    let (columns, rows) = if arguments.keys {
        keys(&view.keys, now)
    } else if arguments.tls {
        listeners(&view.listeners)
    } else if arguments.inventory {
        documented(&inventories)
    } else {
        routes(&view.routes)
    };
    let mut notes: Vec<String> = known.note.into_iter().collect();
    notes.extend(inventories.iter().map(|one| one.words(now - known.from)));
    notes.extend(findings(&known.ledger, now)?);
    let report = Report {
        from: known.from,
        to: now,
        completeness: known.completeness,
        notes,
        columns,
        rows,
        nothing: "nothing was seen yet",
    };
    report.print(arguments.format)?;
    let bare = |route: &RouteView| matches!(route.posture, Posture::Mixed | Posture::Open);
    Ok(!view.routes.iter().any(bare))
}

/// A time in seconds since 1970 in UTC; zero is none.
fn when(second: u64) -> Cell {
    Cell::time((second != 0).then_some(second))
}

fn routes(routes: &[RouteView]) -> Table {
    let row = |route: &RouteView| {
        vec![
            Cell::text(&route.api),
            Cell::text(&route.route),
            Cell::text(route.posture.name()),
            Cell::Count(route.access.keyed),
            Cell::Count(route.access.unkeyed),
            when(route.access.last_unkeyed),
        ]
    };
    let columns = vec![
        "api",
        "route",
        "posture",
        "keyed",
        "unkeyed",
        "last_unkeyed",
    ];
    (columns, routes.iter().map(row).collect())
}

fn keys(keys: &[KeyView], now: u64) -> Table {
    let row = |key: &KeyView| {
        let kind = if key.registered {
            "registered"
        } else {
            "stranger"
        };
        vec![
            Cell::text(&key.consumer),
            Cell::text(&key.key),
            Cell::text(kind),
            when(key.first),
            when(key.last),
            Cell::Count(now.saturating_sub(key.first) / DAY),
            Cell::Count(key.networks as u64),
            Cell::Count(key.requests),
        ]
    };
    let columns = vec![
        "consumer",
        "key",
        "kind",
        "first_seen",
        "last_seen",
        "age_days",
        "networks",
        "requests",
    ];
    (columns, keys.iter().map(row).collect())
}

fn listeners(listeners: &[Listener]) -> Table {
    let row = |listener: &Listener| {
        let versions = listener.versions.map(Cell::Count);
        let counts = [listener.refused, listener.unread, listener.weak].map(Cell::Count);
        let mut row = vec![Cell::text(&listener.name)];
        row.extend(versions.into_iter().chain(counts));
        row.extend([when(listener.last_weak), when(listener.last)]);
        row
    };
    let mut columns = vec!["listener"];
    columns.extend(Version::ALL.map(Version::column));
    columns.extend(["refused", "unread", "weak", "last_weak", "last_seen"]);
    (columns, listeners.iter().map(row).collect())
}

/// Routes beside what documents declare.
fn documented(inventories: &[Inventory]) -> Table {
    let row = |api: &str, route: &inventory::Route| {
        vec![
            Cell::text(api),
            Cell::text(&route.route),
            Cell::text(route.standing.name()),
            Cell::Count(route.successes),
        ]
    };
    let rows = inventories
        .iter()
        .flat_map(|one| one.routes.iter().map(|route| row(&one.api, route)));
    let columns = vec!["api", "route", "standing", "successes"];
    (columns, rows.collect())
}

/// Open findings that belong to a posture, a sentence each.
fn findings(ledger: &store::Reader, now: u64) -> Result<Vec<String>, Failure> {
    let period = Period {
        from: now,
        until: now,
    };
    let bodies =
        store::incidents(ledger, period).map_err(|error| Failure::input("ledger", error))?;
    let mut found: Vec<String> = bodies
        .iter()
        .filter_map(|body| serde_json::from_str::<Incident>(body).ok())
        .filter(|incident| incident.state != State::Closed && incident.rule.is_posture())
        .map(|incident| format!("{}: {}", incident.rule.name(), incident.statement))
        .collect();
    found.sort_unstable();
    Ok(found)
}
