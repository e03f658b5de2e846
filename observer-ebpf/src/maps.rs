//! Every map, and the settings that are fixed at load.

use aya_ebpf::Global;
use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::lpm_trie::{Key, LpmTrie};
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use observer_ebpf::abi::guard::{self, ANSWER, Action, Answer, Guarded, Holder, hit};
use observer_ebpf::abi::{
    COMM, COUNTERS as COUNTER_COUNT, Counter, EventHeader, FlowKey, Hint, LinkTotals, Secret,
    SecretName, probe, shed,
};
use observer_ebpf::spelling::{Field, HEAD, Hash, Places, Scan};
use observer_ebpf::track::Flow;
use observer_ebpf::wire::TcpSegment;

use crate::programs::guard::refuse::Plan;

/// What would not fit on a program's stack of 512 bytes. One a processor: TC and XDP programs run in, or with, softirqs
/// off, and do not nest.
#[repr(C)]
pub struct Scratch {
    /// The segment being looked at.
    pub segment: TcpSegment,
    /// A connection being entered.
    pub flow: Flow,
    /// The header being delivered.
    pub header: EventHeader,
}

#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(1, 0);

/// This processor's scratch space.
#[inline(always)]
pub fn scratch() -> Option<&'static mut Scratch> {
    // SAFETY: a per-CPU slot that only the running program uses, see `Scratch`; called once a program.
    SCRATCH
        .get_ptr_mut(0)
        .map(|scratch| unsafe { &mut *scratch })
}

/// Bytes for a head: with any of its places, the seven behind it are read.
pub const ROOM: usize = HEAD + 8;

/// What the programs that stop traffic have beside their stack. One a processor, as [`Scratch`].
#[repr(C)]
pub struct GuardScratch {
    /// The segment being looked at.
    pub segment: TcpSegment,
    /// Its first bytes.
    pub head: [u8; ROOM],
    /// The look for lines with credentials.
    pub scan: Scan,
    /// The one being hashed.
    pub field: Field,
    /// Its hash so far.
    pub hash: Hash,
    /// Who the credentials found so far belong to.
    pub found: Holder,
    /// They belong to several.
    pub mixed: bool,
    /// There is one, known or not.
    pub any: bool,
    /// What a client is told.
    pub text: [u8; ANSWER],
    /// What is made of a packet.
    pub plan: Plan,
    /// Nanoseconds of the monotonic clock.
    pub now: u64,
}

#[map]
static GUARD_SCRATCH: PerCpuArray<GuardScratch> = PerCpuArray::with_max_entries(1, 0);

/// This processor's scratch space for stopping traffic.
#[inline(always)]
pub fn guard_scratch() -> Option<&'static mut GuardScratch> {
    // SAFETY: a per-CPU slot that only the running program uses, see `Scratch`; called once a program.
    GUARD_SCRATCH
        .get_ptr_mut(0)
        .map(|scratch| unsafe { &mut *scratch })
}

/// Hashes of spellings of credentials, written by userspace.
#[map]
static HOLDERS: HashMap<u64, u64> = HashMap::with_max_entries(1 << 17, BPF_F_NO_PREALLOC);

#[map]
static PLACES: Array<Places> = Array::with_max_entries(1, 0);

#[map]
static ACTIONS: Array<Action> = Array::with_max_entries(guard::ACTIONS, 0);

#[map]
static BUCKETS: Array<u64> = Array::with_max_entries(guard::ACTIONS, 0);

/// Only what was hit takes room.
#[map]
static HITS: PerCpuHashMap<u32, [u64; hit::PLACES]> =
    PerCpuHashMap::with_max_entries(guard::ACTIONS, BPF_F_NO_PREALLOC);

#[map]
pub static ANSWERS: Array<Answer> = Array::with_max_entries(Answer::PLACES, 0);

/// Connections of which a request was looked at.
#[map]
pub static GUARDED: LruHashMap<FlowKey, Guarded> = LruHashMap::with_max_entries(1 << 16, 0);

#[map]
static NETWORKS: LpmTrie<[u8; 16], u32> = LpmTrie::with_max_entries(1 << 15, 0);

#[map]
static GUARD: Array<u64> = Array::with_max_entries(guard::place::PLACES, 0);

/// Ring sizes are set at load; this is the least that the kernel takes.
const PAGE: u32 = 4096;

#[map]
static RING_0: RingBuf = RingBuf::with_byte_size(PAGE, 0);
#[map]
static RING_1: RingBuf = RingBuf::with_byte_size(PAGE, 0);
#[map]
static RING_2: RingBuf = RingBuf::with_byte_size(PAGE, 0);
#[map]
static RING_3: RingBuf = RingBuf::with_byte_size(PAGE, 0);

/// Connections. Least recently used ones make room: what goes on is recognised again by its next message.
#[map]
pub static FLOWS: LruHashMap<FlowKey, Flow> = LruHashMap::with_max_entries(1 << 17, 0);

/// Connections of QUIC that were told of.
#[map]
pub static QUIC: LruHashMap<FlowKey, u8> = LruHashMap::with_max_entries(1 << 12, 0);

/// Body ends, written by userspace.
#[map]
pub static HINTS: LruHashMap<FlowKey, Hint> = LruHashMap::with_max_entries(1 << 14, 0);

#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTER_COUNT as u32, 0);

/// By interface index, doubled, plus one for egress.
#[map]
static LINKS: PerCpuHashMap<u32, LinkTotals> = PerCpuHashMap::with_max_entries(1024, 0);

#[map]
static PORTS: Array<u64> = Array::with_max_entries(1024, 0);

/// Sockets that are connecting, by their address in the kernel, to the process that connects.
#[map]
pub static CONNECTING: LruHashMap<u64, u32> = LruHashMap::with_max_entries(1 << 12, 0);

/// Connections that a process of this host opened.
#[map]
pub static CLIENTS: LruHashMap<FlowKey, u32> = LruHashMap::with_max_entries(1 << 16, 0);

/// What handshakes derived their keys from, until their connections are over.
#[map]
pub static SECRETS: LruHashMap<SecretName, Secret> = LruHashMap::with_max_entries(1 << 15, 0);

/// Threads whose secrets are not taken.
#[map]
static KEYS_EXCEPT: HashMap<[u8; COMM], u8> = HashMap::with_max_entries(64, 0);

#[map]
static TLS_PORTS: Array<u64> = Array::with_max_entries(1024, 0);

/// Names of secrets that were entered.
#[map]
pub static NEW_SECRETS: RingBuf = RingBuf::with_byte_size(1 << 16, 0);

/// How many of those names found no room, about.
#[map]
static SECRETS_MISSED: Array<u64> = Array::with_max_entries(1, 0);

/// How often each probe ran, by its number.
#[map]
static PROBES: PerCpuArray<u64> = PerCpuArray::with_max_entries(probe::PLACES, 0);

#[map]
static LEASE: Array<u64> = Array::with_max_entries(1, 0);

#[map]
static SHED: Array<u64> = Array::with_max_entries(shed::PLACES, 0);

#[unsafe(no_mangle)]
static PORT_FILTER: Global<u8> = Global::new(0);
#[unsafe(no_mangle)]
static SHARD_MASK: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static WAKE_AT: Global<u64> = Global::new(0);
#[unsafe(no_mangle)]
static TLS: Global<u8> = Global::new(0);
#[unsafe(no_mangle)]
static SPELLING_0: Global<u64> = Global::new(0);
#[unsafe(no_mangle)]
static SPELLING_1: Global<u64> = Global::new(0);

/// The ring of a connection.
#[inline(always)]
pub fn ring(flow: &FlowKey) -> &'static RingBuf {
    match flow.spread() & SHARD_MASK.load() {
        0 => &RING_0,
        1 => &RING_1,
        2 => &RING_2,
        _ => &RING_3,
    }
}

/// Bytes of events after which the reader of a ring is woken up.
#[inline(always)]
pub fn wake_at() -> u64 {
    WAKE_AT.load()
}

/// Whether a TLS connection is delivered whole.
#[inline(always)]
pub fn reads_tls(flow: &FlowKey) -> bool {
    match TLS.load() {
        0 => false,
        1 => true,
        _ => is_in(&TLS_PORTS, flow.low().port) || is_in(&TLS_PORTS, flow.high().port),
    }
}

/// Whether secrets of a thread of this name are left alone.
#[inline(always)]
pub fn is_left_alone(comm: &[u8; COMM]) -> bool {
    // SAFETY: the value is not looked at.
    unsafe { KEYS_EXCEPT.get(comm) }.is_some()
}

/// Whether the daemon still wants to see packets, or did so a short time ago.
#[inline(always)]
pub fn is_leased() -> bool {
    LEASE.get(0).is_some_and(|until| *until != 0)
}

/// Lets the programs rest when the lease has run out at this time: the daemon is gone for long.
#[inline(always)]
pub fn check_lease(now: u64) {
    if let Some(until) = LEASE.get_ptr_mut(0) {
        // SAFETY: one aligned word, written as a whole; a renewal that is overwritten here comes again.
        unsafe {
            if *until < now {
                *until = 0;
            }
        }
    }
}

/// Adds to a counter of this processor.
#[inline(always)]
pub fn count(counter: Counter, amount: u64) {
    if let Some(value) = COUNTERS.get_ptr_mut(counter as u32) {
        // SAFETY: a per-CPU slot; the program runs with migration off, so nobody else writes it meanwhile.
        unsafe { *value += amount };
    }
}

/// Has userspace look at all secrets: the name of one found no room.
#[inline(always)]
pub fn miss_secret() {
    if let Some(missed) = SECRETS_MISSED.get_ptr_mut(0) {
        // SAFETY: one aligned word, written as a whole; any other value than before says the same.
        unsafe { *missed += 1 };
    }
}

/// Adds a run to a probe's. Processes run probes with preemption on: a run that comes in the middle of another's counting is
/// left out.
#[inline(always)]
pub fn count_probe(number: u64) {
    if let Some(runs) = PROBES.get_ptr_mut(number as u32 & (probe::PLACES - 1)) {
        // SAFETY: a per-CPU slot, valid while the program runs; the program stays on its processor.
        unsafe { *runs += 1 };
    }
}

/// Adds a packet to its interface's totals.
#[inline(always)]
pub fn count_packet(interface: u32, egress: bool, bytes: u32) {
    let key = (interface << 1) | u32::from(egress);
    if let Some(totals) = LINKS.get_ptr_mut(&key) {
        // SAFETY: as in `count`.
        unsafe {
            (*totals).packets += 1;
            (*totals).bytes += u64::from(bytes);
        }
        return;
    }
    // A full table means a thousand interfaces; the totals of the others stay right.
    let _ = LINKS.insert(
        &key,
        &LinkTotals {
            packets: 1,
            bytes: u64::from(bytes),
        },
        0,
    );
}

/// The key that spellings are hashed with.
#[inline(always)]
pub fn spelling_key() -> [u64; 2] {
    [SPELLING_0.load(), SPELLING_1.load()]
}

/// Who the credential of this hash belongs to; zeros: nobody that is known.
#[inline(always)]
pub fn holder(hash: u64) -> Holder {
    // SAFETY: one aligned word, replaced as a whole.
    let word = unsafe { HOLDERS.get(&hash) }.copied().unwrap_or(0);
    Holder::of_word(word)
}

/// The fields that credentials were seen in.
#[inline(always)]
pub fn places() -> Option<&'static Places> {
    PLACES.get(0)
}

/// The action at a place.
#[inline(always)]
pub fn action(place: u32) -> Option<&'static Action> {
    ACTIONS.get(place)
}

/// The bucket of the action at a place.
#[inline(always)]
pub fn bucket(place: u32) -> Option<*mut u64> {
    BUCKETS.get_ptr_mut(place)
}

/// What a network's entry says; the longest prefix decides.
#[inline(always)]
pub fn network(address: [u8; 16]) -> Option<u32> {
    NETWORKS.get(Key::new(128, address)).copied()
}

/// A word of what holds for all that is stopped, see [`guard::place`].
#[inline(always)]
pub fn guarding(place: u32) -> u64 {
    GUARD.get(place).copied().unwrap_or(0)
}

/// Takes note of when something was refused last.
#[inline(always)]
pub fn note_refusal(now: u64) {
    if let Some(at) = GUARD.get_ptr_mut(guard::place::REFUSED) {
        // SAFETY: one aligned word, written as a whole.
        unsafe { *at = now };
    }
}

/// Adds to what an action hit.
#[inline(always)]
pub fn note_hit(place: u32, which: usize) {
    if let Some(hits) = HITS.get_ptr_mut(&place) {
        // SAFETY: as in `count`; `which` is a constant below the length.
        unsafe { (&mut *hits)[which] += 1 };
        return;
    }
    let mut hits = [0; hit::PLACES];
    hits[which] = 1;
    // Room for every action there can be.
    let _ = HITS.insert(&place, &hits, 0);
}

/// Whether payload that begins no message is left out.
#[inline(always)]
pub fn sheds_payload() -> bool {
    SHED.get(shed::PAYLOAD).is_some_and(|on| *on != 0)
}

/// Whether a new connection is refused. Both directions, and all segments, get the same answer.
#[inline(always)]
pub fn refuses(flow: &FlowKey) -> bool {
    SHED.get(shed::CONNECTIONS)
        .is_some_and(|share| u64::from(flow.spread() >> 8) & (shed::ALL - 1) < *share)
}

/// Whether a connection's ports are among those to look at.
#[inline(always)]
pub fn is_wanted(flow: &FlowKey) -> bool {
    PORT_FILTER.load() == 0 || is_in(&PORTS, flow.low().port) || is_in(&PORTS, flow.high().port)
}

/// Whether a port stands in a bitmap.
#[inline(always)]
fn is_in(ports: &Array<u64>, port: u16) -> bool {
    ports
        .get(u32::from(port >> 6))
        .is_some_and(|word| (word >> (port & 63)) & 1 == 1)
}
