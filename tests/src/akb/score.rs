//! What the incidents that opened are worth, beside what was planted.

use std::collections::BTreeMap;

use observer::awareness::{Family, Incident, Rule, Severity};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::labels::{Class, Label, Strength, key_of};
use super::population::Population;
use super::traffic::Count;
use super::{BEGIN, Size};

const SECOND: u64 = 1_000_000_000;
/// Seconds after the end of what was planted in which it may still be told.
const GRACE: u64 = 180;
/// Seconds after it in which what else opens about the same subject is its echo.
const ECHO: u64 = 2 * 3600;
/// Natural logarithm of the exchanges between false alarms of a rate that the detector may have: half a false alarm in a
/// thousand days of a key with a thousand requests.
const FALSE_ALARMS: f64 = 14.5;

/// One run.
#[derive(Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Its size.
    pub size: Size,
    /// What was planted.
    pub labels: Vec<Label>,
    /// What opened.
    pub opened: Vec<Incident>,
    /// What the subjects did meanwhile.
    pub counts: Vec<Count>,
    /// Who called.
    pub(super) population: Population,
    /// Exchanges.
    pub exchanges: u64,
    /// Nanoseconds of awareness: for exchanges, and for minutes.
    pub awareness_nanoseconds: (u64, u64),
    /// Seconds of everything.
    pub seconds: f64,
}

/// What came of one label.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What was planted.
    pub class: Class,
    /// How strong.
    pub strength: Strength,
    /// Whether there was enough to prove it.
    pub provable: bool,
    /// Seconds until it was told; `None`: it was not.
    pub seconds: Option<f64>,
    /// Requests until then, divided by Lorden's bound; of error rates.
    pub delay: Option<f64>,
    /// Objects that were asked for until then.
    pub requests: usize,
    /// Whether the first incident about it had the right rule, subject and owner.
    pub right: bool,
    /// Further incidents about it.
    pub echoes: usize,
}

/// The figures of one run.
#[derive(Debug)]
pub struct Figures {
    /// Labels, hard negatives apart.
    pub verdicts: Vec<Verdict>,
    /// Incidents that nothing explains, by family, for a thousand days of a key.
    pub false_alarms: BTreeMap<&'static str, f64>,
    /// Of these, high or critical ones in a week.
    pub pages: f64,
    /// Incidents during hard negatives: explained ones, and all.
    pub hard: (usize, usize),
    /// Those that nothing explains.
    pub unexplained: Vec<Incident>,
    /// Nanoseconds of awareness for an exchange, and for a minute of a key.
    pub cost: (f64, f64),
}

impl Outcome {
    /// Compares.
    pub fn figures(&self) -> Figures {
        self.judge(&self.population, &self.opened)
    }

    /// The same for a detector that opens as many incidents at random.
    pub fn random(&self) -> Figures {
        let population = &self.population;
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ 0xda7a);
        let begin = BEGIN + self.size.training * 86_400;
        let opened: Vec<Incident> = (self.opened.iter())
            .map(|incident| {
                let second = begin + random.random_range(0..self.size.days * 86_400);
                let client = &population.clients[random.random_range(0..population.clients.len())];
                let mut made_up = incident.clone();
                made_up.subject.id = key_of(&client.account).into();
                made_up.rule = Rule::ALL[random.random_range(0..Rule::ALL.len())];
                made_up.detected_at = second * SECOND;
                made_up
            })
            .collect();
        self.judge(population, &opened)
    }

    fn key_minutes(&self) -> f64 {
        let minutes = (self.size.training + self.size.days) * 24 * 60;
        (minutes * self.size.keys as u64) as f64
    }

    fn judge(&self, population: &Population, opened: &[Incident]) -> Figures {
        let mut explained = vec![false; opened.len()];
        let mut verdicts = Vec::new();
        for (label, count) in self.labels.iter().zip(&self.counts) {
            let verdict = self.verdict(label, count, population, opened, &mut explained);
            if !label.class.is_hard() {
                verdicts.push(verdict);
            }
        }
        let test = (BEGIN + self.size.training * 86_400) * SECOND;
        let during = |incident: &Incident| {
            let hard = self.labels.iter().filter(|label| label.class.is_hard());
            hard.clone().any(|label| {
                overlaps(label, incident.detected_at, GRACE)
                    && is_about(label, incident, population)
            })
        };
        let mut hard = (0, 0);
        let mut unexplained = Vec::new();
        for (incident, explained) in opened.iter().zip(&explained) {
            if incident.detected_at < test {
                continue;
            }
            if during(incident) {
                hard.1 += 1;
                hard.0 += usize::from(*explained);
            }
            if !explained {
                unexplained.push(incident.clone());
            }
        }
        let days = self.size.days as f64;
        let key_days = self.size.keys as f64 * days / 1_000.0;
        let mut false_alarms = BTreeMap::new();
        for family in [
            Family::Errors,
            Family::Volume,
            Family::Novelty,
            Family::Window,
            Family::Event,
        ] {
            let of_family = unexplained
                .iter()
                .filter(|incident| incident.rule.family() == family);
            false_alarms.insert(family_name(family), of_family.count() as f64 / key_days);
        }
        let pages = unexplained
            .iter()
            .filter(|incident| incident.severity >= Severity::High)
            .count();
        Figures {
            verdicts,
            false_alarms,
            pages: pages as f64 * 7.0 / days,
            hard,
            unexplained,
            cost: (
                self.awareness_nanoseconds.0 as f64 / self.exchanges.max(1) as f64,
                self.awareness_nanoseconds.1 as f64 / self.key_minutes(),
            ),
        }
    }

    fn verdict(
        &self,
        label: &Label,
        count: &Count,
        population: &Population,
        opened: &[Incident],
        explained: &mut [bool],
    ) -> Verdict {
        let subject = label.subject(population);
        let mut first: Option<&Incident> = None;
        let mut told: Option<&Incident> = None;
        let mut echoes = 0;
        for (incident, explained) in opened.iter().zip(explained.iter_mut()) {
            if !overlaps(label, incident.detected_at, ECHO)
                || !is_about(label, incident, population)
            {
                continue;
            }
            let expected =
                label.class.rule() == Some(incident.rule) && *incident.subject.id == *subject;
            // Of a hard negative nothing but what it is may be told.
            if label.class.is_hard() && !expected {
                continue;
            }
            *explained = true;
            first = first.or(Some(incident));
            if expected && overlaps(label, incident.detected_at, GRACE) && told.is_none() {
                told = Some(incident);
            } else {
                echoes += 1;
            }
        }
        let from = count.times.first().copied().unwrap_or(label.from * SECOND);
        let until = told.map(|incident| incident.detected_at);
        let requests = until.map_or(0, |until| {
            count.times.iter().filter(|time| **time <= until).count()
        });
        let bound = FALSE_ALARMS / divergence(count.rate, count.usual.max(0.002));
        let provable = if label.class.is_rate() {
            count.times.len() as f64 >= 2.0 * bound
        } else {
            needs(label.class) <= count.times.len() && shows(label, population)
        };
        Verdict {
            class: label.class,
            strength: label.strength,
            provable,
            seconds: until.map(|until| until.saturating_sub(from) as f64 / SECOND as f64),
            delay: (label.class.is_rate() && told.is_some()).then(|| requests as f64 / bound),
            requests,
            right: told.is_some()
                && first.is_some_and(|first| {
                    // A leak begins with a new network.
                    let grows = label.class == Class::LeakedKey && first.rule == Rule::NewNetwork;
                    // Who does not wait is refused first.
                    let refused = label.class == Class::IgnoredRetryAfter
                        && first.rule == Rule::RateLimitPressure;
                    (grows || refused || label.class.rule() == Some(first.rule))
                        && *first.subject.id == *subject
                }),
            echoes,
        }
    }
}

/// Requests without which nothing can be said.
fn needs(class: Class) -> usize {
    match class {
        Class::SequentialEnumeration => 40,
        Class::RandomEnumeration => 60,
        Class::NewNetwork => 10,
        Class::LeakedKey => 60,
        Class::KeySharing => 80,
        Class::Exfiltration | Class::Upload => 40,
        Class::Surge => 20,
        Class::Pollution => 40,
        Class::IgnoredRetryAfter => 80,
        Class::LimitHugging => 120,
        // Two hundred distances, in blocks of fifty that began before.
        Class::Automation => 251,
        Class::ResourceConsumption => 40,
        Class::ShadowEndpoint | Class::ZombieEndpoint => 3,
        Class::CredentialStuffing | Class::KeyGuessing => 15,
        Class::Scanning => 20,
        Class::MethodProbing | Class::RateLimitEvasion => 10,
        // What stops is proven by what does not come.
        Class::Silence => 0,
        _ => 0,
    }
}

/// Whether a detector that knew the key's habits exactly could tell: of volumes, by how far out they are beside the key's own
/// bursts; of networks, by how long the key was known.
fn shows(label: &Label, population: &Population) -> bool {
    let Some(client) = population.clients.get(label.who) else {
        return false;
    };
    match label.class {
        Class::Surge => {
            let usual = client.rate * 1_800.0;
            let more = usual * label.strength.pick([3.0, 5.0, 10.0]);
            let spread = (1.0 + usual * client.burst * client.burst).sqrt();
            2.0 * (more.sqrt() - usual.sqrt()) / spread >= SPREADS
        }
        Class::Silence => {
            let usual = client.rate * 1_800.0 * (1.0 - client.daily.0);
            let spread = (1.0 + usual * client.burst * client.burst).sqrt();
            usual >= 30.0 && 2.0 * usual.sqrt() / spread >= SPREADS
        }
        Class::Exfiltration => {
            let times = label.strength.pick([8.0, 30.0, 300.0]);
            let more = client.rate * 300.0 * client.size.0.exp() * (times - 1.0);
            more >= 2.0 * 131_072.0
        }
        Class::Upload => {
            let bytes = label.strength.pick([200.0, 1_000.0, 5_000.0]) * 200.0;
            client.rate * 300.0 * bytes >= 2.0 * 131_072.0
        }
        // What it did before has to be known.
        Class::Automation => {
            client.rate * client.weekend * 0.4 * (label.from - BEGIN) as f64 >= 800.0
        }
        Class::ResourceConsumption => {
            let (routes, mut before) = (&population.routes, 0.0);
            let weighted = client.routes.iter().map(|(route, until)| {
                let weight = until - std::mem::replace(&mut before, *until);
                routes[*route].milliseconds * weight
            });
            let total = client.routes.last().map_or(1.0, |(_, weight)| *weight);
            let seconds = weighted.sum::<f64>() / total / 1_000.0;
            let more = label.strength.pick([10.0, 30.0, 100.0]) - 1.0;
            client.rate * 300.0 * seconds * more >= 2.0 * 5.0
        }
        Class::IgnoredRetryAfter => {
            // Twice the refusals that are needed, in the quietest five minutes.
            let refused = label.strength.pick([0.4, 0.6, 0.9]);
            client.rate * (1.0 - client.daily.0) * client.weekend * 300.0 * refused >= 20.0
        }
        Class::NewNetwork => {
            let minutes =
                (label.from - BEGIN) as f64 / 60.0 * (1.0 - (-60.0 * client.rate * 0.6).exp());
            minutes >= 1_500.0 * client.networks.len() as f64
        }
        Class::LeakedKey | Class::RandomEnumeration => {
            // Half of its routes have objects.
            client.rate * (label.from - BEGIN) as f64 / 3.0 >= 400.0
        }
        _ => true,
    }
}

/// Spreads that something has to be out to be told once in thousands of days.
const SPREADS: f64 = 9.0;

fn overlaps(label: &Label, time: u64, grace: u64) -> bool {
    let second = time / SECOND;
    second >= label.from && second <= label.until + grace
}

/// Whether an incident is about what a label is about, whatever it says of it.
fn is_about(label: &Label, incident: &Incident, population: &Population) -> bool {
    let subject = label.subject(population);
    if *incident.subject.id == *subject {
        return true;
    }
    match label.class {
        // Everything is about an outage; what fails on a route shows at its keys.
        Class::Outage => incident.rule == Rule::ProviderErrors,
        Class::RouteErrors => incident.rule == Rule::ProviderErrors,
        Class::Deploy => incident.rule == Rule::ErrorRate,
        Class::Marketing => incident.rule == Rule::VolumeSurge,
        Class::RateLimitEvasion => matches!(
            incident.rule,
            Rule::NewNetwork | Rule::LeakedKey | Rule::VolumeSurge
        ),
        Class::NewRegion => matches!(incident.rule, Rule::NewNetwork | Rule::LeakedKey),
        Class::Documented => incident.subject.id.ends_with(" /v1/unheard"),
        Class::Batch | Class::RetryStorm | Class::Rotation | Class::Machine => {
            let client = population.clients.get(label.who);
            client.is_some_and(|client| incident.subject.id.starts_with(&client.account))
        }
        Class::HealthChecks => {
            incident.subject.id.contains("healthz") || &*incident.subject.id == "10.91.0.0/24"
        }
        // What enumerates, leaks or scans also fails.
        _ => false,
    }
}

fn family_name(family: Family) -> &'static str {
    match family {
        Family::Errors => "error rates",
        Family::Volume => "volume, size and time",
        Family::Novelty => "novelty",
        Family::Window => "windows",
        Family::Event => "events",
    }
}

/// Kullback-Leibler divergence of one Bernoulli rate from another, in nats an exchange.
fn divergence(rate: f64, usual: f64) -> f64 {
    let rate = rate.clamp(1e-6, 1.0 - 1e-6);
    let usual = usual.clamp(1e-6, 1.0 - 1e-6);
    (rate * (rate / usual).ln() + (1.0 - rate) * ((1.0 - rate) / (1.0 - usual)).ln()).max(1e-9)
}
