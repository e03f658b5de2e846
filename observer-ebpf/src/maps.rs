//! Every map, and the settings that are fixed at load.

use aya_ebpf::Global;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use observer_ebpf::abi::{
    COMM, COUNTERS as COUNTER_COUNT, Counter, EventHeader, FlowKey, Hint, LinkTotals, Secret,
    SecretName, probe, shed,
};
use observer_ebpf::track::Flow;
use observer_ebpf::wire::TcpSegment;

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
