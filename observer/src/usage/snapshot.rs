//! All counters at one moment, as exporters read them.

use std::sync::Arc;

use super::series::OTHER;

/// Upper bounds of the duration histogram. Seconds (OpenTelemetry, `http.server.request.duration`).
pub const BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Classes of `error_ratio`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// 4xx but 401, 403 and 429.
    Client,
    /// 401 and 403.
    Auth,
    /// 429.
    Limited,
    /// 5xx, and failures without a status of their own.
    Server,
}

impl ErrorClass {
    /// Every class, in the order of [`ConsumerRow::errors`].
    pub const ALL: [Self; 4] = [Self::Client, Self::Auth, Self::Limited, Self::Server];

    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Auth => "auth",
            Self::Limited => "limited",
            Self::Server => "server",
        }
    }
}

/// One series of `http_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// Consumer.
    pub consumer: Arc<str>,
    /// API.
    pub api: Arc<str>,
    /// Route.
    pub route: Arc<str>,
    /// Registered method, or `_OTHER`.
    pub method: &'static str,
    /// Status code, `none`, or `__other__`.
    pub status: StatusLabel,
    /// Requests.
    pub count: u64,
}

/// One series of `http_hop_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopRow {
    /// API.
    pub api: Arc<str>,
    /// Route.
    pub route: Arc<str>,
    /// Status code, `none`, or `__other__`.
    pub status: StatusLabel,
    /// Requests.
    pub count: u64,
}

/// One histogram of `http_request_duration_seconds`.
#[derive(Clone, Debug, PartialEq)]
pub struct DurationRow {
    /// Route.
    pub route: Arc<str>,
    /// Registered method, or `_OTHER`.
    pub method: &'static str,
    /// Requests at most as long as each of [`BUCKETS`].
    pub cumulative: [u64; BUCKETS.len()],
    /// Requests.
    pub count: u64,
    /// Seconds of all of them.
    pub sum: f64,
}

/// One series of `http_failures_total`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureRow {
    /// Consumer.
    pub consumer: Arc<str>,
    /// Outcome.
    pub outcome: &'static str,
    /// What is malformed, or how far the exchange came: `before_response`, `in_response`.
    pub reason: &'static str,
    /// Requests.
    pub count: u64,
}

/// What is known of one consumer.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerRow {
    /// Consumer.
    pub consumer: Arc<str>,
    /// Requests as in `http_requests_total`.
    pub requests: u64,
    /// Errors of each [`ErrorClass`].
    pub errors: [u64; 4],
    /// Bytes of request contents.
    pub request_body_bytes: u64,
    /// Bytes of response contents.
    pub response_body_bytes: u64,
    /// Requests of other hosts that showed a credential without encryption.
    pub cleartext_credentials: u64,
    /// Requests with a credential in their target.
    pub url_credentials: u64,
    /// Requests of the last five minutes.
    pub recent: u64,
    /// Share of each [`ErrorClass`] in them.
    pub error_ratio: [f64; 4],
    /// Share of certain requests in those of the last five minutes; 1 when there were none.
    pub completeness: f64,
}

/// All counters at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// When counting began. Nanoseconds of the caller's clock.
    pub from: u64,
    /// The moment.
    pub to: u64,
    /// Usage.
    pub requests: Vec<RequestRow>,
    /// Exchanges between processes of this host.
    pub hops: Vec<HopRow>,
    /// Durations.
    pub durations: Vec<DurationRow>,
    /// Consumers, by name.
    pub consumers: Vec<ConsumerRow>,
    /// Failures without a status.
    pub failures: Vec<FailureRow>,
    /// Route and number of successful requests that showed no credential, public operations excepted.
    pub unkeyed_success: Vec<(Arc<str>, u64)>,
    /// Share of certain exchanges in the last minute; 1 when there were none.
    pub completeness: f64,
    /// Metric and number of its folded series.
    pub overflow: [(&'static str, u64); 6],
}

/// The status label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StatusLabel {
    /// A response came.
    Code(u16),
    /// None came.
    NoResponse,
    /// Folded.
    Other,
}

impl std::fmt::Display for StatusLabel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::NoResponse => f.write_str("none"),
            Self::Other => f.write_str(OTHER),
        }
    }
}
