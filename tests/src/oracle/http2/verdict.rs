//! What an observer tells, held against what the ends of the conversation know.

use std::collections::HashMap;

use super::passing::Told;
use super::truth::{Conversation, HARMLESS, Truth};
use super::{Cut, Exchange, Malformed, Reason, Uncertain};

/// All that is told is what there was, and all of it is.
pub fn exact(conversation: &Conversation, told: &Told) {
    let sort = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    let expected = conversation
        .truths
        .iter()
        .map(|truth| line(truth, truth.call));
    let told = told.exchanges.iter().map(exchange_line);
    let (expected, told) = (sort(expected.collect()), sort(told.collect()));
    for (told, expected) in told.iter().zip(&expected) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.len(), expected.len());
}

/// What is certain is true, and told once; a response is of its request; and where not all is certain, there is a trace of it.
/// Returns the numbers of those that are certain.
pub fn sound(conversation: &Conversation, told: &Told) -> Vec<usize> {
    let certain = sound_but_for_the_past(conversation, told);
    let (all, most) = (told.exchanges.len(), conversation.truths.len());
    let lines = || told.exchanges.iter().map(exchange_line).collect::<Vec<_>>();
    assert!(
        all <= most,
        "{all} exchanges, and there were {most}: {:#?}",
        lines()
    );
    let doubts = told.gaps > 0
        || told
            .exchanges
            .iter()
            .any(|exchange| exchange.uncertain.is_some());
    assert!(
        certain.len() == conversation.truths.len() || doubts,
        "vanished without a trace"
    );
    certain
}

/// As [`sound`], where the beginning was not seen.
pub fn sound_but_for_the_past(conversation: &Conversation, told: &Told) -> Vec<usize> {
    let truths = &conversation.truths;
    let mut certain = Vec::new();
    let (mut requests, mut statuses) = (HashMap::new(), HashMap::new());
    let named: HashMap<&str, usize> = (0..)
        .zip(truths)
        .map(|(at, truth)| (name(&truth.request), at))
        .collect();
    for exchange in &told.exchanges {
        let request = exchange.request.as_deref();
        if let Some(status) = exchange.status {
            let before = statuses.insert(status, exchange);
            assert!(
                before.is_none() || truths.len() > 700,
                "told twice: {before:#?}, {exchange:#?}"
            );
        }
        let Some(request) = request else {
            assert!(exchange.uncertain.is_some(), "invented: {exchange:#?}");
            continue;
        };
        let Some(at) = named.get(name(request)).copied() else {
            // Fields that are not known may be the rest of its name.
            assert!(exchange.uncertain.is_some(), "invented: {exchange:#?}");
            continue;
        };
        let truth = &truths[at];
        let before = requests.insert(at, exchange);
        assert!(before.is_none(), "told twice: {before:#?}, {exchange:#?}");
        let is_own = exchange.status.is_none_or(|status| status == truth.answer);
        assert!(is_own, "another's response: {exchange:#?}, {truth:#?}");
        if exchange.uncertain.is_none() {
            is_true(truth, exchange);
            certain.push(at);
        }
    }
    certain.sort_unstable();
    certain
}

/// A certain exchange says what there was, but for fields that carry no key, and messages that were not counted.
fn is_true(truth: &Truth, exchange: &Exchange<String>) {
    let request = exchange.request.as_deref().unwrap_or_default();
    let mut fields = request.lines();
    let mut missed = Vec::new();
    for line in truth.request.lines() {
        if fields.clone().next() == Some(line) {
            fields.next();
        } else {
            missed.push(line.split(':').next().unwrap_or_default());
        }
    }
    assert_eq!(fields.next(), None, "{exchange:#?}, {truth:#?}");
    let harmless = missed.iter().all(|name| HARMLESS.contains(name));
    assert!(harmless, "{exchange:#?}, {truth:#?}");
    let mut known = exchange.clone();
    known.request = Some(truth.request.clone());
    let mut call = truth.call;
    if let (Some((_, counts)), Some(rpc)) = (&mut call, &mut known.rpc) {
        rpc.requests.get_or_insert(counts[0]);
        rpc.responses.get_or_insert(counts[1]);
    } else if missed.contains(&"content-type") {
        call = None;
    }
    let mut truth = truth.clone();
    if missed.contains(&"content-length") {
        truth.malformed = None;
    }
    assert_eq!(
        exchange_line(&known),
        line(&truth, call),
        "{exchange:#?}, {truth:#?}"
    );
}

/// The request without its fields.
pub fn name(request: &str) -> &str {
    request.lines().next().unwrap_or_default()
}

fn line(truth: &Truth, call: Option<(Option<u32>, [u64; 2])>) -> String {
    let call =
        call.map(|(status, [requests, responses])| (status, Some(requests), Some(responses)));
    let special = [truth.cut, truth.reason, truth.malformed, truth.uncertain];
    text(&truth.request, truth.status, truth.content, call, special)
}

fn exchange_line(exchange: &Exchange<String>) -> String {
    let special = [
        exchange.cut.map(Cut::name),
        exchange.reason.map(Reason::name),
        exchange.malformed.map(Malformed::name),
        exchange.uncertain.map(Uncertain::name),
    ];
    text(
        exchange.request.as_deref().unwrap_or("?"),
        exchange.status,
        [exchange.request_body_bytes, exchange.response_body_bytes],
        exchange
            .rpc
            .map(|rpc| (rpc.status, rpc.requests, rpc.responses)),
        special,
    )
}

fn text(
    request: &str,
    status: Option<u16>,
    content: [u64; 2],
    call: Option<(Option<u32>, Option<u64>, Option<u64>)>,
    special: [Option<&str>; 4],
) -> String {
    let call = call.map(|call| format!("{call:?}"));
    let request = request.replace('\n', ", ");
    format!("{request} {status:?} {content:?} {call:?} {special:?}")
}
