//! What can be seen at one moment, in the names of the page's and the terminal's JSON.
//!
//! Rows have the order in which they matter most: the busiest first. What a kind of look leaves out is not in the JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::awareness::KeyView;
use crate::response::Action;

/// What somebody looks at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "view", rename_all = "snake_case", deny_unknown_fields)]
pub enum Look {
    /// The busiest consumers and routes, and what is open.
    Overview,
    /// All consumers.
    Consumers,
    /// All routes.
    Routes,
    /// One consumer, its keys and what is open about it.
    Consumer {
        /// Its id.
        consumer: String,
    },
    /// One route and what is open about it.
    Route {
        /// Its API.
        api: String,
        /// Its template.
        route: String,
    },
    /// What is open, and what is done about it.
    Incidents,
    /// What was not seen, or not read.
    Quality,
    /// Everything but keys.
    All,
}

impl Look {
    /// What there is to look at, for somebody who asked for something else.
    pub const NAMES: &'static str = "no such view: overview, consumers, routes, incidents, quality, all, consumer (with consumer=) or route (with api= and route=)";
}

/// What was seen at one moment. Counters are since `from`, ratios over the last five minutes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// The moment: RFC 3339 in UTC.
    pub time: String,
    /// When counting began.
    pub from: String,
    /// Why traffic is not observed; nothing while it is.
    pub trouble: Option<String>,
    /// Certain exchanges of the last minute among all that must have been.
    pub completeness: f64,
    /// Seconds that rates are over: since the frame before, or five minutes where nobody looked shortly before. Nothing, and no
    /// rates, where counting has only begun.
    pub seconds: Option<f64>,
    /// How many rows there are of each kind, whether or not they are shown.
    pub counts: Counts,
    /// All traffic.
    pub totals: Totals,
    /// Consumers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumers: Option<Vec<Consumer>>,
    /// Routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<Route>>,
    /// Keys of the consumer that is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<KeyView>>,
    /// Incidents that are open, the newest first, as `observer incidents show` prints them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incidents: Option<Vec<Value>>,
    /// What is in force or proposed, as `observer responses list` prints it in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<Action>>,
    /// What was not seen, or not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
}

/// How many rows there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Consumers with traffic.
    pub consumers: usize,
    /// Routes with traffic.
    pub routes: usize,
    /// Open incidents.
    pub incidents: usize,
    /// Actions in force or proposed.
    pub actions: usize,
}

/// Responses by class: 1xx to 5xx, none, and those folded past the bound of series.
pub type Statuses = [u64; 7];

/// All traffic. Legs between processes of this host are in `hops` only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests.
    pub requests: u64,
    /// Requests a second.
    pub rate: Option<f64>,
    /// Responses by class.
    pub status: Statuses,
    /// Errors: client, auth, limited, server.
    pub errors: [u64; 4],
    /// Requests of the last five minutes.
    pub recent: u64,
    /// Share of each class of errors in them.
    pub error_ratio: [f64; 4],
    /// Bytes of request contents.
    pub request_bytes: u64,
    /// Bytes of response contents.
    pub response_bytes: u64,
    /// Legs between processes of this host.
    pub hops: u64,
    /// Connections that are open.
    pub connections: u64,
    /// Connections that could not be read.
    pub opaque: u64,
}

/// One consumer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consumer {
    /// A registered id, or a reserved name.
    pub consumer: Arc<str>,
    /// Requests.
    pub requests: u64,
    /// Requests a second; nothing right after series were folded.
    pub rate: Option<f64>,
    /// Errors: client, auth, limited, server.
    pub errors: [u64; 4],
    /// Requests of the last five minutes.
    pub recent: u64,
    /// Share of each class of errors in them.
    pub error_ratio: [f64; 4],
    /// What is usual, where that is known.
    pub baseline: Option<[f64; 4]>,
    /// How far the ratio is from that: 1 is an alarm.
    pub score: [f64; 4],
    /// Bytes of request contents.
    pub request_bytes: u64,
    /// Bytes of response contents.
    pub response_bytes: u64,
    /// Certain requests of the last five minutes among all.
    pub completeness: f64,
}

/// One route of an API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// API.
    pub api: Arc<str>,
    /// Template.
    pub route: Arc<str>,
    /// Requests.
    pub requests: u64,
    /// Requests a second.
    pub rate: Option<f64>,
    /// Responses by class.
    pub status: Statuses,
    /// Requests of the last five minutes, where they are known by now: those that were read with certainty and reached the
    /// application. What a consumer's count has beyond them was refused by the observer, or is not certain.
    pub recent: Option<u64>,
    /// Share of each class of errors in them.
    pub error_ratio: Option<[f64; 4]>,
    /// What is usual.
    pub baseline: Option<[f64; 4]>,
    /// Milliseconds that a request takes in the mean; nothing where another API has a route of the same name.
    pub mean_ms: Option<f64>,
    /// Milliseconds that 95 of 100 requests take at most, between the bounds of the histogram; 10,000 is its last. Both since
    /// counting began.
    pub p95_ms: Option<f64>,
    /// Whether it asks for keys: required, mixed, open, declared-public.
    pub posture: Option<String>,
}

/// What was not seen, or not read, and how the observer itself is doing. Counts of zero are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Bytes that were acknowledged and never seen, outside of known bodies.
    pub missing_bytes: u64,
    /// What the kernel side could not deliver.
    pub lost_events: Vec<Reason>,
    /// What a bound refused.
    pub dropped: Vec<Refused>,
    /// Connections that could not be read.
    pub opaque: Vec<Opaque>,
    /// Packets by interface.
    pub interfaces: Vec<Interface>,
    /// Series that were folded, by metric.
    pub folded: Vec<Reason>,
    /// What is left out under overload, as a share.
    pub shedding: Vec<Share>,
    /// Batches that wait for the ledger.
    pub ledger_waiting: u64,
    /// Attempts to write it that failed.
    pub ledger_errors: u64,
    /// Its size in bytes.
    pub ledger_bytes: u64,
}

/// A count by reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Why, or of what.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// What a bound refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Which part did.
    pub stage: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// Connections that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opaque {
    /// The server's port.
    pub port: u16,
    /// The process that listens there.
    pub process: Option<Arc<str>>,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// Packets that the programs looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub interface: String,
    /// `ingress` or `egress`.
    pub direction: String,
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A share of something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Of what.
    pub what: String,
    /// Up to 1.
    pub ratio: f64,
}
