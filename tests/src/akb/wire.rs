//! From requests to segments, through the pipeline, to awareness: nothing is handed over but bytes and times.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use data_encoding::BASE64;
use observer::awareness::{Awareness, Incident, State};
use observer::identity::{Attributor, Fingerprinter, IdentitySettings, Pepper, Registry};
use observer::pipeline::{Host, Pipeline, Settings};
use observer::route::{self, Api, Routes};
use observer::segment::Segment;
use observer::tls::Hello;
use observer::usage::Call;
use observer_ebpf::abi::{Endpoint, EventHeader, FlowKey, Kind, flags};
use observer_ebpf::track::ORIGIN;
use rustix::time::{ClockId, clock_gettime};

use super::emit::{Emit, Place};
use super::labels::RETIRED;
use super::population::Population;
use super::request::{API, Credential, DOCUMENTED, Request, Way};
use crate::hello::server_hello;

/// The host, its pipeline and its awareness.
pub struct Wire {
    pipeline: Pipeline,
    awareness: Awareness,
    connections: HashMap<(String, Way, u16), Connection>,
    calls: Vec<Call>,
    exchanges: u64,
    nanoseconds: u64,
    minutes: u64,
    known: HashSet<Arc<str>>,
    tap: Option<Emit>,
    /// Why what passes could not be written.
    torn: Option<io::Error>,
}

struct Connection {
    flow: FlowKey,
    client: SocketAddr,
    server: SocketAddr,
    client_high: bool,
    interface: u32,
    birth: u64,
    /// Nanoseconds since 1970.
    last: u64,
    /// Stream offsets of the client's and the server's next byte.
    next: [u64; 2],
}

/// The proxy on the host listens for clients of these networks, gateways are elsewhere.
struct ThisHost;

impl Host for ThisHost {
    fn interface(&self, index: u32) -> Arc<str> {
        Arc::from(if index == 1 { "lo" } else { "eth0" })
    }

    fn is_own(&self, address: IpAddr) -> bool {
        address.is_loopback() || address == IpAddr::from([192, 0, 2, 1])
    }

    fn client_serves(&mut self, _: &FlowKey) -> bool {
        false
    }

    fn is_over(&self, _: &FlowKey, _: u64) -> bool {
        false
    }
}

/// What fingerprints are made with.
pub(super) const PEPPER: [u8; 32] = [7; 32];
/// Whoever says where a request came from, and whose it is.
pub(super) const PROXIES: [&str; 2] = ["127.0.0.0/8", "10.200.0.0/16"];
/// Nanoseconds after which an idle connection is not used again.
const KEPT_ALIVE: u64 = 300_000_000_000;
/// Calls that are handed to awareness at a time, so that measuring costs little of what is measured.
const BATCH: usize = 1_024;

impl Wire {
    /// A host that knows the population by its registry.
    ///
    /// # Panics
    /// When the registry is not valid.
    pub fn new(population: &Population) -> Self {
        let fingerprinter = Fingerprinter::new(&Pepper::new(&mut { PEPPER }));
        let document =
            population.registry(|secret| fingerprinter.fingerprint(secret.as_bytes()).to_string());
        let registry =
            Arc::new(Registry::parse(&[("akb.toml", document)]).expect("a valid registry"));
        let network = |text: &str| text.parse().expect("a network");
        let settings = IdentitySettings {
            trusted_proxies: PROXIES.map(network).to_vec(),
            gateways: PROXIES.map(network).to_vec(),
            ..IdentitySettings::default()
        };
        let pipeline = Pipeline::new(
            Settings::default(),
            Attributor::new(settings, fingerprinter),
            Arc::clone(&registry),
            Routes::new(route::Settings::default(), &apis()).expect("valid APIs"),
        );
        Self {
            pipeline,
            awareness: Awareness::new(&registry),
            connections: HashMap::new(),
            calls: Vec::new(),
            exchanges: 0,
            nanoseconds: 0,
            minutes: 0,
            known: HashSet::new(),
            tap: None,
            torn: None,
        }
    }

    /// Writes what passes to files as well.
    pub fn tap(&mut self, emit: Emit) {
        self.tap = Some(emit);
    }

    /// Ends the files, if there are any.
    ///
    /// # Errors
    /// What the system refused.
    pub fn untap(&mut self) -> io::Result<()> {
        let end = match (self.torn.take(), &mut self.tap) {
            (Some(torn), _) => Err(torn),
            (None, Some(emit)) => emit.finish(),
            (None, None) => Ok(()),
        };
        self.tap = None;
        end
    }

    /// Writes to the files, until they take no more.
    fn emit(&mut self, write: impl FnOnce(&mut Emit) -> io::Result<()>) {
        if self.torn.is_none()
            && let Some(emit) = &mut self.tap
        {
            self.torn = write(emit).err();
        }
    }

    /// What awareness knows.
    pub fn awareness(&self) -> &Awareness {
        &self.awareness
    }

    /// Exchanges that awareness saw.
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Nanoseconds that awareness took for them, and for the minutes.
    pub fn nanoseconds(&self) -> (u64, u64) {
        (self.nanoseconds, self.minutes)
    }

    /// Puts a request and its answer on the wire.
    pub fn exchange(&mut self, request: &Request) {
        self.emit(|emit| emit.request(request));
        if let Way::Tls(hello) = request.way {
            self.handshake(request, hello);
            return;
        }
        let head = head(request);
        let answer = format!(
            "HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n",
            request.status, request.received, request.answer
        );
        self.segment(request, true, head.as_bytes(), request.sent, request.time);
        self.segment(
            request,
            false,
            answer.as_bytes(),
            request.received,
            request.time + request.took,
        );
        if self.calls.len() >= BATCH {
            self.observe();
        }
    }

    /// Puts what a server says first on the wire, on a connection of its own.
    fn handshake(&mut self, request: &Request, hello: Option<Hello>) {
        let connection = Connection::new(request, self.connections.len());
        let payload = match hello {
            Some(hello) => {
                let message = server_hello(&hello, [9; 32], 0);
                let mut record = vec![22, 3, 3, 0, message.len() as u8];
                record.extend(message);
                record
            }
            // A fatal alert: protocol_version (RFC 8446 section 6).
            None => vec![21, 3, 3, 0, 2, 2, 70],
        };
        let from_high = !connection.client_high;
        let accepted = if from_high {
            flags::HIGH_ACCEPTED
        } else {
            flags::LOW_ACCEPTED
        };
        let header = EventHeader {
            time: request.time,
            birth: request.time,
            offset: ORIGIN,
            length: payload.len() as u32,
            copied: payload.len() as u32,
            interface: connection.interface,
            kind: Kind::Handshake as u8,
            flow: connection.flow,
            flags: accepted | if from_high { flags::HIGH } else { 0 },
            ..EventHeader::default()
        };
        let (client, server, time) = (connection.client, connection.server, request.time);
        self.emit(|emit| {
            emit.open(client, server, time)?;
            let place = Place {
                from: client,
                to: server,
                offset: ORIGIN,
                acked: ORIGIN,
                time,
                birth: time,
            };
            // The beginning of a ClientHello.
            let asks = [22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3];
            emit.bytes(&place, &asks, asks.len() as u64)?;
            let place = Place {
                from: server,
                to: client,
                acked: ORIGIN + asks.len() as u64,
                ..place
            };
            emit.bytes(&place, &payload, payload.len() as u64)
        });
        let segment = Segment {
            header,
            payload: &payload,
        };
        self.pipeline
            .segment(&segment, request.time, &mut ThisHost, &mut |_| {});
        for handshake in self.pipeline.take_handshakes() {
            self.awareness.observe_handshake(&handshake);
        }
    }

    fn segment(&mut self, request: &Request, from_client: bool, head: &[u8], body: u64, time: u64) {
        let count = self.connections.len();
        let name = (request.client.clone(), request.way.clone(), request.port);
        let connection = self
            .connections
            .entry(name)
            .or_insert_with(|| Connection::new(request, count));
        let first = from_client && time > connection.last + KEPT_ALIVE;
        if first {
            (connection.birth, connection.next) = (time, [ORIGIN; 2]);
        }
        connection.last = time.max(connection.last);
        let next = &mut connection.next[usize::from(!from_client)];
        let high = connection.client_high == from_client;
        // Bodies are not copied, and longer than any segment.
        for (offset, length, payload) in [
            (*next, head.len() as u64, head),
            (*next + head.len() as u64, body, &[][..]),
        ] {
            if length == 0 {
                continue;
            }
            let header = EventHeader {
                time,
                birth: connection.birth,
                offset,
                length: u32::try_from(length).unwrap_or(u32::MAX),
                copied: payload.len() as u32,
                interface: connection.interface,
                flow: connection.flow,
                flags: if high { flags::HIGH } else { 0 }
                    | if first { flags::FROM_START } else { 0 },
                ..EventHeader::default()
            };
            let calls = &mut self.calls;
            let segment = Segment { header, payload };
            self.pipeline
                .segment(&segment, time, &mut ThisHost, &mut |call| calls.push(call));
        }
        let begin = *next;
        *next += head.len() as u64 + body;
        let (client, server) = (connection.client, connection.server);
        let acked = connection.next[usize::from(from_client)];
        let birth = connection.birth;
        self.emit(|emit| {
            if first {
                emit.open(client, server, time)?;
            }
            let (from, to) = if from_client {
                (client, server)
            } else {
                (server, client)
            };
            let place = Place {
                from,
                to,
                offset: begin,
                acked,
                time,
                birth,
            };
            emit.bytes(&place, head, head.len() as u64)?;
            let place = Place {
                offset: begin + head.len() as u64,
                ..place
            };
            emit.bytes(&place, &[], body)
        });
    }

    fn observe(&mut self) {
        let begun = cpu_time();
        for call in &self.calls {
            self.awareness.observe(call);
        }
        self.nanoseconds += cpu_time() - begun;
        self.exchanges += self.calls.len() as u64;
        self.calls.clear();
    }

    /// Lets time pass; takes incidents that opened.
    pub fn tick(&mut self, second: u64, opened: &mut Vec<Incident>) {
        self.observe();
        self.pipeline
            .tick(second * 1_000_000_000, &mut ThisHost, &mut |_| {});
        let begun = cpu_time();
        self.awareness.tick(second, 1.0);
        self.minutes += cpu_time() - begun;
        let changes = self.awareness.take_changes();
        // One that goes on, gets worse or comes again is no new one.
        let known = &mut self.known;
        let new = |incident: &Incident| {
            incident.state == State::Open && known.insert(incident.id.clone())
        };
        opened.extend(changes.into_iter().filter(new));
    }
}

/// What is configured: the API that everybody asks, by its host alone, and one with a document.
fn apis() -> [Api; 2] {
    let api = |name: &str| Api {
        name: name.to_owned(),
        hosts: vec![name.to_owned()],
        ..Api::default()
    };
    let mut document = String::from("openapi: 3.1.0\npaths:\n  /v1/items: { get: {} }\n");
    for number in 0..RETIRED {
        let _ = writeln!(
            document,
            "  /v1/old{number}: {{ get: {{ deprecated: true }} }}"
        );
    }
    let documented = Api {
        openapi: Some(document),
        ..api(DOCUMENTED)
    };
    [api(API), documented]
}

impl Connection {
    fn new(request: &Request, number: usize) -> Self {
        let address = |address: SocketAddr| match address.ip() {
            IpAddr::V4(ip) => Endpoint::v4(ip.octets(), address.port()),
            IpAddr::V6(ip) => Endpoint::v6(ip.octets(), address.port()),
        };
        let port = 10_000 + (number % 50_000) as u16;
        let peer = match request.way {
            Way::Proxy => IpAddr::from([127, 0, 0, 1 + (number / 50_000) as u8]),
            Way::Straight | Way::Tls(_) => request.client.parse().expect("an address"),
            Way::Gateway => IpAddr::from([10, 200, 0, 1]),
        };
        let server = if request.way == Way::Proxy {
            [127, 0, 0, 1]
        } else {
            [192, 0, 2, 1]
        };
        let client = SocketAddr::new(peer, port);
        let server = SocketAddr::new(IpAddr::from(server), request.port);
        let (flow, client_high) = FlowKey::new(address(client), address(server));
        Self {
            flow,
            client,
            server,
            client_high,
            interface: if request.way == Way::Proxy { 1 } else { 2 },
            birth: 0,
            last: 0,
            next: [ORIGIN; 2],
        }
    }
}

/// Nanoseconds that this thread has run: what else the machine does is not counted.
fn cpu_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn head(request: &Request) -> String {
    let mut head = String::with_capacity(320);
    let (query, key) = match &request.credential {
        Credential::Query(parameter, key) => (format!("?{parameter}={key}"), None),
        Credential::Key(key) | Credential::Signed(key, _) => (String::new(), Some(key)),
        Credential::None | Credential::Basic(_) => (String::new(), None),
    };
    let _ = write!(
        head,
        "{} {}{query} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\n{}",
        request.method, request.target, request.host, request.agent, request.fields
    );
    if request.way != Way::Straight {
        let _ = write!(head, "X-Forwarded-For: {}\r\n", request.client);
    }
    if let Some(key) = key {
        let _ = write!(head, "X-API-Key: {key}\r\n");
    }
    match &request.credential {
        Credential::Signed(_, signature) => {
            let _ = write!(head, "Signature: sig=:{signature:032x}:\r\n");
        }
        Credential::Basic(pair) => {
            let _ = write!(
                head,
                "Authorization: Basic {}\r\n",
                BASE64.encode(pair.as_bytes())
            );
        }
        _ => {}
    }
    if request.sent > 0 {
        let _ = write!(head, "Content-Length: {}\r\n", request.sent);
    }
    head.push_str("\r\n");
    head
}
