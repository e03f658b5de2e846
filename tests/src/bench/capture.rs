//! A capture file of keep-alive connections that all go on at once, each with its own key.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::lab::{Failure, failed};

/// Connections that go on at the same time.
pub const CONNECTIONS: u32 = 1000;
/// Nanoseconds between exchanges.
const PACE: u64 = 20_000;
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 1], 8080);
/// A flag of TCP.
pub const SYN: u8 = 2;
/// A flag of TCP.
pub const PSH: u8 = 8;
/// A flag of TCP.
pub const ACK: u8 = 16;
const BODY: &str = "{\"id\":42,\"name\":\"widget\",\"price\":\"9.90\",\"stock\":17}\n";

/// The key that a connection's requests carry.
pub fn key(connection: u32) -> String {
    format!(
        "sk_live_{:016x}",
        u64::from(connection + 1) * 0x9e37_79b9_7f4a
    )
}

/// Writes it (pcap, nanoseconds, Ethernet).
pub fn write(to: &Path, exchanges: u32) -> Result<(), Failure> {
    let file = File::create(to).map_err(failed(to.display().to_string()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    packets(&mut out, exchanges)
        .and_then(|()| out.flush())
        .map_err(failed(to.display().to_string()))
}

/// A connection, as far as its packets need it.
pub struct Connection {
    client: ([u8; 4], u16),
    key: String,
    /// Next sequence numbers of client and server.
    sent: u32,
    answered: u32,
}

fn packets(out: &mut impl Write, exchanges: u32) -> io::Result<()> {
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 65535, 1] {
        out.write_all(&word.to_le_bytes())?;
    }
    let mut time = 1_700_000_000_000_000_000_u64;
    let mut connections: Vec<Connection> = (0..CONNECTIONS).map(Connection::new).collect();
    for connection in &mut connections {
        time += PACE;
        connection.packet(out, time, false, SYN, b"")?;
        connection.packet(out, time + 1000, true, SYN | ACK, b"")?;
        connection.packet(out, time + 2000, false, ACK, b"")?;
    }
    let mut request = Vec::new();
    let response = format!(
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 22 Nov 2026 10:15:00 GMT\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: keep-alive\r\n\r\n{BODY}",
        BODY.len()
    );
    for (number, place) in (0..exchanges).zip((0..connections.len()).cycle()) {
        let Some(connection) = connections.get_mut(place) else {
            break;
        };
        time += PACE;
        request.clear();
        write!(
            request,
            "GET /v1/widgets/{number} HTTP/1.1\r\nHost: api.example\r\nUser-Agent: client/1.0\r\nAccept: */*\r\nX-Api-Key: {}\r\n\r\n",
            connection.key
        )?;
        connection.packet(out, time, false, PSH | ACK, &request)?;
        connection.packet(out, time + 800_000, true, PSH | ACK, response.as_bytes())?;
    }
    Ok(())
}

impl Connection {
    /// A connection of its own client.
    pub fn new(number: u32) -> Self {
        Self {
            client: ([10, 1, (number >> 8) as u8, number as u8], 40_000),
            key: key(number),
            sent: number.wrapping_mul(77_777),
            answered: number.wrapping_mul(99_999),
        }
    }

    /// Writes its next packet.
    fn packet(
        &mut self,
        out: &mut impl Write,
        time: u64,
        from_server: bool,
        flags: u8,
        payload: &[u8],
    ) -> io::Result<()> {
        let frame = self.frame(from_server, flags, payload);
        let stamp = [
            (time / 1_000_000_000) as u32,
            (time % 1_000_000_000) as u32,
            frame.len() as u32,
            frame.len() as u32,
        ];
        for word in stamp {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&frame)
    }

    /// Its next packet. The checksums are left at zero, as send offload leaves them.
    pub fn frame(&mut self, from_server: bool, flags: u8, payload: &[u8]) -> Vec<u8> {
        let (from, to, sequence, acknowledgement) = if from_server {
            (SERVER, self.client, self.answered, self.sent)
        } else {
            (self.client, SERVER, self.sent, self.answered)
        };
        let acknowledgement = if flags & ACK == 0 { 0 } else { acknowledgement };
        let [high, low] = (40 + payload.len() as u16).to_be_bytes();
        let frame = [
            &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0][..],
            &[0x45, 0, high, low, 0, 0, 0x40, 0, 64, 6, 0, 0],
            &from.0,
            &to.0,
            &from.1.to_be_bytes(),
            &to.1.to_be_bytes(),
            &sequence.to_be_bytes(),
            &acknowledgement.to_be_bytes(),
            &[0x50, flags, 0xff, 0xff, 0, 0, 0, 0],
            payload,
        ]
        .concat();
        let next = if from_server {
            &mut self.answered
        } else {
            &mut self.sent
        };
        *next = next.wrapping_add(payload.len() as u32 + u32::from(flags & SYN != 0));
        frame
    }
}
