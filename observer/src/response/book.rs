//! The book of actions: which are in force, which wait for somebody, and which were lately.
//!
//! Invariant: one subject has one action or proposal at most, every action in force has a slot of its own, and none is about
//! what the allowlists cover. What a bound refused is counted.

mod changes;
mod index;
mod keeping;
mod slots;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::action::{Action, ActionId, Deed, End, Event, Hits};
use super::allow::{Allow, Mode, Open, Settings};
use super::subject::{Subject, TooWide, Who};
use super::{Verb, subject};
use crate::identity::registry::{Handle, Registry};
use crate::identity::{Fingerprint, Fingerprinter};
use index::Index;
use slots::Slots;

/// Proposals that are open.
const PROPOSALS: usize = 256;
/// Actions that are over and still shown.
const ENDED: usize = 1_000;
/// Events that wait to be taken.
const EVENTS: usize = 4_096;
/// Incidents about which somebody has decided.
const SETTLED: usize = 1_024;

/// Every action, and what may be done at all.
#[derive(Debug)]
pub struct Book {
    settings: Settings,
    allow: Allow,
    /// Whose the clear identities of the registry are, by their fingerprints.
    identities: HashMap<Fingerprint, Names>,
    /// By slot.
    active: HashMap<u32, Action>,
    ids: HashMap<ActionId, u32>,
    index: Index,
    slots: Slots,
    proposals: VecDeque<Action>,
    ended: VecDeque<Action>,
    /// Incidents whose action somebody took back or did not want: it does not come again.
    settled: VecDeque<Arc<str>>,
    events: VecDeque<Event>,
    dropped: u64,
    refused: u64,
    /// Actions that were ever given an id.
    numbered: u64,
    version: u64,
}

/// Ids of an account, an app and a key.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub consumer: Arc<str>,
    pub app: Arc<str>,
    pub key: Arc<str>,
}

/// What a table of networks has to say of one of them; the longest decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NetworkRule {
    /// Let through.
    Allow,
    /// Under the action of this slot.
    Slot(u32),
}

/// What came of looking at an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Considered {
    /// Nothing is to be done about it.
    Nothing,
    /// Something is done or proposed about its subject already.
    Known,
    /// It would have been, and may not be.
    Refused(Refused),
    /// Somebody has to approve it.
    Proposed(ActionId),
    /// It is in force.
    Began(ActionId),
}

/// An action, by its id or by whom it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Its id.
    Id(ActionId),
    /// Its subject.
    Subject(Subject),
}

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too short, or too long.
    #[error("an action lasts from one second to 24 hours")]
    Duration,
    /// A network of too many.
    #[error(transparent)]
    TooWide(#[from] TooWide),
    /// An id that the registry does not have: whose it is, and so whether that is allowed, cannot be told.
    #[error("the registry has no {0}")]
    Unknown(Subject),
    /// A network that is allowed.
    #[error("the network {0} is never acted against ([response] allow)")]
    AllowedNetwork(IpNet),
    /// An account that is allowed, or what belongs to it.
    #[error("the consumer {0} is never acted against ([response] allow)")]
    AllowedConsumer(Arc<str>),
    /// A network with this host in it.
    #[error("{0} is an address of this host")]
    Own(IpAddr),
    /// Too many actions.
    #[error("{} actions are in force, and no more can be", slots::MOST)]
    Full,
    /// None in force or proposed.
    #[error("no such action is in force or proposed")]
    NotFound,
}

impl From<Open> for Refused {
    fn from(open: Open) -> Self {
        match open {
            Open::Network(network) => Self::AllowedNetwork(network),
            Open::Consumer(consumer) => Self::AllowedConsumer(consumer),
            Open::Own(address) => Self::Own(address),
        }
    }
}

impl Book {
    /// Nothing is done yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            allow: Allow::new(&settings),
            settings,
            identities: HashMap::new(),
            active: HashMap::new(),
            ids: HashMap::new(),
            index: Index::default(),
            slots: Slots::default(),
            proposals: VecDeque::new(),
            ended: VecDeque::new(),
            settled: VecDeque::new(),
            events: VecDeque::new(),
            dropped: 0,
            refused: 0,
            numbered: 0,
            version: 0,
        }
    }

    /// Takes new settings. What an allowlist covers now ends.
    pub fn configure(&mut self, settings: Settings, now: u64) {
        self.allow = Allow::new(&settings);
        self.settings = settings;
        self.end_allowed(now);
    }

    /// Takes a new registry: to be called with every one. Accounts that are allowed may have got other apps and keys, and
    /// clear identities are known by fingerprints that only the fingerprinter gives.
    pub fn registered(&mut self, registry: &Registry, fingerprinter: &Fingerprinter, now: u64) {
        let keys = registry.keys().iter();
        self.identities = keys
            .filter_map(|entry| match &entry.handle {
                Handle::Fingerprint(_) => None,
                Handle::Identity(identity) => Some((
                    fingerprinter.identity(identity.scheme, &identity.issuer, &identity.subject),
                    Names {
                        consumer: Arc::clone(&entry.consumer),
                        app: Arc::clone(&entry.app),
                        key: Arc::clone(&entry.key),
                    },
                )),
            })
            .collect();
        let apps: HashMap<_, _> = registry
            .apps()
            .iter()
            .map(|app| (&*app.id, &app.consumer))
            .collect();
        let keys: HashMap<_, _> = registry
            .keys()
            .iter()
            .map(|entry| (&*entry.key, &entry.consumer))
            .collect();
        let mut owners = HashMap::new();
        for action in self.active.values().chain(&self.proposals) {
            let owner = match &action.subject {
                Subject::App(id) => apps.get(&**id).map(|owner| Arc::clone(owner)),
                Subject::Key(id) => keys.get(&**id).map(|owner| Arc::clone(owner)),
                Subject::Credential(fingerprint) => self
                    .names(fingerprint, registry)
                    .map(|names| names.consumer),
                Subject::Consumer(_) | Subject::Network(_) => None,
            };
            if let Some(owner) = owner {
                owners.insert(action.id.clone(), owner);
            }
        }
        for action in self.active.values_mut().chain(&mut self.proposals) {
            if let Some(owner) = owners.remove(&action.id) {
                action.consumer = Some(owner);
            }
        }
        self.end_allowed(now);
    }

    /// What incidents may do by themselves.
    pub fn mode(&self) -> Mode {
        self.settings.mode
    }

    /// What is to be done about a request of this one: the slot of the action that decides, and what it says. A block comes
    /// before limits, and then the most specific: credential, key, app, consumer, longest network.
    pub fn verdict(&self, who: &Who<'_>) -> Option<(u32, Verb)> {
        if self.active.is_empty() {
            return None;
        }
        // Nearly nobody is found: who is never stopped is asked last.
        let found = self.index.verdict(who)?;
        (!self.allow.lets(who)).then_some(found)
    }

    /// The slot that decides about every request with a credential, from wherever it comes; zero where none does. The
    /// account is not an allowed one.
    pub(super) fn held(&self, names: Option<&Names>, fingerprint: &Fingerprint) -> u32 {
        if self.active.is_empty() || names.is_some_and(|names| self.is_allowed(&names.consumer)) {
            return 0;
        }
        let found = self.index.named(
            names.map(|names| &*names.consumer),
            names.map(|names| &*names.app),
            names.map(|names| &*names.key),
            Some(fingerprint),
        );
        index::strongest(found).map_or(0, |(slot, _)| slot)
    }

    /// Whether an account is never acted against.
    pub(super) fn is_allowed(&self, consumer: &str) -> bool {
        self.allow.has_consumer(consumer)
    }

    /// Whose a credential is.
    pub(super) fn names(&self, fingerprint: &Fingerprint, registry: &Registry) -> Option<Names> {
        if let Some(names) = self.identities.get(fingerprint) {
            return Some(names.clone());
        }
        let entry = registry.by_fingerprint(fingerprint)?;
        Some(Names {
            consumer: Arc::clone(&entry.consumer),
            app: Arc::clone(&entry.app),
            key: Arc::clone(&entry.key),
        })
    }

    /// A number that changes with every change of what is in force, who is allowed, and whose what is.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// What a table with longest prefixes has to hold, in order.
    pub fn networks(&self) -> Vec<(IpNet, NetworkRule)> {
        let allowed = self.allow.networks();
        let allowed = allowed.map(|network| (network, NetworkRule::Allow));
        let active = self.index.networks();
        let active = active.map(|(network, (slot, _))| (network, NetworkRule::Slot(slot)));
        let mut all: Vec<_> = allowed.chain(active).collect();
        all.sort_by_key(|(network, _)| *network);
        all
    }

    /// Whether traffic of an account that is allowed may come from a network under an action: then its packets and
    /// connections are not to be dropped unseen, only requests that are known to be somebody else's.
    pub fn carries_allowed(&self) -> bool {
        self.allow.has_consumers()
    }

    /// Takes what came of an action in force, counted from its beginning. Less than before is passed over. False: none has
    /// this slot.
    pub fn record(&mut self, slot: u32, hits: Hits) -> bool {
        let action = self.active.get_mut(&slot);
        action.map(|action| action.hits.raise(&hits)).is_some()
    }

    /// Notes an exchange for the proposals that would have touched it.
    pub fn note(&mut self, who: &Who<'_>) {
        if self.proposals.is_empty() || self.allow.lets(who) {
            return;
        }
        for proposal in &mut self.proposals {
            if proposal.subject.covers(who) {
                proposal.dry += 1;
            }
        }
    }

    /// Actions in force, in no particular order.
    pub fn active(&self) -> impl Iterator<Item = &Action> {
        self.active.values()
    }

    /// The action in force of a slot.
    pub fn at(&self, slot: u32) -> Option<&Action> {
        self.active.get(&slot)
    }

    /// Proposals, the oldest first.
    pub fn proposed(&self) -> impl Iterator<Item = &Action> {
        self.proposals.iter()
    }

    /// Actions that are over, the latest last.
    pub fn ended(&self) -> impl Iterator<Item = &Action> {
        self.ended.iter()
    }

    /// An action, whatever became of it.
    pub fn get(&self, id: &ActionId) -> Option<&Action> {
        let active = self.ids.get(id).and_then(|slot| self.active.get(slot));
        let others = || self.proposals.iter().chain(self.ended.iter().rev());
        active.or_else(|| others().find(|action| action.id == *id))
    }

    /// The action in force about exactly this.
    pub fn about(&self, subject: &Subject) -> Option<&Action> {
        self.index
            .slot(subject)
            .and_then(|slot| self.active.get(&slot))
    }

    /// Whether nothing is in force or proposed.
    pub fn is_idle(&self) -> bool {
        self.active.is_empty() && self.proposals.is_empty()
    }

    /// When the next action or proposal ends, in nanoseconds since 1970.
    pub fn next_deadline(&self) -> Option<u64> {
        let all = self.active.values().chain(&self.proposals);
        all.map(|action| action.until).min()
    }

    /// What happened since this was asked last, in order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events).into()
    }

    /// Events that were lost, since nobody took those before them.
    pub fn events_dropped(&self) -> u64 {
        self.dropped
    }

    /// Actions that were refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn tell(&mut self, action: &Action, now: u64, deed: Deed, by: String) {
        if self.events.len() < EVENTS {
            self.events.push_back(action.event(now, deed, by));
        } else {
            self.dropped += 1;
        }
    }

    /// Puts an action that is not in force to those that are over.
    fn end(&mut self, mut action: Action, end: End, by: &str, now: u64) {
        self.tell(&action, now, end.deed(), by.to_owned());
        action.state = super::State::Ended(end);
        if self.ended.len() >= ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(action);
    }
}

/// The subject in the form that tables have it in.
fn canonical(subject: &Subject) -> Result<Subject, TooWide> {
    match subject {
        Subject::Network(network) => subject::Subject::network(*network),
        other => Ok(other.clone()),
    }
}
