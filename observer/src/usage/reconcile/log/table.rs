//! Comma-separated values with a line of names first (RFC 4180).

use std::borrow::Cow;

use super::{Line, Read, address, path, time};

/// Which column is what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    time: usize,
    method: usize,
    target: usize,
    status: usize,
    client: Option<usize>,
    bytes: Option<usize>,
    consumer: Option<usize>,
}

/// Names under which a column may go.
const NAMES: [(&str, &[&str]); 7] = [
    ("time", &["time", "timestamp", "ts", "date"]),
    ("method", &["method", "request_method"]),
    ("target", &["target", "path", "uri", "url", "request_uri"]),
    ("status", &["status", "code", "response_code"]),
    ("client", &["client", "client_ip", "ip", "remote_addr"]),
    ("bytes", &["bytes", "size", "body_bytes_sent", "bytes_sent"]),
    ("consumer", &["consumer", "account", "user"]),
];

impl Columns {
    /// The columns that a line of names tells.
    ///
    /// # Errors
    /// The name of a column that is missing.
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        let names: Vec<String> = cells(line.trim_end())
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        let find = |wanted: &str| {
            let (_, aliases) = NAMES.iter().find(|(name, _)| *name == wanted)?;
            names
                .iter()
                .position(|name| aliases.contains(&name.as_str()))
        };
        Ok(Self {
            time: find("time").ok_or("time")?,
            method: find("method").ok_or("method")?,
            target: find("target").ok_or("target")?,
            status: find("status").ok_or("status")?,
            client: find("client"),
            bytes: find("bytes"),
            consumer: find("consumer"),
        })
    }

    pub(super) fn read(&self, line: &[u8]) -> Read {
        let Ok(line) = std::str::from_utf8(line) else {
            return Read::Unreadable;
        };
        let cells: Vec<Cow<'_, str>> = cells(line).collect();
        let cell = |at: usize| cells.get(at).map(|cell| cell.trim()).unwrap_or_default();
        let optional = |at: Option<usize>| at.map(cell).filter(|cell| !cell.is_empty());
        let (Some(time), Ok(status)) = (time::any(cell(self.time)), cell(self.status).parse())
        else {
            return Read::Unreadable;
        };
        let (method, target) = (cell(self.method), cell(self.target));
        if method.is_empty() || target.is_empty() {
            return Read::NoRequest;
        }
        Read::Request(Line {
            time,
            client: optional(self.client).and_then(address),
            method: method.into(),
            path: path(target).into(),
            status,
            bytes: optional(self.bytes).and_then(|bytes| bytes.parse().ok()),
            consumer: optional(self.consumer).map(Into::into),
        })
    }
}

/// The cells of a line.
pub(in crate::usage::reconcile) fn cells(line: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(inside) = text.strip_prefix('"') else {
            let (cell, after) = match text.split_once(',') {
                Some((cell, after)) => (cell, Some(after)),
                None => (text, None),
            };
            rest = after;
            return Some(Cow::Borrowed(cell));
        };
        let mut cell = String::new();
        let mut left = inside;
        loop {
            let Some((part, after)) = left.split_once('"') else {
                cell.push_str(left);
                rest = None;
                break;
            };
            cell.push_str(part);
            match after.strip_prefix('"') {
                Some(after) => {
                    cell.push('"');
                    left = after;
                }
                None => {
                    rest = after.split_once(',').map(|(_, after)| after);
                    break;
                }
            }
        }
        Some(Cow::Owned(cell))
    })
}
