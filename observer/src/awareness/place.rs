//! What is known of one route: how often it fails and for whom, how long it takes, and whether it asks for keys.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::beta::Prior;
use super::novelty::Shares;
use super::sequence::Sequence;
use super::{CLASSES, Recent};

/// One route of an API.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Place {
    /// API.
    pub api: Arc<str>,
    /// Route.
    pub route: Arc<str>,
    /// Minutes since 1970.
    pub last: u64,
    /// Minutes since 1970.
    pub born: u64,
    /// Exchanges since then.
    pub exchanges: u64,
    /// One for each class.
    pub classes: [Sequence; CLASSES],
    /// Who gets in.
    pub access: Access,
    /// The last five minutes.
    #[serde(skip)]
    pub recent: Recent,
    /// Whose errors they were, by class.
    #[serde(skip)]
    pub errors: [Shares; CLASSES],
    /// Whose requests they were.
    #[serde(skip)]
    pub callers: Shares,
    /// Sum of the logarithms of service times in microseconds, and their number, this minute.
    #[serde(skip)]
    pub service: (f64, u32),
    /// Changed since it was saved.
    #[serde(skip)]
    pub changed: bool,
}

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

/// Successes before a parameter given twice is unusual.
const POLLUTABLE: u64 = 200;

impl Place {
    /// Works out the tests for the next minute.
    pub fn settle(&mut self, priors: &[Prior; CLASSES], minute: u64, odds: f64) {
        let age = minute.saturating_sub(self.born).max(10) as f64;
        let odds = (self.exchanges as f64 / age * 1_440.0).max(100.0) * odds;
        for (sequence, prior) in self.classes.iter_mut().zip(priors) {
            sequence.settle(*prior, odds);
        }
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
