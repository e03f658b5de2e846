//! What the daemon is asked for a view, and what it answers beside frames.

use serde::{Deserialize, Serialize};

use super::super::responses::order::{Answer, Order};
use crate::awareness::KeyView;
use crate::export::live::{Frame, Look};

/// What a view needs. One of these is asked for at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// Which view asks: what comes for another one is of no use any more.
    pub view: u64,
    /// The frame that the screen shows.
    pub look: Look,
    /// The consumer whose keys are shown.
    pub keys_of: Option<String>,
    /// The last hour.
    pub history: Option<Over>,
    /// The last exchanges.
    pub exchanges: Option<Of>,
}

/// What the last hour is asked of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Over {
    /// How long.
    pub window: &'static str,
    /// Of a consumer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// And of a key of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Of an API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// And of a route of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
}

/// Which exchanges are asked for; nothing: whatever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Of {
    /// Of a consumer.
    pub consumer: Option<String>,
    /// Of a key.
    pub key: Option<String>,
    /// Of an API.
    pub api: Option<String>,
    /// Of a route.
    pub route: Option<String>,
}

/// What there is for a view.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The frame.
    pub frame: Frame,
    /// Keys, or why there are none.
    pub keys: Option<Result<Vec<KeyView>, String>>,
    /// The last hour, or why it is not known.
    pub history: Option<Result<History, String>>,
    /// The last exchanges, the newest first, or why they are not known.
    pub exchanges: Option<Result<Vec<Exchange>, String>>,
    /// Whether nobody is registered.
    pub nobody: bool,
}

/// The last hour.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct History {
    /// By key.
    pub keys: Vec<Part>,
    /// By route.
    pub routes: Vec<Part>,
    /// By consumer.
    pub consumers: Vec<Part>,
}

/// What somebody did in the last hour. Fields that name something else are not there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Part {
    /// Consumer.
    pub consumer: Option<String>,
    /// App.
    pub app: Option<String>,
    /// Key.
    pub key: Option<String>,
    /// API.
    pub api: Option<String>,
    /// Route.
    pub route: Option<String>,
    /// Requests.
    pub requests: u64,
    /// Errors: client, auth, limited, server.
    pub errors: [u64; 4],
    /// Bytes of request contents.
    pub request_bytes: u64,
    /// Bytes of response contents.
    pub response_bytes: u64,
    /// Milliseconds that a request takes in the mean.
    pub mean_ms: Option<f64>,
}

/// The last exchanges.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Exchanges {
    /// The newest first.
    pub rows: Vec<Exchange>,
}

/// What is shown of a record.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Exchange {
    /// When it began: RFC 3339.
    pub time: String,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Whose it is, as trusted proxies have it.
    pub client: String,
    /// The other end of the connection.
    pub peer: String,
    /// Method.
    pub method: Option<String>,
    /// What was asked for.
    pub target: Option<String>,
    /// Its route.
    pub route: String,
    /// Status.
    pub status: Option<u16>,
    /// What came of it.
    pub outcome: String,
    /// Whose key it bore.
    pub consumer: String,
    /// The key.
    pub key: Option<String>,
}

/// What somebody wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// An order, or what it would hit.
    Respond(Order),
    /// Somebody knows of an incident.
    Acknowledge(String),
    /// An incident is over.
    Close(String),
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which one it was.
    pub number: u64,
    /// The answer, or why there is none.
    pub outcome: Result<Answer, String>,
}

/// The daemon does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Since when: second since 1970.
    pub at: u64,
    /// Why.
    pub why: String,
}
