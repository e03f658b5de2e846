//! One connection in the pipeline: which end is the client, what its requests asked, and the calls that come of it.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use observer_ebpf::abi::{EventHeader, FlowKey, Kind, flags};
use observer_ebpf::track::ORIGIN;

use super::carried::Carried;
use super::sealed::{Sealed, Shared};
use super::spoken::Spoken;
use super::stops::{Caught, Request};
use super::{Host, Rules};
use crate::flow::{Reader, Seen};
use crate::http::{
    self, Exchange, Moment, RequestHead, Side, Sink, Start, Uncertain, Version, http2,
};
use crate::identity::discovery::Sightings;
use crate::identity::traits::{Traits, sign};
use crate::identity::{Attribution, Consumer, TargetPrivacy};
use crate::response::Verb;
use crate::route::{self, Standing};
use crate::segment::{self, Segment};
use crate::tls::{self, Handshake, Hellos, Offer, Terms};
use crate::usage::{Call, Credential, Fingerprint, Outcome, Vantage, Visibility, shown_method};

/// What the pipeline keeps of a connection.
#[derive(Serialize, Deserialize)]
pub struct Connection {
    pub(super) speaks: Speaks,
    about: About,
    /// Stream offsets told to the kernel side, of the low and the high end's bytes.
    pub hinted: [u64; 2],
    /// Heap bytes as last accounted for.
    #[serde(skip)]
    pub heap: usize,
    /// It is counted as one that speaks HTTP/2.
    #[serde(skip)]
    pub counted_http2: bool,
    /// Positions in the ring of the low and the high end's first event that something still waits in as bytes.
    #[serde(skip)]
    pub raw_since: [Option<u64>; 2],
}

/// What a connection speaks.
#[derive(Serialize, Deserialize)]
pub(super) enum Speaks {
    Http(Spoken<Box<Asked>>),
    /// TLS, and how its handshake goes is not known yet.
    Tls(Hellos),
    /// Something that cannot be read.
    Other,
    /// TLS that is decrypted.
    Sealed(Box<Sealed>),
}

/// What holds for every exchange of a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct About {
    client_high: Option<bool>,
    interface: u32,
    vantage: Option<Vantage>,
    proxied: Option<Box<SocketAddr>>,
    /// It goes to the observer's own listener.
    ignored: bool,
    /// It is decrypted.
    #[serde(default)]
    tls: bool,
    /// What its ends agreed on, where it is.
    #[serde(default)]
    terms: Option<Arc<Terms>>,
    /// Whose requests it carried.
    carried: Carried,
    /// A request of somebody who is shut off, on which others wait for their answers.
    #[serde(skip)]
    suspended: Option<Box<Caught>>,
}

/// What is kept of a request until its exchange ends: nothing secret.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    method: Arc<str>,
    host: Option<Arc<str>>,
    path: Box<str>,
    target: Option<Box<str>>,
    version: Version,
    attribution: Attribution,
    /// What stands at every place of it, while places are looked for.
    #[serde(skip)]
    seen: Option<Box<Sightings>>,
}

/// Bytes of a Host field that are kept.
const HOST_BYTES: usize = 255;

impl Connection {
    /// A connection whose first segment has this header.
    pub fn new(header: &EventHeader) -> Self {
        let client_high = if header.has(flags::LOW_ACCEPTED) {
            Some(true)
        } else if header.has(flags::HIGH_ACCEPTED) {
            Some(false)
        } else {
            None
        };
        let about = About {
            client_high,
            interface: header.interface,
            vantage: None,
            proxied: None,
            ignored: false,
            tls: false,
            terms: None,
            carried: Carried::default(),
            suspended: None,
        };
        let speaks = if matches!(header.kind(), Some(Kind::Tls | Kind::Handshake)) {
            Speaks::Tls(Hellos::default())
        } else if header.has(flags::FROM_START) {
            Speaks::Http(Spoken::from_start())
        } else {
            Speaks::Http(Spoken::joined())
        };
        Self {
            speaks,
            about,
            hinted: [0; 2],
            heap: 0,
            counted_http2: false,
            raw_since: [None; 2],
        }
    }

    /// Takes a segment's word for what the connection speaks: it is decrypted, or begins a message after it spoke something
    /// else.
    pub fn reopen(&mut self, segment: &Segment<'_>) {
        if segment.kind() == Some(Kind::Record) {
            // What overtook the first segment came before anybody knew.
            if matches!(&self.speaks, Speaks::Http(http) if http.is_idle()) {
                self.speaks = Speaks::Sealed(Box::new(Sealed::new()));
                self.about.tls = true;
            }
            return;
        }
        let starts = || {
            matches!(
                http::detect(segment.payload),
                Some(Start::Request | Start::Response)
            )
        };
        if self.is_over() && segment.header.skipped == 0 && starts() {
            self.speaks = Speaks::Http(Spoken::joined());
        }
    }

    /// Whether there is nothing in it to read any more.
    pub fn is_over(&self) -> bool {
        matches!(self.speaks, Speaks::Other)
    }

    /// Whether it speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        let http = match &self.speaks {
            Speaks::Http(http) => http,
            Speaks::Sealed(sealed) => &sealed.http,
            Speaks::Tls(_) | Speaks::Other => return false,
        };
        matches!(http, Spoken::Http2(_))
    }

    /// Which side an end is.
    pub(super) fn side(&self, high: bool) -> Option<Side> {
        self.about.side(high)
    }

    /// What speaks TLS, where it is decrypted.
    pub(super) fn sealed(&mut self) -> Option<&mut Sealed> {
        match &mut self.speaks {
            Speaks::Sealed(sealed) => Some(sealed),
            _ => None,
        }
    }

    /// Stream offset before which bytes of one end are of no use.
    pub fn needless_until(&self, high: bool) -> Option<u64> {
        let side = self.about.side(high)?;
        match &self.speaks {
            Speaks::Http(http) => http.skip_until(side),
            // A record that was tampered with does not open: nothing has to be kept to compare it with.
            Speaks::Sealed(_) | Speaks::Tls(_) => Some(0),
            Speaks::Other => None,
        }
    }

    /// Whose requests were accepted on it.
    pub fn carried(&self) -> &Carried {
        &self.about.carried
    }

    /// Whether nothing of it is pending.
    pub fn is_idle(&self) -> bool {
        match &self.speaks {
            Speaks::Http(http) => http.is_idle(),
            Speaks::Sealed(sealed) => sealed.http.is_idle() && !sealed.waits(),
            Speaks::Tls(_) | Speaks::Other => true,
        }
    }

    /// Position in the ring of the first event that something still waits in as bytes.
    pub fn raw_since(&self) -> Option<u64> {
        self.raw_since.into_iter().flatten().min()
    }

    /// Stream offset of the first byte of the head of one end that is half read.
    pub fn half_read(&self, high: bool) -> Option<u64> {
        let side = self.about.side(high)?;
        match &self.speaks {
            Speaks::Http(http) => http.half_read(side),
            Speaks::Sealed(sealed) => sealed.half_read(side),
            Speaks::Tls(_) | Speaks::Other => None,
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let proxied = self
            .about
            .proxied
            .as_ref()
            .map_or(0, |_| size_of::<SocketAddr>());
        let read = match &self.speaks {
            Speaks::Http(http) => http.heap_bytes(),
            Speaks::Tls(hellos) => hellos.heap_bytes(),
            Speaks::Sealed(sealed) => sealed.heap_bytes(),
            Speaks::Other => 0,
        };
        read + proxied
    }
}

impl About {
    fn side(&self, high: bool) -> Option<Side> {
        Some(if self.client_high? == high {
            Side::Client
        } else {
            Side::Server
        })
    }
}

/// A connection being read: where its in-order bytes go, and where its exchanges come from.
pub struct Reading<'a, H, O> {
    /// Its name.
    pub flow: FlowKey,
    /// What is kept of it.
    pub connection: &'a mut Connection,
    /// What holds for all.
    pub rules: &'a mut Rules,
    /// What holds for all that is decrypted.
    pub(super) shared: &'a mut Shared,
    /// The host.
    pub host: &'a mut H,
    /// Where calls go.
    pub out: &'a mut O,
}

impl<H: Host, O: FnMut(Call)> Reading<'_, H, O> {
    /// The sender of a segment with RST gave the connection up.
    pub fn reset(&mut self, high: bool, time: u64) {
        self.sealed_cut(time);
        let moment = Moment { time, acked: None };
        self.with_http(high, |http, side, limits, calls| {
            http.reset(side, moment, limits, calls)
        });
    }

    /// The connection is over.
    pub fn end(&mut self, time: u64) {
        self.sealed_cut(time);
        self.with_http(false, |http, _, limits, calls| {
            http.end(time, limits, calls)
        });
        if let Speaks::Tls(hellos) = &self.connection.speaks {
            let offer = hellos.offer().map(Arc::clone);
            self.handshake(tls::Outcome::Unread, offer, time, false);
            self.connection.speaks = Speaks::Other;
        }
    }

    /// A handshake is as far as it can be read. `read`: what follows is decrypted.
    pub(super) fn handshake(
        &mut self,
        outcome: tls::Outcome,
        offer: Option<Arc<Offer>>,
        time: u64,
        read: bool,
    ) {
        let about = &self.connection.about;
        let (client, server) = segment::ends(&self.flow, about.client_high == Some(true));
        let handshake = Handshake {
            time: time.saturating_add_signed(self.rules.clock),
            client,
            server,
            inbound: self.host.is_own(server.ip()) || !self.host.is_own(client.ip()),
            interface: self.host.interface(about.interface),
            outcome,
            offer,
            read,
        };
        if read {
            self.rules.edges.read(server.port());
        }
        self.rules.shake(handshake);
    }

    /// What decrypts the connection, if anything does, and where its exchanges go.
    pub(super) fn sealed_parts(&mut self) -> Option<(&mut Sealed, &mut Shared, Calls<'_, H, O>)> {
        let Connection {
            speaks: Speaks::Sealed(sealed),
            about,
            ..
        } = &mut *self.connection
        else {
            return None;
        };
        let calls = Calls {
            flow: &self.flow,
            about,
            rules: &mut *self.rules,
            host: &mut *self.host,
            out: &mut *self.out,
        };
        Some((sealed, &mut *self.shared, calls))
    }

    /// Runs `read` on the connection's HTTP, if it speaks that and its sides are known.
    fn with_http(
        &mut self,
        high: bool,
        read: impl FnOnce(&mut Spoken<Box<Asked>>, Side, &http::Limits, &mut Calls<'_, H, O>),
    ) {
        let Connection { speaks, about, .. } = &mut *self.connection;
        let http = match speaks {
            Speaks::Http(http) => http,
            Speaks::Sealed(sealed) => &mut sealed.http,
            Speaks::Tls(_) | Speaks::Other => return,
        };
        let Some(side) = about.side(high) else { return };
        if about.ignored {
            return;
        }
        let limits = self.rules.settings.http;
        let rules = &mut *self.rules;
        let mut calls = Calls {
            flow: &self.flow,
            about,
            rules,
            host: &mut *self.host,
            out: &mut *self.out,
        };
        read(http, side, &limits, &mut calls);
        if http.is_opaque() {
            let (_, server) = calls.ends();
            self.connection.speaks = Speaks::Other;
            self.rules
                .count_opaque_server(server, "not_http", self.host);
        }
    }

    /// Takes a connection that is joined in the middle for HTTP/2 where bytes begin with its frames. False: which end sent them is
    /// not known yet.
    fn join(&mut self, high: bool, bytes: &[u8]) -> bool {
        let Speaks::Http(http) = &mut self.connection.speaks else {
            return true;
        };
        if !http.is_joined() || !http2::begins(bytes) {
            return true;
        }
        let client_high = &mut self.connection.about.client_high;
        if client_high.is_none() {
            *client_high = http2::is_client(bytes).map(|is_client| is_client == high);
        }
        if client_high.is_some() {
            http.join_http2();
        }
        client_high.is_some()
    }

    /// Finds out which end is the client from the first bytes that tell.
    pub(super) fn tell_sides(&mut self, high: bool, bytes: &[u8]) {
        let about = &mut self.connection.about;
        if about.client_high.is_none() {
            about.client_high = Some(match http::detect(bytes) {
                Some(Start::Response) => !high,
                _ => high,
            });
        }
        if about.vantage.is_none() {
            let (client, server) = segment::ends(&self.flow, about.client_high == Some(true));
            about.ignored = is_own_listener(self.rules.settings.own_listener, server, self.host);
            about.vantage = Some(vantage(client.ip(), &self.flow, self.host));
        }
    }
}

/// Whether a server is the observer's own listener.
fn is_own_listener(own: Option<SocketAddr>, server: SocketAddr, host: &impl Host) -> bool {
    own.is_some_and(|own| {
        own.port() == server.port()
            && (own.ip() == server.ip() || (own.ip().is_unspecified() && host.is_own(server.ip())))
    })
}

fn vantage(client: IpAddr, flow: &FlowKey, host: &mut impl Host) -> Vantage {
    if !host.is_own(client) {
        Vantage::Edge
    } else if host.client_serves(flow) {
        Vantage::Hop
    } else {
        Vantage::Local
    }
}

impl<H: Host, O: FnMut(Call)> Reader for Reading<'_, H, O> {
    fn data(&mut self, high: bool, seen: Seen, offset: u64, bytes: &[u8]) {
        if let Speaks::Tls(hellos) = &mut self.connection.speaks {
            let Some(side) = self.connection.about.side(high) else {
                return;
            };
            if let Some(outcome) = hellos.push(side.into(), bytes) {
                let offer = hellos.offer().map(Arc::clone);
                self.handshake(outcome, offer, seen.time, false);
                self.connection.speaks = Speaks::Other;
            }
            return;
        }
        if self.connection.sealed().is_some() {
            return self.sealed_data(high, seen, bytes);
        }
        if offset == ORIGIN && tls::is_alert(bytes) {
            // A server's answer to whoever went away without a hello.
            self.handshake(tls::Outcome::Refused, None, seen.time, false);
            self.connection.speaks = Speaks::Other;
            return;
        }
        if !self.join(high, bytes) {
            return;
        }
        self.tell_sides(high, bytes);
        self.with_http(high, |http, side, limits, calls| {
            http.data(side, seen.into(), offset, bytes, limits, calls)
        });
    }

    fn hole(&mut self, high: bool, seen: Seen, offset: u64, length: u64) {
        if self.connection.sealed().is_some() {
            return self.sealed_hole(high, seen, length);
        }
        if let Speaks::Tls(hellos) = &mut self.connection.speaks
            && let Some(side) = self.connection.about.side(high)
        {
            hellos.hole(side.into());
        }
        self.with_http(high, |http, side, limits, calls| {
            http.hole(side, seen.into(), offset, length, limits, calls)
        });
    }

    fn conflict(&mut self, high: bool) {
        self.rules.counts.conflicts += 1;
        if self.connection.sealed().is_some() {
            return;
        }
        self.with_http(high, |http, side, _, _| http.conflict(side));
    }

    fn fin(&mut self, high: bool, seen: Seen) {
        if self.connection.sealed().is_some() {
            return self.sealed_fin(high, seen);
        }
        self.with_http(high, |http, side, limits, calls| {
            http.fin(side, seen.into(), limits, calls)
        });
    }

    fn needless_until(&self, high: bool) -> Option<u64> {
        self.connection.needless_until(high)
    }

    fn is_idle(&self) -> bool {
        self.connection.is_idle()
    }
}

impl From<Seen> for Moment {
    fn from(seen: Seen) -> Self {
        Self {
            time: seen.time,
            acked: seen.acked,
        }
    }
}

/// Where a connection's exchanges become calls.
pub(super) struct Calls<'a, H, O> {
    flow: &'a FlowKey,
    about: &'a mut About,
    rules: &'a mut Rules,
    host: &'a mut H,
    out: &'a mut O,
}

impl<H: Host, O: FnMut(Call)> Calls<'_, H, O> {
    /// Client and server.
    pub fn ends(&self) -> (SocketAddr, SocketAddr) {
        segment::ends(self.flow, self.about.client_high == Some(true))
    }

    /// The connection is encrypted, on these terms.
    pub fn agreed(&mut self, terms: Terms) {
        self.about.terms = Some(Arc::new(terms));
    }

    /// A hop counts as usage when it came in over an edge that cannot be read.
    fn counted_at(
        &mut self,
        attribution: Option<&Attribution>,
        peer: SocketAddr,
    ) -> (Vantage, SocketAddr) {
        let vantage = self.about.vantage.unwrap_or(Vantage::Edge);
        let Some(attribution) = attribution else {
            return (vantage, peer);
        };
        let (host, edges) = (&mut *self.host, &self.rules.edges);
        let mut sealed = || {
            let mut ports = host.client_ports(self.flow).iter();
            ports.any(|port| edges.is_sealed(*port))
        };
        match attribution.forwarded_client {
            Some(client) if vantage == Vantage::Hop && attribution.forwarded_https && sealed() => {
                (Vantage::Edge, client)
            }
            _ => (vantage, attribution.client),
        }
    }
}

impl<H: Host, O: FnMut(Call)> Sink for Calls<'_, H, O> {
    type Request = Box<Asked>;

    fn request(&mut self, head: &RequestHead<'_>, at: Moment, offset: Option<u64>) -> Box<Asked> {
        let (peer, server) = self.ends();
        let Rules {
            attributor,
            registry,
            settings,
            names,
            clock,
            discovery,
            stops,
            ..
        } = &mut *self.rules;
        let now = (at.time.saturating_add_signed(*clock) / 1_000_000_000) as i64;
        let proxied = self.about.proxied.as_deref().copied();
        let attribution = attributor.attribute(registry, head, peer, proxied, now);
        self.about.carried.ask(&attribution);
        if !stops.is_idle() {
            let request = Request {
                flow: *self.flow,
                client: peer,
                server,
                // What is encrypted is read here alone.
                offset: offset.filter(|_| !self.about.tls),
                shared: self.about.carried.is_shared(&attribution),
                company: self.about.carried.is_company(),
                time: at.time.saturating_add_signed(*clock),
            };
            if let Some(caught) = stops.look(request, &attribution) {
                self.about.suspended = Some(Box::new(caught));
            }
        }
        let path = attributor
            .redact_target(head.target, TargetPrivacy::Path)
            .unwrap_or_default()
            .into();
        let full = (settings.targets == TargetPrivacy::Full).then_some(TargetPrivacy::Full);
        let target = full
            .and_then(|full| attributor.redact_target(head.target, full))
            .map(Box::from);
        let field = || {
            head.values("host")
                .next()
                .and_then(|host| std::str::from_utf8(host).ok())
        };
        let host = authority(head.target).or_else(field).map(without_user);
        Box::new(Asked {
            method: names.get(shown_method(head.method)),
            host: host
                .filter(|host| host.len() <= HOST_BYTES)
                .map(|host| names.get(host)),
            path,
            target,
            version: head.version,
            attribution,
            seen: discovery
                .as_ref()
                .map(|discovery| Box::new(discovery.look(head))),
        })
    }

    fn proxied(&mut self, source: Option<SocketAddr>) {
        self.about.proxied = source.map(Box::new);
    }

    fn exchange(&mut self, exchange: Exchange<Box<Asked>>) {
        let call = self.call(exchange);
        (self.out)(call);
    }

    fn missing(&mut self, bytes: u64) {
        self.rules.counts.missing_bytes += bytes;
    }

    fn messages(&mut self, request: &Box<Asked>, certain: bool, more: [u64; 2]) {
        let [_, responses] = more;
        let route = self.rules.grpc.route(&request.path, responses > 0);
        let consumer = match &request.attribution.consumer {
            _ if !certain => Consumer::Unknown.as_str(),
            consumer => consumer.as_str(),
        };
        let route = route.as_deref().unwrap_or(route::OTHER);
        self.rules.counts.messages.add(consumer, route, more);
    }

    fn frame(&mut self, kind: http2::Kind) {
        self.rules.counts.frames[kind as usize] += 1;
    }
}

impl<H: Host, O: FnMut(Call)> Calls<'_, H, O> {
    fn call(&mut self, exchange: Exchange<Box<Asked>>) -> Call {
        let (peer, server) = self.ends();
        let asked = exchange.request;
        let attribution = asked.as_ref().map(|asked| &asked.attribution);
        let (vantage, client) = self.counted_at(attribution, peer);
        let has_credential =
            attribution.is_some_and(|attribution| attribution.credential.is_some());
        let mut outcome = Outcome::of(
            exchange.status,
            exchange.cut,
            exchange.malformed,
            has_credential,
        );
        let code = exchange.rpc.and_then(|rpc| rpc.status);
        if let Some(code) = code.filter(|_| outcome == Outcome::Ok) {
            outcome = Outcome::of_grpc(code, has_credential);
        }
        let resolved = self.rules.routes.resolve(
            asked.as_ref().map_or("", |asked| &asked.method),
            asked.as_ref().and_then(|asked| asked.host.as_deref()),
            asked.as_ref().map_or("", |asked| &asked.path),
            exchange.status,
        );
        let (stray, standing) = (resolved.stray, resolved.standing);
        let route = match (&exchange.rpc, &asked) {
            (Some(rpc), Some(asked)) => {
                // A server that has no such call says so with 12, or speaks no gRPC at all.
                let has = rpc.status.is_some_and(|code| code != 12);
                let known = self.rules.grpc.route(&asked.path, has);
                known.unwrap_or_else(|| Arc::from(route::OTHER))
            }
            _ => resolved.route,
        };
        let accepted = exchange
            .status
            .is_some_and(|status| !matches!(status, 401 | 403));
        let utc = |time: u64| time.saturating_add_signed(self.rules.clock);
        let mut call = Call {
            begin: utc(exchange.begin),
            duration: exchange.end.saturating_sub(exchange.begin),
            first_byte: exchange
                .first_byte
                .map(|first| first.saturating_sub(exchange.begin)),
            client,
            peer,
            server,
            interface: self.host.interface(self.about.interface),
            vantage,
            visibility: if self.about.tls {
                Visibility::Tls
            } else {
                Visibility::Plaintext
            },
            tls: self.about.terms.clone(),
            protocol: if exchange.http2 { "HTTP/2" } else { "HTTP/1.1" },
            method: None,
            api: resolved.api,
            host: None,
            target: None,
            route,
            public: resolved.public,
            status: exchange.status,
            outcome,
            request_head_bytes: exchange.request_head_bytes,
            request_body_bytes: exchange.request_body_bytes,
            response_head_bytes: exchange.response_head_bytes,
            response_body_bytes: exchange.response_body_bytes,
            credential: None,
            consumer: self.rules.names.get(Consumer::Unknown.as_str()),
            app: None,
            key: None,
            reset: exchange.reason,
            rpc: exchange.rpc,
            socket: exchange.socket,
            uncertain: exchange.uncertain,
            malformed: exchange.malformed,
            traits: Traits::default(),
            refused: None,
        };
        let Some(asked) = asked else { return call };
        self.about
            .carried
            .answer(&asked.attribution, call.has_succeeded());
        if !self.about.carried.is_waited_on()
            && let Some(caught) = self.about.suspended.take()
        {
            let company = self.about.carried.is_company();
            self.rules.stops.judge(*caught, company);
        }
        let unanswered = match call.status {
            None => self.rules.stops.unanswered(&asked.attribution, peer),
            Some(_) => None,
        };
        let Asked {
            method,
            host,
            path,
            target,
            version,
            attribution,
            seen,
        } = *asked;
        if let (Some(discovery), Some(seen), Some(status)) =
            (&mut self.rules.discovery, seen, call.status)
            && vantage != Vantage::Hop
            && exchange.uncertain.is_none()
        {
            discovery.observe(&call.api, *seen, status);
        }
        call.protocol = match version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2",
        };
        call.method = Some(method);
        call.host = host;
        call.traits = attribution.traits;
        call.traits.read_path(&path, &call.route);
        let edge = vantage == Vantage::Edge;
        // What comes from this host itself needs no gateway, and shows its key to nobody.
        call.traits.signs &= if edge {
            !0
        } else {
            !(sign::BYPASS | sign::SPOOFED)
        };
        call.traits.set(
            sign::CLEARTEXT,
            edge && call.visibility == Visibility::Plaintext,
        );
        let traits = &mut call.traits;
        traits.retry_after = exchange.advice.retry_after;
        traits.hourly = exchange.advice.hourly;
        traits.set(sign::STRAY_HOST, stray);
        traits.set(sign::UNDECLARED, standing == Some(Standing::Undeclared));
        traits.set(sign::DEPRECATED, standing == Some(Standing::Deprecated));
        call.target = match self.rules.settings.targets {
            TargetPrivacy::Route => Some(Box::from(&*call.route)),
            TargetPrivacy::Path => Some(path),
            TargetPrivacy::Full => target,
        };
        // Of bytes that conflict, nobody knows which ones the application read; and a field that is not known may have been a key.
        if !matches!(
            exchange.uncertain,
            Some(Uncertain::Conflict | Uncertain::HeaderTable)
        ) {
            call.consumer = match attribution.consumer {
                Consumer::Registered(id) => id,
                other => self.rules.names.get(other.as_str()),
            };
            call.app = attribution.app;
            call.key = attribution.key;
            call.credential = attribution.credential.map(|credential| Credential {
                scheme: credential.scheme.name(),
                location: credential.location,
                fingerprint: Fingerprint::new(credential.fingerprint),
                accepted,
                spelling: credential.spelling,
                known_by: credential.fingerprint,
            });
        }
        call.refused = self.rules.stops.refused(&exchange.advice.action);
        if let (None, Some((action, verb))) = (call.status, unanswered) {
            call.outcome = match verb {
                Verb::Block => Outcome::AuthRejected,
                Verb::Limit(_) => Outcome::RateLimited,
            };
            call.refused = Some(action);
        }
        call
    }
}

/// A host as others may see it: in front of it may stand a password (RFC 9110 section 4.2.4).
fn without_user(authority: &str) -> &str {
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

/// The authority of an absolute-form target: it takes the place of Host (RFC 9112 section 3.2.2).
fn authority(target: &str) -> Option<&str> {
    if target.starts_with('/') {
        return None;
    }
    let (_, rest) = target.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}
