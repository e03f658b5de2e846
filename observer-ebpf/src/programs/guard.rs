//! Stopping: requests with a credential that is shut off, or above its limit, and what comes from networks that are.
//!
//! Attached only while there is something to stop, behind the programs that see. Every entry has its deadline, so that all ends
//! by itself when the daemon is gone. Bias: what cannot be read with certainty here goes on, and is userspace's to decide.

pub mod refuse;

use core::arch::asm;
use core::ffi::c_void;

use aya_ebpf::bindings::{TC_ACT_SHOT, xdp_action};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::helpers::generated::bpf_loop;
use observer_ebpf::abi::guard::{
    self, ALLOWED, Action, Guarded, Holder, LINGER, SOMEBODY, guarded, hit, network,
};
use observer_ebpf::sign::Sign;
use observer_ebpf::spelling::{Field, HEAD, Hash, LINES, NAME_WORDS, STEPS, Scan};
use observer_ebpf::wire::{self, Link, TcpSegment, Walk, tcp};

use super::see::lead;
use crate::NEXT;
use crate::maps::{self, FLOWS, GUARDED, GuardScratch, ROOM};
use crate::packet::{Skb, Source};

/// Words that are hashed at most of one field.
const WORDS: u32 = NAME_WORDS + HEAD as u32 / 8;

/// Decides about a packet on its way in.
#[inline(always)]
pub fn packet(packet: &Skb<'_>, link: Link) -> i32 {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    let refused = maps::guarding(guard::place::REFUSED);
    let lingering = refused != 0 && refused.wrapping_add(LINGER) > now;
    if maps::guarding(guard::place::UNTIL) < now && !lingering {
        return NEXT;
    }
    let Some(scratch) = maps::guard_scratch() else {
        return NEXT;
    };
    scratch.now = now;
    let walked = walk(packet, link, &mut scratch.segment);
    let segment = &scratch.segment;
    if !matches!(walked, Walk::Segment | Walk::Quic) || !maps::is_wanted(&segment.flow) {
        return NEXT;
    }
    let network = match maps::guarding(guard::place::NETWORKS) {
        0 => 0,
        how => match of_network(segment, now, how == 1) {
            Verdict::Drop => return TC_ACT_SHOT,
            Verdict::Ask(place) => place,
        },
    };
    if !matches!(walked, Walk::Segment) {
        return NEXT;
    }
    if segment.flags & tcp::SYN != 0 {
        // The name belongs to another connection from now on.
        let _ = GUARDED.remove(&segment.flow);
        return NEXT;
    }
    // Looked up once a packet: it is most of what a packet costs.
    let mut entry = None;
    if lingering && let Some(known) = GUARDED.get_ptr_mut(&segment.flow) {
        entry = Some(known);
        // SAFETY: the entry stays valid while the program runs; segments of one end seldom pass two processors at once, and then
        // one of two true values of each word is read.
        let known = unsafe { &mut *known };
        // Those that are sent from here come in again on the loopback interface.
        let resets = segment.flags & tcp::RST != 0;
        if known.state & guarded::RESET != 0 && !resets {
            return refuse::reset(packet, link, scratch);
        }
        if known.state & guarded::REFUSED != 0 {
            return refuse::linger(packet, link, scratch, known);
        }
    }
    if !begins_request(packet, segment) {
        return NEXT;
    }
    let Some((holder, mixed)) = read(packet, scratch) else {
        return NEXT;
    };
    let place = if holder.action != 0 {
        holder.action
    } else {
        network
    };
    let consumer = holder.consumer & !ALLOWED;
    let Some(known) = carried(&scratch.segment, entry, consumer, place != 0) else {
        return NEXT;
    };
    // Two credentials of two consumers: which of them counts is the attribution's to say.
    if place == 0 || mixed || holder.consumer & ALLOWED != 0 {
        return NEXT;
    }
    // A credential that nobody knows may be that of somebody who is never stopped, and whom the network's action spares.
    if holder.action == 0
        && holder.consumer == SOMEBODY
        && maps::guarding(guard::place::NETWORKS) == 2
    {
        return NEXT;
    }
    if refuse::find(packet, link, scratch) && is_refused(&scratch.segment, known, place, now) {
        refuse::request(packet, link, scratch, known)
    } else {
        NEXT
    }
}

/// What a network's entry says of a segment.
enum Verdict {
    /// It goes no further.
    Drop,
    /// The action at this place asks for the request; zero: none does.
    Ask(u32),
}

/// Looks a sender's network up. `drop`: nobody there can be one who is never stopped.
#[inline(always)]
fn of_network(segment: &TcpSegment, now: u64, drop: bool) -> Verdict {
    let place = match maps::network(sender(segment)) {
        Some(place) if place < guard::ACTIONS => place,
        _ => return Verdict::Ask(0),
    };
    match maps::action(place) {
        Some(action) if action.until > now && action.interval == 0 && drop => {
            maps::note_hit(place, hit::PACKETS);
            Verdict::Drop
        }
        Some(_) => Verdict::Ask(place),
        None => Verdict::Ask(0),
    }
}

#[inline(always)]
fn sender(segment: &TcpSegment) -> [u8; 16] {
    let end = if segment.from_high {
        segment.flow.high()
    } else {
        segment.flow.low()
    };
    end.address()
}

/// Drops what comes from a network that is shut off, before there is an skb.
#[inline(always)]
pub fn shield<P: Source>(packet: &P) -> u32 {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    if maps::guarding(guard::place::UNTIL) < now || maps::guarding(guard::place::NETWORKS) != 1 {
        return xdp_action::XDP_PASS;
    }
    let Some(GuardScratch { segment, .. }) = maps::guard_scratch() else {
        return xdp_action::XDP_PASS;
    };
    let walked = wire::walk(packet, Link::Ethernet, segment);
    if !matches!(walked, Walk::Segment | Walk::Quic) || !maps::is_wanted(&segment.flow) {
        return xdp_action::XDP_PASS;
    }
    match of_network(segment, now, true) {
        Verdict::Drop => xdp_action::XDP_DROP,
        Verdict::Ask(_) => xdp_action::XDP_PASS,
    }
}

/// The connection of a request, with the consumer that it carries taken note of. `None`: there is nothing to say of it.
#[inline(always)]
fn carried(
    segment: &TcpSegment,
    entry: Option<*mut Guarded>,
    consumer: u32,
    asked: bool,
) -> Option<&'static mut Guarded> {
    let known = match entry.or_else(|| GUARDED.get_ptr_mut(&segment.flow)) {
        Some(known) => known,
        None if consumer == 0 && !asked => return None,
        None => {
            let new = Guarded {
                consumer,
                ..Guarded::default()
            };
            GUARDED.insert(&segment.flow, &new, 0).ok()?;
            GUARDED.get_ptr_mut(&segment.flow)?
        }
    };
    // SAFETY: as in `packet`.
    let known = unsafe { &mut *known };
    if consumer != 0 && known.consumer != consumer {
        if known.consumer == 0 {
            known.consumer = consumer;
        } else if guard::is_vague(known.consumer) || guard::is_vague(consumer) {
            // Anybody can make up a credential, and some route accepts it: that alone makes the connection no proxy's.
            known.state |= guarded::UNSURE;
        } else {
            known.state |= guarded::SHARED;
        }
    }
    Some(known)
}

/// Whether a request goes no further, by the action at this place.
#[inline(always)]
fn is_refused(segment: &TcpSegment, known: &mut Guarded, place: u32, now: u64) -> bool {
    let Some(action) = maps::action(place) else {
        return false;
    };
    // Sent again: what was decided stays, and costs no second request.
    let offset = offset(segment);
    let again = known.state & guarded::DECIDED != 0 && known.decided == offset;
    if action.until < now || again {
        return false;
    }
    if known.state & (guarded::SHARED | guarded::UNSURE) == guarded::UNSURE {
        return false;
    }
    if let Some(network::ALLOW | network::SPEAKS) = maps::network(sender(segment)) {
        return false;
    }
    known.decided = offset;
    known.state |= guarded::DECIDED;
    if known.state & guarded::SHARED != 0 {
        maps::note_hit(place, hit::SHARED);
        return false;
    }
    if action.interval != 0 && take(place, action, now) {
        maps::note_hit(place, hit::PASSED);
        return false;
    }
    maps::note_hit(place, hit::REFUSED);
    maps::note_refusal(now);
    known.action = place;
    true
}

/// Whether a segment begins with a request. A function of its own, with a stack of its own.
#[inline(never)]
fn begins_request(packet: &Skb<'_>, segment: &TcpSegment) -> bool {
    core::hint::black_box(lead(packet, segment)) == Some(Sign::Request)
}

/// Where in the stream a segment begins, as the low half of its offset: what userspace knows requests by.
#[inline(always)]
pub fn offset(segment: &TcpSegment) -> u32 {
    let Some(flow) = FLOWS.get_ptr(&segment.flow) else {
        return segment.sequence;
    };
    // SAFETY: the entry stays valid while the program runs, and words are read whole.
    let flow = unsafe { &*flow };
    let sender = if segment.from_high {
        &flow.high
    } else {
        &flow.low
    };
    segment.sequence.wrapping_sub(sender.first)
}

/// Finds a packet's segment. A function of its own, with a stack of its own.
#[inline(never)]
fn walk(packet: &Skb<'_>, link: Link, segment: &mut TcpSegment) -> Walk {
    wire::walk(packet, link, segment)
}

/// Attempts to take a request from a bucket that others take from at the same time.
const ATTEMPTS: u32 = 4;

/// Takes a request from the bucket of a limit.
#[inline(always)]
fn take(place: u32, action: &Action, now: u64) -> bool {
    let Some(bucket) = maps::bucket(place) else {
        return false;
    };
    for _ in 0..ATTEMPTS {
        // SAFETY: an aligned word of the map, read as a whole.
        let before = unsafe { bucket.read_volatile() };
        let Some(after) = guard::take(before, now, action) else {
            return false;
        };
        // SAFETY: as above.
        if unsafe { exchange(bucket, before, after) } == before {
            return true;
        }
    }
    false
}

/// Replaces a word if it is what it was before; returns what it was. The target's core library has no such operation, the kernel
/// has it from 5.12 on.
///
/// # Safety
/// `word` must point to an aligned word of a map.
#[inline(always)]
unsafe fn exchange(word: *mut u64, before: u64, after: u64) -> u64 {
    let found;
    // SAFETY: the one access is to what the caller vouches for.
    unsafe {
        asm!(
            "r0 = cmpxchg_64({word} + 0, r0, {after})",
            word = in(reg) word,
            after = in(reg) after,
            inlateout("r0") before => found,
            options(nostack),
        );
    }
    found
}

/// Eight bytes of the head at a place.
#[inline(always)]
fn word(head: &[u8; ROOM], at: u32) -> u64 {
    let at = core::hint::black_box(at) as usize & (HEAD - 1);
    // SAFETY: at most HEAD - 1, and the buffer has eight bytes more than HEAD.
    unsafe { head.as_ptr().add(at).cast::<u64>().read_unaligned() }
}

/// Who the credentials of the request in a segment belong to, and whether they belong to several; the action is that of the first
/// that has one. `None`: the segment cannot be read.
///
/// All that changes from round to round lies in the scratch space: what is read from there may be anything to the verifier, so that
/// it looks at each loop once.
#[inline(always)]
fn read(packet: &Skb<'_>, scratch: &mut GuardScratch) -> Option<(Holder, bool)> {
    let places = maps::places()?;
    let segment = &scratch.segment;
    let last = if segment.length < HEAD as u32 {
        segment.length - 1
    } else {
        HEAD as u32 - 1
    };
    // The verifier of 6.1 learns a least value only from arithmetic.
    let length = (core::hint::black_box(last) & (HEAD as u32 - 1)) + 1;
    // SAFETY: the buffer has room for HEAD bytes, and `length` is at most that.
    if !unsafe { packet.copy(segment.payload, scratch.head.as_mut_ptr(), length) } {
        return None;
    }
    scratch.scan = Scan::new(length, *places);
    each(STEPS, step, scratch);
    (scratch.found, scratch.mixed, scratch.any) = (Holder::default(), false, false);
    each(LINES, look_up, scratch);
    if scratch.any && scratch.found.consumer == 0 {
        scratch.found.consumer = SOMEBODY;
    }
    Some((scratch.found, scratch.mixed))
}

/// Calls a function with numbers from zero on, up to `times` or until it returns 1.
#[inline(always)]
fn each(
    times: u32,
    function: extern "C" fn(u32, *mut &mut GuardScratch) -> i64,
    scratch: &mut GuardScratch,
) {
    let mut context = scratch;
    // SAFETY: the function takes a number and the context that is handed over here, as `bpf_loop` calls it.
    unsafe {
        bpf_loop(times, function as *mut c_void, (&raw mut context).cast(), 0);
    }
}

extern "C" fn step(_: u32, scratch: *mut &mut GuardScratch) -> i64 {
    // SAFETY: the context that `each` was given, which outlives the loop.
    let GuardScratch { scan, head, .. } = unsafe { &mut **scratch };
    let next = word(head, scan.at());
    i64::from(!scan.step(next, |at| word(head, at)))
}

/// Finds out whose credential stands in the line of that number.
extern "C" fn look_up(index: u32, scratch: *mut &mut GuardScratch) -> i64 {
    // SAFETY: as in `step`.
    let scratch = unsafe { &mut **scratch };
    let GuardScratch {
        scan, field, head, ..
    } = scratch;
    let Some(line) = scan.line(index) else {
        return 1;
    };
    if line.end == 0 {
        return 1;
    }
    let Some(found) = Field::of(line, |at| word(head, at)) else {
        return 0;
    };
    *field = found;
    scratch.hash = Hash::new(maps::spelling_key());
    each(WORDS, mix, scratch);
    let holder = maps::holder(scratch.field.finish(scratch.hash));
    scratch.any = true;
    if holder.consumer != 0 {
        scratch.mixed |= scratch.found.consumer != 0 && holder.consumer != scratch.found.consumer;
        scratch.found.consumer = holder.consumer;
    }
    if scratch.found.action == 0 {
        scratch.found.action = holder.action;
    }
    0
}

/// Hashes the word of that number of a field.
extern "C" fn mix(index: u32, scratch: *mut &mut GuardScratch) -> i64 {
    // SAFETY: as in `step`.
    let GuardScratch {
        field, hash, head, ..
    } = unsafe { &mut **scratch };
    if index >= field.words() {
        return 1;
    }
    field.hash(hash, index, |at| word(head, at));
    0
}
