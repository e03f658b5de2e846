use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use build::{AUTHENTICATION, Built, DESTINATION, FRAGMENT, HOP_BY_HOP, Ip, ROUTING, segment_of};

mod build;

/// A packet of which only the first bytes may be at hand.
struct Bytes<'a> {
    length: u32,
    bytes: &'a [u8],
}

impl Packet for Bytes<'_> {
    fn length(&self) -> u32 {
        self.length
    }

    fn load<const N: usize>(&self, offset: u32) -> Option<Loaded<N>> {
        self.bytes
            .get(offset as usize..)?
            .first_chunk()
            .copied()
            .map(Loaded)
    }
}

fn read(bytes: &[u8], link: Link) -> (Walk, TcpSegment) {
    let mut found = TcpSegment::default();
    let length = bytes.len() as u32;
    (walk(&Bytes { length, bytes }, link, &mut found), found)
}

#[test]
fn padding_of_short_frames_is_no_payload() {
    Built {
        payload: Vec::new(),
        padding: 6,
        ..Built::v4()
    }
    .is_found();
    Built {
        padding: 40,
        ..Built::v6(&[])
    }
    .is_found();
}

#[test]
fn vlan_and_qinq_tags_are_walked_over() {
    for tags in [vec![VLAN], vec![QINQ], vec![QINQ, VLAN], vec![VLAN, VLAN]] {
        Built {
            tags: tags.clone(),
            ..Built::v4()
        }
        .is_found();
        Built {
            tags,
            ..Built::v6(&[])
        }
        .is_found();
    }
    let three = Built {
        tags: vec![QINQ, VLAN, VLAN],
        ..Built::v4()
    };
    assert_eq!(read(&three.bytes(), Link::Ethernet).0, Walk::Other);
}

#[test]
fn options_are_walked_over() {
    for words in 0..=10 {
        let mut built = Built::v4();
        built.options = words;
        built.ip = Ip::V4 {
            from: [10, 0, 0, 9],
            to: [10, 0, 0, 1],
            options: 10 - words,
        };
        built.is_found();
    }
}

#[test]
fn extension_headers_are_walked_over() {
    for extensions in [
        &[(HOP_BY_HOP, 0)][..],
        &[(ROUTING, 2)],
        &[(DESTINATION, 1)],
        &[(AUTHENTICATION, 4)],
        &[(FRAGMENT, 0)],
        &[
            (HOP_BY_HOP, 0),
            (DESTINATION, 0),
            (ROUTING, 2),
            (FRAGMENT, 0),
            (AUTHENTICATION, 4),
        ],
    ] {
        Built::v6(extensions).is_found();
    }
    let many = [(DESTINATION, 0); EXTENSIONS as usize + 1];
    Built::v6(many.get(1..).unwrap()).is_found();
    let (walk, _) = read(&Built::v6(&many).bytes(), Link::Ethernet);
    assert_eq!(walk, Walk::Other, "more than are walked over");
}

#[test]
fn fragments_are_told() {
    let v4 = Built::v4().bytes();
    for (high, low) in [(0x20, 0), (0, 1), (0x20, 1), (0x1f, 0xff)] {
        let mut bytes = v4.clone();
        (bytes[14 + 6], bytes[14 + 7]) = (high, low);
        assert_eq!(read(&bytes, Link::Ethernet).0, Walk::Fragment);
    }
    let v6 = Built::v6(&[(FRAGMENT, 0)]).bytes();
    for (high, low) in [(0, 1), (0, 8), (0xff, 0xf9)] {
        let mut bytes = v6.clone();
        (bytes[14 + 42], bytes[14 + 43]) = (high, low);
        assert_eq!(read(&bytes, Link::Ethernet).0, Walk::Fragment);
    }
}

#[test]
fn fragments_of_other_protocols_are_none_of_ours() {
    const UDP: u8 = 17;
    let mut v4 = Built::v4().bytes();
    (v4[14 + 6], v4[14 + 9]) = (0x20, UDP);
    assert_eq!(read(&v4, Link::Ethernet).0, Walk::Other);
    let mut v6 = Built::v6(&[(FRAGMENT, 0)]).bytes();
    (v6[14 + 40], v6[14 + 43]) = (UDP, 1);
    assert_eq!(read(&v6, Link::Ethernet).0, Walk::Other);
    // Behind another extension header there may be TCP.
    v6[14 + 40] = DESTINATION;
    assert_eq!(read(&v6, Link::Ethernet).0, Walk::Fragment);
}

/// A datagram over IPv4 or IPv6, from a client to port 443 of a server.
fn datagram(v6: bool, payload: &[u8]) -> Vec<u8> {
    let mut packet = if v6 {
        let mut header = vec![0x60, 0, 0, 0, 0, 8 + payload.len() as u8, 17, 64];
        header.extend([[0xfd; 16], [0xfe; 16]].concat());
        header
    } else {
        let total = 28 + payload.len() as u8;
        let mut header = vec![0x45, 0, 0, total, 0, 1, 0, 0, 64, 17, 0, 0];
        header.extend([192, 0, 2, 2, 192, 0, 2, 1]);
        header
    };
    packet.extend(40_000_u16.to_be_bytes());
    packet.extend(443_u16.to_be_bytes());
    packet.extend([0, 8 + payload.len() as u8, 0, 0]);
    packet.extend(payload);
    packet
}

#[test]
fn connections_of_quic_begin_with_an_initial_packet() {
    for (v6, first, version) in [
        (false, 0xc3, 1_u32),
        (true, 0xcf, 1),
        (false, 0xd0, 0x6b33_43cf),
    ] {
        let payload = [&[first][..], &version.to_be_bytes(), &[8; 20]].concat();
        let (walk, found) = read(&datagram(v6, &payload), Link::Ip);
        assert_eq!(walk, Walk::Quic);
        let (low, high) = (found.flow.low().port, found.flow.high().port);
        let from = if found.from_high { high } else { low };
        assert_eq!((from, low.min(high)), (40_000, 443));
    }
    for other in [
        // Handshake, 0-RTT, version negotiation, a short header, DNS, nothing.
        &[0xe3, 0, 0, 0, 1, 8, 8][..],
        &[0xd3, 0, 0, 0, 1, 8, 8],
        &[0xc3, 0, 0, 0, 0, 8, 8],
        &[0x43, 0, 0, 0, 1, 8, 8],
        &[0x12, 0x34, 1, 0, 0, 1],
        &[],
    ] {
        assert_eq!(read(&datagram(false, other), Link::Ip).0, Walk::Other);
    }
}

#[test]
fn without_a_length_the_packet_has_one() {
    let payload = vec![b'x'; 100_000];
    for built in [Built::v4(), Built::v6(&[]), Built::v6(&[(HOP_BY_HOP, 0)])] {
        Built {
            payload: payload.clone(),
            no_length: true,
            ..built
        }
        .is_found();
    }
}

#[test]
fn packets_that_claim_more_than_they_are_hold_no_segment() {
    // The host drops them too (RFC 1122 section 3.2.1).
    for built in [Built::v4(), Built::v6(&[])] {
        let mut bytes = built.bytes();
        bytes.pop();
        assert_eq!(read(&bytes, Link::Ethernet).0, Walk::Truncated);
    }
}

#[test]
fn captures_may_hold_only_the_headers() {
    for built in [Built::v4(), Built::v6(&[(DESTINATION, 0)])] {
        let bytes = built.bytes();
        let length = bytes.len() as u32;
        let expected = built.expected();
        for held in 0..bytes.len() {
            let mut found = TcpSegment::default();
            let bytes = &bytes[..held];
            let walk = walk(&Bytes { length, bytes }, Link::Ethernet, &mut found);
            if held >= expected.payload as usize {
                assert_eq!((walk, found), (Walk::Segment, expected));
            } else {
                assert_eq!(walk, Walk::Truncated, "{held} bytes");
            }
        }
    }
}

#[test]
fn links_without_ethernet_begin_with_ip() {
    for built in [Built::v4(), Built::v6(&[(ROUTING, 0)])] {
        Built {
            link: Link::Ip,
            ..built
        }
        .is_found();
    }
    assert_eq!(read(&[0x50; 60], Link::Ip).0, Walk::Other);
    assert_eq!(read(&[], Link::Ip).0, Walk::Truncated);
}

#[test]
fn contradictions_are_truncated() {
    let good = Built::v4().bytes();
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        read(&bytes, Link::Ethernet).0
    };
    assert_eq!(with(14, 0x44), Walk::Truncated, "IP header of 16 bytes");
    assert_eq!(with(14, 0x65), Walk::Truncated, "version");
    assert_eq!(with(14 + 3, 39), Walk::Truncated, "TCP header past the end");
    assert_eq!(
        with(14 + 20 + 12, 0x40),
        Walk::Truncated,
        "TCP header of 16"
    );
    assert_eq!(with(14 + 9, 17), Walk::Other, "UDP");
    assert_eq!(with(12, 0x88), Walk::Other, "some ethertype");
}

fn extensions() -> impl Strategy<Value = Vec<(u8, u8)>> {
    let one = (
        prop::sample::select(vec![
            HOP_BY_HOP,
            ROUTING,
            FRAGMENT,
            AUTHENTICATION,
            DESTINATION,
        ]),
        0_u8..6,
    );
    prop::collection::vec(one, 0..=EXTENSIONS as usize)
}

fn built() -> impl Strategy<Value = Built> {
    let ip = prop_oneof![
        (any::<[u8; 4]>(), any::<[u8; 4]>(), 0_u8..=10).prop_map(|(from, to, options)| Ip::V4 {
            from,
            to,
            options
        }),
        (any::<[u8; 16]>(), any::<[u8; 16]>(), extensions()).prop_map(|(from, to, extensions)| {
            Ip::V6 {
                from,
                to,
                extensions,
            }
        }),
    ];
    let link = prop_oneof![Just(Link::Ethernet), Just(Link::Ip)];
    let tags = prop::collection::vec(prop::sample::select(vec![VLAN, QINQ]), 0..=2);
    let payload = prop::collection::vec(any::<u8>(), 0..200);
    (
        (link, tags, ip, any::<(u16, u16)>()),
        (any::<u32>(), any::<u32>(), any::<u8>(), 0_u8..=10),
        (payload, 0_usize..50, any::<bool>()),
    )
        .prop_map(
            |(
                (link, tags, ip, ports),
                (sequence, acknowledgement, flags, options),
                (payload, padding, no_length),
            )| Built {
                link,
                tags,
                ip,
                ports,
                sequence,
                acknowledgement,
                flags,
                options,
                payload,
                padding: if no_length { 0 } else { padding },
                no_length,
            },
        )
}

proptest! {
    #[test]
    fn what_was_built_is_found(built in built()) {
        prop_assert_eq!(segment_of(&built.bytes(), built.link), built.expected());
    }

    #[test]
    fn damaged_packets_hold_nothing_beyond_their_lengths(
        built in built(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        held in any::<prop::sample::Index>(),
    ) {
        let mut bytes = built.bytes();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let at_hand = held.index(bytes.len() + 1);
        lies_inside(bytes.len() as u32, &bytes[..at_hand], built.link);
    }

    #[test]
    fn any_bytes_hold_nothing_beyond_their_length(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        more in 0_u32..2000,
    ) {
        for link in [Link::Ethernet, Link::Ip] {
            lies_inside(bytes.len() as u32 + more, &bytes, link);
        }
    }
}

fn lies_inside(length: u32, bytes: &[u8], link: Link) {
    let mut found = TcpSegment::default();
    if walk(&Bytes { length, bytes }, link, &mut found) == Walk::Segment {
        assert!(found.payload >= 40);
        assert!(found.payload.checked_add(found.length).unwrap() <= length);
    }
}
