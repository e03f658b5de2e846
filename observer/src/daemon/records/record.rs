//! A record as it is read back: the fields of the contract.

use std::borrow::Cow;

use serde::Deserialize;

/// One line. What an earlier version did not write is empty; without its time and its length it is no record.
#[derive(Debug, Deserialize)]
pub struct Record<'a> {
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    pub duration_us: u64,
    #[serde(default)]
    pub first_byte_us: Option<u64>,
    #[serde(borrow, default)]
    pub client: Cow<'a, str>,
    #[serde(borrow, default)]
    pub peer: Cow<'a, str>,
    #[serde(borrow, default)]
    pub server: Cow<'a, str>,
    #[serde(borrow, default)]
    pub interface: Cow<'a, str>,
    #[serde(borrow, default)]
    pub vantage: Cow<'a, str>,
    #[serde(borrow, default)]
    pub visibility: Cow<'a, str>,
    #[serde(borrow, default)]
    pub protocol: Cow<'a, str>,
    #[serde(default)]
    pub method: Option<String>,
    #[serde(borrow, default)]
    pub api: Cow<'a, str>,
    #[serde(default)]
    pub host: Option<String>,
    #[serde(default)]
    pub target: Option<String>,
    #[serde(borrow, default)]
    pub route: Cow<'a, str>,
    #[serde(default)]
    pub status: Option<u16>,
    #[serde(borrow, default)]
    pub outcome: Cow<'a, str>,
    #[serde(default)]
    pub responsible: Option<String>,
    #[serde(default)]
    pub request_head_bytes: u64,
    #[serde(default)]
    pub request_body_bytes: u64,
    #[serde(default)]
    pub response_head_bytes: u64,
    #[serde(default)]
    pub response_body_bytes: u64,
    #[serde(borrow, default)]
    pub credential: Option<Shown<'a>>,
    #[serde(borrow, default)]
    pub consumer: Cow<'a, str>,
    #[serde(default)]
    pub app: Option<String>,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default)]
    pub complete: bool,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(borrow, default)]
    pub tls: Option<Terms<'a>>,
}

/// What was agreed on.
#[derive(Debug, Deserialize)]
pub struct Terms<'a> {
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    #[serde(borrow)]
    pub cipher: Cow<'a, str>,
    #[serde(default)]
    pub alpn: Option<String>,
    #[serde(default)]
    pub server_name: Option<String>,
    #[serde(default)]
    pub ja4: Option<String>,
}

/// What is shown of a credential.
#[derive(Debug, Deserialize)]
pub struct Shown<'a> {
    #[serde(borrow)]
    pub scheme: Cow<'a, str>,
    #[serde(borrow)]
    pub location: Cow<'a, str>,
    #[serde(borrow)]
    pub fingerprint: Cow<'a, str>,
    pub accepted: bool,
}

impl<'a> Record<'a> {
    /// Reads a line, and the second since 1970 in which the exchange ended, as the ledger counts it. `None`: it is no record.
    pub fn read(line: &'a [u8]) -> Option<(Self, u64)> {
        let record: Self = serde_json::from_slice(line).ok()?;
        let begin = record.time.parse::<jiff::Timestamp>().ok()?;
        let micros = u64::try_from(begin.as_microsecond()).ok()?;
        let end = micros.checked_add(record.duration_us)? / 1_000_000;
        Some((record, end))
    }
}
