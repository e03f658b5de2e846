//! Frames as server-sent events (HTML Living Standard, section 9.2), one every two seconds as long as somebody listens.
//!
//! All streams wake at the same moments: the first makes the frame, and the others send the same bytes.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::{Served, refusal};
use crate::export::live::{Live, Look};

/// Time between frames. Milliseconds.
const EVERY: u64 = 2_000;

/// When frames are due is counted from here, by every stream.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A stream, and when its next frame is due.
struct Listener {
    live: Arc<Live>,
    look: Look,
    due: Instant,
    _slot: OwnedSemaphorePermit,
}

/// `GET /api/v1/live`
pub(super) async fn live(
    Shared(served): Shared<Served>,
    look: Result<Query<Look>, QueryRejection>,
) -> Response {
    let Ok(Query(look)) = look else {
        return refusal(StatusCode::BAD_REQUEST, Look::NAMES);
    };
    let Ok(slot) = Arc::clone(&served.streams).try_acquire_owned() else {
        let why = refusal(StatusCode::SERVICE_UNAVAILABLE, "too many look already");
        return ([(RETRY_AFTER, "10")], why).into_response();
    };
    served.site.live.settle().await;
    let listener = Listener {
        live: Arc::clone(&served.site.live),
        look,
        due: Instant::now(),
        _slot: slot,
    };
    let events = stream::unfold(listener, |mut listener| async {
        sleep_until(listener.due).await;
        listener.due = next();
        let event = listener.live.event(&listener.look).ok()?;
        Some((Ok::<Bytes, Infallible>(event), listener))
    });
    let fields = [(CONTENT_TYPE, "text/event-stream")];
    (fields, Body::from_stream(events)).into_response()
}

/// When the next frame is due.
fn next() -> Instant {
    let since = u64::try_from(BEGIN.elapsed().as_millis()).unwrap_or(0);
    *BEGIN + Duration::from_millis((since / EVERY + 1) * EVERY)
}
