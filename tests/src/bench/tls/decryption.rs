//! How fast the observer's session decrypts: one connection with a large answer, all of it in memory.

use std::iter;
use std::sync::{Arc, Mutex};

use observer::flow::Seen;
use observer::tls::secrets::{Bounds, Material, Secrets, read_line};
use observer::tls::{Inputs, Limits, Plain, Session, Side, Terms};
use rustix::time::{ClockId, clock_gettime};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection, KeyLog, ServerConnection};

use super::ends::Identity;
use crate::figures::{Floor, Table, median};
use crate::lab::{Failure, failed};

/// Bytes of a full record's content (RFC 8446 section 5.1).
const CONTENT: usize = 1 << 14;
/// Such records in the answer: 64 MiB.
const RECORDS: usize = 1 << 12;
/// Passes over it, of which the median counts.
const PASSES: usize = 9;
/// Payload of a segment on Ethernet, with timestamps.
const SEGMENT: usize = 1448;
/// As much as a segment holds when the network card cuts it (`GSO_LEGACY_MAX_SIZE`), less its headers.
const LARGE_SEGMENT: usize = 65_483;

/// What the two said on the wire, and their secrets.
struct Heard {
    said: Vec<(Side, Vec<u8>)>,
    secrets: Secrets,
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<String>>);

impl KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes| data_encoding::HEXLOWER.encode(bytes);
        let line = format!("{label} {} {}", hex(client_random), hex(secret));
        if let Ok(mut lines) = self.0.lock() {
            lines.push(line);
        }
    }
}

/// Plaintext of the server: how much, and in a pass that is not timed whether it is the right one.
struct Answer<'a> {
    expected: Option<&'a [u8]>,
    right: usize,
}

impl Plain for Answer<'_> {
    fn agreed(&mut self, _: Terms) {}

    fn data(&mut self, from: Side, _: Seen, _: u64, bytes: &[u8]) {
        if from == Side::Client {
            return;
        }
        let is_right = self.expected.is_none_or(|expected| {
            let there = expected.iter().cycle().skip(self.right % expected.len());
            there.zip(bytes).all(|(one, other)| one == other)
        });
        self.right += if is_right { bytes.len() } else { 0 };
    }

    fn content(&mut self, _: Side, _: Seen, _: u64, _: u64) {}

    fn gap(&mut self, _: Side, _: Seen, _: u64, _: u64) {}

    fn fin(&mut self, _: Side, _: Seen) {}

    fn half_read(&self, _: Side) -> Option<u64> {
        None
    }

    fn needless_until(&self, _: Side) -> Option<u64> {
        None
    }
}

/// Measures.
pub fn measure(identity: &Identity, table: &mut Table) -> Result<(), Failure> {
    let content: Vec<u8> = (0..CONTENT).map(|place| (place % 251) as u8).collect();
    let heard = talk(identity, &content)?;
    let whole = CONTENT * RECORDS;
    let mut wrong = whole - pass(&heard, SEGMENT, Some(&content))?.0;
    for (segment, name, floor) in [
        (SEGMENT, "tls: decryption, AES-128-GCM", Floor::AtLeast(1.0)),
        (LARGE_SEGMENT, "tls:   of segments of 64 KiB", Floor::None),
    ] {
        let mut rates = Vec::new();
        for number in 1..=PASSES {
            let (right, seconds) = pass(&heard, segment, None)?;
            wrong += whole - right;
            let rate = right as f64 / seconds / 1e9;
            eprintln!("{name}: pass {number}: {rate:.3} GB/s");
            rates.push(rate);
        }
        table.add(name, median(&rates), "GB/s", floor);
    }
    table.add(
        "tls: bytes not decrypted right",
        wrong as f64,
        "",
        Floor::Exactly(0.0),
    );
    Ok(())
}

/// Bytes of the answer that were decrypted right, and the seconds of CPU time that it took.
fn pass(heard: &Heard, segment: usize, expected: Option<&[u8]>) -> Result<(usize, f64), Failure> {
    let mut answer = Answer { expected, right: 0 };
    let mut scratch = Vec::new();
    let limits = Limits {
        waiting_bytes: 1 << 20,
        waiting_time: u64::MAX,
    };
    let mut inputs = Inputs {
        secrets: &heard.secrets,
        limits: &limits,
        scratch: &mut scratch,
        plain: &mut answer,
    };
    let mut session = Session::new();
    let before = cpu_time();
    for (from, bytes) in &heard.said {
        for (time, bytes) in (0..).zip(bytes.chunks(segment)) {
            let seen = Seen { time, acked: None };
            session
                .data(*from, seen, bytes, &mut inputs)
                .map_err(|why| Failure::new("decrypting", format!("{why:?}")))?;
        }
    }
    let seconds = cpu_time() - before;
    Ok((answer.right, seconds))
}

/// Has a client and a server shake hands, and the server answer without having been asked.
fn talk(identity: &Identity, content: &[u8]) -> Result<Heard, Failure> {
    let log = Arc::new(Log::default());
    let mut client = identity.client()?;
    client.key_log = log.clone();
    let name = ServerName::try_from("api.example").map_err(failed("a name"))?;
    let client = ClientConnection::new(Arc::new(client), name).map_err(failed("a client"))?;
    let server = identity.server()?;
    let server = ServerConnection::new(Arc::new(server)).map_err(failed("a server"))?;
    let (mut client, mut server): (Connection, Connection) = (client.into(), server.into());
    let mut said = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        pass_on(Side::Client, &mut client, &mut server, &mut said)?;
        pass_on(Side::Server, &mut server, &mut client, &mut said)?;
    }
    let mut answer = Vec::new();
    for content in iter::repeat_n(content, RECORDS) {
        std::io::Write::write_all(&mut server.writer(), content).map_err(failed("an answer"))?;
        send(&mut server, &mut answer)?;
    }
    said.push((Side::Server, answer));
    let mut secrets = Secrets::new(Bounds {
        connections: 1,
        lifetime: u64::MAX,
    });
    let lines = log.0.lock().map_err(failed("a key log"))?;
    for line in lines.iter() {
        let material: Option<Material> = read_line(line).map_err(failed("a key log"))?;
        material.and_then(|material| secrets.learn(material, 0));
    }
    Ok(Heard { said, secrets })
}

fn pass_on(
    from: Side,
    sender: &mut Connection,
    receiver: &mut Connection,
    said: &mut Vec<(Side, Vec<u8>)>,
) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    send(sender, &mut bytes)?;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        receiver
            .read_tls(&mut rest)
            .map_err(failed("a handshake"))?;
        receiver
            .process_new_packets()
            .map_err(failed("a handshake"))?;
    }
    said.push((from, bytes));
    Ok(())
}

fn send(sender: &mut Connection, to: &mut Vec<u8>) -> Result<(), Failure> {
    while sender.wants_write() {
        sender.write_tls(to).map_err(failed("sending"))?;
    }
    Ok(())
}

/// Seconds of CPU time of this thread.
fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
