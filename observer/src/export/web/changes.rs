//! What somebody who is signed in has changed: whoever makes changes for commands makes these.

use axum::body::Bytes;
use axum::extract::{Path, State as Shared};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::session::signed_in;
use super::{Change, Deed, Served, refusal};

/// `POST /api/v1/responses`
pub(super) async fn respond(
    Shared(served): Shared<Served>,
    fields: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = match order(&served, &fields, &body) {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    match change(&served, &asked.0, Change::Respond(asked.1)).await {
        Ok(answer) => ([(CONTENT_TYPE, "application/json")], answer).into_response(),
        Err(answer) => *answer,
    }
}

/// `POST /api/v1/incidents/ID`
pub(super) async fn incident(
    Shared(served): Shared<Served>,
    Path(id): Path<String>,
    fields: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = match order(&served, &fields, &body) {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let Ok(deed) = serde_json::from_str::<Deed>(&asked.1) else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "nothing of that kind is done about incidents",
        );
    };
    match change(&served, &asked.0, Change::Incident { id, deed }).await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(answer) => *answer,
    }
}

/// Who asks, and for what, on one line.
fn order(
    served: &Served,
    fields: &HeaderMap,
    body: &Bytes,
) -> Result<(String, String), Box<Response>> {
    let user = signed_in(served, fields)?;
    let refused = |status, why| Err(Box::new(refusal(status, why)));
    // What a form of another site can send needs no leave of ours; this type does (Fetch, CORS-safelisted request headers).
    let json = fields
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !json {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "JSON is asked for");
    }
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(value) => Ok((user, value.to_string())),
        Err(_) => refused(StatusCode::BAD_REQUEST, "that is no JSON"),
    }
}

async fn change(served: &Served, user: &str, change: Change) -> Result<String, Box<Response>> {
    let Some(desk) = &served.site.desk else {
        let why = "there is no daemon to change anything";
        return Err(Box::new(refusal(StatusCode::FORBIDDEN, why)));
    };
    let done = desk.change(user, change).await;
    done.map_err(|why| Box::new(refusal(StatusCode::CONFLICT, &why)))
}
