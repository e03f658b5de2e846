//! The header walk against one that reads a packet the plain way, field after field.
//!
//! Both have to say the same of any bytes, also where a capture holds only the beginning of a packet.

use arbitrary::{Result, Unstructured};
use observer_ebpf::abi::Endpoint;
use observer_ebpf::wire::{Link, Loaded, Packet, TcpSegment, Walk, walk};

/// A packet of which only the first bytes may be at hand.
struct Captured<'a> {
    length: u32,
    bytes: &'a [u8],
}

impl Packet for Captured<'_> {
    fn length(&self) -> u32 {
        self.length
    }

    fn load<const N: usize>(&self, offset: u32) -> Option<Loaded<N>> {
        self.bytes
            .get(offset as usize..)?
            .first_chunk()
            .copied()
            .map(Loaded)
    }
}

/// What the plain reading finds: one end is an address in 16 bytes and a port.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    from: ([u8; 16], u16),
    to: ([u8; 16], u16),
    sequence: u32,
    acknowledgement: u32,
    flags: u8,
    payload: u64,
    length: u64,
}

/// Checks the walk over one packet.
///
/// # Panics
/// When it says anything else than the plain reading.
pub fn check(data: &[u8]) {
    let _ = read(data);
}

fn read(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let link = if input.arbitrary()? {
        Link::Ethernet
    } else {
        Link::Ip
    };
    let missing: u16 = input.arbitrary()?;
    let bytes = input.take_rest();
    let length = bytes.len() as u32 + u32::from(missing);
    let mut segment = TcpSegment::default();
    let said = walk(&Captured { length, bytes }, link, &mut segment);
    if said == Walk::Segment {
        let end = u64::from(segment.payload) + u64::from(segment.length);
        assert!(
            end <= u64::from(length),
            "payload up to {end} in a packet of {length} bytes"
        );
    }
    let said = if said == Walk::Segment {
        Ok(found(&segment))
    } else {
        Err(said)
    };
    assert_eq!(
        said,
        plain(bytes, u64::from(length), link),
        "{link:?}, {length} bytes: {bytes:02x?}"
    );
    Ok(())
}

fn found(segment: &TcpSegment) -> Found {
    let (low, high) = (segment.flow.low(), segment.flow.high());
    let (from, to) = if segment.from_high {
        (high, low)
    } else {
        (low, high)
    };
    let end = |end: Endpoint| (end.address(), end.port);
    Found {
        from: end(from),
        to: end(to),
        sequence: segment.sequence,
        acknowledgement: segment.acknowledgement,
        flags: segment.flags,
        payload: u64::from(segment.payload),
        length: u64::from(segment.length),
    }
}

/// The plain reading.
fn plain(bytes: &[u8], length: u64, link: Link) -> std::result::Result<Found, Walk> {
    match link {
        Link::Ip => match part(bytes, 0, 1)?[0] >> 4 {
            4 => plain_4(bytes, length, 0),
            6 => plain_6(bytes, length, 0),
            _ => Err(Walk::Other),
        },
        Link::Ethernet => {
            let mut at = 12;
            for _ in 0..2 {
                if matches!(number(bytes, at)?, 0x8100 | 0x88a8) {
                    at += 4;
                }
            }
            match number(bytes, at)? {
                0x0800 => plain_4(bytes, length, at + 2),
                0x86dd => plain_6(bytes, length, at + 2),
                _ => Err(Walk::Other),
            }
        }
    }
}

fn plain_4(bytes: &[u8], length: u64, at: u64) -> std::result::Result<Found, Walk> {
    let head = part(bytes, at, 20)?;
    let header = u64::from(head[0] % 16) * 4;
    if head[0] / 16 != 4 || header < 20 {
        return Err(Walk::Truncated);
    }
    if head[9] != 6 {
        return Err(Walk::Other);
    }
    let (more, offset) = (head[6] & 0x20 != 0, number(head, 6)? % 0x2000);
    if more || offset > 0 {
        return Err(Walk::Fragment);
    }
    let mut end = at + u64::from(number(head, 2)?);
    if end == at {
        end = length;
    }
    if end > length {
        return Err(Walk::Truncated);
    }
    let mapped = |address: &[u8]| {
        let mut whole = [0; 16];
        whole[10..12].fill(0xff);
        whole[12..].copy_from_slice(address);
        whole
    };
    plain_tcp(
        bytes,
        at + header,
        end,
        mapped(&head[12..16]),
        mapped(&head[16..20]),
    )
}

fn plain_6(bytes: &[u8], length: u64, at: u64) -> std::result::Result<Found, Walk> {
    let head = part(bytes, at, 40)?;
    if head[0] / 16 != 6 {
        return Err(Walk::Truncated);
    }
    let end = match number(head, 4)? {
        0 => length,
        payload => at + 40 + u64::from(payload),
    };
    if end > length {
        return Err(Walk::Truncated);
    }
    let (mut next, mut at) = (head[6], at + 40);
    for _ in 0..8 {
        let (this, begin) = (next, at);
        match this {
            6 => break,
            0 | 43 | 60 => at += (u64::from(part(bytes, begin, 2)?[1]) + 1) * 8,
            51 => at += (u64::from(part(bytes, begin, 2)?[1]) + 2) * 4,
            44 => {
                let fragment = part(bytes, begin, 4)?;
                let (offset, more) = (number(fragment, 2)? / 8, fragment[3] % 2 == 1);
                if offset > 0 || more {
                    let may_be_tcp = matches!(fragment[0], 0 | 6 | 43 | 51 | 60);
                    return Err(if may_be_tcp {
                        Walk::Fragment
                    } else {
                        Walk::Other
                    });
                }
                at += 8;
            }
            _ => return Err(Walk::Other),
        }
        next = part(bytes, begin, 1)?[0];
    }
    if next != 6 {
        return Err(Walk::Other);
    }
    let address = |at: usize| {
        let mut whole = [0; 16];
        whole.copy_from_slice(&head[at..at + 16]);
        whole
    };
    plain_tcp(bytes, at, end, address(8), address(24))
}

fn plain_tcp(
    bytes: &[u8],
    at: u64,
    end: u64,
    from: [u8; 16],
    to: [u8; 16],
) -> std::result::Result<Found, Walk> {
    let head = part(bytes, at, 20)?;
    let header = u64::from(head[12] / 16) * 4;
    if header < 20 || at + header > end {
        return Err(Walk::Truncated);
    }
    let long =
        |at| Ok::<_, Walk>(u32::from(number(head, at)?) << 16 | u32::from(number(head, at + 2)?));
    Ok(Found {
        from: (from, number(head, 0)?),
        to: (to, number(head, 2)?),
        sequence: long(4)?,
        acknowledgement: long(8)?,
        flags: head[13],
        payload: at + header,
        length: end - at - header,
    })
}

/// `length` bytes from `at` on; what is not at hand was cut off.
fn part(bytes: &[u8], at: u64, length: u64) -> std::result::Result<&[u8], Walk> {
    bytes
        .get(at as usize..(at + length) as usize)
        .ok_or(Walk::Truncated)
}

/// A number of two bytes in network order.
fn number(bytes: &[u8], at: u64) -> std::result::Result<u16, Walk> {
    let two = part(bytes, at, 2)?;
    Ok(u16::from(two[0]) << 8 | u16::from(two[1]))
}
