//! Who is responsible for errors that there were not before: the consumer who meets with them, or the provider on whose
//! route many do.
//!
//! A status alone does not tell: a bad deploy answers 4xx to callers who changed nothing. So errors beyond what the period
//! before would have given are split two ways, by consumer and by route, and where they concentrate decides. Prefers to leave
//! it at what the outcome says: without a period before, or without a clear step, nobody else is named.

use std::collections::BTreeMap;

use super::{ErrorClass, Outcome, Responsible};

/// Requests at everybody's rate that each rate before is taken together with: few requests say little.
const PRIOR: f64 = 20.0;
/// Errors more than expected that make a step at least.
const LEAST: f64 = 10.0;
/// Standard deviations of a Poisson count that a step exceeds.
const DEVIATIONS: f64 = 3.0;
/// Share of an excess that decides.
const MAJORITY: f64 = 0.5;
/// Others on a route who meet with errors at this share of somebody's rate, or more often, meet with the same.
const ALIKE: f64 = 0.5;
/// So many others make it nobody's own.
const OTHERS: usize = 2;

/// Errors of one class and requests of one consumer on one route, in a period and in the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    /// The consumer.
    pub consumer: &'a str,
    /// API and route.
    pub route: (&'a str, &'a str),
    /// Requests.
    pub requests: u64,
    /// Errors among them.
    pub errors: u64,
    /// Requests of the period before.
    pub requests_before: u64,
    /// Errors among those.
    pub errors_before: u64,
}

/// A share of the excess.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share<T> {
    /// Whose.
    pub of: T,
    /// From 0 to 1.
    pub share: f64,
}

/// Where the excess lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There is no clear step, or no period to compare with.
    None,
    /// One consumer has most of it, and others on the route do not meet with it.
    Consumer,
    /// Many consumers meet with it on one route.
    Route,
    /// Many consumers meet with it on many routes.
    Everybody,
}

/// What became of one class of errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement<'a> {
    /// Requests.
    pub requests: u64,
    /// Errors among them.
    pub errors: u64,
    /// Requests of the period before.
    pub requests_before: u64,
    /// Errors among those.
    pub errors_before: u64,
    /// Errors beyond what the rates before would have given: the sum over all cells that have such.
    pub excess: f64,
    /// The consumer with most of the excess.
    pub top_consumer: Option<Share<&'a str>>,
    /// API and route with most of the excess.
    pub top_route: Option<Share<(&'a str, &'a str)>>,
    /// Consumers with an error or more in excess on that route.
    pub consumers: usize,
    /// What follows.
    pub cause: Cause,
}

impl ErrorClass {
    /// The class of an outcome; `None` where nothing went wrong.
    pub fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Ok | Outcome::Redirect => None,
            Outcome::AuthMissing | Outcome::AuthRejected | Outcome::Forbidden => Some(Self::Auth),
            Outcome::RateLimited => Some(Self::Limited),
            Outcome::NotFound | Outcome::MethodNotAllowed | Outcome::ClientError => {
                Some(Self::Client)
            }
            Outcome::ServerError
            | Outcome::Malformed
            | Outcome::ClientAbort
            | Outcome::ServerReset
            | Outcome::NoResponse => Some(Self::Server),
        }
    }
}

/// Judges the errors of one class; a consumer and a route have one cell.
pub fn judge<'a>(cells: &[Cell<'a>]) -> Judgement<'a> {
    let sum = |of: fn(&Cell<'a>) -> u64| cells.iter().map(of).sum::<u64>();
    let mut judgement = Judgement {
        requests: sum(|cell| cell.requests),
        errors: sum(|cell| cell.errors),
        requests_before: sum(|cell| cell.requests_before),
        errors_before: sum(|cell| cell.errors_before),
        excess: 0.0,
        top_consumer: None,
        top_route: None,
        consumers: 0,
        cause: Cause::None,
    };
    let usual = ratio(judgement.errors_before, judgement.requests_before);
    let mut expected = 0.0;
    let mut excesses = Vec::with_capacity(cells.len());
    for cell in cells {
        let rate =
            (cell.errors_before as f64 + PRIOR * usual) / (cell.requests_before as f64 + PRIOR);
        let own = rate * cell.requests as f64;
        expected += own;
        excesses.push((cell, (cell.errors as f64 - own).max(0.0)));
    }
    judgement.excess = excesses.iter().map(|(_, excess)| excess).sum();
    judgement.top_consumer = top(
        excesses
            .iter()
            .map(|(cell, excess)| (cell.consumer, *excess)),
        judgement.excess,
    );
    judgement.top_route = top(
        excesses.iter().map(|(cell, excess)| (cell.route, *excess)),
        judgement.excess,
    );
    let (Some(consumer), Some(route)) = (judgement.top_consumer, judgement.top_route) else {
        return judgement;
    };
    let on_route = || excesses.iter().filter(|(cell, _)| cell.route == route.of);
    judgement.consumers = on_route().filter(|(_, excess)| *excess >= 1.0).count();
    let step = judgement.errors as f64 - expected;
    if judgement.requests_before > 0 && step >= LEAST && step > DEVIATIONS * (expected + 1.0).sqrt()
    {
        // Whoever has most of the traffic has most of the errors: what counts is how often others meet with them.
        let own = on_route().filter(|(cell, _)| cell.consumer == consumer.of);
        let others = on_route().filter(|(cell, _)| cell.consumer != consumer.of);
        let many = others.clone().filter(|(_, excess)| *excess >= 1.0).count() >= OTHERS;
        let alike = many && rate(others) >= ALIKE * rate(own);
        judgement.cause = if consumer.share >= MAJORITY && !alike {
            Cause::Consumer
        } else if route.share >= MAJORITY {
            Cause::Route
        } else {
            Cause::Everybody
        };
    }
    judgement
}

impl Cause {
    /// The name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Consumer => "consumer",
            Self::Route => "route",
            Self::Everybody => "everybody",
        }
    }
}

impl Judgement<'_> {
    /// Who has to act on an outcome on a route; `None` where nothing went wrong.
    pub fn responsible(&self, outcome: Outcome, route: (&str, &str)) -> Option<Responsible> {
        let first = outcome.responsible()?;
        let many = match self.cause {
            Cause::None | Cause::Consumer => false,
            Cause::Route => self.top_route.is_some_and(|top| top.of == route),
            Cause::Everybody => true,
        };
        Some(if many { Responsible::Provider } else { first })
    }
}

/// A part of a whole; 0 of nothing.
pub fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Excess errors a request.
fn rate<'a, 'b: 'a>(cells: impl Iterator<Item = &'a (&'a Cell<'b>, f64)>) -> f64 {
    let (mut excess, mut requests) = (0.0, 0);
    for (cell, own) in cells {
        excess += own;
        requests += cell.requests;
    }
    excess / requests.max(1) as f64
}

/// Who has the largest part of a whole, the first by name of several.
fn top<T: Ord + Copy>(parts: impl Iterator<Item = (T, f64)>, whole: f64) -> Option<Share<T>> {
    let mut sums: BTreeMap<T, f64> = BTreeMap::new();
    for (of, part) in parts {
        *sums.entry(of).or_default() += part;
    }
    let mut top: Option<Share<T>> = None;
    for (of, sum) in sums {
        let share = sum / whole;
        if sum > 0.0 && top.is_none_or(|top| share > top.share) {
            top = Some(Share { of, share });
        }
    }
    top
}

#[cfg(test)]
mod tests;
