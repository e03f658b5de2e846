//! How likely a place is the one where an API's keys stand.
//!
//! Bias: a place that is never absent proves nothing by being refused or not; it ranks by its values alone, below any that does.

use serde::{Deserialize, Serialize};

use super::{Api, Place};

/// Requests that a place has to be seen in before its name is shown.
const LEAST: u64 = 10;
/// Bits at which a value counts as a key: numbers of twelve digits are in use as such.
const STRONG: f64 = 40.0;
/// Different values from which on there is more than one caller.
const CALLERS: f64 = 7.0;
/// Requests without the place that count as not refused, so that few of them prove little.
const DOUBT: f64 = 4.0;
/// What is left of a score where nothing says that the API asks for the place.
const UNPROVEN: f64 = 0.01;
/// Different values from which on their common beginning is nobody's.
const SHARED: f64 = 8.0;
/// From this score on a place is proposed.
const PROPOSED: f64 = 0.05;

/// Fields with more in them than a key.
const READ_WHOLE: [&str; 4] = [
    "signature-input",
    "signature",
    "dpop",
    "sec-websocket-protocol",
];

/// A place and what was seen there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// As in records: `header:x-api-key`, `authorization:bearer`, `query:key`, `cookie:sid`; of a path, `path:` and a pattern.
    pub location: String,
    /// From 0 to 1.1: share x value x contrast.
    pub score: f64,
    /// Requests that had something there.
    pub requests: u64,
    /// Of the accepted requests, how many had something there.
    pub share: f64,
    /// Different values, estimated.
    pub distinct: f64,
    /// The usual length of a value, bytes.
    pub length: usize,
    /// Bits that it takes to guess a value, in the mean.
    pub bits: f64,
    /// Of the requests with something there, how many were refused.
    pub refused_with: f64,
    /// Of the requests without, how many were refused; `None` when there was none.
    pub refused_without: Option<f64>,
    /// It is looked at without being configured.
    pub known: bool,
}

/// The places of an API, the likeliest first.
pub fn ranked(api: &Api) -> Vec<Ranked> {
    let mut places: Vec<Ranked> = api
        .places
        .iter()
        .filter(|(_, place)| place.present >= LEAST)
        .map(|(location, place)| rank(api, location, place))
        .collect();
    places.sort_by(|one, other| {
        (other.score.total_cmp(&one.score)).then_with(|| one.location.cmp(&other.location))
    });
    places
}

fn rank(api: &Api, location: &str, place: &Place) -> Ranked {
    let ratio = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    let present = place.present as f64;
    let distinct = place.values.estimate().min(present);
    let share = ratio(place.accepted, api.requests - api.refused);
    // Ids of requests are all different, constants all the same; keys are neither.
    let again = (2.0 * (1.0 - distinct / present)).clamp(0.0, 1.0);
    let spread = ((1.0 + distinct).log2() / (1.0 + CALLERS).log2()).min(1.0);
    let bits = place.bits / present;
    let strength = (bits / STRONG).min(1.0) * (1.0 - 0.9 * ratio(place.texts, place.present));
    let absent = api.requests - place.present;
    let absent_refused = api.refused - place.refused;
    let refused_with = ratio(place.refused, place.present);
    let contrast = absent_refused as f64 / (absent as f64 + DOUBT) - refused_with;
    // Between places that always go together, the usual one; a cookie is more often a session than a key.
    let usual = match (place.known, location.starts_with("cookie:")) {
        (true, _) => 1.1,
        (false, true) => 0.9,
        (false, false) => 1.0,
    };
    let length = place
        .lengths
        .iter()
        .max_by_key(|(length, count)| (*count, *length));
    Ranked {
        location: named(location, place, distinct),
        score: share * again * spread * strength * contrast.max(UNPROVEN) * usual,
        requests: place.present,
        share,
        distinct: distinct.round(),
        length: length.map_or(0, |(length, _)| *length),
        bits,
        refused_with,
        refused_without: (absent > 0).then(|| ratio(absent_refused, absent)),
        known: place.known,
    }
}

/// Of a path, with the letters that every key begins with outside of the key.
fn named(location: &str, place: &Place, distinct: f64) -> String {
    let letters = place.prefix.iter().take_while(|letter| **letter != 0);
    let prefix: String = letters.map(|letter| char::from(*letter)).collect();
    if prefix.is_empty() || distinct < SHARED {
        return location.to_owned();
    }
    location.replace("{key}", &format!("{prefix}{{key}}"))
}

impl Ranked {
    /// Whether enough speaks for it to be configured.
    pub fn is_proposed(&self) -> bool {
        self.score >= PROPOSED
    }

    /// The stanza of a configuration that names the place; of one that is more than a name, a comment.
    pub fn stanza(&self) -> String {
        let (kind, name) = self
            .location
            .split_once(':')
            .unwrap_or(("header", &self.location));
        if READ_WHOLE.contains(&name) {
            return format!("# {name} is read without being configured\n");
        }
        format!("[[identity.credential]]\n{kind} = \"{name}\"\n")
    }
}
