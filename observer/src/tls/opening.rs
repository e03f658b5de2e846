//! A handshake being read, up to where both directions have their keys.
//!
//! Records that cannot be opened yet are kept in the order in which they came: a secret may be known before its connection,
//! or some milliseconds after it.

mod flight;

use std::collections::VecDeque;

use flight::Flight;

use super::framing::Record;
use super::message::{self, ClientHello, ServerHello};
use super::protection::{ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, HEADER};
use super::reading::{Origin, Reading};
use super::schedule;
use super::secrets::{self, Join, Label, Secrets};
use super::suite::Suite;
use super::way::Both;
use super::{Alpn, Limits, Side, Unreadable, Version};
use crate::flow::Seen;

/// A handshake being read.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// Bytes of messages in the clear that are not whole.
    messages: Both<Vec<u8>>,
    client: Option<ClientHello>,
    /// ClientHello to ServerHello, as they are hashed.
    hellos: Vec<u8>,
    /// The first ClientHello alone, while early data depends on it.
    first: Vec<u8>,
    retried: bool,
    chosen: Option<Chosen>,
    flight: Option<Flight>,
    /// The protocol that the server chose, once it said so.
    alpn: Alpn,
    /// TLS 1.2: ChangeCipherSpec was seen.
    sealed: Both<bool>,
    held: VecDeque<Held>,
    held_bytes: usize,
}

/// What the server chose.
#[derive(Clone, Copy, Debug)]
struct Chosen {
    suite: Suite,
    random: [u8; 32],
}

/// A record that waits for its keys.
#[derive(Debug)]
pub(super) struct Held {
    pub from: Side,
    header: [u8; HEADER],
    body: Box<[u8]>,
    first: Seen,
    first_length: usize,
    last: Seen,
    end: u64,
}

/// What comes of a handshake.
pub(super) struct Opened {
    pub reading: Reading,
    pub alpn: Alpn,
    /// Records that come first.
    pub held: VecDeque<Held>,
}

impl Held {
    pub fn record(&self) -> Record<'_> {
        Record {
            header: self.header,
            body: &self.body,
            first: self.first,
            first_length: self.first_length,
            last: self.last,
            end: self.end,
        }
    }
}

impl Opening {
    /// Takes a record; what comes of the handshake, once both directions have their keys.
    pub fn record(
        &mut self,
        from: Side,
        record: &Record<'_>,
        secrets: &Secrets,
        limits: &Limits,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<Opened>, Unreadable> {
        let sealed = *self.sealed.of(from);
        match record.header[0] {
            CHANGE_CIPHER_SPEC => {
                // Since TLS 1.3 it means nothing (RFC 8446 section D.4).
                let old = (self.chosen).is_some_and(|chosen| chosen.suite.version < Version::Tls13);
                if old && std::mem::replace(self.sealed.of_mut(from), true) {
                    return Err(Unreadable::Renegotiation);
                }
            }
            ALERT if !sealed => {
                // A warning goes on; a fatal one does not (RFC 5246 section 7.2).
                if record.body.first() != Some(&1) {
                    return Err(Unreadable::Refused);
                }
            }
            HANDSHAKE if !sealed => {
                self.messages.of_mut(from).extend_from_slice(record.body);
                while let Some((kind, whole)) = message::take(self.messages.of_mut(from))? {
                    self.message(from, kind, &whole)?;
                }
            }
            HANDSHAKE | ALERT | APPLICATION_DATA => self.hold(from, record, limits)?,
            _ => return Err(Unreadable::Malformed),
        }
        self.advance(secrets, scratch)
    }

    fn hold(&mut self, from: Side, record: &Record<'_>, limits: &Limits) -> Result<(), Unreadable> {
        let old = self
            .chosen
            .is_some_and(|chosen| chosen.suite.version < Version::Tls13);
        if self.client.is_none() || old && !*self.sealed.of(from) {
            return Err(Unreadable::Malformed);
        }
        self.held_bytes += record.body.len() + size_of::<Held>();
        if self.held_bytes > limits.waiting_bytes {
            return Err(Unreadable::NoSecret);
        }
        self.held.push_back(Held {
            from,
            header: record.header,
            body: Box::from(record.body),
            first: record.first,
            first_length: record.first_length,
            last: record.last,
            end: record.end,
        });
        Ok(())
    }

    /// Reads a message in the clear, with its header.
    fn message(&mut self, from: Side, kind: u8, whole: &[u8]) -> Result<(), Unreadable> {
        let body = whole.get(4..).unwrap_or_default();
        match (from, kind) {
            (Side::Client, message::CLIENT_HELLO) if self.chosen.is_none() => {
                let hello = ClientHello::read(body).ok_or(Unreadable::Malformed)?;
                if self.client.is_some() != self.retried {
                    return Err(Unreadable::Malformed);
                }
                if self.client.is_none() {
                    self.first = if hello.early {
                        whole.to_vec()
                    } else {
                        Vec::new()
                    };
                }
                // What was sent early stays so: it is not taken after a second hello.
                let early = self.client.is_some_and(|first| first.early) || hello.early;
                self.client = Some(ClientHello { early, ..hello });
                self.hellos.extend_from_slice(whole);
            }
            (Side::Server, message::SERVER_HELLO) if self.chosen.is_none() => {
                self.server_hello(whole, body)?;
            }
            // The rest of a handshake of TLS 1.2 says nothing of keys.
            _ if self
                .chosen
                .is_some_and(|chosen| chosen.suite.version < Version::Tls13) => {}
            _ => return Err(Unreadable::Malformed),
        }
        Ok(())
    }

    fn server_hello(&mut self, whole: &[u8], body: &[u8]) -> Result<(), Unreadable> {
        let hello = ServerHello::read(body).ok_or(Unreadable::Malformed)?;
        if self.client.is_none() {
            return Err(Unreadable::Gap);
        }
        let version = hello.version.ok_or(Unreadable::Version)?;
        if version < Version::Tls12 {
            return Err(Unreadable::Version);
        }
        let suite = Suite::of(version, hello.cipher).ok_or(Unreadable::Suite)?;
        if hello.retry {
            if std::mem::replace(&mut self.retried, true) {
                return Err(Unreadable::Malformed);
            }
            // RFC 8446 section 4.4.1.
            let first = suite.hash.of(&self.hellos);
            self.hellos = vec![254, 0, 0, suite.hash.bytes() as u8];
            self.hellos.extend_from_slice(first.as_ref());
            self.hellos.extend_from_slice(whole);
            return Ok(());
        }
        self.hellos.extend_from_slice(whole);
        if version < Version::Tls13 {
            self.alpn = Alpn::of(hello.protocol);
            message::check_protocol(hello.protocol)?;
        }
        self.chosen = Some(Chosen {
            suite,
            random: hello.random,
        });
        Ok(())
    }

    /// Goes on as far as secrets allow.
    pub fn advance(
        &mut self,
        secrets: &Secrets,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<Opened>, Unreadable> {
        let (Some(client), Some(chosen)) = (self.client, self.chosen) else {
            return Ok(None);
        };
        let reading = if chosen.suite.version < Version::Tls13 {
            let Some(master) = secrets.master(&client.random, &chosen.random) else {
                return Ok(None);
            };
            let keys =
                schedule::expand_master(chosen.suite, master, &chosen.random, &client.random)
                    .ok_or(Unreadable::WrongSecret)?;
            let origin = Origin::Randoms {
                client: client.random,
                server: chosen.random,
            };
            Reading::since_cipher_spec(chosen.suite, origin, keys, &self.sealed)
        } else {
            self.read_flight(chosen, &client, secrets, scratch)?
        };
        Ok(reading.map(|reading| Opened {
            reading,
            alpn: self.alpn,
            held: std::mem::take(&mut self.held),
        }))
    }

    /// Reads the server's flight of TLS 1.3.
    fn read_flight(
        &mut self,
        chosen: Chosen,
        client: &ClientHello,
        secrets: &Secrets,
        scratch: &mut Vec<u8>,
    ) -> Result<Option<Reading>, Unreadable> {
        if self.flight.is_none() {
            self.flight = Flight::of(chosen.suite, &client.random, &self.hellos, secrets)?;
        }
        let Some(flight) = &mut self.flight else {
            return Ok(None);
        };
        let mut kept = VecDeque::new();
        for held in std::mem::take(&mut self.held) {
            if held.from == Side::Server && !flight.done {
                flight.read(&held, scratch)?;
            } else {
                kept.push_back(held);
            }
        }
        self.held = kept;
        if !flight.done {
            return Ok(None);
        }
        self.alpn = flight.alpn;
        let hash = chosen.suite.hash;
        let early = if flight.early {
            let known = (!self.first.is_empty())
                .then(|| secrets::join(hash.of(&self.first).as_ref()))
                .flatten();
            let joins = [Some(client.random), known].into_iter().flatten();
            let found = joins
                .into_iter()
                .find_map(|join| secrets.find(&join, Label::ClientEarly, hash.bytes()));
            match found {
                Some(secret) => Some(secret.clone()),
                None => return Ok(None),
            }
        } else {
            None
        };
        let traffic = flight.application(hash).ok_or(Unreadable::WrongSecret)?;
        let refused = client.early && !flight.early;
        let first = flight.client();
        let hellos = secrets::join(hash.of(&self.hellos).as_ref());
        let origin = Origin::Transcript {
            client: client.random,
            hellos: hellos.ok_or(Unreadable::WrongSecret)?,
            finished: flight.finished(),
        };
        Reading::since_finished(chosen.suite, origin, early, first, traffic, refused)
            .ok_or(Unreadable::WrongSecret)
            .map(Some)
    }

    /// What a secret of this connection may be joined by, once the server has chosen.
    pub fn joins(&self) -> Vec<Join> {
        let (Some(client), Some(chosen)) = (self.client, self.chosen) else {
            return Vec::new();
        };
        let mut joins = vec![client.random];
        if chosen.suite.version == Version::Tls13 {
            joins.extend(secrets::join(chosen.suite.hash.of(&self.hellos).as_ref()));
            if !self.first.is_empty() {
                joins.extend(secrets::join(chosen.suite.hash.of(&self.first).as_ref()));
            }
        }
        joins
    }

    /// Whether the server has chosen.
    pub fn is_chosen(&self) -> bool {
        self.chosen.is_some()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let flight = self.flight.as_ref().map_or(0, Flight::heap_bytes);
        self.messages.client.capacity()
            + self.messages.server.capacity()
            + self.hellos.capacity()
            + self.first.capacity()
            + self.held_bytes
            + flight
    }
}
