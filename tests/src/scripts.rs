//! Conversations of every kind that tracking tells apart, as they pass an interface: cut, lost, late and repeated.

use observer_ebpf::wire::tcp;

use crate::frames::{Connection, Random, Sent};

/// The largest segment.
const SEGMENT: usize = 1400;

/// The segments of one connection, in the order in which they are seen.
pub fn any(random: &mut Random) -> (Connection, Vec<Sent>) {
    let mut connection = Connection {
        v6: random.percent(50),
        // Few enough that names are used again.
        client_port: 40_000 + random.below(60) as u16,
        next: [random.any() as u32, random.any() as u32],
    };
    let mut sent = Vec::new();
    if random.percent(80) {
        sent.push(connection.send(false, tcp::SYN, b""));
        sent.push(connection.send(true, tcp::SYN | tcp::ACK, b""));
        sent.push(connection.send(false, tcp::ACK, b""));
    }
    match random.below(10) {
        0..=2 => sealed(
            &mut connection,
            &mut sent,
            &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0],
            random,
        ),
        3 => sealed(
            &mut connection,
            &mut sent,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            random,
        ),
        4 => opaque(&mut connection, &mut sent, random),
        _ => http(&mut connection, &mut sent, random),
    }
    match random.below(4) {
        0 => sent.push(connection.send(random.percent(50), tcp::RST | tcp::ACK, b"")),
        1 => {}
        _ => {
            let first = random.percent(50);
            sent.push(connection.send(first, tcp::FIN | tcp::ACK, b"last"));
            sent.push(connection.send(!first, tcp::FIN | tcp::ACK, b""));
            sent.push(connection.send(first, tcp::ACK, b""));
        }
    }
    disturb(&mut sent, random);
    (connection, sent)
}

fn http(connection: &mut Connection, sent: &mut Vec<Sent>, random: &mut Random) {
    if random.percent(10) {
        let header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
        sent.push(connection.send(false, tcp::ACK, header));
    }
    for number in 0..1 + random.below(4) {
        let upload = large(random) / 4;
        let request = format!(
            "PUT /v1/widgets/{number} HTTP/1.1\r\nHost: a\r\nContent-Length: {upload}\r\n\r\n"
        );
        say(connection, sent, random, false, &request, upload);
        let download = large(random);
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {download}\r\n\r\n");
        say(connection, sent, random, true, &response, download);
    }
}

/// Length of a body: often none, sometimes long enough for hints to be looked for.
fn large(random: &mut Random) -> usize {
    match random.below(4) {
        0 | 1 => 0,
        2 => random.below(4000),
        _ => random.below(60_000),
    }
}

/// A message, cut anywhere.
fn say(
    connection: &mut Connection,
    sent: &mut Vec<Sent>,
    random: &mut Random,
    from_server: bool,
    head: &str,
    body: usize,
) {
    let mut bytes = head.as_bytes().to_vec();
    bytes.resize(bytes.len() + body, b'x');
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let most = if random.percent(10) { 20 } else { SEGMENT };
        let (segment, behind) = rest.split_at(rest.len().min(1 + random.below(most)));
        sent.push(connection.send(from_server, tcp::ACK, segment));
        if random.percent(30) {
            sent.push(connection.send(!from_server, tcp::ACK, b""));
        }
        rest = behind;
    }
}

fn sealed(connection: &mut Connection, sent: &mut Vec<Sent>, start: &[u8], random: &mut Random) {
    sent.push(connection.send(false, tcp::ACK, start));
    for turn in 0..6 {
        let mut bytes = b"GET / HTTP/1.1\r\n\r\n".to_vec();
        bytes.resize(bytes.len() + random.below(SEGMENT), 0);
        sent.push(connection.send(turn % 2 == 0, tcp::ACK, &bytes));
    }
}

fn opaque(connection: &mut Connection, sent: &mut Vec<Sent>, random: &mut Random) {
    for turn in 0..24 {
        let length = 1 + random.below(2800);
        let mut bytes = random.bytes(length);
        bytes[0] |= 0x80;
        sent.push(connection.send(turn % 3 == 0, tcp::ACK, &bytes));
    }
    if random.percent(50) {
        http(connection, sent, random);
    }
}

/// Loses, repeats and swaps segments.
fn disturb(sent: &mut Vec<Sent>, random: &mut Random) {
    if random.percent(50) {
        return;
    }
    for _ in 0..1 + sent.len() / 10 {
        let place = random.below(sent.len());
        match random.below(3) {
            0 => drop(sent.remove(place)),
            1 => {
                let again = sent[place].clone();
                let later = (place + 1 + random.below(5)).min(sent.len());
                sent.insert(later, again);
            }
            _ => {
                let other = (place + 1).min(sent.len() - 1);
                sent.swap(place, other);
            }
        }
        if sent.is_empty() {
            return;
        }
    }
}
