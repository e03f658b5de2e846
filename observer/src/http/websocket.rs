//! Frames of a WebSocket (RFC 6455 section 5.2), counted as they pass: contents are not looked at, but for why it was closed.

use serde::{Deserialize, Serialize};

use super::Side;

/// The longest header, and the code that a Close frame begins with.
const HEADER: usize = 16;
/// `%x8 denotes a connection close`
const CLOSE: u8 = 8;

/// What passed through a WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebSocket {
    /// Frames of the client; `None`: how many is not known.
    pub requests: Option<u64>,
    /// Frames of the server.
    pub responses: Option<u64>,
    /// The code that was given first when it was closed (RFC 6455 section 7.4); 1005: there was none.
    pub close: Option<u16>,
}

/// Both directions of a WebSocket.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Frames {
    client: Direction,
    server: Direction,
    close: Option<u16>,
}

/// Where one direction stands.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Direction {
    count: u64,
    header: [u8; HEADER],
    /// Bytes of the header that were seen.
    have: usize,
    /// Bytes of the payload that are to come.
    left: u64,
    /// Where a frame begins is not known any more.
    lost: bool,
}

impl Frames {
    /// Takes bytes of one side.
    pub fn take(&mut self, from: Side, bytes: &[u8]) {
        let close = self.direction_mut(from).take(bytes);
        self.close = self.close.or(close);
    }

    /// As many bytes of one side were not seen.
    pub fn skip(&mut self, from: Side, bytes: u64) {
        let direction = self.direction_mut(from);
        direction.lost |= bytes > direction.left;
        direction.left = direction.left.saturating_sub(bytes);
    }

    /// Bytes of one side that are to come and need not be seen.
    pub fn needless(&self, from: Side) -> Option<u64> {
        let direction = match from {
            Side::Client => &self.client,
            Side::Server => &self.server,
        };
        if direction.lost {
            return Some(u64::MAX);
        }
        Some(direction.left).filter(|left| *left > 0)
    }

    /// What passed by now.
    pub fn counts(&self) -> WebSocket {
        let count = |direction: &Direction| (!direction.lost).then_some(direction.count);
        WebSocket {
            requests: count(&self.client),
            responses: count(&self.server),
            close: self.close,
        }
    }

    fn direction_mut(&mut self, from: Side) -> &mut Direction {
        match from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

impl Direction {
    /// Takes the next bytes; the code of a Close frame among them.
    fn take(&mut self, mut bytes: &[u8]) -> Option<u16> {
        let mut close = None;
        while !bytes.is_empty() && !self.lost {
            let inside = usize::try_from(self.left).unwrap_or(usize::MAX);
            let payload = bytes.len().min(inside);
            self.left -= payload as u64;
            bytes = bytes.get(payload..).unwrap_or_default();
            let Some((first, rest)) = bytes.split_first() else {
                break;
            };
            if let Some(place) = self.header.get_mut(self.have) {
                *place = *first;
            }
            (self.have, bytes) = (self.have + 1, rest);
            if let Some((left, code)) = self.read() {
                (self.have, self.left, self.count) = (0, left, self.count + 1);
                close = close.or(code);
            }
        }
        close
    }

    /// Payload that is to come, and the code of a Close frame, once the header is whole.
    fn read(&self) -> Option<(u64, Option<u16>)> {
        let header = self.header.get(..self.have)?;
        let [first, second, rest @ ..] = header else {
            return None;
        };
        let (length, rest) = match second & 0x7f {
            126 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                (u64::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk::<8>()?;
                (u64::from_be_bytes(*length), rest)
            }
            length => (u64::from(length), rest),
        };
        let (mask, rest) = if second & 0x80 != 0 {
            let (mask, rest) = rest.split_first_chunk::<4>()?;
            ([mask[0], mask[1]], rest)
        } else {
            ([0; 2], rest)
        };
        if first & 0xf != CLOSE {
            return Some((length, None));
        }
        if length < 2 {
            // No code is a code (section 7.4.1).
            return Some((length, Some(1005)));
        }
        let [high, low] = *rest.first_chunk::<2>()?;
        let code = u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]);
        Some((length - 2, Some(code)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with a payload of so many bytes, masked or not.
    fn frame(opcode: u8, payload: &[u8], masked: bool) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        let bit = if masked { 0x80 } else { 0 };
        match payload.len() {
            length @ 0..=125 => frame.push(bit | length as u8),
            length @ 126..=0xffff => {
                frame.push(bit | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(bit | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        let mask = [0x11, 0x22, 0x33, 0x44];
        if masked {
            frame.extend(mask);
        }
        let mask = |(at, byte): (usize, &u8)| if masked { byte ^ mask[at % 4] } else { *byte };
        frame.extend(payload.iter().enumerate().map(mask));
        frame
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        for masked in [false, true] {
            let mut stream = Vec::new();
            for length in [0, 1, 125, 126, 300, 70_000] {
                stream.extend(frame(2, &vec![8; length], masked));
            }
            stream.extend(frame(CLOSE, b"\x03\xe9going away", masked));
            for size in [1, 2, 3, 7, 1_000, stream.len()] {
                let mut frames = Frames::default();
                let pieces = stream.chunks(size);
                pieces.for_each(|piece| frames.take(Side::Client, piece));
                let counts = frames.counts();
                assert_eq!((counts.requests, counts.close), (Some(7), Some(1001)));
                assert_eq!(frames.needless(Side::Client), None);
            }
        }
    }

    #[test]
    fn payload_need_not_be_seen_and_what_else_is_missing_ends_the_count() {
        let mut frames = Frames::default();
        let whole = frame(2, &[0; 1_000], false);
        frames.take(Side::Server, &whole[..10]);
        assert_eq!(frames.needless(Side::Server), Some(994));
        frames.skip(Side::Server, 994);
        frames.take(Side::Server, &frame(CLOSE, b"", false));
        let counts = frames.counts();
        assert_eq!((counts.responses, counts.close), (Some(2), Some(1005)));
        frames.skip(Side::Server, 1);
        assert_eq!(frames.counts().responses, None);
        assert_eq!(frames.needless(Side::Server), Some(u64::MAX));
    }
}
