//! Records put together from segments (RFC 8446 section 5.1).

use std::borrow::Cow;

use super::protection::{BODY, HEADER};
use crate::flow::Seen;

/// A record, and when it was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub header: [u8; HEADER],
    pub body: &'a [u8],
    /// Of the segment that carried its first byte.
    pub first: Seen,
    /// Bytes of it in that segment.
    pub first_length: usize,
    /// Of the segment that carried its last byte.
    pub last: Seen,
    /// Stream offset right after it.
    pub end: u64,
}

/// A record as it was put together.
#[derive(Debug)]
pub(super) struct Raw<'a> {
    pub bytes: Cow<'a, [u8]>,
    pub first: Seen,
    pub first_length: usize,
}

/// The beginning of a record whose end was not seen yet.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    bytes: Vec<u8>,
    begun: Option<(Seen, usize)>,
}

/// Bytes that begin no record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoRecord;

impl Assembly {
    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether there is the beginning of a record.
    pub fn is_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Forgets the beginning; returns how many bytes it had.
    pub fn abandon(&mut self) -> usize {
        self.begun = None;
        std::mem::take(&mut self.bytes).len()
    }

    /// The next record that ends in `rest`, which goes on behind it. What is left of `rest` without one waits.
    pub fn next<'a>(
        &mut self,
        rest: &mut &'a [u8],
        seen: Seen,
    ) -> Result<Option<Raw<'a>>, NoRecord> {
        if self.bytes.is_empty() {
            if let Some(length) = length(rest)?
                && let Some((record, after)) = rest.split_at_checked(length)
            {
                *rest = after;
                return Ok(Some(Raw {
                    bytes: Cow::Borrowed(record),
                    first: seen,
                    first_length: length,
                }));
            }
            self.begun = Some((seen, rest.len()));
        }
        if self.bytes.len() < HEADER {
            self.take(rest, HEADER);
        }
        let Some(length) = length(&self.bytes)? else {
            return Ok(None);
        };
        self.bytes.reserve_exact(length - self.bytes.len());
        self.take(rest, length);
        if self.bytes.len() < length {
            return Ok(None);
        }
        let (first, first_length) = self.begun.take().unwrap_or((seen, length));
        Ok(Some(Raw {
            bytes: Cow::Owned(std::mem::take(&mut self.bytes)),
            first,
            first_length: first_length.min(length),
        }))
    }

    /// Takes bytes until there are `wanted`.
    fn take(&mut self, rest: &mut &[u8], wanted: usize) {
        let missing = wanted.saturating_sub(self.bytes.len()).min(rest.len());
        if let Some((taken, after)) = rest.split_at_checked(missing) {
            self.bytes.extend_from_slice(taken);
            *rest = after;
        }
    }
}

/// Bytes of the record that begins here, as far as its header was seen.
pub(super) fn length(bytes: &[u8]) -> Result<Option<usize>, NoRecord> {
    let Some([kind, major, minor, high, low]) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let body = usize::from(u16::from_be_bytes([*high, *low]));
    let is_one =
        matches!(kind, 20..=23) && *major == 3 && *minor <= 4 && (1..=BODY).contains(&body);
    is_one.then_some(Some(HEADER + body)).ok_or(NoRecord)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: u64) -> Seen {
        Seen { time, acked: None }
    }

    #[test]
    fn records_are_the_same_however_they_are_cut() {
        let mut stream = Vec::new();
        for (number, length) in [1_u16, 300, 40, 7].into_iter().enumerate() {
            stream.extend([23, 3, 3]);
            stream.extend(length.to_be_bytes());
            stream.resize(stream.len() + usize::from(length), number as u8);
        }
        for size in 1..=stream.len() {
            let (mut assembly, mut lengths) = (Assembly::default(), Vec::new());
            for (time, mut piece) in (0..).zip(stream.chunks(size)) {
                while let Some(raw) = assembly.next(&mut piece, at(time)).unwrap() {
                    lengths.push(raw.bytes.len());
                    assert!(raw.first.time <= time);
                    assert_eq!(raw.first_length == raw.bytes.len(), raw.first.time == time);
                }
                assert!(piece.is_empty());
            }
            assert_eq!(lengths, [6, 305, 45, 12], "in pieces of {size}");
            assert_eq!(assembly.heap_bytes(), 0);
        }
    }

    #[test]
    fn what_begins_no_record_says_so() {
        for bytes in [
            &b"HTTP/1.1 400"[..],
            &[23, 3, 3, 0xff, 0xff, 0],
            &[23, 3, 3, 0, 0],
            &[24, 3, 3, 0, 9],
        ] {
            for cut in 0..bytes.len() {
                let mut assembly = Assembly::default();
                let (mut one, mut two) = bytes.split_at(cut);
                let first = assembly.next(&mut one, at(0)).map(|_| ());
                let second = first.and_then(|()| assembly.next(&mut two, at(1)).map(|_| ()));
                assert_eq!(second, Err(NoRecord), "{bytes:?}");
            }
        }
    }
}
