//! Finds out where an API's keys travel, from traffic alone: what most accepted requests carry, what many requests share, what no
//! one guesses, and what requests without it are refused for.
//!
//! Invariant: no value is kept, only keyed hashes of values in sketches; every table is bounded, and a name that stood in few
//! requests is not shown, since it may be a key that went astray.

mod places;
mod score;
#[cfg(test)]
mod tests;

pub use score::Ranked;

use std::fmt;
use std::sync::Arc;

use datasketches::hll::{HllSketch, HllType};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::extract::Extractor;
use super::fingerprint::{Fingerprint, Fingerprinter};
use crate::http::RequestHead;

/// APIs that are told apart; requests of others are counted as left out.
const APIS: usize = 64;
/// Places of one API.
const PLACES: usize = 256;
/// Places that one request can have something at.
const SIGHTINGS: usize = 64;
/// Lengths of values that are told apart at one place.
const LENGTHS: usize = 32;
/// Registers of a sketch, as a power of two: 3 % of error, 1 KiB at most.
const PRECISION: u8 = 10;
/// Letters in front of a key in a path that are compared.
const PREFIX: usize = 8;

/// Something at a place of one request.
struct Sighting {
    location: Box<str>,
    value: Fingerprint,
    length: usize,
    /// What it would take to guess the value, by the kinds of characters in it.
    bits: f64,
    /// It reads like text rather than like a key.
    text: bool,
    /// A place that is looked at without being configured.
    known: bool,
    /// Of a segment, the lower-case letters that it begins with; zeros after them.
    prefix: [u8; PREFIX],
}

/// What one request carried, by place. Holds no value.
pub struct Sightings(Vec<Sighting>);

impl fmt::Debug for Sightings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sightings({})", self.0.len())
    }
}

/// What was seen at one place of one API.
struct Place {
    present: u64,
    accepted: u64,
    refused: u64,
    values: HllSketch,
    lengths: Vec<(usize, u64)>,
    bits: f64,
    texts: u64,
    known: bool,
    prefix: [u8; PREFIX],
}

/// What was seen of one API.
#[derive(Default)]
struct Api {
    requests: u64,
    refused: u64,
    places: HashMap<Box<str>, Place>,
}

/// The places of every API, and what was seen at them.
pub struct Discovery {
    hasher: Fingerprinter,
    usual: Extractor,
    apis: HashMap<Arc<str>, Api>,
    left_out: u64,
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Discovery({} apis)", self.apis.len())
    }
}

impl Discovery {
    /// Nothing seen yet. `hasher`: keyed with something that nobody keeps, so that hashes say nothing after the run.
    pub fn new(hasher: Fingerprinter) -> Self {
        Self {
            hasher,
            usual: Extractor::new(&[], true),
            apis: HashMap::new(),
            left_out: 0,
        }
    }

    /// What a request carries.
    pub fn look(&self, head: &RequestHead<'_>) -> Sightings {
        let mut sightings = places::all(&self.usual, &self.hasher, head);
        // Of a field that is there several times, only whether it was there.
        sightings.sort_by(|one, other| one.location.cmp(&other.location));
        sightings.dedup_by(|one, other| one.location == other.location);
        Sightings(sightings)
    }

    /// Takes note of how a request was answered: refused is 401 and 403.
    pub fn observe(&mut self, api: &Arc<str>, seen: Sightings, status: u16) {
        if !self.apis.contains_key(api) && self.apis.len() >= APIS {
            self.left_out += 1;
            return;
        }
        let refused = u64::from(matches!(status, 401 | 403));
        let entry = self.apis.entry(Arc::clone(api)).or_default();
        entry.requests += 1;
        entry.refused += refused;
        for sighting in seen.0 {
            if entry.places.len() >= PLACES && !entry.places.contains_key(&*sighting.location) {
                self.left_out += 1;
                continue;
            }
            let place = match entry.places.entry(sighting.location) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let Ok(values) = HllSketch::new(PRECISION, HllType::Hll8) else {
                        return;
                    };
                    place.insert(Place {
                        present: 0,
                        accepted: 0,
                        refused: 0,
                        values,
                        lengths: Vec::new(),
                        bits: 0.0,
                        texts: 0,
                        known: sighting.known,
                        prefix: sighting.prefix,
                    })
                }
            };
            place.present += 1;
            place.refused += refused;
            place.accepted += 1 - refused;
            place.values.update(sighting.value);
            place.bits += sighting.bits;
            place.texts += u64::from(sighting.text);
            let common = place.prefix.iter().zip(sighting.prefix);
            let common = common.take_while(|(one, other)| *one == other).count();
            place
                .prefix
                .iter_mut()
                .skip(common)
                .for_each(|letter| *letter = 0);
            let lengths = &mut place.lengths;
            let room = lengths.len() < LENGTHS;
            match lengths
                .iter_mut()
                .find(|(length, _)| *length == sighting.length)
            {
                Some((_, count)) => *count += 1,
                None if room => lengths.push((sighting.length, 1)),
                None => {}
            }
        }
    }

    /// Requests and places that a bound left out.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The places of each API, the likeliest first; APIs by name.
    pub fn ranked(&self) -> Vec<(Arc<str>, Vec<Ranked>)> {
        let mut apis: Vec<_> = self
            .apis
            .iter()
            .map(|(name, api)| (Arc::clone(name), score::ranked(api)))
            .collect();
        apis.sort_by(|(one, _), (other, _)| one.cmp(other));
        apis
    }
}
