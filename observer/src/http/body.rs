//! A message body being passed over: where it ends, and how much of it is content (RFC 9112 sections 6 and 7).
//!
//! Invariant: never looks at content, so that holes of any length inside it are harmless.

use super::Malformed;
use serde::{Deserialize, Serialize};

/// What is left of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Body {
    /// Content-Length: `left` bytes more.
    Fixed { left: u64 },
    /// Ends when its sender closes.
    UntilClose,
    /// Inside a chunk-size line, of which `line` bytes were seen.
    Size {
        size: u64,
        line: u16,
        part: SizePart,
    },
    /// Inside a chunk.
    Chunk { left: u64 },
    /// Before the CR LF that ends a chunk.
    ChunkEnd { carriage: bool },
    /// Inside the trailer section, of which `seen` bytes were seen.
    Trailers { seen: u32, line: Line },
}

/// Where a chunk-size line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SizePart {
    Digits,
    /// Blanks and extensions, which are ignored (RFC 9112 section 7.1.1).
    Extension,
    Carriage,
}

/// Where a trailer line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Line {
    Empty,
    EmptyCarriage,
    Text,
    TextCarriage,
}

/// How far [`Body::take`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// All bytes, and the body goes on.
    More,
    /// To the body's end, after so many bytes.
    Done { bytes: usize },
    /// It cannot be known where the body goes on.
    Broken(Malformed),
}

/// Digits of a chunk size, leading zeros included; 16 are enough for 64 bits.
const SIZE_DIGITS: u16 = 64;
/// A chunk-size line with its extensions.
const SIZE_LINE_BYTES: u16 = 64 + 4096;

impl Body {
    /// The beginning of a chunked body.
    pub fn chunked() -> Self {
        Self::Size {
            size: 0,
            line: 0,
            part: SizePart::Digits,
        }
    }

    /// Passes over bytes. `content` grows by what is left of them without framing. Trailers are bounded by `limit`.
    pub fn take(&mut self, bytes: &[u8], limit: usize, content: &mut u64) -> Taken {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let length = rest.len() as u64;
            match self {
                Self::UntilClose => {
                    *content += length;
                    return Taken::More;
                }
                Self::Fixed { left } | Self::Chunk { left } => {
                    let taken = length.min(*left);
                    *left -= taken;
                    *content += taken;
                    at += taken as usize;
                    if *left > 0 {
                        return Taken::More;
                    }
                    if matches!(self, Self::Fixed { .. }) {
                        return Taken::Done { bytes: at };
                    }
                    *self = Self::ChunkEnd { carriage: false };
                }
                Self::Trailers { seen, line } => {
                    let end = trailers(rest, line);
                    let length = end.map_or(rest.len(), |(length, _)| length);
                    *seen = seen.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
                    if *seen as usize > limit {
                        return Taken::Broken(Malformed::HeadTooLong);
                    }
                    let Some((_, end)) = end else {
                        return Taken::More;
                    };
                    return match end {
                        Ok(()) => Taken::Done { bytes: at + length },
                        Err(reason) => Taken::Broken(reason),
                    };
                }
                Self::Size { .. } | Self::ChunkEnd { .. } => {
                    let Some(&byte) = rest.first() else {
                        return Taken::More;
                    };
                    if let Err(reason) = self.framing(byte) {
                        return Taken::Broken(reason);
                    }
                    at += 1;
                }
            }
        }
        Taken::More
    }

    /// Passes over at most `length` bytes that nobody saw: how many of them are certainly content, and whether
    /// the body ends with them.
    pub fn skip(&mut self, length: u64) -> (u64, bool) {
        match self {
            Self::UntilClose => (length, false),
            Self::Fixed { left } | Self::Chunk { left } => {
                let taken = length.min(*left);
                *left -= taken;
                let over = *left == 0;
                if over && matches!(self, Self::Chunk { .. }) {
                    *self = Self::ChunkEnd { carriage: false };
                    return (taken, false);
                }
                (taken, over)
            }
            Self::Size { .. } | Self::ChunkEnd { .. } | Self::Trailers { .. } => (0, false),
        }
    }

    /// How many bytes from here are certainly content; `u64::MAX` until the close.
    pub fn content_ahead(&self) -> u64 {
        match self {
            Self::UntilClose => u64::MAX,
            Self::Fixed { left } | Self::Chunk { left } => *left,
            Self::Size { .. } | Self::ChunkEnd { .. } | Self::Trailers { .. } => 0,
        }
    }

    /// One byte of a chunk-size line or of the line end after a chunk.
    fn framing(&mut self, byte: u8) -> Result<(), Malformed> {
        match self {
            Self::ChunkEnd { carriage } => match (*carriage, byte) {
                (false, b'\r') => *carriage = true,
                (true, b'\n') => *self = Self::chunked(),
                (false, b'\n') => return Err(Malformed::BareLineFeed),
                _ => return Err(Malformed::ChunkSize),
            },
            Self::Size { size, line, part } => {
                *line += 1;
                if *line > SIZE_LINE_BYTES {
                    return Err(Malformed::ChunkSize);
                }
                match (&part, byte) {
                    (SizePart::Carriage, b'\n') => *self = Self::after_size(*size),
                    (SizePart::Carriage, _) => return Err(Malformed::ChunkSize),
                    (_, b'\n') => return Err(Malformed::BareLineFeed),
                    (SizePart::Digits, b'\r' | b';' | b' ' | b'\t') if *line == 1 => {
                        return Err(Malformed::ChunkSize);
                    }
                    (_, b'\r') => *part = SizePart::Carriage,
                    (SizePart::Extension, _) => {}
                    (SizePart::Digits, b';' | b' ' | b'\t') => *part = SizePart::Extension,
                    (SizePart::Digits, _) => {
                        let digit = char::from(byte).to_digit(16).ok_or(Malformed::ChunkSize)?;
                        // The top bit stays free: sums of sizes and offsets cannot wrap.
                        if *line > SIZE_DIGITS || *size >> 59 != 0 {
                            return Err(Malformed::ChunkSize);
                        }
                        *size = *size << 4 | u64::from(digit);
                    }
                }
            }
            Self::Fixed { .. } | Self::UntilClose | Self::Chunk { .. } | Self::Trailers { .. } => {}
        }
        Ok(())
    }

    fn after_size(size: u64) -> Self {
        if size == 0 {
            Self::Trailers {
                seen: 0,
                line: Line::Empty,
            }
        } else {
            Self::Chunk { left: size }
        }
    }
}

/// Length up to the end of the trailer section, if it ends in these bytes.
fn trailers(bytes: &[u8], line: &mut Line) -> Option<(usize, Result<(), Malformed>)> {
    for (index, byte) in bytes.iter().enumerate() {
        *line = match (*line, byte) {
            (Line::EmptyCarriage, b'\n') => return Some((index + 1, Ok(()))),
            (Line::Empty, b'\r') => Line::EmptyCarriage,
            (Line::TextCarriage, b'\n') => Line::Empty,
            (Line::Empty | Line::Text, b'\n') => {
                return Some((index, Err(Malformed::BareLineFeed)));
            }
            (Line::EmptyCarriage | Line::TextCarriage, _) => {
                return Some((index, Err(Malformed::Head)));
            }
            (Line::Text, b'\r') => Line::TextCarriage,
            (Line::Empty | Line::Text, _) => Line::Text,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked(text: &[u8]) -> (Taken, u64) {
        let (mut body, mut content) = (Body::chunked(), 0);
        (body.take(text, 1024, &mut content), content)
    }

    #[test]
    fn chunks_end_after_their_trailers() {
        for (text, expected, content) in [
            (
                &b"5\r\nhello\r\n0\r\n\r\nGET"[..],
                Taken::Done { bytes: 15 },
                5,
            ),
            (b"0\r\n\r\n", Taken::Done { bytes: 5 }, 0),
            (
                b"00a;q=\"x\"\r\n0123456789\r\n0\r\nA: b\r\nC: d\r\n\r\n",
                Taken::Done { bytes: 40 },
                10,
            ),
            (b"3 \r\nabc\r\n000\r\n\r\n", Taken::Done { bytes: 16 }, 3),
            (b"5\r\nhel", Taken::More, 3),
            (b"\r\n", Taken::Broken(Malformed::ChunkSize), 0),
            (b"5\nhello", Taken::Broken(Malformed::BareLineFeed), 0),
            (b"x\r\n", Taken::Broken(Malformed::ChunkSize), 0),
            (b"-1\r\n", Taken::Broken(Malformed::ChunkSize), 0),
            (b"0x5\r\n", Taken::Broken(Malformed::ChunkSize), 0),
            (
                b"8000000000000000\r\n",
                Taken::Broken(Malformed::ChunkSize),
                0,
            ),
            (
                b"fffffffffffffffff\r\n",
                Taken::Broken(Malformed::ChunkSize),
                0,
            ),
            (b"2\r\nhello\r\n", Taken::Broken(Malformed::ChunkSize), 2),
            (b"2\r\nhe\n0\r\n", Taken::Broken(Malformed::BareLineFeed), 2),
            (b"0\r\n\n", Taken::Broken(Malformed::BareLineFeed), 0),
            (b"0\r\n\rx", Taken::Broken(Malformed::Head), 0),
        ] {
            assert_eq!(
                chunked(text),
                (expected, content),
                "{:?}",
                String::from_utf8_lossy(text)
            );
        }
    }

    #[test]
    fn lines_of_framing_are_bounded() {
        let extension = [b"1;".as_slice(), &[b'x'; 5000], b"\r\n"].concat();
        assert_eq!(chunked(&extension).0, Taken::Broken(Malformed::ChunkSize));
        assert_eq!(chunked(&[b'0'; 80]).0, Taken::Broken(Malformed::ChunkSize));
        let trailers = [b"0\r\nA: ".as_slice(), &[b'x'; 2000]].concat();
        assert_eq!(chunked(&trailers).0, Taken::Broken(Malformed::HeadTooLong));
        // The same where their end is in the same segment.
        let whole = [trailers.as_slice(), b"\r\n\r\n"].concat();
        assert_eq!(chunked(&whole).0, Taken::Broken(Malformed::HeadTooLong));
    }

    #[test]
    fn a_hole_inside_a_chunk_is_content() {
        let (mut body, mut content) = (Body::chunked(), 0);
        assert_eq!(body.take(b"ffff\r\nabc", 1024, &mut content), Taken::More);
        assert_eq!(body.skip(10), (10, false));
        assert_eq!(body.skip(1 << 40), (0xffff - 13, false));
        assert_eq!(body.skip(1), (0, false));
        assert_eq!(
            body.take(b"\r\n0\r\n\r\n", 1024, &mut content),
            Taken::Done { bytes: 7 }
        );
    }
}
