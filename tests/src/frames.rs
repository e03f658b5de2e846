//! Packets of TCP conversations, built by hand, and numbers at random that are the same in every run.

use observer_ebpf::wire::{Link, tcp};

/// The server's port in every conversation.
pub const SERVER_PORT: u16 = 8080;

/// Numbers at random from a seed (splitmix64, Steele et al., "Fast splittable pseudorandom number generators").
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below a bound, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.any() % bound as u64) as usize
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.any() as u8).collect()
    }
}

/// A segment of a conversation.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Who sent it.
    pub from_server: bool,
    /// Flags of TCP.
    pub flags: u8,
    /// Its number.
    pub sequence: u32,
    /// What its sender had received.
    pub acknowledgement: u32,
    /// Its bytes.
    pub payload: Vec<u8>,
}

/// A TCP connection between a client and the server.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Over IPv6.
    pub v6: bool,
    /// The client's port.
    pub client_port: u16,
    /// Next numbers of client and server.
    pub next: [u32; 2],
}

/// What stands around a segment in its packet.
#[derive(Clone, Debug)]
pub struct Packing {
    /// What the packet begins with.
    pub link: Link,
    /// VLAN tags' ethertypes.
    pub tags: Vec<u16>,
    /// 32-bit words of IPv4 options.
    pub ip_options: u8,
    /// IPv6 extension headers, all of the least length.
    pub extensions: Vec<u8>,
    /// 32-bit words of TCP options.
    pub tcp_options: u8,
    /// Bytes after the IP packet.
    pub padding: usize,
    /// The IP header says no length.
    pub no_length: bool,
    /// IPv4 fragment field, or that of an IPv6 fragment header.
    pub fragment: u16,
    /// In the segment's place stands what begins a connection of QUIC, over UDP.
    pub quic: bool,
}

/// Number of the IPv6 fragment header, which [`Packing::fragment`] adds by itself.
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const TCP: u8 = 6;
const UDP: u8 = 17;

impl Connection {
    /// What an end sends next.
    pub fn send(&mut self, from_server: bool, flags: u8, payload: &[u8]) -> Sent {
        let [client, server] = self.next;
        let (sequence, acknowledgement) = if from_server {
            (server, client)
        } else {
            (client, server)
        };
        let taken = payload.len() as u32 + u32::from(flags & (tcp::SYN | tcp::FIN) != 0);
        let [client, server] = &mut self.next;
        let next = if from_server { server } else { client };
        *next = next.wrapping_add(taken);
        Sent {
            from_server,
            flags,
            sequence,
            acknowledgement,
            payload: payload.to_vec(),
        }
    }

    /// The packet that carries a segment. Checksums are left at zero, as send offload leaves them.
    pub fn pack(&self, sent: &Sent, packing: &Packing) -> Vec<u8> {
        let mut packet = Vec::new();
        if packing.link == Link::Ethernet {
            packet.extend([2; 12]);
            for tag in &packing.tags {
                packet.extend(tag.to_be_bytes());
                packet.extend([0, 7]);
            }
            packet.extend(if self.v6 { [0x86, 0xdd] } else { [8, 0] });
        }
        let tcp = if packing.quic {
            self.quic(sent)
        } else {
            self.tcp(sent, packing)
        };
        if self.v6 {
            self.ipv6(&mut packet, &tcp, sent, packing);
        } else {
            self.ipv4(&mut packet, &tcp, sent, packing);
        }
        packet.resize(packet.len() + packing.padding, 0);
        packet
    }

    fn tcp(&self, sent: &Sent, packing: &Packing) -> Vec<u8> {
        let mut ports = [self.client_port, SERVER_PORT];
        if sent.from_server {
            ports.reverse();
        }
        let words = 5 + packing.tcp_options;
        let mut tcp: Vec<u8> = ports.into_iter().flat_map(u16::to_be_bytes).collect();
        tcp.extend(sent.sequence.to_be_bytes());
        tcp.extend(sent.acknowledgement.to_be_bytes());
        tcp.extend([words << 4, sent.flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.resize(usize::from(words) * 4, 1);
        tcp.extend(&sent.payload);
        tcp
    }

    /// A datagram with the beginning of an Initial packet (RFC 9000 section 17.2.2), and what else it may be as long as.
    fn quic(&self, sent: &Sent) -> Vec<u8> {
        let mut ports = [self.client_port, SERVER_PORT];
        if sent.from_server {
            ports.reverse();
        }
        let content = [0xc3, 0, 0, 0, 1, 8, 1, 2, 3, 4, 5, 6, 7, 8];
        let length = 8 + content.len() + sent.payload.len();
        let mut datagram: Vec<u8> = ports.into_iter().flat_map(u16::to_be_bytes).collect();
        datagram.extend((length as u16).to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(content);
        datagram.extend(&sent.payload);
        datagram
    }

    fn ipv4(&self, packet: &mut Vec<u8>, tcp: &[u8], sent: &Sent, packing: &Packing) {
        let words = 5 + packing.ip_options;
        let header = usize::from(words) * 4;
        let total = if packing.no_length {
            0
        } else {
            (header + tcp.len()) as u16
        };
        let start = packet.len();
        packet.extend([0x40 | words, 0]);
        packet.extend(total.to_be_bytes());
        packet.extend([0, 1]);
        packet.extend(packing.fragment.to_be_bytes());
        packet.extend([64, packing.protocol(), 0, 0]);
        let mut ends = [[192, 0, 2, 2], [10, 0, 0, 1]];
        if sent.from_server {
            ends.reverse();
        }
        packet.extend(ends.into_iter().flatten());
        packet.resize(start + header, 1);
        packet.extend(tcp);
    }

    fn ipv6(&self, packet: &mut Vec<u8>, tcp: &[u8], sent: &Sent, packing: &Packing) {
        let mut headers = packing.extensions.clone();
        if packing.fragment != 0 {
            headers.push(FRAGMENT);
        }
        let mut rest = Vec::new();
        for (place, number) in headers.iter().enumerate() {
            let next = headers
                .get(place + 1)
                .copied()
                .unwrap_or(packing.protocol());
            let [high, low] = packing.fragment.to_be_bytes();
            rest.extend(match *number {
                FRAGMENT => [next, 0, high, low, 0, 0, 0, 0],
                AUTHENTICATION => [next, 0, 0, 0, 0, 0, 0, 0],
                _ => [next, 0, 1, 4, 0, 0, 0, 0],
            });
        }
        rest.extend(tcp);
        let length = if packing.no_length {
            0
        } else {
            rest.len() as u16
        };
        packet.extend([0x60, 0, 0, 0]);
        packet.extend(length.to_be_bytes());
        packet.extend([headers.first().copied().unwrap_or(packing.protocol()), 64]);
        let mut ends = [[0xfd, 1], [0xfd, 2]].map(|[first, last]| {
            let mut address = [0_u8; 16];
            (address[0], address[15]) = (first, last);
            address
        });
        if sent.from_server {
            ends.reverse();
        }
        packet.extend(ends.into_iter().flatten());
        packet.extend(rest);
    }
}

impl Packing {
    /// Nothing but the headers that have to be.
    pub fn plain(link: Link) -> Self {
        Self {
            link,
            tags: Vec::new(),
            ip_options: 0,
            extensions: Vec::new(),
            tcp_options: 0,
            padding: 0,
            no_length: false,
            fragment: 0,
            quic: false,
        }
    }

    fn protocol(&self) -> u8 {
        if self.quic { UDP } else { TCP }
    }

    /// Anything that a packet of this link may have.
    pub fn any(link: Link, random: &mut Random) -> Self {
        let mut packing = Self::plain(link);
        if random.percent(30) {
            packing.tags = (0..random.below(4))
                .map(|_| [0x8100, 0x88a8][random.below(2)])
                .collect();
        }
        if random.percent(20) {
            packing.ip_options = random.below(11) as u8;
            packing.extensions = (0..random.below(10))
                .map(|_| [0, 43, 60, AUTHENTICATION][random.below(4)])
                .collect();
        }
        if random.percent(50) {
            packing.tcp_options = random.below(11) as u8;
        }
        if random.percent(20) {
            packing.padding = random.below(40);
        }
        packing.no_length = random.percent(5);
        if random.percent(5) {
            packing.fragment = random.any() as u16;
        }
        packing
    }
}
