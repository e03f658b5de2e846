//! What those who keep the APIs safe read: incidents with what they were decided by, how the host is set up, and whose keys
//! are in use that should not be.

use jiff::Timestamp;

use super::Source;
use super::owner::nobody;
use super::parts::{self, TOP, within};
use crate::awareness::{KeyView, Listener, Posture, RouteView, Rule, View};
use crate::export::Reconciliation;
use crate::export::reports::{Cell, Section};
use crate::identity::{KeyEntry, KeyState};
use crate::tls::Version;
use crate::usage::reconcile::Class;

/// Its sections. `view`: what is known of routes, keys and listeners as it stands now.
pub fn sections(source: &Source, view: &View) -> Vec<Section> {
    let events = &source.events;
    vec![
        events.rules(),
        events.incidents(),
        events.evidence(),
        unprotected(source),
        routes(&view.routes),
        nobody(source),
        strangers(source, &view.keys),
        retired(source),
        events.responses(true),
        listeners(&view.listeners),
        reconciliation(source),
    ]
}

/// What came of holding the wire against logs, where somebody told the running daemon.
fn reconciliation(source: &Source) -> Section {
    let row = |one: &Reconciliation| {
        let mut row = vec![Cell::text(&one.log), Cell::time(one.time / 1_000_000_000)];
        row.extend(one.counts.map(Cell::Count));
        row
    };
    let columns: [&[&'static str]; 2] = [&["log", "time"], &Class::ALL.map(Class::name)];
    let rows = source.reconciled.iter().map(row).collect();
    let table = parts::table(
        "Requests of each class, the last time that it was published",
        &columns,
        rows,
    );
    Section::new("reconciliation", "The wire against logs").shows(
        table,
        "Not known: observer reconcile compares with a log, and tells the running daemon with --publish.",
    )
}

/// Credentials where others can read them, as incidents tell.
fn unprotected(source: &Source) -> Section {
    let rows = source
        .events
        .incidents
        .iter()
        .filter(|one| matches!(one.rule, Rule::CleartextCredential | Rule::CredentialInUrl));
    let row = |one: &crate::awareness::Incident| {
        vec![
            Cell::text(&one.subject.words()),
            Cell::text(one.rule.name()),
            Cell::text(one.state.name()),
            Cell::time(one.last_seen / 1_000_000_000),
            Cell::text(&one.statement),
        ]
    };
    let columns: [&'static str; 5] = ["subject", "rule", "state", "last_seen", "statement"];
    let table = parts::table(
        "Credentials in the clear and in targets",
        &[&columns],
        rows.map(row).collect(),
    );
    Section::new("unprotected", "Credentials that others can read")
        .shows(table, "No incident of this time tells of any.")
}

/// Routes that answer without a key.
fn routes(routes: &[RouteView]) -> Section {
    let bare = |route: &&RouteView| matches!(route.posture, Posture::Mixed | Posture::Open);
    let mut bare: Vec<&RouteView> = routes.iter().filter(bare).collect();
    bare.sort_by_key(|route| std::cmp::Reverse(route.access.unkeyed));
    let count = bare.len();
    let row = |route: &&RouteView| {
        vec![
            Cell::text(&route.api),
            Cell::text(&route.route),
            Cell::text(route.posture.name()),
            Cell::Count(route.access.keyed),
            Cell::Count(route.access.unkeyed),
            Cell::share(route.access.unkeyed, route.successes()),
            Cell::time(route.access.last_unkeyed),
        ]
    };
    let columns: [&'static str; 7] = [
        "api",
        "route",
        "posture",
        "keyed",
        "unkeyed",
        "unkeyed_share",
        "last_unkeyed",
    ];
    let table = parts::table(
        "Successes with and without a key since the route is known",
        &[&columns],
        bare.iter().take(TOP * 5).map(row).collect(),
    );
    let mut section = Section::new("posture", "Routes that answer without a key");
    if count > 0 {
        section = section.says(format!(
            "{count} as they stand now, of those that are not declared public."
        ));
    }
    section.shows(
        table,
        "Every route that is not declared public asks for a key.",
    )
}

/// Credentials in use that are not registered.
fn strangers(source: &Source, keys: &[KeyView]) -> Section {
    let span = source.spans.now;
    let used = |key: &&KeyView| !key.registered && key.first < span.until && key.last >= span.from;
    let mut used: Vec<&KeyView> = keys.iter().filter(used).collect();
    used.sort_by_key(|key| std::cmp::Reverse(key.requests));
    let count = used.len();
    let row = |key: &&KeyView| {
        vec![
            Cell::text(&key.key),
            Cell::Count(key.requests),
            Cell::number(key.success * 100.0),
            Cell::Count(key.networks as u64),
            Cell::time(key.first),
            Cell::time(key.last),
            Cell::text(if within(span, key.first) {
                "new"
            } else {
                "known"
            }),
        ]
    };
    let columns: [&'static str; 7] = [
        "credential",
        "requests",
        "success_percent",
        "networks",
        "first_seen",
        "last_seen",
        "what",
    ];
    let table = parts::table(
        "By their fingerprints, with all requests since they were first seen",
        &[&columns],
        used.iter().take(TOP * 5).map(row).collect(),
    );
    let mut section = Section::new("strangers", "Credentials that are not registered");
    if count > 0 {
        section = section.says(format!(
            "{count} were in use in this time, of those that are remembered."
        ));
    }
    section.shows(table, "None that is remembered was in use.")
}

/// Keys that should not be in use any more, and are.
fn retired(source: &Source) -> Section {
    let until = i64::try_from(source.spans.now.until)
        .ok()
        .and_then(|second| Timestamp::from_second(second).ok());
    let why = |key: &KeyEntry| match key.state {
        KeyState::Revoked | KeyState::Suspended => Some(key.state.name()),
        _ => (key.expires.zip(until))
            .and_then(|(expires, until)| (expires < until).then_some("expired")),
    };
    let used = source.figures.by(|line| (line.consumer(), line.key()));
    let row = |key: &KeyEntry| {
        let why = why(key)?;
        let pair = used.get(&(&*key.consumer, &*key.key))?;
        let mut row = vec![
            Cell::text(&key.key),
            Cell::text(&key.consumer),
            Cell::text(why),
        ];
        row.extend(parts::beside(pair.now.requests, pair.before.requests));
        row.extend([
            Cell::Count(pair.now.requests.saturating_sub(pair.now.failed())),
            Cell::Count(pair.before.requests.saturating_sub(pair.before.failed())),
            key.expires.map_or(Cell::Nothing, |end| {
                Cell::time(u64::try_from(end.as_second()).unwrap_or_default())
            }),
        ]);
        Some(row)
    };
    let columns: [&[&'static str]; 3] = [
        &["key", "consumer", "why"],
        &parts::COUNTED,
        &["answered_well", "answered_well_before", "expires"],
    ];
    let rows = source.registry.keys().iter().filter_map(row).collect();
    let table = parts::table(
        "As the registry has them now, with their requests",
        &columns,
        rows,
    );
    Section::new("retired", "Revoked, suspended and expired keys in use")
        .shows(table, "None was used.")
}

/// Ports that speak TLS which protects nobody any more.
fn listeners(listeners: &[Listener]) -> Section {
    let row = |one: &Listener| {
        let mut row = vec![
            Cell::text(&one.name),
            Cell::Count(one.weak),
            Cell::share(one.weak, one.agreed()),
        ];
        row.extend(one.versions.map(Cell::Count));
        row.push(Cell::time(one.last_weak));
        row
    };
    let columns: [&[&'static str]; 3] = [
        &["listener", "weak", "weak_share"],
        &Version::ALL.map(Version::column),
        &["last_weak"],
    ];
    let weak = listeners.iter().filter(|one| one.weak > 0);
    let table = parts::table(
        "Handshakes since the port is known",
        &columns,
        weak.map(row).collect(),
    );
    Section::new("tls", "Weak TLS")
        .shows(table, "No port agreed on what should not be used any more.")
}
