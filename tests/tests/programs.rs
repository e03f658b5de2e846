//! The kernel programs against replay: for the same packets both deliver the same events and count the same.
//!
//! The programs run on packets of ours by `BPF_PROG_TEST_RUN`; they are attached to nothing.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::collections::HashMap;

use aya::maps::{Array, HashMap as BpfHashMap};
use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions, Xdp};
use observer::capture_file::{Captured, Tracking};
use observer::identity::spelling::SpellingKey;
use observer::kernel::counters;
use observer::kernel::object::{self, Settings};
use observer::kernel::ring::Ring;
use observer::segment::Segment;
use observer_ebpf::abi::{Counter, EventHeader, FlowKey, Hint, Kind, flags, map, program};
use observer_ebpf::track::{BUDGET, GLIMPSE};
use observer_ebpf::wire::{Link, tcp};
use observer_tests::frames::{Connection, Packing, Random, SERVER_PORT};
use observer_tests::namespace::Namespace;
use observer_tests::require::require;
use observer_tests::scripts;

const CLASSIFIERS: [&str; 4] = [
    program::INGRESS,
    program::INGRESS_IP,
    program::EGRESS,
    program::EGRESS_IP,
];
/// Index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;
/// The largest packet that XDP is given in one buffer: a page less what the kernel keeps before and behind it.
const ONE_BUFFER: usize = 3520;
/// Bytes of an Ethernet and an IPv6 header.
const WHOLE_HEADERS: usize = 54;

/// The kernel programs, and replay beside them.
struct Both {
    object: aya::Ebpf,
    rings: Vec<Ring>,
    tracking: Tracking,
    /// The kernel's birth of a connection by replay's.
    births: HashMap<u64, u64>,
    /// Packets and bytes that were given to the programs, by interface and direction.
    given: HashMap<(u32, bool), (u64, u64)>,
    clock: u64,
}

impl Both {
    fn load(ring_bytes: u64, ports: &[u16], tls: bool) -> Self {
        let settings = Settings {
            ring_bytes,
            ports: ports.to_vec(),
            tls,
            tls_ports: Vec::new(),
            spelling: SpellingKey::default(),
            log: false,
        };
        let (mut object, rings) = object::load(&settings, None).expect("loading the object");
        let lease = object.map_mut(map::LEASE).expect("the lease");
        Array::<_, u64>::try_from(lease)
            .and_then(|mut lease| lease.set(0, u64::MAX / 2, 0))
            .expect("letting the programs look");
        for name in CLASSIFIERS {
            let classifier: &mut SchedClassifier = object
                .program_mut(name)
                .expect("a classifier")
                .try_into()
                .expect("a classifier");
            classifier.load().expect(name);
        }
        let xdp: &mut Xdp = object
            .program_mut(program::XDP)
            .expect("a program for XDP")
            .try_into()
            .expect("XDP");
        xdp.load().expect("loading XDP");
        let mut tracking = Tracking::default();
        tracking.tls = tls;
        Self {
            object,
            rings,
            tracking,
            births: HashMap::new(),
            given: HashMap::new(),
            clock: 0,
        }
    }

    /// Runs a program on a packet.
    fn run(&mut self, name: &str, packet: &[u8], interface: u32) {
        let mut options = TestRunOptions::new();
        options.data_in = Some(packet);
        let egress = [program::EGRESS, program::EGRESS_IP].contains(&name);
        let given = self.given.entry((interface, egress)).or_default();
        *given = (given.0 + 1, given.1 + packet.len() as u64);
        let program = self.object.program_mut(name).expect("a program");
        let result = if name == program::XDP {
            assert_eq!(interface, LOOPBACK, "XDP is run at lo");
            let xdp: &mut Xdp = program.try_into().expect("XDP");
            xdp.test_run(options)
        } else {
            // `struct __sk_buff` up to and with `ifindex` (`linux/bpf.h`).
            let mut context = [0; 44];
            context[40..].copy_from_slice(&interface.to_ne_bytes());
            options.ctx_in = Some(&context);
            let classifier: &mut SchedClassifier = program.try_into().expect("a classifier");
            classifier.test_run(options)
        };
        let result = result.unwrap_or_else(|error| panic!("{name}: {error}: {packet:02x?}"));
        let goes_on = if name == program::XDP { 2 } else { u32::MAX };
        assert_eq!(result.return_value, goes_on, "{name} lets the packet go on");
    }

    /// What waits in the rings.
    fn events(&mut self) -> Vec<(EventHeader, Vec<u8>)> {
        let mut events = Vec::new();
        for ring in &mut self.rings {
            ring.drain(usize::MAX, u64::MAX, |_, bytes| {
                let event = Segment::decode(bytes).expect("an event");
                events.push((event.header, event.payload.to_vec()));
            });
            ring.release(ring.position());
        }
        events
    }

    /// Gives a packet to a program and to replay, compares what they deliver and returns it.
    fn compare(&mut self, name: &str, packet: &[u8], interface: u32) -> Option<EventHeader> {
        self.clock += 1;
        self.run(name, packet, interface);
        let events = self.events();
        let ip = [program::INGRESS_IP, program::EGRESS_IP].contains(&name);
        let wanted = self.tracking.packet(&Captured {
            time: self.clock,
            interface,
            link: if ip { Link::Ip } else { Link::Ethernet },
            length: packet.len() as u32,
            bytes: packet,
        });
        let Some(mut wanted) = wanted else {
            assert!(events.is_empty(), "{name}: {events:?} of {packet:02x?}");
            return None;
        };
        let [(header, payload)] = events.as_slice() else {
            panic!("{name}: {events:?} instead of {wanted:?}");
        };
        let birth = *self
            .births
            .entry(wanted.header.birth)
            .or_insert(header.birth);
        let wanted_birth = wanted.header.birth;
        wanted.header.birth = birth;
        wanted.header.time = header.time;
        if [program::EGRESS, program::EGRESS_IP].contains(&name) {
            wanted.header.flags |= flags::EGRESS;
        }
        assert_eq!(*header, wanted.header, "{name}");
        assert_eq!(payload, wanted.payload, "{name}");
        wanted.header.birth = wanted_birth;
        Some(wanted.header)
    }

    /// Tells both what is needless of a connection, or what was so of an earlier one of its name.
    fn hint(&mut self, header: &EventHeader, skip: [u64; 2], stale: bool) {
        let of = |birth: u64| Hint {
            birth: birth - u64::from(stale),
            skip,
        };
        let kernel = of(self.births[&header.birth]).to_bytes();
        let hints = self.object.map_mut(map::HINTS).expect("the map of hints");
        BpfHashMap::<_, [u8; FlowKey::SIZE], [u8; 24]>::try_from(hints)
            .and_then(|mut hints| hints.insert(header.flow.to_bytes(), kernel, 0))
            .expect("writing a hint");
        self.tracking.hint(header.flow, of(header.birth));
    }

    fn counter(&self, counter: Counter) -> u64 {
        counters::all(&self.object)
            .expect("reading the counters")
            .get(counter as usize)
            .copied()
            .expect("a counter")
    }

    /// Compares what the two counted.
    fn compare_counters(&self) {
        assert_eq!(self.counter(Counter::Fragment), self.tracking.fragments);
        assert_eq!(self.counter(Counter::Truncated), self.tracking.truncated);
        for counter in [
            Counter::Unreadable,
            Counter::RingFull,
            Counter::FlowTableFull,
        ] {
            assert_eq!(self.counter(counter), 0, "{counter:?}");
        }
        let links = counters::links(&self.object).expect("reading totals");
        let seen: HashMap<_, _> = links
            .iter()
            .map(|(link, totals)| (*link, (totals.packets, totals.bytes)))
            .collect();
        assert_eq!(seen, self.given);
        // One birth in the kernel for each in replay.
        let mut births: Vec<_> = self.births.values().collect();
        births.sort();
        births.dedup();
        assert_eq!(births.len(), self.births.len());
    }
}

/// Index of the interface that is not `lo`.
const SECOND: u32 = 7;

/// A program for packets of a link, and the interface that it runs at.
fn place(link: Link, length: usize, random: &mut Random) -> (&'static str, u32) {
    let interface = if random.percent(15) { SECOND } else { LOOPBACK };
    match (link, random.below(3)) {
        // A test run of a classifier is refused where the headers that the ethertype promises are not all there.
        (Link::Ethernet, _) if length < WHOLE_HEADERS => (program::XDP, LOOPBACK),
        (Link::Ethernet, 0) => (program::XDP, LOOPBACK),
        (Link::Ethernet, 1) => (program::EGRESS, interface),
        (Link::Ethernet, _) => (program::INGRESS, interface),
        (Link::Ip, 0) => (program::EGRESS_IP, interface),
        (Link::Ip, _) => (program::INGRESS_IP, interface),
    }
}

/// Damages a packet; what is left has as many bytes as the kernel takes for a test run.
fn damage(packet: &mut Vec<u8>, random: &mut Random) {
    match random.below(3) {
        0 => packet.truncate(14 + random.below(packet.len() - 13)),
        1 => {
            for _ in 0..1 + random.below(4) {
                // Headers, most of all.
                let place = random.below(packet.len().min(80));
                packet[place] ^= 1 << random.below(8);
            }
        }
        _ => {
            let length = 14 + random.below(200);
            *packet = random.bytes(length);
        }
    }
}

/// Conversations that go on at the same time, seen by all programs.
fn converse(seed: u64) {
    let mut random = Random(seed);
    let tls = seed.is_multiple_of(2);
    let mut both = Both::load(16 << 20, &[], tls);
    let mut going: Vec<_> = (0..8).map(|_| scripts::any(&mut random)).collect();
    let (mut packets, mut kinds, mut bodies) = (0, [0; 6], 0);
    while packets < 6_000 {
        let which = random.below(going.len());
        let (connection, sent) = &mut going[which];
        if sent.is_empty() {
            going[which] = scripts::any(&mut random);
            continue;
        }
        let segment = sent.remove(0);
        let link = if random.percent(25) {
            Link::Ip
        } else {
            Link::Ethernet
        };
        let packing = if random.percent(60) {
            Packing::plain(link)
        } else {
            Packing::any(link, &mut random)
        };
        let packing = Packing {
            quic: random.percent(2),
            ..packing
        };
        let mut packet = connection.pack(&segment, &packing);
        if random.percent(5) {
            damage(&mut packet, &mut random);
        }
        let (name, interface) = place(link, packet.len(), &mut random);
        packets += 1;
        let Some(header) = both.compare(name, &packet, interface) else {
            continue;
        };
        kinds[usize::from(header.kind)] += 1;
        bodies += u32::from(header.skipped > 0);
        if random.percent(10) {
            let mut ahead = || header.offset + random.below(40_000) as u64;
            let skip = [ahead(), ahead()];
            both.hint(&header, skip, random.percent(20));
        }
    }
    both.compare_counters();
    // Every kind of event was there, and so was everything that is only counted.
    // Where TLS is delivered whole, no server's hello is delivered alone.
    let alone = if tls { Kind::Handshake } else { Kind::Record };
    for (kind, count) in kinds.iter().enumerate() {
        assert_eq!(*count == 0, kind == alone as usize, "{kinds:?}");
    }
    assert!(bodies > 0);
    for counter in [
        Counter::Fragment,
        Counter::Truncated,
        Counter::SeenTwice,
        Counter::BodySegments,
    ] {
        assert!(both.counter(counter) > 0, "{counter:?}");
    }
}

#[test]
fn every_program_sees_what_replay_sees() {
    if !require(&["ip"]) {
        return;
    }
    let namespace = Namespace::new("p");
    let index = SECOND.to_string();
    namespace.ip(&["link", "add", "obs0", "index", &index, "type", "veth"]);
    namespace.inside(|| (1..=4).for_each(converse));
}

fn connection() -> Connection {
    Connection {
        v6: false,
        client_port: 50_000,
        next: [u32::MAX - 5, u32::MAX - 70_000],
    }
}

#[test]
fn packets_of_several_buffers() {
    if !require(&[]) {
        return;
    }
    let mut both = Both::load(16 << 20, &[], false);
    let mut connection = connection();
    let plain = Packing::plain(Link::Ethernet);
    let mut send = |both: &mut Both, from_server: bool, flags: u8, start: &[u8], length: usize| {
        let mut payload = start.to_vec();
        payload.extend((start.len()..length).map(|place| (place % 251) as u8));
        let sent = connection.send(from_server, flags, &payload);
        both.compare(program::XDP, &connection.pack(&sent, &plain), LOOPBACK)
    };
    send(&mut both, true, tcp::SYN | tcp::ACK, b"", 0);
    // Every length about the places where one buffer ends and the next begins.
    let request = b"PUT /v1/widgets/1 HTTP/1.1\r\nHost: a\r\n\r\n";
    for pages in 0..4 {
        for length in (0..80).map(|more| ONE_BUFFER + pages * 4096 - 60 + more) {
            let seen = send(&mut both, false, tcp::ACK, request, length).expect("an event");
            assert_eq!(
                (seen.kind(), seen.copied),
                (Some(Kind::Segment), length as u32)
            );
        }
    }
    // A download past what is copied of it.
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n";
    let mut last = send(&mut both, true, tcp::ACK, response, 60_000).expect("an event");
    for _ in 0..BUDGET / 60_000 + 10 {
        last = send(&mut both, true, tcp::ACK, b"", 60_000).expect("an event");
    }
    assert_eq!(last.copied, GLIMPSE);
    // It ends within a packet.
    let end = last.offset + 60_000 + 7_000;
    both.hint(&last, [end; 2], false);
    assert_eq!(send(&mut both, true, tcp::ACK, b"", 5_000), None);
    let last = send(&mut both, true, tcp::ACK, b"", 60_000).expect("an event");
    assert_eq!((last.skipped, last.copied), (2_000, 58_000));
    both.compare_counters();
}

#[test]
fn only_the_ports_asked_for() {
    if !require(&[]) {
        return;
    }
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (ports, seen) in [(vec![SERVER_PORT], 1), (vec![50_000], 1), (vec![80], 0)] {
        let mut both = Both::load(1 << 20, &ports, false);
        let mut connection = connection();
        let sent = connection.send(false, tcp::ACK, request);
        let packet = connection.pack(&sent, &Packing::plain(Link::Ethernet));
        both.run(program::INGRESS, &packet, LOOPBACK);
        assert_eq!(both.events().len(), seen, "{ports:?}");
    }
}

#[test]
fn a_full_ring_is_counted_and_the_next_event_says_so() {
    if !require(&[]) {
        return;
    }
    let mut both = Both::load(0, &[], false);
    let mut connection = connection();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut send = |both: &mut Both| {
        let sent = connection.send(false, tcp::ACK, request);
        let packet = connection.pack(&sent, &Packing::plain(Link::Ethernet));
        both.run(program::INGRESS, &packet, LOOPBACK);
    };
    for _ in 0..100 {
        send(&mut both);
    }
    let kept = both.events().len() as u64;
    assert!(kept > 0 && kept < 100, "{kept} of 100");
    send(&mut both);
    let lost = 100 - kept;
    assert_eq!(both.events()[0].0.lost, lost as u32);
    assert_eq!(both.counter(Counter::RingFull), lost);
    assert_eq!(
        both.counter(Counter::RingFullBytes),
        lost * request.len() as u64
    );
    assert_eq!(both.counter(Counter::LostRequests), lost);
    send(&mut both);
    assert_eq!(both.events()[0].0.lost, 0);
}
