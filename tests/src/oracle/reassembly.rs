//! Two known streams told in segments of any order, some of them twice, some never: what is handed on is each stream in
//! order, every byte once, as data or in a hole.

use arbitrary::{Result, Unstructured};
use observer::flow::{Bounds, Flow, Reader, Seen, Table};
use observer::segment::Segment;
use observer_ebpf::abi::{Endpoint, EventHeader, FlowKey, flags};
use observer_ebpf::track::ORIGIN;

/// Bytes of each stream.
const LENGTH: u64 = 8192;
/// Nothing is given up for want of room.
const ROOMY: Bounds = Bounds {
    held_bytes: 1 << 20,
    held_time: 1000,
    compared_bytes: 256,
};
const NARROW: Bounds = Bounds {
    held_bytes: 600,
    ..ROOMY
};
/// Of the byte that an altered segment has.
const ALTERED: u8 = 0x80;

/// Puts segments in order and compares with the streams.
///
/// # Panics
/// When bytes are handed on wrongly, memory grows past its bound, or a conflict is invented or overlooked.
pub fn check(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(mut case) = Case::new(&mut input) else {
        return;
    };
    while !input.is_empty() && case.step(&mut input).is_ok() {}
    case.close();
}

/// The byte of a stream at an offset from its beginning.
fn byte(high: bool, at: u64) -> u8 {
    (at ^ (at >> 7)) as u8 & 0x3f | if high { 0x40 } else { 0 }
}

/// One direction as the segments told it, and as it was handed on.
#[derive(Default)]
struct Direction {
    /// Bits of [`told`] for each byte.
    told: Vec<u8>,
    /// Data as it was handed on.
    handed: Vec<u8>,
    /// Offset after what was handed on; `None` before the first byte of a stream that was joined.
    next: Option<u64>,
    /// Only whole segments were told, and nothing gave a reason to give up on what waits.
    patient: bool,
    /// Everything handed on is still compared with.
    compared: bool,
    needless: Option<u64>,
    finished: bool,
    conflicts: u32,
    /// A segment with altered bytes came.
    altered: bool,
}

/// Bits of [`Direction::told`].
mod told {
    pub const TRUE: u8 = 1;
    pub const ALTERED: u8 = 2;
}

/// The reader that remembers and judges.
struct Judge {
    directions: [Direction; 2],
    idle: bool,
    closing: bool,
}

impl Direction {
    fn goes_on(&mut self, offset: u64, length: u64) -> u64 {
        let next = self.next.unwrap_or(offset);
        assert_eq!(offset, next, "not where the last byte ended");
        assert!(length > 0, "nothing was handed on at {offset}");
        assert!(!self.finished, "bytes at {offset} after the end");
        let at = offset.checked_sub(ORIGIN).expect("bytes before the stream");
        assert!(at + length <= LENGTH, "bytes past the end of the stream");
        self.next = Some(offset + length);
        at
    }
}

impl Reader for Judge {
    fn data(&mut self, high: bool, _: Seen, offset: u64, bytes: &[u8]) {
        let direction = &mut self.directions[usize::from(high)];
        let at = direction.goes_on(offset, bytes.len() as u64);
        for (at, seen) in (at..).zip(bytes) {
            let told = direction.told[at as usize];
            let truth = byte(high, at);
            let as_told = *seen == truth && told & told::TRUE != 0
                || *seen == truth ^ ALTERED && told & told::ALTERED != 0;
            assert!(as_told, "{seen:#x} at {at}, where no segment had it");
            direction.handed[at as usize] = *seen;
        }
        direction.compared &= at + bytes.len() as u64 <= ROOMY.compared_bytes as u64;
    }

    fn hole(&mut self, high: bool, _: Seen, offset: u64, length: u64) {
        let closing = self.closing;
        let direction = &mut self.directions[usize::from(high)];
        let at = direction.goes_on(offset, length);
        direction.compared = false;
        let hole = &direction.told[at as usize..(at + length) as usize];
        if direction.patient {
            assert!(
                hole.iter().all(|told| *told == 0),
                "bytes from {at} on that were at hand became a hole"
            );
            assert!(closing, "gave up on bytes from {at} on without a reason");
        }
    }

    fn conflict(&mut self, high: bool) {
        let direction = &mut self.directions[usize::from(high)];
        direction.conflicts += 1;
        assert!(direction.altered, "a conflict of equal bytes");
    }

    fn fin(&mut self, high: bool, _: Seen) {
        let direction = &mut self.directions[usize::from(high)];
        assert!(!direction.finished, "ended twice");
        direction.finished = true;
        let next = direction.next.unwrap_or(ORIGIN + LENGTH);
        assert_eq!(next, ORIGIN + LENGTH, "ended before the end");
    }

    fn needless_until(&self, high: bool) -> Option<u64> {
        let direction = &self.directions[usize::from(high)];
        direction
            .needless
            .filter(|until| direction.next.is_some_and(|next| next < *until))
    }

    fn is_idle(&self) -> bool {
        self.idle
    }
}

struct Case {
    table: Table<()>,
    key: FlowKey,
    judge: Judge,
    bounds: Bounds,
    from_start: bool,
    begun: bool,
    time: u64,
}

impl Case {
    fn new(input: &mut Unstructured<'_>) -> Result<Self> {
        let (from_start, idle): (bool, bool) = (input.arbitrary()?, input.ratio(1, 8)?);
        let roomy: bool = input.arbitrary()?;
        let mut direction = || -> Result<Direction> {
            let needless = if input.ratio(1, 4)? {
                Some(ORIGIN + u64::from(input.arbitrary::<u16>()?) % LENGTH)
            } else {
                None
            };
            Ok(Direction {
                told: vec![0; LENGTH as usize],
                handed: vec![0; LENGTH as usize],
                next: from_start.then_some(ORIGIN),
                patient: roomy && needless.is_none(),
                compared: from_start && !idle && needless.is_none(),
                needless,
                ..Direction::default()
            })
        };
        let directions = [direction()?, direction()?];
        let ends = (
            Endpoint::v4([192, 0, 2, 1], 80),
            Endpoint::v4([192, 0, 2, 2], 9),
        );
        Ok(Self {
            table: Table::new(1),
            key: FlowKey::new(ends.0, ends.1).0,
            judge: Judge {
                directions,
                idle,
                closing: false,
            },
            bounds: if roomy { ROOMY } else { NARROW },
            from_start,
            begun: false,
            time: 0,
        })
    }

    fn flow(&mut self) -> Option<(&mut Flow<()>, &mut Judge, Bounds)> {
        Some((self.table.get(&self.key)?, &mut self.judge, self.bounds))
    }

    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let shape: u8 = input.arbitrary()?;
        if shape >= 0xf8 {
            // Time passes, sometimes more than anything is held back for.
            self.time += u64::from(shape & 7) * 300;
            for direction in &mut self.judge.directions {
                direction.patient = false;
            }
            let now = self.time;
            if let Some((flow, judge, bounds)) = self.flow() {
                flow.streams.expire(now, &bounds, judge);
            }
            return Ok(());
        }
        let high = shape & 1 != 0;
        let place: u16 = input.arbitrary()?;
        let next = self.judge.directions[usize::from(high)].next;
        // Half of the segments go on where the stream stands, or close to it.
        let at = if shape & 2 == 0 {
            next.unwrap_or(ORIGIN) - ORIGIN + u64::from(place >> 13)
        } else {
            u64::from(place)
        };
        let at = at % (LENGTH + 1);
        // Small pieces and large ones: one of these is more than what is held of those.
        let unit = if shape & 0x80 == 0 { 1 } else { 6 };
        let length = (unit * u32::from(input.arbitrary::<u8>()?)).min((LENGTH - at) as u32);
        let mut header = EventHeader {
            time: self.time,
            birth: 1,
            offset: ORIGIN + at,
            length,
            copied: length,
            flow: self.key,
            flags: if high { flags::HIGH } else { 0 },
            ..EventHeader::default()
        };
        let altered = shape & 0x0c == 0x0c;
        if shape & 0x30 == 0x30 {
            self.impatiently(&mut header, high, input)?;
        }
        if shape & 0x40 != 0 && at + u64::from(length) == LENGTH {
            header.flags |= flags::FIN;
        }
        let payload: Vec<u8> = (at + u64::from(header.skipped)..)
            .take(header.copied as usize)
            .map(|at| byte(high, at) ^ if altered { ALTERED } else { 0 })
            .collect();
        self.tell(
            &Segment {
                header,
                payload: &payload,
            },
            altered,
        );
        Ok(())
    }

    /// Gives the segment what is a reason to give up on bytes: parts that were not copied, word of loss, an
    /// acknowledgement of the other direction.
    fn impatiently(
        &mut self,
        header: &mut EventHeader,
        high: bool,
        input: &mut Unstructured<'_>,
    ) -> Result<()> {
        let [own, other] = if high { [1, 0] } else { [0, 1] };
        match input.int_in_range(0..=2)? {
            0 => {
                header.skipped = u32::from(input.arbitrary::<u8>()?).min(header.length);
                let rest = header.length - header.skipped;
                header.copied = u32::from(input.arbitrary::<u8>()?).min(rest);
                self.judge.directions[own].patient = false;
            }
            1 => {
                header.lost = 1;
                self.judge.directions[own].patient = false;
            }
            _ => {
                header.flags |= flags::ACKED;
                header.acked = ORIGIN + u64::from(input.arbitrary::<u16>()?) % (LENGTH + 2);
                // A number past the last byte acknowledges FIN.
                if !self.judge.directions[other].finished {
                    header.acked = header.acked.min(ORIGIN + LENGTH);
                }
                let direction = &mut self.judge.directions[other];
                (direction.patient, direction.compared) = (false, false);
            }
        }
        Ok(())
    }

    fn tell(&mut self, segment: &Segment<'_>, altered: bool) {
        let (header, high) = (segment.header, segment.from_high());
        if !self.begun {
            self.begun = true;
            let mut first = *segment;
            if self.from_start {
                first.header.flags |= flags::FROM_START;
            }
            self.table.enter(&first, ());
        }
        let direction = &mut self.judge.directions[usize::from(high)];
        let from = (header.offset - ORIGIN) as usize + header.skipped as usize;
        let bytes = from..from + header.copied as usize;
        let bit = if altered { told::ALTERED } else { told::TRUE };
        for told in direction.told.get_mut(bytes.clone()).into_iter().flatten() {
            *told |= bit;
        }
        direction.altered |= altered;
        let handed = direction.next.map_or(0, |next| (next - ORIGIN) as usize);
        let handed = direction.handed.get(bytes.start..handed);
        let contradicts = direction.compared
            && handed.is_some_and(|handed| handed.iter().zip(segment.payload).any(|(a, b)| a != b));
        let before = direction.conflicts;
        let Some((flow, judge, bounds)) = self.flow() else {
            return;
        };
        flow.streams.segment(segment, &bounds, judge);
        // A vector that grows doubles; 256 bytes are the box of what is held and what is compared.
        let most = 2 * (bounds.held_bytes + 2 * bounds.compared_bytes + 256);
        let heap = flow.streams.heap_bytes();
        assert!(heap <= most, "{heap} bytes on the heap");
        let direction = &judge.directions[usize::from(high)];
        assert!(
            !contradicts || direction.conflicts > before,
            "other bytes from {} on and no conflict",
            bytes.start
        );
    }

    /// The connection is over: everything that came has to be handed on.
    fn close(&mut self) {
        self.judge.closing = true;
        let now = self.time;
        let Some((flow, judge, bounds)) = self.flow() else {
            return;
        };
        flow.streams.close(now, &bounds, judge);
        assert!(!flow.streams.is_waiting(), "something waits for ever");
        for (high, direction) in [false, true].into_iter().zip(&judge.directions) {
            let last = direction.told.iter().rposition(|told| *told != 0);
            let end = last.map_or(0, |last| ORIGIN + last as u64 + 1);
            assert!(
                flow.streams.next(high) >= end,
                "bytes up to {end} came and were never handed on"
            );
        }
    }
}
