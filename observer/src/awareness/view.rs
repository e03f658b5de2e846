//! Awareness at one moment, as metrics, pages and commands show it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::incident::Incident;
use super::key::Key;
use super::listeners::Listener;
use super::place::{Access, Place, Posture, Unexpected};
use super::rules::{Rule, Severity};
use super::{Awareness, CLASSES, Class};

/// Everything that is shown.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Seconds since 1970 at which anything was seen first; zero before that.
    pub since: u64,
    /// Incidents that are open, the newest first.
    pub open: Vec<Incident>,
    /// How many were opened, by rule and severity.
    pub opened: Vec<((Rule, Severity), u64)>,
    /// Consumers, by name.
    pub consumers: Vec<ConsumerView>,
    /// Every route with its posture.
    pub routes: Vec<RouteView>,
    /// Every key.
    pub keys: Vec<KeyView>,
    /// Every port of this host that speaks TLS.
    pub listeners: Vec<Listener>,
    /// The last five minutes of every route; nothing unless they were asked for.
    pub places: Option<Vec<PlaceView>>,
}

/// The last five minutes of a route, and what is usual for it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaceView {
    /// API.
    pub api: Arc<str>,
    /// Route.
    pub route: Arc<str>,
    /// Requests.
    pub recent: u64,
    /// Of these, errors of each class, in the order of [`crate::usage::ErrorClass::ALL`].
    pub errors: [u32; 4],
    /// Usual share of each class.
    pub baselines: [f64; 4],
}

/// What is usual for a consumer, and how far it is from that.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerView {
    /// Consumer.
    pub consumer: Arc<str>,
    /// Usual share of each class of errors, in the order of [`crate::usage::ErrorClass::ALL`].
    pub baselines: [f64; 4],
    /// Where the test of each class stands: 1 is an alarm.
    pub scores: [(Rule, f64); 4],
}

/// A route's posture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteView {
    /// API.
    pub api: Arc<str>,
    /// Route.
    pub route: Arc<str>,
    /// Posture.
    pub posture: Posture,
    /// What it is made of.
    pub access: Access,
    /// Successes that its API's document does not expect.
    #[serde(default)]
    pub unexpected: Unexpected,
}

impl RouteView {
    /// Requests that succeeded.
    pub fn successes(&self) -> u64 {
        self.access.keyed + self.access.unkeyed
    }
}

/// A key in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyView {
    /// Consumer.
    pub consumer: Arc<str>,
    /// Id of the key, or its fingerprint.
    pub key: Arc<str>,
    /// Whether it is registered.
    pub registered: bool,
    /// First use, seconds since 1970 in UTC.
    pub first: u64,
    /// Last use, in the same unit, rounded to the minute.
    pub last: u64,
    /// Networks that it is known from, a dozen at most.
    pub networks: usize,
    /// Requests since the first.
    pub requests: u64,
    /// Share of them that succeeds, as it is learned: what was long ago counts less.
    #[serde(default)]
    pub success: f64,
}

impl Awareness {
    /// Everything at this moment.
    pub fn view(&self) -> View {
        let mut open: Vec<Incident> = self.book.open().cloned().collect();
        open.sort_by(|one, two| (two.detected_at, &one.id).cmp(&(one.detected_at, &two.id)));
        let mut opened: Vec<_> = self.book.opened().collect();
        opened.sort_unstable();
        View {
            since: self.born,
            open,
            opened,
            consumers: self.consumers(),
            routes: self.postures(),
            keys: self.key_views(),
            listeners: self.listener_views(),
            places: None,
        }
    }

    /// The five minutes before `time` (nanoseconds since 1970) of every route.
    pub fn places(&self, time: u64) -> Vec<PlaceView> {
        let view = |place: &Place| PlaceView {
            api: place.api.clone(),
            route: place.route.clone(),
            recent: place.recent.requests(time),
            errors: Class::ALL.map(|class| place.recent.of(class, time).0),
            baselines: Class::ALL.map(|class| place.verdicts.of(class).baseline()),
        };
        self.places.iter().map(|(_, place)| view(place)).collect()
    }

    /// What a bound refused, or made room for something else, by the bound.
    pub fn refused(&self) -> [(&'static str, u64); 6] {
        let (registered, strangers) = self.keys.refused();
        [
            ("key_bound", registered),
            ("stranger_bound", strangers),
            ("route_bound", self.places.refused()),
            ("network_bound", self.sources.refused()),
            ("listener_bound", self.listeners.refused()),
            ("incident_bound", self.book.refused()),
        ]
    }

    fn consumers(&self) -> Vec<ConsumerView> {
        struct Sums {
            baselines: [(f64, f64); CLASSES],
            scores: [f64; CLASSES],
        }
        let mut consumers: BTreeMap<&Arc<str>, Sums> = BTreeMap::new();
        for (_, key) in self.keys.iter() {
            let sums = consumers.entry(&key.consumer).or_insert(Sums {
                baselines: [(0.0, 0.0); CLASSES],
                scores: [0.0; CLASSES],
            });
            let parts = Class::ALL
                .into_iter()
                .zip(&mut sums.baselines)
                .zip(&mut sums.scores);
            for ((class, baseline), score) in parts {
                let sequence = key.verdicts.of(class);
                let weight = sequence.learned().1.max(1.0);
                baseline.0 += sequence.baseline() * weight;
                baseline.1 += weight;
                *score = score.max(sequence.level());
            }
        }
        let view = |(consumer, sums): (&Arc<str>, Sums)| {
            let mut scores = Class::ALL.map(|class| (class.rule(), 0.0));
            for (score, level) in scores.iter_mut().zip(sums.scores) {
                score.1 = level;
            }
            ConsumerView {
                consumer: consumer.clone(),
                baselines: sums.baselines.map(|(sum, weight)| sum / weight.max(1.0)),
                scores,
            }
        };
        consumers.into_iter().map(view).collect()
    }

    fn postures(&self) -> Vec<RouteView> {
        let mut routes: Vec<RouteView> = self
            .places
            .iter()
            .filter_map(|(_, place)| {
                Some(RouteView {
                    api: place.api.clone(),
                    route: place.route.clone(),
                    posture: place.access.posture()?,
                    access: place.access,
                    unexpected: place.unexpected,
                })
            })
            .collect();
        routes.sort_by(|one, two| (&one.api, &one.route).cmp(&(&two.api, &two.route)));
        routes
    }

    fn listener_views(&self) -> Vec<Listener> {
        let mut listeners: Vec<Listener> = self
            .listeners
            .iter()
            .map(|(_, listener)| listener.clone())
            .collect();
        listeners.sort_by(|one, two| one.name.cmp(&two.name));
        listeners
    }

    fn key_views(&self) -> Vec<KeyView> {
        let mut keys: Vec<KeyView> = self
            .keys
            .iter()
            .filter(|(_, key)| !key.id.is_empty())
            .map(|(_, key)| KeyView {
                consumer: key.consumer.clone(),
                key: key.id.clone(),
                registered: key.registered,
                first: key.born * 60,
                last: key.last * 60,
                networks: key.networks.accepted(),
                requests: key.exchanges,
                success: success(key),
            })
            .collect();
        keys.sort_by(|one, two| (&one.consumer, &one.key).cmp(&(&two.consumer, &two.key)));
        keys
    }
}

/// Share of a key's requests in none of the classes of errors.
fn success(key: &Key) -> f64 {
    let errors: f64 = Class::ALL
        .iter()
        .map(|class| key.verdicts.of(*class).learned().0)
        .sum();
    (1.0 - errors).clamp(0.0, 1.0)
}
