//! How actions come, change and end.

use std::sync::Arc;

use super::super::action::{Action, ActionId, By, Deed, End, Radius, Request, State};
use super::super::allow::Mode;
use super::super::remedy::{self, LASTS, remedy};
use super::super::subject::Subject;
use super::super::{SECOND, Verb};
use super::{Book, Considered, PROPOSALS, Refused, SETTLED, Which, canonical};
use crate::awareness::{Incident, Severity};
use crate::identity::Registry;

/// Nanoseconds that an action lasts at least, and at most.
pub(super) const DURATIONS: (u64, u64) = (SECOND, 24 * 3_600 * SECOND);
/// How bad an incident has to be to act by itself: networks hold more than one client, and only this says that somebody is in.
const ALONE: Severity = Severity::Critical;
/// Characters of a reason, and of a name.
const REASON: usize = 200;
const NAME: usize = 64;
/// Who ends what ends by itself.
const NOBODY: &str = "observer";

impl Book {
    /// Whether what somebody wants may be done. Nothing is done, and nothing is told.
    ///
    /// # Errors
    /// Why it may not.
    pub fn permits(
        &mut self,
        request: Request,
        registry: &Registry,
        now: u64,
    ) -> Result<(), Refused> {
        let draft = self.draft(request, now);
        self.check(&draft, registry).map(|_| ())
    }

    /// Does something about somebody from now on; what was done about exactly this one before is replaced.
    ///
    /// # Errors
    /// Where that may not be done, or there are too many already.
    pub fn act(
        &mut self,
        request: Request,
        registry: &Registry,
        now: u64,
    ) -> Result<&Action, Refused> {
        let action = self.draft(request, now);
        let checked = self.check(&action, registry);
        match checked.and_then(|action| self.room(action)) {
            Ok(action) => {
                let by = action.by.to_string();
                self.begin(action, Deed::Began, by, now)
            }
            Err(refused) => Err(self.refuse(&action, refused, now)),
        }
    }

    /// Looks at an incident that opened or changed, and does what the mode and the allowlists let it.
    pub fn consider(
        &mut self,
        incident: &Incident,
        registry: &Registry,
        radius: impl FnOnce(&Subject) -> Radius,
        now: u64,
    ) -> Considered {
        if self.settings.mode == Mode::Observe || !incident.state.is_open() {
            return Considered::Nothing;
        }
        let Some(remedy) = remedy(incident.rule) else {
            return Considered::Nothing;
        };
        let Some((subject, alone)) = remedy::subject(incident, remedy, registry) else {
            return Considered::Nothing;
        };
        if self.settled.contains(&incident.id) {
            return Considered::Nothing;
        }
        if self.index.slot(&subject).is_some() || self.proposal(&subject).is_some() {
            return Considered::Known;
        }
        let radius = radius(&subject);
        let request = Request {
            subject,
            verb: remedy.verb,
            for_ns: LASTS,
            reason: incident.statement.clone(),
            by: By::Incident {
                id: Arc::clone(&incident.id),
                rule: incident.rule.name().to_owned(),
            },
            radius,
        };
        let draft = self.draft(request, now);
        let action = match self.check(&draft, registry) {
            Ok(action) => action,
            Err(refused) => return Considered::Refused(self.refuse(&draft, refused, now)),
        };
        let id = action.id.clone();
        if self.settings.mode == Mode::Act && alone && incident.severity >= ALONE {
            let by = action.by.to_string();
            return match self.room(action) {
                Ok(action) => match self.begin(action, Deed::Began, by, now) {
                    Ok(_) => Considered::Began(id),
                    Err(refused) => Considered::Refused(refused),
                },
                Err(refused) => Considered::Refused(self.refuse(&draft, refused, now)),
            };
        }
        self.propose(action, now);
        Considered::Proposed(id)
    }

    /// Puts a proposal in force, for as long as it was proposed for.
    ///
    /// # Errors
    /// Where there is none of this id, or it may not be done.
    pub fn approve(&mut self, id: &ActionId, by: &str, now: u64) -> Result<&Action, Refused> {
        let mut proposals = self.proposals.iter();
        let at = proposals.position(|proposal| proposal.id == *id);
        let at = at.ok_or(Refused::NotFound)?;
        let proposal = self.proposals.get(at).cloned().ok_or(Refused::NotFound)?;
        let open = self
            .allow
            .opens(&proposal.subject, proposal.consumer.as_deref());
        let refused = match open {
            Some(open) => Some(open.into()),
            None => self.slots.is_full().then_some(Refused::Full),
        };
        if let Some(refused) = refused {
            return Err(self.refuse(&proposal, refused, now));
        }
        self.proposals.remove(at);
        let lasts = proposal.until.saturating_sub(proposal.begun);
        let action = Action {
            begun: now,
            until: now.saturating_add(lasts),
            ..proposal
        };
        self.begin(action, Deed::Approved, cut(by, NAME), now)
    }

    /// Ends a proposal that somebody does not want.
    ///
    /// # Errors
    /// Where there is none of this id.
    pub fn reject(&mut self, id: &ActionId, by: &str, now: u64) -> Result<&Action, Refused> {
        let mut proposals = self.proposals.iter();
        let at = proposals.position(|proposal| proposal.id == *id);
        let proposal = at.and_then(|at| self.proposals.remove(at));
        let proposal = proposal.ok_or(Refused::NotFound)?;
        self.settle(&proposal);
        self.end(proposal, End::Rejected, &cut(by, NAME), now);
        self.ended.back().ok_or(Refused::NotFound)
    }

    /// Takes an action back; a proposal is rejected.
    ///
    /// # Errors
    /// Where there is none.
    pub fn undo(&mut self, which: &Which, by: &str, now: u64) -> Result<&Action, Refused> {
        let slot = match which {
            Which::Id(id) => self.ids.get(id).copied(),
            Which::Subject(subject) => self.index.slot(subject),
        };
        let Some(action) = slot.and_then(|slot| self.withdraw(slot)) else {
            let id = match which {
                Which::Id(id) => Some(id.clone()),
                Which::Subject(subject) => self.proposal(subject).map(|found| found.id.clone()),
            };
            return self.reject(&id.ok_or(Refused::NotFound)?, by, now);
        };
        let by = cut(by, NAME);
        self.settle(&action);
        self.end(action, End::Undone { by: by.clone() }, &by, now);
        self.ended.back().ok_or(Refused::NotFound)
    }

    /// Ends every action and proposal. Returns how many there were.
    pub fn clear(&mut self, by: &str, now: u64) -> usize {
        self.end_all(|_| true, &End::Stopped, &cut(by, NAME), now)
    }

    /// Ends what is past its time. Returns how many were.
    pub fn expire(&mut self, now: u64) -> usize {
        self.end_all(|action| action.until <= now, &End::Expired, NOBODY, now)
    }

    /// Ends what an allowlist covers.
    pub(super) fn end_allowed(&mut self, now: u64) {
        self.version += 1;
        let allow = self.allow.clone();
        let open = |action: &Action| {
            let consumer = action.consumer.as_deref();
            allow.opens(&action.subject, consumer).is_some()
        };
        self.end_all(open, &End::Allowed, NOBODY, now);
    }

    fn end_all(&mut self, over: impl Fn(&Action) -> bool, end: &End, by: &str, now: u64) -> usize {
        let active = self.active.values().filter(|action| over(action));
        let mut slots: Vec<u32> = active.map(|action| action.slot).collect();
        slots.sort_unstable();
        let mut ended: Vec<_> = slots
            .into_iter()
            .filter_map(|slot| self.withdraw(slot))
            .collect();
        let (over, stay) = std::mem::take(&mut self.proposals)
            .into_iter()
            .partition::<Vec<_>, _>(over);
        self.proposals = stay.into();
        ended.extend(over);
        let count = ended.len();
        for action in ended {
            if *end == End::Stopped {
                self.settle(&action);
            }
            self.end(action, end.clone(), by, now);
        }
        count
    }

    fn draft(&mut self, request: Request, now: u64) -> Action {
        let subject = request.subject;
        let id = self.fresh_id(now, &subject, request.verb);
        let by = match request.by {
            By::User(name) => By::User(cut(&name, NAME)),
            incident => incident,
        };
        Action {
            id,
            slot: 0,
            subject,
            consumer: None,
            verb: request.verb,
            begun: now,
            until: now.saturating_add(request.for_ns),
            reason: cut(&request.reason, REASON),
            by,
            state: State::Proposed,
            radius: request.radius,
            hits: super::Hits::default(),
            dry: 0,
        }
    }

    fn fresh_id(&mut self, begun: u64, subject: &Subject, verb: Verb) -> ActionId {
        loop {
            self.numbered += 1;
            let id = ActionId::new(begun, subject, verb, self.numbered);
            if self.get(&id).is_none() {
                return id;
            }
        }
    }

    /// The action as it may be done, if it may: with whose it is.
    fn check(&self, action: &Action, registry: &Registry) -> Result<Action, Refused> {
        let lasts = action.until.saturating_sub(action.begun);
        if lasts < DURATIONS.0 || lasts > DURATIONS.1 {
            return Err(Refused::Duration);
        }
        let subject = canonical(&action.subject)?;
        let unknown = || Refused::Unknown(subject.clone());
        let consumer = match &subject {
            Subject::Consumer(id) => {
                let account = registry.account(id);
                Some(Arc::clone(&account.ok_or_else(unknown)?.id))
            }
            Subject::App(id) => {
                let app = registry.apps().iter().find(|app| app.id == *id);
                Some(Arc::clone(&app.ok_or_else(unknown)?.consumer))
            }
            Subject::Key(id) => {
                let key = registry.keys().iter().find(|entry| entry.key == *id);
                Some(Arc::clone(&key.ok_or_else(unknown)?.consumer))
            }
            Subject::Credential(fingerprint) => self
                .names(fingerprint, registry)
                .map(|names| names.consumer),
            Subject::Network(_) => None,
        };
        if let Some(open) = self.allow.opens(&subject, consumer.as_deref()) {
            return Err(open.into());
        }
        Ok(Action {
            subject,
            consumer,
            ..action.clone()
        })
    }

    /// The action again, where there is a slot for it.
    fn room(&self, action: Action) -> Result<Action, Refused> {
        if self.slots.is_full() && self.index.slot(&action.subject).is_none() {
            return Err(Refused::Full);
        }
        Ok(action)
    }

    fn refuse(&mut self, action: &Action, refused: Refused, now: u64) -> Refused {
        self.refused += 1;
        let told = Action {
            reason: refused.to_string(),
            ..action.clone()
        };
        self.tell(&told, now, Deed::Refused, action.by.to_string());
        refused
    }

    fn propose(&mut self, action: Action, now: u64) {
        if self.proposals.len() >= PROPOSALS
            && let Some(oldest) = self.proposals.pop_front()
        {
            self.end(oldest, End::Expired, NOBODY, now);
        }
        self.tell(&action, now, Deed::Proposed, action.by.to_string());
        self.proposals.push_back(action);
    }

    fn proposal(&self, subject: &Subject) -> Option<&Action> {
        let mut proposals = self.proposals.iter();
        proposals.find(|proposal| proposal.subject == *subject)
    }

    /// Puts an action in force. One about the same subject leaves it its slot: what carries it out is overwritten in place,
    /// and at no time is nothing in force.
    fn begin(
        &mut self,
        mut action: Action,
        deed: Deed,
        by: String,
        now: u64,
    ) -> Result<&Action, Refused> {
        let known = self.index.slot(&action.subject);
        let slot = match known {
            Some(slot) => slot,
            None => self.slots.take().ok_or(Refused::Full)?,
        };
        if let Some(old) = self.active.remove(&slot) {
            self.ids.remove(&old.id);
            self.end(old, End::Replaced, &by, now);
        }
        let mut proposals = self.proposals.iter();
        let waiting = proposals.position(|proposal| proposal.subject == action.subject);
        if let Some(waiting) = waiting.and_then(|at| self.proposals.remove(at)) {
            self.end(waiting, End::Replaced, &by, now);
        }
        (action.slot, action.state) = (slot, State::Active);
        self.tell(&action, now, deed, by);
        Ok(self.enter(action))
    }

    /// Puts an action with a slot into the tables.
    pub(super) fn enter(&mut self, action: Action) -> &Action {
        self.version += 1;
        let slot = action.slot;
        self.index.insert(&action.subject, (slot, action.verb));
        self.ids.insert(action.id.clone(), slot);
        self.active.entry(slot).insert(action).into_mut()
    }

    /// Takes an action out of force.
    fn withdraw(&mut self, slot: u32) -> Option<Action> {
        let action = self.active.remove(&slot)?;
        self.version += 1;
        self.index.remove(&action.subject);
        self.ids.remove(&action.id);
        self.slots.give(slot);
        Some(action)
    }

    /// Remembers that somebody decided about the incident behind an action.
    fn settle(&mut self, action: &Action) {
        if let By::Incident { id, .. } = &action.by
            && !self.settled.contains(id)
        {
            if self.settled.len() >= SETTLED {
                self.settled.pop_front();
            }
            self.settled.push_back(Arc::clone(id));
        }
    }
}

/// The start of a text of others, on one line.
fn cut(text: &str, most: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(most)
        .collect()
}
