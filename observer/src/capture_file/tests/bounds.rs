//! What is kept never grows past its bounds, and what a bound refuses is counted.

use proptest::prelude::*;

use super::conversation::{Dice, disorder, plan};
use super::packets::{Line, Packet};
use super::{Watch, observe};
use crate::pipeline::Settings;

fn settings(connections: usize, heap_bytes: usize) -> Settings {
    let mut settings = Settings {
        connections,
        heap_bytes,
        ..Settings::default()
    };
    settings.http.head_bytes = 4096;
    settings.stream.held_bytes = 8192;
    settings
}

fn request(at: usize) -> String {
    format!("GET /{at} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn a_full_table_drops_the_quietest_and_says_so() {
    let mut all = Vec::new();
    for port in 0..100_u16 {
        let mut line = Line::open(port, [1, 2]);
        line.client(request(port.into()));
        all.extend(line.sent);
    }
    let seen = observe(&all, settings(10, 1 << 20));
    assert_eq!(seen.connections, 10);
    assert_eq!(seen.calls.len(), 100, "each of them is told of");
    assert_eq!(seen.counts.dropped.get(&("flow", "table_full")), Some(&90));
}

#[test]
fn a_full_heap_drops_the_quietest_and_says_so() {
    let bound = 64 << 10;
    let mut all = Vec::new();
    for port in 0..100_u16 {
        let mut line = Line::open(port, [1, 2]);
        // A head without end.
        line.client(format!("GET /{port} HTTP/1.1\r\nX: {}", "x".repeat(3000)));
        all.extend(line.sent);
    }
    let mut watch = Watch::new(settings(1000, bound));
    for packet in &all {
        watch.packet(packet);
        assert!(watch.pipeline.heap_bytes() <= bound);
    }
    let seen = watch.finish();
    let dropped = seen.counts.dropped.get(&("flow", "heap_full")).copied();
    assert!(dropped.is_some_and(|dropped| dropped > 50), "{dropped:?}");
}

#[test]
fn segments_that_never_join_are_held_within_bounds() {
    let settings = settings(10, 1 << 20);
    let mut watch = Watch::new(settings);
    let mut line = Line::open(1, [1, 2]);
    line.client(request(0));
    for at in 0..2000_usize {
        // Every second byte is missing.
        line.next[0] = line.next[0].wrapping_add(1);
        line.client([b'a' + (at % 20) as u8]);
    }
    for packet in &line.sent {
        watch.packet(packet);
    }
    let seen = watch.finish();
    // What is held, with one segment more, and the heads and pending exchanges beside it.
    assert!(
        seen.heap <= settings.stream.held_bytes + 4096 + 4096,
        "{}",
        seen.heap
    );
}

#[test]
fn unanswered_requests_are_bounded() {
    let mut settings = settings(10, 8 << 20);
    settings.http.pipeline_depth = 50;
    let mut line = Line::open(1, [1, 2]);
    for at in 0..500 {
        line.client(request(at));
    }
    let seen = observe(&line.sent, settings);
    assert!(seen.heap < 200 << 10, "{}", seen.heap);
    assert!(seen.calls.iter().any(|call| call.uncertain.is_some()));
}

fn packet() -> impl Strategy<Value = Packet> {
    let near = |by: u32| prop_oneof![8 => 0..by, 1 => any::<u32>()];
    let words = prop_oneof![
        Just(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        Just(b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n12".to_vec()),
        Just(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx".to_vec()),
        Just(b"HTTP/1.1 101 X\r\n\r\n".to_vec()),
        Just(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec()),
        Just(b"PROXY TCP4 192.0.2.9 192.0.2.1 1 2\r\n".to_vec()),
        Just(vec![0x16, 3, 1, 0, 99, 1, 0, 0, 95]),
        prop::collection::vec(any::<u8>(), 0..60),
        prop::collection::vec(Just(b'\n'), 0..2000),
    ];
    (
        (1_u32..3, 0_u16..4, any::<bool>()),
        (near(300), near(300)),
        prop_oneof![6 => Just(0x10_u8), 1 => Just(0x12), 1 => Just(0x11), 1 => any::<u8>()],
        words,
    )
        .prop_map(
            |(
                (interface, client_port, from_client),
                (sequence, acknowledgement),
                flags,
                payload,
            )| {
                Packet {
                    interface,
                    client_port,
                    from_client,
                    sequence,
                    acknowledgement,
                    flags,
                    payload,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_packets_keep_within_bounds(
        packets in prop::collection::vec(packet(), 0..150),
        pause in any::<prop::sample::Index>(),
    ) {
        let bound = 20_000;
        let mut watch = Watch::new(settings(3, bound));
        let pause = pause.index(packets.len() + 1);
        for (at, packet) in packets.iter().enumerate() {
            if at == pause {
                watch.pass(20_000_000_000);
            }
            watch.packet(packet);
            prop_assert!(watch.pipeline.connections() <= 3);
            prop_assert!(watch.pipeline.heap_bytes() <= bound);
        }
        watch.finish();
    }

    #[test]
    fn small_bounds_lose_calls_and_invent_none(plan in plan(6), seed in any::<u64>()) {
        let (packets, truths) = plan.packets();
        let arrived = disorder(&packets, 8, 1, &mut Dice::new(seed));
        let mut small = settings(1, 6000);
        small.stream.held_bytes = 2000;
        let seen = observe(&arrived, small);
        for call in seen.calls.iter().filter(|call| call.uncertain.is_none()) {
            let at: Option<usize> = call
                .target
                .as_deref()
                .and_then(|target| target.strip_prefix("/r/")?.parse().ok());
            let truth = at.and_then(|at| truths.get(at)).unwrap();
            prop_assert_eq!(&*call.consumer, truth.consumer);
            prop_assert!(call.status.is_none_or(|status| status == truth.status));
        }
    }
}
