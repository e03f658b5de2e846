//! Whose requests take long to serve: a key's, where others on the same route are served as ever, or everybody's.
//!
//! Prefers the route: what is slow for others too is told of it, and such a minute says nothing of a key, so that neither the
//! slow route nor its end is held against anybody. Where nobody else shows how the route fares, what is proven first is told.

use super::cause::Who;
use super::incident::{Evidence, Finding};
use super::place::Place;
use super::rules::Rule;
use super::size::Large;
use super::{Awareness, MINUTE, SECOND};

/// Others' requests of a minute that show how a route fares.
pub const OTHERS: u32 = 3;

/// What serving a key took in a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Served {
    /// Requests that were served, and microseconds that it took.
    pub requests: u32,
    pub microseconds: u64,
    /// Those to the route that most of the time went to.
    pub most: Part,
}

/// What one took of the time in a minute who took most of it: the majority, weighted by time (Boyer and Moore 1981).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    /// Its number.
    of: u32,
    /// Microseconds, less those that others took since.
    weight: f32,
    /// Sum of the logarithms of its microseconds, and of how many requests.
    logarithms: f32,
    requests: u32,
}

impl Served {
    /// Takes one request to a route. `logarithm`: that of the microseconds.
    #[inline]
    pub fn add(&mut self, place: u32, microseconds: u64, logarithm: f64) {
        self.requests += 1;
        self.microseconds += microseconds;
        self.most.add(place, microseconds, logarithm);
    }

    /// The route that most of the time went to.
    pub fn place(&self) -> Option<u32> {
        self.most.of()
    }

    /// Whether that route is slow for others too, as far as can be told. `counted`: whether these requests are among the route's.
    pub fn is_explained(&self, place: &Place, counted: bool) -> bool {
        let (logarithms, requests) = if counted {
            self.most.others(place.service)
        } else {
            place.service
        };
        if requests >= OTHERS {
            place.is_slow(logarithms, requests)
        } else {
            place.is_alarmed()
        }
    }
}

impl Part {
    /// Its number, where there was anything.
    pub fn of(&self) -> Option<u32> {
        (self.requests > 0).then_some(self.of)
    }

    /// Takes one request of one of them.
    #[inline]
    pub fn add(&mut self, of: u32, microseconds: u64, logarithm: f64) {
        let time = microseconds as f32;
        if self.of == of && self.requests > 0 {
            self.weight += time;
            self.logarithms += logarithm as f32;
            self.requests += 1;
        } else if time > self.weight {
            *self = Self {
                of,
                weight: time - self.weight,
                logarithms: logarithm as f32,
                requests: 1,
            };
        } else {
            self.weight -= time;
        }
    }

    /// What is left of all requests, with the sum of the logarithms of their microseconds, without these.
    pub fn others(&self, all: (f64, u32)) -> (f64, u32) {
        (
            all.0 - f64::from(self.logarithms),
            all.1.saturating_sub(self.requests),
        )
    }
}

impl Awareness {
    /// Tells of a key whose requests take far longer to serve than they did. More or larger ones say more by themselves.
    pub(super) fn tell_service(&mut self, number: u32, large: &Large, time: u64) {
        let Some(subject) = self.subject(Who::Key(number)) else {
            return;
        };
        let is_open = |rule| self.book.get(rule, &subject).is_some();
        if is_open(Rule::VolumeSurge) || is_open(Rule::Exfiltration) || is_open(Rule::UploadVolume)
        {
            return;
        }
        let limit = self.tails.service.limit();
        let seconds = |microseconds: f64| microseconds / 1e6;
        let statement = format!(
            "{}: requests took {:.3} s in the mean where {:.3} s are usual, {:.1} s of service for {} requests; {:.1} spreads off, limit {limit:.1}",
            subject.words(),
            seconds(large.sum / f64::from(large.requests.max(1))),
            seconds(large.usual),
            seconds(large.sum),
            large.requests,
            large.score
        );
        let evidence = Evidence {
            seen: seconds(large.sum),
            baseline: seconds(large.usual * f64::from(large.requests)),
            score: large.score,
            limit,
            since: time.saturating_sub(5 * MINUTE * SECOND),
            until: time,
            ..Evidence::default()
        };
        let rule = Rule::ResourceConsumption;
        self.raise(Finding::new(rule, subject, statement, evidence, 0.99), time);
    }
}

#[cfg(test)]
mod tests;
