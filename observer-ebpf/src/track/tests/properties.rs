//! What holds for any conversation.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::super::*;
use super::conversation::*;

/// A message: its head's and its body's length.
type Message = (u32, u32);

fn segments() -> impl Strategy<Value = Vec<(bool, u8, u32)>> {
    let length = prop_oneof![1..1500_u32, Just(65_000), Just(0)];
    proptest::collection::vec((any::<bool>(), 0..6_u8, length), 0..200)
}

/// The kind of segment that ends its direction.
const FIN: u8 = 3;

/// The first bytes and flags of a kind of segment.
fn kind_of(kind: u8) -> (&'static [u8], u8) {
    match kind {
        0 => (GET, 0),
        1 => (OK, 0),
        2 => (b"GE", 0),
        FIN => (OTHER, tcp::FIN),
        _ => (OTHER, 0),
    }
}

/// What was delivered of a conversation whose segments pass these interfaces in turn.
fn delivered_of(
    mut talk: Conversation,
    segments: &[(bool, u8, u32)],
    interfaces: &[u32],
) -> Vec<Delivery> {
    let mut seen = Vec::new();
    for (from_server, kind, length) in segments {
        let from = if *from_server { Server } else { Client };
        let (start, flags) = kind_of(*kind);
        let segment = talk.segment(from, *length, flags);
        if *length == 0 && flags == 0 {
            continue;
        }
        talk.pass(from, *length);
        for interface in interfaces {
            if let Some(Decision::Deliver(delivery)) = talk.see(&segment, start, *interface) {
                seen.push(delivery);
            }
        }
    }
    seen
}

proptest! {
    #[test]
    fn numbers_that_wrap_change_nothing(
        segments in segments(), handshake: bool, client: u32, server: u32,
    ) {
        let begin = if handshake { Conversation::opened } else { Conversation::joined };
        prop_assert_eq!(
            delivered_of(begin(client, server), &segments, &[INTERFACE]),
            delivered_of(begin(1, 1), &segments, &[INTERFACE])
        );
    }

    #[test]
    fn which_end_has_the_lower_address_changes_nothing(segments in segments()) {
        let mut turned = Conversation::joined(10, 20);
        turned.low = Server;
        prop_assert_eq!(
            delivered_of(turned, &segments, &[INTERFACE]),
            delivered_of(Conversation::joined(10, 20), &segments, &[INTERFACE])
        );
    }

    #[test]
    fn a_second_interface_adds_nothing(mut segments in segments()) {
        segments.retain(|(_, kind, _)| *kind != FIN);
        segments.extend([(false, FIN, 10), (true, FIN, 0)]);
        let opened = || Conversation::opened(10, 20);
        prop_assert_eq!(
            delivered_of(opened(), &segments, &[INTERFACE, INTERFACE + 1]),
            delivered_of(opened(), &segments, &[INTERFACE])
        );
    }

    /// Every head is copied whole, and nothing of a body once its end is known, however the stream is cut into
    /// segments and however late userspace speaks.
    #[test]
    fn heads_are_copied_whatever_userspace_says_and_when(
        messages in proptest::collection::vec((40..3000_u32, prop_oneof![Just(0_u32), 0..300_000_u32]), 1..12),
        cuts in proptest::collection::vec(1..65_000_u32, 1..50),
        delay in 0..20_usize,
        first: u32,
    ) {
        let mut talk = Conversation::opened(1, first);
        talk.send(Client, GET);
        let total: u64 = messages.iter().map(|(head, body)| u64::from(head + body)).sum();
        let mut copied = vec![false; total as usize];
        let mut hints: Vec<u64> = Vec::new();
        let mut at = 0_u64;
        for length in cuts.iter().cycle() {
            if at == total {
                break;
            }
            let length = u64::from(*length).min(total - at);
            let begins = starts(&messages).any(|(start, _)| start == at);
            let start = if begins { OK } else { OTHER };
            match talk.send_long(Server, start, length as u32) {
                Decision::Deliver(delivery) => {
                    prop_assert_eq!(delivery.offset, ORIGIN + at);
                    let from = (at + u64::from(delivery.skip)) as usize;
                    copied[from..from + delivery.copy as usize].fill(true);
                }
                other => prop_assert_eq!(other, Decision::Body),
            }
            at += length;
            // Userspace knows the end of the message that it is in as soon as it has read its head, and says it later.
            let known = starts(&messages).zip(&messages).rev();
            let known = known.map(|((start, end), (head, _))| (start + u64::from(*head), end));
            hints.push(known.clone().find(|(head, _)| *head <= at).map_or(0, |(_, end)| end));
            if let Some(said) = hints.len().checked_sub(1 + delay) {
                talk.hint_server(hints[said]);
            }
        }
        for ((start, _), (head, _)) in starts(&messages).zip(&messages) {
            let head = copied.get(start as usize..start as usize + *head as usize);
            prop_assert!(head.expect("inside").iter().all(|byte| *byte));
        }
    }

    #[test]
    fn any_segments_are_decided_within_their_bounds(
        segments in proptest::collection::vec(
            (any::<bool>(), any::<u32>(), any::<u32>(), any::<u8>(), prop_oneof![0..100_u32, 0..1_000_000_u32], 0..6_u8, 1..3_u32),
            0..300,
        ),
        skip: [u64; 2],
    ) {
        let mut talk = Conversation::joined(0, 0);
        for (from_high, sequence, acknowledgement, flags, length, kind, interface) in segments {
            let segment = TcpSegment {
                from_high, sequence, acknowledgement, flags, length,
                ..TcpSegment::default()
            };
            talk.hint = talk.flow.map(|known| Hint { birth: known.birth, skip });
            let Some(Decision::Deliver(delivery)) = talk.see(&segment, kind_of(kind).0, interface) else {
                continue;
            };
            let rest = length.checked_sub(delivery.skip).expect("skips what there is");
            let shortened = delivery.copy == GLIMPSE || delivery.copy == UNSURE || delivery.copy == 0;
            prop_assert!(delivery.copy == rest || (shortened && delivery.copy <= rest));
            if delivery.kind != Kind::Segment {
                prop_assert_eq!(delivery.copy, 0);
            }
        }
    }
}

/// Where messages begin and end in their stream.
fn starts(
    messages: &[Message],
) -> impl DoubleEndedIterator<Item = (u64, u64)> + ExactSizeIterator + Clone {
    let mut at = 0;
    let places: Vec<_> = messages
        .iter()
        .map(|(head, body)| {
            let start = at;
            at += u64::from(head + body);
            (start, at)
        })
        .collect();
    places.into_iter()
}
