//! The program that refuses requests, run on packets of ours by `BPF_PROG_TEST_RUN`; it is attached to nothing.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on stops with what went wrong"
)]

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap};
use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions, Xdp};
use observer::identity::spelling::SpellingKey;
use observer::kernel::monotonic_now;
use observer::kernel::object::{self, Settings};
use observer::kernel::ring::Ring;
use observer_ebpf::abi::guard::{ALLOWED, Action, Holder, NAME, network, place};
use observer_ebpf::abi::{map, program};
use observer_ebpf::spelling::{self, Places};
use observer_ebpf::wire::{Link, tcp};
use observer_tests::frames::{Connection, Packing, Random};
use observer_tests::namespace::Namespace;
use observer_tests::require::require;

/// Index of `lo` in every network namespace.
const LOOPBACK: u32 = 1;
/// Values that fields may have, and whose they are: consumers 1 to 4, of whom the first is shut off and the last never is.
const VALUES: [(&str, u32, u32); 6] = [
    ("blocked-key-1", 1, 7),
    ("blocked-key-2", 1, 7),
    ("other-key", 2, 0),
    ("third-key", 3, 0),
    ("allowed-key", 4 | ALLOWED, 0),
    ("nobody-knows-it", 0, 0),
];
const FIELDS: [&str; 4] = ["X-Api-Key", "Authorization", "Accept", "X-Request-Id"];

struct Guard {
    object: aya::Ebpf,
    _rings: Vec<Ring>,
}

impl Guard {
    fn load() -> Self {
        let settings = Settings {
            ring_bytes: 1 << 20,
            ports: Vec::new(),
            tls: false,
            tls_ports: Vec::new(),
            spelling: SpellingKey::default(),
            log: false,
        };
        let (object, rings) = object::load(&settings, None).expect("loading the object");
        let mut guard = Self {
            object,
            _rings: rings,
        };
        for name in [program::GUARD, program::GUARD_IP, program::INGRESS] {
            guard.classifier(name).load().expect(name);
        }
        guard.words(map::LEASE, 0, u64::MAX / 2);
        guard.words(map::GUARD, place::UNTIL, u64::MAX);
        let mut places = Places::default();
        for field in ["x-api-key", "authorization"] {
            spelling::mark(&mut places, field.as_bytes());
        }
        let mut bytes = [0; size_of::<Places>()];
        for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(places) {
            *to = word.to_ne_bytes();
        }
        let map = guard.object.map_mut(map::PLACES).expect("places");
        Array::<_, [u8; size_of::<Places>()]>::try_from(map)
            .and_then(|mut map| map.set(0, bytes, 0))
            .expect("naming places");
        let action = Action {
            until: monotonic_now() + 600_000_000_000,
            name: [b'r'; NAME],
            ..Action::default()
        };
        let map = guard.object.map_mut(map::ACTIONS).expect("actions");
        Array::<_, [u8; Action::SIZE]>::try_from(map)
            .and_then(|mut map| map.set(7, action.to_bytes(), 0))
            .expect("an action");
        let map = guard.object.map_mut(map::HOLDERS).expect("holders");
        let mut holders = HashMap::<_, u64, u64>::try_from(map).expect("holders");
        for (value, consumer, action) in
            VALUES.into_iter().filter(|(_, consumer, _)| *consumer != 0)
        {
            for field in ["x-api-key", "authorization"] {
                let hash = spelling::hash([0; 2], field.as_bytes(), value.as_bytes());
                let holder = Holder { consumer, action };
                holders
                    .insert(hash.expect("a hash"), holder.to_word(), 0)
                    .expect("a holder");
            }
        }
        guard
    }

    fn classifier(&mut self, name: &str) -> &mut SchedClassifier {
        let program = self.object.program_mut(name).expect("a program");
        program.try_into().expect("a classifier")
    }

    fn words(&mut self, name: &str, at: u32, value: u64) {
        let map = self.object.map_mut(name).expect("a map");
        Array::<_, u64>::try_from(map)
            .and_then(|mut map| map.set(at, value, 0))
            .expect("a word");
    }

    /// Says of all addresses that they are never stopped, or takes that back.
    fn allow(&mut self, allowed: bool) {
        let map = self.object.map_mut(map::NETWORKS).expect("networks");
        let mut networks = LpmTrie::<_, [u8; 16], u32>::try_from(map).expect("networks");
        let all = Key::new(0, [0; 16]);
        if allowed {
            networks.insert(&all, network::ALLOW, 0).expect("a network");
        } else {
            let _ = networks.remove(&all);
        }
    }

    /// Runs a program on a packet; returns what it says and what became of the packet.
    fn run(&mut self, name: &str, packet: &[u8]) -> (u32, Vec<u8>) {
        // `struct __sk_buff` up to and with `ifindex` (`linux/bpf.h`).
        let mut context = [0; 44];
        context[40..].copy_from_slice(&LOOPBACK.to_ne_bytes());
        let mut after = vec![0; packet.len() + 1024];
        let mut options = TestRunOptions::new();
        options.data_in = Some(packet);
        options.ctx_in = Some(&context);
        options.data_out = Some(&mut after);
        let result = self.classifier(name).test_run(options).expect(name);
        after.truncate(result.data_size_out as usize);
        (result.return_value, after)
    }
}

/// Whether a packet is a reset without content, by its headers: Ethernet, IP without options, TCP.
fn is_reset(packet: &[u8]) -> bool {
    let at = if packet[14] >> 4 == 6 { 54 } else { 34 };
    packet.len() == at + 20 && packet[at + 13] == tcp::RST
}

#[test]
fn loads_and_drops_by_xdp() {
    if !require(&[]) {
        return;
    }
    let mut guard = Guard::load();
    for name in [program::SHIELD, program::SHIELDED] {
        let program = guard.object.program_mut(name).expect("a program");
        let xdp: &mut Xdp = program.try_into().expect("XDP");
        xdp.load().expect(name);
    }
}

/// Requests at random on connections of their own: refused is what bears a credential that is shut off, unless it bears one of somebody
/// else too, or comes from where nobody is stopped. Everything else passes as it is.
#[test]
fn refuses_what_is_shut_off_and_nothing_else() {
    if !require(&["ip"]) {
        return;
    }
    let namespace = Namespace::new("guard");
    namespace.inside(|| {
        let mut guard = Guard::load();
        let mut random = Random(11);
        let (mut refused, mut passed) = (0, 0);
        for number in 0..3000_u32 {
            let allowed = random.percent(20);
            guard.allow(allowed);
            let mut connection = Connection {
                v6: random.percent(30),
                client_port: 1024 + number as u16,
                next: [random.any() as u32, random.any() as u32],
            };
            let mut packing = Packing::plain(Link::Ethernet);
            packing.tcp_options = random.below(4) as u8;
            let fields: Vec<(&str, (&str, u32, u32))> = (0..random.below(5))
                .map(|_| (FIELDS[random.below(4)], VALUES[random.below(6)]))
                .collect();
            let mut head = "GET /v1/widgets/1 HTTP/1.1\r\nHost: api.example\r\n".to_owned();
            for (name, (value, ..)) in &fields {
                let white = " ".repeat(random.below(3));
                head.push_str(&format!("{name}:{white}{value}\r\n"));
            }
            // With or without its end: what stands in whole lines counts.
            if random.percent(80) {
                head.push_str("\r\n");
            }
            let sent = connection.send(false, tcp::ACK, head.as_bytes());
            let packet = connection.pack(&sent, &packing);
            guard.run(program::INGRESS, &packet);
            let (verdict, after) = guard.run(program::GUARD, &packet);
            assert_eq!(verdict, u32::MAX, "{head}");

            let looked_at = fields
                .iter()
                .filter(|(name, _)| FIELDS[..2].contains(name))
                .take(4);
            let known: Vec<u32> = looked_at
                .map(|(_, (_, consumer, _))| *consumer)
                .filter(|consumer| *consumer != 0)
                .collect();
            let alone = known.iter().all(|consumer| *consumer == known[0]);
            let wanted = !allowed && alone && known.first() == Some(&1);
            if wanted {
                assert!(is_reset(&after), "{head}\n{after:02x?}");
                refused += 1;
            } else {
                assert_eq!(after, packet, "{head}");
                passed += 1;
            }
        }
        println!("{refused} refused, {passed} passed");
        assert!(refused > 200 && passed > 1000);
    });
}
