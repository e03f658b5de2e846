//! What a connection may cost, whatever is sent on it.

use super::frames::{self, Shape};
use super::talk::Talk;
use super::*;

/// Streams of that many are followed, in these tests.
const DEPTH: usize = 100;
/// Both tables, and blocks of 4096 octets that are half read, in buffers that double.
const BOUND: usize = DEPTH * 1024 + 2 * (256 << 10) + 4 * 4096;

#[test]
fn rapid_resets_are_exchanges_and_leave_nothing() {
    let mut talk = Talk::new();
    talk.get(1).client(frames::reset(1, 8));
    // All of it stands in the table by now.
    let block = talk.block(Side::Client, &super::talk::get("/1"));
    for number in 1..100_000 {
        let id = 2 * number + 1;
        talk.client(frames::headers(id, &block, true, &Shape::default()))
            .client(frames::reset(id, 8));
        assert!(talk.connection.heap_bytes() < BOUND);
    }
    assert!(talk.connection.is_idle());
    assert_eq!(talk.seen.exchanges.len(), 100_000);
    let aborted = |exchange: &Exchange<String>| {
        exchange.cut == Some(Cut::ClientAbort) && exchange.uncertain.is_none()
    };
    assert!(talk.seen.exchanges.iter().all(aborted));
}

#[test]
fn requests_past_the_depth_give_up_the_oldest() {
    let mut talk = Talk::new();
    for number in 0..1000 {
        talk.get(2 * number + 1);
        assert!(talk.connection.heap_bytes() < BOUND);
    }
    talk.end();
    assert_eq!(talk.seen.exchanges.len(), 1000);
    let bound = |exchange: &&Exchange<String>| exchange.uncertain == Some(Uncertain::PipelineBound);
    assert_eq!(
        talk.seen.exchanges.iter().filter(bound).count(),
        1000 - DEPTH
    );
}

#[test]
fn responses_that_nobody_asked_for_are_bounded() {
    for joined in [true, false] {
        let mut talk = if joined {
            Talk::of(Connection::joined())
        } else {
            Talk::new()
        };
        for number in 0..5000 {
            talk.status(2 * number + 1, "200", false).data(
                Side::Server,
                2 * number + 20_001,
                b"x",
                false,
            );
            assert!(talk.connection.heap_bytes() < BOUND);
        }
    }
}

#[test]
fn a_block_without_an_end_is_not_kept() {
    for fragment in [0, 1, 5000] {
        let mut talk = Talk::new();
        talk.client(frames::frame(
            frames::HEADERS,
            frames::END_STREAM,
            1,
            &[0x82],
        ));
        let more = frames::frame(frames::CONTINUATION, 0, 1, &vec![0; fragment]);
        for _ in 0..20_000 {
            talk.client(&more);
            assert!(talk.connection.heap_bytes() < BOUND);
        }
        talk.client(frames::frame(
            frames::CONTINUATION,
            frames::END_HEADERS,
            1,
            &[],
        ));
        talk.status(1, "431", true).get(3).status(3, "200", true);
        assert_eq!(talk.lines()[0], "? 431 0/0 head_too_long");
        assert_eq!(talk.lines().len(), 2);
    }
}

#[test]
fn frames_that_say_nothing_cost_nothing() {
    let floods = [
        frames::settings(&[(frames::TABLE_SIZE, u32::MAX), (3, 1)]),
        frames::frame(frames::SETTINGS, frames::ACK, 0, &[]),
        frames::frame(frames::PING, 0, 0, &[0; 8]),
        frames::frame(frames::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        frames::frame(frames::PRIORITY, 0, 9, &[0; 5]),
        frames::data(1, &[], None, false),
        frames::data(1, &[], Some(0), false),
        frames::frame(0xff, 0xff, 1, &[]),
    ];
    for flood in floods {
        let mut talk = Talk::new();
        talk.post(1, &[]);
        let heap = talk.connection.heap_bytes();
        for _ in 0..1000 {
            talk.client(flood.repeat(100));
            assert!(talk.connection.heap_bytes() <= heap);
        }
        talk.data(Side::Client, 1, b"abc", true)
            .status(1, "200", true);
        talk.shows(&["POST /1 200 3/0"]);
    }
}

#[test]
fn no_bytes_do_harm() {
    for seed in 1..=2000_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut talk = match dice.roll(3) {
            0 => Talk::of(Connection::joined()),
            _ => Talk::new(),
        };
        for _ in 0..60 {
            let side = [Side::Client, Side::Server][dice.roll(2)];
            let length = [0, 1, 4, 5, 8, dice.roll(300)][dice.roll(6)];
            let payload: Vec<u8> = (0..length).map(|_| dice.roll(256) as u8).collect();
            let stream = [0, dice.roll(9) as u32, dice.roll(1 << 31) as u32][dice.roll(3)];
            let frame = frames::frame(dice.roll(12) as u8, dice.roll(64) as u8, stream, &payload);
            match dice.roll(9) {
                0 => talk.send(side, &payload),
                1 => talk.send(side, &frame[..dice.roll(frame.len())]),
                2 => talk.lost(side, &payload),
                3 => talk.head(side, stream, &super::talk::get("/"), dice.roll(2) == 0),
                4 => talk.head(side, stream, &[(":status", "200")], dice.roll(2) == 0),
                _ => talk.send(side, &frame),
            };
            match dice.roll(60) {
                0 => drop(talk.fin(side)),
                1 => talk.connection.conflict(side),
                _ => {}
            }
            assert!(talk.connection.heap_bytes() < BOUND, "seed {seed}");
        }
        talk.end();
        assert!(
            talk.connection.is_idle() || talk.connection.is_opaque(),
            "seed {seed}"
        );
    }
}

#[test]
fn a_stream_is_as_small_as_it_says() {
    let mut talk = Talk::new();
    let before = talk.connection.heap_bytes();
    talk.post(1, &[("content-type", "application/grpc")]);
    assert!(talk.connection.heap_bytes() - before < 1024);
    // A block that is half read.
    let block = talk.block(Side::Client, &super::talk::get("/3"));
    let frame = frames::headers(3, &block, true, &Shape::default());
    talk.client(&frame[..9]);
    assert!(talk.connection.heap_bytes() - before < 2048);
    assert!(talk.connection.half_read(Side::Client).is_some());
}
