//! A server's first flight, read up to its hello.
//!
//! Records may cut messages anywhere and segments may cut records anywhere; a HelloRetryRequest and the ChangeCipherSpec of
//! compatibility mode may stand before the hello (RFC 8446 sections 4.1.4 and D.4).

use observer_ebpf::track::HELLO;
use serde::{Deserialize, Serialize};
use tls_parser::{MAX_RECORD_LEN, TlsRecordType, parse_tls_record_header};

use super::message::{SERVER_HELLO, ServerHello};
use super::protection::HEADER;
use super::{Outcome, Version};

/// What a server's hello says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hello {
    /// The version that it chose.
    pub version: Version,
    /// The cipher suite that it chose, by its number in IANA's registry.
    pub cipher: u16,
}

/// What was seen of a server's first flight. After a restart it goes on with nothing, and ends unread.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Flight {
    #[serde(skip)]
    bytes: Vec<u8>,
    broken: bool,
}

/// How far a flight was read.
enum Read {
    /// To its end, which is not the hello's.
    Part,
    Done(Outcome),
}

impl Flight {
    /// Takes the next bytes; says how the handshake went, once that is known.
    pub fn push(&mut self, bytes: &[u8]) -> Option<Outcome> {
        if self.broken {
            return Some(Outcome::Unread);
        }
        let room = (HELLO as usize).saturating_sub(self.bytes.len());
        let cut = bytes.len().min(room);
        self.bytes
            .extend_from_slice(bytes.get(..cut).unwrap_or_default());
        match read(&self.bytes) {
            Read::Done(outcome) => Some(outcome),
            // No hello is that long.
            Read::Part if cut < bytes.len() || cut == room => Some(Outcome::Unread),
            Read::Part => None,
        }
    }

    /// Bytes are missing here.
    pub fn hole(&mut self) {
        self.broken = true;
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

fn read(mut records: &[u8]) -> Read {
    let mut messages = Vec::new();
    while let Some(header) = records.first_chunk::<HEADER>() {
        let Ok((_, header)) = parse_tls_record_header(header) else {
            return Read::Done(Outcome::Unread);
        };
        if header.len > MAX_RECORD_LEN || header.len == 0 || header.version.0 >> 8 != 3 {
            return Read::Done(Outcome::Unread);
        }
        let rest = records.get(HEADER..).unwrap_or_default();
        let fragment = rest.get(..usize::from(header.len)).unwrap_or(rest);
        match header.record_type {
            TlsRecordType::Handshake => messages.extend_from_slice(fragment),
            TlsRecordType::ChangeCipherSpec => {}
            TlsRecordType::Alert => return Read::Done(Outcome::Refused),
            _ => return Read::Done(Outcome::Unread),
        }
        records = rest.get(fragment.len()..).unwrap_or_default();
        if let done @ Read::Done(_) = messages_of(&messages) {
            return done;
        }
    }
    Read::Part
}

/// Looks for the hello in handshake messages, the last of which may be cut.
fn messages_of(mut messages: &[u8]) -> Read {
    while let Some([kind, high, middle, low]) = messages.first_chunk::<4>() {
        if *kind != SERVER_HELLO {
            return Read::Done(Outcome::Unread);
        }
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        let Some(body) = messages.get(4..4 + length) else {
            return Read::Part;
        };
        match hello(body) {
            Some(Some(hello)) => return Read::Done(Outcome::Agreed(hello)),
            // The real one comes after the client's second.
            Some(None) => messages = messages.get(4 + length..).unwrap_or_default(),
            None => return Read::Done(Outcome::Unread),
        }
    }
    Read::Part
}

/// A ServerHello's content; inside, `None` for a request to try again. `None`: it is no ServerHello.
fn hello(body: &[u8]) -> Option<Option<Hello>> {
    let read = ServerHello::read(body)?;
    if read.retry {
        return Some(None);
    }
    Some(Some(Hello {
        version: read.version?,
        cipher: read.cipher,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::message::RETRY;
    use super::*;

    /// A ServerHello with its header.
    fn hello(legacy: u16, random: [u8; 32], cipher: u16, chosen: Option<u16>) -> Vec<u8> {
        let mut body = legacy.to_be_bytes().to_vec();
        body.extend(random);
        body.push(32);
        body.extend([7; 32]);
        body.extend(cipher.to_be_bytes());
        body.push(0);
        if let Some(chosen) = chosen {
            body.extend([0, 6, 0, 43, 0, 2]);
            body.extend(chosen.to_be_bytes());
        }
        let mut message = vec![SERVER_HELLO, 0, 0, body.len() as u8];
        message.extend(body);
        message
    }

    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 3, 3];
        record.extend((content.len() as u16).to_be_bytes());
        record.extend(content);
        record
    }

    fn agreed(version: Version, cipher: u16) -> Option<Outcome> {
        Some(Outcome::Agreed(Hello { version, cipher }))
    }

    #[test]
    fn the_version_is_the_chosen_one() {
        let read = |message: Vec<u8>| Flight::default().push(&record(22, &message));
        assert_eq!(
            read(hello(0x0303, [1; 32], 0x1301, Some(0x0304))),
            agreed(Version::Tls13, 0x1301)
        );
        assert_eq!(
            read(hello(0x0303, [1; 32], 0xc02f, None)),
            agreed(Version::Tls12, 0xc02f)
        );
        assert_eq!(
            read(hello(0x0301, [1; 32], 0x000a, None)),
            agreed(Version::Tls10, 0x000a)
        );
        assert_eq!(
            read(hello(0x0303, [1; 32], 0x1301, Some(0x7f1c))),
            Some(Outcome::Unread),
            "a draft is no version"
        );
    }

    #[test]
    fn cut_anywhere_it_says_the_same() {
        // A retry, the compatibility record, and the hello over two records.
        let mut flight = record(22, &hello(0x0303, RETRY, 0x1302, Some(0x0304)));
        flight.extend(record(20, &[1]));
        let message = hello(0x0303, [9; 32], 0x1302, Some(0x0304));
        let (first, second) = message.split_at(50);
        flight.extend(record(22, first));
        flight.extend(record(22, second));
        let end = flight.len();
        flight.extend(record(23, &[0; 40]));
        for cut in 1..flight.len() {
            let mut reading = Flight::default();
            let (one, two) = flight.split_at(cut);
            let said = reading.push(one).or_else(|| reading.push(two));
            assert_eq!(said, agreed(Version::Tls13, 0x1302), "cut at {cut}");
        }
        for cut in 1..end {
            let mut reading = Flight::default();
            assert_eq!(reading.push(&flight[..cut]), None, "ends at {cut}");
        }
    }

    #[test]
    fn what_is_no_hello_is_unread_and_a_refusal_is_one() {
        let once = |bytes: &[u8]| Flight::default().push(bytes);
        assert_eq!(once(&record(21, &[2, 70])), Some(Outcome::Refused));
        assert_eq!(once(&record(23, &[0; 20])), Some(Outcome::Unread));
        assert_eq!(once(&record(22, &[11, 0, 0, 1, 0])), Some(Outcome::Unread));
        assert_eq!(
            once(&record(22, &[2, 0, 0, 3, 3, 3, 0])),
            Some(Outcome::Unread)
        );
        assert_eq!(once(&[22, 3, 3, 0xff, 0xff]), Some(Outcome::Unread));
        assert_eq!(once(b"HTTP/1.1 400 Bad Request"), Some(Outcome::Unread));
        let endless = record(22, &[2, 0xff, 0xff, 0xff].repeat(1_000));
        assert_eq!(once(&endless), Some(Outcome::Unread));
        let mut holed = Flight::default();
        assert_eq!(holed.push(&endless[..3]), None);
        holed.hole();
        assert_eq!(holed.push(&endless[3..]), Some(Outcome::Unread));
    }
}
