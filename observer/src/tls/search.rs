//! Finding the next record after bytes were lost.
//!
//! A place is taken only where a record opens there: which number it has is found by trying those that may have been lost,
//! and one that is not the right one does not open. Bounded in bytes kept and in bytes tried.

use super::framing;
use super::protection::{APPLICATION_DATA, BODY, HEADER, Keys};

/// Bytes kept: one record that is still to end, and another.
const KEPT: usize = 2 * (HEADER + BODY);
/// Places that may begin a record, of which the end was not seen yet.
const PLACES: usize = 16;
/// Bytes of records opened on trial after one loss.
const EFFORT: usize = 4 << 20;
/// Records that may have been lost at once.
const NUMBERS: u64 = 1 << 14;
/// What opening costs beside its bytes, in bytes.
const TRIAL: usize = 64;

/// A search that goes on until a record is found.
#[derive(Debug, Default)]
pub(super) struct Search {
    bytes: Vec<u8>,
    /// Bytes that were looked through for places.
    looked: usize,
    places: Vec<usize>,
    /// Bytes that were lost, or thrown away.
    lost: u64,
    effort: usize,
}

/// Where a record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes before it.
    pub at: usize,
    /// Its number.
    pub sequence: u64,
    /// It needs the keys of the next generation.
    pub updated: bool,
}

/// How far a search came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Found(Found),
    /// So many bytes at the beginning are no use.
    Discard(usize),
    /// Nothing more is tried.
    GivenUp,
}

impl Search {
    /// So many bytes more were lost; what was kept before goes with them.
    pub fn lose(&mut self, length: u64) -> usize {
        let kept = std::mem::take(&mut self.bytes).len();
        self.lost = self.lost.saturating_add(length + kept as u64);
        (self.looked, self.places) = (0, Vec::new());
        kept
    }

    /// A search that goes on after a restart: so many bytes were lost before.
    pub fn restored(lost: u64) -> Self {
        Self {
            lost,
            ..Self::default()
        }
    }

    /// Bytes that were lost, or thrown away.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Bytes kept.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.places.capacity() * size_of::<usize>()
    }

    /// What was kept, from a place on.
    pub fn into_bytes(self, at: usize) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.drain(..at.min(bytes.len()));
        bytes
    }

    /// Takes the next bytes. `next`: keys after an update that may be among what was lost.
    pub fn push(
        &mut self,
        bytes: &[u8],
        keys: &Keys,
        next: Option<&Keys>,
        scratch: &mut Vec<u8>,
    ) -> Progress {
        self.bytes.extend_from_slice(bytes);
        self.look();
        let places = std::mem::take(&mut self.places);
        for at in places {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let Ok(Some(length)) = framing::length(rest) else {
                continue;
            };
            let Some((header, body)) = rest
                .get(..length)
                .and_then(|record| record.split_first_chunk::<HEADER>())
            else {
                self.places.push(at);
                continue;
            };
            let most = self.lost / (HEADER + keys.overhead()) as u64 + 1;
            let most = most.min(NUMBERS);
            let old = (0..=most).map(|more| (keys, keys.sequence.saturating_add(more), false));
            let new = next
                .into_iter()
                .flat_map(|next| (0..=most).map(move |number| (next, number, true)));
            for (keys, sequence, updated) in old.chain(new) {
                self.effort = self.effort.saturating_add(length + TRIAL);
                if self.effort > EFFORT {
                    return Progress::GivenUp;
                }
                if keys.open(sequence, *header, body, scratch).is_some() {
                    return Progress::Found(Found {
                        at,
                        sequence,
                        updated,
                    });
                }
            }
        }
        let needed = self.places.first().copied().unwrap_or(self.looked);
        if self.bytes.len() - needed.min(self.bytes.len()) > KEPT {
            return Progress::GivenUp;
        }
        Progress::Discard(needed)
    }

    /// Throws bytes at the beginning away.
    pub fn discard(&mut self, length: usize) {
        let length = length.min(self.bytes.len());
        self.bytes.drain(..length);
        self.looked = self.looked.saturating_sub(length);
        for place in &mut self.places {
            *place = place.saturating_sub(length);
        }
        self.lost = self.lost.saturating_add(length as u64);
    }

    /// Notes every place that may begin a record of application data.
    fn look(&mut self) {
        loop {
            let rest = self.bytes.get(self.looked..).unwrap_or_default();
            let Some(found) = memchr::memchr(APPLICATION_DATA, rest) else {
                self.looked = self.bytes.len();
                return;
            };
            let at = self.looked + found;
            let here = self.bytes.get(at..).unwrap_or_default();
            if here.len() < HEADER {
                self.looked = at;
                return;
            }
            self.looked = at + 1;
            if here.starts_with(&[APPLICATION_DATA, 3, 3])
                && framing::length(here).is_ok()
                && self.places.len() < PLACES
            {
                self.places.push(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Version;
    use crate::tls::suite::Aead;
    use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    /// Record `sequence` of TLS 1.3 under a key of sevens and no IV.
    fn record(sequence: u64, content: &[u8]) -> Vec<u8> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).unwrap());
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&sequence.to_be_bytes());
        let mut body = content.to_vec();
        body.push(APPLICATION_DATA);
        let mut record = vec![23, 3, 3];
        record.extend((body.len() as u16 + 16).to_be_bytes());
        let about = Aad::from(record.clone());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), about, &mut body)
            .unwrap();
        record.extend(body);
        record
    }

    #[test]
    fn a_record_is_found_with_its_number() {
        let mut keys = Keys::new(Version::Tls13, Aead::Aes128Gcm, &[7; 16], &[0; 12]).unwrap();
        keys.sequence = 5;
        let stream = [
            &[23, 3, 3, 0x40, 0, 1, 2, 23, 3][..],
            &record(9, b"nine"),
            &record(10, b"ten"),
        ]
        .concat();
        for size in 1..stream.len() {
            let mut search = Search::default();
            search.lose(200);
            let (mut gone, mut found) = (0, None);
            for piece in stream.chunks(size) {
                match search.push(piece, &keys, None, &mut Vec::new()) {
                    Progress::Found(at) => {
                        found = Some((gone + at.at, at.sequence));
                        break;
                    }
                    Progress::Discard(bytes) => {
                        gone += bytes;
                        search.discard(bytes);
                    }
                    Progress::GivenUp => panic!("given up"),
                }
            }
            assert_eq!(found, Some((9, 9)), "in pieces of {size}");
        }
    }

    #[test]
    fn a_search_ends() {
        let keys = Keys::new(Version::Tls13, Aead::Aes128Gcm, &[7; 16], &[0; 12]).unwrap();
        let mut search = Search::default();
        search.lose(1 << 40);
        let record = record(1 << 40, &[0; 3000]);
        let ended = (0..2_000).any(|_| {
            match search.push(&record, &keys, None, &mut Vec::new()) {
                Progress::Discard(bytes) => search.discard(bytes),
                Progress::GivenUp => return true,
                Progress::Found(found) => panic!("{found:?}"),
            }
            assert!(search.heap_bytes() < 4 * KEPT);
            false
        });
        assert!(ended);
    }
}
