//! Decisions for `cscli decisions import`: networks that are shut off. Its bouncers know addresses, and no keys.

use serde_json::{Value, json};

use super::super::super::report::printable;
use super::super::SECOND;
use crate::response::{Action, Subject, Verb};

/// Writes them.
pub(super) fn render(actions: &[&Action], now: u64) -> (String, usize) {
    let decisions: Vec<Value> = actions
        .iter()
        .filter_map(|action| decision(action, now))
        .collect();
    let left_out = actions.len() - decisions.len();
    let text = printable(&format!("{:#}\n", Value::Array(decisions)));
    (text, left_out)
}

fn decision(action: &Action, now: u64) -> Option<Value> {
    let (Subject::Network(network), Verb::Block) = (&action.subject, action.verb) else {
        return None;
    };
    let alone = network.prefix_len() == network.max_prefix_len();
    let (scope, value) = if alone {
        ("Ip", network.addr().to_string())
    } else {
        ("Range", network.to_string())
    };
    // A moment too long rather than none: a decision of 0s is over before it is taken.
    let seconds = action.until.saturating_sub(now).div_ceil(SECOND).max(1);
    let reason = if action.reason.is_empty() {
        "observer"
    } else {
        &action.reason
    };
    Some(json!({
        "duration": format!("{seconds}s"),
        "origin": "observer",
        "reason": format!("{reason} ({})", action.id),
        "scope": scope,
        "type": "ban",
        "value": value,
    }))
}
