//! What becomes of a refused request: an answer to its client, and a reset to the server, made of the request's own packet.
//!
//! The server's socket is closed by the reset and never knew of the request. The client's side is seen off as a server would
//! (RFC 9112 section 9.6): what it still sends is acknowledged, so that no reset overtakes the answer.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{BPF_F_RECOMPUTE_CSUM, TC_ACT_SHOT};
use aya_ebpf::helpers::generated::{
    bpf_clone_redirect, bpf_csum_diff, bpf_l4_csum_replace, bpf_skb_change_tail,
    bpf_skb_store_bytes,
};
use observer_ebpf::abi::guard::{ANSWER, Answer, Guarded, NAME, SECONDS, guarded};
use observer_ebpf::track::Flow;
use observer_ebpf::wire::{Link, Loaded, Packet, TcpSegment, tcp};

use crate::NEXT;
use crate::maps::{self, ANSWERS, FLOWS, GUARDED, GuardScratch};
use crate::packet::Skb;

const PSH: u8 = 0x08;
/// Bytes of an Ethernet header.
const ETHERNET: u32 = 14;
/// Bytes of TCP headers, without options and with a timestamp.
const PLAIN: u32 = 20;
const STAMPED: u32 = 32;
/// What clients may send while they are seen off, unscaled: enough for what is on its way.
const WINDOW: u16 = 0x2000;

/// What is made of a packet, and where its headers stand. It lies in the scratch space: stacks are small.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Plan {
    network: u32,
    transport: u32,
    sequence: u32,
    acknowledgement: u32,
    /// Bytes of content.
    length: u32,
    /// The client's timestamp and its echo of the server's (RFC 7323 section 3.2), where the segment has them at the usual place.
    stamp: [u8; 8],
    flags: u8,
    ethernet: bool,
    v6: bool,
    stamped: bool,
}

/// Refuses the request that begins with the segment of the scratch space, whose headers were found.
#[inline(always)]
pub fn request(
    packet: &Skb<'_>,
    link: Link,
    scratch: &mut GuardScratch,
    known: &mut Guarded,
) -> i32 {
    let place = known.action;
    let limited = maps::action(place).is_some_and(|action| action.interval != 0);
    let template = if limited {
        Answer::LIMITED
    } else {
        Answer::BLOCKED
    };
    let answer = ANSWERS.get(template);
    let Some(answer) = answer.filter(|answer| answer.length > 0 && is_settled(&scratch.segment))
    else {
        return reset(packet, link, scratch);
    };
    let length = fill(
        packet,
        &scratch.segment,
        answer,
        place,
        &mut scratch.text,
        scratch.now,
    );
    let GuardScratch {
        segment,
        plan,
        text,
        ..
    } = scratch;
    let fin = u32::from(segment.flags & tcp::FIN != 0);
    known.client = segment
        .sequence
        .wrapping_add(segment.length)
        .wrapping_add(fin);
    known.server = segment.acknowledgement.wrapping_add(length).wrapping_add(1);
    known.state |= guarded::REFUSED
        | if segment.from_high {
            guarded::CLIENT_HIGH
        } else {
            0
        };
    plan.sequence = segment.acknowledgement;
    plan.acknowledgement = known.client;
    plan.flags = PSH | tcp::FIN | tcp::ACK;
    plan.length = length;
    if !turn(packet, plan, text) || !send(packet) {
        return TC_ACT_SHOT;
    }
    // Back again, as a reset: the server's next byte is the one that the request would have begun with (RFC 9293 section 3.5.3).
    plan.reset(segment.sequence);
    if turn(packet, plan, text) {
        NEXT
    } else {
        TC_ACT_SHOT
    }
}

/// Resets both ends.
#[inline(always)]
pub fn reset(packet: &Skb<'_>, link: Link, scratch: &mut GuardScratch) -> i32 {
    if !find(packet, link, scratch) {
        return TC_ACT_SHOT;
    }
    let GuardScratch {
        segment,
        plan,
        text,
        ..
    } = scratch;
    plan.reset(segment.acknowledgement);
    let back = turn(packet, plan, text) && send(packet);
    plan.reset(segment.sequence);
    if back && turn(packet, plan, text) {
        NEXT
    } else {
        TC_ACT_SHOT
    }
}

/// Sees the client of a refused request off. The server's end is closed: nothing gets there any more.
#[inline(always)]
pub fn linger(
    packet: &Skb<'_>,
    link: Link,
    scratch: &mut GuardScratch,
    known: &mut Guarded,
) -> i32 {
    let segment = &scratch.segment;
    let fin = segment.flags & tcp::FIN != 0;
    if segment.from_high != (known.state & guarded::CLIENT_HIGH != 0) {
        // What is sent from here comes in again on the loopback interface: it ends where the answer does.
        let end = segment
            .sequence
            .wrapping_add(segment.length)
            .wrapping_add(u32::from(fin));
        return if end == known.server {
            NEXT
        } else {
            TC_ACT_SHOT
        };
    }
    if segment.flags & tcp::RST != 0 {
        let _ = GUARDED.remove(&segment.flow);
        return TC_ACT_SHOT;
    }
    if segment.length > 0 && super::offset(segment) == known.decided {
        // The answer was lost. The reset that goes with it finds nobody, or is needed again.
        return if find(packet, link, scratch) {
            request(packet, link, scratch, known)
        } else {
            TC_ACT_SHOT
        };
    }
    if segment.length == 0 && !fin {
        return TC_ACT_SHOT;
    }
    if segment.sequence == known.client {
        known.client = segment
            .sequence
            .wrapping_add(segment.length)
            .wrapping_add(u32::from(fin));
    }
    if find(packet, link, scratch) {
        let plan = &mut scratch.plan;
        (plan.sequence, plan.acknowledgement) = (known.server, known.client);
        (plan.flags, plan.length) = (tcp::ACK, 0);
        if turn(packet, plan, &scratch.text) {
            send(packet);
        }
    }
    TC_ACT_SHOT
}

/// Whether the client has everything that the server sent: only then does an answer stand where a response would.
#[inline(always)]
fn is_settled(segment: &TcpSegment) -> bool {
    let Some(flow) = FLOWS.get_ptr(&segment.flow) else {
        return false;
    };
    // SAFETY: the entry stays valid while the program runs, and words are read whole.
    let flow: &Flow = unsafe { &*flow };
    let server = if segment.from_high {
        &flow.low
    } else {
        &flow.high
    };
    server.first.wrapping_add(server.offset as u32) == segment.acknowledgement
}

impl Plan {
    /// Makes it a reset with this number.
    #[inline(always)]
    fn reset(&mut self, sequence: u32) {
        (self.sequence, self.acknowledgement) = (sequence, 0);
        (self.flags, self.length, self.stamped) = (tcp::RST, 0, false);
    }

    /// Bytes of the TCP header.
    #[inline(always)]
    fn header(&self) -> u32 {
        if self.stamped { STAMPED } else { PLAIN }
    }
}

/// Finds the headers of the packet. False: options or extensions stand between them.
#[inline(always)]
pub fn find(packet: &Skb<'_>, link: Link, scratch: &mut GuardScratch) -> bool {
    let GuardScratch { segment, plan, .. } = scratch;
    plan.ethernet = matches!(link, Link::Ethernet);
    plan.network = if plan.ethernet { ETHERNET } else { 0 };
    let Some(Loaded([version])) = packet.load::<1>(plan.network) else {
        return false;
    };
    plan.v6 = version >> 4 == 6;
    plan.transport = plan.network + if plan.v6 { 40 } else { 20 };
    if !plan.v6 && version != 0x45 {
        return false;
    }
    let Some(Loaded([words])) = packet.load::<1>(plan.transport + 12) else {
        return false;
    };
    let header = u32::from(words >> 4) * 4;
    // Tags of a VLAN, or extension headers of IPv6.
    if plan.transport + header != segment.payload {
        return false;
    }
    plan.stamped = false;
    if header >= STAMPED
        && let Some(Loaded([1, 1, 8, 10, stamp @ ..])) = packet.load::<12>(plan.transport + PLAIN)
    {
        plan.stamp = stamp;
        plan.stamped = true;
    }
    true
}

/// Writes the answer that a client gets into `text`; returns its bytes.
#[inline(always)]
fn fill(
    packet: &Skb<'_>,
    segment: &TcpSegment,
    answer: &Answer,
    place: u32,
    text: &mut [u8; ANSWER],
    now: u64,
) -> u32 {
    *text = answer.text;
    let Some(action) = maps::action(place) else {
        return 0;
    };
    let wait = if action.interval == 0 {
        action.until.saturating_sub(now)
    } else {
        action.interval
    };
    let mut seconds = wait.div_ceil(1_000_000_000);
    let at = core::hint::black_box(answer.seconds) as usize & 255;
    for digit in 0..SECONDS {
        text[at + SECONDS - 1 - digit] = b'0' + (seconds % 10) as u8;
        seconds /= 10;
    }
    let at = core::hint::black_box(answer.name) as usize & 255;
    for index in 0..NAME {
        text[at + index] = action.name[index];
    }
    // A response to HEAD has no content (RFC 9110 section 9.3.2).
    let to_head = packet
        .load::<5>(segment.payload)
        .is_some_and(|Loaded(method)| method == *b"HEAD ");
    let length = if to_head { answer.head } else { answer.length };
    if length < ANSWER as u32 { length } else { 0 }
}

/// Makes the packet what is planned, and one that goes the other way: done twice, it goes its own way again. A function of its own,
/// with a stack of its own.
#[inline(never)]
fn turn(packet: &Skb<'_>, plan: &Plan, text: &[u8; ANSWER]) -> bool {
    let content = plan.transport + plan.header();
    // SAFETY: the helper checks lengths itself, and no pointer into the packet is kept.
    if unsafe { bpf_skb_change_tail(packet.as_ptr().cast(), content + plan.length, 0) } != 0 {
        return false;
    }
    if plan.length > 0 {
        let last = core::hint::black_box(plan.length - 1);
        // SAFETY: `text` has ANSWER bytes, and `last` is below that.
        let stored = last < ANSWER as u32
            && unsafe {
                bpf_skb_store_bytes(
                    packet.as_ptr().cast(),
                    content,
                    text.as_ptr().cast(),
                    last + 1,
                    u64::from(BPF_F_RECOMPUTE_CSUM),
                )
            } == 0;
        if !stored {
            return false;
        }
    }
    swap(packet, plan) && seal(packet, plan, text)
}

/// Swaps the packet's ends, and writes its TCP header but for the checksum.
#[inline(always)]
fn swap(packet: &Skb<'_>, plan: &Plan) -> bool {
    if plan.ethernet {
        let Some(Loaded([a, b, c, d, e, f, g, h, i, j, k, l])) = packet.load::<12>(0) else {
            return false;
        };
        store(packet, 0, &[g, h, i, j, k, l, a, b, c, d, e, f]);
    }
    if plan.v6 {
        let (Some(Loaded(from)), Some(Loaded(to))) = (
            packet.load::<16>(plan.network + 8),
            packet.load::<16>(plan.network + 24),
        ) else {
            return false;
        };
        store(packet, plan.network + 8, &to);
        store(packet, plan.network + 24, &from);
    } else {
        let Some(Loaded([a, b, c, d, e, f, g, h])) = packet.load::<8>(plan.network + 12) else {
            return false;
        };
        store(packet, plan.network + 12, &[e, f, g, h, a, b, c, d]);
    }
    let Some(Loaded([a, b, c, d])) = packet.load::<4>(plan.transport) else {
        return false;
    };
    let [e, f, g, h] = plan.sequence.to_be_bytes();
    let [i, j, k, l] = plan.acknowledgement.to_be_bytes();
    let words = (plan.header() / 4) as u8;
    let [m, n] = WINDOW.to_be_bytes();
    store(
        packet,
        plan.transport,
        &[
            c,
            d,
            a,
            b,
            e,
            f,
            g,
            h,
            i,
            j,
            k,
            l,
            words << 4,
            plan.flags,
            m,
            n,
        ],
    );
    if plan.stamped {
        // The client's echo is the last that the server said; what the client said is echoed.
        let [a, b, c, d, e, f, g, h] = plan.stamp;
        store(
            packet,
            plan.transport + PLAIN,
            &[1, 1, 8, 10, e, f, g, h, a, b, c, d],
        );
    }
    true
}

/// Makes lengths and checksums right. Behind the content, `text` has zeros.
#[inline(always)]
fn seal(packet: &Skb<'_>, plan: &Plan, text: &[u8; ANSWER]) -> bool {
    let size = plan.header() + plan.length;
    let ends = if plan.v6 {
        let [high, low] = (size as u16).to_be_bytes();
        store(packet, plan.network + 4, &[high, low]);
        match packet.load::<32>(plan.network + 8) {
            Some(Loaded(addresses)) => sum(&addresses, 32, 0),
            None => return false,
        }
    } else {
        let [high, low] = (size as u16 + 20).to_be_bytes();
        store(packet, plan.network + 2, &[high, low]);
        // No fragment, and a new life.
        store(packet, plan.network + 6, &[0x40, 0, 64]);
        store(packet, plan.network + 10, &[0, 0]);
        let Some(Loaded(header)) = packet.load::<20>(plan.network) else {
            return false;
        };
        let whole = !fold(sum(&header, 20, 0));
        store(packet, plan.network + 10, &whole.to_ne_bytes());
        let [.., a, b, c, d, e, f, g, h] = header;
        sum(&[a, b, c, d, e, f, g, h], 8, 0)
    };
    let pseudo = fold(sum(&[0, 6, (size >> 8) as u8, size as u8], 4, ends));
    let place = plan.transport + 16;
    let whole = is_whole(packet, place);
    store(packet, place, &[0; 4]);
    if !whole {
        // The device, or whoever receives it, adds the rest (`CHECKSUM_PARTIAL`).
        return store(packet, place, &pseudo.to_ne_bytes());
    }
    let Some(Loaded(header)) = packet.load::<20>(plan.transport) else {
        return false;
    };
    let mut all = sum(&header, 20, u32::from(pseudo));
    if plan.stamped {
        let Some(Loaded(options)) = packet.load::<12>(plan.transport + PLAIN) else {
            return false;
        };
        all = sum(&options, 12, all);
    }
    if plan.length > 0 {
        let words = core::hint::black_box(plan.length.div_ceil(4)) & 127;
        if words as usize * 4 > ANSWER {
            return false;
        }
        all = sum(text, words * 4, all);
    }
    store(packet, place, &(!fold(all)).to_ne_bytes())
}

/// Whether a checksum stands for the whole segment. What the kernel keeps as `CHECKSUM_PARTIAL` does not change with its content.
#[inline(always)]
fn is_whole(packet: &Skb<'_>, place: u32) -> bool {
    let before = packet.load::<2>(place);
    // SAFETY: the helper checks the place. The low bits of the flags are the size of the field.
    unsafe { bpf_l4_csum_replace(packet.as_ptr().cast(), place, 0, 0x5555, 2) };
    let after = packet.load::<2>(place);
    match (before, after) {
        (Some(Loaded(before)), Some(Loaded(after))) => before != after,
        _ => false,
    }
}

/// The sum of bytes, a multiple of four, as a checksum adds them up.
#[inline(always)]
fn sum(bytes: &[u8], length: u32, seed: u32) -> u32 {
    // SAFETY: every caller's buffer has so many bytes; nothing is subtracted.
    unsafe {
        bpf_csum_diff(
            core::ptr::null_mut(),
            0,
            bytes.as_ptr() as *mut u32,
            length,
            seed,
        ) as u32
    }
}

/// A sum in sixteen bits.
#[inline(always)]
fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

/// Sends a copy of the packet out where it came in.
#[inline(always)]
fn send(packet: &Skb<'_>) -> bool {
    // SAFETY: the helper copies the packet; nothing of it is kept here.
    unsafe { bpf_clone_redirect(packet.as_ptr().cast(), packet.interface(), 0) == 0 }
}

#[inline(always)]
fn store<const N: usize>(packet: &Skb<'_>, at: u32, bytes: &[u8; N]) -> bool {
    // SAFETY: the helper checks the packet's side, and `bytes` has N bytes.
    unsafe {
        bpf_skb_store_bytes(
            packet.as_ptr().cast(),
            at,
            bytes.as_ptr().cast::<c_void>(),
            N as u32,
            u64::from(BPF_F_RECOMPUTE_CSUM),
        ) == 0
    }
}
