//! Two ways to count the same requests, brought into one form and compared.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::daemon::KEYS;
use crate::metrics::Metrics;
use crate::nginx::Logged;

/// How long two ways of counting may take to agree.
const LIMIT: Duration = Duration::from_secs(10);

/// Number of requests by consumer, method, route and status.
pub type Tally = BTreeMap<[String; 4], u64>;

/// What the daemon counted as usage, of all APIs.
pub fn of_metrics(metrics: &Metrics) -> Tally {
    let mut tally = Tally::new();
    for sample in metrics.family("observer_http_requests_total") {
        let row = ["consumer", "method", "route", "status"].map(|label| sample.label(label).into());
        *tally.entry(row).or_default() += sample.value as u64;
    }
    tally
}

/// What the ledger has, of [`crate::daemon::Setup::usage`] by consumer, method, route and status.
pub fn of_usage(usage: &Value) -> Tally {
    let mut tally = Tally::new();
    for row in usage["rows"].as_array().into_iter().flatten() {
        let name = ["consumer", "method", "route", "status"]
            .map(|column| row[column].as_str().unwrap_or_default().to_owned());
        *tally.entry(name).or_default() += row["requests"].as_u64().unwrap_or_default();
    }
    tally
}

/// What records say.
pub fn of_records(records: &[Value]) -> Tally {
    let mut tally = Tally::new();
    for record in records {
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let status = record["status"].as_u64();
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        let row = [text("consumer"), text("method"), text("route"), status];
        *tally.entry(row).or_default() += 1;
    }
    tally
}

/// Requests that the ledger has, and those that it says were lost, of [`crate::daemon::Setup::usage`].
pub fn counted_and_lost(usage: &Value) -> (u64, u64) {
    let rows = usage["rows"].as_array().into_iter().flatten();
    let counted = rows.filter_map(|row| row["requests"].as_u64()).sum();
    let notes = usage["notes"].as_array().into_iter().flatten();
    let lost = notes
        .filter_map(|note| note.as_str()?.strip_prefix("missed: "))
        .filter_map(|note| {
            let count = note.strip_suffix(" (ring full)");
            count.or(note.strip_suffix(" (shed)"))?.parse::<u64>().ok()
        })
        .sum();
    (counted, lost)
}

/// What nginx counted.
pub fn of_log(log: &[Logged]) -> Tally {
    let mut tally = Tally::new();
    for line in log {
        let status = line
            .status
            .map_or_else(|| "none".to_owned(), |status| status.to_string());
        let row = [
            consumer(&line.key).to_owned(),
            method(&line.method).to_owned(),
            route(&line.uri, line.status),
            status,
        ];
        *tally.entry(row).or_default() += 1;
    }
    tally
}

/// The rows that were answered.
pub fn answered(mut tally: Tally) -> Tally {
    tally.retain(|[_, _, _, status], _| status != "none");
    tally
}

/// Whom a key belongs to.
pub fn consumer(key: &str) -> &'static str {
    match key {
        "" => "__unkeyed__",
        key => KEYS
            .iter()
            .find(|(known, _)| *known == key)
            .map_or("__unregistered__", |(_, consumer)| consumer),
    }
}

/// The contract's label: methods that are not registered share one.
fn method(method: &str) -> &str {
    match method {
        "GET" | "HEAD" | "POST" | "PUT" | "DELETE" => method,
        _ => "_OTHER",
    }
}

/// The route that is to be learned from what nginx answers: what it does not have is `__other__`.
fn route(uri: &str, status: Option<u16>) -> String {
    let path = uri.split('?').next().unwrap_or_default();
    if matches!(status, None | Some(400 | 404)) {
        return "__other__".to_owned();
    }
    path.split('/')
        .map(|segment| {
            let number = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
            if number { "{id}" } else { segment }
        })
        .collect::<Vec<_>>()
        .join("/")
}

/// Waits until two ways of counting agree, and returns what they agree on.
///
/// # Panics
/// With what differs, when they do not agree in time.
pub fn agree(mut observe: impl FnMut() -> Tally, mut log: impl FnMut() -> Tally) -> Tally {
    let deadline = Instant::now() + LIMIT;
    loop {
        let (observed, logged) = (observe(), log());
        if observed == logged {
            return logged;
        }
        assert!(
            Instant::now() < deadline,
            "{}",
            difference(&observed, &logged)
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// The rows in which two tallies differ, for a person to read.
fn difference(observed: &Tally, logged: &Tally) -> String {
    let mut text = String::from("consumer method route status: observed, logged\n");
    let mut rows: Vec<_> = observed.keys().chain(logged.keys()).collect();
    rows.sort();
    rows.dedup();
    for row in rows {
        let count = |tally: &Tally| tally.get(row).copied().unwrap_or(0);
        let (seen, wanted) = (count(observed), count(logged));
        if seen != wanted {
            let _ = writeln!(text, "{}: {seen}, {wanted}", row.join(" "));
        }
    }
    text
}
