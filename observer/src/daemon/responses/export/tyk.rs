//! Calls of Tyk's Gateway API: keys made inactive, or given a rate.

use serde_json::json;

use super::shell::quoted;
use super::{LeftOut, about, is_plain};
use crate::response::{Action, Rate, Subject, Verb};

const HEAD: &str = r#"#!/bin/sh
# Decisions of observer for Tyk. Read it before you run it: observer has carried out nothing, and knows no key's value.
# TYK_KEYS: a file that you make, a line for each of Tyk's keys: ID KEY. ID is what observer calls the key, its app or its
#   account, KEY the key in Tyk, or its hash. TYK_HEADERS: a file with the line `x-tyk-authorization: SECRET` (0600).
#   TYK_HASHED: empty where KEY is no hash.
# A key's session is read, changed and written back. Policies of a key (apply_policies) go before its own rate.
# What is here does not end by itself: the line below each call takes a block back; the rate before a limit is yours to know.
set -eu
: "${TYK_URL:=http://127.0.0.1:8080}" "${TYK_HASHED=true}"
tyk() {
  found=
  while read -r id key; do
    [ "$id" = "$1" ] || continue
    found=yes
    curl -fsS -H "@$TYK_HEADERS" "$TYK_URL/tyk/keys/$key${TYK_HASHED:+?hashed=true}" | jq "$2" |
      curl -fsS -X PUT -H "@$TYK_HEADERS" -H 'Content-Type: application/json' --data-binary @- \
        "$TYK_URL/tyk/keys/$key${TYK_HASHED:+?hashed=true}"
  done <"$TYK_KEYS"
  [ "$found" ] || echo "no key of $1 in $TYK_KEYS" >&2
}
"#;

/// Writes them.
pub(super) fn render(actions: &[&Action]) -> (String, usize) {
    let mut text = HEAD.to_owned();
    let mut left_out = LeftOut::default();
    for action in actions {
        let id = match &action.subject {
            Subject::Consumer(id) | Subject::App(id) | Subject::Key(id) if is_plain(id) => id,
            Subject::Consumer(_) | Subject::App(_) | Subject::Key(_) => {
                left_out.add(action, "no line of a file can have this id");
                continue;
            }
            Subject::Credential(_) => {
                left_out.add(
                    action,
                    "a fingerprint is of observer's own, and none of Tyk's hashes",
                );
                continue;
            }
            Subject::Network(_) => {
                left_out.add(
                    action,
                    "Tyk has networks in the definition of each API (enable_ip_blacklisting)",
                );
                continue;
            }
        };
        let id = quoted(id);
        text.push_str(&format!("\n# {}\n", about(action)));
        match action.verb {
            Verb::Block => text.push_str(&format!(
                "tyk {id} {}\n# tyk {id} {}\n",
                quoted(".is_inactive = true"),
                quoted(".is_inactive = false")
            )),
            Verb::Limit(Rate { requests, seconds }) => {
                // Numbers of JSON: a filter of jq as they are.
                let (rate, per) = (json!(requests), json!(seconds));
                let filter = quoted(&format!(".rate = {rate} | .per = {per}"));
                text.push_str(&format!("tyk {id} {filter}\n"));
            }
        }
    }
    if left_out.count > 0 {
        text.push('\n');
        text.push_str(&left_out.text);
    }
    (text, left_out.count)
}
