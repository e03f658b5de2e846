//! Rows of a batch, as they go into the journal and into the ledger.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What one window sums up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Requests.
    pub requests: u64,
    /// Those of them of which some part is not certain.
    pub uncertain: u64,
    /// Bytes of request contents.
    pub request_bytes: u64,
    /// Bytes of response contents.
    pub response_bytes: u64,
    /// Microseconds from the first byte of the request to the last of the exchange.
    pub service_us: u64,
}

/// One window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRow {
    /// Its beginning, seconds since 1970 in UTC.
    pub start: u64,
    /// Consumer: registered or reserved.
    pub consumer: Arc<str>,
    /// App; empty for none.
    pub app: Arc<str>,
    /// Key; empty for none.
    pub key: Arc<str>,
    /// API.
    pub api: Arc<str>,
    /// Route.
    pub route: Arc<str>,
    /// Registered method, or `_OTHER`.
    pub method: Cow<'static, str>,
    /// Status of the response; `None` when none came.
    pub status: Option<u16>,
    /// Outcome.
    pub outcome: Cow<'static, str>,
    /// What it sums up.
    pub sums: Sums,
}

/// Latencies of a route in an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyRow {
    /// Beginning of the hour, seconds since 1970 in UTC.
    pub start: u64,
    /// API.
    pub api: Arc<str>,
    /// Route.
    pub route: Arc<str>,
    /// A t-digest of microseconds, serialised.
    pub sketch: Vec<u8>,
}

/// Client networks of a key on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworksRow {
    /// Beginning of the day, seconds since 1970 in UTC.
    pub start: u64,
    /// Consumer.
    pub consumer: Arc<str>,
    /// Key; empty for none.
    pub key: Arc<str>,
    /// A HyperLogLog sketch of /24 and /48 networks, serialised.
    pub sketch: Vec<u8>,
}

/// What is not certain, or was not seen, in a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageRow {
    /// Beginning of the minute, seconds since 1970 in UTC.
    pub start: u64,
    /// Why, as in records and metrics.
    pub reason: Cow<'static, str>,
    /// Exchanges, or what the reason counts.
    pub count: u64,
}

/// A time in which nothing was observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapRow {
    /// Its beginning, seconds since 1970 in UTC.
    pub start: u64,
    /// Its end.
    pub until: u64,
    /// Why, for people.
    pub reason: Cow<'static, str>,
}

/// An incident as it stands at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentRow {
    /// Its id.
    pub id: Arc<str>,
    /// Rule.
    pub rule: Cow<'static, str>,
    /// State.
    pub state: Cow<'static, str>,
    /// When it was detected, seconds since 1970 in UTC.
    pub detected: u64,
    /// All of it, as JSON.
    pub body: String,
}

/// What is usual for a key, a route, or everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineRow {
    /// Whose it is: the same for every state of it.
    pub name: String,
    /// The state, serialised.
    pub state: Vec<u8>,
}

/// An action against somebody as it stands at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRow {
    /// Its id.
    pub id: String,
    /// State.
    pub state: Cow<'static, str>,
    /// When it began, seconds since 1970 in UTC.
    pub begun: u64,
    /// All of it, as JSON.
    pub body: String,
}

/// A line of the log of what was done about actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// Nanoseconds since 1970 in UTC.
    pub time: u64,
    /// The action's id.
    pub action: String,
    /// All of it, as JSON.
    pub body: String,
}

/// How an accepted credential was spelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpellingRow {
    /// The keyed hash.
    pub hash: u64,
    /// The credential's fingerprint.
    pub fingerprint: String,
    /// Where it stood, such as `header:x-api-key`.
    pub location: String,
    /// When it was seen last, seconds since 1970 in UTC.
    pub seen: u64,
}

/// A batch as it goes into the journal and into the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Windows.
    pub windows: Vec<WindowRow>,
    /// Latencies.
    pub latency: Vec<LatencyRow>,
    /// Networks.
    pub networks: Vec<NetworksRow>,
    /// What was missed.
    pub coverage: Vec<CoverageRow>,
    /// When nothing was observed.
    pub gaps: Vec<GapRow>,
    /// Learned routes, serialised, where they changed.
    pub routes: Option<Vec<u8>>,
    /// Incidents that changed.
    pub incidents: Vec<IncidentRow>,
    /// Baselines that changed.
    pub baselines: Vec<BaselineRow>,
    /// Actions that changed.
    pub actions: Vec<ActionRow>,
    /// What was done about actions, in order.
    pub events: Vec<EventRow>,
    /// Spellings that are new, or were seen again after a while.
    pub spellings: Vec<SpellingRow>,
}

impl Rows {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
            && self.coverage.is_empty()
            && self.gaps.is_empty()
            && self.incidents.is_empty()
            && self.baselines.is_empty()
            && self.actions.is_empty()
            && self.events.is_empty()
            && self.spellings.is_empty()
    }
}
