//! What a connection speaks, and from when on.

use super::super::*;
use super::conversation::*;

#[test]
fn request_and_response_are_delivered_whole_and_acknowledge_each_other() {
    let mut talk = Conversation::opened(1000, 9000);
    let request = talk.send(Client, GET);
    let whole = Delivery {
        kind: Kind::Segment,
        offset: ORIGIN,
        acked: Some(ORIGIN),
        skip: 0,
        copy: GET.len() as u32,
        over: false,
        wake: false,
    };
    assert_eq!(request, Decision::Deliver(whole));
    let response = talk.send(Server, OK);
    let after_request = ORIGIN + GET.len() as u64;
    assert_eq!(
        response,
        Decision::Deliver(Delivery {
            acked: Some(after_request),
            copy: OK.len() as u32,
            ..whole
        })
    );
    let next = delivery(talk.send(Client, GET));
    assert_eq!(next.offset, after_request);
    assert_eq!(next.acked, Some(ORIGIN + OK.len() as u64));
}

#[test]
fn a_connection_joined_in_the_middle_is_recognised_by_its_next_message() {
    for (from, start) in [(Client, GET), (Server, OK)] {
        let mut talk = Conversation::joined(1000, 9000);
        assert_eq!(talk.send(from, OTHER), Decision::Pass);
        let found = talk.send(from, start);
        assert_whole(found, start.len());
        assert_eq!(delivery(found).offset, ORIGIN + OTHER.len() as u64);
        // From then on, whatever either end sends is part of it.
        assert_whole(talk.send(Client, OTHER), OTHER.len());
        assert_whole(talk.send(Server, OTHER), OTHER.len());
    }
}

#[test]
fn bytes_from_before_a_late_join_have_an_offset() {
    let mut talk = Conversation::joined(1000, 9000);
    let mut early = talk.segment(Client, 300, 0);
    early.sequence = early.sequence.wrapping_sub(300);
    assert_whole(talk.send(Client, GET), GET.len());
    let again = delivery(talk.see(&early, OTHER, INTERFACE).expect("a member"));
    assert_eq!(again.offset, ORIGIN - 300);
}

#[test]
fn a_proxy_header_is_a_start() {
    let mut talk = Conversation::opened(1, 2);
    let header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
    assert_whole(talk.send(Client, header), header.len());
    assert_ne!(talk.known().state & flow::HTTP, 0);
}

#[test]
fn a_piece_of_a_start_is_one_at_the_first_byte_only() {
    let mut talk = Conversation::opened(1000, 9000);
    assert_whole(talk.send(Client, b"GE"), 2);
    assert_ne!(talk.known().state & flow::HTTP, 0);

    let mut late = Conversation::joined(1000, 9000);
    assert_eq!(late.send(Client, b"GE"), Decision::Pass);
    let mut second = Conversation::opened(1000, 9000);
    second.send(Client, OTHER);
    second.send(Client, b"GE");
    assert_eq!(second.known().state & flow::HTTP, 0);
}

#[test]
fn before_it_is_recognised_a_connection_seen_from_its_start_is_delivered_in_part() {
    let mut talk = Conversation::opened(1000, 9000);
    assert_whole(talk.send(Client, OTHER), OTHER.len());
    let long = delivery(talk.send_long(Client, OTHER, 60_000));
    assert_eq!((long.skip, long.copy), (0, UNSURE));
}

#[test]
fn what_overtakes_the_first_segment_is_delivered_whole() {
    let mut talk = Conversation::opened(1000, 9000);
    let first = talk.segment(Client, GET.len() as u32, 0);
    talk.pass(Client, GET.len() as u32);
    assert_whole(talk.send_long(Client, OTHER, 60_000), 60_000);
    let late = talk.see(&first, GET, INTERFACE).expect("a member");
    assert_whole(late, GET.len());
    assert_eq!(delivery(late).offset, ORIGIN);
}

#[test]
fn a_connection_without_a_sign_is_opaque_once_and_until_a_start() {
    for (mut talk, before) in [
        (Conversation::opened(1, 2), Some(Kind::Segment)),
        (Conversation::joined(1, 2), None),
    ] {
        for number in 1..PATIENCE {
            let from = if number % 3 == 0 { Server } else { Client };
            let kind = match talk.send(from, OTHER) {
                Decision::Deliver(delivery) => Some(delivery.kind),
                _ => None,
            };
            assert_eq!(kind, before, "segment {number}");
        }
        let said = delivery(talk.send(Client, OTHER));
        assert_eq!((said.kind, said.copy), (Kind::Opaque, 0));
        for _ in 0..100 {
            assert_eq!(talk.send(Server, OTHER), Decision::Pass);
        }
        assert_whole(talk.send(Client, GET), GET.len());
        assert_whole(talk.send(Server, OTHER), OTHER.len());
        assert_eq!(talk.known().state & flow::OPAQUE, 0);
    }
}

#[test]
fn segments_without_bytes_do_not_use_up_patience() {
    let mut talk = Conversation::opened(1, 2);
    for _ in 0..100 {
        let end = delivery(talk.send_with(Client, b"", 0, tcp::FIN));
        assert_eq!((end.kind, end.copy), (Kind::Segment, 0));
    }
    assert_whole(talk.send(Server, OTHER), OTHER.len());
}

#[test]
fn tls_is_said_once_and_sealed() {
    let mut talk = Conversation::joined(1, 2);
    let said = delivery(talk.send(Client, TLS));
    assert_eq!((said.kind, said.copy), (Kind::Tls, 0));
    assert_eq!(talk.send(Client, TLS), Decision::Pass);
    // Bytes of it that look like a start are chance.
    assert_eq!(talk.send(Client, GET), Decision::Pass);
    let mut joined = Conversation::joined(1, 2);
    joined.send(Client, TLS);
    assert_eq!(joined.send(Server, TLS), Decision::Pass);
}

#[test]
fn http2_is_delivered_and_none_of_its_bytes_are_a_sign() {
    let frame = b"\0\0\x02\x01\x05\0\0\0\x03\x82\x84";
    for (mut talk, start) in [
        (Conversation::opened(1, 2), HTTP2),
        (Conversation::joined(1, 2), HTTP2),
        (Conversation::joined(1, 2), frame),
    ] {
        assert_whole(talk.send(Client, start), start.len());
        let begun = talk.known().low.start.max(talk.known().high.start);
        assert_whole(talk.send(Client, GET), GET.len());
        assert_whole(talk.send(Server, OK), OK.len());
        let now = talk.known();
        assert_eq!(now.low.start.max(now.high.start), begun);
    }
    // From its first byte on a connection shows what it is.
    let mut opened = Conversation::opened(1, 2);
    opened.send(Client, frame);
    assert_eq!(opened.known().state & flow::HTTP, 0);
}

#[test]
fn once_a_tls_server_answers_its_client_s_hello_is_over() {
    let mut talk = Conversation::opened(1000, 9000);
    let hello = delivery(talk.send(Client, TLS));
    assert_eq!(hello.copy, TLS.len() as u32);
    assert_eq!(delivery(talk.send(Server, TLS)).kind, Kind::Handshake);
    assert_eq!(talk.send(Client, OTHER), Decision::Pass);
}

#[test]
fn what_tls_ends_say_first_is_delivered_once() {
    for low in [Client, Server] {
        let mut talk = Conversation::joined(1000, 9000);
        talk.low = low;
        talk.handshake();
        let asked = talk.segment(Client, 1400, 0);
        let hello = delivery(talk.send_long(Client, TLS, 1400));
        assert_eq!(
            (hello.kind, hello.offset, hello.copy),
            (Kind::Tls, ORIGIN, 1400)
        );
        assert_eq!(talk.see(&asked, TLS, INTERFACE), Some(Decision::Pass));
        // A long hello goes on, and no further than anybody reads.
        let rest = delivery(talk.send_long(Client, OTHER, 1400));
        assert_eq!(
            (rest.kind, rest.offset, rest.copy),
            (Kind::Handshake, ORIGIN + 1400, HELLO as u32 - 1400)
        );
        assert_eq!(talk.send(Client, OTHER), Decision::Pass);
        let first = talk.segment(Server, 1400, 0);
        let said = delivery(talk.send_long(Server, TLS, 1400));
        assert_eq!(
            (said.kind, said.offset, said.copy),
            (Kind::Handshake, ORIGIN, 1400)
        );
        // The first byte sent again would begin another handshake.
        assert_eq!(
            talk.see(&first, TLS, INTERFACE),
            Some(Decision::Pass),
            "{low:?}"
        );
        let rest = delivery(talk.send_long(Server, OTHER, 1400));
        assert_eq!(
            (rest.kind, rest.offset, rest.copy),
            (Kind::Handshake, ORIGIN + 1400, HELLO as u32 - 1400)
        );
        assert_eq!(talk.send_long(Server, OTHER, 1400), Decision::Pass);
        assert_eq!(
            talk.send_with(Client, b"", 0, tcp::FIN),
            Decision::Pass,
            "its end is of no use"
        );
    }
}

#[test]
fn where_tls_is_read_all_of_it_is_delivered() {
    for low in [Client, Server] {
        let mut talk = Conversation::joined(1000, 9000);
        (talk.low, talk.tls) = (low, true);
        talk.handshake();
        let whole = |decision: Decision, length: u32| {
            let said = delivery(decision);
            assert_eq!((said.kind, said.skip, said.copy), (Kind::Record, 0, length));
        };
        whole(talk.send(Client, TLS), TLS.len() as u32);
        whole(talk.send_long(Server, TLS, 60_000), 60_000);
        // What looks like a start is chance, and begins no budget anew.
        whole(talk.send(Client, GET), GET.len() as u32);
        assert_eq!(talk.known().low.start.max(talk.known().high.start), ORIGIN);
        for _ in 0..BUDGET / 60_000 - 1 {
            whole(talk.send_long(Server, OTHER, 60_000), 60_000);
        }
        talk.send_long(Server, OTHER, 60_000);
        whole(talk.send_long(Server, OTHER, 60_000), GLIMPSE);
        let end = delivery(talk.send_with(Client, b"", 0, tcp::FIN));
        assert_eq!((end.kind, end.copy), (Kind::Record, 0));
    }
    let mut joined = Conversation::joined(1, 2);
    joined.tls = true;
    assert_eq!(delivery(joined.send(Client, TLS)).kind, Kind::Tls);
    assert_eq!(joined.send(Server, TLS), Decision::Pass);
}

#[test]
fn tls_that_begins_later_is_not_looked_into() {
    let mut talk = Conversation::opened(1, 2);
    talk.send(Server, OTHER);
    talk.send(Client, OTHER);
    assert_eq!(delivery(talk.send(Client, TLS)).kind, Kind::Tls);
    assert_eq!(talk.send(Server, TLS), Decision::Pass);
}

#[test]
fn a_body_that_looks_like_tls_does_not_seal_an_http_connection() {
    let mut talk = Conversation::opened(1, 2);
    talk.send(Client, GET);
    assert_whole(talk.send(Client, TLS), TLS.len());
    assert_whole(talk.send(Client, HTTP2), HTTP2.len());
    assert_whole(talk.send(Client, GET), GET.len());
}

#[test]
fn what_begins_nothing_enters_no_connection() {
    let talk = Conversation::joined(1, 2);
    for (length, flags) in [
        (0, 0),
        (0, tcp::FIN),
        (0, tcp::RST),
        (10, tcp::RST),
        (0, tcp::SYN | tcp::RST),
    ] {
        let segment = talk.segment(Client, length, flags);
        assert!(
            !open(&segment, 1, &mut Flow::default()),
            "{length} {flags:#x}"
        );
    }
    // A client's SYN: who serves is known only when somebody accepts.
    let mut asking = talk.segment(Client, 0, 0);
    asking.flags = tcp::SYN;
    assert!(!open(&asking, 1, &mut Flow::default()));
}

#[test]
fn the_accepting_end_is_known_from_the_handshake() {
    let header_of = |low: End, handshake: bool| {
        let mut talk = Conversation::joined(1000, 9000);
        talk.low = low;
        if handshake {
            talk.handshake();
        }
        let segment = talk.segment(Client, GET.len() as u32, 0);
        let mut known = talk.flow.unwrap_or_default();
        if !handshake {
            assert!(open(&segment, 5, &mut known));
        }
        let said = delivery(observe(
            &mut known,
            &segment,
            Some(Sign::Request),
            (INTERFACE, false),
            || None,
        ));
        let mut header = EventHeader::default();
        head(&mut header, &known, &segment, &said, (7, INTERFACE, true));
        header
    };
    let accepted = flags::LOW_ACCEPTED | flags::HIGH_ACCEPTED;
    let low_serves = header_of(Server, true);
    assert_eq!(low_serves.flags & accepted, flags::LOW_ACCEPTED);
    let high_serves = header_of(Client, true);
    assert_eq!(high_serves.flags & accepted, flags::HIGH_ACCEPTED);
    assert!(high_serves.has(flags::FROM_START) && high_serves.has(flags::EGRESS));
    let unknown = header_of(Client, false);
    assert_eq!(unknown.flags & (accepted | flags::FROM_START), 0);
    assert_eq!((unknown.time, unknown.birth), (7, 5));
}
