//! Frames as they are written (RFC 9113 sections 4.1 and 6).

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Of SETTINGS and PING.
pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
/// Of HEADERS.
pub const PRIORITIZED: u8 = 32;

/// What a client says first (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `SETTINGS_HEADER_TABLE_SIZE`
pub const TABLE_SIZE: u16 = 1;

/// How a block is put into frames.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// Octets behind the first fragment.
    pub padding: Option<u8>,
    /// The first frame says what the stream depends on.
    pub prioritized: bool,
    /// Octets of each fragment but the last.
    pub fragments: Vec<usize>,
}

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    let mut bytes = length.to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Content of a stream.
pub fn data(stream: u32, content: &[u8], padding: Option<u8>, end: bool) -> Vec<u8> {
    let (flag, payload) = padded(content.to_vec(), padding);
    frame(DATA, flag | ended(end), stream, &payload)
}

/// A block that opens a stream, or goes on with it.
pub fn headers(stream: u32, block: &[u8], end: bool, shape: &Shape) -> Vec<u8> {
    let before: &[u8] = match shape.prioritized {
        true => &[0, 0, 0, 0, 15],
        false => &[],
    };
    let flags = ended(end) | if shape.prioritized { PRIORITIZED } else { 0 };
    blocked(HEADERS, flags, stream, before, block, shape)
}

/// A block of a request that nobody sent.
pub fn push(stream: u32, promised: u32, block: &[u8], shape: &Shape) -> Vec<u8> {
    blocked(PUSH, 0, stream, &promised.to_be_bytes(), block, shape)
}

/// What a side allows.
pub fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

/// The end of a stream.
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RESET, 0, stream, &code.to_be_bytes())
}

/// The end of a connection, up to a stream.
pub fn goaway(last: u32, code: u32) -> Vec<u8> {
    let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
    frame(GOAWAY, 0, 0, &payload)
}

fn blocked(
    kind: u8,
    flags: u8,
    stream: u32,
    before: &[u8],
    block: &[u8],
    shape: &Shape,
) -> Vec<u8> {
    let (mut rest, mut fragments) = (block, Vec::new());
    for size in &shape.fragments {
        let (fragment, after) = rest.split_at((*size).min(rest.len()));
        fragments.push(fragment);
        rest = after;
    }
    fragments.push(rest);
    let (mut bytes, last) = (Vec::new(), fragments.len() - 1);
    for (at, fragment) in fragments.into_iter().enumerate() {
        let ends = if at == last { END_HEADERS } else { 0 };
        if at == 0 {
            let (flag, payload) = padded([before, fragment].concat(), shape.padding);
            bytes.extend(frame(kind, flags | flag | ends, stream, &payload));
        } else {
            bytes.extend(frame(CONTINUATION, ends, stream, fragment));
        }
    }
    bytes
}

fn ended(end: bool) -> u8 {
    if end { END_STREAM } else { 0 }
}

fn padded(payload: Vec<u8>, padding: Option<u8>) -> (u8, Vec<u8>) {
    let Some(padding) = padding else {
        return (0, payload);
    };
    let mut padded = vec![padding];
    padded.extend(payload);
    padded.resize(padded.len() + usize::from(padding), 0);
    (PADDED, padded)
}
