//! TLS with HTTP inside: what a session decrypts goes to the same reader as what came in the clear.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use observer_ebpf::abi::FlowKey;
use serde::{Deserialize, Serialize};

use super::Host;
use super::connection::{Asked, Calls, Reading, Speaks};
use super::spoken::Spoken;
use crate::flow::Seen;
use crate::http::{self, Side};
use crate::tls::secrets::{Join, Secrets};
use crate::tls::{self, Alpn, Inputs, Limits, Plain, Session, Terms, Unreadable};
use crate::usage::Call;

/// What a connection that speaks TLS keeps.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealed {
    session: Session,
    pub http: Spoken<Box<Asked>>,
    /// It was noted that a secret is waited for.
    #[serde(skip)]
    noted: bool,
}

/// What all such connections share.
pub(super) struct Shared {
    pub secrets: Secrets,
    pub limits: Limits,
    /// Room for a record.
    scratch: Vec<u8>,
}

/// Connections whose secrets did not come yet, in the order in which they began to wait.
#[derive(Default)]
pub(super) struct Waiting {
    by_join: HashMap<Join, FlowKey>,
    order: VecDeque<Waiter>,
}

/// One of them. It may have got its secret, or be gone.
pub(super) struct Waiter {
    pub flow: FlowKey,
    pub birth: u64,
    since: u64,
    joins: Vec<Join>,
}

impl Shared {
    pub fn new(secrets: Secrets, limits: Limits) -> Self {
        Self {
            secrets,
            limits,
            scratch: Vec::new(),
        }
    }
}

impl Sealed {
    /// A connection of which nothing was seen.
    pub fn new() -> Self {
        Self {
            session: Session::new(),
            http: Spoken::from_start(),
            noted: false,
        }
    }

    /// What its secrets are found by.
    pub fn known_by(&self) -> Vec<Join> {
        self.session.known_by()
    }

    /// Whether only a secret is missing.
    pub fn waits(&self) -> bool {
        self.session.waits()
    }

    /// Stream offset from which on bytes of one side have to be read again after a restart.
    pub fn half_read(&self, side: Side) -> Option<u64> {
        self.session.half_read(side.into())
    }

    /// What a secret that it begins to wait for may be joined by; nothing when that was noted before.
    pub fn begins_to_wait(&mut self) -> Vec<Join> {
        if self.noted || !self.session.waits() {
            return Vec::new();
        }
        self.noted = true;
        self.session.joins()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.session.heap_bytes() + self.http.heap_bytes()
    }
}

impl Waiting {
    /// Notes a connection that waits since now.
    pub fn note(&mut self, flow: FlowKey, birth: u64, since: u64, joins: Vec<Join>) {
        for join in &joins {
            self.by_join.insert(*join, flow);
        }
        self.order.push_back(Waiter {
            flow,
            birth,
            since,
            joins,
        });
    }

    /// Connections, those included that are gone.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// The connection that a secret is for.
    pub fn of(&self, join: &Join) -> Option<FlowKey> {
        self.by_join.get(join).copied()
    }

    /// Takes out the one that waits longest, if it does so since before `since`.
    pub fn take_oldest(&mut self, since: u64) -> Option<Waiter> {
        let oldest = self.order.front()?;
        if oldest.since > since {
            return None;
        }
        let waiter = self.order.pop_front()?;
        for join in &waiter.joins {
            // Another one of the same random may have come since.
            if self.by_join.get(join) == Some(&waiter.flow) {
                self.by_join.remove(join);
            }
        }
        Some(waiter)
    }
}

impl From<tls::Side> for Side {
    fn from(side: tls::Side) -> Self {
        match side {
            tls::Side::Client => Self::Client,
            tls::Side::Server => Self::Server,
        }
    }
}

impl From<Side> for tls::Side {
    fn from(side: Side) -> Self {
        match side {
            Side::Client => Self::Client,
            Side::Server => Self::Server,
        }
    }
}

/// Where a session's plaintext goes.
struct Inside<'a, 'b, H, O> {
    http: &'a mut Spoken<Box<Asked>>,
    limits: http::Limits,
    calls: &'a mut Calls<'b, H, O>,
}

impl<H: Host, O: FnMut(Call)> Plain for Inside<'_, '_, H, O> {
    fn agreed(&mut self, terms: Terms) {
        if terms.hello.alpn == Alpn::Chosen("h2") {
            *self.http = Spoken::agreed_http2();
        }
        self.calls.agreed(terms);
    }

    fn data(&mut self, from: tls::Side, seen: Seen, offset: u64, bytes: &[u8]) {
        let (side, moment) = (from.into(), seen.into());
        self.http
            .data(side, moment, offset, bytes, &self.limits, self.calls);
    }

    fn content(&mut self, from: tls::Side, seen: Seen, offset: u64, length: u64) {
        let (side, moment) = (from.into(), seen.into());
        self.http
            .hole(side, moment, offset, length, &self.limits, self.calls);
    }

    fn gap(&mut self, from: tls::Side, seen: Seen, _offset: u64, length: u64) {
        self.http.lose(from.into(), seen.time, length, self.calls);
    }

    fn fin(&mut self, from: tls::Side, seen: Seen) {
        self.http
            .fin(from.into(), seen.into(), &self.limits, self.calls);
    }

    fn needless_until(&self, from: tls::Side) -> Option<u64> {
        self.http.skip_until(from.into())
    }

    fn half_read(&self, from: tls::Side) -> Option<u64> {
        self.http.half_read(from.into())
    }
}

impl<H: Host, O: FnMut(Call)> Reading<'_, H, O> {
    /// Bytes of one end of a connection that speaks TLS.
    pub(super) fn sealed_data(&mut self, high: bool, seen: Seen, bytes: &[u8]) {
        self.tell_sides(high, &[]);
        let Some(side) = self.side(high) else { return };
        self.with_sealed(seen.time, |session, inputs| {
            session.data(side, seen, bytes, inputs)
        });
    }

    /// Bytes of it that were never seen.
    pub(super) fn sealed_hole(&mut self, high: bool, seen: Seen, length: u64) {
        let Some(side) = self.side(high) else { return };
        self.with_sealed(seen.time, |session, inputs| {
            session.hole(side, seen, length, inputs)
        });
    }

    /// One end of it sends nothing more.
    pub(super) fn sealed_fin(&mut self, high: bool, seen: Seen) {
        let Some(side) = self.side(high) else { return };
        self.with_sealed(seen.time, |session, inputs| {
            session.fin(side, seen, inputs);
            Ok(())
        });
    }

    /// It is given up, or over: nothing more is found in what was kept of it.
    pub(super) fn sealed_cut(&mut self, time: u64) {
        let seen = Seen { time, acked: None };
        self.with_sealed(time, |session, inputs| {
            session.cut(seen, inputs);
            if session.is_reading() {
                Ok(())
            } else if session.waits() {
                Err(Unreadable::NoSecret)
            } else {
                Err(Unreadable::Gap)
            }
        });
    }

    /// Its secrets may have come.
    pub fn retry(&mut self, time: u64) {
        self.with_sealed(time, |session, inputs| session.retry(inputs));
    }

    /// Its secrets will not come. Another connection of the same randoms may have been told of them.
    pub fn give_up_waiting(&mut self, time: u64) {
        self.with_sealed(time, |session, inputs| {
            session.retry(inputs)?;
            if session.waits() {
                Err(Unreadable::NoSecret)
            } else {
                Ok(())
            }
        });
    }

    fn side(&self, high: bool) -> Option<tls::Side> {
        self.connection.side(high).map(tls::Side::from)
    }

    fn with_sealed(
        &mut self,
        time: u64,
        read: impl FnOnce(&mut Session, &mut Inputs<'_, Inside<'_, '_, H, O>>) -> Result<(), Unreadable>,
    ) {
        let limits = self.rules.settings.http;
        let Some((sealed, shared, mut calls)) = self.sealed_parts() else {
            return;
        };
        let Sealed { session, http, .. } = sealed;
        let mut inside = Inside {
            http,
            limits,
            calls: &mut calls,
        };
        let mut inputs = Inputs {
            secrets: &shared.secrets,
            limits: &shared.limits,
            scratch: &mut shared.scratch,
            plain: &mut inside,
        };
        let mut result = read(session, &mut inputs);
        if result.is_ok() && http.is_opaque() {
            result = Err(Unreadable::NotHttp);
        }
        let is_reading = session.is_reading();
        let outcome = if is_reading || result.is_err() {
            session.take_outcome()
        } else {
            None
        };
        if result.is_err() && !http.is_opaque() {
            // What was being read ends here, and is not certain.
            if !http.is_idle() {
                http.lose(Side::Client, time, 0, &mut calls);
                http.lose(Side::Server, time, 0, &mut calls);
            }
            http.end(time, &limits, &mut calls);
        }
        let (_, server) = calls.ends();
        let offer = if outcome.is_some() || result.is_err() {
            session.offer().map(Arc::clone)
        } else {
            None
        };
        match result {
            Ok(()) => {
                if let Some((outcome, at)) = outcome {
                    self.handshake(outcome, offer, at, true);
                }
            }
            Err(reason) => {
                if let Some(name) = reason.name() {
                    self.rules.count_opaque_server(server, name, self.host);
                }
                if !is_reading && reason != Unreadable::Restart {
                    let (outcome, at) = outcome.unwrap_or((
                        if reason == Unreadable::Refused {
                            tls::Outcome::Refused
                        } else {
                            tls::Outcome::Unread
                        },
                        time,
                    ));
                    self.handshake(outcome, offer, at, false);
                }
                self.connection.speaks = Speaks::Other;
            }
        }
    }
}
