//! How connections end, go quiet, and give their names to others.

use observer_ebpf::wire::tcp;

use super::conversation::Dice;
use super::packets::{Line, Packet};
use super::{Observed, Watch, client, observe};
use crate::pipeline::Settings;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn get(target: &str, consumer: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nX-Api-Key: key-{consumer}\r\n\r\n")
}

fn seen(line: &Line) -> Observed {
    observe(&line.sent, Settings::default())
}

/// A connection of one exchange.
fn one(port: u16, target: &str, consumer: &str) -> Line {
    let mut line = Line::open(port, [u32::from(port), 1_000_000]);
    line.client(get(target, consumer)).server(OK);
    line
}

#[test]
fn retransmissions_after_the_end_are_no_new_connection() {
    for from_client in [true, false] {
        let mut line = one(1, "/a", "acme");
        line.fin(from_client).fin(!from_client);
        let late: Vec<Packet> = line.sent.clone();
        line.sent.extend(late.into_iter().skip(3));
        assert_eq!(seen(&line).lines(), ["GET /a 200 acme 0/2 Ok"]);
    }
}

#[test]
fn a_body_until_close_ends_with_fin_however_often() {
    let mut line = Line::open(1, [5, 6]);
    line.client(get("/a", "bolt"));
    line.push(false, tcp::ACK, b"HTTP/1.1 200 OK\r\n\r\nuntil ");
    line.push(false, tcp::ACK | tcp::FIN, b"close");
    line.fin(true);
    let last: Vec<_> = line.sent.iter().rev().take(2).cloned().collect();
    line.sent.extend(last);
    assert_eq!(seen(&line).lines(), ["GET /a 200 bolt 0/11 Ok"]);
}

#[test]
fn a_late_segment_after_both_fins_still_counts() {
    let mut line = Line::open(1, [5, 6]);
    line.server("").client(get("/a", "bolt")).server(OK);
    line.client(get("/b", "bolt")).fin(true);
    // The response overtakes nothing, but the client's last segments change places.
    let last = line.sent.len() - 1;
    line.sent.swap(last, last - 1);
    line.server(OK).fin(false);
    assert_eq!(
        seen(&line).lines(),
        ["GET /a 200 bolt 0/2 Ok", "GET /b 200 bolt 0/2 Ok"]
    );
}

#[test]
fn a_reset_cuts_what_is_pending_and_nothing_else() {
    for (from_client, outcome) in [(true, "ClientAbort"), (false, "ServerReset")] {
        let mut line = one(1, "/a", "acme");
        line.client(get("/b", "acme")).reset(from_client);
        assert_eq!(
            seen(&line).lines(),
            [
                "GET /a 200 acme 0/2 Ok".to_owned(),
                format!("GET /b - acme 0/0 {outcome}")
            ]
        );
    }
}

#[test]
fn a_reset_that_nobody_heeded_does_not_hide_what_follows() {
    let mut line = one(1, "/a", "acme");
    let numbers = line.next;
    line.next[0] = line.next[0].wrapping_add(1 << 20);
    line.reset(true);
    line.next = numbers;
    for _ in 0..6 {
        line.client(get("/b", "acme")).server(OK);
    }
    let lines = seen(&line).lines();
    assert_eq!(lines[0], "GET /a 200 acme 0/2 Ok");
    assert_eq!(lines.last().unwrap(), "GET /b 200 acme 0/2 Ok", "{lines:?}");
}

#[test]
fn ports_are_used_again() {
    let mut all = Vec::new();
    for (number, ended) in [
        (7_u32, true),
        (9_000_000, false),
        (u32::MAX, true),
        (3, false),
    ] {
        let mut line = Line::open(1, [number, number ^ 0x5555_5555]);
        let consumer = if ended { "acme" } else { "bolt" };
        line.client(get("/a", consumer)).server(OK);
        if ended {
            line.fin(true).fin(false);
        }
        all.extend(line.sent);
    }
    let lines = observe(&all, Settings::default()).lines();
    assert_eq!(
        lines,
        [
            "GET /a 200 acme 0/2 Ok",
            "GET /a 200 bolt 0/2 Ok",
            "GET /a 200 acme 0/2 Ok",
            "GET /a 200 bolt 0/2 Ok"
        ]
    );
}

#[test]
fn a_port_used_again_ends_what_was_pending_without_its_answer() {
    let mut first = Line::open(1, [1, 2]);
    first.client(get("/a", "acme"));
    let second = one(1, "/b", "bolt");
    let all: Vec<_> = first.sent.into_iter().chain(second.sent).collect();
    assert_eq!(
        observe(&all, Settings::default()).lines(),
        ["GET /a - acme 0/0 NoResponse", "GET /b 200 bolt 0/2 Ok"]
    );
}

#[test]
fn a_client_cannot_become_the_server() {
    let mut line = one(1, "/a", "acme");
    let numbers = line.next;
    line.next = [77, 88];
    line.push(true, tcp::SYN | tcp::ACK, &[]);
    line.next = numbers;
    line.client(get("/b", "acme")).server(OK);
    assert_eq!(
        seen(&line).lines(),
        ["GET /a 200 acme 0/2 Ok", "GET /b 200 acme 0/2 Ok"]
    );
}

#[test]
fn a_stray_syn_moves_nothing() {
    let mut line = one(1, "/a", "acme");
    let numbers = line.next;
    for far in [1_u32 << 30, 1 << 31, 3 << 30] {
        line.next[0] = numbers[0].wrapping_add(far);
        line.push(true, tcp::SYN, &[]);
    }
    line.next = numbers;
    line.client(get("/b", "acme")).server(OK);
    assert_eq!(
        seen(&line).lines(),
        ["GET /a 200 acme 0/2 Ok", "GET /b 200 acme 0/2 Ok"]
    );
}

#[test]
fn quiet_connections_end_and_their_names_go_on() {
    let settings = Settings::default();
    let mut watch = Watch::new(settings);
    let mut line = Line::open(1, [1, 2]);
    line.client(get("/a", "acme"));
    let begun = line.sent.len();
    line.server(OK);
    for _ in 0..6 {
        line.client(get("/b", "acme")).server(OK);
    }
    for packet in &line.sent[..begun] {
        watch.packet(packet);
    }
    watch.pass(settings.idle / 2);
    assert_eq!(watch.pipeline.connections(), 1);
    watch.pass(settings.idle);
    assert_eq!(watch.pipeline.connections(), 0);
    for packet in &line.sent[begun..] {
        watch.packet(packet);
    }
    let seen = watch.finish();
    let lines = seen.lines();
    assert_eq!(lines[0], "GET /a - acme 0/0 NoResponse");
    assert!(lines[1].starts_with("? ? 200 __unknown__"), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "GET /b 200 acme 0/2 Ok", "{lines:?}");
    assert_eq!(seen.calls[0].peer, client(1));
}

#[test]
fn retransmissions_with_other_bytes_are_nobodys() {
    let mut line = Line::open(1, [1, 2]);
    let before = line.next;
    line.client(get("/a", "acme"));
    let after = line.next;
    line.next = before;
    line.client(get("/a", "bolt"));
    assert_eq!(after, line.next);
    line.server(OK).client(get("/b", "acme")).server(OK);
    let seen = seen(&line);
    assert_eq!(seen.counts.conflicts, 1);
    let lines = seen.lines();
    assert!(
        lines[0].ends_with("__unknown__ 0/2 Ok conflict"),
        "{lines:?}"
    );
    // Message ends may lie elsewhere for the server from there on.
    for call in &seen.calls[1..] {
        assert!(call.uncertain.is_some(), "{lines:?}");
    }
}

#[test]
fn many_connections_do_not_mix() {
    let mut dice = Dice::new(11);
    let consumers = super::CONSUMERS;
    let mut lines: Vec<Line> = (0..60_u16)
        .map(|port| {
            let consumer = consumers[usize::from(port) % consumers.len()];
            let mut line = one(port, &format!("/{port}/{consumer}"), consumer);
            line.client(get(&format!("/{port}/{consumer}"), consumer));
            line.server(OK).fin(true).fin(false);
            line.sent.reverse();
            line
        })
        .collect();
    let mut all = Vec::new();
    while !lines.is_empty() {
        let at = dice.roll(lines.len());
        match lines[at].sent.pop() {
            Some(packet) => all.push(packet),
            None => _ = lines.swap_remove(at),
        }
    }
    let seen = observe(&all, Settings::default());
    assert_eq!(seen.calls.len(), 120);
    for call in &seen.calls {
        let target = call.target.as_deref().unwrap();
        let expected = format!("/{}/{}", call.peer.port(), call.consumer);
        assert_eq!((target, call.status), (&*expected, Some(200)));
    }
}
