//! Bodies: what is said of them, and what is copied when nothing is.

use super::super::*;
use super::conversation::*;

const SEGMENT: u32 = 64 << 10;

/// A response of which everything up to the stream offset `until` was sent in large segments.
fn downloading(talk: &mut Conversation, until: u64) -> u64 {
    talk.send(Client, GET);
    talk.send(Server, OK);
    let mut sent = OK.len() as u64;
    while sent < until {
        talk.send_long(Server, OTHER, SEGMENT);
        sent += u64::from(SEGMENT);
    }
    sent
}

#[test]
fn inside_a_known_body_nothing_is_delivered_until_the_segment_that_ends_it() {
    let mut talk = Conversation::opened(1000, 9000);
    let sent = downloading(&mut talk, HINT_AFTER);
    let end = sent + 10 * u64::from(SEGMENT);
    talk.hint_server(end);
    // What looks like a message inside the body is none.
    assert_eq!(talk.send_long(Server, OK, SEGMENT), Decision::Body);
    let asked = talk.asked;
    for _ in 0..8 {
        assert_eq!(talk.send_long(Server, OTHER, SEGMENT), Decision::Body);
    }
    assert_eq!(talk.asked, asked, "what it is inside is known by now");
    let last = talk.send_long(Server, OTHER, SEGMENT);
    let last = delivery(last);
    assert_eq!((last.skip, last.copy), (SEGMENT, 0));
    assert_eq!(last.offset, ORIGIN + end - u64::from(SEGMENT));
    assert_whole(talk.send(Server, OK), OK.len());
}

#[test]
fn a_segment_that_straddles_the_end_of_a_body_is_delivered_from_there_on() {
    let mut talk = Conversation::opened(1000, 9000);
    let sent = downloading(&mut talk, HINT_AFTER);
    talk.hint_server(sent + 1000);
    let straddling = delivery(talk.send_long(Server, OTHER, 1500));
    assert_eq!((straddling.skip, straddling.copy), (1000, 500));
}

#[test]
fn a_hint_of_an_earlier_connection_of_the_same_name_is_ignored() {
    let mut talk = Conversation::opened(1000, 9000);
    let sent = downloading(&mut talk, HINT_AFTER);
    talk.hint_server(sent + (10 << 20));
    let stale = talk.hint.as_mut().expect("a hint");
    stale.birth -= 1;
    assert_whole(talk.send_long(Server, OTHER, SEGMENT), SEGMENT as usize);
}

#[test]
fn a_hint_says_nothing_of_the_other_direction() {
    let mut talk = Conversation::opened(1000, 9000);
    let sent = downloading(&mut talk, HINT_AFTER);
    talk.hint_server(sent + (10 << 20));
    talk.send(Client, GET);
    assert_whole(talk.send_long(Client, OTHER, SEGMENT), SEGMENT as usize);
    assert_eq!(talk.send_long(Server, OTHER, SEGMENT), Decision::Body);
}

#[test]
fn hints_are_not_looked_for_during_small_messages() {
    let mut talk = Conversation::opened(1000, 9000);
    for _ in 0..1000 {
        talk.send(Client, GET);
        talk.send_long(Server, OK, HINT_AFTER as u32);
    }
    assert_eq!(talk.asked, 0);
    talk.send(Server, OTHER);
    assert_eq!(talk.asked, 1);
}

#[test]
fn the_end_of_the_connection_is_delivered_even_inside_a_known_body() {
    for flag in [tcp::FIN, tcp::RST] {
        let mut talk = Conversation::opened(1000, 9000);
        let sent = downloading(&mut talk, HINT_AFTER);
        talk.hint_server(sent + (10 << 20));
        let end = delivery(talk.send_with(Server, OTHER, SEGMENT, flag));
        assert_eq!((end.skip, end.copy), (SEGMENT, 0));
    }
}

#[test]
fn without_a_hint_the_budget_is_copied_and_then_a_glimpse_of_each_segment() {
    let mut talk = Conversation::opened(1000, 9000);
    talk.send(Client, GET);
    // A message that begins with the connection has all of the budget.
    let mut copied = u64::from(delivery(talk.send_long(Server, OK, SEGMENT)).copy);
    for _ in 1..BUDGET / u64::from(SEGMENT) {
        copied += u64::from(delivery(talk.send_long(Server, OTHER, SEGMENT)).copy);
    }
    assert_eq!(copied, BUDGET);
    for _ in 0..100 {
        let glimpse = delivery(talk.send_long(Server, OTHER, SEGMENT));
        assert_eq!((glimpse.skip, glimpse.copy), (0, GLIMPSE));
    }
    assert_whole(talk.send_long(Server, OTHER, GLIMPSE - 1), 63);
    // The next message is seen whole, and has a budget of its own.
    assert_whole(talk.send(Server, OK), OK.len());
    assert_whole(talk.send_long(Server, OTHER, SEGMENT), SEGMENT as usize);
}

#[test]
fn what_userspace_wants_to_go_on_seeing_has_a_budget_again() {
    let mut talk = Conversation::opened(1000, 9000);
    let mut sent = downloading(&mut talk, BUDGET + u64::from(SEGMENT));
    assert_eq!(
        delivery(talk.send_long(Server, OTHER, SEGMENT)).copy,
        GLIMPSE
    );
    sent += u64::from(SEGMENT);
    talk.hint_server(sent);
    for _ in 0..BUDGET / u64::from(SEGMENT) {
        assert_whole(talk.send_long(Server, OTHER, SEGMENT), SEGMENT as usize);
    }
    assert_eq!(
        delivery(talk.send_long(Server, OTHER, SEGMENT)).copy,
        GLIMPSE
    );
}

#[test]
fn userspace_is_woken_once_every_so_many_bytes() {
    let mut talk = Conversation::opened(1000, 9000);
    talk.send(Client, GET);
    let mut woken = u64::from(delivery(talk.send_long(Server, OK, 1400)).wake);
    let segments = 10 * WAKE / 1400;
    for _ in 1..segments {
        woken += u64::from(delivery(talk.send_long(Server, OTHER, 1400)).wake);
    }
    assert_eq!(woken, segments * 1400 / WAKE);
    // A small message begins anew.
    assert!(!delivery(talk.send(Server, OK)).wake);
}

#[test]
fn a_body_of_many_gibibytes_ends_where_it_was_said_to() {
    // Sequence numbers wrap twice on the way.
    let mut talk = Conversation::opened(u32::MAX - 10, u32::MAX - 70_000);
    let sent = downloading(&mut talk, HINT_AFTER);
    let segments = (9_u64 << 30) / u64::from(SEGMENT);
    talk.hint_server(sent + segments * u64::from(SEGMENT) + 5);
    for _ in 0..segments {
        assert_eq!(talk.send_long(Server, OTHER, SEGMENT), Decision::Body);
    }
    let last = delivery(talk.send_long(Server, OTHER, 105));
    assert_eq!((last.skip, last.copy), (5, 100));
    assert_eq!(last.offset, ORIGIN + sent + (9 << 30));
    assert_whole(talk.send(Server, OK), OK.len());
}

#[test]
fn a_message_after_gibibytes_that_nobody_spoke_of_is_seen_whole() {
    let mut talk = Conversation::opened(5, 7);
    let sent = downloading(&mut talk, 5 << 30);
    let next = talk.send(Server, OK);
    assert_whole(next, OK.len());
    assert_eq!(delivery(next).offset, ORIGIN + sent);
}
