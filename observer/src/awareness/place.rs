//! What is known of one route: how often it fails and for whom, how long it takes, and whether it asks for keys.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::beta::Prior;
use super::novelty::Shares;
use super::service::{OTHERS, Part};
use super::stream::{Stream, View};
use super::verdicts::Verdicts;
use super::{ByClass, CLASSES, Recent, odds, per_day};

/// One route of an API.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Place {
    /// API.
    pub api: Arc<str>,
    /// Route.
    pub route: Arc<str>,
    /// Hash of both.
    pub hash: u32,
    /// Minutes since 1970.
    pub last: u64,
    /// Minutes since 1970.
    pub born: u64,
    /// Exchanges since then.
    pub exchanges: u64,
    /// One for each class.
    pub verdicts: Verdicts,
    /// Who gets in.
    pub access: Access,
    /// Service times by the minute, of a route with enough of them.
    pub pace: Option<Box<Pace>>,
    /// What the API's document does not expect; kept apart from the rest.
    #[serde(skip)]
    pub unexpected: Unexpected,
    /// The last five minutes.
    #[serde(skip)]
    pub recent: Recent,
    /// Whose errors they were, by class.
    #[serde(skip)]
    pub errors: ByClass<Shares>,
    /// Whose requests they were.
    #[serde(skip)]
    pub callers: Shares,
    /// Sum of the logarithms of service times in microseconds, and their number, this minute.
    #[serde(skip)]
    pub service: (f64, u32),
    /// Of these, those of the key that took most of the time.
    #[serde(skip)]
    pub most: Part,
    /// What they usually are.
    #[serde(skip)]
    pub usual: Usual,
    /// Changed since it was saved.
    #[serde(skip)]
    pub changed: bool,
    /// The turn of saving in which it was handed out.
    #[serde(skip)]
    pub saved: u32,
}

/// How long requests to a route take, by the minute.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pace {
    /// Of the logarithms of microseconds.
    stream: Stream,
    /// Microseconds past which it is slow, and since when (seconds since 1970), while an alarm holds.
    slow: Option<(f64, u64)>,
    /// The alarm is one key's own.
    #[serde(skip)]
    own: bool,
}

/// The usual service time of a route, that follows no minute in which it is slow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usual {
    /// Mean of the logarithms of microseconds, and of how many requests.
    logarithm: f64,
    requests: u32,
    /// Minutes since 1970 from which on it was slow without a break; zero: it is not.
    slow: u64,
}

/// A minute in which requests took long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slow {
    /// Microseconds that a request took: the geometric mean.
    pub took: f64,
    /// Microseconds between which it was usual.
    pub usual: (f64, f64),
    /// Of [`Stream`]; zero while an alarm goes on.
    pub score: f64,
    /// Requests.
    pub requests: u32,
    /// The key that took most of the time.
    pub most: Option<u32>,
}

/// Requests of a minute that make a mean.
const MEAN_OF: u32 = 10;
/// Score of an alarm: about one in five weeks of noise.
pub const SLOW_SCORE: f64 = 0.8;
/// Requests that a usual service time is made of: at least, and at most.
const USUAL: (u32, u32) = (50, 5_000);
/// Factor by which it is exceeded where a route is slow.
const EXCEEDED: f64 = 1.5;
/// Seconds after which a slow route is how things are.
const ACCEPTED: u64 = 24 * 3600;
/// How many times the middle of what is usual matters.
const SLOW_TIMES: f64 = 1.8;

/// Successful requests to a route, with and without a credential. Times are seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// With one.
    pub keyed: u64,
    /// Without one.
    pub unkeyed: u64,
    /// The last one without.
    pub last_unkeyed: u64,
    /// With a parameter given twice.
    pub polluted: u64,
    /// It is declared as public.
    pub public: bool,
}

/// Successes that the document of the API does not expect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unexpected {
    /// Of a path that it does not declare.
    pub undeclared: u64,
    /// Of operations that it calls deprecated.
    pub deprecated: u64,
}

/// Whether a route asks for keys, by what it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Posture {
    /// Only requests with a credential succeed.
    Required,
    /// Some succeed without.
    Mixed,
    /// They succeed without.
    Open,
    /// The configuration says that none is needed.
    DeclaredPublic,
}

/// Successes with a credential before a route is one that asks for it.
pub const KEYED: u64 = 20;

/// Requests of five minutes after which the tests are worked out every minute, and minutes after which they are anyway.
const BUSY: u64 = 100;
const EACH: u64 = 8;
/// Successes before a parameter given twice is unusual.
const POLLUTABLE: u64 = 200;

impl Place {
    /// Whether enough came lately to work out the tests again, or its turn has come.
    pub fn is_due(&self, minute: u64) -> bool {
        self.recent.requests(minute * 60_000_000_000) >= BUSY
            || (minute ^ self.born).is_multiple_of(EACH)
    }

    /// Works out the tests for the next minutes.
    pub fn settle(&mut self, priors: &[Prior; CLASSES], minute: u64) {
        let odds = odds(per_day(self.exchanges, self.born, minute));
        self.verdicts.settle(priors, odds);
    }

    /// Whether so many requests, with this sum of the logarithms of microseconds, are slow for this route.
    pub fn is_slow(&self, logarithms: f64, requests: u32) -> bool {
        let usual = &self.usual;
        usual.requests >= USUAL.0
            && logarithms > f64::from(requests) * (usual.logarithm + EXCEEDED.ln())
    }

    /// Whether an alarm holds that it is slow, and not for one key alone.
    pub fn is_alarmed(&self) -> bool {
        let pace = self.pace.as_ref();
        pace.is_some_and(|pace| pace.slow.is_some() && !pace.own)
    }

    /// The alarm is one key's own.
    pub fn excuse(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.own = true;
        }
    }

    /// The service times of the minute (since 1970) that is over. One key alone does not make a route slow.
    fn usual_of(&mut self, most: Part, minute: u64) -> (f64, u32) {
        let (logarithms, requests) = std::mem::take(&mut self.service);
        let others = most.others((logarithms, requests));
        let slow = self.is_slow(logarithms, requests);
        let of = if slow && others.1 >= OTHERS && !self.is_slow(others.0, others.1) {
            others
        } else {
            (logarithms, requests)
        };
        let usual = &mut self.usual;
        if of.1 == 0 {
            return of;
        }
        usual.slow = match usual.slow {
            _ if !slow || of == others => 0,
            0 => minute,
            since => since,
        };
        if usual.slow == 0 || minute.saturating_sub(usual.slow) > ACCEPTED / 60 {
            usual.requests = usual.requests.saturating_add(of.1).min(USUAL.1);
            let weight = f64::from(of.1) / f64::from(usual.requests);
            usual.logarithm += weight.min(1.0) * (of.0 / f64::from(of.1) - usual.logarithm);
        }
        of
    }

    /// Closes the minute that began at `start`, seconds since 1970, and says whether requests took long in it.
    pub fn close(&mut self, start: u64) -> Option<Slow> {
        let most = std::mem::take(&mut self.most);
        let (logarithms, requests) = self.usual_of(most, start / 60);
        if requests < MEAN_OF {
            return None;
        }
        let logarithm = logarithms / f64::from(requests);
        let took = logarithm.exp();
        let pace = self.pace.get_or_insert_with(|| {
            let stream = Stream::new();
            Box::new(Pace {
                stream,
                slow: None,
                own: false,
            })
        });
        // What is suspicious is not learned from, for a day.
        if let Some((limit, since)) = pace.slow {
            if took <= limit || start > since + ACCEPTED {
                (pace.slow, pace.own) = (None, false);
                return None;
            }
            let usual = (limit, limit);
            return Some(Slow {
                took,
                usual,
                score: 0.0,
                requests,
                most: most.of(),
            });
        }
        let verdict = pace.stream.push(start, logarithm);
        let usual = (
            (verdict.expected - verdict.spread).exp(),
            (verdict.expected + verdict.spread).exp(),
        );
        let slow = verdict.score >= SLOW_SCORE
            && verdict.residual > 0.0
            && matches!(verdict.view, View::Value | View::HourOfWeek | View::Drift)
            && took > SLOW_TIMES * verdict.expected.exp();
        if !slow {
            return None;
        }
        pace.slow = Some(((usual.1 * took).sqrt(), start));
        Some(Slow {
            took,
            usual,
            score: verdict.score,
            requests,
            most: most.of(),
        })
    }
}

impl Access {
    /// Takes a success. Returns whether it is one that should not be.
    pub fn observe(&mut self, keyed: bool, public: bool, now: u64) -> bool {
        self.public = public;
        if keyed {
            self.keyed += 1;
            return false;
        }
        self.unkeyed += 1;
        self.last_unkeyed = now;
        !public && self.keyed >= KEYED && self.unkeyed * 20 <= self.keyed + self.unkeyed
    }

    /// Takes a success with a parameter given twice. Returns whether that never happens here.
    pub fn observe_polluted(&mut self) -> bool {
        self.polluted += 1;
        let all = self.keyed + self.unkeyed;
        all >= POLLUTABLE && self.polluted * 100 <= all
    }

    /// What it comes to.
    pub fn posture(&self) -> Option<Posture> {
        if self.public {
            return Some(Posture::DeclaredPublic);
        }
        match (self.keyed, self.unkeyed) {
            (0, 0) => None,
            (_, 0) => Some(Posture::Required),
            (0, _) => Some(Posture::Open),
            _ => Some(Posture::Mixed),
        }
    }
}

impl Posture {
    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Mixed => "mixed",
            Self::Open => "open",
            Self::DeclaredPublic => "declared-public",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_success_without_a_key_is_told_where_keys_are_usual() {
        let mut access = Access::default();
        assert!(!access.observe(false, false, 1), "nothing is usual yet");
        access = Access::default();
        for _ in 0..KEYED {
            assert!(!access.observe(true, false, 1));
        }
        assert_eq!(access.posture(), Some(Posture::Required));
        assert!(access.observe(false, false, 2));
        assert_eq!(access.posture(), Some(Posture::Mixed));
        for _ in 0..KEYED {
            access.observe(false, false, 3);
        }
        assert!(!access.observe(false, false, 4), "that is usual here");
        assert!(!access.observe(false, true, 5));
        assert_eq!(access.posture(), Some(Posture::DeclaredPublic));
    }
}
