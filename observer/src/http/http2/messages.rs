//! Messages of gRPC in a stream's content: a flag, a length of four octets, and so many octets, over any frames
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

use serde::{Deserialize, Serialize};

/// Octets before a message.
const PREFIX: usize = 5;

/// One direction's messages. Content is passed over; only lengths are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Messages {
    /// Those of which the length was seen.
    count: u64,
    prefix: [u8; PREFIX],
    /// Octets of the prefix that were seen.
    have: usize,
    /// Octets of the message that are to come.
    left: u32,
    /// A length was not seen: how many messages there are is not known any more.
    lost: bool,
}

impl Messages {
    /// Takes the next octets.
    pub fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.lost {
            let body = bytes.len().min(self.left as usize);
            self.left -= body as u32;
            bytes = bytes.get(body..).unwrap_or_default();
            let Some((first, rest)) = bytes.split_first() else {
                return;
            };
            if let Some(place) = self.prefix.get_mut(self.have) {
                *place = *first;
            }
            (self.have, bytes) = (self.have + 1, rest);
            if self.have == PREFIX {
                let [_, length @ ..] = self.prefix;
                self.left = u32::from_be_bytes(length);
                (self.have, self.count) = (0, self.count + 1);
            }
        }
    }

    /// As many octets were not seen.
    pub fn skip(&mut self, octets: u64) {
        match u32::try_from(octets) {
            Ok(octets) if self.have == 0 && octets <= self.left => self.left -= octets,
            _ => self.lost = true,
        }
    }

    /// How many were seen.
    pub fn seen(&self) -> u64 {
        self.count
    }

    /// How many there were; `None`: that is not known.
    pub fn count(&self) -> Option<u64> {
        (!self.lost).then_some(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let mut stream = Vec::new();
        for length in [0_usize, 1, 5, 300] {
            stream.push(0);
            stream.extend((length as u32).to_be_bytes());
            stream.resize(stream.len() + length, 0xff);
        }
        for size in 1..=stream.len() {
            let mut messages = Messages::default();
            stream.chunks(size).for_each(|piece| messages.take(piece));
            assert_eq!(messages.count(), Some(4), "in pieces of {size}");
        }
        let mut skipped = Messages::default();
        skipped.take(&stream[..stream.len() - 300]);
        skipped.skip(300);
        assert_eq!(skipped.count(), Some(4));
        skipped.skip(1);
        assert_eq!(skipped.count(), None);
    }
}
