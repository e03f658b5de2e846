//! Connections that cannot be read, or not yet.

use observer_ebpf::abi::{Endpoint, EventHeader, FlowKey, flags};

use super::super::Settings;
use super::endpoints::{Heard, Passed, Talk, talk};
use super::sealed::{PLAIN, Server, check, header, observe, pipeline, plain_talk};
use crate::http::tests::random_loss::{Dice, Message, exchange};
use crate::segment::Segment;
use crate::tls::Side;
use crate::tls::secrets::{Label, Material};

/// Exchanges over one connection, as it is heard.
fn heard(how: &Talk, exchanges: usize) -> (Vec<(Message, Message)>, Heard, Dice) {
    let mut dice = Dice(77);
    let exchanges: Vec<_> = (0..exchanges)
        .map(|index| exchange(index, &mut dice))
        .collect();
    let heard = talk(how, &exchanges, &mut dice);
    (exchanges, heard, dice)
}

#[test]
fn without_its_secrets_a_connection_is_counted() {
    let (_, mut silent, mut dice) = heard(&plain_talk(0), 3);
    silent.secrets.clear();
    let (calls, counts) = observe(&silent, PLAIN, &mut dice);
    assert!(calls.is_empty());
    assert_eq!(counts.opaque, [((443, true, "tls_no_secret"), 1)].into());
    assert_eq!(counts.handshakes, [(("1.3", "opaque"), 1)].into());
}

#[test]
fn with_secrets_of_another_one_it_is_counted_too() {
    let (_, mut wrong, mut dice) = heard(&plain_talk(3), 3);
    let (_, other, _) = heard(&plain_talk(3), 1);
    let (
        Some(Material::Logged { secret, .. }),
        Some(Material::Logged {
            secret: another, ..
        }),
    ) = (wrong.secrets.first_mut(), other.secrets.into_iter().next())
    else {
        panic!("secrets are logged");
    };
    *secret = another;
    let (calls, counts) = observe(&wrong, PLAIN, &mut dice);
    assert!(calls.is_empty());
    assert_eq!(counts.opaque, [((443, true, "tls_wrong_secret"), 1)].into());
    // Keys were there: that they are wrong shows with the first record.
    assert_eq!(counts.handshakes.values().sum::<u64>(), 1);
}

#[test]
fn a_hole_in_the_servers_hello_ends_it() {
    let (_, mut holed, mut dice) = heard(&plain_talk(0), 1);
    let mut passed = holed.passed.iter();
    let hello = passed.position(|passed| passed.from == Side::Server);
    holed.passed.remove(hello.unwrap());
    let (calls, counts) = observe(&holed, PLAIN, &mut dice);
    assert!(calls.is_empty());
    assert_eq!(counts.opaque, [((443, true, "tls_gap"), 1)].into());
    assert_eq!(counts.handshakes, [(("none", "unread"), 1)].into());
}

#[test]
fn secrets_that_do_not_come_are_waited_for_until_it_is_time() {
    let (_, heard, _) = heard(&plain_talk(1), 2);
    let mut pipeline = pipeline();
    for (time, passed) in (1..).zip(&heard.passed) {
        let segment = Segment {
            header: header(passed, time, 0, false),
            payload: &passed.bytes,
        };
        pipeline.segment(&segment, time, &mut Server, &mut |_| panic!("a call"));
    }
    let wait = Settings::default().tls.waiting_time;
    pipeline.tick(wait, &mut Server, &mut |_| panic!("a call"));
    assert!(pipeline.counts().opaque.is_empty());
    pipeline.tick(2 * wait, &mut Server, &mut |_| panic!("a call"));
    assert_eq!(
        pipeline.counts().opaque,
        [((443, true, "tls_no_secret"), 1)].into()
    );
    // From then on the kernel side need not copy any of it.
    let more = Passed {
        from: Side::Server,
        offset: 100_000,
        bytes: vec![23; 10],
        acked: 0,
    };
    let segment = Segment {
        header: header(&more, 3 * wait, 0, false),
        payload: &more.bytes,
    };
    pipeline.segment(&segment, 0, &mut Server, &mut |_| panic!("a call"));
    let mut hints = pipeline.take_hints();
    assert!(hints.any(|(_, hint)| hint.skip[1] == u64::MAX));
}

#[test]
fn one_handshake_at_two_addresses_is_read_at_both() {
    let (exchanges, heard, _) = heard(&plain_talk(2), 3);
    let (mut pipeline, mut calls) = (pipeline(), Vec::new());
    let server = Endpoint::v4([192, 0, 2, 1], 443);
    let flows = [40_000, 40_001].map(|port| {
        let (flow, _) = FlowKey::new(Endpoint::v4([192, 0, 2, 0], port), server);
        flow
    });
    for (time, passed) in (1..).zip(&heard.passed) {
        for flow in flows {
            let segment = Segment {
                header: EventHeader {
                    flow,
                    ..header(passed, time, 0, false)
                },
                payload: &passed.bytes,
            };
            pipeline.segment(&segment, time, &mut Server, &mut |_| panic!("a call"));
        }
    }
    for material in heard.secrets {
        pipeline.learn(material, 1, &mut Server, &mut |call| calls.push(call));
    }
    assert_eq!(calls.len(), exchanges.len());
    let wait = 2 * Settings::default().tls.waiting_time;
    pipeline.tick(wait, &mut Server, &mut |call| calls.push(call));
    for calls in calls.chunks(exchanges.len()) {
        assert_eq!(check(&exchanges, calls, pipeline.counts()), Ok(3));
    }
    assert_eq!(calls.len(), 2 * exchanges.len());
    assert!(pipeline.counts().opaque.is_empty());
}

#[test]
fn a_segment_told_of_after_its_connections_end_begins_nothing() {
    let (exchanges, heard, _) = heard(&plain_talk(0), 2);
    let (mut pipeline, mut calls) = (pipeline(), Vec::new());
    for material in heard.secrets {
        pipeline.learn(material, 1, &mut Server, &mut |_| panic!("a call"));
    }
    let empty = |from| Passed {
        from,
        offset: 100_000,
        bytes: Vec::new(),
        acked: 0,
    };
    let mut feed = |header: EventHeader, bytes: &[u8]| {
        let segment = Segment {
            header,
            payload: bytes,
        };
        pipeline.segment(&segment, 0, &mut Server, &mut |call| calls.push(call));
        pipeline.connections()
    };
    let mut ends = [Side::Client, Side::Server].map(empty);
    for (time, passed) in (1..).zip(&heard.passed) {
        feed(header(passed, time, 0, false), &passed.bytes);
        let end = &mut ends[usize::from(passed.from == Side::Server)];
        end.offset = passed.offset + passed.bytes.len() as u64;
    }
    let [client, server] = &ends;
    assert_eq!(feed(header(client, 1_000, 0, true), &[]), 1);
    assert_eq!(feed(header(server, 1_001, 0, true), &[]), 0);
    // Another processor saw these just before the end: what it tells does not say that all was over.
    let mut reset = header(client, 1_000, 0, false);
    reset.flags |= flags::RST;
    assert_eq!(feed(reset, &[]), 0);
    let last = heard.passed.last().unwrap();
    assert_eq!(feed(header(last, 1_000, 0, false), &last.bytes), 0);
    // The next one of that name is no straggler.
    let mut next = header(&heard.passed[0], 1, 0, false);
    next.birth += 1;
    assert_eq!(feed(next, &heard.passed[0].bytes), 1);

    assert_eq!(calls.len(), exchanges.len());
    assert_eq!(check(&exchanges, &calls, pipeline.counts()), Ok(2));
    assert!(pipeline.counts().opaque.is_empty());
}

#[test]
fn early_data_needs_a_secret_of_its_own() {
    let early = Talk {
        resume: true,
        early: true,
        takes_early: true,
        ..plain_talk(0)
    };
    let (exchanges, heard, mut dice) = heard(&early, 3);
    let is_early = |material: &Material| matches!(material, Material::Logged { label, .. } if *label == Label::ClientEarly);
    assert!(heard.secrets.iter().any(is_early), "early data was sent");
    let (calls, counts) = observe(&heard, PLAIN, &mut dice);
    assert_eq!(check(&exchanges, &calls, &counts), Ok(3));
    // Without it, nothing is read of what comes after it either.
    let mut without = heard;
    without.secrets.retain(|material| !is_early(material));
    let (calls, counts) = observe(&without, PLAIN, &mut dice);
    assert!(calls.is_empty());
    assert_eq!(counts.opaque, [((443, true, "tls_no_secret"), 1)].into());
}
