//! Actions in force by whom they are about.

use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::super::nets::Nets;
use super::super::rate::Verb;
use super::super::subject::{Subject, Who};
use crate::identity::Fingerprint;
use crate::usage::UNKNOWN;

/// A slot, and what its action says.
pub type Entry = (u32, Verb);

/// Every action in force.
#[derive(Debug, Default)]
pub struct Index {
    consumers: HashMap<Arc<str>, Entry>,
    apps: HashMap<Arc<str>, Entry>,
    keys: HashMap<Arc<str>, Entry>,
    credentials: HashMap<Fingerprint, Entry>,
    networks: Nets<Entry>,
}

impl Index {
    /// Puts one in.
    pub fn insert(&mut self, subject: &Subject, entry: Entry) {
        match subject {
            Subject::Consumer(id) => put(&mut self.consumers, Arc::clone(id), entry),
            Subject::App(id) => put(&mut self.apps, Arc::clone(id), entry),
            Subject::Key(id) => put(&mut self.keys, Arc::clone(id), entry),
            Subject::Credential(fingerprint) => put(&mut self.credentials, *fingerprint, entry),
            Subject::Network(network) => self.networks.insert(*network, entry),
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, subject: &Subject) {
        match subject {
            Subject::Consumer(id) => drop(self.consumers.remove(id)),
            Subject::App(id) => drop(self.apps.remove(id)),
            Subject::Key(id) => drop(self.keys.remove(id)),
            Subject::Credential(fingerprint) => drop(self.credentials.remove(fingerprint)),
            Subject::Network(network) => self.networks.remove(network),
        }
    }

    /// The slot of the action about exactly this.
    pub fn slot(&self, subject: &Subject) -> Option<u32> {
        let entry = match subject {
            Subject::Consumer(id) => self.consumers.get(id).copied(),
            Subject::App(id) => self.apps.get(id).copied(),
            Subject::Key(id) => self.keys.get(id).copied(),
            Subject::Credential(fingerprint) => self.credentials.get(fingerprint).copied(),
            Subject::Network(network) => self.networks.get(network),
        };
        entry.map(|(slot, _)| slot)
    }

    /// What is to be done about a request of this one, whatever is allowed.
    pub fn verdict(&self, who: &Who<'_>) -> Option<Entry> {
        let network = self.networks.longest(who.client.to_canonical());
        // Whose it is was not read with certainty: no name that it bears counts.
        if who.consumer == UNKNOWN {
            return network;
        }
        let fingerprint = who.fingerprint.as_ref();
        let [credential, key, app, consumer] =
            self.named(Some(who.consumer), who.app, who.key, fingerprint);
        strongest([credential, key, app, consumer, network])
    }

    /// What applies to whoever has these names, the most specific first.
    pub fn named(
        &self,
        consumer: Option<&str>,
        app: Option<&str>,
        key: Option<&str>,
        fingerprint: Option<&Fingerprint>,
    ) -> [Option<Entry>; 4] {
        [
            fingerprint.and_then(|fingerprint| self.credentials.get(fingerprint).copied()),
            find(&self.keys, key),
            find(&self.apps, app),
            find(&self.consumers, consumer),
        ]
    }

    /// Networks under an action.
    pub fn networks(&self) -> impl Iterator<Item = (IpNet, Entry)> {
        self.networks.iter()
    }
}

/// Of what applies, the most specific first: a block, else the first.
pub fn strongest<const N: usize>(found: [Option<Entry>; N]) -> Option<Entry> {
    let mut all = found.into_iter().flatten();
    let first = all.next()?;
    if first.1 == Verb::Block {
        return Some(first);
    }
    Some(all.find(|(_, verb)| *verb == Verb::Block).unwrap_or(first))
}

fn find(map: &HashMap<Arc<str>, Entry>, id: Option<&str>) -> Option<Entry> {
    // Nearly always nothing of the kind is in force.
    if map.is_empty() {
        return None;
    }
    map.get(id?).copied()
}

fn put<K: Eq + Hash>(map: &mut HashMap<K, Entry>, key: K, entry: Entry) {
    map.insert(key, entry);
}
