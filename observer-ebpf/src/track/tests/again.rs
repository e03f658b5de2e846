//! Segments that come again, connections that end, and names that are used again.

use super::super::*;
use super::conversation::*;

const ELSEWHERE: u32 = INTERFACE + 1;

#[test]
fn a_retransmission_at_the_same_interface_is_delivered_again() {
    let mut talk = Conversation::opened(1000, 9000);
    let request = talk.segment(Client, GET.len() as u32, 0);
    let first = talk.send(Client, GET);
    assert_eq!(talk.see(&request, GET, INTERFACE), Some(first));
}

#[test]
fn what_was_seen_at_another_interface_is_seen_twice() {
    let mut talk = Conversation::opened(1000, 9000);
    let request = talk.segment(Client, GET.len() as u32, 0);
    talk.send(Client, GET);
    assert_eq!(
        talk.see(&request, GET, ELSEWHERE),
        Some(Decision::SeenTwice)
    );
    let end = talk.segment(Client, 0, tcp::FIN);
    assert_eq!(
        delivery(talk.send_with(Client, b"", 0, tcp::FIN)).kind,
        Kind::Segment
    );
    assert_eq!(talk.see(&end, b"", ELSEWHERE), Some(Decision::SeenTwice));
    // A reset may be another one each time; nothing depends on how often it is seen.
    let reset = talk.segment(Client, 0, tcp::RST);
    delivery(talk.see(&reset, b"", INTERFACE).expect("a member"));
    delivery(talk.see(&reset, b"", ELSEWHERE).expect("a member"));
}

#[test]
fn new_bytes_at_another_interface_are_delivered() {
    let mut talk = Conversation::opened(1000, 9000);
    let mut request = talk.segment(Client, GET.len() as u32, 0);
    talk.send(Client, GET);
    // The retransmission was merged with what follows.
    request.length += 10;
    let merged = delivery(talk.see(&request, GET, ELSEWHERE).expect("a member"));
    assert_eq!((merged.offset, merged.copy), (ORIGIN, request.length));
    // From then on the other interface is where it is seen, and the first one sees again.
    assert_eq!(
        talk.see(&request, GET, INTERFACE),
        Some(Decision::SeenTwice)
    );
}

#[test]
fn a_closed_connection_is_over_and_its_stragglers_say_so() {
    let mut talk = Conversation::opened(1000, 9000);
    talk.send(Client, GET);
    let response = talk.segment(Server, OK.len() as u32, 0);
    assert!(!delivery(talk.send(Server, OK)).over);
    assert!(!delivery(talk.send_with(Server, b"", 0, tcp::FIN)).over);
    assert_eq!(talk.known().state & flow::OVER, 0);
    let last = delivery(talk.send_with(Client, b"", 0, tcp::FIN));
    assert!(!last.over, "the end itself belongs to it");
    assert_ne!(talk.known().state & flow::OVER, 0);
    let straggler = talk.see(&response, OK, INTERFACE).expect("a member");
    assert_whole(straggler, OK.len());
    assert!(delivery(straggler).over);
}

#[test]
fn an_end_behind_bytes_that_are_missing_tells_how_many() {
    let mut talk = Conversation::opened(1000, 9000);
    talk.send(Client, GET);
    talk.pass(Client, 500);
    let end = delivery(talk.send_with(Client, b"", 0, tcp::FIN));
    assert_eq!(end.offset, ORIGIN + GET.len() as u64 + 500);
    let answer = delivery(talk.send(Server, OK));
    assert_eq!(answer.acked, Some(end.offset));
}

#[test]
fn a_reset_ends_a_connection_at_once_and_moves_nothing() {
    let mut talk = Conversation::opened(1000, 9000);
    let request = talk.segment(Client, GET.len() as u32, 0);
    talk.send(Client, GET);
    let before = *talk.known();
    let mut reset = talk.segment(Client, 0, tcp::RST);
    reset.sequence = reset.sequence.wrapping_add(77_777);
    assert!(!delivery(talk.see(&reset, b"", INTERFACE).expect("a member")).over);
    assert_eq!(talk.known().low, before.low);
    assert!(delivery(talk.see(&request, GET, INTERFACE).expect("a member")).over);
}

#[test]
fn a_connection_of_which_nothing_was_delivered_is_forgotten_at_its_end() {
    let mut reset = Conversation::joined(1000, 9000);
    assert_eq!(reset.send(Client, OTHER), Decision::Pass);
    assert_eq!(reset.send_with(Client, b"", 0, tcp::RST), Decision::Forget);
    let mut closed = Conversation::joined(1000, 9000);
    assert_eq!(closed.send(Client, OTHER), Decision::Pass);
    assert_eq!(closed.send_with(Client, b"", 0, tcp::FIN), Decision::Pass);
    assert_eq!(closed.send_with(Server, b"", 0, tcp::FIN), Decision::Forget);
    assert!(closed.flow.is_none());
}

#[test]
fn a_handshake_sent_again_changes_nothing() {
    let mut talk = Conversation::opened(1000, 9000);
    let again = talk.accepting();
    talk.send(Client, GET);
    talk.send(Server, OK);
    let before = *talk.known();
    assert_eq!(relation(&before, &again), Relation::Stray);
    assert_eq!(talk.see(&again, b"", INTERFACE), None);
    assert_eq!(*talk.known(), before);
    // So does a SYN that names no new connection.
    let mut asking = talk.segment(Client, 0, 0);
    asking.flags = tcp::SYN;
    assert_eq!(talk.see(&asking, b"", INTERFACE), Some(Decision::Pass));
    assert_eq!(*talk.known(), before);
}

#[test]
fn an_accepted_connection_takes_over_the_name_of_an_earlier_one() {
    let mut talk = Conversation::opened(1000, 9000);
    talk.send(Client, GET);
    for flag in [None, Some(tcp::RST)] {
        if let Some(flag) = flag {
            talk.send_with(Client, b"", 0, flag);
        }
        let birth = talk.known().birth;
        talk.pass(Server, 1 << 20);
        let accepting = talk.accepting();
        assert_eq!(relation(talk.known(), &accepting), Relation::Successor);
        talk.handshake();
        assert_ne!(talk.known().birth, birth);
        let request = talk.send(Client, GET);
        assert_whole(request, GET.len());
        assert_eq!(delivery(request).offset, ORIGIN);
        assert!(!delivery(request).over);
    }
}

#[test]
fn the_end_that_connected_cannot_accept_a_living_connection() {
    let mut talk = Conversation::opened(1000, 9000);
    talk.send(Client, GET);
    let forged = talk.segment(Client, 0, tcp::SYN);
    assert_eq!(relation(talk.known(), &forged), Relation::Stray);
    // Once it is over, roles may change with the next one.
    talk.send_with(Server, b"", 0, tcp::RST);
    assert_eq!(relation(talk.known(), &forged), Relation::Successor);
}

#[test]
fn a_handshake_replaces_a_connection_joined_in_the_middle() {
    let mut talk = Conversation::joined(1000, 9000);
    talk.send(Client, GET);
    let accepting = talk.accepting();
    assert_eq!(relation(talk.known(), &accepting), Relation::Successor);
}

#[test]
fn bytes_far_from_a_connection_that_is_over_begin_another() {
    let mut talk = Conversation::opened(1000, 9000);
    talk.send(Client, GET);
    talk.send_with(Server, b"", 0, tcp::RST);
    let straggling = talk.segment(Client, GET.len() as u32, 0);
    let at = |distance: u32| TcpSegment {
        sequence: straggling.sequence.wrapping_sub(distance),
        ..straggling
    };
    let relation = |distance: u32| relation(talk.known(), &at(distance));
    assert_eq!(relation(GET.len() as u32), Relation::Member);
    assert_eq!(relation(1 << 24), Relation::Member);
    assert_eq!(relation((1 << 24) + 1000), Relation::Successor);
    assert_eq!(relation(0), Relation::Successor);
    assert_eq!(relation(0x8000_0000), Relation::Successor);
    // While it lives, everything belongs to it.
    let mut living = Conversation::opened(1000, 9000);
    living.send(Client, GET);
    assert_eq!(
        super::super::relation(living.known(), &at(0x8000_0000)),
        Relation::Member
    );
}

#[test]
fn lost_events_are_told_by_the_next_one_of_their_direction() {
    let mut talk = Conversation::opened(1000, 9000);
    let header_of = |talk: &Conversation, from: End| {
        let segment = talk.segment(from, 0, 0);
        let said = Delivery {
            kind: Kind::Segment,
            offset: ORIGIN,
            acked: None,
            skip: 0,
            copy: 0,
            over: false,
            wake: false,
        };
        let mut header = EventHeader::default();
        head(&mut header, talk.known(), &segment, &said, (1, 1, false));
        header
    };
    let request = talk.segment(Client, 10, 0);
    let known = talk.flow.as_mut().expect("a known connection");
    for _ in 0..3 {
        delivered(known, &request, false);
    }
    assert_eq!(header_of(&talk, Client).lost, 3);
    assert!(header_of(&talk, Client).has(flags::FROM_START));
    assert_eq!(header_of(&talk, Server).lost, 0);
    talk.send(Server, OK);
    assert_eq!(header_of(&talk, Client).lost, 3);
    // The first event that was delivered says that the connection was seen from its start; later ones need not.
    assert!(!header_of(&talk, Client).has(flags::FROM_START));
    talk.send(Client, GET);
    assert_eq!(header_of(&talk, Client).lost, 0);
}
