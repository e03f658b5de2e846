//! Whose requests a connection carries: one that a second consumer uses too is a proxy's, and nobody's to cut.
//!
//! What was accepted counts for good; a request that is not answered yet counts while it waits. A name that the application
//! refused counts for nothing: else whoever is shut off would only have to name somebody else.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::identity::{Attribution, Consumer};

/// A registered consumer. Whoever else sends requests is nobody's concern: anybody can make up a credential that some route accepts.
type Sender = Arc<str>;

/// Requests of so many senders are told apart while they wait; of more, only that they wait.
const WAITING: usize = 8;

/// Whose requests a connection carried.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Carried {
    accepted: Option<Sender>,
    shared: bool,
    /// Senders of requests that wait for their answers, and how many each has.
    waiting: Vec<(Sender, u32)>,
    /// Requests that wait and whose senders there was no room for.
    crowd: u32,
}

impl Carried {
    /// A request begins.
    pub fn ask(&mut self, attribution: &Attribution) {
        let Some(sender) = sender(attribution) else {
            return;
        };
        if self.shared || self.accepted.as_ref() == Some(&sender) {
            return;
        }
        if let Some((_, count)) = self.waiting.iter_mut().find(|(known, _)| *known == sender) {
            *count = count.saturating_add(1);
        } else if self.waiting.len() < WAITING {
            self.waiting.push((sender, 1));
        } else {
            self.crowd = self.crowd.saturating_add(1);
        }
    }

    /// Its exchange is over.
    pub fn answer(&mut self, attribution: &Attribution, accepted: bool) {
        let Some(sender) = sender(attribution) else {
            return;
        };
        if self.shared || self.accepted.as_ref() == Some(&sender) {
            return;
        }
        match self.waiting.iter_mut().find(|(known, _)| *known == sender) {
            Some((_, count)) => *count = count.saturating_sub(1),
            None => self.crowd = self.crowd.saturating_sub(1),
        }
        self.waiting.retain(|(_, count)| *count > 0);
        if accepted {
            self.shared = self.accepted.is_some();
            self.accepted.get_or_insert(sender);
        }
    }

    /// Whether somebody else than the sender of this request uses the connection.
    pub fn is_shared(&self, attribution: &Attribution) -> bool {
        let sender = sender(attribution);
        let other = |known: &Sender| Some(known) != sender.as_ref();
        self.shared
            || self.crowd > 0
            || self.accepted.as_ref().is_some_and(other)
            || self.waiting.iter().any(|(known, _)| other(known))
    }

    /// Whether requests of two senders were accepted: it is shared for good.
    pub fn is_company(&self) -> bool {
        self.shared
    }

    /// Whether somebody whose requests were not accepted so far waits for an answer.
    pub fn is_waited_on(&self) -> bool {
        self.crowd > 0 || !self.waiting.is_empty()
    }

    /// The consumer whose requests were accepted, and whether others' were too, for the kernel side.
    pub fn accepted(&self) -> Option<(&Arc<str>, bool)> {
        Some((self.accepted.as_ref()?, self.shared))
    }
}

fn sender(attribution: &Attribution) -> Option<Sender> {
    match &attribution.consumer {
        Consumer::Registered(consumer) => Some(Arc::clone(consumer)),
        Consumer::Unregistered | Consumer::Unkeyed | Consumer::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Traits;

    fn of(consumer: &str) -> Attribution {
        Attribution {
            consumer: Consumer::Registered(consumer.into()),
            app: None,
            key: None,
            credential: None,
            client: ([192, 0, 2, 1], 1).into(),
            in_url: false,
            forwarded: false,
            forwarded_https: false,
            forwarded_client: None,
            traits: Traits::default(),
        }
    }

    #[test]
    fn a_second_consumer_makes_it_shared() {
        let (acme, other) = (of("acme"), of("other"));
        let mut carried = Carried::default();
        carried.ask(&acme);
        assert!(!carried.is_shared(&acme));
        carried.answer(&acme, true);
        carried.ask(&other);
        assert!(carried.is_shared(&other) && carried.is_shared(&acme));
        carried.answer(&other, true);
        assert!(carried.is_shared(&acme));
    }

    #[test]
    fn many_names_that_were_refused_do_not_either() {
        let (acme, names) = (of("acme"), (0..40).map(|number| of(&number.to_string())));
        let names: Vec<_> = names.collect();
        let mut carried = Carried::default();
        carried.ask(&acme);
        carried.answer(&acme, true);
        for name in &names {
            carried.ask(name);
        }
        assert!(carried.is_shared(&acme) && !carried.is_company());
        for name in &names {
            carried.answer(name, false);
        }
        assert!(!carried.is_shared(&acme) && !carried.is_waited_on());
    }

    #[test]
    fn a_name_that_was_refused_does_not() {
        let (acme, other) = (of("acme"), of("other"));
        let mut carried = Carried::default();
        for refused in 0..3 {
            carried.ask(&other);
            assert!(
                carried.is_shared(&acme),
                "{refused}: it may be accepted yet"
            );
            carried.answer(&other, false);
            carried.ask(&acme);
            assert!(!carried.is_shared(&acme), "{refused}");
            carried.answer(&acme, true);
        }
    }
}
