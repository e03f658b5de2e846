//! What a book keeps over a restart.

use hashbrown::HashSet;

use super::super::action::{Action, End, State};
use super::changes::DURATIONS;
use super::slots::{self, Slots};
use super::{Book, PROPOSALS, canonical};

/// Who ends what did not outlive a restart.
const RESTART: &str = "observer, after a restart";

impl Book {
    /// Actions in force and proposals, in an order that only they decide.
    pub fn save(&self) -> Vec<Action> {
        let mut actions: Vec<_> = self.active.values().cloned().collect();
        actions.sort_by_key(|action| action.slot);
        actions.extend(self.proposals.iter().cloned());
        actions
    }

    /// Takes what was saved, into a book in which nothing is in force. What is past its time, or allowed by now, is over.
    /// [`Book::registered`] is to follow.
    pub fn restore(&mut self, actions: Vec<Action>, now: u64) {
        let mut used = HashSet::new();
        let mut homeless = Vec::new();
        for mut action in actions {
            // A clock that was set back must not make anything last longer than anybody may ask for.
            action.until = action.until.min(now.saturating_add(DURATIONS.1));
            let known = self.get(&action.id).is_some();
            if known || matches!(action.state, State::Ended(_)) {
                continue;
            }
            if let Some(end) = self.over(&mut action, now) {
                self.end(action, end, RESTART, now);
            } else if action.state == State::Proposed {
                action.slot = 0;
                if self.proposals.len() < PROPOSALS {
                    self.proposals.push_back(action);
                } else {
                    self.end(action, End::Expired, RESTART, now);
                }
            } else if (1..=slots::MOST).contains(&action.slot) && used.insert(action.slot) {
                self.enter(action);
            } else {
                homeless.push(action);
            }
        }
        self.slots = Slots::with(self.active.keys().copied().collect());
        for mut action in homeless {
            if self.index.slot(&action.subject).is_some() {
                self.end(action, End::Replaced, RESTART, now);
                continue;
            }
            match self.slots.take() {
                Some(slot) => {
                    action.slot = slot;
                    self.enter(action);
                }
                None => self.end(action, End::Stopped, RESTART, now),
            }
        }
    }

    /// How an action ended while nobody looked, if it did.
    fn over(&self, action: &mut Action, now: u64) -> Option<End> {
        match canonical(&action.subject) {
            Ok(subject) => action.subject = subject,
            Err(_) => return Some(End::Stopped),
        }
        let consumer = action.consumer.as_deref();
        if action.until <= now {
            Some(End::Expired)
        } else if self.allow.opens(&action.subject, consumer).is_some() {
            Some(End::Allowed)
        } else if self.index.slot(&action.subject).is_some()
            || self
                .proposals
                .iter()
                .any(|known| known.subject == action.subject)
        {
            Some(End::Replaced)
        } else {
            None
        }
    }
}
