//! Incidents and responses of a period.

use std::collections::BTreeMap;

use super::parts::{table, within};
use super::span::Spans;
use crate::awareness::{Incident, Rule, Severity};
use crate::export::reports::{Cell, Section, Table};
use crate::response::Action;
use crate::store::{self, Period, Reader};

const SECOND: u64 = 1_000_000_000;
/// Most that are listed of a kind, the worst and newest first.
const LISTED: usize = 200;

/// What happened in a period and in the one before.
pub struct Events {
    /// Incidents that were detected in the period, or before it and still open; the worst first, then the newest.
    pub incidents: Vec<Incident>,
    /// How many were detected in the period before, by rule and severity.
    before: BTreeMap<(Rule, Severity), u64>,
    /// Actions that were in force or proposed in the period, the newest first.
    pub actions: Vec<Action>,
    /// How many there were in the period before, where that is known.
    actions_before: Option<u64>,
    /// Entries of the ledger that another version wrote.
    unknown: usize,
    period: Period,
}

impl Events {
    /// Reads them.
    ///
    /// # Errors
    /// What SQLite refuses.
    pub fn read(ledger: &Reader, spans: Spans) -> Result<Self, rusqlite::Error> {
        let mut unknown = 0;
        let whole = Period {
            from: spans.before.from,
            until: spans.now.until,
        };
        let mut incidents: Vec<Incident> = read(store::incidents(ledger, whole)?, &mut unknown);
        let mut before = BTreeMap::new();
        for one in &incidents {
            if within(spans.before, one.detected_at / SECOND) {
                *before.entry((one.rule, one.severity)).or_default() += 1;
            }
        }
        incidents.retain(|one| {
            let detected = one.detected_at / SECOND;
            within(spans.now, detected) || detected < spans.now.from && one.state.is_open()
        });
        incidents.sort_by_key(|one| std::cmp::Reverse((one.severity, one.detected_at)));
        let actions: Vec<Action> = read(store::actions(ledger, Some(0))?, &mut unknown);
        let in_force = |action: &Action, period: Period| {
            action.begun / SECOND < period.until && action.until / SECOND > period.from
        };
        let actions_before = actions
            .iter()
            .filter(|one| in_force(one, spans.before))
            .count();
        Ok(Self {
            incidents,
            before,
            actions_before: Some(actions_before as u64),
            actions: actions
                .into_iter()
                .filter(|one| in_force(one, spans.now))
                .collect(),
            unknown,
            period: spans.now,
        })
    }

    /// How many there were, by rule and severity.
    pub fn rules(&self) -> Section {
        // Detected now; open from before.
        let mut groups: BTreeMap<(std::cmp::Reverse<Severity>, Rule), (u64, u64)> = BTreeMap::new();
        for one in &self.incidents {
            let counts = groups
                .entry((std::cmp::Reverse(one.severity), one.rule))
                .or_default();
            if within(self.period, one.detected_at / SECOND) {
                counts.0 += 1;
            } else {
                counts.1 += 1;
            }
        }
        for (rule, severity) in self.before.keys() {
            groups
                .entry((std::cmp::Reverse(*severity), *rule))
                .or_default();
        }
        let row = |((severity, rule), (detected, older)): (
            (std::cmp::Reverse<Severity>, Rule),
            (u64, u64),
        )| {
            let before = self
                .before
                .get(&(rule, severity.0))
                .copied()
                .unwrap_or_default();
            vec![
                Cell::text(rule.name()),
                Cell::text(severity.0.name()),
                Cell::Count(detected),
                Cell::Count(before),
                Cell::change(detected, before),
                Cell::Count(older),
                Cell::text(rule.responsible().as_str()),
                Cell::text(&rule.owasp().join(" ")),
            ]
        };
        let columns = [
            "rule",
            "severity",
            "detected",
            "detected_before",
            "detected_change",
            "open_since_before",
            "responsible",
            "owasp",
        ];
        let rows = groups.into_iter().map(row).collect();
        Section::new("rules", "Incidents by rule").shows(
            table("Incidents by rule and severity", &[&columns], rows),
            "There were no incidents, and none before.",
        )
    }

    /// Incidents, a sentence each.
    pub fn incidents(&self) -> Section {
        let row = |one: &Incident| {
            vec![
                Cell::text(&one.id),
                Cell::text(one.severity.name()),
                Cell::text(one.rule.name()),
                Cell::text(one.state.name()),
                Cell::text(&one.subject.words()),
                Cell::time(one.detected_at / SECOND),
                Cell::text(&one.statement),
            ]
        };
        let columns = [
            "id",
            "severity",
            "rule",
            "state",
            "subject",
            "detected",
            "statement",
        ];
        let table = self.listed(
            "Incidents as they stand now, the worst first",
            &columns,
            row,
        );
        let mut section = Section::new("incidents", "Incidents").shows(
            table,
            "There were none in this time, and none is open from before.",
        );
        if self.unknown > 0 {
            section = section.says(format!(
                "{} incidents and responses were written by another version and are not shown.",
                self.unknown
            ));
        }
        section
    }

    /// The numbers that incidents were decided by.
    pub fn evidence(&self) -> Section {
        let row = |one: &Incident| {
            let found = &one.evidence;
            let numbers = [
                found.seen,
                found.of,
                found.baseline,
                found.score,
                found.limit,
            ];
            let mut row = vec![Cell::text(&one.id)];
            row.extend(numbers.map(Cell::number));
            row.extend([
                Cell::Text(join(found.routes.iter().map(|one| &**one))),
                Cell::Text(join(found.consumers.iter().map(|one| &**one))),
                Cell::Text(join(found.networks.iter().map(String::as_str))),
            ]);
            row
        };
        let columns = [
            "id",
            "seen",
            "of",
            "baseline",
            "score",
            "limit",
            "routes",
            "consumers",
            "networks",
        ];
        let table = self.listed("What each incident was decided by", &columns, row);
        Section::new("evidence", "Evidence").shows(table, "There is none without incidents.")
    }

    /// A row for each incident, as far as they are listed.
    fn listed(
        &self,
        caption: &str,
        columns: &[&'static str],
        row: impl Fn(&Incident) -> Vec<Cell>,
    ) -> Table {
        let all = self.incidents.len();
        let caption = if all > LISTED {
            format!("{caption}: the first {LISTED} of {all}")
        } else {
            caption.to_owned()
        };
        let rows = self.incidents.iter().take(LISTED).map(row).collect();
        table(caption, &[columns], rows)
    }

    /// What was shut off or limited, and what came of it. `words`: who had it done and why, which is nobody else's business.
    pub fn responses(&self, words: bool) -> Section {
        let row = |one: &Action| {
            let hits = [
                one.hits.refused,
                one.hits.passed,
                one.hits.late,
                one.hits.shared,
                one.hits.packets,
            ];
            let mut row = vec![
                Cell::text(one.id.as_str()),
                Cell::Text(one.subject.to_string()),
                Cell::Text(one.verb.to_string()),
                Cell::text(one.state.name()),
                Cell::time(one.begun / SECOND),
                Cell::time(one.until / SECOND),
            ];
            row.extend(hits.map(Cell::Count));
            if words {
                row.extend([Cell::Text(one.by.to_string()), Cell::text(&one.reason)]);
            }
            row
        };
        let columns = [
            "id", "subject", "verb", "state", "begun", "until", "refused", "passed", "late",
            "shared", "packets",
        ];
        let more: &[&'static str] = if words { &["by", "reason"] } else { &[] };
        let table = table(
            "What was in force or proposed, and what it stopped",
            &[&columns, more],
            self.actions.iter().take(LISTED).map(row).collect(),
        );
        let mut section = Section::new("responses", "Responses");
        if let Some(before) = self.actions_before {
            section = section.says(format!(
                "{} in this time, {before} in the one before.",
                self.actions.len()
            ));
        }
        section.shows(table, "Nothing was shut off or limited.")
    }

    /// Those of one consumer alone, in words that name no other.
    pub fn of(&self, consumer: &str) -> Self {
        let mut incidents = self.incidents.clone();
        incidents.retain(|one| one.subject.consumer.as_deref() == Some(consumer));
        for one in &mut incidents {
            // The sentence may name others, by whatever name.
            one.statement = format!("{}: {}", one.subject.words(), one.rule.name());
        }
        let mut actions = self.actions.clone();
        actions.retain(|one| one.consumer.as_deref() == Some(consumer));
        Self {
            incidents,
            actions,
            before: BTreeMap::new(),
            actions_before: None,
            unknown: 0,
            period: self.period,
        }
    }
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// Values as JSON; those that this version does not know are counted.
fn read<T: serde::de::DeserializeOwned>(bodies: Vec<String>, unknown: &mut usize) -> Vec<T> {
    let all = bodies.len();
    let known: Vec<T> = bodies
        .iter()
        .filter_map(|body| serde_json::from_str(body).ok())
        .collect();
    *unknown += all - known.len();
    known
}
