//! Ledgers with actions against somebody, as a daemon leaves them.

use std::time::{SystemTime, UNIX_EPOCH};

use observer::store;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::daemon::Setup;

/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since 1970 in UTC.
///
/// # Panics
/// When the clock is before that.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_nanos() as u64
}

/// An action in force, as the daemon writes it; `more` takes the place of what is here.
///
/// # Panics
/// When `more` is no object.
pub fn action(id: &str, subject: (&str, &str), verb: &str, more: &Value) -> Value {
    let mut action = json!({
        "id": id, "slot": 1, "subject": {"kind": subject.0, "id": subject.1}, "consumer": null, "verb": verb,
        "begun": now() - 60 * SECOND, "until": now() + 3_540 * SECOND, "reason": "it's \"leaked\"; $(id)",
        "by": {"user": "root"}, "state": "active",
        "radius": {"exchanges": 1204, "consumers": 1, "known": true},
        "hits": {"refused": 7, "passed": 0, "late": 1, "shared": 0, "packets": 12}, "dry": 0,
    });
    for (name, value) in more.as_object().expect("fields") {
        action[name] = value.clone();
    }
    action
}

/// A ledger as a daemon leaves it that was killed, with these.
///
/// # Panics
/// When it cannot be written.
pub fn ledger(setup: &Setup, actions: &[Value]) {
    let path = setup.path("ledger.sqlite");
    drop(store::open(&path, None).expect("making a ledger"));
    let ledger = Connection::open(&path).expect("opening it");
    for action in actions {
        let state = action["state"].as_str().unwrap_or("ended");
        let begun = action["begun"].as_u64().expect("a time");
        let row = params![action["id"].as_str(), state, begun, action.to_string()];
        ledger
            .execute("INSERT INTO action VALUES (?1, ?2, ?3, ?4)", row)
            .expect("an action");
        let event = json!({
            "time": begun, "action": action["id"], "deed": "began", "by": "root", "subject": "key k", "verb": action["verb"],
            "until": action["until"], "reason": action["reason"], "radius": action["radius"], "hits": action["hits"],
        });
        let row = params![begun, action["id"].as_str(), event.to_string()];
        ledger
            .execute(
                "INSERT INTO action_event (time, action, body) VALUES (?1, ?2, ?3)",
                row,
            )
            .expect("an event");
    }
}
