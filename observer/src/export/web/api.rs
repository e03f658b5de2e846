//! What there is to read as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{Served, broken, refusal};
use crate::export::history::{NoAnswer, Question};
use crate::export::live::Look;
use crate::export::ocsf;
use crate::export::records::rfc3339;
use crate::usage::{ConsumerRow, Snapshot};

const JSON: [(axum::http::HeaderName, &str); 1] = [(CONTENT_TYPE, "application/json")];

/// `GET /api/v1/usage`
pub(super) async fn usage(Shared(served): Shared<Served>) -> Response {
    Json(Usage::of(&served.site.state.snapshot())).into_response()
}

/// `GET /api/v1/incidents`
pub(super) async fn incidents(Shared(served): Shared<Served>) -> Response {
    let state = &served.site.state;
    let rows: Vec<_> = state.awareness().open.iter().map(ocsf::plain).collect();
    let completeness = state.snapshot().completeness;
    Json(serde_json::json!({ "completeness": completeness, "rows": rows })).into_response()
}

/// `GET /api/v1/incidents/ID`
pub(super) async fn incident(Shared(served): Shared<Served>, Path(id): Path<String>) -> Response {
    let view = served.site.state.awareness();
    if let Some(open) = view.open.iter().find(|open| *open.id == *id) {
        return Json(ocsf::plain(open)).into_response();
    }
    told(
        served
            .site
            .history
            .incident(id)
            .await
            .map(|value| value.to_string()),
    )
}

#[derive(Deserialize)]
pub(super) struct Whose {
    consumer: Option<String>,
}

/// `GET /api/v1/posture`
pub(super) async fn posture(
    Shared(served): Shared<Served>,
    Query(whose): Query<Whose>,
) -> Response {
    let state = &served.site.state;
    let view = state.awareness();
    let consumer = whose.consumer.as_deref();
    let keys: Vec<_> = (view.keys.iter())
        .filter(|key| consumer.is_none_or(|consumer| *key.consumer == *consumer))
        .collect();
    let answer = serde_json::json!({
        "completeness": state.snapshot().completeness,
        "rows": view.routes,
        "keys": keys,
        "listeners": view.listeners,
    });
    Json(answer).into_response()
}

/// `GET /api/v1/look`
pub(super) async fn look(
    Shared(served): Shared<Served>,
    look: Result<Query<Look>, QueryRejection>,
) -> Response {
    let Ok(Query(look)) = look else {
        return refusal(StatusCode::BAD_REQUEST, Look::NAMES);
    };
    served.site.live.settle().await;
    match served.site.live.look(&look) {
        Ok(frame) => (JSON, frame).into_response(),
        Err(error) => broken(&error),
    }
}

/// `GET /api/v1/history`
pub(super) async fn history(
    Shared(served): Shared<Served>,
    question: Result<Query<Question>, QueryRejection>,
) -> Response {
    let Ok(Query(question)) = question else {
        let why = "there is no such window (1h, 6h, 24h or 7d), or nothing else by that name";
        return refusal(StatusCode::BAD_REQUEST, why);
    };
    let answer = served.site.history.ask(question).await;
    told(answer.map(|answer| answer.to_string()))
}

/// What the ledger says, or why it does not.
fn told(answer: Result<String, NoAnswer>) -> Response {
    match answer {
        Ok(text) => (JSON, text).into_response(),
        Err(error @ (NoAnswer::NoLedger | NoAnswer::Unknown | NoAnswer::TooLong)) => {
            refusal(StatusCode::NOT_FOUND, &error.to_string())
        }
        Err(error) => refusal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

/// What `/api/v1/usage` returns.
#[derive(Serialize)]
struct Usage {
    from: String,
    to: String,
    completeness: f64,
    rows: Vec<UsageRow>,
}

#[derive(Serialize)]
struct UsageRow {
    consumer: Arc<str>,
    requests: u64,
    errors: u64,
    client_errors: u64,
    auth_errors: u64,
    limited: u64,
    server_errors: u64,
    request_body_bytes: u64,
    response_body_bytes: u64,
}

impl Usage {
    fn of(snapshot: &Snapshot) -> Self {
        let time = |nanoseconds| rfc3339(nanoseconds, &mut [0; 30]).to_owned();
        Self {
            from: time(snapshot.from),
            to: time(snapshot.to),
            completeness: snapshot.completeness,
            rows: snapshot.consumers.iter().map(UsageRow::of).collect(),
        }
    }
}

impl UsageRow {
    fn of(row: &ConsumerRow) -> Self {
        let [client_errors, auth_errors, limited, server_errors] = row.errors;
        Self {
            consumer: Arc::clone(&row.consumer),
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
