//! The listener: `/healthz`, `/metrics`, the page, the runbook, and what commands print as `/api/v1/*`.
//!
//! It only reads. Connections are bounded in number and in the time that they may do nothing, so that a reader who
//! never reads costs a slot and then nothing.

mod connection;
mod runbook;

use std::fmt::Write;
use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::routing::get;
use prometheus::Registry;
use serde::Serialize;
use tokio::net::TcpListener;

use super::records::rfc3339;
use super::{State, metrics, ocsf};
use crate::awareness::View;
use crate::usage::{ConsumerRow, ErrorClass, Snapshot};

type Answer = (StatusCode, [(HeaderName, &'static str); 3], String);

#[derive(Clone)]
struct Site {
    state: Arc<State>,
    registry: Registry,
}

/// Answers until `shutdown` resolves and the requests that came before it are answered.
pub async fn serve(
    listener: TcpListener,
    state: Arc<State>,
    registry: Registry,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let site = Router::new()
        .route("/", get(page))
        .route("/healthz", get(health))
        .route("/metrics", get(scrape))
        .route("/runbook", get(show_runbook))
        .route("/api/v1/usage", get(usage))
        .route("/api/v1/incidents", get(incidents))
        .route("/api/v1/posture", get(posture))
        .with_state(Site { state, registry });
    axum::serve(connection::Bounded::new(listener), site)
        .with_graceful_shutdown(shutdown)
        .await
}

async fn health(Shared(site): Shared<Site>) -> Answer {
    match site.state.readiness() {
        Ok(()) => answer(
            StatusCode::OK,
            "text/plain; charset=utf-8",
            "ok\n".to_owned(),
        ),
        Err(reason) => answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/plain; charset=utf-8",
            format!("{reason}\n"),
        ),
    }
}

async fn scrape(Shared(site): Shared<Site>) -> Answer {
    match metrics::render(&site.registry) {
        Ok(text) => answer(StatusCode::OK, metrics::CONTENT_TYPE, text),
        Err(error) => broken(&error),
    }
}

async fn usage(Shared(site): Shared<Site>) -> Answer {
    match serde_json::to_string(&Usage::of(&site.state.snapshot())) {
        Ok(text) => answer(StatusCode::OK, "application/json", text + "\n"),
        Err(error) => broken(&error),
    }
}

async fn incidents(Shared(site): Shared<Site>) -> Answer {
    let view = site.state.awareness();
    let rows: Vec<_> = view.open.iter().map(ocsf::plain).collect();
    json(&serde_json::json!({ "completeness": site.state.snapshot().completeness, "rows": rows }))
}

async fn posture(Shared(site): Shared<Site>) -> Answer {
    let view = site.state.awareness();
    let answer = serde_json::json!({
        "completeness": site.state.snapshot().completeness,
        "rows": view.routes,
        "keys": view.keys,
        "listeners": view.listeners,
    });
    json(&answer)
}

async fn show_runbook() -> Answer {
    answer(StatusCode::OK, "text/html; charset=utf-8", runbook::page())
}

fn json(value: &serde_json::Value) -> Answer {
    answer(StatusCode::OK, "application/json", format!("{value}\n"))
}

async fn page(Shared(site): Shared<Site>) -> Answer {
    let text = write_page(
        &site.state.snapshot(),
        &site.state.awareness(),
        &site.state.readiness(),
    );
    answer(StatusCode::OK, "text/html; charset=utf-8", text)
}

fn broken(error: &dyn std::error::Error) -> Answer {
    answer(
        StatusCode::INTERNAL_SERVER_ERROR,
        "text/plain; charset=utf-8",
        format!("{error}\n"),
    )
}

fn answer(status: StatusCode, content_type: &'static str, text: String) -> Answer {
    let fields = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ];
    (status, fields, text)
}

/// What `/api/v1/usage` returns.
#[derive(Serialize)]
struct Usage<'a> {
    from: String,
    to: String,
    completeness: f64,
    rows: Vec<UsageRow<'a>>,
}

#[derive(Serialize)]
struct UsageRow<'a> {
    consumer: &'a str,
    requests: u64,
    errors: u64,
    client_errors: u64,
    auth_errors: u64,
    limited: u64,
    server_errors: u64,
    request_body_bytes: u64,
    response_body_bytes: u64,
}

impl<'a> Usage<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let time = |nanoseconds| rfc3339(nanoseconds, &mut [0; 30]).to_owned();
        Self {
            from: time(snapshot.from),
            to: time(snapshot.to),
            completeness: snapshot.completeness,
            rows: snapshot.consumers.iter().map(UsageRow::of).collect(),
        }
    }
}

impl<'a> UsageRow<'a> {
    fn of(row: &'a ConsumerRow) -> Self {
        let [client_errors, auth_errors, limited, server_errors] = row.errors;
        Self {
            consumer: &row.consumer,
            requests: row.requests,
            errors: row.errors.iter().sum(),
            client_errors,
            auth_errors,
            limited,
            server_errors,
            request_body_bytes: row.request_body_bytes,
            response_body_bytes: row.response_body_bytes,
        }
    }
}

/// Most consumers that the page shows, by requests.
const PAGE_ROWS: usize = 200;

/// Most incidents that the page shows, the newest ones.
const PAGE_INCIDENTS: usize = 50;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;\
color:#1b1f24;background:#fff}table{border-collapse:collapse;width:100%}th,td{padding:.3rem .6rem;text-align:right;\
border-bottom:1px solid #d0d7de}th:first-child,td:first-child{text-align:left}td{font-variant-numeric:tabular-nums}\
.bad{color:#b3261e;font-weight:600}@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}\
th,td{border-color:#30363d}.bad{color:#ff7b72}a{color:#79c0ff}}";

fn write_page(snapshot: &Snapshot, view: &View, readiness: &Result<(), String>) -> String {
    let mut rows: Vec<&ConsumerRow> = snapshot.consumers.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.requests));
    let mut table = String::new();
    for row in rows.iter().take(PAGE_ROWS) {
        table.push_str("<tr><td>");
        escape(&mut table, &row.consumer);
        number(&mut table, row.requests);
        row.errors
            .iter()
            .for_each(|errors| number(&mut table, *errors));
        let recent: f64 = row.error_ratio.iter().sum();
        let class = if recent >= 0.05 { " class=bad" } else { "" };
        // Writing to a string does not fail.
        let _ = write!(table, "<td{class}>{:.1} %", recent * 100.0);
        number(&mut table, row.request_body_bytes);
        number(&mut table, row.response_body_bytes);
        table.push('\n');
    }
    if rows.is_empty() {
        table.push_str("<tr><td colspan=9>No requests yet.\n");
    }
    if let Some(more) = rows.len().checked_sub(PAGE_ROWS).filter(|more| *more > 0) {
        let _ = writeln!(
            table,
            "<tr><td colspan=9>and {more} more: see /api/v1/usage"
        );
    }
    let mut incidents = String::new();
    for incident in view.open.iter().take(PAGE_INCIDENTS) {
        let _ = write!(
            incidents,
            "<p><span class=bad>{} {}</span> ",
            incident.severity.name(),
            incident.rule.name()
        );
        escape(&mut incidents, &incident.statement);
        incidents.push('\n');
    }
    if let Some(more) = view
        .open
        .len()
        .checked_sub(PAGE_INCIDENTS)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(
            incidents,
            "<p>and {more} more incidents: see /api/v1/incidents"
        );
    }
    let mut health = String::new();
    match readiness {
        Ok(()) => health.push_str("observing"),
        Err(reason) => {
            health.push_str("<span class=bad>not ready: ");
            escape(&mut health, reason);
            health.push_str("</span>");
        }
    }
    let classes: String = ErrorClass::ALL
        .iter()
        .map(|class| format!("<th>{} errors", class.as_str()))
        .collect();
    let (from, to) = (
        rfc3339(snapshot.from, &mut [0; 30]).to_owned(),
        rfc3339(snapshot.to, &mut [0; 30]).to_owned(),
    );
    let completeness = snapshot.completeness * 100.0;
    format!(
        "<!doctype html>\n<html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5>\n\
<meta name=viewport content=\"width=device-width\"><title>observer</title><style>{STYLE}</style>\n\
<h1>observer</h1>\n<p>{health} · completeness of the last minute {completeness:.2} % · \
<a href=metrics>metrics</a> · <a href=api/v1/usage>usage as JSON</a> · <a href=runbook>runbook</a>\n{incidents}<p>From {from} to {to}\n\
<table><thead><tr><th>consumer<th>requests{classes}<th>errors, 5 min<th>request bytes<th>response bytes</thead>\n\
<tbody>\n{table}</table>\n"
    )
}

fn number(table: &mut String, number: u64) {
    let _ = write!(table, "<td>{number}");
}

/// Text as HTML content.
fn escape(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(character),
        }
    }
}
