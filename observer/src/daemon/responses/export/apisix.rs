//! Calls of APISIX's Admin API: `fault-injection` and `limit-count` on consumers, `ip-restriction` as a global rule.

use serde_json::{Value, json};

use super::shell::quoted;
use super::{LeftOut, about};
use crate::response::{Action, Rate, Subject, Verb};

const HEAD: &str = r#"#!/bin/sh
# Decisions of observer for APISIX. Read it before you run it: observer has carried out nothing.
# APISIX_ADMIN: the Admin API. APISIX_HEADERS: a file with the line `X-API-KEY: KEY` (0600).
# A consumer is written whole there: it is read, given the plugin in the place of one of that name, and written back. Names
# of consumers have no full stop in APISIX; observer's ids have _ in its place here, as `observer consumers export` has.
# What is here does not end by itself: the line below each call takes it back.
set -eu
: "${APISIX_ADMIN:=http://127.0.0.1:9180}"
apisix() {
  curl -fsS -X "$1" -H "@$APISIX_HEADERS" -H 'Content-Type: application/json' ${3+--data-binary "$3"} "$APISIX_ADMIN/apisix/admin/$2"
}
with_plugin() {
  written=$(apisix GET "consumers/$1" |
    jq --arg name "$2" --argjson config "$3" '.value | del(.create_time, .update_time) | .plugins[$name] = $config')
  apisix PUT consumers "$written"
}
without_plugin() {
  written=$(apisix GET "consumers/$1" |
    jq --arg name "$2" '.value | del(.create_time, .update_time) | del(.plugins[$name])')
  apisix PUT consumers "$written"
}
"#;

/// Writes them.
pub(super) fn render(actions: &[&Action]) -> (String, usize) {
    let mut text = HEAD.to_owned();
    let mut left_out = LeftOut::default();
    let mut networks: Vec<&Action> = Vec::new();
    for action in actions {
        match &action.subject {
            Subject::Consumer(id) => match username(id) {
                Some(name) => {
                    let name = quoted(&name);
                    let (plugin, config) = plugin(action.verb);
                    let (plugin, config) = (quoted(plugin), quoted(&config.to_string()));
                    text.push_str(&format!(
                        "\n# {}\nwith_plugin {name} {plugin} {config}\n# without_plugin {name} {plugin}\n",
                        about(action)
                    ));
                }
                None => left_out.add(action, "no consumer of APISIX can have this name"),
            },
            Subject::Network(_) if action.verb == Verb::Block => networks.push(action),
            Subject::Network(_) => {
                left_out.add(action, "APISIX limits consumers or addresses, no network");
            }
            _ => left_out.add(
                action,
                "APISIX shuts off consumers: delete the credential, GET consumers/CONSUMER/credentials has its id",
            ),
        }
    }
    if !networks.is_empty() {
        text.push('\n');
        for action in &networks {
            text.push_str(&format!("# {}\n", about(action)));
        }
        let list: Vec<String> = networks.iter().map(|action| action.subject.id()).collect();
        let rule = json!({ "plugins": { "ip-restriction": { "blacklist": list } } });
        let rule = quoted(&rule.to_string());
        text.push_str(&format!(
            "apisix PUT 'global_rules/observer' {rule}\n# apisix DELETE 'global_rules/observer'\n"
        ));
    }
    if left_out.count > 0 {
        text.push('\n');
        text.push_str(&left_out.text);
    }
    (text, left_out.count)
}

/// A consumer's name there: letters, digits, hyphens and underscores.
fn username(id: &str) -> Option<String> {
    let name = id.replace('.', "_");
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (!name.is_empty() && name.bytes().all(valid)).then_some(name)
}

fn plugin(verb: Verb) -> (&'static str, Value) {
    match verb {
        Verb::Block => (
            "fault-injection",
            json!({ "abort": { "http_status": 403, "body": "shut off" } }),
        ),
        Verb::Limit(Rate { requests, seconds }) => (
            "limit-count",
            json!({
                "count": requests,
                "time_window": seconds,
                "key_type": "var",
                "key": "consumer_name",
                "rejected_code": 429,
                "policy": "local",
            }),
        ),
    }
}
