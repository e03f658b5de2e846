//! A conversation told in segments, and the exchanges that come out of it.

mod bounds;
mod cuts;
mod loss;
mod messages;
pub(crate) mod random_loss;
mod segmentation;

use httparse::Header;

use super::*;

/// Fields by name and value.
pub(crate) fn fields<'a>(fields: &[(&'a str, &'a str)]) -> Vec<Header<'a>> {
    let field = |(name, value): &(&'a str, &'a str)| Header {
        name,
        value: value.as_bytes(),
    };
    fields.iter().map(field).collect()
}

/// The head of a GET request.
pub(crate) fn head<'a>(target: &'a str, fields: &'a [Header<'a>]) -> RequestHead<'a> {
    RequestHead {
        method: "GET",
        target,
        version: Version::Http11,
        fields,
    }
}

/// What the sink saw.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub exchanges: Vec<Exchange<String>>,
    pub missing: u64,
    pub proxied: Vec<Option<SocketAddr>>,
}

impl Sink for Seen {
    type Request = String;

    fn request(&mut self, head: &RequestHead<'_>, _: Moment, _: Option<u64>) -> String {
        format!("{} {}", head.method, head.target)
    }

    fn proxied(&mut self, source: Option<SocketAddr>) {
        self.proxied.push(source);
    }

    fn exchange(&mut self, exchange: Exchange<String>) {
        self.exchanges.push(exchange);
    }

    fn missing(&mut self, bytes: u64) {
        self.missing = self.missing.saturating_add(bytes);
    }
}

pub(crate) const LIMITS: Limits = Limits {
    head_bytes: 4096,
    pipeline_depth: 100,
};

/// A connection whose two ends have always received everything when they send.
pub(crate) struct Talk {
    pub connection: Connection<String>,
    pub seen: Seen,
    pub limits: Limits,
    time: u64,
    sent: [u64; 2],
}

impl Talk {
    pub fn new() -> Self {
        Self::of(Connection::new(true))
    }

    pub fn joined() -> Self {
        Self::of(Connection::new(false))
    }

    fn of(connection: Connection<String>) -> Self {
        Self {
            connection,
            seen: Seen::default(),
            limits: LIMITS,
            time: 0,
            sent: [0, 0],
        }
    }

    pub fn client(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.send(Side::Client, bytes.as_ref())
    }

    pub fn server(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.send(Side::Server, bytes.as_ref())
    }

    fn moment(&mut self, side: Side) -> Moment {
        self.time += 1;
        Moment {
            time: self.time,
            acked: Some(self.sent[1 - side as usize]),
        }
    }

    fn send(&mut self, side: Side, bytes: &[u8]) -> &mut Self {
        let (moment, offset) = (self.moment(side), self.sent[side as usize]);
        self.sent[side as usize] += bytes.len() as u64;
        self.connection
            .data(side, moment, offset, bytes, &self.limits, &mut self.seen);
        self
    }

    /// Bytes that were sent and not seen.
    pub fn lost(&mut self, side: Side, length: u64) -> &mut Self {
        let (moment, offset) = (self.moment(side), self.sent[side as usize]);
        self.sent[side as usize] += length;
        self.connection
            .hole(side, moment, offset, length, &self.limits, &mut self.seen);
        self
    }

    /// Bytes that were sent and not seen, and nobody knows how many.
    pub fn lost_count(&mut self, side: Side, length: u64) -> &mut Self {
        self.sent[side as usize] += length;
        self.connection.lose(side, length, &mut self.seen);
        self
    }

    pub fn fin(&mut self, side: Side) -> &mut Self {
        let moment = self.moment(side);
        self.connection
            .fin(side, moment, &self.limits, &mut self.seen);
        self
    }

    pub fn reset(&mut self, side: Side) -> &mut Self {
        let moment = self.moment(side);
        self.connection
            .reset(side, moment, &self.limits, &mut self.seen);
        self
    }

    pub fn end(&mut self) -> &mut Self {
        self.connection.end(self.time, &self.limits, &mut self.seen);
        self
    }

    /// One line an exchange: request, status, bodies, and what is special about it.
    pub fn lines(&self) -> Vec<String> {
        self.seen.exchanges.iter().map(line).collect()
    }

    pub fn shows(&self, expected: &[&str]) {
        assert_eq!(self.lines(), expected);
    }
}

pub(crate) fn line(exchange: &Exchange<String>) -> String {
    let request = exchange.request.as_deref().unwrap_or("?");
    let status = exchange
        .status
        .map_or("-".to_owned(), |status| status.to_string());
    let mut line = format!(
        "{request} {status} {}/{}",
        exchange.request_body_bytes, exchange.response_body_bytes
    );
    for name in [
        exchange.cut.map(Cut::name),
        exchange.malformed.map(Malformed::name),
        exchange.uncertain.map(Uncertain::name),
    ]
    .into_iter()
    .flatten()
    {
        line += " ";
        line += name;
    }
    line
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

pub(crate) fn post(target: &str, fields: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}
