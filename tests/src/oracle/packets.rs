//! Packets of a few connections to one server, most of them as TCP sends them, some damaged.

use arbitrary::{Result, Unstructured};
use observer_ebpf::wire::{Link, tcp};

/// A packet with the time and interface at which it was captured.
#[derive(Debug)]
pub struct Frame {
    pub time: u64,
    pub interface: u32,
    pub link: Link,
    pub length: u32,
    pub bytes: Vec<u8>,
}

/// The server, which is this host.
pub const SERVER: [u8; 4] = [192, 0, 2, 1];
const CLIENT: [u8; 4] = [192, 0, 2, 2];

const PIECES: [&str; 12] = [
    "GET /a HTTP/1.1\r\nHost: a\r\nX-API-Key: key-acme\r\n\r\n",
    "GET /b?api_key=key-acme HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer x\r\n\r\n",
    "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789",
    "POST /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the close",
    "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "PROXY TCP4 192.0.2.7 192.0.2.1 5000 80\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03",
    "GET /e HTTP/1.1\r\nX: ",
];

/// What the ends of one connection have sent; client first.
#[derive(Clone, Copy)]
struct Line {
    next: [u32; 2],
}

/// Packets read out of the bytes; fewer when the bytes end.
pub fn read(input: &mut Unstructured<'_>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut lines = [Line {
        next: [7, u32::MAX],
    }; 5];
    let mut time = 1_000_000_000;
    while let Ok(Some(frame)) = one(input, &mut lines, &mut time) {
        frames.push(frame);
    }
    frames
}

fn one(
    input: &mut Unstructured<'_>,
    lines: &mut [Line; 5],
    time: &mut u64,
) -> Result<Option<Frame>> {
    if input.is_empty() {
        return Ok(None);
    }
    let [who, what, how] = input.arbitrary::<[u8; 3]>()?;
    let from_client = who & 1 == 0;
    let number = usize::from(who >> 1) % lines.len();
    let Some(line) = lines.get_mut(number) else {
        return Ok(None);
    };
    let [own, other] = if from_client { [0, 1] } else { [1, 0] };
    *time += match how >> 5 {
        0 => 600_000_000,
        1 => 2_000_000,
        _ => 10_000,
    };
    let payload: Vec<u8> = match what & 31 {
        at @ 0..24 => PIECES[usize::from(at) / 2].into(),
        24..26 => {
            let length = usize::from(input.arbitrary::<u8>()?).min(input.len());
            input.bytes(length)?.to_vec()
        }
        26..28 => vec![b'x'; input.arbitrary::<u16>()?.into()],
        _ => Vec::new(),
    };
    let flags = match what >> 5 {
        0 => tcp::FIN | tcp::ACK,
        1 => input.arbitrary()?,
        2 => tcp::SYN | if from_client { 0 } else { tcp::ACK },
        _ => tcp::ACK,
    };
    let payload = if flags & tcp::SYN != 0 {
        Vec::new()
    } else {
        payload
    };
    let mut sequence = line.next[own];
    let mut acknowledgement = line.next[other];
    match how & 15 {
        // Ahead of what comes next, or again.
        0 | 1 => sequence = sequence.wrapping_add(input.arbitrary::<u8>()?.into()),
        2 | 3 => sequence = sequence.wrapping_sub(input.arbitrary::<u8>()?.into()),
        4 => sequence = input.arbitrary()?,
        5 => acknowledgement = acknowledgement.wrapping_add_signed(input.arbitrary::<i8>()?.into()),
        _ => {
            let counted = payload.len() as u32 + u32::from(flags & (tcp::SYN | tcp::FIN) != 0);
            line.next[own] = sequence.wrapping_add(counted);
        }
    }
    let client = (CLIENT, 40_000 + number as u16);
    let (from, to) = if from_client {
        (client, (SERVER, 80))
    } else {
        ((SERVER, 80), client)
    };
    let mut bytes = vec![0x45, 0];
    bytes.extend((40_u16.wrapping_add(payload.len() as u16)).to_be_bytes());
    bytes.extend([0, 1, 0x40, 0, 64, 6, 0, 0]);
    bytes.extend(from.0);
    bytes.extend(to.0);
    bytes.extend(from.1.to_be_bytes());
    bytes.extend(to.1.to_be_bytes());
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(acknowledgement.to_be_bytes());
    bytes.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend(&payload);
    let length = bytes.len() as u32;
    match what >> 5 {
        3 => bytes.truncate(input.arbitrary::<u8>()?.into()),
        4 => {
            let [at, value] = input.arbitrary::<[u8; 2]>()?;
            let at = usize::from(at) % bytes.len();
            bytes[at] = value;
        }
        _ => {}
    }
    Ok(Some(Frame {
        time: *time,
        interface: 1 + u32::from(how >> 4 & 1),
        link: Link::Ip,
        length,
        bytes,
    }))
}
