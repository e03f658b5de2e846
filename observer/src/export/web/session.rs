//! Who is signed in. A link with a ticket comes from the control socket, which only root and the daemon's user reach; a page
//! takes it for a token, once and within a minute.
//!
//! The token stands in the page's own storage and in a field of its requests, not in a cookie: browsers hand the cookies of one port
//! of a host to all the others. Only hashes are kept here. It travels in the clear, so only connections of this host get one: through
//! a proxy on it, that proxy has to speak TLS to the others.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State as Shared};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::lock;
use super::connection::Peer;
use super::{Hosts, Served, refusal};

/// How long a ticket is good.
const TICKET: Duration = Duration::from_secs(60);
/// How long a session lasts.
const SESSION: Duration = Duration::from_secs(8 * 3_600);
/// Tickets and sessions at a time; the oldest make room.
const MOST: usize = 16;
/// Bytes of a secret.
const SECRET: usize = 32;

/// Tickets and sessions.
#[derive(Default)]
pub struct Sessions {
    tickets: Mutex<VecDeque<Entry>>,
    sessions: Mutex<VecDeque<Entry>>,
}

/// A secret by its hash, and whose it is.
struct Entry {
    hash: [u8; 32],
    user: String,
    until: Instant,
}

/// A secret that was just made. It has no Debug and no Display.
pub struct Secret(String);

impl Secret {
    /// The text that is handed out, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Sessions {
    /// A ticket for this user.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn ticket(&self, user: &str) -> std::io::Result<Secret> {
        enter(&mut lock(&self.tickets), user, TICKET)
    }

    /// Takes a ticket for the token of a session. `None`: it is none, or not any more.
    fn begin(&self, ticket: &str) -> Option<std::io::Result<(Secret, String)>> {
        let entry = {
            let mut tickets = lock(&self.tickets);
            let at = find(&mut tickets, ticket)?;
            tickets.remove(at)?
        };
        let token = enter(&mut lock(&self.sessions), &entry.user, SESSION);
        Some(token.map(|token| (token, entry.user)))
    }

    /// Whose session it is, and how long it lasts.
    fn user(&self, token: &str) -> Option<(String, Duration)> {
        let mut sessions = lock(&self.sessions);
        let at = find(&mut sessions, token)?;
        let entry = sessions.get(at)?;
        let left = entry.until.saturating_duration_since(Instant::now());
        Some((entry.user.clone(), left))
    }

    fn end(&self, token: &str) {
        let mut sessions = lock(&self.sessions);
        if let Some(at) = find(&mut sessions, token) {
            sessions.remove(at);
        }
    }
}

fn enter(entries: &mut VecDeque<Entry>, user: &str, lasts: Duration) -> std::io::Result<Secret> {
    let mut bytes = [0; SECRET];
    // A call for at most 256 bytes is never cut short (getrandom(2)).
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())?;
    let secret = BASE64URL_NOPAD.encode(&bytes);
    if entries.len() >= MOST {
        entries.pop_front();
    }
    entries.push_back(Entry {
        hash: Sha256::digest(&secret).into(),
        user: user.to_owned(),
        until: Instant::now() + lasts,
    });
    Ok(Secret(secret))
}

/// Where a secret stands among those that are good.
fn find(entries: &mut VecDeque<Entry>, secret: &str) -> Option<usize> {
    let now = Instant::now();
    entries.retain(|entry| entry.until > now);
    let hash: [u8; 32] = Sha256::digest(secret).into();
    entries.iter().position(|entry| entry.hash == hash)
}

/// The token of a request.
fn token(fields: &HeaderMap) -> Option<&str> {
    let field = fields.get(AUTHORIZATION)?.to_str().ok()?;
    field.strip_prefix("Bearer ")
}

/// Who asks for a change; else the answer that they get.
pub(super) fn signed_in(served: &Served, fields: &HeaderMap) -> Result<String, Box<Response>> {
    Hosts::own_page(fields).map_err(|why| Box::new(refusal(StatusCode::FORBIDDEN, &why)))?;
    let user = token(fields).and_then(|token| served.site.sessions.user(token));
    match user {
        Some((user, _)) => Ok(user),
        None => {
            let why = "nobody is signed in (`observer login` on the host prints a link)";
            Err(Box::new(refusal(StatusCode::UNAUTHORIZED, why)))
        }
    }
}

/// Why nobody can sign in over this connection.
fn impossible(served: &Served, peer: Peer) -> Option<&'static str> {
    if served.site.desk.is_none() {
        Some("there is no daemon to change anything")
    } else if !peer.is_own {
        Some("sessions are for connections of the host itself: forward its port (ssh -L)")
    } else {
        None
    }
}

/// Who is signed in.
#[derive(Serialize)]
struct Shown {
    signed_in: bool,
    user: Option<String>,
    /// When that ends, RFC 3339.
    until: Option<String>,
    possible: bool,
    why: Option<&'static str>,
}

/// `GET /api/v1/session`
pub(super) async fn show(
    Shared(served): Shared<Served>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    fields: HeaderMap,
) -> Response {
    let why = impossible(&served, peer);
    let user = token(&fields).and_then(|token| served.site.sessions.user(token));
    let (user, left) = user.unzip();
    Json(Shown {
        signed_in: user.is_some(),
        user,
        until: left.map(ends),
        possible: why.is_none(),
        why,
    })
    .into_response()
}

/// When something ends that lasts so long from now.
fn ends(left: Duration) -> String {
    let seconds = i64::try_from(left.as_secs()).unwrap_or(0);
    let span = jiff::SignedDuration::from_secs(seconds);
    let until = jiff::Timestamp::now().checked_add(span);
    until.map_or_else(|_| String::new(), |until| format!("{until:.0}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ticket {
    ticket: String,
}

/// `POST /api/v1/session`
pub(super) async fn begin(
    Shared(served): Shared<Served>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    fields: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(why) = Hosts::own_page(&fields) {
        return refusal(StatusCode::FORBIDDEN, &why);
    }
    if let Some(why) = impossible(&served, peer) {
        return refusal(StatusCode::FORBIDDEN, why);
    }
    let ticket = serde_json::from_slice::<Ticket>(&body).ok();
    match ticket.and_then(|body| served.site.sessions.begin(&body.ticket)) {
        Some(Ok((token, user))) => {
            let seconds = SESSION.as_secs();
            let body =
                serde_json::json!({ "token": token.reveal(), "user": user, "seconds": seconds });
            Json(body).into_response()
        }
        Some(Err(error)) => super::broken(&error),
        None => {
            let why =
                "the link was used, or is older than a minute (`observer login` prints another)";
            refusal(StatusCode::UNAUTHORIZED, why)
        }
    }
}

/// `DELETE /api/v1/session`
pub(super) async fn end(Shared(served): Shared<Served>, fields: HeaderMap) -> Response {
    if let Err(answer) = signed_in(&served, &fields) {
        return *answer;
    }
    if let Some(token) = token(&fields) {
        served.site.sessions.end(token);
    }
    StatusCode::NO_CONTENT.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_and_a_session_until_it_ends() {
        let sessions = Sessions::default();
        let ticket = sessions.ticket("root").unwrap();
        assert!(
            sessions.user(ticket.reveal()).is_none(),
            "a ticket is no token"
        );
        let (token, user) = sessions.begin(ticket.reveal()).unwrap().unwrap();
        assert_eq!(user, "root");
        assert!(sessions.begin(ticket.reveal()).is_none(), "once");
        assert!(
            sessions.begin(token.reveal()).is_none(),
            "a token is no ticket"
        );
        assert_eq!(sessions.user(token.reveal()).unwrap().0, "root");
        assert!(sessions.user("").is_none());
        sessions.end(token.reveal());
        assert!(sessions.user(token.reveal()).is_none());
    }

    #[test]
    fn what_is_too_old_is_good_no_more_and_the_oldest_make_room() {
        let mut entries = VecDeque::new();
        let old = enter(&mut entries, "root", Duration::ZERO).unwrap();
        assert_eq!(find(&mut entries, old.reveal()), None);
        let first = enter(&mut entries, "root", TICKET).unwrap();
        for _ in 0..MOST {
            enter(&mut entries, "root", TICKET).unwrap();
        }
        assert_eq!(
            (entries.len(), find(&mut entries, first.reveal())),
            (MOST, None)
        );
    }
}
