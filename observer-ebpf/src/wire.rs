//! From a packet to its TCP segment: Ethernet, VLAN and QinQ, IPv4 with options, IPv6 with extension headers, TCP. Of UDP only
//! what begins a connection of QUIC is told from the rest.
//!
//! Pure, and shared by the kernel programs and by replay. Lengths come from the IP header where it has one (frames are
//! padded, RFC 894) and from the packet where it has none (segmentation offload beyond 64 KiB leaves it zero).

use crate::abi::{Endpoint, FlowKey};

/// A packet that can be read at an offset.
pub trait Packet {
    /// Bytes of the packet, also of those parts that are not at hand.
    fn length(&self) -> u32;

    /// `N` bytes at an offset; `None` when they are not all there.
    fn load<const N: usize>(&self, offset: u32) -> Option<Loaded<N>>;
}

/// Bytes of a packet. Aligned, so that the kernel side takes a field of theirs in one load.
#[repr(C, align(8))]
pub struct Loaded<const N: usize>(pub [u8; N]);

/// What a packet of a link begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// An Ethernet header.
    Ethernet,
    /// The IP header (tun, wireguard, raw captures).
    Ip,
}

/// Bits of [`TcpSegment::flags`] (RFC 9293 section 3.1).
pub mod tcp {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgement field is significant.
    pub const ACK: u8 = 0x10;
}

/// The TCP segment of a packet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpSegment {
    /// The connection.
    pub flow: FlowKey,
    /// Whether the high end of the connection sent it.
    pub from_high: bool,
    /// Sequence number of the first payload byte (of SYN or FIN where they stand before it).
    pub sequence: u32,
    /// Acknowledgement number; significant with [`tcp::ACK`].
    pub acknowledgement: u32,
    /// See [`tcp`].
    pub flags: u8,
    /// Where in the packet the payload begins.
    pub payload: u32,
    /// Payload bytes, as the headers say.
    pub length: u32,
}

/// What a packet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// A TCP segment: the one that the caller made room for is filled in.
    Segment,
    /// Part of a fragmented IP packet that carries TCP, or may do so.
    Fragment,
    /// A datagram of UDP that begins a connection of QUIC: its ends and its sender are filled in.
    Quic,
    /// Neither.
    Other,
    /// Headers that end too early or contradict themselves.
    Truncated,
}

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const QINQ: u16 = 0x88a8;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Extension headers of one packet that are walked over; senders that use more are not found in the field.
const EXTENSIONS: u32 = 8;

/// Finds the TCP segment of a packet and fills it in. Where it stands is the caller's choice: stacks are small in the
/// kernel.
#[inline(always)]
pub fn walk<P: Packet>(packet: &P, link: Link, found: &mut TcpSegment) -> Walk {
    match link {
        Link::Ip => {
            let Some(Loaded([first])) = packet.load(0) else {
                return Walk::Truncated;
            };
            match first >> 4 {
                4 => ipv4(packet, 0, found),
                6 => ipv6(packet, 0, found),
                _ => Walk::Other,
            }
        }
        Link::Ethernet => {
            // Nearly every packet is this one, and every load is a call.
            if let Some(Loaded(head)) = packet.load::<USUAL>(0)
                && head[12..15] == [0x08, 0x00, 0x45]
                && head[23] == TCP
                && u16::from_be_bytes([head[20], head[21]]) & 0x3fff == 0
            {
                return usual(packet, &head, found);
            }
            let Some(Loaded([high, low])) = packet.load(12) else {
                return Walk::Truncated;
            };
            let mut ethertype = u16::from_be_bytes([high, low]);
            let mut at = 14;
            let mut tags = 0;
            while (ethertype == VLAN || ethertype == QINQ) && tags < 2 {
                let Some(Loaded([_, _, high, low])) = packet.load(at) else {
                    return Walk::Truncated;
                };
                ethertype = u16::from_be_bytes([high, low]);
                at += 4;
                tags += 1;
            }
            match ethertype {
                IPV4 => ipv4(packet, at, found),
                IPV6 => ipv6(packet, at, found),
                _ => Walk::Other,
            }
        }
    }
}

/// Headers of Ethernet, IPv4 and TCP without any option.
const USUAL: usize = 14 + 20 + 20;

/// A whole IPv4 packet without options that carries TCP.
#[inline(always)]
fn usual<P: Packet>(packet: &P, head: &[u8; USUAL], found: &mut TcpSegment) -> Walk {
    let rest = packet.length().saturating_sub(14);
    let total = match u16::from_be_bytes([head[16], head[17]]) {
        0 => rest,
        total => u32::from(total),
    };
    if total < 20 || total > rest {
        return Walk::Truncated;
    }
    let mut tcp = [0; 20];
    tcp.copy_from_slice(&head[34..54]);
    fill(
        &tcp,
        34,
        total - 20,
        Endpoint::v4([head[26], head[27], head[28], head[29]], 0),
        Endpoint::v4([head[30], head[31], head[32], head[33]], 0),
        found,
    )
}

/// RFC 791 section 3.1.
#[inline(always)]
fn ipv4<P: Packet>(packet: &P, at: u32, found: &mut TcpSegment) -> Walk {
    let Some(Loaded(head)) = packet.load::<20>(at) else {
        return Walk::Truncated;
    };
    let header = u32::from(head[0] & 0x0f) * 4;
    if head[0] >> 4 != 4 || header < 20 {
        return Walk::Truncated;
    }
    let fragmented = u16::from_be_bytes([head[6], head[7]]) & 0x3fff != 0;
    let from = Endpoint::v4([head[12], head[13], head[14], head[15]], 0);
    let to = Endpoint::v4([head[16], head[17], head[18], head[19]], 0);
    if head[9] == UDP && !fragmented {
        return datagram(packet, at + header, from, to, found);
    }
    if head[9] != TCP {
        return Walk::Other;
    }
    if fragmented {
        return Walk::Fragment;
    }
    let rest = packet.length().saturating_sub(at);
    let total = match u16::from_be_bytes([head[2], head[3]]) {
        0 => rest,
        total => u32::from(total),
    };
    // A packet that claims more than it is: the host drops it (RFC 1122 section 3.2.1), and so nobody reads it.
    if total < header || total > rest {
        return Walk::Truncated;
    }
    segment(packet, at + header, total - header, from, to, found)
}

/// RFC 8200 sections 3 and 4.
#[inline(always)]
fn ipv6<P: Packet>(packet: &P, at: u32, found: &mut TcpSegment) -> Walk {
    let Some(Loaded(head)) = packet.load::<40>(at) else {
        return Walk::Truncated;
    };
    if head[0] >> 4 != 6 {
        return Walk::Truncated;
    }
    let mut from = [0; 16];
    let mut to = [0; 16];
    from.copy_from_slice(&head[8..24]);
    to.copy_from_slice(&head[24..40]);
    let mut here = at + 40;
    let end = match u16::from_be_bytes([head[4], head[5]]) {
        0 => packet.length(),
        length => here + u32::from(length),
    };
    if end > packet.length() {
        return Walk::Truncated;
    }
    let mut next = head[6];
    let mut extensions = 0;
    while next != TCP && next != UDP && extensions < EXTENSIONS {
        let step = match next {
            // Hop-by-hop options, routing, destination options.
            0 | 43 | 60 => {
                let Some(Loaded([following, units])) = packet.load(here) else {
                    return Walk::Truncated;
                };
                next = following;
                (u32::from(units) + 1) * 8
            }
            // Authentication header (RFC 4302 section 2.2): units of four bytes, less two.
            51 => {
                let Some(Loaded([following, units])) = packet.load(here) else {
                    return Walk::Truncated;
                };
                next = following;
                (u32::from(units) + 2) * 4
            }
            // Fragment: an atomic one (RFC 6946) is a whole packet.
            44 => {
                let Some(Loaded([following, _, high, low])) = packet.load(here) else {
                    return Walk::Truncated;
                };
                if u16::from_be_bytes([high, low]) & 0xfff9 != 0 {
                    return match following {
                        TCP | 0 | 43 | 51 | 60 => Walk::Fragment,
                        _ => Walk::Other,
                    };
                }
                next = following;
                8
            }
            _ => return Walk::Other,
        };
        here += step;
        extensions += 1;
    }
    let (from, to) = (Endpoint::v6(from, 0), Endpoint::v6(to, 0));
    if next == UDP {
        return datagram(packet, here, from, to, found);
    }
    if next != TCP {
        return Walk::Other;
    }
    if here > end {
        return Walk::Truncated;
    }
    segment(packet, here, end - here, from, to, found)
}

/// A datagram (RFC 768), and what a packet of QUIC begins with that begins a connection: an Initial one of version 1 (RFC 9000
/// section 17.2.2) or 2 (RFC 9369 section 3.2).
#[inline(always)]
fn datagram<P: Packet>(
    packet: &P,
    at: u32,
    mut from: Endpoint,
    mut to: Endpoint,
    found: &mut TcpSegment,
) -> Walk {
    let Some(Loaded(head)) = packet.load::<13>(at) else {
        return Walk::Other;
    };
    let initial = match u32::from_be_bytes([head[9], head[10], head[11], head[12]]) {
        1 => 0xc0,
        0x6b33_43cf => 0xd0,
        _ => return Walk::Other,
    };
    if head[8] & 0xf0 != initial {
        return Walk::Other;
    }
    from.port = u16::from_be_bytes([head[0], head[1]]);
    to.port = u16::from_be_bytes([head[2], head[3]]);
    found.from_high = found.flow.set(from, to);
    Walk::Quic
}

/// RFC 9293 section 3.1. `length`: bytes of header and payload.
#[inline(always)]
fn segment<P: Packet>(
    packet: &P,
    at: u32,
    length: u32,
    from: Endpoint,
    to: Endpoint,
    found: &mut TcpSegment,
) -> Walk {
    let Some(Loaded(head)) = packet.load::<20>(at) else {
        return Walk::Truncated;
    };
    fill(&head, at, length, from, to, found)
}

/// As [`segment`], with the fixed part of the TCP header at hand.
#[inline(always)]
fn fill(
    head: &[u8; 20],
    at: u32,
    length: u32,
    mut from: Endpoint,
    mut to: Endpoint,
    found: &mut TcpSegment,
) -> Walk {
    let header = u32::from(head[12] >> 4) * 4;
    if header < 20 || length < header {
        return Walk::Truncated;
    }
    from.port = u16::from_be_bytes([head[0], head[1]]);
    to.port = u16::from_be_bytes([head[2], head[3]]);
    found.from_high = found.flow.set(from, to);
    found.sequence = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    found.acknowledgement = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    found.flags = head[13];
    found.payload = at + header;
    found.length = length - header;
    Walk::Segment
}

#[cfg(test)]
mod tests;
