//! Carrying out what commands and incidents ask for.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{Responder, now};
use crate::awareness::Incident;
use crate::daemon::responses::order::{Answer, Order};
use crate::kernel::Kernel;
use crate::pipeline::Pipeline;
use crate::response::{By, Considered, Request, Subject, SubjectKind, Verb, Which};

/// An order, who gave it, and where the answer goes.
pub struct Asked {
    /// What is to be done.
    pub order: Order,
    /// The name of whoever wants it.
    pub by: String,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Answer, String>>,
}

impl Responder {
    /// Changes the book as an order says. What it says then is still to be carried out.
    ///
    /// # Errors
    /// Why it is not done, for people.
    pub fn order(
        &mut self,
        order: Order,
        by: &str,
        kernel: &Kernel,
        pipeline: &mut Pipeline,
    ) -> Result<Answer, String> {
        let mut answer = Answer::default();
        match order {
            Order::Act {
                target,
                kind,
                verb,
                seconds,
                reason,
                dry_run,
            } => {
                self.refresh(kernel, pipeline);
                let subject = self.subject(&target, kind, pipeline)?;
                let radius = self.recent.radius(&subject, now());
                answer.notes = self.notes(&subject, verb, kernel, pipeline);
                let registry = std::sync::Arc::clone(pipeline.registry());
                let request = Request {
                    subject,
                    verb,
                    for_ns: nanoseconds(seconds),
                    reason,
                    by: By::User(by.to_owned()),
                    radius,
                };
                let book = &mut pipeline.stops_mut().book;
                if dry_run {
                    book.permits(request, &registry, now()).map_err(text)?;
                    answer.radius = Some(radius);
                    return Ok(answer);
                }
                let action = book.act(request, &registry, now()).map_err(text)?;
                answer.actions.push(action.clone());
            }
            Order::Undo { target, kind } => {
                let which = match target.parse() {
                    Ok(id) if kind.is_none() => Which::Id(id),
                    _ => Which::Subject(self.subject(&target, kind, pipeline)?),
                };
                self.count(pipeline);
                let book = &mut pipeline.stops_mut().book;
                let action = book.undo(&which, by, now()).map_err(text)?;
                answer.actions.push(action.clone());
            }
            Order::Approve { id } => {
                let book = &mut pipeline.stops_mut().book;
                let action = book.approve(&id, by, now()).map_err(text)?;
                answer.actions.push(action.clone());
            }
            Order::Reject { id } => {
                let book = &mut pipeline.stops_mut().book;
                let action = book.reject(&id, by, now()).map_err(text)?;
                answer.actions.push(action.clone());
            }
            Order::Clear => {
                self.count(pipeline);
                let book = &mut pipeline.stops_mut().book;
                let standing = book.active().chain(book.proposed());
                let ids: Vec<_> = standing.map(|action| action.id.clone()).collect();
                book.clear(by, now());
                let ended = ids.iter().filter_map(|id| book.get(id).cloned());
                answer.actions = ended.collect();
            }
            Order::List => {
                self.count(pipeline);
                let book = &pipeline.stops().book;
                let standing = book.active().chain(book.proposed()).chain(book.ended());
                answer.actions = standing.cloned().collect();
                answer
                    .actions
                    .sort_by_key(|action| std::cmp::Reverse(action.begun));
            }
        }
        Ok(answer)
    }

    /// Brings up to date what a decision goes by: this host's addresses, what was accepted so far, and what was hit.
    fn refresh(&mut self, kernel: &Kernel, pipeline: &mut Pipeline) {
        let own = kernel.own_addresses();
        if own != self.settings.own {
            self.settings.own = own;
            let settings = self.settings.clone();
            pipeline.stops_mut().book.configure(settings, now());
        }
        if let Err(error) = self.hand_out(pipeline) {
            tracing::error!("response: {error}");
        }
        self.count(pipeline);
    }

    fn subject(
        &self,
        target: &str,
        kind: Option<SubjectKind>,
        pipeline: &Pipeline,
    ) -> Result<Subject, String> {
        Subject::resolve(target, kind, pipeline.registry()).map_err(text)
    }

    /// What whoever acts should know.
    fn notes(
        &self,
        subject: &Subject,
        verb: Verb,
        kernel: &Kernel,
        pipeline: &Pipeline,
    ) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(why) = &self.lacking {
            notes.push(format!(
                "the kernel cannot refuse requests ({why}): connections are reset after their first one"
            ));
        } else if kernel.attached().is_empty() {
            notes.push("no interface is observed at the moment".to_owned());
        }
        if let Some(before) = pipeline.stops().book.about(subject) {
            notes.push(format!(
                "it takes the place of {} ({})",
                before.id, before.verb
            ));
        }
        let unseen = |fingerprint| self.spellings.of(&fingerprint).next().is_none();
        let new = match subject {
            Subject::Credential(fingerprint) => unseen(*fingerprint),
            Subject::Consumer(id) => self.spellings.consumer(id).is_none(),
            _ => false,
        };
        if new {
            notes.push(
                "no accepted request of it was seen here yet: its first one is noticed late"
                    .to_owned(),
            );
        }
        if matches!(subject, Subject::Network(_))
            && verb == Verb::Block
            && pipeline.stops().book.carries_allowed()
        {
            notes.push(
                "consumers are on the allowlist: requests of the network are refused one by one, not its packets"
                    .to_owned(),
            );
        }
        notes
    }

    /// Looks whether something is to be done about incidents. True: something is in force from now on.
    pub fn consider(&mut self, incidents: &[Incident], pipeline: &mut Pipeline) -> bool {
        let mut changed = false;
        let registry = std::sync::Arc::clone(pipeline.registry());
        for incident in incidents {
            let book = &mut pipeline.stops_mut().book;
            let radius = |subject: &Subject| self.recent.radius(subject, now());
            let considered = book.consider(incident, &registry, radius, now());
            changed |= matches!(considered, Considered::Began(_));
        }
        changed
    }
}

fn nanoseconds(seconds: u64) -> u64 {
    let span = Duration::from_secs(seconds).as_nanos();
    u64::try_from(span).unwrap_or(u64::MAX)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
