//! Comma-separated values with a line of names first (RFC 4180).

use csv::{ReaderBuilder, StringRecord, Trim};

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
        let names = cells(line.to_ascii_lowercase().as_bytes()).unwrap_or_default();
        let find = |wanted: &str| {
            let (_, aliases) = NAMES.iter().find(|(name, _)| *name == wanted)?;
            names.iter().position(|name| aliases.contains(&name))
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
        let Some(cells) = cells(line) else {
            return Read::Unreadable;
        };
        let cell = |at: usize| cells.get(at).unwrap_or_default();
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

/// The cells of a line; `None` for a line that has none.
pub(in crate::usage::reconcile) fn cells(line: &[u8]) -> Option<StringRecord> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .buffer_capacity(line.len().max(1))
        .from_reader(line);
    let mut record = StringRecord::new();
    reader.read_record(&mut record).ok()?.then_some(record)
}
