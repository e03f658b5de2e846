//! Seeing one packet: find its segment, follow its connection, deliver what is worth it.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_log_ebpf::debug;
use observer_ebpf::abi::{Counter, EventHeader};
use observer_ebpf::sign::{self, LEAD, Sign};
use observer_ebpf::track::{self, Decision, Delivery, Flow, Relation};
use observer_ebpf::wire::{self, Link, TcpSegment, Walk, tcp};

use crate::emit;
use crate::maps::{self, FLOWS, HINTS, QUIC, Scratch};
use crate::packet::Source;

/// Looks at a packet.
#[inline(always)]
pub fn segment<P: Source>(packet: &P, link: Link, interface: u32, egress: bool) {
    if !maps::is_leased() {
        return;
    }
    maps::count_packet(interface, egress, packet.length());
    let Some(Scratch {
        segment,
        flow,
        header,
    }) = maps::scratch()
    else {
        return;
    };
    let mut walked = wire::walk(packet, link, segment);
    if matches!(walked, Walk::Other | Walk::Truncated)
        && matches!(link, Link::Ethernet)
        && packet.lacks_link_header()
    {
        walked = wire::walk(packet, Link::Ip, segment);
    }
    match walked {
        Walk::Segment => follow(packet, segment, flow, header, (interface, egress)),
        Walk::Quic => tell_quic(packet, segment, flow, header, (interface, egress)),
        Walk::Fragment => maps::count(Counter::Fragment, 1),
        Walk::Truncated => maps::count(Counter::Truncated, 1),
        Walk::Other => {}
    }
}

#[inline(always)]
fn follow<P: Source>(
    packet: &P,
    segment: &TcpSegment,
    new: &mut Flow,
    header: &mut EventHeader,
    (interface, egress): (u32, bool),
) {
    if segment.length == 0 && segment.flags & (tcp::SYN | tcp::FIN | tcp::RST) == 0 {
        return;
    }
    if !maps::is_wanted(&segment.flow) {
        return;
    }
    let known = FLOWS.get_ptr_mut(&segment.flow);
    let relation = match known {
        // SAFETY: the entry stays valid while the program runs; two processors that see both directions at once write
        // different halves of it.
        Some(known) => track::relation(unsafe { &*known }, segment),
        None => Relation::Successor,
    };
    let known = match (known, relation) {
        // SAFETY: as above.
        (Some(known), Relation::Member) => unsafe { &mut *known },
        (_, Relation::Stray) => return,
        _ if maps::refuses(&segment.flow) => return refuse(packet, segment),
        _ => {
            // SAFETY: the helper has no preconditions.
            if !track::open(segment, unsafe { bpf_ktime_get_ns() }, new) {
                return;
            }
            if FLOWS.insert(&segment.flow, &*new, 0).is_err() {
                maps::count(Counter::FlowTableFull, 1);
                debug!(packet, "the table of connections refused one");
                return;
            }
            if track::is_accepting(segment) {
                return;
            }
            let Some(known) = FLOWS.get_ptr_mut(&segment.flow) else {
                return;
            };
            // SAFETY: as above.
            unsafe { &mut *known }
        }
    };
    let sign = lead(packet, segment);
    // SAFETY: userspace replaces hints as a whole; a value that is torn by that is one of two true ones in each word.
    let hint = || unsafe { HINTS.get(&segment.flow) }.copied();
    match track::observe(
        known,
        segment,
        sign,
        (interface, maps::reads_tls(&segment.flow)),
        hint,
    ) {
        Decision::Pass => {}
        Decision::Forget => {
            let _ = FLOWS.remove(&segment.flow);
        }
        Decision::SeenTwice => maps::count(Counter::SeenTwice, 1),
        Decision::Body => {
            maps::count(Counter::BodySegments, 1);
            maps::count(Counter::BodyBytes, u64::from(segment.length));
        }
        Decision::Deliver(mut delivery) => {
            if maps::sheds_payload() {
                maps::count(Counter::ShedPayload, track::shed(&mut delivery, sign));
            }
            // SAFETY: the helper has no preconditions.
            let time = unsafe { bpf_ktime_get_ns() };
            maps::check_lease(time);
            track::head(header, known, segment, &delivery, (time, interface, egress));
            deliver(packet, known, segment, &delivery, header, sign);
        }
    }
}

/// Tells of a connection of QUIC, once.
#[inline(always)]
fn tell_quic<P: Source>(
    packet: &P,
    segment: &mut TcpSegment,
    new: &mut Flow,
    header: &mut EventHeader,
    (interface, egress): (u32, bool),
) {
    // Its sequence, flags and length are those of another one.
    (segment.flags, segment.length) = (0, 0);
    if !maps::is_wanted(&segment.flow) || QUIC.get_ptr(&segment.flow).is_some() {
        return;
    }
    if QUIC.insert(&segment.flow, 1, 0).is_err() {
        maps::count(Counter::FlowTableFull, 1);
        return;
    }
    // SAFETY: the helper has no preconditions.
    let time = unsafe { bpf_ktime_get_ns() };
    let delivery = track::open_quic(segment, time, new);
    track::head(header, new, segment, &delivery, (time, interface, egress));
    deliver(packet, new, segment, &delivery, header, None);
}

/// Counts a segment of a connection that is refused under overload.
#[inline(always)]
fn refuse<P: Source>(packet: &P, segment: &TcpSegment) {
    if segment.length > 0 {
        maps::count(Counter::ShedSegments, 1);
        maps::count(Counter::ShedBytes, u64::from(segment.length));
        if lead(packet, segment) == Some(Sign::Request) {
            maps::count(Counter::ShedRequests, 1);
        }
    }
}

#[inline(always)]
fn deliver<P: Source>(
    packet: &P,
    known: &mut Flow,
    segment: &TcpSegment,
    delivery: &Delivery,
    header: &EventHeader,
    sign: Option<Sign>,
) {
    let done = emit::event(
        packet,
        header,
        segment.payload + delivery.skip,
        delivery.wake,
    );
    track::delivered(known, segment, done);
    if !done {
        maps::count(Counter::RingFull, 1);
        debug!(
            packet,
            "ring full: a segment of {} bytes was lost", segment.length
        );
        maps::count(Counter::RingFullBytes, u64::from(segment.length));
        maps::count(Counter::LostSegments, u64::from(segment.length > 0));
        if sign == Some(Sign::Request) {
            maps::count(Counter::LostRequests, 1);
        }
    }
}

/// Aligned, so that zeroing it is four stores; bytes that are not would be zeroed in a loop.
#[repr(C, align(8))]
struct Lead([u8; LEAD]);

/// What the segment's first bytes start.
#[inline(always)]
pub fn lead<P: Source>(packet: &P, segment: &TcpSegment) -> Option<Sign> {
    if segment.length == 0 {
        return None;
    }
    let mut lead = Lead([0; LEAD]);
    let last = if segment.length < LEAD as u32 {
        segment.length - 1
    } else {
        LEAD as u32 - 1
    };
    // The verifier of 6.1 learns a least value only from arithmetic.
    let length = (core::hint::black_box(last) & (LEAD as u32 - 1)) + 1;
    // SAFETY: `lead` has room for LEAD bytes, and `length` is at most that.
    if !unsafe { packet.copy(segment.payload, lead.0.as_mut_ptr(), length) } {
        return None;
    }
    sign::read(&lead.0, length)
}
