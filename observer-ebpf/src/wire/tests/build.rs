//! Packets built from what a walk over them has to find.

use std::vec;
use std::vec::Vec;

use super::super::*;
use super::read;

/// What a packet is built from.
#[derive(Clone, Debug)]
pub struct Built {
    pub link: Link,
    pub tags: Vec<u16>,
    pub ip: Ip,
    pub ports: (u16, u16),
    pub sequence: u32,
    pub acknowledgement: u32,
    pub flags: u8,
    /// 32-bit words of TCP options.
    pub options: u8,
    pub payload: Vec<u8>,
    /// Bytes after the IP packet, as short frames have them.
    pub padding: usize,
    /// The length field is zero, as segmentation offload beyond 64 KiB leaves it.
    pub no_length: bool,
}

#[derive(Clone, Debug)]
pub enum Ip {
    V4 {
        from: [u8; 4],
        to: [u8; 4],
        /// 32-bit words of options.
        options: u8,
    },
    V6 {
        from: [u8; 16],
        to: [u8; 16],
        /// Extension headers: their number, and units of length beyond the first.
        extensions: Vec<(u8, u8)>,
    },
}

pub const HOP_BY_HOP: u8 = 0;
pub const ROUTING: u8 = 43;
pub const FRAGMENT: u8 = 44;
pub const AUTHENTICATION: u8 = 51;
pub const DESTINATION: u8 = 60;

impl Built {
    pub fn v4() -> Self {
        Self {
            link: Link::Ethernet,
            tags: Vec::new(),
            ip: Ip::V4 {
                from: [192, 0, 2, 2],
                to: [192, 0, 2, 1],
                options: 0,
            },
            ports: (40_000, 8080),
            sequence: 7,
            acknowledgement: 9,
            flags: tcp::ACK,
            options: 0,
            payload: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            padding: 0,
            no_length: false,
        }
    }

    pub fn v6(extensions: &[(u8, u8)]) -> Self {
        let mut address = [0; 16];
        address[0] = 0xfd;
        let mut other = address;
        other[15] = 1;
        Self {
            ip: Ip::V6 {
                from: address,
                to: other,
                extensions: extensions.to_vec(),
            },
            ..Self::v4()
        }
    }

    pub fn tcp(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.ports.0.to_be_bytes());
        bytes.extend(self.ports.1.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.acknowledgement.to_be_bytes());
        bytes.extend([(5 + self.options) << 4, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend(vec![1; usize::from(self.options) * 4]);
        bytes.extend(&self.payload);
        bytes
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (ethertype, ip) = match &self.ip {
            Ip::V4 { from, to, options } => {
                let tcp = self.tcp();
                let header = 20 + usize::from(*options) * 4;
                let total = (header + tcp.len()) as u16;
                let total = if self.no_length { 0 } else { total };
                let mut ip = vec![0x45 + options, 0];
                ip.extend(total.to_be_bytes());
                ip.extend([0, 1, 0x40, 0, 64, TCP, 0, 0]);
                ip.extend(from);
                ip.extend(to);
                ip.resize(header, 1);
                ip.extend(tcp);
                (IPV4, ip)
            }
            Ip::V6 {
                from,
                to,
                extensions,
            } => {
                let mut rest = Vec::new();
                for (at, (number, units)) in extensions.iter().enumerate() {
                    let next = extensions.get(at + 1).map_or(TCP, |(next, _)| *next);
                    let length = match *number {
                        FRAGMENT => 8,
                        AUTHENTICATION => (usize::from(*units) + 2) * 4,
                        _ => (usize::from(*units) + 1) * 8,
                    };
                    let start = rest.len();
                    rest.extend([next, if *number == FRAGMENT { 0 } else { *units }]);
                    rest.resize(start + length, 0);
                }
                rest.extend(self.tcp());
                let length = if self.no_length { 0 } else { rest.len() as u16 };
                let mut ip = vec![0x60, 0, 0, 0];
                ip.extend(length.to_be_bytes());
                ip.extend([extensions.first().map_or(TCP, |(number, _)| *number), 64]);
                ip.extend(from);
                ip.extend(to);
                ip.extend(rest);
                (IPV6, ip)
            }
        };
        if self.link == Link::Ethernet {
            bytes.extend([2; 12]);
            for tag in &self.tags {
                bytes.extend(tag.to_be_bytes());
                bytes.extend([0, 7]);
            }
            bytes.extend(ethertype.to_be_bytes());
        }
        bytes.extend(ip);
        bytes.resize(bytes.len() + self.padding, 0);
        bytes
    }

    /// What a walk over the packet has to find.
    pub fn expected(&self) -> TcpSegment {
        let (from, to) = match &self.ip {
            Ip::V4 { from, to, .. } => (
                Endpoint::v4(*from, self.ports.0),
                Endpoint::v4(*to, self.ports.1),
            ),
            Ip::V6 { from, to, .. } => (
                Endpoint::v6(*from, self.ports.0),
                Endpoint::v6(*to, self.ports.1),
            ),
        };
        let (flow, from_high) = FlowKey::new(from, to);
        let padding = if self.no_length { 0 } else { self.padding };
        let behind = self.payload.len() + padding;
        TcpSegment {
            flow,
            from_high,
            sequence: self.sequence,
            acknowledgement: self.acknowledgement,
            flags: self.flags,
            payload: (self.bytes().len() - behind) as u32,
            length: self.payload.len() as u32,
        }
    }

    pub fn is_found(&self) {
        assert_eq!(segment_of(&self.bytes(), self.link), self.expected());
    }
}

/// The segment of a packet that has one.
pub fn segment_of(bytes: &[u8], link: Link) -> TcpSegment {
    let (walk, found) = read(bytes, link);
    assert_eq!(walk, Walk::Segment);
    found
}
