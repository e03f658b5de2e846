//! A segment as it stands in a ring: a header of fixed layout and the bytes that were copied.

use super::FlowKey;

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A segment of a connection that speaks HTTP, or may do so.
    Segment,
    /// The connection speaks TLS: nothing more of it is delivered but what its ends say first, which may come with this.
    Tls,
    /// The connection showed no sign of HTTP: nothing more of it is delivered until it does.
    Opaque,
    /// A segment of what an end of a TLS connection says first.
    Handshake,
    /// A segment of a TLS connection of which everything is delivered, from its first byte on.
    Record,
    /// A connection of QUIC begins: nothing more of it is delivered.
    Quic,
}

/// Bits of [`EventHeader::flags`].
pub mod flags {
    /// The segment carries FIN.
    pub const FIN: u8 = 1;
    /// The segment carries RST.
    pub const RST: u8 = 2;
    /// The sender is the high end of the connection.
    pub const HIGH: u8 = 4;
    /// The connection was seen from its handshake on, and this is the first that is delivered of it.
    pub const FROM_START: u8 = 8;
    /// The low end is the one that accepted the connection.
    pub const LOW_ACCEPTED: u8 = 16;
    /// `acked` is known.
    pub const ACKED: u8 = 32;
    /// Seen on the way out of this host.
    pub const EGRESS: u8 = 64;
    /// The high end is the one that accepted the connection.
    pub const HIGH_ACCEPTED: u8 = 128;
}

/// The header of an event. Stream offsets count from [`crate::track::ORIGIN`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventHeader {
    /// Nanoseconds of the monotonic clock.
    pub time: u64,
    /// When the connection was first seen: tells connections of one name apart.
    pub birth: u64,
    /// Stream offset of the segment's first payload byte.
    pub offset: u64,
    /// Stream offset of the other direction up to which the sender has received.
    pub acked: u64,
    /// Payload bytes of the segment.
    pub length: u32,
    /// Payload bytes at its beginning that were not copied.
    pub skipped: u32,
    /// Bytes copied after those; what is missing to `length` was not copied either.
    pub copied: u32,
    /// Events of this direction that were lost since the last one delivered.
    pub lost: u32,
    /// The interface.
    pub interface: u32,
    /// [`Kind`] as a number.
    pub kind: u8,
    /// See [`flags`].
    pub flags: u8,
    /// 1 when the connection was over before this segment: it may belong to what is still put in order, and is nothing to
    /// join.
    pub over: u8,
    /// Always zero.
    pub reserved: u8,
    /// The connection.
    pub flow: FlowKey,
}

/// Why bytes are no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Fewer bytes than the header, or than the header says were copied.
    Short {
        /// Bytes there are.
        have: usize,
        /// Bytes there should be.
        need: usize,
    },
    /// A kind that this version does not know.
    Kind(u8),
}

impl EventHeader {
    /// Bytes of a header.
    pub const SIZE: usize = 96;

    /// What the event tells; `None` for a number that this version does not know.
    pub fn kind(&self) -> Option<Kind> {
        Some(match self.kind {
            0 => Kind::Segment,
            1 => Kind::Tls,
            2 => Kind::Opaque,
            3 => Kind::Handshake,
            4 => Kind::Record,
            5 => Kind::Quic,
            _ => return None,
        })
    }

    /// Whether a bit of [`flags`] is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The header and the copied bytes of an event.
    ///
    /// # Errors
    /// When there are fewer bytes than the header claims, or its kind is not known.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), DecodeError> {
        let short = |need| DecodeError::Short {
            have: bytes.len(),
            need,
        };
        let Some((head, rest)) = bytes.split_first_chunk::<{ Self::SIZE }>() else {
            return Err(short(Self::SIZE));
        };
        let header = Self {
            time: u64::from_ne_bytes(part(head, 0)),
            birth: u64::from_ne_bytes(part(head, 8)),
            offset: u64::from_ne_bytes(part(head, 16)),
            acked: u64::from_ne_bytes(part(head, 24)),
            length: u32::from_ne_bytes(part(head, 32)),
            skipped: u32::from_ne_bytes(part(head, 36)),
            copied: u32::from_ne_bytes(part(head, 40)),
            lost: u32::from_ne_bytes(part(head, 44)),
            interface: u32::from_ne_bytes(part(head, 48)),
            kind: part::<1>(head, 52)[0],
            flags: part::<1>(head, 53)[0],
            over: part::<1>(head, 54)[0],
            reserved: 0,
            flow: FlowKey::from_bytes(&part(head, 56)),
        };
        if header.kind().is_none() {
            return Err(DecodeError::Kind(header.kind));
        }
        let need = Self::SIZE.saturating_add(header.copied as usize);
        rest.get(..header.copied as usize)
            .map(|payload| (header, payload))
            .ok_or(short(need))
    }

    /// The header's bytes as they stand in a ring.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let mut at = 0;
        let mut put = |value: &[u8]| {
            if let Some(place) = bytes.get_mut(at..at + value.len()) {
                place.copy_from_slice(value);
            }
            at += value.len();
        };
        for word in [self.time, self.birth, self.offset, self.acked] {
            put(&word.to_ne_bytes());
        }
        for word in [
            self.length,
            self.skipped,
            self.copied,
            self.lost,
            self.interface,
        ] {
            put(&word.to_ne_bytes());
        }
        put(&[self.kind, self.flags, self.over, 0]);
        put(&self.flow.to_bytes());
        bytes
    }
}

/// `N` bytes at a place inside a header; the callers stay inside by construction.
fn part<const N: usize>(head: &[u8; EventHeader::SIZE], at: usize) -> [u8; N] {
    head.get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .unwrap_or([0; N])
}

const _: () = {
    assert!(size_of::<EventHeader>() == EventHeader::SIZE);
    assert!(core::mem::offset_of!(EventHeader, kind) == 52);
    assert!(core::mem::offset_of!(EventHeader, over) == 54);
    assert!(core::mem::offset_of!(EventHeader, flow) == 56);
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decode_is_total_and_the_inverse_of_encode(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok((header, payload)) = EventHeader::decode(&bytes) {
                prop_assert_eq!(payload.len(), header.copied as usize);
                // The reserved bytes are written as zero, whatever was read.
                let mut known = bytes[..EventHeader::SIZE].to_vec();
                known[55] = 0;
                known[92..].fill(0);
                prop_assert_eq!(&header.encode()[..], &known[..]);
            }
        }
    }
}
