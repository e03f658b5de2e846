//! A flood that a daemon cannot keep up with: a capture of whole connections, sent again and again with other addresses.
//!
//! Every request and every response is a segment of its own, so that what was sent is known in exchanges, segments and bytes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;

use crate::namespace::Namespace;
use crate::process::Process;

/// Connections of the capture.
const CONNECTIONS: u32 = 200;
/// Exchanges on each.
const EXCHANGES: u32 = 50;
const REQUEST: &[u8] =
    b"GET /v1/widgets/42 HTTP/1.1\r\nHost: api.example\r\nX-API-Key: sk_live_flood\r\n\r\n";
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"id\": 42}\n";
const FIN: u8 = 1;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets of any kind.
    pub packets: u64,
    /// Exchanges.
    pub exchanges: u64,
    /// Segments with payload.
    pub segments: u64,
    /// Their payload bytes.
    pub bytes: u64,
}

/// Writes the capture (pcap, Ethernet).
///
/// # Panics
/// When it cannot be written.
pub fn write(to: &Path) -> Sent {
    let file = File::create(to).expect("making the capture");
    let mut out = BufWriter::new(file);
    let mut sent = Sent::default();
    let mut put = |bytes: &[u8]| out.write_all(bytes).expect("writing the capture");
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1] {
        put(&word.to_le_bytes());
    }
    let mut packet = |frame: Vec<u8>| {
        for word in [0, 0, frame.len() as u32, frame.len() as u32] {
            put(&u32::to_le_bytes(word));
        }
        put(&frame);
        sent.packets += 1;
    };
    let mut flows: Vec<Flow> = (0..CONNECTIONS).map(Flow::new).collect();
    for flow in &mut flows {
        packet(flow.frame(false, SYN, b""));
        packet(flow.frame(true, SYN | ACK, b""));
    }
    for _ in 0..EXCHANGES {
        for flow in &mut flows {
            packet(flow.frame(false, ACK, REQUEST));
            packet(flow.frame(true, ACK, RESPONSE));
        }
    }
    for flow in &mut flows {
        packet(flow.frame(false, FIN | ACK, b""));
        packet(flow.frame(true, FIN | ACK, b""));
    }
    sent.exchanges = u64::from(CONNECTIONS * EXCHANGES);
    sent.segments = 2 * sent.exchanges;
    sent.bytes = sent.exchanges * (REQUEST.len() + RESPONSE.len()) as u64;
    sent
}

/// Sends the capture from an interface so often, as fast as it goes, each time with other addresses.
pub fn send(namespace: &Namespace, interface: &str, capture: &Path, times: u64) -> Process {
    let mut command = namespace.command("tcpreplay");
    command
        .args(["--preload-pcap", "--topspeed", "--unique-ip", "--quiet"])
        .args(["--loop", &times.to_string(), "--intf1", interface])
        .arg(capture)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Process::start(&mut command)
}

struct Flow {
    number: u32,
    sent: u32,
    answered: u32,
}

impl Flow {
    fn new(number: u32) -> Self {
        Self {
            number,
            sent: number.wrapping_mul(77_777),
            answered: number.wrapping_mul(99_999),
        }
    }

    fn frame(&mut self, from_server: bool, flags: u8, payload: &[u8]) -> Vec<u8> {
        let port = (40_000 + self.number as u16).to_be_bytes();
        let client = ([10, 1, 0, 1], port);
        let server = ([10, 2, 0, 1], 8080_u16.to_be_bytes());
        let (from, to, sequence, acknowledgement) = if from_server {
            (server, client, self.answered, self.sent)
        } else {
            (client, server, self.sent, self.answered)
        };
        let acknowledgement = if flags & ACK == 0 { 0 } else { acknowledgement };
        let frame = [
            &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0][..],
            &[0x45, 0],
            &(40 + payload.len() as u16).to_be_bytes(),
            &[0, 0, 0x40, 0, 64, 6, 0, 0],
            &from.0,
            &to.0,
            &from.1,
            &to.1,
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
        *next = next.wrapping_add(payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0));
        frame
    }
}
