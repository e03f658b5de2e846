//! The first flights of both ends, read up to their hellos: what a connection shows in the clear.
//!
//! Records may cut messages anywhere and segments may cut records anywhere; a HelloRetryRequest and the ChangeCipherSpec of
//! compatibility mode may stand before a server's hello (RFC 8446 sections 4.1.4 and D.4).

use std::sync::Arc;

use observer_ebpf::track::HELLO;
use serde::{Deserialize, Serialize};
use tls_parser::{MAX_RECORD_LEN, TlsRecordType, parse_tls_record_header};

use super::alpn::Alpn;
use super::message::{CLIENT_HELLO, SERVER_HELLO, ServerHello};
use super::offer::Offer;
use super::protection::HEADER;
use super::{Outcome, Side, Version};

/// What a server's hello says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hello {
    /// The version that it chose.
    pub version: Version,
    /// The cipher suite that it chose, by its number in IANA's registry.
    pub cipher: u16,
    /// The protocol that it chose. Since TLS 1.3 that is encrypted.
    pub alpn: Alpn,
}

/// What was seen of both first flights. After a restart one that was half read goes on with nothing, and ends unread.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Hellos {
    client: Flight,
    server: Flight,
    offer: Option<Arc<Offer>>,
}

/// What was seen of one.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Flight {
    #[serde(skip)]
    bytes: Vec<u8>,
    state: State,
}

/// Where a flight stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    #[default]
    Reading,
    /// Bytes of it are missing.
    Broken,
    Over,
}

/// How far a flight was read.
#[derive(Debug, PartialEq)]
enum Read<T> {
    /// To its end, which is not the hello's.
    Part,
    Hello(T),
    /// The end refused the other.
    Alert,
    /// It is none.
    Foreign,
}

impl Hellos {
    /// Of a connection whose hellos another process read.
    pub(super) fn read_before() -> Self {
        let over = || Flight {
            bytes: Vec::new(),
            state: State::Over,
        };
        Self {
            client: over(),
            server: over(),
            offer: None,
        }
    }

    /// Takes the next bytes of one end; says how the handshake went, once that is known.
    pub fn push(&mut self, from: Side, bytes: &[u8]) -> Option<Outcome> {
        match from {
            Side::Client => {
                if let Some(Read::Hello(offer)) = self.client.push(bytes, client_hello) {
                    self.offer = Some(Arc::new(offer));
                }
                None
            }
            Side::Server => Some(match self.server.push(bytes, server_hello)? {
                Read::Hello(hello) => Outcome::Agreed(self.with_offer(hello)),
                Read::Alert => Outcome::Refused,
                Read::Part | Read::Foreign => Outcome::Unread,
            }),
        }
    }

    /// Bytes of one end are missing here.
    pub fn hole(&mut self, from: Side) {
        match from {
            Side::Client => self.client.lose(),
            Side::Server => self.server.lose(),
        }
    }

    /// What the client offers, where all of its hello was seen.
    pub fn offer(&self) -> Option<&Arc<Offer>> {
        self.offer.as_ref()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.client.bytes.capacity() + self.server.bytes.capacity()
    }

    /// Who was asked for no protocol chooses none, wherever it would say so.
    fn with_offer(&self, hello: Hello) -> Hello {
        let asked = self.offer.as_ref().is_none_or(|offer| offer.protocols);
        let alpn = if asked { hello.alpn } else { Alpn::None };
        Hello { alpn, ..hello }
    }
}

impl Flight {
    /// Takes the next bytes; says what they came to, once.
    fn push<T>(&mut self, bytes: &[u8], message: impl Fn(u8, &[u8]) -> Read<T>) -> Option<Read<T>> {
        match self.state {
            State::Reading => {}
            State::Broken => {
                self.state = State::Over;
                return Some(Read::Foreign);
            }
            State::Over => return None,
        }
        let room = (HELLO as usize).saturating_sub(self.bytes.len());
        let cut = bytes.len().min(room);
        self.bytes
            .extend_from_slice(bytes.get(..cut).unwrap_or_default());
        let read = match read(&self.bytes, message) {
            // No hello is that long.
            Read::Part if cut < bytes.len() || cut == room => Read::Foreign,
            Read::Part => return None,
            read => read,
        };
        *self = Self {
            bytes: Vec::new(),
            state: State::Over,
        };
        Some(read)
    }

    fn lose(&mut self) {
        if self.state == State::Reading {
            self.state = State::Broken;
        }
    }
}

/// Reads records up to the first message that says something.
fn read<T>(mut records: &[u8], message: impl Fn(u8, &[u8]) -> Read<T>) -> Read<T> {
    let mut messages = Vec::new();
    while let Some(header) = records.first_chunk::<HEADER>() {
        let Ok((_, header)) = parse_tls_record_header(header) else {
            return Read::Foreign;
        };
        if header.len > MAX_RECORD_LEN || header.len == 0 || header.version.0 >> 8 != 3 {
            return Read::Foreign;
        }
        let rest = records.get(HEADER..).unwrap_or_default();
        let fragment = rest.get(..usize::from(header.len)).unwrap_or(rest);
        match header.record_type {
            TlsRecordType::Handshake => messages.extend_from_slice(fragment),
            TlsRecordType::ChangeCipherSpec => {}
            TlsRecordType::Alert => return Read::Alert,
            _ => return Read::Foreign,
        }
        records = rest.get(fragment.len()..).unwrap_or_default();
        match messages_of(&messages, &message) {
            Read::Part => {}
            said => return said,
        }
    }
    Read::Part
}

/// Looks for the hello in handshake messages, the last of which may be cut.
fn messages_of<T>(mut messages: &[u8], message: impl Fn(u8, &[u8]) -> Read<T>) -> Read<T> {
    while let Some([kind, high, middle, low]) = messages.first_chunk::<4>() {
        if ![CLIENT_HELLO, SERVER_HELLO].contains(kind) {
            return Read::Foreign;
        }
        let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        let Some(body) = messages.get(4..4 + length) else {
            return Read::Part;
        };
        match message(*kind, body) {
            Read::Part => messages = messages.get(4 + length..).unwrap_or_default(),
            said => return said,
        }
    }
    Read::Part
}

fn client_hello(kind: u8, body: &[u8]) -> Read<Offer> {
    let offer = (kind == CLIENT_HELLO).then(|| Offer::read(body)).flatten();
    offer.map_or(Read::Foreign, Read::Hello)
}

/// A request to try again is only a part: the hello comes after the client's second.
fn server_hello(kind: u8, body: &[u8]) -> Read<Hello> {
    let read = (kind == SERVER_HELLO)
        .then(|| ServerHello::read(body))
        .flatten();
    let Some(read) = read else {
        return Read::Foreign;
    };
    match read.version {
        _ if read.retry => Read::Part,
        None => Read::Foreign,
        Some(version) => Read::Hello(Hello {
            version,
            cipher: read.cipher,
            alpn: if version < Version::Tls13 {
                Alpn::of(read.protocol)
            } else {
                Alpn::Unknown
            },
        }),
    }
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
        let alpn = if version < Version::Tls13 {
            Alpn::None
        } else {
            Alpn::Unknown
        };
        Some(Outcome::Agreed(Hello {
            version,
            cipher,
            alpn,
        }))
    }

    fn once(bytes: &[u8]) -> Option<Outcome> {
        Hellos::default().push(Side::Server, bytes)
    }

    #[test]
    fn the_version_is_the_chosen_one() {
        let read = |message: Vec<u8>| once(&record(22, &message));
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
            let mut reading = Hellos::default();
            let (one, two) = flight.split_at(cut);
            let said = reading.push(Side::Server, one);
            let said = said.or_else(|| reading.push(Side::Server, two));
            assert_eq!(said, agreed(Version::Tls13, 0x1302), "cut at {cut}");
        }
        for cut in 1..end {
            assert_eq!(once(&flight[..cut]), None, "ends at {cut}");
        }
    }

    #[test]
    fn what_is_no_hello_is_unread_and_a_refusal_is_one() {
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
        let mut holed = Hellos::default();
        assert_eq!(holed.push(Side::Server, &endless[..3]), None);
        holed.hole(Side::Server);
        assert_eq!(
            holed.push(Side::Server, &endless[3..]),
            Some(Outcome::Unread)
        );
    }
}
