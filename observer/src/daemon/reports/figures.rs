//! Usage of a period beside the one before, read once and grouped as a section wants it.
//!
//! Invariant: figures of one consumer hold rows of that consumer alone: whatever is made of them cannot tell of others.

use std::collections::BTreeMap;

use super::span::Spans;
use crate::export::reports::Cell;
use crate::store::{self, Coverage, Period, Reader, UsageRow};
use crate::usage::responsibility::{self, Judgement, judge};
use crate::usage::{ErrorClass, Outcome};

/// What is read by, in this order.
const COLUMNS: [&str; 6] = ["consumer", "app", "key", "api", "route", "outcome"];

/// Usage of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Values of the columns.
    names: [String; COLUMNS.len()],
    /// What came of it.
    pub outcome: Outcome,
    /// What was used, now and before.
    pub pair: Pair,
}

/// Sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Requests.
    pub requests: u64,
    /// Of these, those that are not certain.
    pub uncertain: u64,
    /// Errors by class, in the order of [`ErrorClass::ALL`].
    pub errors: [u64; 4],
    /// Bytes of requests.
    pub request_bytes: u64,
    /// Bytes of responses.
    pub response_bytes: u64,
    /// Microseconds of service.
    pub service_us: u64,
}

/// Now and before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// In the period.
    pub now: Amount,
    /// In the one before.
    pub before: Amount,
}

/// Usage of a period beside the one before.
pub struct Figures {
    /// Every kind of it.
    pub lines: Vec<Line>,
}

impl Line {
    /// Account, or what stands for none.
    pub fn consumer(&self) -> &str {
        &self.names[0]
    }

    /// Id of the app; empty where there is none.
    pub fn app(&self) -> &str {
        &self.names[1]
    }

    /// Id of the key; empty where there is none.
    pub fn key(&self) -> &str {
        &self.names[2]
    }

    /// API and route.
    pub fn route(&self) -> (&str, &str) {
        (&self.names[3], &self.names[4])
    }
}

impl Figures {
    /// Reads both periods.
    ///
    /// # Errors
    /// What SQLite refuses.
    pub fn read(ledger: &Reader, spans: Spans) -> Result<Self, rusqlite::Error> {
        let mut lines: BTreeMap<[String; COLUMNS.len()], Pair> = BTreeMap::new();
        for (period, before) in [(spans.now, false), (spans.before, true)] {
            for UsageRow { group, sums } in store::usage(ledger, period, &COLUMNS)? {
                let Ok(names) = <[String; COLUMNS.len()]>::try_from(group) else {
                    continue;
                };
                let outcome = outcome(names.last().map_or("", String::as_str));
                let amount = Amount::of(&sums, outcome);
                let pair = lines.entry(names).or_default();
                if before {
                    pair.before.add(&amount);
                } else {
                    pair.now.add(&amount);
                }
            }
        }
        let line = |(names, pair): ([String; COLUMNS.len()], Pair)| Line {
            outcome: outcome(names.last().map_or("", String::as_str)),
            names,
            pair,
        };
        Ok(Self {
            lines: lines.into_iter().map(line).collect(),
        })
    }

    /// Those of one consumer alone.
    pub fn of(&self, consumer: &str) -> Self {
        let own = self.lines.iter().filter(|line| line.consumer() == consumer);
        Self {
            lines: own.cloned().collect(),
        }
    }

    /// In groups, in the order of their names.
    pub fn by<'a, K: Ord>(&'a self, name: impl Fn(&'a Line) -> K) -> BTreeMap<K, Pair> {
        let mut groups: BTreeMap<K, Pair> = BTreeMap::new();
        for line in &self.lines {
            groups.entry(name(line)).or_default().add(&line.pair);
        }
        groups
    }

    /// In groups, those with most requests first, now and then before.
    pub fn ranked<'a, K: Ord>(&'a self, name: impl Fn(&'a Line) -> K) -> Vec<(K, Pair)> {
        let mut groups: Vec<(K, Pair)> = self.by(name).into_iter().collect();
        // Stable: of as many requests, the order of names.
        groups
            .sort_by_key(|(_, pair)| std::cmp::Reverse((pair.now.requests, pair.before.requests)));
        groups
    }

    /// All together.
    pub fn total(&self) -> Pair {
        self.by(|_| ()).remove(&()).unwrap_or_default()
    }

    /// Who meets with the errors of each class.
    pub fn judged(&self) -> Vec<(ErrorClass, Judgement<'_>)> {
        let cells = self.by(|line| (line.consumer(), line.route()));
        let classes = ErrorClass::ALL.into_iter().enumerate();
        let judged = classes.map(|(at, class)| {
            let cells = cells.iter().map(|((consumer, route), pair)| {
                let errors = |amount: &Amount| amount.errors.get(at).copied().unwrap_or_default();
                responsibility::Cell {
                    consumer,
                    route: *route,
                    requests: pair.now.requests,
                    errors: errors(&pair.now),
                    requests_before: pair.before.requests,
                    errors_before: errors(&pair.before),
                }
            });
            (class, judge(&cells.collect::<Vec<_>>()))
        });
        judged.collect()
    }
}

/// An outcome that this version does not know went wrong somehow.
fn outcome(name: &str) -> Outcome {
    Outcome::named(name).unwrap_or(Outcome::ServerError)
}

/// Usage over a period in steps, as far as such steps are kept: the first second of each, and what was used in it.
///
/// # Errors
/// What SQLite refuses.
pub fn steps(
    ledger: &Reader,
    period: Period,
    hours: bool,
    consumer: Option<&str>,
) -> Result<BTreeMap<u64, Amount>, rusqlite::Error> {
    let time = if hours { "hour" } else { "day" };
    let mut steps: BTreeMap<u64, Amount> = BTreeMap::new();
    for UsageRow { group, sums } in store::usage(ledger, period, &[time, "consumer", "outcome"])? {
        let [at, whose, came] = group.as_slice() else {
            continue;
        };
        if consumer.is_some_and(|consumer| consumer != whose) {
            continue;
        }
        let Some(at) = super::super::reading::timestamp(at) else {
            continue;
        };
        let at = u64::try_from(at.as_second()).unwrap_or_default();
        steps
            .entry(at)
            .or_default()
            .add(&Amount::of(&sums, outcome(came)));
    }
    Ok(steps)
}

impl Pair {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.now.add(&other.now);
        self.before.add(&other.before);
    }
}

impl Amount {
    fn of(sums: &crate::usage::batch::Sums, outcome: Outcome) -> Self {
        let class = ErrorClass::of(outcome);
        let errors = ErrorClass::ALL.map(|one| if Some(one) == class { sums.requests } else { 0 });
        Self {
            requests: sums.requests,
            uncertain: sums.uncertain,
            errors,
            request_bytes: sums.request_bytes,
            response_bytes: sums.response_bytes,
            service_us: sums.service_us,
        }
    }

    // A ledger that somebody else wrote may hold any numbers.
    fn add(&mut self, other: &Self) {
        let raise = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        raise(&mut self.requests, other.requests);
        raise(&mut self.uncertain, other.uncertain);
        for (sum, more) in self.errors.iter_mut().zip(other.errors) {
            raise(sum, more);
        }
        raise(&mut self.request_bytes, other.request_bytes);
        raise(&mut self.response_bytes, other.response_bytes);
        raise(&mut self.service_us, other.service_us);
    }

    /// Errors of every class.
    pub fn failed(&self) -> u64 {
        self.errors
            .iter()
            .fold(0, |sum, one| sum.saturating_add(*one))
    }

    /// Milliseconds of service a request.
    pub fn mean(&self) -> Cell {
        Cell::mean(self.service_us, self.requests)
    }

    /// How complete it is, of a period with this coverage.
    pub fn completeness(&self, coverage: &Coverage) -> Cell {
        Cell::ratio(coverage.of(self.requests, self.uncertain))
    }
}
