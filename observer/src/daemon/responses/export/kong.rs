//! Calls of Kong's Admin API: `request-termination` and `rate-limiting` on consumers, `ip-restriction` on everything.

use serde_json::{Value, json};

use super::shell::{quoted, segment};
use super::{LeftOut, about};
use crate::identity::traits::wide_hash;
use crate::response::{Action, Rate, Subject, Verb};

const HEAD: &str = r#"#!/bin/sh
# Decisions of observer for Kong. Read it before you run it: observer has carried out nothing.
# KONG_ADMIN: the Admin API. KONG_HEADERS: a file of header lines, where it wants a token (0600).
# A consumer is looked for by its username; where Kong has observer's id as custom_id, put the username in.
# Kong has one plugin of a name per consumer: where there is one of another id it says so (409), and nothing is changed.
# What is here does not end by itself: the line below each call takes it back.
set -eu
: "${KONG_ADMIN:=http://127.0.0.1:8001}"
kong() {
  curl -fsS -X "$1" ${KONG_HEADERS:+-H "@$KONG_HEADERS"} -H 'Content-Type: application/json' ${3+--data-binary "$3"} "$KONG_ADMIN$2"
}
"#;

/// Writes them.
pub(super) fn render(actions: &[&Action]) -> (String, usize) {
    let mut text = HEAD.to_owned();
    let mut left_out = LeftOut::default();
    let mut networks: Vec<&Action> = Vec::new();
    for action in actions {
        match &action.subject {
            Subject::Consumer(id) => {
                let path = format!("/consumers/{}/plugins/{}", segment(id), uuid(action.id.as_str()));
                let body = json!({
                    "name": plugin(action.verb),
                    "config": config(action.verb),
                    "tags": ["observer", action.id],
                });
                text.push_str(&format!("\n# {}\n", about(action)));
                call(&mut text, &path, &body);
            }
            Subject::Network(_) if action.verb == Verb::Block => networks.push(action),
            Subject::Network(_) => left_out.add(action, "Kong limits consumers, addresses or services, no network"),
            _ => left_out.add(
                action,
                "Kong shuts off consumers: delete the credential, GET /consumers/CONSUMER/key-auth has its id",
            ),
        }
    }
    if !networks.is_empty() {
        text.push('\n');
        for action in &networks {
            text.push_str(&format!("# {}\n", about(action)));
        }
        let deny: Vec<String> = networks.iter().map(|action| action.subject.id()).collect();
        let body = json!({
            "name": "ip-restriction",
            "config": { "deny": deny, "status": 403 },
            "tags": ["observer"],
        });
        call(&mut text, &format!("/plugins/{}", uuid("networks")), &body);
    }
    if left_out.count > 0 {
        text.push('\n');
        text.push_str(&left_out.text);
    }
    (text, left_out.count)
}

fn call(text: &mut String, path: &str, body: &Value) {
    let path = quoted(path);
    let body = quoted(&body.to_string());
    text.push_str(&format!("kong PUT {path} {body}\n# kong DELETE {path}\n"));
}

const fn plugin(verb: Verb) -> &'static str {
    match verb {
        Verb::Block => "request-termination",
        Verb::Limit(_) => "rate-limiting",
    }
}

fn config(verb: Verb) -> Value {
    match verb {
        Verb::Block => json!({ "status_code": 403, "message": "shut off" }),
        Verb::Limit(Rate { requests, seconds }) => {
            let unit = match seconds {
                1 => "second",
                60 => "minute",
                _ => "hour",
            };
            json!({ unit: requests, "limit_by": "consumer", "policy": "local" })
        }
    }
}

/// An id that is the same for the same action (RFC 9562 section 5.8): a call that is repeated changes nothing.
fn uuid(name: &str) -> String {
    let high = wide_hash(format!("observer {name} high").as_bytes());
    let low = wide_hash(format!("observer {name} low").as_bytes());
    let bits = (u128::from(high) << 64) | u128::from(low);
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let mut id = String::with_capacity(36);
    for (at, digit) in hex.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            id.push('-');
        }
        id.push(digit);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_plugins_are_what_kong_takes_for_one() {
        let id = uuid("r-abcdefgh");
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(id.as_bytes()[14], b'8');
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        assert_eq!(id, uuid("r-abcdefgh"));
        assert_ne!(id, uuid("r-abcdefgi"));
    }
}
