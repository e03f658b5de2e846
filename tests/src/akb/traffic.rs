//! The requests of every ten seconds: of everybody as on a usual day, and what is planted on top.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Normal, Poisson};

use super::labels::{Class, Label};
use super::population::{Client, Population};
use super::request::{API, Credential, Request, Way};

/// Seconds generated at a time.
pub const TICK: u64 = 10;

/// Everything that goes on.
pub struct Traffic<'a> {
    pub(super) population: &'a Population,
    pub(super) labels: &'a [Label],
    pub(super) random: ChaCha8Rng,
    states: Vec<State>,
    /// Requests of the key or source of each label since it began.
    pub(super) counts: Vec<Count>,
    pub(super) signature: u64,
    /// Whether the source of each label has begun.
    pub(super) begun: Vec<bool>,
}

/// What a label's subject did while it went on.
#[derive(Clone, Debug, Default)]
pub struct Count {
    /// Times of its requests, nanoseconds since 1970; only the first ones.
    pub times: Vec<u64>,
    /// Usual rate of the errors it is about.
    pub usual: f64,
    /// The rate while it goes on.
    pub rate: f64,
}

/// Times that are kept of each label.
pub(super) const TIMES: usize = 200_000;

#[derive(Clone, Debug, Default)]
struct State {
    /// Logarithm of how much more than usual it asks, at the moment.
    burst: f64,
    network: usize,
    moved: u64,
    next_object: u64,
    /// Nanoseconds since 1970 until which it waits.
    waits: u64,
    /// Nanoseconds since 1970 of its next request, while it asks steadily.
    next: u64,
}

/// What is planted on a client at the moment.
#[derive(Clone, Copy, Debug)]
struct Bent {
    rate: f64,
    errors: [f64; 3],
    response: f64,
    request: f64,
    networks: usize,
    elsewhere: bool,
    objects: Objects,
    signed: bool,
    polluted: bool,
    second_key: bool,
    /// Fields of a 429.
    refusal: &'static str,
    /// Nanoseconds that it waits after a 429.
    patience: u64,
    /// How it asks steadily, if it does.
    steady: Option<Steady>,
    /// Requests an hour that answers say are allowed.
    hourly: Option<f64>,
    /// How many times as long its requests take.
    took: f64,
    /// Share of its requests that write.
    writes: f64,
}

/// Requests at even distances.
#[derive(Clone, Copy, Debug)]
struct Steady {
    /// Requests a second.
    rate: f64,
    /// Deviation of each from its time, in distances.
    jitter: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Objects {
    Own,
    All,
    Sequence(u64),
    Random,
}

impl<'a> Traffic<'a> {
    /// From the beginning.
    pub fn new(seed: u64, population: &'a Population, labels: &'a [Label]) -> Self {
        Self {
            population,
            labels,
            random: ChaCha8Rng::seed_from_u64(seed ^ 0x7aff),
            states: vec![State::default(); population.clients.len()],
            counts: vec![Count::default(); labels.len()],
            signature: 0,
            begun: vec![false; labels.len()],
        }
    }

    /// What the subjects of the labels did.
    pub fn counts(self) -> Vec<Count> {
        self.counts
    }

    /// The requests of the ten seconds from `second` on, in the order in which they are answered.
    pub fn tick(&mut self, second: u64, requests: &mut Vec<Request>) {
        let labels = self.labels;
        let active: Vec<(usize, &Label)> = (labels.iter().enumerate())
            .filter(|(_, label)| label.from < second + TICK && second < label.until)
            .collect();
        let common = active
            .iter()
            .any(|(_, label)| label.class == Class::Marketing);
        for number in 0..self.population.clients.len() {
            self.client(number, second, &active, common, requests);
        }
        for (index, label) in &active {
            self.source(*index, label, second, requests);
        }
        requests.sort_by_key(|request| request.time + request.took);
    }

    fn client(
        &mut self,
        number: usize,
        second: u64,
        active: &[(usize, &Label)],
        common: bool,
        requests: &mut Vec<Request>,
    ) {
        let population = self.population;
        let Some(client) = population.clients.get(number) else {
            return;
        };
        if second < super::BEGIN + client.born * 86_400 {
            return;
        }
        let moves = |label: &Label| {
            let clients = population.clients.len();
            label.class == Class::NewRegion && (number + clients - label.who) % clients < MOVING
        };
        let own: Vec<(usize, &Label)> = (active.iter().copied())
            .filter(|(_, label)| {
                (concerns_client(label.class) && label.who == number) || moves(label)
            })
            .collect();
        // Who appears for the first time has done nothing before.
        let cold = self
            .labels
            .iter()
            .find(|label| label.class == Class::ColdErrorRate && label.who == number);
        if cold.is_some_and(|label| second + COLD < label.from) {
            return;
        }
        let mut bent = Bent::usual(client);
        if common {
            bent.rate *= 3.0;
        }
        for (_, label) in &own {
            bent.bend(label, client, second);
        }
        let state = &mut self.states[number];
        if second.is_multiple_of(600) {
            let noise = Normal::new(0.0, client.burst * 0.436).expect("in range");
            state.burst = 0.9 * state.burst + noise.sample(&mut self.random);
        }
        if second >= state.moved + client.stay && client.networks.len() > 1 {
            state.moved = second;
            state.network = self.random.random_range(0..client.networks.len());
        }
        let rate = client.rate * usual_at(client, second) * state.burst.exp() * bent.rate;
        let mean = rate * TICK as f64;
        if mean <= 0.0 {
            return;
        }
        let count =
            Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(&mut self.random)) as usize;
        let times = bent
            .steady
            .map(|steady| self.steady(number, second, steady));
        let count = times.as_ref().map_or(count, Vec::len);
        let mut asked: Vec<Request> = (0..count)
            .map(|_| self.request(number, client, second, &bent, active))
            .collect();
        for (request, time) in asked.iter_mut().zip(times.into_iter().flatten()) {
            request.time = time;
        }
        asked.sort_by_key(|request| request.time);
        for request in asked {
            let waits = &mut self.states[number].waits;
            if request.time < *waits {
                continue;
            }
            if request.status == 429 && bent.patience > 0 {
                *waits = request.time + request.took + bent.patience;
            }
            // What a replay repeats is no part of it.
            for (index, label) in own.iter().filter(|(_, label)| label.class != Class::Replay) {
                self.note(*index, label, client, request.time);
            }
            requests.push(request);
        }
    }

    /// The times of ten seconds at which a key asks that asks steadily.
    fn steady(&mut self, number: usize, second: u64, steady: Steady) -> Vec<u64> {
        let (from, until) = (second * 1_000_000_000, (second + TICK) * 1_000_000_000 - 1);
        let distance = 1e9 / steady.rate;
        let noise = Normal::new(0.0, steady.jitter * distance).expect("in range");
        let next = &mut self.states[number].next;
        if (*next as f64) < from as f64 - 2.0 * distance {
            *next = from;
        }
        let mut times = Vec::new();
        while *next <= until {
            let time = *next as f64 + noise.sample(&mut self.random);
            times.push((time as u64).clamp(from, until));
            *next += distance as u64;
        }
        times
    }

    fn note(&mut self, index: usize, label: &Label, client: &Client, time: u64) {
        let count = &mut self.counts[index];
        if count.times.len() < TIMES {
            count.times.push(time);
        }
        let class = match label.class {
            Class::AuthFailures => 1,
            Class::RateLimitPressure => 2,
            _ => 0,
        };
        count.usual = client.errors[class];
        count.rate = raised(label, client.errors[class]);
    }

    fn request(
        &mut self,
        number: usize,
        client: &Client,
        second: u64,
        bent: &Bent,
        active: &[(usize, &Label)],
    ) -> Request {
        let random = &mut self.random;
        let total = client.routes.last().map_or(1.0, |(_, weight)| *weight);
        let at = random.random_range(0.0..total);
        let index = client
            .routes
            .iter()
            .find(|(_, weight)| at < *weight)
            .map_or(0, |(route, _)| *route);
        let walks = matches!(
            bent.objects,
            Objects::Sequence(_) | Objects::Random | Objects::All
        );
        // Objects are asked for where there are any.
        // Objects are asked for where there are any.
        let index = if walks { object_route(client) } else { index };
        let route = &self.population.routes[index];
        let state = &mut self.states[number];
        let object = match bent.objects {
            Objects::Sequence(from) => {
                state.next_object = (state.next_object + 1).max(from + 1);
                state.next_object
            }
            Objects::Random => random.random_range(2_000_000..9_000_000),
            Objects::All => {
                state.next_object = (state.next_object + 1) % (client.objects.1 / 4).max(1);
                client.objects.0 + 7 * state.next_object
            }
            Objects::Own if random.random_bool(client.curious) => {
                client.objects.0 + 7 * random.random_range(0..1_000_000)
            }
            Objects::Own => {
                // Some are asked for again and again.
                let rank: f64 = random.random_range(0.0..1.0);
                client.objects.0 + 7 * (rank * rank * client.objects.1 as f64) as u64
            }
        };
        let mut target = route.path.replace("{}", &object.to_string());
        if bent.polluted && random.random_bool(0.05) {
            target.push_str("?id=1&id=2");
        }
        let mut failing = route.failing;
        let mut slow = bent.took;
        let mut deployed = false;
        let mut refused = 0.0;
        for (_, label) in active {
            match label.class {
                Class::RouteErrors if label.route == index => {
                    failing += label.strength.pick([0.1, 0.3, 0.8])
                }
                Class::Outage => failing += label.strength.pick([0.1, 0.3, 0.9]),
                Class::Latency if label.route == index => {
                    slow *= label.strength.pick([2.5, 4.0, 10.0])
                }
                Class::Deploy if label.route == index => deployed = true,
                _ => {}
            }
        }
        if deployed {
            refused = 0.5;
        }
        let chance: f64 = random.random();
        let [client_errors, auth, limited] = bent.errors;
        let status = if chance < failing {
            *[500, 502, 503].choose(random).unwrap_or(&500)
        } else if chance < failing + client_errors + refused {
            *[400, 404, 404, 409, 422].choose(random).unwrap_or(&400)
        } else if chance < failing + client_errors + refused + auth {
            401
        } else if chance < failing + client_errors + refused + auth + limited {
            429
        } else {
            200
        };
        let network = if bent.elsewhere {
            None
        } else if bent.networks > 0 {
            let pick = random.random_range(0..=bent.networks);
            if pick == 0 {
                Some(client.networks[state.network])
            } else {
                Some(5_000 + (number * 13 + pick) as u16)
            }
        } else {
            Some(client.networks[state.network])
        };
        let address = match network {
            Some(network) => format!(
                "10.{}.{}.{}",
                16 + network / 256,
                network % 256,
                2 + number % 200
            ),
            None => format!("172.{}.{}.9", 16 + number / 256, number % 256),
        };
        let secret = if bent.second_key {
            format!("{}-2", client.secret)
        } else {
            client.secret.clone()
        };
        let credential = if bent.signed {
            self.signature += 1;
            Credential::Signed(secret, self.signature)
        } else {
            Credential::Key(secret)
        };
        let size = LogNormal::new(client.size.0, client.size.1)
            .expect("in range")
            .sample(random);
        let took = LogNormal::new((route.milliseconds * slow * 1e6).ln(), 0.4)
            .expect("in range")
            .sample(random);
        Request {
            time: (second * 1_000_000_000) + random.random_range(0..TICK * 1_000_000_000),
            client: address,
            way: Way::Proxy,
            credential,
            host: API,
            method: if bent.writes > 0.0 && random.random_bool(bent.writes) {
                "POST"
            } else {
                "GET"
            },
            target,
            agent: if bent.elsewhere {
                "curl/8".to_owned()
            } else {
                client.agent.clone()
            },
            fields: "",
            port: 8080,
            sent: (bent.request * 200.0) as u64,
            status,
            answer: match bent.hourly {
                Some(hourly) => format!("RateLimit-Policy: \"hour\";q={hourly:.0};w=3600\r\n"),
                None if status == 429 => bent.refusal.to_owned(),
                None => String::new(),
            },
            received: (size * bent.response) as u64,
            took: took as u64,
        }
    }
}

/// Keys that move together.
const MOVING: usize = 12;
/// Seconds that a key is known for before its first incident, of the ones that are new.
const COLD: u64 = 3 * 3600;

/// Whether what is planted changes what a key of the population does.
fn concerns_client(class: Class) -> bool {
    matches!(
        class,
        Class::ErrorRate
            | Class::ColdErrorRate
            | Class::AuthFailures
            | Class::RateLimitPressure
            | Class::SequentialEnumeration
            | Class::RandomEnumeration
            | Class::Exfiltration
            | Class::Upload
            | Class::Surge
            | Class::Silence
            | Class::NewNetwork
            | Class::KeySharing
            | Class::LeakedKey
            | Class::Replay
            | Class::Pollution
            | Class::NewRegion
            | Class::Batch
            | Class::RetryStorm
            | Class::Rotation
            | Class::IgnoredRetryAfter
            | Class::PoliteRetries
            | Class::LimitHugging
            | Class::SteadyBelow
            | Class::ResourceConsumption
            | Class::Automation
    )
}

/// The first route with objects that a key asks for.
pub fn object_route(client: &Client) -> usize {
    let mut routes = client.routes.iter().map(|(route, _)| *route);
    routes.find(|route| route % 2 == 0).unwrap_or(0)
}

/// How much of its mean a key asks for at a time.
pub fn usual_at(client: &Client, second: u64) -> f64 {
    let day = (second % 86_400) as f64 / 86_400.0;
    let (depth, phase) = client.daily;
    let weekend = if (second / 86_400 + 3) % 7 >= 5 {
        client.weekend
    } else {
        1.0
    };
    (1.0 + depth * (std::f64::consts::TAU * (day - phase)).sin()) * weekend
}

/// The rate of errors while an incident goes on.
fn raised(label: &Label, usual: f64) -> f64 {
    (usual + label.strength.pick([0.1, 0.3, 0.6])).min(0.95)
}

impl Bent {
    fn usual(client: &Client) -> Self {
        Self {
            rate: 1.0,
            errors: client.errors,
            response: 1.0,
            request: 0.0,
            networks: 0,
            elsewhere: false,
            objects: Objects::Own,
            signed: false,
            polluted: false,
            second_key: false,
            refusal: "",
            patience: 0,
            steady: None,
            hourly: None,
            took: 1.0,
            writes: client.writes,
        }
    }

    fn bend(&mut self, label: &Label, client: &Client, second: u64) {
        let [errors, auth, limited] = &mut self.errors;
        let strength = label.strength;
        match label.class {
            Class::ErrorRate | Class::ColdErrorRate => *errors = raised(label, client.errors[0]),
            Class::AuthFailures => *auth = raised(label, client.errors[1]),
            Class::RateLimitPressure => *limited = raised(label, client.errors[2]),
            Class::SequentialEnumeration => {
                self.objects = Objects::Sequence(3_000_000 + label.from % 1_000_000)
            }
            Class::RandomEnumeration => {
                self.objects = Objects::Random;
                self.rate = strength.pick([1.0, 2.0, 4.0]);
            }
            Class::Exfiltration => self.response = strength.pick([8.0, 30.0, 300.0]),
            Class::Upload => self.request = strength.pick([200.0, 1_000.0, 5_000.0]),
            Class::Surge => self.rate = strength.pick([3.0, 5.0, 10.0]),
            Class::Silence => self.rate = 0.0,
            Class::NewNetwork => self.elsewhere = true,
            Class::KeySharing => self.networks = strength.pick([3, 5, 9]),
            Class::LeakedKey => {
                self.elsewhere = true;
                match strength {
                    super::Strength::Weak => self.objects = Objects::Random,
                    super::Strength::Medium => self.objects = Objects::Sequence(4_000_000),
                    super::Strength::Strong => self.response = 100.0,
                }
                self.rate = 2.0;
            }
            Class::Replay => self.signed = true,
            Class::Pollution => self.polluted = true,
            Class::NewRegion => self.networks = usize::from(second > label.from),
            Class::Batch => self.objects = Objects::All,
            Class::RetryStorm => self.rate = 5.0,
            Class::IgnoredRetryAfter => {
                *limited = strength.pick([0.4, 0.6, 0.9]);
                self.rate = 1.3;
                self.refusal = "Retry-After: 60\r\n";
            }
            Class::ResourceConsumption => self.took = strength.pick([10.0, 30.0, 100.0]),
            Class::Automation => {
                let rate = client.rate * usual_at(client, label.from);
                let jitter = strength.pick([0.06, 0.03, 0.005]);
                self.steady = Some(Steady { rate, jitter });
                self.writes = 1.0;
            }
            Class::LimitHugging | Class::SteadyBelow => {
                // As much as usual, so that nothing else is unusual.
                let rate = client.rate * usual_at(client, label.from);
                let share = if label.class == Class::SteadyBelow {
                    0.8
                } else {
                    strength.pick([0.96, 0.98, 0.995])
                };
                self.steady = Some(Steady { rate, jitter: 0.05 });
                self.hourly = Some(rate / share * 3_600.0);
            }
            Class::PoliteRetries => {
                *limited = 0.1;
                self.refusal = "Retry-After: 15\r\n";
                self.patience = 15_000_000_000;
            }
            Class::Rotation => self.second_key = true,
            _ => {}
        }
    }
}
