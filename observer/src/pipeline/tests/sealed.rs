//! What a pipeline makes of conversations that are encrypted: all of it without loss, and nothing that is not true with loss.

use std::net::IpAddr;
use std::sync::Arc;

use observer_ebpf::abi::{Endpoint, EventHeader, FlowKey, Kind, flags};
use observer_ebpf::track::ORIGIN;
use proptest::prelude::*;

use super::super::{Connection, Counts, FlowState, Host, Pipeline, Settings};
use super::endpoints::{Heard, Passed, SUITES, Talk, talk};
use crate::http::tests::random_loss::{Client, Dice, Message, client, exchange};
use crate::identity::{Attributor, Fingerprinter, IdentitySettings, Pepper, Registry};
use crate::route::{self, Routes};
use crate::segment::Segment;
use crate::tls::secrets::Material;
use crate::tls::{Alpn, Hello, Side, Version};
use crate::usage::{Call, Visibility};

pub struct Server;

impl Host for Server {
    fn interface(&self, _: u32) -> Arc<str> {
        Arc::from("eth0")
    }

    fn is_own(&self, address: IpAddr) -> bool {
        address == IpAddr::from([192, 0, 2, 1])
    }

    fn client_serves(&mut self, _: &FlowKey) -> bool {
        false
    }

    fn is_over(&self, _: &FlowKey, _: u64) -> bool {
        false
    }
}

pub fn pipeline() -> Pipeline {
    Pipeline::new(
        Settings::default(),
        Attributor::new(
            IdentitySettings::default(),
            Fingerprinter::new(&Pepper::new(&mut [7; 32])),
        ),
        Arc::new(Registry::parse::<&str, &str>(&[]).unwrap()),
        Routes::new(route::Settings::default(), &[]).unwrap(),
    )
}

/// How the observer sees it.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// One segment in so many is lost; 0: none.
    loss: usize,
    /// The kernel side tells of a loss with the next segment of its direction.
    told: bool,
    /// One segment in so many comes after the one behind it; 0: none.
    disorder: usize,
    /// Secrets come when so many segments have passed.
    late: usize,
    /// Another process goes on after so many.
    restart: Option<usize>,
}

pub const PLAIN: View = View {
    loss: 0,
    told: false,
    disorder: 0,
    late: 0,
    restart: None,
};

/// The event of a segment. The client's address is the low one.
pub fn header(passed: &Passed, time: u64, lost: u32, fin: bool) -> EventHeader {
    let client = Endpoint::v4([192, 0, 2, 0], 40_000);
    let server = Endpoint::v4([192, 0, 2, 1], 443);
    let (flow, client_high) = FlowKey::new(client, server);
    assert!(!client_high);
    let from = match passed.from {
        Side::Client => 0,
        Side::Server => flags::HIGH,
    };
    let first = if time == 1 { flags::FROM_START } else { 0 };
    let fin = if fin { flags::FIN } else { 0 };
    EventHeader {
        time,
        birth: 1,
        offset: ORIGIN + passed.offset,
        acked: ORIGIN + passed.acked,
        length: passed.bytes.len() as u32,
        copied: passed.bytes.len() as u32,
        lost,
        kind: Kind::Record as u8,
        flags: flags::HIGH_ACCEPTED | flags::ACKED | from | first | fin,
        flow,
        ..EventHeader::default()
    }
}

pub fn observe(heard: &Heard, view: View, dice: &mut Dice) -> (Vec<Call>, Counts) {
    let mut pipeline = pipeline();
    let mut calls = Vec::new();
    let mut out = |call| calls.push(call);
    let learn = |pipeline: &mut Pipeline, materials: &[Material], out: &mut dyn FnMut(Call)| {
        for material in materials {
            pipeline.learn(material.clone(), 1, &mut Server, &mut |call| out(call));
        }
    };
    let mut order: Vec<usize> = (0..heard.passed.len()).collect();
    if view.disorder > 0 {
        for at in 2..order.len() {
            // An acknowledgement never comes before what it acknowledges.
            let alike = heard.passed[order[at - 1]].from == heard.passed[order[at]].from;
            if alike && dice.roll(view.disorder) == 0 {
                order.swap(at - 1, at);
            }
        }
    }
    let mut fed: Vec<(EventHeader, &Vec<u8>, u64)> = Vec::new();
    let mut before: Option<Counts> = None;
    let mut lost = [0; 2];
    let mut ends = [0; 2];
    let mut time = 0;
    for (number, at) in order.into_iter().enumerate() {
        if number == view.late {
            learn(&mut pipeline, &heard.secrets, &mut out);
        }
        if view.restart == Some(number) {
            before = Some(pipeline.counts().clone());
            let resume;
            (pipeline, resume) = restarted(&pipeline, &heard.secrets);
            for (header, payload, at) in fed
                .iter()
                .filter(|(_, _, at)| Some(*at) >= resume && resume.is_some())
            {
                let segment = Segment {
                    header: *header,
                    payload,
                };
                pipeline.segment(&segment, *at, &mut Server, &mut out);
            }
        }
        let passed = &heard.passed[at];
        let side = usize::from(passed.from == Side::Server);
        ends[side] = ends[side].max(passed.offset + passed.bytes.len() as u64);
        time += 1;
        if view.loss > 0 && number > 1 && dice.roll(view.loss) == 0 {
            lost[side] += 1;
            continue;
        }
        let missing = if view.told {
            std::mem::take(&mut lost[side])
        } else {
            0
        };
        let segment = Segment {
            header: header(passed, time, missing, false),
            payload: &passed.bytes,
        };
        pipeline.segment(&segment, time, &mut Server, &mut out);
        fed.push((segment.header, &passed.bytes, time));
    }
    if view.late >= heard.passed.len() {
        learn(&mut pipeline, &heard.secrets, &mut out);
    }
    for (from, offset, acked) in [
        (Side::Client, ends[0], ends[1]),
        (Side::Server, ends[1], ends[0]),
    ] {
        let last = Passed {
            from,
            offset,
            bytes: Vec::new(),
            acked,
        };
        let segment = Segment {
            header: header(&last, time + 1, 0, true),
            payload: &[],
        };
        pipeline.segment(&segment, time, &mut Server, &mut out);
    }
    pipeline.finish(time + 2, &mut Server, &mut out);
    assert_eq!((pipeline.connections(), pipeline.heap_bytes()), (0, 0));
    let mut counts = pipeline.counts().clone();
    if let Some(before) = before {
        counts.missing_bytes += before.missing_bytes;
        counts.opaque.extend(before.opaque);
    }
    (calls, counts)
}

/// Goes on in a new process, with what is kept over a restart, nothing that decrypts; and from which event on it has to be read
/// again.
fn restarted(before: &Pipeline, secrets: &[Material]) -> (Pipeline, Option<u64>) {
    let kept = serde_json::to_string(&before.states(&[0]).collect::<Vec<_>>()).unwrap();
    let mut after = pipeline();
    let mut resume = None;
    let states: Vec<FlowState<Connection>> = serde_json::from_str(&kept).unwrap();
    for state in states {
        resume = state.resume;
        assert!(after.restore(state, 1));
    }
    for material in secrets {
        after.learn(material.clone(), 1, &mut Server, &mut |_| {});
    }
    (after, resume)
}

/// How many exchanges are certain. Fails on one that is not true, and on one that vanished without a trace.
pub fn check(
    exchanges: &[(Message, Message)],
    calls: &[Call],
    counts: &Counts,
) -> Result<usize, String> {
    let mut certain = vec![false; exchanges.len()];
    let mut doubts = counts.missing_bytes > 0 || !counts.opaque.is_empty();
    for call in calls {
        if call.visibility != Visibility::Tls {
            return Err(format!("in the clear: {call:?}"));
        }
        if call.uncertain.is_some() {
            doubts = true;
            continue;
        }
        let target = call.target.as_deref().unwrap_or_default();
        let id: usize = target
            .trim_start_matches('/')
            .parse()
            .map_err(|_| format!("no request of ours: {call:?}"))?;
        let Some((request, response)) = exchanges.get(id) else {
            return Err(format!("no request of ours: {call:?}"));
        };
        let truth = (Some(400 + id as u16), request.content, response.content);
        let told = (
            call.status,
            call.request_body_bytes,
            call.response_body_bytes,
        );
        if told != truth || call.malformed.is_some() || certain[id] {
            return Err(format!("not {truth:?}: {call:?}"));
        }
        certain[id] = true;
    }
    let count = certain.iter().filter(|seen| **seen).count();
    if count < exchanges.len() && !doubts {
        return Err("vanished".to_owned());
    }
    Ok(count)
}

/// Fails where a call says something else of its connection than what its ends agreed on.
fn check_terms(call: &Call, how: &Talk) -> Result<(), String> {
    let suite = SUITES[how.suite];
    let (version, named) = if suite >> 8 == 0x13 {
        (Version::Tls13, "t13d")
    } else {
        (Version::Tls12, "t12d")
    };
    let alpn = if how.names_protocols() {
        Alpn::Chosen("http/1.1")
    } else {
        Alpn::None
    };
    let hello = Hello {
        version,
        cipher: suite,
        alpn,
    };
    let terms = call.tls.as_deref();
    let offer = terms.and_then(|terms| terms.offer.as_deref());
    let ends = if how.names_protocols() { "h3_" } else { "00_" };
    let is_true = terms.is_some_and(|terms| terms.hello == hello)
        && offer.is_some_and(|offer| {
            let ja4 = offer.ja4.split_at_checked(11);
            offer.server_name.as_deref() == Some("api.example")
                && ja4.is_some_and(|(head, _)| head.starts_with(named) && head.ends_with(ends))
        });
    if is_true {
        Ok(())
    } else {
        Err(format!("not {hello:?}, {named}, {ends}: {terms:?}"))
    }
}

fn run(seed: u64, how: &Talk, view: View) -> Result<(usize, usize), String> {
    let mut dice = Dice(seed | 1);
    let exchanges: Vec<_> = (0..1 + dice.roll(20))
        .map(|index| exchange(index, &mut dice))
        .collect();
    let heard = talk(how, &exchanges, &mut dice);
    let late = view.late % (heard.passed.len() + 1);
    let (calls, counts) = observe(&heard, View { late, ..view }, &mut dice);
    let certain = check(&exchanges, &calls, &counts)
        .map_err(|reason| format!("{reason}\n{:?}\n{:?}", counts.opaque, counts.handshakes))?;
    calls.iter().try_for_each(|call| check_terms(call, how))?;
    // Where a restart comes between early data and the end of its handshake, the connection is given up.
    let may_end = view.restart.is_some() && how.early && counts.opaque.len() == 1;
    if certain < exchanges.len() && view.loss == 0 && !may_end {
        let lines: Vec<_> = calls
            .iter()
            .map(|call| format!("{:?} {:?} {:?}", call.target, call.status, call.uncertain))
            .collect();
        return Err(format!(
            "{certain} of {}\n{:?}\n{}",
            exchanges.len(),
            counts.opaque,
            lines.join("\n")
        ));
    }
    Ok((certain, exchanges.len()))
}

fn any_talk() -> impl Strategy<Value = Talk> {
    (
        0..SUITES.len(),
        any::<[bool; 5]>(),
        prop_oneof![Just(64usize), Just(500), Just(16_000)],
        client(),
    )
        .prop_map(
            |(suite, [retry, resume, early, takes_early, update], record_bytes, client)| Talk {
                suite,
                retry,
                resume,
                early,
                takes_early,
                update,
                record_bytes,
                client,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn without_loss_every_exchange_is_that_of_the_plaintext(
        seed: u64,
        how in any_talk(),
        disorder in prop_oneof![Just(0usize), Just(5)],
        late in prop_oneof![Just(0usize), 0usize..400],
    ) {
        run(seed, &how, View { disorder, late, ..PLAIN }).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn a_restart_changes_nothing(
        seed: u64,
        how in any_talk(),
        restart in 1usize..200,
        disorder in prop_oneof![Just(0usize), Just(6)],
        late in prop_oneof![Just(0usize), any::<usize>()],
    ) {
        let view = View { restart: Some(restart), disorder, late, ..PLAIN };
        run(seed, &how, view).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn with_loss_and_a_restart_what_is_certain_is_true(
        seed: u64,
        how in any_talk(),
        restart in 1usize..200,
        loss in prop_oneof![Just(4usize), Just(8), Just(30)],
        told: bool,
    ) {
        let view = View { restart: Some(restart), loss, told, ..PLAIN };
        run(seed, &how, view).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn with_loss_what_is_certain_is_true(
        seed: u64,
        how in any_talk(),
        loss in prop_oneof![Just(4usize), Just(8), Just(30)],
        told: bool,
    ) {
        run(seed, &how, View { loss, told, ..PLAIN }).map_err(TestCaseError::fail)?;
    }
}

pub fn plain_talk(suite: usize) -> Talk {
    Talk {
        suite,
        retry: false,
        resume: false,
        early: false,
        takes_early: false,
        update: false,
        record_bytes: 16_000,
        client: Client::InTurns,
    }
}

#[test]
fn a_little_loss_costs_little() {
    let (mut certain, mut all) = (0, 0);
    for seed in 1..60u64 {
        let how = Talk {
            update: seed % 2 == 0,
            ..plain_talk(seed as usize % SUITES.len())
        };
        let view = View { loss: 100, ..PLAIN };
        let seed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (seen, sent) = run(seed, &how, view).unwrap();
        (certain, all) = (certain + seen, all + sent);
    }
    assert!(certain * 100 > all * 80, "{certain} of {all}");
}
