//! Incidents: what went wrong, in a sentence with the numbers that it was decided by, from the first sign to its end.
//!
//! Invariant: one of each rule and subject is open at a time, and only so many at all. What a client sent never becomes part
//! of a sentence but through [`Subject`], which lets pass what cannot be mistaken for anything else.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rules::{Rule, Severity};

/// Names of one kind in the evidence.
const NAMES: usize = 10;

/// What kind of thing an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A registered key, or a consumer's traffic without one.
    Key,
    /// A credential that is not registered, by its fingerprint.
    Credential,
    /// A network: /24 of IPv4, /48 of IPv6.
    Network,
    /// A route of an API.
    Route,
    /// A port that this host listens on.
    Listener,
    /// A place where credentials stand.
    Location,
    /// Everything here.
    Host,
}

/// What an incident is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// Its kind.
    pub kind: Kind,
    /// Its name: printable ASCII without quotes, angle brackets and backslashes.
    pub id: Arc<str>,
    /// The consumer, where there is one.
    pub consumer: Option<Arc<str>>,
}

/// Where an incident is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It goes on, and nobody has said that they know.
    Open,
    /// It goes on, and somebody knows.
    Ack,
    /// It is over.
    Closed,
    /// Nobody wants to hear of it.
    Suppressed,
}

/// The numbers behind the sentence. Times are nanoseconds since 1970 in UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was counted.
    pub seen: f64,
    /// Of how many; zero where it is no share.
    pub of: f64,
    /// What is usual: a share where `of` is not zero, else a number.
    pub baseline: f64,
    /// How sure that is: a standard deviation.
    pub deviation: f64,
    /// What the rule decided by.
    pub score: f64,
    /// What it had to exceed.
    pub limit: f64,
    /// Beginning of what was counted.
    pub since: u64,
    /// End of it.
    pub until: u64,
    /// Routes that take part, the most frequent first.
    pub routes: Vec<Arc<str>>,
    /// Consumers that are affected.
    pub consumers: Vec<Arc<str>>,
    /// Networks that take part.
    pub networks: Vec<String>,
}

/// One incident. Times are nanoseconds since 1970 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its name: the same for the same rule, subject and time.
    pub id: Arc<str>,
    /// The rule.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// Where it is in its life.
    pub state: State,
    /// When it began.
    pub first_seen: u64,
    /// When the rule had decided.
    pub detected_at: u64,
    /// When it was last seen going on.
    pub last_seen: u64,
    /// In a sentence.
    pub statement: String,
    /// In numbers.
    pub evidence: Evidence,
    /// How sure it is, up to 1.
    pub confidence: f64,
    /// Share of the exchanges at the time that were seen with certainty.
    pub completeness: f64,
    /// Of what nobody wants to hear: until when.
    #[serde(default)]
    pub suppressed_until: u64,
}

/// What a rule has to say.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// How bad it is here.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// In a sentence.
    pub statement: String,
    /// In numbers.
    pub evidence: Evidence,
    /// How sure it is, up to 1.
    pub confidence: f64,
}

impl Finding {
    /// What a rule says, as bad as it usually is.
    pub fn new(
        rule: Rule,
        subject: Subject,
        statement: String,
        evidence: Evidence,
        confidence: f64,
    ) -> Self {
        Self {
            rule,
            severity: rule.severity(),
            subject,
            statement,
            evidence,
            confidence,
        }
    }
}

impl Subject {
    /// A registered key by its consumer and id; without id, the consumer.
    pub fn key(consumer: &Arc<str>, key: Option<&str>) -> Self {
        Self {
            kind: Kind::Key,
            id: match key {
                Some(key) => plain(&format!("{consumer}/{key}")),
                None => consumer.clone(),
            },
            consumer: Some(consumer.clone()),
        }
    }

    /// A credential by its fingerprint.
    pub fn credential(consumer: &Arc<str>, fingerprint: &str) -> Self {
        Self {
            kind: Kind::Credential,
            id: plain(fingerprint),
            consumer: Some(consumer.clone()),
        }
    }

    /// The network of a client.
    pub fn network(client: IpAddr) -> Self {
        Self {
            kind: Kind::Network,
            id: network(client).into(),
            consumer: None,
        }
    }

    /// A route of an API.
    pub fn route(api: &str, route: &str) -> Self {
        Self {
            kind: Kind::Route,
            id: plain(&format!("{api} {route}")),
            consumer: None,
        }
    }

    /// Anything else by its name.
    pub fn named(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            id: plain(name),
            consumer: None,
        }
    }

    /// In a sentence.
    pub fn words(&self) -> String {
        match self.kind {
            Kind::Key | Kind::Host => self.id.to_string(),
            Kind::Credential => format!("credential {}", self.id),
            Kind::Network => format!("network {}", self.id),
            Kind::Route => format!("route {}", self.id),
            Kind::Listener => format!("listener {}", self.id),
            Kind::Location => format!("location {}", self.id),
        }
    }
}

impl Kind {
    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Credential => "credential",
            Self::Network => "network",
            Self::Route => "route",
            Self::Listener => "listener",
            Self::Location => "location",
            Self::Host => "host",
        }
    }
}

impl State {
    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ack => "ack",
            Self::Closed => "closed",
            Self::Suppressed => "suppressed",
        }
    }

    /// Whether it goes on.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Ack)
    }
}

/// The network of a client in text: /24 of IPv4, /48 of IPv6.
pub fn network(client: IpAddr) -> String {
    match client.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{}/48", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

/// Text in which nothing can be mistaken: other characters become their percent-encoding, and its length is bounded.
pub fn plain(text: &str) -> Arc<str> {
    let mut out = String::new();
    for byte in text.bytes().take(200) {
        match byte {
            b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`' | b'&' => {
                let _ = write!(out, "%{byte:02X}");
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out.into()
}

impl Evidence {
    /// Adds a name to a list of names, a few at most. Returns whether it is new there.
    pub fn name(list: &mut Vec<Arc<str>>, name: &Arc<str>) -> bool {
        let new = list.len() < NAMES && !list.contains(name);
        if new {
            list.push(name.clone());
        }
        new
    }
}
