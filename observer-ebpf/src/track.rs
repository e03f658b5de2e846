//! Which segments of which connections are worth delivering, and how much of them.
//!
//! One [`Flow`] a connection, kept by the kernel programs in a map and by replay in a table. Bodies are not copied: a
//! message start, and what follows it up to a budget, is; past that, only what userspace asked to go on seeing. So
//! nothing depends on userspace being quick or alive.

use crate::abi::{EventHeader, Hint, Kind, flags};
use crate::sign::Sign;
use crate::wire::{TcpSegment, tcp};

/// Where stream offsets begin. Bytes before it (a keep-alive probe's, retransmissions from before a late join) have an
/// offset too.
pub const ORIGIN: u64 = 1 << 32;
const _: () = assert!(
    ORIGIN as u32 == 0,
    "a sequence number is a place's low half"
);
/// Bytes of one direction copied after a message start, or after the last hint, before copying falls back to
/// [`GLIMPSE`]. A memory-fast link takes some milliseconds to use it up; userspace, woken every [`WAKE`] bytes, answers
/// sooner.
pub const BUDGET: u64 = 16 << 20;
/// Bytes of one direction that are copied without a hint before userspace is woken, and again after as many: whoever
/// reads in batches would find a fast upload over before its first word about it.
pub const WAKE: u64 = 256 << 10;
/// Bytes after a message start from which on hints are looked for: small messages never pay for the look-up. Where nothing shows
/// where messages start, one is looked for once in so many bytes.
pub const HINT_AFTER: u64 = 16 << 10;
/// Bytes copied of a segment when nothing is known about it.
pub const GLIMPSE: u32 = 64;
/// Segments with payload, in both directions together, after which a connection without a sign is opaque.
pub const PATIENCE: u8 = 16;
/// Bytes copied of a segment while nothing is known of its connection.
pub const UNSURE: u32 = 2048;
/// Bytes of a TLS end's first flight that are delivered: its hello, and before a server's perhaps a request to try again.
pub const HELLO: u64 = 2048;

/// What is known of one direction of a connection.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Half {
    /// Stream offset after the highest byte seen.
    pub offset: u64,
    /// Stream offset of the last message start, or of what userspace wanted to see next.
    pub start: u64,
    /// Stream offset before which userspace needs nothing: everything there is in order, or in a known body.
    pub needless: u64,
    /// Sequence number at [`ORIGIN`].
    pub first: u32,
    /// Interface at which the highest byte was seen.
    pub interface: u32,
    /// Events lost since the last one delivered.
    pub lost: u32,
    /// See the constants of [`half`].
    pub state: u32,
}

/// Bits of [`Half::state`].
pub mod half {
    /// The sequence number is known.
    pub const KNOWN: u32 = 1;
    /// FIN was seen.
    pub const FINISHED: u32 = 2;
    /// The first byte was seen.
    pub const STARTED: u32 = 4;
}

impl Half {
    /// The stream offset of a sequence number, given the offset after the highest byte seen.
    ///
    /// Sequence numbers go by the offset alone, which is read and written at once: segments of one direction pass two processors
    /// at the same time where the process that sends them moves between those, and two numbers that belong together would be
    /// torn.
    #[inline(always)]
    fn place(&self, highest: u64, sequence: u32) -> u64 {
        let next = self.first.wrapping_add(highest as u32);
        highest.wrapping_add_signed(i64::from(sequence.wrapping_sub(next) as i32))
    }

    /// The next byte has this sequence number; nothing was seen before it.
    #[inline(always)]
    fn begin(&mut self, next: u32) {
        self.offset = ORIGIN;
        self.start = ORIGIN;
        self.first = next;
        self.state = half::KNOWN;
    }
}

/// What is known of a connection.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// When it was first seen.
    pub birth: u64,
    /// What the low end sends.
    pub low: Half,
    /// What the high end sends.
    pub high: Half,
    /// See the constants of [`flow`].
    pub state: u32,
    /// Segments with payload while there was no sign yet.
    pub signless: u32,
}

impl Flow {
    /// Bytes of the value in a map.
    pub const SIZE: usize = 96;

    /// Of a value in a map: when its connection was first seen, and its state.
    pub fn peek(value: &[u8; Self::SIZE]) -> (u64, u32) {
        let [a, b, c, d, e, f, g, h, .., i, j, k, l, _, _, _, _] = *value;
        (
            u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            u32::from_ne_bytes([i, j, k, l]),
        )
    }
}

const _: () = {
    assert!(size_of::<Flow>() == Flow::SIZE);
    assert!(core::mem::offset_of!(Flow, birth) == 0);
    assert!(core::mem::offset_of!(Flow, state) == Flow::SIZE - 8);
};

/// Bits of [`Flow::state`].
pub mod flow {
    /// Seen from its handshake on.
    pub const FROM_START: u32 = 1;
    /// The low end accepted the connection; with `FROM_START`, else the high one did.
    pub const LOW_ACCEPTED: u32 = 2;
    /// It speaks HTTP; with `SEALED`, HTTP/2.
    pub const HTTP: u32 = 4;
    /// It speaks something that cannot be read; said once.
    pub const OPAQUE: u32 = 8;
    /// What it speaks is encrypted, or framed: its bytes are no sign of anything.
    pub const SEALED: u32 = 16;
    /// Something of it was delivered.
    pub const DELIVERED: u32 = 32;
    /// Both ends have finished, or one has reset it.
    pub const OVER: u32 = 64;
    /// It speaks TLS from its first byte on, and its handshake was seen: the hellos of both ends are worth delivering.
    pub const TLS: u32 = 128;
    /// With `TLS`: all of it is delivered.
    pub const WHOLE: u32 = 256;
}

/// What to do about a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Pass,
    /// Nothing, and the connection is over.
    Forget,
    /// Nothing: it was seen at another interface before.
    SeenTwice,
    /// Count it: it lies in a body whose end is known.
    Body,
    /// Deliver it.
    Deliver(Delivery),
}

/// What to deliver of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What it tells.
    pub kind: Kind,
    /// Stream offset of its first byte.
    pub offset: u64,
    /// Stream offset of the other direction up to which the sender has received, if known.
    pub acked: Option<u64>,
    /// Payload bytes to leave out at its beginning.
    pub skip: u32,
    /// Payload bytes to copy after those.
    pub copy: u32,
    /// The connection was over before this segment.
    pub over: bool,
    /// Userspace is to look at once: much is being copied that it may not need.
    pub wake: bool,
}

/// Makes `new` the connection of a segment that belongs to none yet; false when the segment begins nothing worth
/// following.
#[inline(always)]
pub fn open(segment: &TcpSegment, birth: u64, new: &mut Flow) -> bool {
    let accepting = is_accepting(segment);
    if segment.flags & tcp::RST != 0
        || (!accepting && (segment.flags & tcp::SYN != 0 || segment.length == 0))
    {
        return false;
    }
    *new = Flow {
        birth,
        ..Flow::default()
    };
    if accepting {
        new.state = flow::FROM_START
            | if segment.from_high {
                0
            } else {
                flow::LOW_ACCEPTED
            };
    }
    let (sender, other) = if segment.from_high {
        (&mut new.high, &mut new.low)
    } else {
        (&mut new.low, &mut new.high)
    };
    sender.begin(segment.sequence.wrapping_add(u32::from(accepting)));
    if segment.flags & tcp::ACK != 0 {
        other.begin(segment.acknowledgement);
    }
    true
}

/// The connection, and what to deliver of it, that the sender of a segment begins by QUIC: it is told of, and no more.
#[inline(always)]
pub fn open_quic(segment: &TcpSegment, birth: u64, new: &mut Flow) -> Delivery {
    let low_accepts = segment.from_high;
    *new = Flow {
        birth,
        state: flow::FROM_START | if low_accepts { flow::LOW_ACCEPTED } else { 0 },
        ..Flow::default()
    };
    Delivery {
        kind: Kind::Quic,
        offset: ORIGIN,
        acked: None,
        skip: 0,
        copy: 0,
        over: false,
        wake: false,
    }
}

/// How a segment relates to the connection that is known by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// It belongs to it.
    Member,
    /// It is a handshake sent again, or none that anybody asked for: nothing to look at.
    Stray,
    /// It belongs to another one, which takes the name.
    Successor,
}

/// How far behind the highest byte a segment of a connection that is over may lie, in bytes: more than anybody has in
/// flight. Further away, it is a new connection whose handshake was not seen.
const STRAGGLING: i64 = 1 << 24;

/// How a segment relates to the connection that is known by its name.
#[inline(always)]
pub fn relation(known: &Flow, segment: &TcpSegment) -> Relation {
    let half = if segment.from_high {
        &known.high
    } else {
        &known.low
    };
    if is_accepting(segment) {
        let first = segment.sequence.wrapping_add(1);
        let from_start = known.state & flow::FROM_START != 0;
        if from_start && half.first == first {
            return Relation::Stray;
        }
        // The end that connected accepts nothing while the connection lives: its peer drops this (RFC 9293 section
        // 3.10.7.4), and so it must not turn client into server.
        let acceptor_high = known.state & flow::LOW_ACCEPTED == 0;
        let living = known.state & (flow::OVER | flow::DELIVERED) == flow::DELIVERED;
        if from_start && living && acceptor_high != segment.from_high {
            return Relation::Stray;
        }
        return Relation::Successor;
    }
    if known.state & flow::OVER != 0 && segment.length > 0 && half.state & half::KNOWN != 0 {
        let end = segment.sequence.wrapping_add(segment.length);
        let beyond = half.place(half.offset, end).wrapping_sub(half.offset) as i64;
        if !(-STRAGGLING..=0).contains(&beyond) {
            return Relation::Successor;
        }
    }
    Relation::Member
}

/// Whether a segment accepts a connection.
#[inline(always)]
pub fn is_accepting(segment: &TcpSegment) -> bool {
    segment.flags & (tcp::SYN | tcp::ACK) == tcp::SYN | tcp::ACK
}

/// Takes note of a segment and says what to do about it. `interface`: where it was seen. `tls`: connections that speak it are
/// delivered whole. `hint` is asked only where an answer matters.
#[inline(always)]
pub fn observe(
    known: &mut Flow,
    segment: &TcpSegment,
    sign: Option<Sign>,
    (interface, tls): (u32, bool),
    hint: impl FnOnce() -> Option<Hint>,
) -> Decision {
    if segment.flags & tcp::SYN != 0 {
        // Where it is not a new connection's, its number is that of no byte.
        return Decision::Pass;
    }
    let birth = known.birth;
    let (half, other) = if segment.from_high {
        (&mut known.high, &known.low)
    } else {
        (&mut known.low, &known.high)
    };
    if half.state & half::KNOWN == 0 {
        half.begin(segment.sequence);
    }
    let highest = half.offset;
    let offset = half.place(highest, segment.sequence);
    let end = offset.wrapping_add(u64::from(segment.length));
    let finished = segment.flags & tcp::FIN != 0;
    let reset = segment.flags & tcp::RST != 0;

    if end <= highest && half.interface != interface && half.interface != 0 && !reset {
        let again = if finished {
            half.state & half::FINISHED != 0
        } else {
            segment.length > 0
        };
        if again {
            return Decision::SeenTwice;
        }
    }
    // A segment without bytes may have any number (a reset, a probe): it moves nothing.
    if end > highest && (segment.length > 0 || finished) {
        half.offset = end;
        half.interface = interface;
    }
    if finished {
        half.state |= half::FINISHED;
        half.interface = interface;
    }
    let first = half.state & half::STARTED == 0;
    if offset == ORIGIN && segment.length > 0 {
        half.state |= half::STARTED;
    }
    let acked = if segment.flags & tcp::ACK != 0 && other.state & half::KNOWN != 0 {
        Some(other.place(other.offset, segment.acknowledgement))
    } else {
        None
    };
    let answered = other.state & half::STARTED != 0;
    let over = known.state & flow::OVER != 0;
    let last = reset || (finished && other.state & half::FINISHED != 0);
    if last {
        known.state |= flow::OVER;
    }

    // A head that comes in pieces shows no sign; at the start of a connection, a piece that may begin one is enough.
    let from_start = known.state & (flow::FROM_START | flow::HTTP) == flow::FROM_START;
    let sign = match sign {
        Some(Sign::Prefix) if from_start && offset == ORIGIN => Some(Sign::Request),
        Some(Sign::Prefix) => None,
        Some(Sign::Frame) if known.state & (flow::FROM_START | flow::HTTP) != 0 => None,
        sign => sign,
    };
    let accepted = (known.state & flow::LOW_ACCEPTED != 0) != segment.from_high;
    if sign == Some(Sign::Tls) && from_start && offset == ORIGIN && !accepted {
        known.state |= flow::TLS | if tls { flow::WHOLE } else { 0 };
    }
    let kind = recognise(&mut known.state, &mut known.signless, segment, sign);
    let hello = known.state & flow::TLS != 0;
    let deliver = |kind, skip, copy, wake| {
        Decision::Deliver(Delivery {
            kind,
            offset,
            acked,
            skip,
            copy,
            over,
            wake,
        })
    };
    match kind {
        None if last => return Decision::Forget,
        // Said again, the first byte would begin a second handshake. Once the server has answered, the client's hello is over.
        None if hello && (first || offset != ORIGIN) && (accepted || !answered) => {
            return match within_hello(offset, segment.length) {
                0 => Decision::Pass,
                copy => deliver(Kind::Handshake, 0, copy, false),
            };
        }
        None => return Decision::Pass,
        Some(Kind::Segment | Kind::Record) => {}
        Some(Kind::Tls) if hello => {
            return deliver(Kind::Tls, 0, within_hello(offset, segment.length), false);
        }
        Some(kind) => return deliver(kind, 0, 0, false),
    }
    let whole = known.state & flow::WHOLE != 0;
    let kind = if whole { Kind::Record } else { Kind::Segment };
    if segment.length == 0 {
        return deliver(kind, 0, 0, false);
    }
    if known.state & (flow::HTTP | flow::WHOLE) == 0 {
        // What overtook the first segment may go on with its message.
        let overtook = half.state & half::STARTED == 0;
        let copy = if overtook || segment.length < UNSURE {
            segment.length
        } else {
            UNSURE
        };
        return deliver(kind, 0, copy, false);
    }
    // What is encrypted or framed shows no sign; nor do messages of it begin anew after a hint, so that looking for one with every
    // segment would never end.
    let signless = known.state & (flow::WHOLE | flow::SEALED) != 0;
    if sign.is_some() && !signless && offset > half.start {
        half.start = offset;
    }
    let part = |offset: u64| offset.wrapping_sub(half.start) / HINT_AFTER;
    if end >= half.needless
        && end.wrapping_sub(half.start) as i64 > HINT_AFTER as i64
        && (!signless || part(end) != part(offset))
        && let Some(hint) = hint()
        && hint.birth == birth
    {
        half.needless = if segment.from_high {
            hint.skip[1]
        } else {
            hint.skip[0]
        };
        if half.needless > half.start {
            half.start = half.needless;
        }
    }
    // A segment that ends the body is delivered without it: its time is the end of the message.
    if end < half.needless && !finished && !reset {
        return Decision::Body;
    }
    let mut skip = 0;
    if half.needless > offset {
        let inside = half.needless.wrapping_sub(offset);
        skip = if inside < u64::from(segment.length) {
            inside as u32
        } else {
            segment.length
        };
    }
    let rest = segment.length - skip;
    let within = (end.wrapping_sub(half.start) as i64) <= BUDGET as i64;
    let copy = if within || rest < GLIMPSE {
        rest
    } else {
        GLIMPSE
    };
    let past = |offset: u64| offset.saturating_sub(half.start) / WAKE;
    deliver(kind, skip, copy, past(end) > past(offset))
}

/// How many bytes of a segment belong to what is delivered of a first flight.
#[inline(always)]
fn within_hello(offset: u64, length: u32) -> u32 {
    let room = (ORIGIN + HELLO).wrapping_sub(offset);
    if room > HELLO {
        0
    } else if u64::from(length) < room {
        length
    } else {
        room as u32
    }
}

/// Leaves out of a delivery what overload does not allow: payload that begins no message but for a [`GLIMPSE`], and of a
/// message's beginning what is past [`UNSURE`] bytes. What is encrypted may begin one anywhere. Returns the bytes left out.
#[inline(always)]
pub fn shed(delivery: &mut Delivery, sign: Option<Sign>) -> u64 {
    let begins = sign.is_some() || matches!(delivery.kind, Kind::Record);
    let most = if begins { UNSURE } else { GLIMPSE };
    let before = delivery.copy;
    if before > most {
        delivery.copy = most;
    }
    u64::from(before - delivery.copy)
}

/// What the segment's connection speaks, as far as it is known with this segment. `None`: nothing to deliver.
#[inline(always)]
fn recognise(
    state: &mut u32,
    signless: &mut u32,
    segment: &TcpSegment,
    sign: Option<Sign>,
) -> Option<Kind> {
    if *state & flow::HTTP != 0 {
        return Some(Kind::Segment);
    }
    if *state & flow::WHOLE != 0 {
        return Some(Kind::Record);
    }
    if *state & flow::SEALED != 0 {
        return None;
    }
    match sign {
        Some(Sign::Request | Sign::Response | Sign::Proxy) => {
            *state |= flow::HTTP;
            *state &= !flow::OPAQUE;
            return Some(Kind::Segment);
        }
        Some(Sign::Tls) => {
            *state |= flow::OPAQUE | flow::SEALED;
            return Some(Kind::Tls);
        }
        // Of its frames none is a sign.
        Some(Sign::Http2 | Sign::Frame) => {
            *state |= flow::HTTP | flow::SEALED;
            *state &= !flow::OPAQUE;
            return Some(Kind::Segment);
        }
        Some(Sign::Prefix) | None => {}
    }
    if *state & flow::OPAQUE != 0 {
        return None;
    }
    if segment.length > 0 {
        *signless += 1;
        if *signless >= u32::from(PATIENCE) {
            *state |= flow::OPAQUE;
            return Some(Kind::Opaque);
        }
    }
    // Joined in the middle of a message: its bytes are of no use. From the start: a head may be cut anywhere.
    if *state & flow::FROM_START != 0 {
        Some(Kind::Segment)
    } else {
        None
    }
}

/// Takes note of whether the event of a segment found room in its ring.
#[inline(always)]
pub fn delivered(known: &mut Flow, segment: &TcpSegment, done: bool) {
    let half = if segment.from_high {
        &mut known.high
    } else {
        &mut known.low
    };
    if done {
        half.lost = 0;
        known.state |= flow::DELIVERED;
    } else {
        half.lost = half.lost.saturating_add(1);
    }
}

/// Makes `header` the one of the event that delivers a segment.
#[inline(always)]
pub fn head(
    header: &mut EventHeader,
    known: &Flow,
    segment: &TcpSegment,
    delivery: &Delivery,
    (time, interface, egress): (u64, u32, bool),
) {
    let half = if segment.from_high {
        &known.high
    } else {
        &known.low
    };
    let bit = |set: bool, flag: u8| if set { flag } else { 0 };
    header.time = time;
    header.birth = known.birth;
    header.offset = delivery.offset;
    header.acked = delivery.acked.unwrap_or(0);
    header.length = segment.length;
    header.skipped = delivery.skip;
    header.copied = delivery.copy;
    header.lost = half.lost;
    header.interface = interface;
    header.kind = delivery.kind as u8;
    header.flags = bit(segment.flags & tcp::FIN != 0, flags::FIN)
        | bit(segment.flags & tcp::RST != 0, flags::RST)
        | bit(segment.from_high, flags::HIGH)
        | bit(
            known.state & (flow::FROM_START | flow::DELIVERED) == flow::FROM_START,
            flags::FROM_START,
        )
        | bit(known.state & flow::LOW_ACCEPTED != 0, flags::LOW_ACCEPTED)
        | bit(
            known.state & (flow::FROM_START | flow::LOW_ACCEPTED) == flow::FROM_START,
            flags::HIGH_ACCEPTED,
        )
        | bit(delivery.acked.is_some(), flags::ACKED)
        | bit(egress, flags::EGRESS);
    header.flow = segment.flow;
    header.over = u8::from(delivery.over);
}

#[cfg(test)]
mod tests;
