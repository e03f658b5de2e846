//! What is known of one key: how often it fails, how much it asks for, from where, and which objects.
//!
//! Bounded: no more than 4 KiB a key. Only what the application accepted from a network is held against a key; what merely
//! bears its name is held against the network.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::beta::Prior;
use super::incident::Subject;
use super::limits::{Hugging, Limit};
use super::novelty::New;
use super::novelty::{Novelty, Shares};
use super::objects::Objects;
use super::rhythm::Rhythm;
use super::sequence::Sequence;
use super::service::Served;
use super::size::Sizes;
use super::table::Table;
use super::verdicts::Verdicts;
use super::volume::Volume;
use super::waiting::{Ignored, Waiting};
use super::{ByClass, CLASSES, Names, NamesRef, Recent, Seen, in_a_row, odds, per_day};
use crate::usage::Call;

/// Registered keys; one past it takes the place of another that was quiet for longer.
const REGISTERED: usize = 20_000;
/// Credentials that are not registered and were accepted. However many come, they push out only each other.
const STRANGERS: usize = 4_096;
/// Marks the number of a stranger.
const STRANGER: u32 = 1 << 31;

/// Every key, numbered.
#[derive(Debug)]
pub struct Keys {
    registered: Table<Names, Key>,
    strangers: Table<Names, Key>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            registered: Table::new(REGISTERED),
            strangers: Table::new(STRANGERS),
        }
    }
}

impl Keys {
    /// The number of a key by its consumer and id.
    #[inline]
    pub fn find(&self, names: &NamesRef<'_>) -> Option<u32> {
        let stranger = || Some(self.strangers.find(names)? | STRANGER);
        self.registered.find(names).or_else(stranger)
    }

    /// A key by its number.
    pub fn get(&self, number: u32) -> Option<&Key> {
        if number & STRANGER == 0 {
            self.registered.get(number)
        } else {
            self.strangers.get(number & !STRANGER)
        }
    }

    /// A key by its number.
    #[inline]
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Key> {
        if number & STRANGER == 0 {
            self.registered.get_mut(number)
        } else {
            self.strangers.get_mut(number & !STRANGER)
        }
    }

    /// Takes a new key.
    pub fn enter(&mut self, names: Names, key: Key) -> Option<u32> {
        if key.registered {
            self.registered.enter(names, key, |key| key.last)
        } else {
            Some(self.strangers.enter(names, key, |key| key.last)? | STRANGER)
        }
    }

    /// Every key with its number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Key)> + Clone {
        let strangers = self
            .strangers
            .iter()
            .map(|(number, key)| (number | STRANGER, key));
        self.registered.iter().chain(strangers)
    }

    /// Every key with its number.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Key)> {
        let strangers = self
            .strangers
            .iter_mut()
            .map(|(number, key)| (number | STRANGER, key));
        self.registered.iter_mut().chain(strangers)
    }

    /// How many had to go or were not taken: registered, and others.
    pub fn refused(&self) -> (u64, u64) {
        (self.registered.refused(), self.strangers.refused())
    }
}

/// One key, or what stands for one.
#[derive(Debug, Serialize, Deserialize)]
pub struct Key {
    /// Consumer.
    pub consumer: Arc<str>,
    /// Id of the key; a fingerprint where it is not registered; empty for a consumer without keys.
    pub id: Arc<str>,
    /// Whether it is registered: it then never makes room for another.
    pub registered: bool,
    /// Plan of the account.
    pub plan: Option<Arc<str>>,
    /// Minutes since 1970.
    pub born: u64,
    /// Minutes since 1970.
    pub last: u64,
    /// Exchanges since it was born.
    pub exchanges: u64,
    /// How often it fails.
    pub verdicts: Verdicts,
    /// Requests for objects that it never asked for.
    pub unknown_objects: Sequence,
    /// Requests by the minute.
    pub volume: Volume,
    /// Sizes of responses.
    pub responses: Sizes,
    /// Sizes of requests.
    pub requests: Sizes,
    /// Networks that it came from.
    pub networks: Novelty,
    /// User agents that it had.
    pub agents: Novelty,
    /// Routes that it asked for.
    pub routes: Novelty,
    /// Objects that it asked for.
    pub objects: Objects,
    /// Networks that usually take turns within a stretch.
    pub usual_networks: f32,
    /// The stretch that goes on.
    #[serde(skip)]
    pub turns: Turns,
    /// The last five minutes.
    #[serde(skip)]
    pub recent: Recent,
    /// Routes of its errors, by class.
    #[serde(skip)]
    pub errors: ByClass<Shares>,
    /// What it is used to besides; kept apart from the rest.
    #[serde(skip)]
    pub habits: Habits,
    /// This minute.
    #[serde(skip)]
    pub minute: Minute,
    /// What it was told to wait for, of a key that ever was.
    #[serde(skip)]
    pub waiting: Option<Box<Waiting>>,
    /// A new network, and what is new with it.
    #[serde(skip)]
    pub newcomer: Option<Newcomer>,
    /// Changed since it was saved.
    #[serde(skip)]
    pub changed: bool,
    /// The turn of saving in which it was handed out.
    #[serde(skip)]
    pub saved: u32,
}

/// What a key is used to, of the kinds that only some keys have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Habits {
    /// What it may ask for, where that is known.
    pub limit: Option<Box<Limit>>,
    /// How long it takes to serve it.
    pub service: Sizes,
    /// At what distances it changes something, if it does.
    pub rhythm: Option<Box<Rhythm>>,
}

/// What a key did in the minute that is not over.
#[derive(Clone, Debug, Default)]
pub struct Minute {
    /// Requests.
    pub requests: u32,
    /// Bytes of request contents.
    pub request_bytes: u64,
    /// Bytes of response contents.
    pub response_bytes: u64,
    /// Requests that were answered with 429.
    pub limited: u32,
    /// Requests an hour that the server said are allowed; zero: it did not.
    pub hourly: u32,
    /// What it took to serve it.
    pub served: Served,
}

/// A stretch of requests, and the networks that they came from.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// Seconds since 1970.
    since: u64,
    requests: u16,
    networks: Vec<u32>,
    network: u32,
    changes: u8,
    /// Stretches in a row with more networks than usual, each in turn with the others.
    shared: u8,
}

/// A network on which a key is new.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Newcomer {
    /// Its hash.
    pub network: u32,
    /// Nanoseconds since 1970.
    pub since: u64,
    /// Chance of a new network.
    pub chance: f64,
    /// Networks known before.
    pub known: usize,
    /// Whether this is told of as soon as it is no common move.
    pub told: bool,
    /// Routes that are new with it.
    pub routes: u8,
    /// Whether the user agent is new with it.
    pub agent: bool,
}

/// Requests of a minute after which the tests are worked out again at once, and minutes after which they are anyway.
const BUSY: u32 = 30;
const EACH: u64 = 8;
/// Networks of a stretch that are told apart.
const NETWORKS: usize = 16;
/// Requests of a stretch.
const STRETCH: u16 = 16;
/// Changes of the network within a stretch that show that some come back, however many there are.
const RETURNS: usize = 10;
/// Seconds of a stretch at least, and at most.
const SHORTEST: u64 = 20;
const LONGEST: u64 = 1_800;

impl Key {
    /// A key that was never seen.
    pub fn new(
        consumer: Arc<str>,
        id: Arc<str>,
        registered: bool,
        plan: Option<Arc<str>>,
        minute: u64,
    ) -> Self {
        Self {
            consumer,
            id,
            registered,
            plan,
            born: minute,
            last: minute,
            exchanges: 0,
            verdicts: Verdicts::default(),
            unknown_objects: Sequence::default(),
            volume: Volume::default(),
            responses: Sizes::default(),
            requests: Sizes::default(),
            networks: Novelty::default(),
            agents: Novelty::default(),
            routes: Novelty::default(),
            objects: Objects::default(),
            usual_networks: 1.0,
            turns: Turns::default(),
            recent: Recent::default(),
            errors: ByClass::default(),
            habits: Habits::default(),
            minute: Minute::default(),
            waiting: None,
            newcomer: None,
            changed: true,
            saved: 0,
        }
    }

    /// Requests a day, as far as they are known.
    fn per_day(&self, minute: u64) -> f64 {
        if minute.saturating_sub(self.born) < 1_440 {
            per_day(self.exchanges, self.born, minute)
        } else {
            self.volume.per_day().max(1.0)
        }
    }

    /// Whether enough came in the minute that is over to work out the tests again, or its turn has come.
    pub fn is_due(&self, minute: u64) -> bool {
        self.minute.requests >= BUSY || (minute ^ self.born).is_multiple_of(EACH)
    }

    /// Works out the tests for the next minutes.
    pub fn settle(&mut self, priors: &[Prior; CLASSES], objects: Prior, minute: u64) {
        let odds = odds(self.per_day(minute));
        self.verdicts.settle(priors, odds);
        self.unknown_objects.settle(objects, odds);
    }

    /// Notes the network of a request. Returns how many take turns, when more than usual did for the third time in a row.
    pub fn came_from(&mut self, network: u32, second: u64) -> Option<usize> {
        let turns = &mut self.turns;
        if second > turns.since + LONGEST {
            *turns = Turns {
                since: second,
                ..Turns::default()
            };
        }
        turns.requests += 1;
        if turns.network != network {
            turns.changes += u8::from(turns.network != 0);
            turns.network = network;
            if turns.networks.len() < NETWORKS && !turns.networks.contains(&network) {
                turns.networks.push(network);
            }
        }
        if turns.requests < STRETCH || second < turns.since + SHORTEST {
            return None;
        }
        let networks = turns.networks.len();
        // That many, each coming back.
        let many = networks >= 3
            && networks as f32 >= 2.0 * self.usual_networks + 0.9
            && usize::from(turns.changes) >= (2 * networks - 2).min(RETURNS);
        let shared = in_a_row(turns.shared, many);
        if !many {
            self.usual_networks += 0.02 * (networks as f32 - self.usual_networks).max(-0.5);
            self.usual_networks = self.usual_networks.max(1.0);
        }
        *turns = Turns {
            since: second,
            shared,
            ..Turns::default()
        };
        (shared == 3).then_some(networks)
    }

    /// Notes a request to a route. Returns what there is to say of those that came before they might.
    #[inline]
    pub fn asked(&mut self, call: &Call, place: u32) -> Option<Ignored> {
        if self.waiting.is_none() && call.traits.retry_after == 0 {
            return None;
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::new(Waiting::new()));
        waiting.observe(call, place)
    }

    /// Takes a minute that is over, for its limit. `planned`: requests a minute that its plan allows.
    pub fn close_limit(&mut self, minute: &Minute, planned: Option<f32>) -> Option<Hugging> {
        let limits = minute.hourly > 0 || minute.limited > 0 || planned.is_some();
        if self.habits.limit.is_none() && !limits {
            return None;
        }
        let limit = self.habits.limit.get_or_insert_default();
        limit.close(minute, planned)
    }

    /// It was accepted on a network that it never came from.
    pub fn arrive(&mut self, seen: &Seen, new: &New) {
        self.newcomer = Some(Newcomer {
            network: seen.network,
            since: seen.time,
            chance: new.chance,
            known: new.known,
            told: false,
            routes: 0,
            agent: false,
        });
    }

    /// What else is new, where it is on a new network.
    pub fn brought(&mut self, seen: &Seen, agent: Option<New>, route: Option<New>) {
        if let Some(newcomer) = self
            .newcomer
            .as_mut()
            .filter(|newcomer| newcomer.network == seen.network)
        {
            newcomer.agent |= agent.is_some_and(|new| new.chance < 0.05);
            let rare = route.is_some_and(|new| new.chance < 0.05);
            newcomer.routes = newcomer.routes.saturating_add(u8::from(rare));
        }
    }

    /// What it is called in incidents.
    pub fn subject(&self) -> Subject {
        if self.registered {
            Subject::key(&self.consumer, (!self.id.is_empty()).then_some(&*self.id))
        } else {
            Subject::credential(&self.consumer, &self.id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Object;

    /// Bytes that a key is promised to take at most.
    const MOST: usize = 4_096;

    #[test]
    fn a_key_takes_no_more_than_was_promised_however_long_it_lives() {
        let mut key = Key::new("acme".into(), "k1".into(), true, None, 0);
        for minute in 1..20 * 24 * 60_u64 {
            let number = (minute % 5_000) as u32;
            key.networks.observe(number, minute as u32, true);
            key.agents.observe(number, minute as u32, true);
            key.routes.observe(number, minute as u32, true);
            let object = Object {
                hash: number.wrapping_mul(2_654_435_761),
                number: Some(minute),
            };
            key.objects.observe(object, number, false, minute, true);
            key.volume.close(minute, f64::from(number % 7), 1.0, 8.0);
            for sizes in [
                &mut key.responses,
                &mut key.requests,
                &mut key.habits.service,
            ] {
                sizes.close(3, 1_000, 8.0, 1e5);
            }
            for shares in key.errors.iter_mut() {
                shares.add(number, minute * 60);
            }
            key.came_from(number, minute * 60);
        }
        let heap = [
            key.volume.heap_bytes(),
            key.objects.heap_bytes(),
            key.responses.heap_bytes()
                + key.requests.heap_bytes()
                + key.habits.service.heap_bytes(),
            key.networks.heap_bytes() + key.agents.heap_bytes() + key.routes.heap_bytes(),
            key.errors
                .iter_mut()
                .map(|shares| shares.heap_bytes())
                .sum(),
            key.turns.networks.capacity() * size_of::<u32>(),
            size_of::<Waiting>() + size_of::<Limit>() + size_of::<Rhythm>(),
        ];
        let all = size_of::<Key>() + heap.into_iter().sum::<usize>();
        assert!(all <= MOST, "{all} bytes: {heap:?}");
    }
}
