//! Packets of TCP connections between a client and this host, over Ethernet and IPv4.

use observer_ebpf::wire::tcp;

pub const SERVER: [u8; 4] = [192, 0, 2, 1];
pub const CLIENT: [u8; 4] = [192, 0, 2, 2];
pub const SERVER_PORT: u16 = 8080;

/// A TCP segment on its way.
#[derive(Clone, Debug)]
pub struct Packet {
    pub interface: u32,
    pub client_port: u16,
    pub from_client: bool,
    pub sequence: u32,
    pub acknowledgement: u32,
    pub flags: u8,
    pub payload: Vec<u8>,
}

impl Packet {
    /// The frame, padded as short ones are.
    pub fn bytes(&self) -> Vec<u8> {
        let (from, to, ports) = if self.from_client {
            (CLIENT, SERVER, (self.client_port, SERVER_PORT))
        } else {
            (SERVER, CLIENT, (SERVER_PORT, self.client_port))
        };
        let mut bytes = Vec::with_capacity(54 + self.payload.len());
        bytes.extend([2; 12]);
        bytes.extend([8, 0, 0x45, 0]);
        bytes.extend((40 + self.payload.len() as u16).to_be_bytes());
        bytes.extend([0, 1, 0x40, 0, 64, 6, 0, 0]);
        bytes.extend(from);
        bytes.extend(to);
        bytes.extend(ports.0.to_be_bytes());
        bytes.extend(ports.1.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.acknowledgement.to_be_bytes());
        bytes.extend([0x50, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend(&self.payload);
        if bytes.len() < 60 {
            bytes.resize(60, 0);
        }
        bytes
    }
}

/// The two ends of one connection and the packets that they sent so far.
#[derive(Clone, Debug)]
pub struct Line {
    pub sent: Vec<Packet>,
    pub port: u16,
    /// Next sequence numbers of client and server.
    pub next: [u32; 2],
}

impl Line {
    /// A connection after its handshake.
    pub fn open(port: u16, numbers: [u32; 2]) -> Self {
        let mut line = Self {
            sent: Vec::new(),
            port,
            next: numbers,
        };
        line.push(true, tcp::SYN, &[]);
        line.push(false, tcp::SYN | tcp::ACK, &[]);
        line.push(true, tcp::ACK, &[]);
        line
    }

    /// The next packet of one end, which has received everything of the other.
    pub fn push(&mut self, from_client: bool, flags: u8, payload: &[u8]) {
        let [own, other] = if from_client { [0, 1] } else { [1, 0] };
        self.sent.push(Packet {
            interface: 1,
            client_port: self.port,
            from_client,
            sequence: self.next[own],
            acknowledgement: if flags & tcp::ACK != 0 {
                self.next[other]
            } else {
                0
            },
            flags,
            payload: payload.to_vec(),
        });
        let counted = payload.len() as u32 + u32::from(flags & (tcp::SYN | tcp::FIN) != 0);
        self.next[own] = self.next[own].wrapping_add(counted);
    }

    pub fn client(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.push(true, tcp::ACK, bytes.as_ref());
        self
    }

    pub fn server(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.push(false, tcp::ACK, bytes.as_ref());
        self
    }

    pub fn fin(&mut self, from_client: bool) -> &mut Self {
        self.push(from_client, tcp::FIN | tcp::ACK, &[]);
        self
    }

    pub fn reset(&mut self, from_client: bool) -> &mut Self {
        self.push(from_client, tcp::RST | tcp::ACK, &[]);
        self
    }
}
