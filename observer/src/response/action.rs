//! An action from its beginning to its end, and the events that an audit log keeps of it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};

use super::rate::Verb;
use super::subject::Subject;
use crate::identity::traits::wide_hash;

/// Characters of an id after its first two.
const ID: usize = 8;

/// The name of an action: `r-` and eight of a-z and 2-7.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActionId(Arc<str>);

/// A text that is no action's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no action: one reads r- and {ID} of a-z and 2-7")]
pub struct NotAnActionId;

/// Who had something done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Somebody with a command.
    User(String),
    /// An incident.
    Incident {
        /// Its id.
        id: Arc<str>,
        /// The name of its rule.
        rule: String,
    },
}

/// Where an action is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody has to approve it.
    Proposed,
    /// It is in force.
    Active,
    /// It is over.
    Ended(End),
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Somebody took it back.
    Undone {
        /// Who.
        by: String,
    },
    /// Its time was over, or too many others were proposed after it.
    Expired,
    /// Another one took its place.
    Replaced,
    /// An allowlist covers its subject now.
    Allowed,
    /// Somebody did not approve it.
    Rejected,
    /// Everything was ended at once.
    Stopped,
}

/// How much an action would have touched in the hour before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Radius {
    /// Exchanges.
    pub exchanges: u64,
    /// Consumers that these were counted to.
    pub consumers: u32,
    /// Whether anybody counted.
    pub known: bool,
}

/// What came of an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hits {
    /// Requests that were stopped.
    pub refused: u64,
    /// Requests that a limit let through.
    pub passed: u64,
    /// Requests that had reached the application when they were recognised.
    pub late: u64,
    /// Requests that were let through because others share their connection.
    pub shared: u64,
    /// Packets that were dropped.
    pub packets: u64,
}

/// What is done about somebody, or was, or may be. Times are nanoseconds since 1970 in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Its name.
    pub id: ActionId,
    /// Its number in the tables of whoever carries it out; zero while it is proposed.
    pub slot: u32,
    /// Whom it is about.
    pub subject: Subject,
    /// The account that the subject belongs to, where it belongs to one.
    pub consumer: Option<Arc<str>>,
    /// What is done.
    pub verb: Verb,
    /// When it began, or was proposed.
    pub begun: u64,
    /// When it ends.
    pub until: u64,
    /// Why, in somebody's words.
    pub reason: String,
    /// Who had it done.
    pub by: By,
    /// Where it is in its life.
    pub state: State,
    /// How much it would have touched before.
    pub radius: Radius,
    /// What came of it.
    pub hits: Hits,
    /// Exchanges that it would have touched while it was proposed.
    pub dry: u64,
}

/// What somebody wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// About whom.
    pub subject: Subject,
    /// What.
    pub verb: Verb,
    /// For how many nanoseconds.
    pub for_ns: u64,
    /// Why.
    pub reason: String,
    /// Who wants it.
    pub by: By,
    /// How much it would have touched in the last hour.
    pub radius: Radius,
}

/// What happened to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// An incident asked for it.
    Proposed,
    /// It is in force.
    Began,
    /// Another one took its place.
    Replaced,
    /// Somebody approved it, and it is in force.
    Approved,
    /// Somebody did not approve it.
    Rejected,
    /// Somebody took it back.
    Undone,
    /// Its time was over.
    Expired,
    /// An allowlist covers its subject now.
    Allowed,
    /// It never came to be; `reason` says why.
    Refused,
    /// Everything was ended at once.
    Ended,
}

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in nanoseconds since 1970.
    pub time: u64,
    /// The action; one that was refused has an id that nothing else has.
    pub action: ActionId,
    /// What happened.
    pub deed: Deed,
    /// Who did it.
    pub by: String,
    /// Whom it is about, with the kind in front.
    pub subject: String,
    /// What is done.
    pub verb: String,
    /// When the action ends, in nanoseconds since 1970.
    pub until: u64,
    /// Why.
    pub reason: String,
    /// How much it would have touched before.
    pub radius: Radius,
    /// What came of it so far.
    pub hits: Hits,
}

impl Deed {
    /// Its name, as the log's JSON has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Began => "began",
            Self::Replaced => "replaced",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Undone => "undone",
            Self::Expired => "expired",
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

impl ActionId {
    /// The `number`th id for these.
    pub(super) fn new(begun: u64, subject: &Subject, verb: Verb, number: u64) -> Self {
        let hash = wide_hash(format!("{begun} {subject} {verb} {number}").as_bytes());
        let [a, b, c, d, e, ..] = hash.to_be_bytes();
        let text = BASE32_NOPAD.encode(&[a, b, c, d, e]);
        Self(format!("r-{}", text.to_ascii_lowercase()).into())
    }

    /// The id as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ActionId {
    type Err = NotAnActionId;

    fn from_str(text: &str) -> Result<Self, NotAnActionId> {
        let rest = text.strip_prefix("r-").ok_or(NotAnActionId)?;
        let base32 = |byte: u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
        if rest.len() != ID || !rest.bytes().all(base32) {
            return Err(NotAnActionId);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for ActionId {
    type Error = NotAnActionId;

    fn try_from(text: String) -> Result<Self, NotAnActionId> {
        text.parse()
    }
}

impl From<ActionId> for String {
    fn from(id: ActionId) -> Self {
        id.as_str().to_owned()
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => f.write_str(name),
            Self::Incident { id, rule } => write!(f, "incident {id} ({rule})"),
        }
    }
}

impl State {
    /// The name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Active => "active",
            Self::Ended(end) => end.name(),
        }
    }
}

impl End {
    /// The name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Undone { .. } => "undone",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::Allowed => "allowed",
            Self::Rejected => "rejected",
            Self::Stopped => "stopped",
        }
    }

    pub(super) const fn deed(&self) -> Deed {
        match self {
            Self::Undone { .. } => Deed::Undone,
            Self::Expired => Deed::Expired,
            Self::Replaced => Deed::Replaced,
            Self::Allowed => Deed::Allowed,
            Self::Rejected => Deed::Rejected,
            Self::Stopped => Deed::Ended,
        }
    }
}

impl Hits {
    /// Takes a later reading. A smaller one is of somebody who began to count anew, and says nothing.
    pub(super) fn raise(&mut self, read: &Self) {
        self.refused = self.refused.max(read.refused);
        self.passed = self.passed.max(read.passed);
        self.late = self.late.max(read.late);
        self.shared = self.shared.max(read.shared);
        self.packets = self.packets.max(read.packets);
    }
}

impl Action {
    /// What is to be said of it in the audit log.
    pub(super) fn event(&self, time: u64, deed: Deed, by: String) -> Event {
        Event {
            time,
            action: self.id.clone(),
            deed,
            by,
            subject: self.subject.to_string(),
            verb: self.verb.to_string(),
            until: self.until,
            reason: self.reason.clone(),
            radius: self.radius,
            hits: self.hits,
        }
    }
}
