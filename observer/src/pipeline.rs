//! The whole core as one value: segments go in, attributed exchanges come out, time is told.
//!
//! Invariant: one set of bounds for everything that is kept; whatever a bound refuses is counted by stage and reason.

mod carried;
mod checkpoint;
mod connection;
mod edges;
mod names;
mod sealed;
mod spoken;
mod stops;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hashbrown::HashSet;
use observer_ebpf::abi::{EventHeader, FlowKey, Hint, Kind, flags};
use observer_ebpf::track::ORIGIN;

use crate::flow::{Bounds, Ended, Flow, Table};
use crate::http::Limits;
use crate::identity::{Attributor, Discovery, Registry, TargetPrivacy};
use crate::route::{Learned, Routes, Saved};
use crate::segment::{self, Segment};
use crate::tls::secrets::{self, Material, Secrets};
use crate::tls::{self, Handshake, Outcome};
use crate::usage::{Agreements, Call, Messages};
pub use carried::Carried;
pub use checkpoint::FlowState;
pub use connection::Connection;
use connection::{Reading, Speaks};
use edges::Edges;
use names::{GrpcCalls, Names};
use sealed::{Shared, Waiting};
pub use stops::{Caught, Stops};

/// Bounds and choices of the pipeline.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Connections followed at the same time.
    pub connections: usize,
    /// Bytes on the heap of all connections together.
    pub heap_bytes: usize,
    /// Nanoseconds without a segment after which a connection is over.
    pub idle: u64,
    /// Bounds of one direction of a connection.
    pub stream: Bounds,
    /// Bounds of HTTP on one connection.
    pub http: Limits,
    /// Bounds of what waits for secrets of TLS.
    pub tls: tls::Limits,
    /// Bounds of the secrets that are kept.
    pub secrets: secrets::Bounds,
    /// How much of a request target a record may keep.
    pub targets: TargetPrivacy,
    /// The observer's own listener: what is exchanged with it is not counted.
    pub own_listener: Option<SocketAddr>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: 1 << 17,
            heap_bytes: 256 << 20,
            idle: 15 * 60 * 1_000_000_000,
            stream: Bounds {
                held_bytes: 1 << 20,
                held_time: 10_000_000_000,
                compared_bytes: 8 << 10,
            },
            http: Limits {
                head_bytes: 1 << 16,
                pipeline_depth: 10_000,
            },
            tls: tls::Limits {
                waiting_bytes: 256 << 10,
                waiting_time: 5_000_000_000,
            },
            secrets: secrets::Bounds {
                connections: 1 << 16,
                lifetime: 60_000_000_000,
            },
            targets: TargetPrivacy::Path,
            own_listener: None,
        }
    }
}

/// What the pipeline asks of the host that it observes.
pub trait Host {
    /// The name of an interface.
    fn interface(&self, index: u32) -> Arc<str>;
    /// Whether an address is one of this host's own.
    fn is_own(&self, address: IpAddr) -> bool;
    /// Whether the process of this host that opened a connection serves itself.
    fn client_serves(&mut self, flow: &FlowKey) -> bool;
    /// Ports that it serves at, where that can be known.
    fn client_ports(&mut self, _flow: &FlowKey) -> &[u16] {
        &[]
    }
    /// Whether the kernel side has seen the end of the connection that it first saw at `birth`.
    fn is_over(&self, flow: &FlowKey, birth: u64) -> bool;
}

/// What the pipeline counted about itself.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Bytes of HTTP connections that were never seen, outside bodies of known length.
    pub missing_bytes: u64,
    /// Connections that cannot be read, by the server's port, whether this host is the server, and the reason.
    pub opaque: BTreeMap<(u16, bool, &'static str), u64>,
    /// What a bound refused, by stage and reason.
    pub dropped: BTreeMap<(&'static str, &'static str), u64>,
    /// Frames of HTTP/2, in the order of [`Kind::ALL`](crate::http::http2::Kind::ALL).
    pub frames: [u64; 11],
    /// Messages of gRPC.
    pub messages: Messages,
    /// Events that were no events.
    pub undecodable: u64,
    /// Exchanges with bytes that conflicted between retransmissions.
    pub conflicts: u64,
    /// TLS handshakes, by the version that was agreed on (`none`) and by how they went.
    pub handshakes: BTreeMap<(&'static str, &'static str), u64>,
    /// What handshakes with this host's servers agreed on.
    pub agreements: Agreements,
    /// Segments with payload.
    pub segments: u64,
    /// Their payload bytes, copied or not.
    pub segment_bytes: u64,
}

/// Ports named in [`Counts::opaque`]; further ones are counted as port 0.
const OPAQUE_PORTS: usize = 256;
/// Bytes past the last segment that a body must reach for the kernel side to be told its end.
const WORTH_A_HINT: u64 = 32 << 10;
/// Bytes after which the kernel side is told that copying is still wanted.
const RENEW: u64 = observer_ebpf::track::BUDGET / 16;
/// Hints kept until they are taken; the kernel side copies a little more when some are left out.
const HINTS: usize = 4096;
/// Names of ended connections' secrets kept until they are taken; what finds no room goes when its time is over.
const ENDED: usize = 1 << 14;
/// Handshakes kept until they are taken.
const HANDSHAKES: usize = 4096;

/// The core.
pub struct Pipeline {
    rules: Rules,
    flows: Table<Connection>,
    /// Those that both ends have ended, or one gave up.
    over: Ended,
    /// Connections in which something waits for bytes before it.
    waiting: HashSet<FlowKey>,
    shared: Shared,
    /// Connections that wait for a secret.
    sealed: Waiting,
    heap: usize,
    /// Connections that speak HTTP/2.
    http2: usize,
    ended: Vec<secrets::Join>,
}

/// Everything but the connections.
struct Rules {
    settings: Settings,
    attributor: Attributor,
    registry: Arc<Registry>,
    routes: Routes,
    /// What to add to capture time for UTC.
    clock: i64,
    counts: Counts,
    hints: Vec<(FlowKey, Hint)>,
    handshakes: Vec<Handshake>,
    names: Names,
    grpc: GrpcCalls,
    discovery: Option<Box<Discovery>>,
    edges: Edges,
    stops: Stops,
}

impl Pipeline {
    /// A pipeline that has seen nothing.
    pub fn new(
        settings: Settings,
        attributor: Attributor,
        registry: Arc<Registry>,
        routes: Routes,
    ) -> Self {
        let counts = Counts::default();
        let rules = Rules {
            settings,
            attributor,
            registry,
            routes,
            clock: 0,
            counts,
            hints: Vec::new(),
            handshakes: Vec::new(),
            names: Names::default(),
            grpc: GrpcCalls::default(),
            discovery: None,
            edges: Edges::default(),
            stops: Stops::default(),
        };
        Self {
            rules,
            flows: Table::new(settings.connections),
            over: Ended::default(),
            waiting: HashSet::new(),
            ended: Vec::new(),
            shared: Shared::new(Secrets::new(settings.secrets), settings.tls),
            sealed: Waiting::default(),
            heap: 0,
            http2: 0,
        }
    }

    /// Sets what to add to capture time for UTC, both in nanoseconds.
    pub fn set_clock(&mut self, offset: i64) {
        self.rules.clock = offset;
    }

    /// Takes new rules of attribution, and of routing where given, from the next request on.
    pub fn reload(
        &mut self,
        attributor: Attributor,
        registry: Arc<Registry>,
        routes: Option<Routes>,
    ) {
        self.rules.attributor = attributor;
        self.rules.registry = registry;
        if let Some(routes) = routes {
            self.rules.routes = routes;
        }
    }

    /// Looks for places where keys travel from the next request on. False: it does so already, for somebody else.
    pub fn discover(&mut self, discovery: Box<Discovery>) -> bool {
        let free = self.rules.discovery.is_none();
        self.rules.discovery.get_or_insert(discovery);
        free
    }

    /// Looks no more; returns what was found.
    pub fn end_discovery(&mut self) -> Option<Box<Discovery>> {
        self.rules.discovery.take()
    }

    /// What is to be stopped.
    pub fn stops(&self) -> &Stops {
        &self.rules.stops
    }

    /// What is to be stopped, to change it.
    pub fn stops_mut(&mut self) -> &mut Stops {
        &mut self.rules.stops
    }

    /// Connections on which requests were accepted, and whose.
    pub fn carried(&self) -> impl Iterator<Item = (FlowKey, &Arc<str>, bool)> {
        self.flows.iter().filter_map(|flow| {
            let (consumer, shared) = flow.connection.carried().accepted()?;
            Some((flow.key, consumer, shared))
        })
    }

    /// Connections on which requests of one sender alone were accepted, nobody else waits for an answer, and who it is.
    pub fn carried_alone(&self) -> impl Iterator<Item = (FlowKey, &Arc<str>)> {
        let flows = self.flows.iter();
        let alone = flows.filter(|flow| !flow.connection.carried().is_waited_on());
        alone.filter_map(|flow| match flow.connection.carried().accepted()? {
            (consumer, false) => Some((flow.key, consumer)),
            _ => None,
        })
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        &self.rules.counts
    }

    /// Whose keys are whose.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.rules.registry
    }

    /// Routes, for what they refused.
    pub fn routes(&self) -> &Routes {
        &self.rules.routes
    }

    /// Goes on from routes that were learned before.
    pub fn restore_routes(&mut self, saved: Vec<Saved<Learned>>) {
        self.rules.routes.restore(saved);
    }

    /// Connections being followed.
    pub fn connections(&self) -> usize {
        self.flows.len()
    }

    /// Those of them that speak HTTP/2.
    pub fn http2_connections(&self) -> usize {
        self.http2
    }

    /// Bytes on the heap of all connections, without the table itself.
    pub fn heap_bytes(&self) -> usize {
        self.heap
    }

    /// Keeps secrets within other bounds; those known before are forgotten.
    pub fn keep_secrets(&mut self, bounds: secrets::Bounds) {
        self.shared.secrets = Secrets::new(bounds);
    }

    /// Takes a secret in, and reads what waited for it. `now`: of the capture's clock.
    pub fn learn(
        &mut self,
        material: Material,
        now: u64,
        host: &mut impl Host,
        out: &mut impl FnMut(Call),
    ) {
        let before = self.shared.secrets.refused();
        let join = self.shared.secrets.learn(material, now);
        for _ in before..self.shared.secrets.refused() {
            self.rules.counts.drop("secrets", "refused");
        }
        let Some(key) = join.and_then(|join| self.sealed.of(&join)) else {
            return;
        };
        self.with(&key, host, out, |reading| reading.retry(now));
    }

    /// What the kernel side should know of bodies.
    pub fn take_hints(&mut self) -> impl Iterator<Item = (FlowKey, Hint)> + '_ {
        self.rules.hints.drain(..)
    }

    /// TLS handshakes since this was asked last.
    pub fn take_handshakes(&mut self) -> impl Iterator<Item = Handshake> + '_ {
        self.rules.handshakes.drain(..)
    }

    /// What the secrets of connections were found by that are over since this was asked last: they are of no use any more.
    pub fn take_ended(&mut self) -> impl Iterator<Item = secrets::Join> + '_ {
        self.ended.drain(..)
    }

    /// Takes one event as it stands in a ring, at this position.
    pub fn event(
        &mut self,
        event: &[u8],
        at: u64,
        host: &mut impl Host,
        out: &mut impl FnMut(Call),
    ) {
        match Segment::decode(event) {
            Ok(segment) => self.segment(&segment, at, host, out),
            Err(_) => self.rules.counts.undecodable += 1,
        }
    }

    /// The state of every connection, to be kept over a restart. `floors`: position of each ring before which nothing is read
    /// again; what waits there longer becomes a gap.
    pub fn states<'a>(
        &'a self,
        floors: &'a [u64],
    ) -> impl Iterator<Item = FlowState<&'a Connection>> {
        self.flows.iter().map(|flow| FlowState::of(flow, floors))
    }

    /// Rings, with the positions from which on something in them has to be read again.
    pub fn resumes(&self, floors: &[u64]) -> impl Iterator<Item = (usize, u64)> {
        self.flows
            .iter()
            .filter_map(|flow| checkpoint::resume(flow, floors))
    }

    /// Takes a connection up again as it was kept. False when there is no room for it.
    pub fn restore(&mut self, state: FlowState<Connection>, now: u64) -> bool {
        let (key, birth) = (state.key(), state.birth());
        let (streams, mut connection) = state.parts();
        let joins = connection.sealed().map(|it| it.begins_to_wait());
        let restored = self.flows.put(key, birth, streams, connection).is_some();
        if let Some(joins) = joins.filter(|joins| restored && !joins.is_empty()) {
            self.sealed.note(key, birth, now, joins);
        }
        self.account(&key);
        restored
    }

    /// Takes one segment. `at`: its position in the ring; of a capture file, any number that grows.
    pub fn segment(
        &mut self,
        segment: &Segment<'_>,
        at: u64,
        host: &mut impl Host,
        out: &mut impl FnMut(Call),
    ) {
        let header = &segment.header;
        if header.length > 0 {
            self.rules.counts.segments += 1;
            self.rules.counts.segment_bytes += u64::from(header.length);
        }
        match segment.kind() {
            Some(Kind::Segment | Kind::Record) => {}
            // What comes after the hello is none.
            Some(Kind::Handshake) if header.offset != ORIGIN && !self.follows(header) => return,
            Some(Kind::Handshake) => {}
            // Over UDP: it ends no connection of the same name.
            Some(kind @ Kind::Quic) => {
                self.rules.count_opaque(header, reason(kind), host);
                return;
            }
            // What comes with it is a client's hello; the server's may have overtaken it.
            Some(kind @ Kind::Tls) if !segment.payload.is_empty() => {
                self.rules.count_opaque(header, reason(kind), host);
                if !self.shakes_hands(header) {
                    self.end(&header.flow, header.time, host, out);
                }
            }
            Some(kind) => {
                self.end(&header.flow, header.time, host, out);
                self.rules.count_opaque(header, reason(kind), host);
                return;
            }
            None => return,
        }
        if !self.enter(segment, host, out) {
            return;
        }
        let Some(flow) = self.flows.heard(&header.flow, header.time) else {
            return;
        };
        flow.connection.reopen(segment);
        let waited = [false, true].map(|high| flow.streams.waits(high));
        let mut reader = Reading {
            flow: flow.key,
            connection: &mut flow.connection,
            rules: &mut self.rules,
            shared: &mut self.shared,
            host,
            out,
        };
        flow.streams
            .segment(segment, &reader.rules.settings.stream.clone(), &mut reader);
        if header.has(flags::RST) {
            flow.streams.close(
                header.time,
                &reader.rules.settings.stream.clone(),
                &mut reader,
            );
            reader.reset(segment.from_high(), header.time);
        }
        let read = header.kind() == Some(Kind::Handshake) && flow.connection.is_over();
        let over = header.has(flags::RST) || flow.streams.is_finished();
        if over {
            self.over.note(flow.key, flow.birth);
        }
        let key = flow.key;
        self.rules.hint(flow, segment);
        let joins = flow.connection.sealed().map(|it| it.begins_to_wait());
        if let Some(joins) = joins.filter(|joins| !joins.is_empty()) {
            self.sealed.note(key, flow.birth, header.time, joins);
        }
        note_raw(flow, segment, at, waited);
        let waiting = flow.streams.is_waiting();
        self.account(&key);
        if over || read {
            self.end(&key, header.time, host, out);
        } else if waiting {
            self.waiting.insert(key);
        } else if !self.waiting.is_empty() {
            self.waiting.remove(&key);
        }
        while self.sealed.len() > self.rules.settings.connections {
            self.rules.counts.drop("secrets", "waiting_full");
            self.give_up_waiting(u64::MAX, header.time, host, out);
        }
        while self.heap > self.rules.settings.heap_bytes
            && self.make_room("heap_full", header.time, host, out)
        {}
    }

    /// Lets time pass: gives up on what was missing for too long and on connections that went quiet.
    pub fn tick(&mut self, now: u64, host: &mut impl Host, out: &mut impl FnMut(Call)) {
        let mut waiting: Vec<FlowKey> = self.waiting.iter().copied().collect();
        // In an order of their own: what a replay shows does not change from run to run.
        waiting.sort_unstable();
        for key in waiting {
            let Some(flow) = self.flows.get(&key) else {
                self.waiting.remove(&key);
                continue;
            };
            let mut reader = Reading {
                flow: key,
                connection: &mut flow.connection,
                rules: &mut self.rules,
                shared: &mut self.shared,
                host,
                out,
            };
            flow.streams
                .expire(now, &reader.rules.settings.stream.clone(), &mut reader);
            if !flow.streams.is_waiting() {
                self.waiting.remove(&key);
            }
            let raw = [false, true]
                .map(|high| flow.streams.waits(high) || flow.connection.half_read(high).is_some());
            for (since, raw) in flow.connection.raw_since.iter_mut().zip(raw) {
                *since = since.filter(|_| raw);
            }
            self.account(&key);
        }
        self.shared.secrets.expire(now);
        let since = now.saturating_sub(self.rules.settings.tls.waiting_time);
        while self.give_up_waiting(since, now, host, out) {}
        let since = now.saturating_sub(self.rules.settings.idle);
        while let Some(flow) = self.flows.remove_oldest(since) {
            self.close(flow, now, host, out);
        }
    }

    /// Ends connections of which something is pending and whose end was among lost events. To be called some time after
    /// events were lost; those that were heard of since `quiet` are left alone.
    pub fn end_unheard(&mut self, quiet: u64, host: &mut impl Host, out: &mut impl FnMut(Call)) {
        let unheard = self.flows.iter().filter(|flow| {
            flow.streams.last < quiet
                && !flow.connection.is_idle()
                && host.is_over(&flow.key, flow.birth)
        });
        let unheard: Vec<FlowKey> = unheard.map(|flow| flow.key).collect();
        for key in unheard {
            self.end(&key, quiet, host, out);
        }
    }

    /// Ends every connection: there is no more to come.
    pub fn finish(&mut self, now: u64, host: &mut impl Host, out: &mut impl FnMut(Call)) {
        while let Some(flow) = self.flows.remove_oldest(u64::MAX) {
            self.close(flow, now, host, out);
        }
    }

    /// Whether the connection of a segment is in the table.
    fn follows(&mut self, header: &EventHeader) -> bool {
        let known = self.flows.get(&header.flow);
        known.is_some_and(|flow| flow.birth == header.birth)
    }

    /// Whether a connection is in the table whose hellos are being read.
    fn shakes_hands(&mut self, header: &EventHeader) -> bool {
        let known = self.flows.get(&header.flow);
        known.is_some_and(|flow| {
            flow.birth == header.birth && matches!(flow.connection.speaks, Speaks::Tls(_))
        })
    }

    /// Makes sure that the connection of a segment is in the table; false when it cannot be.
    fn enter(
        &mut self,
        segment: &Segment<'_>,
        host: &mut impl Host,
        out: &mut impl FnMut(Call),
    ) -> bool {
        let header = &segment.header;
        match self.flows.get(&header.flow).map(|flow| flow.birth) {
            Some(birth) if birth == header.birth => return true,
            // A straggler of the connection before.
            Some(birth) if birth > header.birth => return false,
            Some(_) => self.end(&header.flow, header.time, host, out),
            None => {}
        }
        if header.over != 0 || self.over.has(&header.flow, header.birth) {
            // A straggler of a connection that has ended.
            return false;
        }
        if self.flows.is_full() {
            self.make_room("table_full", header.time, host, out);
        }
        self.flows.enter(segment, Connection::new(header)).is_some()
    }

    /// Gives up on the connection that has waited longest for its secret, if it has since before `since`. False when there is
    /// none.
    fn give_up_waiting(
        &mut self,
        since: u64,
        now: u64,
        host: &mut impl Host,
        out: &mut impl FnMut(Call),
    ) -> bool {
        let Some(waiter) = self.sealed.take_oldest(since) else {
            return false;
        };
        let known = self.flows.get(&waiter.flow);
        if known.is_some_and(|flow| flow.birth == waiter.birth) {
            self.with(&waiter.flow, host, out, |reading| {
                reading.give_up_waiting(now)
            });
        }
        true
    }

    /// Does something with a connection, if it is followed.
    fn with<H: Host, O: FnMut(Call)>(
        &mut self,
        key: &FlowKey,
        host: &mut H,
        out: &mut O,
        act: impl FnOnce(&mut Reading<'_, H, O>),
    ) {
        let Some(flow) = self.flows.get(key) else {
            return;
        };
        act(&mut Reading {
            flow: *key,
            connection: &mut flow.connection,
            rules: &mut self.rules,
            shared: &mut self.shared,
            host,
            out,
        });
        self.account(key);
    }

    /// Drops the connection that was quiet longest. False when there is none.
    fn make_room(
        &mut self,
        why: &'static str,
        now: u64,
        host: &mut impl Host,
        out: &mut impl FnMut(Call),
    ) -> bool {
        let Some(flow) = self.flows.remove_oldest(u64::MAX) else {
            return false;
        };
        self.rules.counts.drop("flow", why);
        self.close(flow, now, host, out);
        true
    }

    fn end(&mut self, key: &FlowKey, now: u64, host: &mut impl Host, out: &mut impl FnMut(Call)) {
        if let Some(flow) = self.flows.remove(key) {
            self.close(flow, now, host, out);
        }
    }

    fn close(
        &mut self,
        mut flow: Flow<Connection>,
        now: u64,
        host: &mut impl Host,
        out: &mut impl FnMut(Call),
    ) {
        self.waiting.remove(&flow.key);
        self.heap = self.heap.saturating_sub(flow.connection.heap);
        self.http2 -= usize::from(flow.connection.counted_http2);
        if let Some(sealed) = flow.connection.sealed() {
            let room = ENDED.saturating_sub(self.ended.len());
            self.ended.extend(sealed.known_by().into_iter().take(room));
        }
        let rules = &mut self.rules;
        let mut reader = Reading {
            flow: flow.key,
            connection: &mut flow.connection,
            rules,
            shared: &mut self.shared,
            host,
            out,
        };
        flow.streams
            .close(now, &reader.rules.settings.stream.clone(), &mut reader);
        reader.end(now);
    }

    /// Brings the sum of heap bytes up to date with a connection.
    fn account(&mut self, key: &FlowKey) {
        if let Some(flow) = self.flows.get(key) {
            let bytes = flow.streams.heap_bytes() + flow.connection.heap_bytes();
            self.heap = (self.heap + bytes).saturating_sub(flow.connection.heap);
            flow.connection.heap = bytes;
            if !flow.connection.counted_http2 && flow.connection.is_http2() {
                flow.connection.counted_http2 = true;
                self.http2 += 1;
            }
        }
    }
}

impl Rules {
    /// Tells the kernel side the end of a long body, or that copying is still wanted.
    fn hint(&mut self, flow: &mut Flow<Connection>, segment: &Segment<'_>) {
        let high = segment.from_high();
        let connection = &mut flow.connection;
        let hinted = if high {
            connection.hinted[1]
        } else {
            connection.hinted[0]
        };
        let next = flow.streams.next(high);
        let until = match connection.needless_until(high) {
            Some(until) if until > segment.end().saturating_add(WORTH_A_HINT) => until,
            // Nothing of it can be read any more.
            None if connection.is_over() && segment.kind() == Some(Kind::Record) => u64::MAX,
            _ if next
                > hinted
                    .max(observer_ebpf::track::ORIGIN)
                    .saturating_add(RENEW) =>
            {
                next
            }
            _ => return,
        };
        if until <= hinted {
            return;
        }
        if self.hints.len() >= HINTS {
            self.counts.drop("hints", "full");
            return;
        }
        if high {
            connection.hinted[1] = until;
        } else {
            connection.hinted[0] = until;
        }
        self.hints.push((
            flow.key,
            Hint {
                birth: flow.birth,
                skip: connection.hinted,
            },
        ));
    }

    /// Takes note of a handshake.
    fn shake(&mut self, handshake: Handshake) {
        let version = match handshake.outcome {
            Outcome::Agreed(hello) => hello.version.name(),
            Outcome::Refused | Outcome::Unread => "none",
        };
        let counted = (version, handshake.result());
        *self.counts.handshakes.entry(counted).or_default() += 1;
        self.counts.agreements.observe(&handshake);
        if self.handshakes.len() >= HANDSHAKES {
            self.counts.drop("handshakes", "full");
            return;
        }
        self.handshakes.push(handshake);
    }

    fn count_opaque(&mut self, header: &EventHeader, reason: &'static str, host: &impl Host) {
        let flow = &header.flow;
        let (_, low) = segment::ends(flow, true);
        let (_, high) = segment::ends(flow, false);
        let server = if header.has(flags::LOW_ACCEPTED) {
            low
        } else if header.has(flags::HIGH_ACCEPTED) {
            high
        } else {
            // Not seen from the start: servers listen on the lower port in nearly every case.
            std::cmp::min_by_key(low, high, SocketAddr::port)
        };
        self.count_opaque_server(server, reason, host);
    }

    fn count_opaque_server(&mut self, server: SocketAddr, reason: &'static str, host: &impl Host) {
        if reason.starts_with("tls") {
            self.edges.opaque(server.port());
        }
        let own = host.is_own(server.ip());
        let opaque = &mut self.counts.opaque;
        let known =
            opaque.contains_key(&(server.port(), own, reason)) || opaque.len() < OPAQUE_PORTS;
        let port = if known { server.port() } else { 0 };
        *opaque.entry((port, own, reason)).or_default() += 1;
    }
}

impl Counts {
    fn drop(&mut self, stage: &'static str, reason: &'static str) {
        *self.dropped.entry((stage, reason)).or_default() += 1;
    }
}

/// Notes since which position something of the connection waits as bytes: in a head that is half read, or out of order.
/// `waited`: whether something of the low and of the high end waited out of order before this segment.
fn note_raw(flow: &mut Flow<Connection>, segment: &Segment<'_>, at: u64, waited: [bool; 2]) {
    let header = &segment.header;
    let copied = header.offset.saturating_add(u64::from(header.skipped));
    let [low, high] = flow.connection.raw_since;
    let since = |high: bool, before: Option<u64>, waited: bool| {
        let sent = high == segment.from_high();
        match flow.connection.half_read(high) {
            _ if flow.streams.waits(high) => before.or(Some(at)),
            // Of what waited before, the bytes stand in earlier events.
            Some(start) if sent && start >= copied && !waited => Some(at),
            Some(_) => before.or(Some(at)),
            None => None,
        }
    };
    let [low_waited, high_waited] = waited;
    flow.connection.raw_since = [
        since(false, low, low_waited),
        since(true, high, high_waited),
    ];
}

/// Why a connection cannot be read, for metrics.
fn reason(kind: Kind) -> &'static str {
    match kind {
        Kind::Tls | Kind::Handshake => "tls",
        Kind::Quic => "quic",
        Kind::Segment | Kind::Record | Kind::Opaque => "not_http",
    }
}
