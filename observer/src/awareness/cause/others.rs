//! How those fare who are not suspected: whether they have an excess too, or nothing of what the suspect has.

use super::super::novelty::Shares;
use super::super::place::Place;
use super::super::sequence::Sequence;
use super::super::{Awareness, Class, SECOND};

/// Others that have to be affected too.
const OTHERS: usize = 3;
/// Errors that they have to have.
const ERRORS: f64 = 5.0;
/// Requests of others that show whether they fare as ever.
const ENOUGH: f64 = 20.0;
/// Chance at which it is taken for none that others have fewer errors than a key.
const CHANCE: f64 = 1e-3;
/// Of a key that only fails, how often it may.
const CERTAIN: f64 = 0.9;

/// How those fare who are not suspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// They have an excess too.
    Affected,
    /// They fare as ever.
    Fine,
    /// There are too few of them to tell.
    Few,
}

impl Awareness {
    /// How everybody else fares on a route.
    pub(super) fn others(&self, key: u32, place: u32, class: Class, time: u64) -> Others {
        let Some(place) = self.places.get(place) else {
            return Others::Few;
        };
        let errors = place.errors.of(class);
        let (hits, trials) = place.recent.of(class, time);
        let hits = f64::from(hits) * (1.0 - errors.share(key));
        let trials = f64::from(trials) * (1.0 - place.callers.share(key));
        match fare(hits, trials, place.verdicts.of(class), errors, time) {
            // What was before the errors says nothing of a server that fails since.
            Others::Fine if !self.differs(key, place, class) => Others::Few,
            fare => fare,
        }
    }

    /// Whether a key has so many more errors than everybody else on a route, since they began, that it is no chance.
    fn differs(&self, key: u32, place: &Place, class: Class) -> bool {
        let Some(key) = self.keys.get(key) else {
            return false;
        };
        let (own, all) = (key.verdicts.of(class), place.verdicts.of(class));
        if !own.is_stirred() || !all.is_stirred() {
            // As many as ever, of one of them.
            return true;
        }
        let (own, all) = (own.proof().run, all.proof().run);
        let hits = all.hits.saturating_sub(own.hits);
        // What a key did elsewhere is taken for done here: that makes others fewer, not more.
        let trials = all.trials.saturating_sub(own.trials).max(hits);
        let rate = f64::from(own.hits) / f64::from(own.trials.max(1));
        is_lower((hits, trials), rate)
    }

    /// How everybody else fares anywhere.
    pub(super) fn others_at_large(&self, key: u32, class: Class, time: u64) -> Others {
        let host = &self.host;
        let own = self
            .keys
            .get(key)
            .map_or((0, 0), |key| key.recent.of(class, time));
        let (hits, trials) = host.recent.of(class, time);
        let hits = f64::from(hits.saturating_sub(own.0));
        let trials = f64::from(trials.saturating_sub(own.1));
        fare(
            hits,
            trials,
            host.verdicts.of(class),
            host.keys.of(class),
            time,
        )
    }
}

/// How those fare who had so many errors in so many requests, one suspect not counted; `errors`: whose they were, with it.
fn fare(hits: f64, trials: f64, usual: &Sequence, errors: &Shares, time: u64) -> Others {
    let different = errors.different(0.9, time / SECOND).saturating_sub(1);
    if hits >= ERRORS && different >= OTHERS && hits > 3.0 * usual.baseline() * trials + 3.0 {
        Others::Affected
    } else if trials >= ENOUGH {
        Others::Fine
    } else {
        Others::Few
    }
}

/// Whether so few events in so many trials are no chance where their rate is `rate`, by Chernoff's bound.
pub(super) fn is_lower((hits, trials): (u32, u32), rate: f64) -> bool {
    let rate = rate.min(CERTAIN);
    let seen = f64::from(hits) / f64::from(trials.max(1));
    if seen >= rate {
        return false;
    }
    let hit = if hits > 0 {
        seen * (seen / rate).ln()
    } else {
        0.0
    };
    let divergence = hit + (1.0 - seen) * ((1.0 - seen) / (1.0 - rate)).ln();
    f64::from(trials) * divergence > -CHANCE.ln()
}
