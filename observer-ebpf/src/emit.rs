//! Putting events into rings. What finds no room is counted, and the next event of its direction says so.

use aya_ebpf::bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_PROD_POS};
use aya_ebpf::maps::RingBuf;
use observer_ebpf::abi::{Counter, EventHeader};

use crate::maps;
use crate::packet::Source;

/// An event as it stands in a ring.
#[repr(C)]
struct Event<const N: usize> {
    header: EventHeader,
    payload: [u8; N],
}

/// Delivers a header with `header.copied` bytes of the packet from `from` on, and wakes the reader where it must look at
/// once or its ring is filling up. False when there was no room.
#[inline(always)]
pub fn event<P: Source>(packet: &P, header: &EventHeader, from: u32, wake: bool) -> bool {
    let ring = maps::ring(&header.flow);
    // The verifier wants the size of a reservation to be a constant: the next larger one is taken.
    match header.copied {
        0 => reserve::<P, 0>(ring, packet, header, (from, wake)),
        1..=160 => reserve::<P, 160>(ring, packet, header, (from, wake)),
        161..=416 => reserve::<P, 416>(ring, packet, header, (from, wake)),
        417..=928 => reserve::<P, 928>(ring, packet, header, (from, wake)),
        929..=1472 => reserve::<P, 1472>(ring, packet, header, (from, wake)),
        1473..=4000 => reserve::<P, 4000>(ring, packet, header, (from, wake)),
        4001..=16_288 => reserve::<P, 16_288>(ring, packet, header, (from, wake)),
        _ => reserve::<P, 65_536>(ring, packet, header, (from, wake)),
    }
}

#[inline(always)]
fn reserve<P: Source, const N: usize>(
    ring: &RingBuf,
    packet: &P,
    header: &EventHeader,
    (from, wake): (u32, bool),
) -> bool {
    let Some(mut entry) = ring.reserve::<Event<N>>(0) else {
        return false;
    };
    let place = entry.as_mut_ptr();
    // SAFETY: `place` points to the reserved event; every byte of the header is written.
    unsafe { (&raw mut (*place).header).write(*header) };
    let mut copied = 0;
    if N > 0 && header.copied > 0 {
        // The verifier of 6.1 learns a least value only from arithmetic.
        let last = core::hint::black_box(header.copied - 1);
        // SAFETY: at most N bytes, the room that the event has for payload.
        if last < N as u32
            && unsafe { packet.copy(from, (&raw mut (*place).payload).cast(), last + 1) }
        {
            copied = last + 1;
        } else {
            maps::count(Counter::Unreadable, 1);
        }
    }
    // SAFETY: as above.
    unsafe { (&raw mut (*place).header.copied).write(copied) };
    // Once for every so many bytes: the reader releases events in batches, so that how much waits says nothing.
    let end = ring.query(u64::from(BPF_RB_PROD_POS));
    let wake = wake || end & (maps::wake_at() - 1) < size_of::<Event<N>>() as u64;
    entry.submit(u64::from(if wake {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    }));
    true
}
