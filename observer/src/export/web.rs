//! The listener: `/healthz`, `/metrics`, the page, the runbook, and what commands print as `/api/v1/*`.
//!
//! It reads; what changes something takes a session, whose link only the control socket gives out. Connections are bounded in
//! number, in what they may send, and in the time that they may do nothing.

mod api;
mod changes;
mod connection;
mod hosts;
mod page;
mod runbook;
mod session;
mod stream;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State as Shared};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use prometheus::Registry;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub use hosts::Hosts;
pub use session::Sessions;

use super::history::History;
use super::live::Live;
use super::{State, metrics};
use connection::Peer;

/// Streams at a time.
const STREAMS: usize = 128;
/// Bytes of what is asked for.
const ASKED: usize = 4_096;

/// Something that somebody who is signed in wants changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An order about somebody, as JSON.
    Respond(String),
    /// Something about an incident.
    Incident {
        /// Its id.
        id: String,
        /// What.
        deed: Deed,
    },
}

/// What is done about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "deed", rename_all = "snake_case", deny_unknown_fields)]
pub enum Deed {
    /// Somebody knows of it.
    Ack,
    /// It is over.
    Close,
    /// It is over, and not to come again for a time.
    Suppress {
        /// Seconds.
        seconds: u64,
    },
}

impl Deed {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ack => "acknowledged",
            Self::Close => "closed",
            Self::Suppress { .. } => "suppressed",
        }
    }
}

/// What comes of a change: what there is to say, or why it was not done.
pub type Answered = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// Whoever makes changes.
pub trait Desk: Send + Sync {
    /// Makes a change in the name of `by`.
    fn change(&self, by: &str, change: Change) -> Answered;
}

/// Everything that the listener shows, and whom it listens to.
#[derive(Clone)]
pub struct Site {
    /// Counters, capture and awareness.
    pub state: Arc<State>,
    /// The metrics.
    pub registry: Registry,
    /// Frames.
    pub live: Arc<Live>,
    /// The ledger.
    pub history: Arc<History>,
    /// Names under which it may be asked for.
    pub hosts: Arc<Hosts>,
    /// Who is signed in.
    pub sessions: Arc<Sessions>,
    /// Who makes changes; where nobody does, nobody can sign in.
    pub desk: Option<Arc<dyn Desk>>,
}

/// A site, and its streams.
#[derive(Clone)]
struct Served {
    site: Site,
    streams: Arc<Semaphore>,
}

/// Answers until `shutdown` resolves and the requests that came before it are answered.
pub async fn serve(
    listener: TcpListener,
    site: Site,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let served = Served {
        site,
        streams: Arc::new(Semaphore::new(STREAMS)),
    };
    let named = Router::new()
        .route("/", get(page::index))
        .route("/page/{*name}", get(page::file))
        .route("/runbook", get(show_runbook))
        .route("/api/v1/usage", get(api::usage))
        .route("/api/v1/incidents", get(api::incidents))
        .route(
            "/api/v1/incidents/{id}",
            get(api::incident).post(changes::incident),
        )
        .route("/api/v1/posture", get(api::posture))
        .route("/api/v1/look", get(api::look))
        .route("/api/v1/history", get(api::history))
        .route("/api/v1/live", get(stream::live))
        .route("/api/v1/responses", post(changes::respond))
        .route(
            "/api/v1/session",
            get(session::show).post(session::begin).delete(session::end),
        )
        .layer(DefaultBodyLimit::max(ASKED))
        .layer(middleware::from_fn(refuse_other_sites));
    let metrics = Router::new().route("/metrics", get(scrape));
    // Scrapers of other hosts use whatever name they know; those of this one, one of ours.
    let (named, metrics) = if listener.local_addr()?.ip().is_loopback() {
        (named.merge(metrics), Router::new())
    } else {
        (named, metrics)
    };
    let named = named.layer(from_fn_with_state(served.clone(), refuse_other_names));
    let site = Router::new()
        .route("/healthz", get(health))
        .merge(metrics)
        .merge(named)
        .layer(middleware::map_response(harden))
        .with_state(served)
        .into_make_service_with_connect_info::<Peer>();
    axum::serve(connection::Bounded::new(listener), site)
        .with_graceful_shutdown(shutdown)
        .await
}

/// A page of another site may reach this listener through a name of its own that it has pointed here (DNS rebinding); the name
/// gives it away.
async fn refuse_other_names(
    Shared(served): Shared<Served>,
    request: Request,
    next: Next,
) -> Response {
    match served.site.hosts.named(&request) {
        Ok(()) => next.run(request).await,
        Err(why) => refusal(StatusCode::MISDIRECTED_REQUEST, &why),
    }
}

/// Another site's page cannot read what it asks for, but could make us work: pictures and scripts are asked for without leave.
async fn refuse_other_sites(request: Request, next: Next) -> Response {
    if hosts::is_other_site(request.headers()) {
        return refusal(StatusCode::FORBIDDEN, hosts::FOREIGN);
    }
    next.run(request).await
}

/// What no page of ours needs is forbidden, whatever the answer.
async fn harden(mut response: Response) -> Response {
    let fields = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        fields
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    set(CACHE_CONTROL, "no-store");
    set(
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    );
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, "no-referrer");
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    set(
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    );
    response
}

async fn health(Shared(served): Shared<Served>) -> Response {
    match served.site.state.readiness() {
        Ok(()) => text(StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn scrape(Shared(served): Shared<Served>) -> Response {
    match metrics::render(&served.site.registry) {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => broken(&error),
    }
}

async fn show_runbook() -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    let fields = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, policy),
    ];
    (fields, runbook::page()).into_response()
}

fn broken(error: &dyn std::error::Error) -> Response {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
}

/// Why there is no other answer.
fn refusal(status: StatusCode, why: &str) -> Response {
    text(status, format!("{why}\n"))
}

fn text(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
