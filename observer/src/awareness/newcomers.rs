//! Keys on networks that they never came from: told when it is no common move, and as leaked when something else is new.

use super::incident::{Evidence, Finding};
use super::rules::Rule;
use super::{Awareness, MINUTE, SECOND};
use crate::usage::UNREGISTERED;

/// Minutes that a new network is looked at before it is told.
const PATIENCE: u64 = 30;
/// Minutes in which what else is new counts.
const LEAK: u64 = 15;
/// Chance of a new network from which on something else that is new does not make it a leak.
const RARE: f64 = 0.01;
/// Minutes for which what a network is blamed for explains its keys.
const ECHO: u64 = 60;
/// Keys on new networks at the same time that are a common move.
const MOVE: usize = 4;

impl Awareness {
    /// Tells that a key that is new on a network does something else that is new. False when it is not new there.
    pub(super) fn leaked(&mut self, key: Option<u32>, what: &str, of: &Finding, time: u64) -> bool {
        let Some(key) = key.and_then(|number| self.keys.get(number)) else {
            return false;
        };
        let Some(newcomer) = key.newcomer.filter(|new| {
            time.saturating_sub(new.since) <= LEAK * MINUTE * SECOND && new.chance < RARE
        }) else {
            return false;
        };
        let subject = key.subject();
        let statement = format!(
            "{}: accepted on a network that it never came from ({} known, chance of a new one {:.5}), and it {what}: {}",
            subject.words(),
            newcomer.known,
            newcomer.chance,
            of.statement
        );
        let rule = Rule::LeakedKey;
        self.book.settle(Rule::NewNetwork, &subject);
        let finding = Finding::new(
            rule,
            subject,
            statement,
            Evidence {
                since: newcomer.since,
                ..of.evidence.clone()
            },
            1.0 - newcomer.chance * (1.0 - of.confidence),
        );
        self.raise(finding, time);
        true
    }

    /// Tells of keys on new networks, once it is clear that it is no common move.
    pub(super) fn tell_newcomers(&mut self, time: u64) {
        let fresh = |since: u64| time.saturating_sub(since) <= ECHO * MINUTE * SECOND;
        let moving = self
            .keys
            .iter()
            .filter(|(_, key)| key.registered && key.newcomer.is_some_and(|new| fresh(new.since)))
            .count();
        let mut findings = Vec::new();
        let common = moving >= MOVE;
        for (_, key) in self.keys.iter_mut() {
            let subject = key.newcomer.is_some().then(|| key.subject());
            let Some((new, subject)) = key.newcomer.as_mut().zip(subject) else {
                continue;
            };
            if !fresh(new.since) {
                key.newcomer = None;
                continue;
            }
            if self.blamed.contains_key(&new.network) {
                continue;
            }
            // Who moved with others has moved, also once the others are no longer new.
            new.told |= common;
            let surprising = new.chance < 1e-3 && &*key.consumer != UNREGISTERED;
            if new.told
                || !surprising
                || time.saturating_sub(new.since) < PATIENCE * MINUTE * SECOND
            {
                continue;
            }
            new.told = true;
            // A route and an agent that it never had, on a network that it never had.
            let rule = if new.routes >= 2 || (new.routes >= 1 && new.agent) {
                Rule::LeakedKey
            } else {
                Rule::NewNetwork
            };
            let statement = format!(
                "{}: accepted on a network that it never came from; {} are known and the chance of a new one is {:.5}; {} routes{} are new with it",
                subject.words(),
                new.known,
                new.chance,
                new.routes,
                if new.agent { " and the user agent" } else { "" }
            );
            findings.push(Finding::new(
                rule,
                subject,
                statement,
                Evidence {
                    seen: 1.0,
                    baseline: new.chance,
                    limit: 1e-3,
                    score: new.chance,
                    since: new.since,
                    until: time,
                    ..Evidence::default()
                },
                1.0 - new.chance,
            ));
        }
        for finding in findings {
            if self.book.get(Rule::LeakedKey, &finding.subject).is_none() {
                self.raise(finding, time);
            }
        }
    }

    /// Whether the network on which a key is new is the subject of an incident of its own.
    pub(super) fn is_blamed(&self, number: u32, time: u64) -> bool {
        let newcomer = self.keys.get(number).and_then(|key| key.newcomer);
        newcomer.is_some_and(|new| {
            let told = self.blamed.get(&new.network);
            told.is_some_and(|told| time.saturating_sub(*told) < ECHO * MINUTE * SECOND)
        })
    }
}
