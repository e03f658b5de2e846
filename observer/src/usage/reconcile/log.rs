//! Access logs, line by line, of the servers that people have.

mod clf;
mod haproxy;
mod json;
mod table;
pub mod time;

use std::borrow::Cow;
use std::net::IpAddr;

use super::Micros;
use crate::usage::shown_method;
pub use table::Columns;
pub(super) use table::cells;

/// A request as a log tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When, on the log's clock.
    pub time: Micros,
    /// The client, where the log has its address.
    pub client: Option<IpAddr>,
    /// Method.
    pub method: Box<str>,
    /// Path, without query.
    pub path: Box<str>,
    /// Status; zero where there is none.
    pub status: u16,
    /// Bytes of the response, where they are told.
    pub bytes: Option<u64>,
    /// The consumer, where one is told.
    pub consumer: Option<Box<str>>,
}

/// The form of a log.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// nginx's and Apache's `combined` and `common`.
    Combined,
    /// One JSON object a line, with names of nginx's variables.
    NginxJson,
    /// HAProxy's `option httplog`.
    Haproxy,
    /// Caddy's access log.
    Caddy,
    /// Envoy's JSON access log.
    Envoy,
    /// Kong's `file-log` and `http-log`.
    Kong,
    /// Comma-separated values, with a line of names first.
    Csv(Columns),
}

/// What a line is.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    /// A request.
    Request(Line),
    /// The log tells of something that was no request: bytes without a request line.
    NoRequest,
    /// Not a line of this format.
    Unreadable,
}

impl Format {
    /// Microseconds between two times that the log can tell apart.
    pub fn resolution(&self) -> Micros {
        match self {
            Self::Combined => 1_000_000,
            Self::Haproxy | Self::NginxJson | Self::Kong | Self::Envoy => 1_000,
            Self::Caddy => 1,
            Self::Csv(_) => 1_000_000,
        }
    }

    /// Reads a line, without its end.
    pub fn read(&self, line: &[u8]) -> Read {
        let Ok(text) = std::str::from_utf8(line) else {
            return Read::Unreadable;
        };
        let mut read = match self {
            Self::Combined => clf::read(text),
            Self::Haproxy => haproxy::read(text),
            Self::NginxJson => json::read(line, &json::NGINX),
            Self::Caddy => json::read(line, &json::CADDY),
            Self::Envoy => json::read(line, &json::ENVOY),
            Self::Kong => json::read(line, &json::KONG),
            Self::Csv(columns) => columns.read(line),
        };
        // As records have it.
        if let Read::Request(line) = &mut read
            && shown_method(&line.method) != &*line.method
        {
            line.method = shown_method(&line.method).into();
        }
        read
    }
}

/// The path of a target: without scheme, authority, query and fragment.
pub fn path(target: &str) -> &str {
    let target = if target.starts_with('/') {
        target
    } else {
        target
            .split_once("://")
            .and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)))
            .unwrap_or(target)
    };
    let end = memchr::memchr2(b'?', b'#', target.as_bytes()).unwrap_or(target.len());
    target.get(..end).unwrap_or(target)
}

/// Method and target of a request line (RFC 9112 section 3).
fn request_line(line: &str) -> Option<(&str, &str)> {
    let (method, rest) = line.split_once(' ')?;
    let (target, version) = rest.rsplit_once(' ')?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let valid = !method.is_empty() && method.bytes().all(token) && version.starts_with("HTTP/");
    valid.then_some((method, target))
}

/// Text in which a server escaped what it does not print: `\xHH`, and backslashes before some letters.
fn unescaped(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        let Some((kind, after)) = rest.split_first() else {
            bytes.push(b'\\');
            break;
        };
        rest = after;
        let hexadecimal = || {
            let digits = after.get(..2)?;
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        match (kind, hexadecimal()) {
            (b'x', Some(value)) => {
                bytes.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'n', _) => bytes.push(b'\n'),
            (b't', _) => bytes.push(b'\t'),
            (b'r', _) => bytes.push(b'\r'),
            (other, _) => bytes.push(*other),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// An address, with a port perhaps.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches(['[', ']']);
    let ip = text.parse::<IpAddr>().ok().or_else(|| {
        let socket = text.parse::<std::net::SocketAddr>().ok().map(|it| it.ip());
        // HAProxy writes the port of IPv6 addresses without brackets.
        socket.or_else(|| text.rsplit_once(':')?.0.parse().ok())
    })?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests;
