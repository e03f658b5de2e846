//! Awareness: what is usual for every key and route, and incidents where it is not.
//!
//! Exchanges go in one by one, time is told, incidents come out. What the application refused is never held against the
//! consumer whose name a request bore; what could not be read with certainty is not judged at all.
//!
//! Invariant: every table is bounded, a registered key makes room for nobody, and of each rule and subject one incident is
//! open at a time.

pub mod beta;
mod book;
mod cause;
mod class;
mod configured;
mod events;
pub mod incident;
pub mod inventory;
mod key;
mod keeping;
mod listeners;
mod limits;
mod minutes;
mod networks;
mod newcomers;
mod novelty;
mod objects;
mod place;
mod priors;
mod rhythm;
pub mod rules;
mod season;
mod sequence;
mod service;
mod size;
mod source;
pub mod stream;
mod table;
mod tail;
mod verdicts;
mod view;
mod volume;
mod waiting;

use std::sync::Arc;

use hashbrown::{Equivalent, HashMap, HashSet};
use serde::{Deserialize, Serialize};

use crate::identity::Registry;
use crate::identity::traits::hash;
use crate::usage::{Call, Outcome, UNREGISTERED, Vantage};
use book::Book;
use cause::Who;
use class::{ByClass, CLASSES, Class, Recent};
pub use incident::{Evidence, Finding, Incident, Kind, State, Subject};
use key::{Key, Keys};
use listeners::LISTENERS;
pub use listeners::Listener;
use novelty::Shares;
use place::Place;
pub use place::{Access, Posture};
use priors::Priors;
pub use rules::{Family, Rule, Severity};
use source::Source;
use table::Table;
use tail::Tail;
use verdicts::{ALL, Verdicts};
pub use view::{ConsumerView, KeyView, PlaceView, RouteView, View};
use volume::Volume;

/// Routes.
const PLACES: usize = 4_096;
/// Networks.
const SOURCES: usize = 8_192;
/// Signatures remembered, in each of two generations.
const SIGNATURES: usize = 16_384;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60;
/// Seconds between looks at what may be over.
const LOOK: u64 = 10;
/// Mean absolute deviations in a standard deviation of a Gaussian.
const GAUSSIAN: f32 = 1.2533;
/// Key-days between false alarms of one sequence: the budget of a family is shared by four classes and two rates each.
const KEY_DAYS: f64 = 4_000.0 * 8.0;

/// Two names as a key of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Names(Arc<str>, Arc<str>);

/// The same, borrowed. It hashes like [`Names`].
#[derive(Hash)]
struct NamesRef<'a>(&'a str, &'a str);

impl Equivalent<Names> for NamesRef<'_> {
    fn equivalent(&self, key: &Names) -> bool {
        *self.0 == *key.0 && *self.1 == *key.1
    }
}

/// All traffic together.
#[derive(Debug, Default)]
struct Host {
    verdicts: Verdicts,
    recent: Recent,
    /// Whose errors they were, and on which routes, by class.
    keys: ByClass<Shares>,
    places: ByClass<Shares>,
    exchanges: u64,
    born: u64,
    volume: Volume,
    requests: u32,
    /// Minutes in a row in which everybody asked for much more, or much less.
    surging: u8,
    vanishing: u8,
}

/// What awareness needs to know of an exchange, worked out once.
#[derive(Clone, Copy)]
struct Seen {
    time: u64,
    second: u64,
    minute: u64,
    class: Option<Class>,
    network: u32,
    success: bool,
    /// Microseconds of a success that is no tunnel, and their logarithm.
    served: Option<(u64, f64)>,
    key: Option<u32>,
    place: u32,
    /// Hash of the route, the same in every process.
    route: u32,
    source: Option<u32>,
    /// The application accepted this key from this network, now or before.
    verified: bool,
}

/// Baselines, rules and incidents.
#[derive(Debug)]
pub struct Awareness {
    /// Plans of the accounts that have one.
    plans: HashMap<Arc<str>, Arc<str>>,
    /// Requests a minute that plans allow.
    limits: HashMap<Arc<str>, f32>,
    keys: Keys,
    places: Table<Names, Place>,
    sources: Table<u32, Source>,
    listeners: Table<Arc<str>, Listener>,
    signatures: [HashMap<u64, (u32, u64)>; 2],
    /// What a rule said lately, and when (seconds since 1970): it need not say so for every exchange.
    said: HashMap<(Rule, u64), u64>,
    /// Sequences with an alarm that holds.
    alarmed: HashSet<(Who, Class)>,
    /// Networks that an incident is about, and since when (nanoseconds since 1970).
    blamed: HashMap<u32, u64>,
    host: Host,
    tails: Tails,
    priors: Priors,
    book: Book,
    /// Seconds since 1970: the last look, and the minute that is not over.
    looked: u64,
    minute: u64,
    /// Share of the exchanges that were seen with certainty.
    completeness: f64,
    /// Seconds since 1970 at which anything was seen first.
    born: u64,
    none: Arc<str>,
    /// The turn of saving.
    saving: u32,
}

/// Limits that all streams share.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Tails {
    volume: Tail,
    size: Tail,
    /// Kept apart from the rest.
    #[serde(skip)]
    service: Tail,
}

impl Awareness {
    /// Nothing is known yet.
    pub fn new(registry: &Registry) -> Self {
        let mut awareness = Self {
            plans: HashMap::new(),
            limits: HashMap::new(),
            keys: Keys::default(),
            places: Table::new(PLACES),
            sources: Table::new(SOURCES),
            listeners: Table::new(LISTENERS),
            signatures: Default::default(),
            said: HashMap::new(),
            alarmed: HashSet::new(),
            blamed: HashMap::new(),
            host: Host::default(),
            tails: Tails::default(),
            priors: Priors::default(),
            book: Book::default(),
            looked: 0,
            minute: 0,
            completeness: 1.0,
            born: 0,
            none: "".into(),
            saving: 0,
        };
        awareness.reload(registry);
        awareness
    }

    /// Takes a new registry, from the next exchange on.
    pub fn reload(&mut self, registry: &Registry) {
        self.limits = limits::of_plans(registry);
        let accounts = registry.accounts().iter();
        self.plans = accounts
            .filter_map(|account| {
                Some((Arc::clone(&account.id), Arc::clone(account.plan.as_ref()?)))
            })
            .collect();
    }

    /// Takes one exchange. Legs between processes of this host, and what is not certain, are not judged.
    pub fn observe(&mut self, call: &Call) {
        if call.vantage == Vantage::Hop || !call.is_certain() {
            return;
        }
        let time = call.end();
        let second = time / SECOND;
        self.begin(second);
        let class = Class::of(call.outcome);
        let success = matches!(call.outcome, Outcome::Ok);
        let mut seen = Seen {
            time,
            second,
            minute: second / MINUTE,
            class,
            network: network_hash(call.client.ip()),
            success,
            served: (success && call.status != Some(101)).then(|| {
                let microseconds = (call.duration / 1_000).max(1);
                (microseconds, (microseconds as f64).ln())
            }),
            key: None,
            place: self.place(call, second / MINUTE),
            route: 0,
            source: None,
            verified: false,
        };
        seen.route = self.places.get(seen.place).map_or(0, |place| place.hash);
        seen.key = self.key(call, &seen);
        seen.source = self.source(&seen);
        self.update_key(call, &mut seen);
        self.update_errors(&seen);
        self.judge(call, &seen);
    }

    /// Something was seen, the first time perhaps.
    fn begin(&mut self, second: u64) {
        if self.born == 0 {
            (self.born, self.minute) = (second, second / MINUTE);
        }
    }

    /// Lets time pass up to `now`, seconds since 1970 in UTC. `completeness`: share of the exchanges of the last minute that
    /// were seen with certainty.
    pub fn tick(&mut self, now: u64, completeness: f64) {
        self.completeness = completeness;
        if self.born == 0 {
            return;
        }
        self.close_minutes(now / MINUTE);
        if now >= self.looked + LOOK {
            self.looked = now;
            self.look(now);
        }
    }

    /// Incidents that are open.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.book.open()
    }

    /// Incidents that changed since this was asked last.
    pub fn take_changes(&mut self) -> Vec<Incident> {
        self.book.take_changes()
    }

    /// Open incidents of which more is known than when this was asked last, and that did not change otherwise; unless `all`,
    /// only when more routes or consumers are known.
    pub fn take_grown(&mut self, all: bool) -> Vec<Incident> {
        self.book.take_grown(all)
    }

    /// Somebody knows of an incident. False: none of that id is open.
    pub fn acknowledge(&mut self, id: &str) -> bool {
        self.book.acknowledge(id).is_some()
    }

    /// Somebody ends an incident; with `until` (nanoseconds since 1970) it does not come again before.
    pub fn close(&mut self, id: &str, until: Option<u64>) -> bool {
        self.book.close(id, until).is_some()
    }

    fn raise(&mut self, finding: Finding, now: u64) -> bool {
        self.book.raise(finding, now, self.completeness)
    }

    fn place(&mut self, call: &Call, minute: u64) -> u32 {
        if let Some(known) = self.places.find(&NamesRef(&call.api, &call.route)) {
            return known;
        }
        let place = Place {
            api: Arc::clone(&call.api),
            route: Arc::clone(&call.route),
            born: minute,
            last: minute,
            changed: true,
            hash: hash(call.route.as_bytes()) ^ hash(call.api.as_bytes()),
            ..Place::default()
        };
        let names = Names(Arc::clone(&call.api), Arc::clone(&call.route));
        let number = self
            .places
            .enter(names, place, |place| place.last)
            .unwrap_or(0);
        if let Some(place) = self.places.get_mut(number) {
            place.settle(&self.priors.places, minute);
        }
        number
    }

    /// The key of an exchange: registered ones, others once they were accepted, and all that have none together.
    fn key(&mut self, call: &Call, seen: &Seen) -> Option<u32> {
        let fingerprint = call
            .credential
            .as_ref()
            .map(|credential| credential.fingerprint.as_str());
        let id: &str = match (&call.key, &*call.consumer) {
            (Some(key), _) => key,
            (None, UNREGISTERED) => fingerprint?,
            (None, _) => "",
        };
        if let Some(known) = self.keys.find(&NamesRef(&call.consumer, id)) {
            return Some(known);
        }
        let registered = &*call.consumer != UNREGISTERED;
        if !registered && !seen.success {
            return None;
        }
        let id: Arc<str> = call.key.clone().unwrap_or_else(|| {
            if id.is_empty() {
                self.none.clone()
            } else {
                id.into()
            }
        });
        let plan = self.plans.get(&call.consumer).cloned();
        let mut key = Key::new(
            Arc::clone(&call.consumer),
            Arc::clone(&id),
            registered,
            plan,
            seen.minute,
        );
        key.settle(
            self.priors.of(key.plan.as_ref()),
            self.priors.objects,
            seen.minute,
        );
        let names = Names(Arc::clone(&call.consumer), id);
        self.keys.enter(names, key)
    }

    fn source(&mut self, seen: &Seen) -> Option<u32> {
        let number = match self.sources.find(&seen.network) {
            Some(known) => known,
            None => {
                let source = Source {
                    born: seen.second,
                    last: seen.second,
                    ..Source::default()
                };
                self.sources
                    .enter(seen.network, source, |source| source.last)?
            }
        };
        self.sources.get_mut(number)?.last = seen.second;
        Some(number)
    }

    fn update_key(&mut self, call: &Call, seen: &mut Seen) {
        let Some(key) = seen.key.and_then(|number| self.keys.get_mut(number)) else {
            return;
        };
        key.changed = true;
        key.last = seen.minute;
        key.exchanges += 1;
        let minute = u32::try_from(seen.minute).unwrap_or(u32::MAX);
        seen.verified = seen.success || key.networks.is_accepted(seen.network);
        // What is refused in its name elsewhere is not what it asks for.
        if seen.verified || call.credential.is_none() {
            key.minute.requests += 1;
            key.minute.request_bytes += call.request_body_bytes;
            key.minute.response_bytes += call.response_body_bytes;
            key.minute.limited += u32::from(seen.class == Some(Class::Limited));
            if call.traits.hourly > 0 {
                key.minute.hourly = call.traits.hourly;
            }
        }
        if call.credential.is_none() {
            // Who has no key may be anybody.
            seen.verified = seen.success;
            return;
        }
        if !seen.verified {
            return;
        }
        if let Some((microseconds, logarithm)) = seen.served {
            let served = &mut key.minute.served;
            served.add(seen.place, microseconds, logarithm);
        }
        let ignored = key.asked(call, seen.place);
        let regular = if rhythm::changes(call) {
            let rhythm = key.habits.rhythm.get_or_insert_default();
            rhythm.observe(call.begin)
        } else {
            None
        };
        let shared = key.came_from(seen.network, seen.second);
        let age = seen.minute.saturating_sub(key.born);
        if let Some(new) = key.networks.observe(seen.network, minute, seen.success)
            && new.known > 0
            && age > 24 * 60
        {
            key.arrive(seen, &new);
        }
        let agent = call.traits.agent;
        let new_agent = key.agents.observe(agent, minute, seen.success);
        let new_route = key.routes.observe(seen.route, minute, seen.success);
        key.brought(seen, new_agent, new_route);
        if let (Some(networks), Some(number)) = (shared, seen.key) {
            self.tell_shared(number, networks, seen);
        }
        if let Some(regular) = regular {
            self.tell_regular(regular, call, seen);
        }
        if let Some(ignored) = ignored {
            self.tell_ignored(ignored, call, seen);
        }
    }

    fn update_errors(&mut self, seen: &Seen) {
        // Whether the provider fails shows in everybody's requests; the rest only in those of callers that are known.
        let class = seen
            .class
            .filter(|class| *class == Class::Server || seen.verified);
        let mut counted = if seen.verified {
            ALL
        } else {
            Class::Server.bit()
        };
        // A key that was never accepted from there is blamed for nothing: whoever bears its name may be anybody.
        let bearer = seen.key.filter(|_| seen.verified);
        let (mut of_key, mut costly) = (0, false);
        if let Some(key) = bearer.and_then(|number| self.keys.get_mut(number)) {
            key.recent.add(class, seen.time);
            of_key = key
                .verdicts
                .observe(class, counted, seen.time, || [0.0; CLASSES]);
            if let Some(class) = class {
                key.errors.of_mut(class).add(seen.place, seen.second);
            }
            // What a caller is blamed for already says nothing of anybody else.
            counted &= !key.verdicts.alarmed();
            costly = key.habits.service.is_suspicious();
        }
        let keys = &self.keys;
        let habits = || {
            let key = bearer.and_then(|number| keys.get(number));
            key.map_or([0.0; CLASSES], |key| key.verdicts.habits())
        };
        let mut of_place = 0;
        if let Some(place) = self.places.get_mut(seen.place) {
            place.changed = true;
            place.last = seen.minute;
            place.exchanges += 1;
            place.recent.add(class, seen.time);
            of_place = place.verdicts.observe(class, counted, seen.time, habits);
            if let Some(key) = bearer {
                place.callers.add(key, seen.second);
                if let Some(class) = class {
                    place.errors.of_mut(class).add(key, seen.second);
                }
            }
            if let Some((microseconds, logarithm)) = seen.served.filter(|_| !costly) {
                if let Some(key) = bearer {
                    place.most.add(key, microseconds, logarithm);
                }
                place.service.0 += logarithm;
                place.service.1 += 1;
            }
        }
        let host = &mut self.host;
        host.exchanges += 1;
        host.requests += 1;
        host.recent.add(class, seen.time);
        let of_host = host.verdicts.observe(class, counted, seen.time, habits);
        if let Some(class) = class {
            if let Some(key) = bearer {
                host.keys.of_mut(class).add(key, seen.second);
            }
            host.places.of_mut(class).add(seen.place, seen.second);
        }
        let proven = [
            (bearer.map(Who::Key), of_key),
            (Some(Who::Place(seen.place)), of_place),
            (Some(Who::Host), of_host),
        ];
        for (who, bits) in proven {
            for class in Class::of_bits(bits) {
                if let Some(who) = who {
                    self.proven(who, class, seen);
                }
            }
        }
    }
}

/// Requests a day of what was first seen at `born`, minutes since 1970, as far as they tell.
fn per_day(exchanges: u64, born: u64, minute: u64) -> f64 {
    exchanges as f64 / minute.saturating_sub(born).max(10) as f64 * 1_440.0
}

/// Exchanges between false alarms of a test of so many exchanges a day.
fn odds(per_day: f64) -> f64 {
    per_day.max(100.0) * KEY_DAYS
}

/// How often something was the case in a row, with this time.
fn in_a_row(before: u8, again: bool) -> u8 {
    if again { before.saturating_add(1) } else { 0 }
}

/// Adds to a list of the latest few; the oldest makes room.
fn keep_latest<T>(latest: &mut Vec<T>, most: usize, one: T) {
    if latest.len() >= most {
        latest.remove(0);
    } else if latest.is_empty() {
        latest.reserve_exact(most);
    }
    latest.push(one);
}

/// The network of a client as a number: /24 of IPv4, /48 of IPv6.
fn network_hash(client: std::net::IpAddr) -> u32 {
    match client.to_canonical() {
        std::net::IpAddr::V4(address) => hash(&(u32::from(address) >> 8).to_le_bytes()),
        std::net::IpAddr::V6(address) => hash(&(u128::from(address) >> 80).to_le_bytes()),
    }
}
