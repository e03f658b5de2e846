//! A conversation and what tracking makes of it, with one connection's name as the whole table.

use super::super::*;
use crate::sign::{self, LEAD};

/// The interface at which segments are seen unless a test says otherwise.
pub const INTERFACE: u32 = 2;
pub const GET: &[u8] = b"GET /v1/widgets/42 HTTP/1.1\r\nHost: api.example\r\n\r\n";
pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n";
/// What starts nothing.
pub const OTHER: &[u8] = &[0x80; 100];
pub const TLS: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
pub const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Client,
    Server,
}

pub use End::{Client, Server};

/// A connection: both ends' next sequence numbers, and what is known of it.
#[derive(Clone)]
pub struct Conversation {
    pub flow: Option<Flow>,
    pub hint: Option<Hint>,
    /// How often the hint was asked for.
    pub asked: u32,
    /// Whether TLS is delivered whole.
    pub tls: bool,
    /// Which end has the lower address.
    pub low: End,
    next: [u32; 2],
    clock: u64,
}

impl Conversation {
    /// Seen from the handshake on; the next sequence numbers are those of the first bytes.
    pub fn opened(client: u32, server: u32) -> Self {
        let mut conversation = Self::joined(client, server);
        conversation.handshake();
        conversation
    }

    /// Its handshake was not seen.
    pub fn joined(client: u32, server: u32) -> Self {
        Self {
            flow: None,
            hint: None,
            asked: 0,
            tls: false,
            low: Client,
            next: [client, server],
            clock: 0,
        }
    }

    /// The server accepts it: its numbers precede the next ones.
    pub fn handshake(&mut self) {
        let accepting = self.accepting();
        assert_eq!(self.see(&accepting, b"", INTERFACE), None);
    }

    /// The segment with which the server accepts it.
    pub fn accepting(&self) -> TcpSegment {
        let mut accepting = self.segment(Server, 0, tcp::SYN | tcp::ACK);
        accepting.sequence = accepting.sequence.wrapping_sub(1);
        accepting
    }

    /// The next segment of an end.
    pub fn segment(&self, from: End, length: u32, flags: u8) -> TcpSegment {
        let [client, server] = self.next;
        let (sequence, acknowledgement) = match from {
            Client => (client, server),
            Server => (server, client),
        };
        TcpSegment {
            from_high: from != self.low,
            sequence,
            acknowledgement,
            flags: flags | tcp::ACK,
            length,
            ..TcpSegment::default()
        }
    }

    /// An end sends these bytes next, in one segment.
    pub fn send(&mut self, from: End, payload: &[u8]) -> Decision {
        self.send_long(from, payload, payload.len() as u32)
    }

    /// An end sends a segment that begins with these bytes.
    pub fn send_long(&mut self, from: End, start: &[u8], length: u32) -> Decision {
        self.send_with(from, start, length, 0)
    }

    /// An end sends a segment with these flags next.
    pub fn send_with(&mut self, from: End, start: &[u8], length: u32, flags: u8) -> Decision {
        let segment = self.segment(from, length, flags);
        self.pass(from, length);
        let decision = self.see(&segment, start, INTERFACE);
        decision.unwrap_or(Decision::Pass)
    }

    /// An end sends bytes that are not seen.
    pub fn pass(&mut self, from: End, length: u32) {
        let next = match from {
            Client => &mut self.next[0],
            Server => &mut self.next[1],
        };
        *next = next.wrapping_add(length);
    }

    /// What is decided about a segment; `None` where it is not even looked at.
    pub fn see(&mut self, segment: &TcpSegment, start: &[u8], interface: u32) -> Option<Decision> {
        self.clock += 1;
        let relation = match &self.flow {
            Some(known) => relation(known, segment),
            None => Relation::Successor,
        };
        match relation {
            Relation::Stray => return None,
            Relation::Member => {}
            Relation::Successor => {
                let mut new = Flow::default();
                if !open(segment, self.clock, &mut new) {
                    return None;
                }
                self.flow = Some(new);
                if is_accepting(segment) {
                    return None;
                }
            }
        }
        let (hint, asked) = (self.hint, &mut self.asked);
        let known = self.flow.as_mut()?;
        let ask = || {
            *asked += 1;
            hint
        };
        let decision = observe(
            known,
            segment,
            lead(start, segment),
            (interface, self.tls),
            ask,
        );
        match decision {
            Decision::Deliver(_) => delivered(known, segment, true),
            Decision::Forget => self.flow = None,
            Decision::Pass | Decision::SeenTwice | Decision::Body => {}
        }
        Some(decision)
    }

    /// What is known of the connection.
    pub fn known(&self) -> &Flow {
        self.flow.as_ref().expect("a known connection")
    }

    /// Says which bytes of the server, from the connection's first on, are needless.
    pub fn hint_server(&mut self, skip: u64) {
        let skip = match self.low {
            Client => [0, ORIGIN + skip],
            Server => [ORIGIN + skip, 0],
        };
        let birth = self.known().birth;
        self.hint = Some(Hint { birth, skip });
    }
}

fn lead(start: &[u8], segment: &TcpSegment) -> Option<Sign> {
    let mut lead = [0; LEAD];
    let length = start.len().min(LEAD).min(segment.length as usize);
    lead[..length].copy_from_slice(&start[..length]);
    // A segment that is longer than its start goes on with zeros, which start nothing.
    sign::read(&lead, segment.length.min(LEAD as u32))
}

/// The delivery that was decided.
#[track_caller]
pub fn delivery(decision: Decision) -> Delivery {
    match decision {
        Decision::Deliver(delivery) => delivery,
        other => panic!("{other:?} instead of a delivery"),
    }
}

/// Fails unless a segment is delivered with all of its bytes.
#[track_caller]
pub fn assert_whole(decision: Decision, length: usize) {
    let delivery = delivery(decision);
    assert_eq!(
        (delivery.kind, delivery.skip, delivery.copy as usize),
        (Kind::Segment, 0, length)
    );
}
