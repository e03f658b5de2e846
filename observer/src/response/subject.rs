//! Whom an action is about, and how a command's text comes to mean somebody.
//!
//! Invariant: a network has no bits outside its mask, is never wider than a registry of addresses gives to one holder, and an
//! IPv4 address is one in whatever form it came.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::identity::shown::Shown;
use crate::identity::{Fingerprint, Registry};

/// The widest networks that an action may be about, by their prefix.
const WIDEST: (u8, u8) = (8, 16);

/// Whom an action is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
pub enum Subject {
    /// An account, by its id.
    Consumer(Arc<str>),
    /// An app, by its id: no two accounts have one of the same id.
    App(Arc<str>),
    /// A key, by its id: no two apps have one of the same id.
    Key(Arc<str>),
    /// A credential, registered or not.
    Credential(Fingerprint),
    /// Everybody in a network.
    Network(IpNet),
}

/// The kinds of subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// An account.
    Consumer,
    /// An app.
    App,
    /// A key.
    Key,
    /// A credential.
    Credential,
    /// A network.
    Network,
}

/// Who sends a request.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// Who it is counted to; a name with two underscores in front where nobody is.
    pub consumer: &'a str,
    /// Id of the app, when registered.
    pub app: Option<&'a str>,
    /// Id of the key, when registered.
    pub key: Option<&'a str>,
    /// What its credential is known by.
    pub fingerprint: Option<Fingerprint>,
    /// The client as trusted proxies have it.
    pub client: IpAddr,
    /// The other end of the connection.
    pub peer: IpAddr,
}

/// Why a text is no subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// Nothing has this name.
    #[error("`{0}` is no network, fingerprint, consumer, app or key")]
    Unknown(String),
    /// It is none of the kind that was asked for.
    #[error("`{text}` is no {}", kind.name())]
    NotOfKind {
        /// The text, with what could be a key cut.
        text: String,
        /// The kind.
        kind: SubjectKind,
    },
    /// More than one thing has it.
    #[error("`{text}` may be {}: say which with --kind", one_of(kinds))]
    Ambiguous {
        /// The text.
        text: String,
        /// What it may be.
        kinds: Vec<SubjectKind>,
    },
    /// A network of too many.
    #[error(transparent)]
    TooWide(#[from] TooWide),
}

/// A network of too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is too wide: at least /8, of IPv6 /16, and no network that holds the IPv4 addresses")]
pub struct TooWide(pub IpNet);

/// What is no subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no {}", .0.name())]
pub struct NotASubject(pub SubjectKind);

impl SubjectKind {
    /// Every one, in the order in which a message names them.
    pub const ALL: [Self; 5] = [
        Self::Consumer,
        Self::App,
        Self::Key,
        Self::Credential,
        Self::Network,
    ];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::App => "app",
            Self::Key => "key",
            Self::Credential => "credential",
            Self::Network => "network",
        }
    }
}

impl FromStr for SubjectKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("is no kind: {}", Self::ALL.map(Self::name).join(", ")))
    }
}

impl Subject {
    /// What a text means, of one kind or of whichever fits.
    ///
    /// # Errors
    /// Where nothing has that name, more than one thing has, or it is a network of too many.
    pub fn resolve(
        text: &str,
        kind: Option<SubjectKind>,
        registry: &Registry,
    ) -> Result<Self, Unresolved> {
        let mut fitting = Vec::new();
        for candidate in SubjectKind::ALL {
            if kind.is_none_or(|kind| kind == candidate) {
                fitting.extend(Self::of_kind(text, candidate, registry)?);
            }
        }
        let shown = || Shown(text).to_string();
        match (fitting.len(), fitting.pop(), kind) {
            (1, Some(subject), _) => Ok(subject),
            (0, _, Some(kind)) => Err(Unresolved::NotOfKind {
                text: shown(),
                kind,
            }),
            (0, ..) => Err(Unresolved::Unknown(shown())),
            (_, last, _) => Err(Unresolved::Ambiguous {
                text: shown(),
                kinds: fitting.iter().chain(&last).map(Self::kind).collect(),
            }),
        }
    }

    fn of_kind(
        text: &str,
        kind: SubjectKind,
        registry: &Registry,
    ) -> Result<Option<Self>, TooWide> {
        let found = match kind {
            SubjectKind::Consumer => {
                let account = registry.account(text);
                account.map(|account| Self::Consumer(Arc::clone(&account.id)))
            }
            SubjectKind::App => {
                let app = registry.apps().iter().find(|app| *app.id == *text);
                app.map(|app| Self::App(Arc::clone(&app.id)))
            }
            SubjectKind::Key => {
                let key = registry.keys().iter().find(|key| *key.key == *text);
                key.map(|key| Self::Key(Arc::clone(&key.key)))
            }
            SubjectKind::Credential => text.parse().ok().map(Self::Credential),
            SubjectKind::Network => match parse_network(text) {
                Some(found) => Some(Self::network(found)?),
                None => None,
            },
        };
        Ok(found)
    }

    /// A network as an action may be about it: without bits outside its mask, IPv4 in its own form.
    ///
    /// # Errors
    /// Where it is too wide.
    pub fn network(network: IpNet) -> Result<Self, TooWide> {
        let network = canonical(network);
        let (least, mapped) = match network {
            IpNet::V4(_) => (WIDEST.0, false),
            // A table that holds IPv4 addresses as mapped ones would take all of them for a part of it.
            IpNet::V6(wide) => (
                WIDEST.1,
                wide.contains(&Ipv4Addr::UNSPECIFIED.to_ipv6_mapped()),
            ),
        };
        if network.prefix_len() < least || mapped {
            return Err(TooWide(network));
        }
        Ok(Self::Network(network))
    }

    /// Its kind.
    pub const fn kind(&self) -> SubjectKind {
        match self {
            Self::Consumer(_) => SubjectKind::Consumer,
            Self::App(_) => SubjectKind::App,
            Self::Key(_) => SubjectKind::Key,
            Self::Credential(_) => SubjectKind::Credential,
            Self::Network(_) => SubjectKind::Network,
        }
    }

    /// Its id, fingerprint or network.
    pub fn id(&self) -> String {
        match self {
            Self::Consumer(id) | Self::App(id) | Self::Key(id) => id.to_string(),
            Self::Credential(fingerprint) => fingerprint.to_string(),
            Self::Network(network) => network.to_string(),
        }
    }

    /// Whether a request of this one falls under it, whatever is allowed.
    pub fn covers(&self, who: &Who<'_>) -> bool {
        // Whose it is was not read with certainty: whatever name it bears is not to be held against anybody.
        let named = who.consumer != crate::usage::UNKNOWN;
        match self {
            Self::Consumer(id) => named && **id == *who.consumer,
            Self::App(id) => named && who.app == Some(&**id),
            Self::Key(id) => named && who.key == Some(&**id),
            Self::Credential(fingerprint) => named && who.fingerprint == Some(*fingerprint),
            Self::Network(network) => network.contains(&who.client.to_canonical()),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind().name(), self.id())
    }
}

/// A network without bits outside its mask, IPv4 in its own form.
pub(super) fn canonical(network: IpNet) -> IpNet {
    match network.trunc() {
        IpNet::V6(wide) => unmapped(wide).map_or(IpNet::V6(wide), IpNet::V4),
        narrow => narrow,
    }
}

fn unmapped(wide: Ipv6Net) -> Option<Ipv4Net> {
    let prefix = wide.prefix_len().checked_sub(96)?;
    let address = Ipv6Addr::to_ipv4_mapped(&wide.addr())?;
    Ipv4Net::new(address, prefix).ok()
}

fn parse_network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .ok()
}

fn one_of(kinds: &[SubjectKind]) -> String {
    let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
    names.join(" or ")
}

/// A subject as it is written.
#[derive(Serialize, Deserialize)]
struct Named {
    kind: SubjectKind,
    id: String,
}

impl From<Subject> for Named {
    fn from(subject: Subject) -> Self {
        Self {
            kind: subject.kind(),
            id: subject.id(),
        }
    }
}

impl TryFrom<Named> for Subject {
    type Error = NotASubject;

    fn try_from(named: Named) -> Result<Self, NotASubject> {
        let wrong = || NotASubject(named.kind);
        Ok(match named.kind {
            SubjectKind::Consumer => Self::Consumer(named.id.into()),
            SubjectKind::App => Self::App(named.id.into()),
            SubjectKind::Key => Self::Key(named.id.into()),
            SubjectKind::Credential => Self::Credential(named.id.parse().map_err(|_| wrong())?),
            SubjectKind::Network => {
                Self::network(parse_network(&named.id).ok_or_else(wrong)?).map_err(|_| wrong())?
            }
        })
    }
}
