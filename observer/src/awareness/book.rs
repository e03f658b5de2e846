//! The book of incidents: which are open, which were lately, and which nobody wants to hear of.
//!
//! Invariant: one of each rule and subject is open at a time, and only so many at all; what a bound refused is counted.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::incident::{Evidence, Finding, Incident, State, Subject};
use super::rules::{Rule, Severity};

/// Open incidents.
const OPEN: usize = 1_000;
/// Changes that wait to be taken.
const CHANGES: usize = 4_096;
/// Seconds within which what was over and begins again is the same incident.
const AGAIN: u64 = 15 * 60;
/// Incidents kept for that.
const CLOSED: usize = 1_000;

/// Every incident that is open, and those that were lately.
#[derive(Debug, Default)]
pub struct Book {
    open: HashMap<(Rule, Subject), Incident>,
    closed: VecDeque<Incident>,
    changes: VecDeque<Incident>,
    /// Open ones of which more is known than was told or kept.
    grown: HashSet<(Rule, Subject)>,
    /// Whether that is a name, and not only that they went on.
    named: bool,
    /// What nobody wants to hear of, until when (nanoseconds since 1970).
    suppressed: HashMap<(Rule, Subject), u64>,
    opened: HashMap<(Rule, Severity), u64>,
    refused: u64,
}

impl Book {
    /// Takes what a rule says at `now`. Returns whether it is news.
    pub fn raise(&mut self, finding: Finding, now: u64, completeness: f64) -> bool {
        let key = (finding.rule, finding.subject.clone());
        if self.suppressed.get(&key).is_some_and(|until| now < *until) {
            return false;
        }
        if let Some(known) = self.open.get_mut(&key) {
            known.last_seen = now.max(known.last_seen);
            // The sentence that it began with stays; what it grew to is in the numbers.
            let began = known.evidence.since;
            known.evidence.score = known.evidence.score.max(finding.evidence.score);
            known.evidence.until = now.max(began);
            for name in &finding.evidence.consumers {
                self.named |= Evidence::name(&mut known.evidence.consumers, name);
            }
            for name in &finding.evidence.routes {
                self.named |= Evidence::name(&mut known.evidence.routes, name);
            }
            self.grown.insert(key.clone());
            if finding.severity > known.severity {
                known.severity = finding.severity;
                known.statement = finding.statement;
                let changed = known.clone();
                self.change(changed);
            }
            return false;
        }
        if self.open.len() >= OPEN {
            self.refused += 1;
            return false;
        }
        let again = self.closed.iter().position(|closed| {
            closed.rule == finding.rule
                && closed.subject == finding.subject
                && now.saturating_sub(closed.last_seen) < AGAIN * 1_000_000_000
        });
        if let Some(mut known) = again.and_then(|at| self.closed.remove(at)) {
            known.state = State::Open;
            known.last_seen = now;
            known.statement = finding.statement;
            known.evidence = finding.evidence;
            self.change(known.clone());
            self.open.insert(key, known);
            return false;
        }
        let incident = Incident {
            id: id(&finding, now),
            rule: finding.rule,
            severity: finding.severity,
            subject: finding.subject,
            state: State::Open,
            first_seen: if finding.evidence.since > 0 {
                finding.evidence.since.min(now)
            } else {
                now
            },
            detected_at: now,
            last_seen: now,
            statement: finding.statement,
            evidence: finding.evidence,
            confidence: finding.confidence,
            completeness,
            suppressed_until: 0,
        };
        *self
            .opened
            .entry((incident.rule, incident.severity))
            .or_default() += 1;
        self.change(incident.clone());
        self.open.insert(key, incident);
        true
    }

    /// The incident of a rule and a subject that is open.
    pub fn get(&self, rule: Rule, subject: &Subject) -> Option<&Incident> {
        self.open.get(&(rule, subject.clone()))
    }

    /// Adds whom an open incident affects.
    pub fn affect(&mut self, rule: Rule, subject: &Subject, consumer: &Arc<str>, now: u64) {
        let key = (rule, subject.clone());
        if let Some(known) = self.open.get_mut(&key) {
            known.last_seen = now.max(known.last_seen);
            self.named |= Evidence::name(&mut known.evidence.consumers, consumer);
            self.grown.insert(key);
        }
    }

    /// What an open incident is about has not ended at `now`.
    pub fn goes_on(&mut self, rule: Rule, subject: &Subject, now: u64) {
        let key = (rule, subject.clone());
        if let Some(known) = self.open.get_mut(&key) {
            known.last_seen = now.max(known.last_seen);
            self.grown.insert(key);
        }
    }

    /// What it was about is over.
    pub fn settle(&mut self, rule: Rule, subject: &Subject) {
        if let Some(incident) = self.open.remove(&(rule, subject.clone())) {
            self.end(incident, State::Closed);
        }
    }

    /// Ends what has had no news for as long as its rule waits.
    pub fn tick(&mut self, now: u64) {
        let over: Vec<_> = self
            .open
            .iter()
            .filter(|((rule, _), incident)| {
                rule.lasts().is_some_and(|lasts| {
                    now.saturating_sub(incident.last_seen) > lasts * 1_000_000_000
                })
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            if let Some(incident) = self.open.remove(&key) {
                self.end(incident, State::Closed);
            }
        }
        self.suppressed.retain(|_, until| now < *until);
    }

    /// Somebody knows of an incident. `None`: none of that name is open.
    pub fn acknowledge(&mut self, id: &str) -> Option<Incident> {
        let incident = self
            .open
            .values_mut()
            .find(|incident| *incident.id == *id)?;
        incident.state = State::Ack;
        let incident = incident.clone();
        self.change(incident.clone());
        Some(incident)
    }

    /// Somebody ends an incident; with `until` (nanoseconds since 1970), it does not come again before.
    pub fn close(&mut self, id: &str, until: Option<u64>) -> Option<Incident> {
        let key = self
            .open
            .iter()
            .find(|(_, incident)| *incident.id == *id)?
            .0
            .clone();
        let mut incident = self.open.remove(&key)?;
        let state = match until {
            Some(until) if self.suppressed.len() < OPEN => {
                self.suppressed.insert(key, until);
                incident.suppressed_until = until;
                State::Suppressed
            }
            _ => State::Closed,
        };
        Some(self.end(incident, state))
    }

    /// Incidents that are open, in no particular order.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.open.values()
    }

    /// How many were opened by rule and severity.
    pub fn opened(&self) -> impl Iterator<Item = ((Rule, Severity), u64)> {
        self.opened.iter().map(|(key, count)| (*key, *count))
    }

    /// How many were not opened, or not told of, because of a bound.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Incidents that changed since this was asked last, in the order in which they did.
    pub fn take_changes(&mut self) -> Vec<Incident> {
        let changes = std::mem::take(&mut self.changes).into_iter();
        // Whom one affects is found out right after it has opened.
        let latest = |change: Incident| {
            let key = (change.rule, change.subject.clone());
            let known = self.open.get(&key);
            let same = known.filter(|known| known.id == change.id && known.state == change.state);
            same.cloned().unwrap_or(change)
        };
        changes.map(latest).collect()
    }

    /// Open incidents of which more is known than when this was asked last; unless `all`, only when it is a name.
    pub fn take_grown(&mut self, all: bool) -> Vec<Incident> {
        if !all && !self.named {
            return Vec::new();
        }
        self.named = false;
        let grown = std::mem::take(&mut self.grown).into_iter();
        grown
            .filter_map(|key| self.open.get(&key).cloned())
            .collect()
    }

    /// Goes on from incidents of an earlier process: those that are open, and those of which nobody wants to hear.
    pub fn restore(&mut self, incidents: impl IntoIterator<Item = Incident>) {
        for incident in incidents {
            let key = (incident.rule, incident.subject.clone());
            if incident.state == State::Suppressed && self.suppressed.len() < OPEN {
                let until = self.suppressed.entry(key).or_default();
                *until = incident.suppressed_until.max(*until);
            } else if incident.state.is_open() && self.open.len() < OPEN {
                self.open.insert(key, incident);
            }
        }
    }

    fn end(&mut self, mut incident: Incident, state: State) -> Incident {
        incident.state = state;
        self.change(incident.clone());
        if self.closed.len() >= CLOSED {
            self.closed.pop_front();
        }
        if state == State::Closed {
            self.closed.push_back(incident.clone());
        }
        incident
    }

    fn change(&mut self, incident: Incident) {
        if self.changes.len() >= CHANGES {
            self.changes.pop_front();
            self.refused += 1;
        }
        self.changes.push_back(incident);
    }
}

/// Sixteen hexadecimal digits: the same for the same rule, subject and second.
fn id(finding: &Finding, now: u64) -> Arc<str> {
    let text = format!(
        "{} {} {} {}",
        finding.rule.name(),
        finding.subject.kind.name(),
        finding.subject.id,
        now / 1_000_000_000
    );
    format!(
        "{:016x}",
        crate::identity::traits::wide_hash(text.as_bytes())
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::awareness::incident::Kind;

    const SECOND: u64 = 1_000_000_000;

    fn finding(subject: &Subject) -> Finding {
        Finding {
            rule: Rule::Scanning,
            severity: Severity::Medium,
            subject: subject.clone(),
            statement: "something".to_owned(),
            evidence: Evidence::default(),
            confidence: 1.0,
        }
    }

    fn subject() -> Subject {
        Subject::network("203.0.113.9".parse().expect("an address"))
    }

    #[test]
    fn one_of_a_rule_and_subject_is_open_and_ends_when_it_is_quiet() {
        let (mut book, subject) = (Book::default(), subject());
        assert!(book.raise(finding(&subject), SECOND, 1.0));
        assert!(!book.raise(finding(&subject), 2 * SECOND, 1.0));
        assert_eq!(book.open().count(), 1);
        book.tick(1_000 * SECOND);
        assert_eq!(book.open().count(), 1);
        book.tick(2_000 * SECOND);
        assert_eq!(book.open().count(), 0);
        let states: Vec<_> = book
            .take_changes()
            .into_iter()
            .map(|change| change.state)
            .collect();
        assert_eq!(states, [State::Open, State::Closed]);
        assert!(
            !book.raise(finding(&subject), 100 * SECOND, 1.0),
            "the same goes on"
        );
        let id = book.open().next().expect("one").id.clone();
        assert!(book.close(&id, Some(9_000 * SECOND)).is_some());
        assert!(
            !book.raise(finding(&subject), 8_000 * SECOND, 1.0),
            "suppressed"
        );
        assert!(book.raise(finding(&subject), 9_000 * SECOND, 1.0));
        assert_eq!(book.opened().map(|(_, count)| count).sum::<u64>(), 2);
    }

    #[test]
    fn an_acknowledged_one_stays_open_over_a_restart() {
        let (mut book, subject) = (Book::default(), subject());
        book.raise(finding(&subject), SECOND, 1.0);
        let id = book.open().next().expect("one").id.clone();
        let known = book.acknowledge(&id).expect("open");
        assert_eq!(known.state, State::Ack);
        let text = serde_json::to_string(&known).expect("JSON");
        let mut after = Book::default();
        after.restore([serde_json::from_str(&text).expect("JSON")]);
        assert!(!after.raise(finding(&subject), 2 * SECOND, 1.0));
        assert_eq!(book.acknowledge("nothing"), None);
    }

    #[test]
    fn what_nobody_wants_to_hear_of_stays_so_over_a_restart() {
        let (mut book, subject) = (Book::default(), subject());
        book.raise(finding(&subject), SECOND, 1.0);
        let id = book.open().next().expect("one").id.clone();
        let ended = book.close(&id, Some(9 * SECOND)).expect("open");
        let mut after = Book::default();
        after.restore([ended]);
        assert!(!after.raise(finding(&subject), 8 * SECOND, 1.0));
        assert!(after.raise(finding(&subject), 9 * SECOND, 1.0));
    }

    #[test]
    fn one_of_errors_that_nobody_sees_going_on_after_a_restart_ends() {
        let (mut book, subject) = (Book::default(), subject());
        let errors = Finding {
            rule: Rule::ErrorRate,
            ..finding(&subject)
        };
        book.raise(errors, SECOND, 1.0);
        let mut after = Book::default();
        after.restore(book.take_changes());
        after.goes_on(Rule::ErrorRate, &subject, 1_000 * SECOND);
        after.tick(2_000 * SECOND);
        assert_eq!(after.open().count(), 1);
        after.tick(3_000 * SECOND);
        assert_eq!(after.open().count(), 0);
    }

    #[test]
    fn whom_it_affects_is_told_though_it_is_no_change() {
        let (mut book, subject) = (Book::default(), subject());
        book.raise(finding(&subject), SECOND, 1.0);
        book.take_changes();
        book.goes_on(Rule::Scanning, &subject, 2 * SECOND);
        assert_eq!(book.take_grown(false), []);
        for _ in 0..2 {
            book.affect(Rule::Scanning, &subject, &"acme".into(), 3 * SECOND);
        }
        let grown = book.take_grown(false);
        assert_eq!(grown.len(), 1);
        assert_eq!(grown[0].evidence.consumers, ["acme".into()]);
        book.affect(Rule::Scanning, &subject, &"acme".into(), 4 * SECOND);
        assert_eq!(book.take_grown(false), []);
        assert_eq!(book.take_grown(true)[0].last_seen, 4 * SECOND);
        assert_eq!(book.take_changes(), []);
    }

    #[test]
    fn nothing_of_a_client_gets_into_a_name() {
        let route = Subject::route("api", "/<script>\"'`\\\u{7}\u{e9}{id}");
        assert_eq!(&*route.id, "api /%3Cscript%3E%22%27%60%5C%07%C3%A9{id}");
        let mut book = Book::default();
        for number in 0..2 * OPEN {
            book.raise(
                finding(&Subject::named(Kind::Host, &number.to_string())),
                SECOND,
                1.0,
            );
        }
        assert_eq!(book.open().count(), OPEN);
        assert_eq!(book.refused(), OPEN as u64);
    }
}
