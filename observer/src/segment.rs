//! The one input of the core: a TCP segment of a connection worth following, live or from a capture file.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use observer_ebpf::abi::{DecodeError, Endpoint, EventHeader, FlowKey, Kind, flags};

/// A segment with those of its payload bytes that were copied.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Where it belongs and what is known of it.
    pub header: EventHeader,
    /// `header.copied` bytes, from `header.skipped` on.
    pub payload: &'a [u8],
}

impl<'a> Segment<'a> {
    /// The segment of an event from a ring.
    ///
    /// # Errors
    /// When the bytes are no event.
    pub fn decode(event: &'a [u8]) -> Result<Self, DecodeError> {
        EventHeader::decode(event).map(|(header, payload)| Self { header, payload })
    }

    /// What the event tells.
    pub fn kind(&self) -> Option<Kind> {
        self.header.kind()
    }

    /// Whether the high end of the connection sent it.
    pub fn from_high(&self) -> bool {
        self.header.has(flags::HIGH)
    }

    /// How far the sender had received the other direction.
    pub fn acked(&self) -> Option<u64> {
        self.header.has(flags::ACKED).then_some(self.header.acked)
    }

    /// Stream offset after the last payload byte.
    pub fn end(&self) -> u64 {
        self.header
            .offset
            .saturating_add(u64::from(self.header.length))
    }
}

/// The address of one end of a connection; IPv4 where it is a mapped one.
pub fn address(endpoint: &Endpoint) -> SocketAddr {
    let ip = IpAddr::V6(Ipv6Addr::from(endpoint.address())).to_canonical();
    SocketAddr::new(ip, endpoint.port)
}

/// Both ends of a connection, `high` first where the high one is asked for first.
pub fn ends(flow: &FlowKey, high_first: bool) -> (SocketAddr, SocketAddr) {
    let (low, high) = (address(&flow.low()), address(&flow.high()));
    if high_first { (high, low) } else { (low, high) }
}
