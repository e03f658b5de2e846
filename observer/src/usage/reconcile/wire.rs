//! A record of an exchange, read back from its line.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Deserialize;

use super::{Entry, Fit, Micros, key, log, text};
use crate::identity::registry::is_reserved;

/// What of a record is held against a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When its first byte was seen.
    pub begin: Micros,
    /// When its last byte was.
    pub end: Micros,
    /// The other end of the connection.
    pub peer: IpAddr,
    /// The client that proxies name.
    pub client: IpAddr,
    /// Port of the server.
    pub port: u16,
    /// Method; empty where the request was not read.
    pub method: Box<str>,
    /// Path, as the record keeps it.
    pub path: Box<str>,
    /// Status; zero where no response came.
    pub status: u16,
    /// Bytes of the response's head.
    pub head: u64,
    /// Bytes of the response's body.
    pub body: u64,
    /// It came to its end: of what was cut, nobody knows how much the server thinks that it sent.
    pub whole: bool,
    /// Consumer.
    pub consumer: Arc<str>,
    /// All of it was read with certainty.
    pub certain: bool,
    /// The observer refused it: no server has a line of it.
    pub refused: bool,
    /// Its path is a route: the configuration keeps no more.
    pub is_route: bool,
    /// Hash of its line.
    pub text: u64,
}

/// The fields of a record's line that are needed.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    duration_us: u64,
    client: SocketAddr,
    peer: SocketAddr,
    server: SocketAddr,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    target: Option<Cow<'a, str>>,
    #[serde(borrow)]
    route: Cow<'a, str>,
    status: Option<u16>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    response_head_bytes: u64,
    response_body_bytes: u64,
    #[serde(borrow)]
    consumer: Cow<'a, str>,
    complete: bool,
    #[serde(default, borrow)]
    response: Option<Cow<'a, str>>,
}

impl Record {
    /// A record from its line; `None` when it is none.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let fields: Fields<'_> = serde_json::from_slice(line).ok()?;
        let begin = log::time::rfc3339(&fields.time)?;
        let target = fields.target.as_deref().unwrap_or_default();
        Some(Self {
            begin,
            end: begin.saturating_add(i64::try_from(fields.duration_us).ok()?),
            peer: fields.peer.ip().to_canonical(),
            client: fields.client.ip().to_canonical(),
            port: fields.server.port(),
            method: fields.method.as_deref().unwrap_or_default().into(),
            path: log::path(target).into(),
            status: fields.status.unwrap_or(0),
            head: fields.response_head_bytes,
            body: fields.response_body_bytes,
            whole: !matches!(
                &*fields.outcome,
                "client_abort" | "server_reset" | "no_response" | "malformed"
            ),
            consumer: Arc::from(&*fields.consumer),
            certain: fields.complete,
            refused: fields.response.is_some(),
            is_route: target == fields.route && target.contains('{'),
            text: text(line),
        })
    }

    /// The record as an entry, in the log's terms.
    pub fn entry(self, fit: &Fit, has_client: bool, line: u64) -> Entry {
        let client = if fit.peer { self.peer } else { self.client };
        let client = has_client.then_some(client);
        let known = !is_reserved(&self.consumer);
        Entry {
            time: if fit.begin { self.begin } else { self.end },
            key: key(&self.method, &self.path, client),
            status: self.status,
            bytes: self
                .whole
                .then_some(self.body + if fit.whole { self.head } else { 0 }),
            consumer: known.then_some(self.consumer),
            what: format!("{} {}", self.method, self.path).into(),
            client,
            line,
            text: self.text,
            certain: self.certain,
        }
    }
}
