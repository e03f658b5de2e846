//! What is planted: when, at whom, how strong, and what has to be said of it.

use observer::awareness::Rule;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::population::{Client, EXPIRED, FORMER, Population, REVOKED};
use super::request::{API, DOCUMENTED};
use super::traffic::{TICK, usual_at};
use super::{BEGIN, Size};

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A key gets 4xx.
    ErrorRate,
    /// A key that appeared the same day gets 4xx.
    ColdErrorRate,
    /// A key gets 401.
    AuthFailures,
    /// A key gets 429.
    RateLimitPressure,
    /// A route answers everybody with 5xx.
    RouteErrors,
    /// Everything answers with 5xx.
    Outage,
    /// Users are tried.
    CredentialStuffing,
    /// Keys are tried.
    KeyGuessing,
    /// A revoked key is accepted.
    Revoked,
    /// An expired one is.
    Expired,
    /// No key is needed any more.
    Unkeyed,
    /// Objects one after the other.
    SequentialEnumeration,
    /// Objects at random.
    RandomEnumeration,
    /// Larger responses.
    Exfiltration,
    /// Larger requests.
    Upload,
    /// Paths that are not there.
    Scanning,
    /// Methods that are not there.
    MethodProbing,
    /// Keys in turn.
    RateLimitEvasion,
    /// More requests.
    Surge,
    /// No requests.
    Silence,
    /// Another network.
    NewNetwork,
    /// Several networks at once.
    KeySharing,
    /// Another network, and other behaviour.
    LeakedKey,
    /// A signature again.
    Replay,
    /// A key in the clear.
    Cleartext,
    /// A key in a URL.
    KeyInUrl,
    /// Past the gateway.
    Bypass,
    /// Identity fields from elsewhere.
    Spoofed,
    /// A parameter twice.
    Pollution,
    /// A route is slow.
    Latency,
    /// Everybody asks more often: nothing is wrong with anybody.
    Marketing,
    /// A deploy answers everybody with 4xx on a route: one incident, of the route.
    Deploy,
    /// Keys move to new networks together: nothing.
    NewRegion,
    /// A key reads all of its own objects: nothing.
    Batch,
    /// A minute of retries: nothing.
    RetryStorm,
    /// A key is replaced by another: nothing.
    Rotation,
    /// Health checks begin: nothing.
    HealthChecks,
    /// A host that is not configured answers.
    UnknownHost,
    /// Obsolete TLS, among handshakes that are none.
    WeakTls,
    /// A path answers that the document does not have.
    ShadowEndpoint,
    /// An operation answers that the document calls deprecated.
    ZombieEndpoint,
    /// A strange host is refused, and health is checked by address: nothing.
    StrangeHosts,
    /// Handshakes of today, and obsolete ones that the server refuses: nothing.
    StrongTls,
    /// What is deprecated or not declared is asked for and refused: nothing.
    Documented,
    /// A key is told to wait and does not.
    IgnoredRetryAfter,
    /// A key is told to wait, and waits: it is refused more often, and nothing else.
    PoliteRetries,
    /// A key takes all that it may, minute by minute.
    LimitHugging,
    /// A key asks as steadily for much less than it may: nothing.
    SteadyBelow,
    /// A key's requests take long to serve.
    ResourceConsumption,
    /// A key begins to write like clockwork.
    Automation,
    /// A machine begins to write, like clockwork from its first request: nothing.
    Machine,
}

/// How strong it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Hard to see.
    Weak,
    /// As one would imagine it.
    Medium,
    /// Plain.
    Strong,
}

/// One thing that is planted. Times are seconds since 1970.
#[derive(Clone, Debug)]
pub struct Label {
    /// What.
    pub class: Class,
    /// How strong.
    pub strength: Strength,
    /// When it begins and is over.
    pub from: u64,
    /// When it is over.
    pub until: u64,
    /// Whose it is, by number; for those without a key, a number of its own.
    pub who: usize,
    /// Route, by number.
    pub route: usize,
}

impl Class {
    /// Incidents.
    pub const ATTACKS: [Self; 38] = [
        Self::ErrorRate,
        Self::ColdErrorRate,
        Self::AuthFailures,
        Self::RateLimitPressure,
        Self::RouteErrors,
        Self::Outage,
        Self::CredentialStuffing,
        Self::KeyGuessing,
        Self::Revoked,
        Self::Expired,
        Self::Unkeyed,
        Self::SequentialEnumeration,
        Self::RandomEnumeration,
        Self::Exfiltration,
        Self::Upload,
        Self::Scanning,
        Self::MethodProbing,
        Self::RateLimitEvasion,
        Self::Surge,
        Self::Silence,
        Self::NewNetwork,
        Self::KeySharing,
        Self::LeakedKey,
        Self::Replay,
        Self::Cleartext,
        Self::KeyInUrl,
        Self::Bypass,
        Self::Spoofed,
        Self::Pollution,
        Self::Latency,
        Self::UnknownHost,
        Self::WeakTls,
        Self::ShadowEndpoint,
        Self::ZombieEndpoint,
        Self::IgnoredRetryAfter,
        Self::LimitHugging,
        Self::ResourceConsumption,
        Self::Automation,
    ];
    /// What looks like one and is none.
    pub const HARD: [Self; 13] = [
        Self::Marketing,
        Self::Deploy,
        Self::NewRegion,
        Self::Batch,
        Self::RetryStorm,
        Self::Rotation,
        Self::HealthChecks,
        Self::StrangeHosts,
        Self::StrongTls,
        Self::Documented,
        Self::PoliteRetries,
        Self::SteadyBelow,
        Self::Machine,
    ];

    /// The rule that has to say so; `None` where none may.
    pub fn rule(self) -> Option<Rule> {
        Some(match self {
            Self::ErrorRate | Self::ColdErrorRate | Self::Deploy => Rule::ErrorRate,
            Self::AuthFailures => Rule::AuthFailures,
            Self::RateLimitPressure => Rule::RateLimitPressure,
            Self::RouteErrors | Self::Outage => Rule::ProviderErrors,
            Self::CredentialStuffing => Rule::CredentialStuffing,
            Self::KeyGuessing => Rule::KeyGuessing,
            Self::Revoked => Rule::RevokedKeyAccepted,
            Self::Expired => Rule::ExpiredKeyAccepted,
            Self::Unkeyed => Rule::UnkeyedSuccess,
            Self::SequentialEnumeration | Self::RandomEnumeration => Rule::ObjectEnumeration,
            Self::Exfiltration => Rule::Exfiltration,
            Self::Upload => Rule::UploadVolume,
            Self::Scanning => Rule::Scanning,
            Self::MethodProbing => Rule::MethodProbing,
            Self::RateLimitEvasion => Rule::RateLimitEvasion,
            Self::Surge => Rule::VolumeSurge,
            Self::Silence => Rule::Silence,
            Self::NewNetwork => Rule::NewNetwork,
            Self::KeySharing => Rule::KeySharing,
            Self::LeakedKey => Rule::LeakedKey,
            Self::Replay => Rule::ReplayedSignature,
            Self::Cleartext => Rule::CleartextCredential,
            Self::KeyInUrl => Rule::CredentialInUrl,
            Self::Bypass => Rule::GatewayBypass,
            Self::Spoofed => Rule::SpoofedIdentity,
            Self::Pollution => Rule::ParameterPollution,
            Self::Latency => Rule::Latency,
            Self::UnknownHost => Rule::UnknownHost,
            Self::WeakTls => Rule::WeakTls,
            Self::ShadowEndpoint => Rule::ShadowEndpoint,
            Self::ZombieEndpoint => Rule::ZombieEndpoint,
            Self::Marketing => Rule::VolumeSurge,
            Self::IgnoredRetryAfter => Rule::IgnoredRetryAfter,
            Self::PoliteRetries => Rule::RateLimitPressure,
            Self::LimitHugging => Rule::LimitHugging,
            Self::ResourceConsumption => Rule::ResourceConsumption,
            Self::Automation => Rule::Automation,
            Self::NewRegion
            | Self::Batch
            | Self::RetryStorm
            | Self::Rotation
            | Self::HealthChecks
            | Self::StrangeHosts
            | Self::StrongTls
            | Self::Documented
            | Self::SteadyBelow
            | Self::Machine => return None,
        })
    }

    /// Whether it looks like an incident and is none.
    pub fn is_hard(self) -> bool {
        Self::HARD.contains(&self)
    }

    /// Whether one event is enough to prove it.
    pub fn is_certain(self) -> bool {
        matches!(
            self,
            Self::Revoked
                | Self::Expired
                | Self::Replay
                | Self::Cleartext
                | Self::KeyInUrl
                | Self::Bypass
                | Self::Spoofed
                | Self::Unkeyed
                | Self::UnknownHost
                | Self::WeakTls
        )
    }

    /// Whether its subjects are numbered by themselves.
    pub fn is_numbered(self) -> bool {
        matches!(
            self,
            Self::KeyInUrl
                | Self::Revoked
                | Self::Expired
                | Self::Cleartext
                | Self::UnknownHost
                | Self::WeakTls
                | Self::StrongTls
                | Self::ShadowEndpoint
                | Self::ZombieEndpoint
        )
    }

    /// Whether errors are tested exchange by exchange.
    pub fn is_rate(self) -> bool {
        matches!(
            self,
            Self::ErrorRate | Self::ColdErrorRate | Self::AuthFailures | Self::RateLimitPressure
        )
    }

    /// How long it lasts.
    fn minutes(self) -> u64 {
        match self {
            Self::Surge | Self::Exfiltration | Self::Upload | Self::Latency => 60,
            Self::Silence | Self::Marketing => 180,
            Self::KeySharing | Self::Batch | Self::Deploy => 30,
            Self::RetryStorm => 1,
            Self::Rotation | Self::NewRegion | Self::HealthChecks | Self::Machine => 24 * 60,
            Self::Automation => 120,
            Self::ErrorRate
            | Self::ColdErrorRate
            | Self::AuthFailures
            | Self::RateLimitPressure => 240,
            Self::IgnoredRetryAfter
            | Self::PoliteRetries
            | Self::LimitHugging
            | Self::SteadyBelow
            | Self::ResourceConsumption => 60,
            Self::NewNetwork | Self::LeakedKey => 60,
            Self::Outage => 5,
            _ => 20,
        }
    }

    /// Times that it is planted at each strength in a week.
    fn times(self) -> usize {
        match self {
            Self::ErrorRate => 8,
            Self::ColdErrorRate | Self::Surge | Self::Silence => 5,
            Self::Outage | Self::Marketing => 1,
            _ => 3,
        }
    }
}

impl Strength {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Weak, Self::Medium, Self::Strong];

    /// One of three.
    pub fn pick<T>(self, of: [T; 3]) -> T {
        let [weak, medium, strong] = of;
        match self {
            Self::Weak => weak,
            Self::Medium => medium,
            Self::Strong => strong,
        }
    }
}

impl Label {
    /// Name of the subject that has to be named, by its beginning.
    pub fn subject(&self, population: &Population) -> String {
        let key = || {
            population
                .clients
                .get(self.who)
                .map(|client| key_of(&client.account))
        };
        match self.class {
            Class::RouteErrors | Class::Latency | Class::Unkeyed | Class::Deploy => {
                let route = population
                    .routes
                    .get(self.route)
                    .map_or("", |route| &route.path);
                format!("{API} {}", route.replace("{}", "{id}"))
            }
            Class::Outage | Class::Marketing => "this host".to_owned(),
            Class::Revoked => key_of(&format!("{REVOKED}{}", self.who % FORMER)),
            Class::Expired => key_of(&format!("{EXPIRED}{}", self.who % FORMER)),
            Class::CredentialStuffing
            | Class::KeyGuessing
            | Class::Scanning
            | Class::MethodProbing
            | Class::RateLimitEvasion
            | Class::Bypass
            | Class::Spoofed => format!("{}0/24", attacker(self.who, "")),
            Class::Cleartext => format!("eth0:{}", 8_000 + self.who),
            Class::UnknownHost => format!("lo:{}", 9_000 + self.who),
            Class::StrangeHosts => "lo:8080".to_owned(),
            Class::WeakTls | Class::StrongTls => format!("eth0:{}", 20_000 + self.who),
            Class::ShadowEndpoint => format!("{DOCUMENTED} /v1/shadow{}", self.who),
            Class::ZombieEndpoint => {
                format!("{DOCUMENTED} /v1/old{}", self.who % (RETIRED - 1))
            }
            Class::Documented => format!("{DOCUMENTED} /v1/old{}", RETIRED - 1),
            Class::KeyInUrl => format!(
                "api.example query:{}",
                PARAMETERS[self.who % PARAMETERS.len()]
            ),
            _ => key().unwrap_or_default(),
        }
    }
}

/// Query parameters that carry keys.
pub const PARAMETERS: [&str; 8] = [
    "api_key",
    "apikey",
    "api-key",
    "key",
    "access_token",
    "token",
    "auth",
    "code",
];

/// Deprecated operations that the document declares; the last one is never answered with success.
pub const RETIRED: usize = 64;

/// What the first key of an account is called in incidents.
pub fn key_of(account: &str) -> String {
    format!("{account}/{account}-k1")
}

/// The address of an attacker: its network and the end of it.
pub fn attacker(number: usize, end: &str) -> String {
    format!("198.{}.{}.{end}", 18 + number / 256 % 2, number % 256)
}

/// Plants everything.
pub fn plant(seed: u64, size: Size, population: &Population) -> Vec<Label> {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    let mut labels: Vec<Label> = Vec::new();
    let begin = BEGIN + size.training * 86_400;
    // Those without a key have numbers of their own, so that no two are about the same subject.
    let mut attackers = 0;
    let mut numbered = std::collections::BTreeMap::<Class, usize>::new();
    let clients = population.clients.len();
    // One that is added later takes no place from those before it.
    let mut classes: Vec<Class> = Class::ATTACKS.into_iter().chain(Class::HARD).collect();
    classes.sort_unstable();
    for class in classes {
        let strengths: &[Strength] = if class.is_hard() {
            &[Strength::Medium]
        } else {
            &Strength::ALL
        };
        for strength in strengths {
            let times = (class.times() as u64 * size.days).div_ceil(7).max(1);
            for _ in 0..times {
                // A place and time of its own: what follows on the heels of another would say nothing.
                for _ in 0..1_000 {
                    let length = class.minutes() * 60;
                    let from = begin
                        + random.random_range(
                            3_600
                                ..size.days * 86_400
                                    - length.min(size.days * 86_400 - 10_800)
                                    - 3_600,
                        );
                    let label = Label {
                        class,
                        strength: *strength,
                        from: from / TICK * TICK,
                        until: from / TICK * TICK + length,
                        who: random.random_range(0..clients),
                        route: random.random_range(0..24),
                    };
                    if is_apart(&label, &labels, population) {
                        let numbered = numbered.entry(class).or_default();
                        *numbered += 1;
                        let who = match class {
                            class if class.is_numbered() => *numbered,
                            _ if has_key(class) => label.who,
                            _ => {
                                attackers += 1;
                                attackers
                            }
                        };
                        labels.push(Label { who, ..label });
                        break;
                    }
                }
            }
        }
    }
    labels.sort_by_key(|label| label.from);
    labels
}

/// Whether it is about a key of the population.
fn has_key(class: Class) -> bool {
    !matches!(
        class,
        Class::CredentialStuffing
            | Class::KeyGuessing
            | Class::Scanning
            | Class::MethodProbing
            | Class::RateLimitEvasion
            | Class::Bypass
            | Class::Spoofed
            | Class::Revoked
            | Class::Expired
            | Class::Cleartext
            | Class::KeyInUrl
            | Class::Unkeyed
            | Class::UnknownHost
            | Class::WeakTls
            | Class::StrongTls
            | Class::StrangeHosts
            | Class::ShadowEndpoint
            | Class::ZombieEndpoint
            | Class::Documented
    )
}

/// Whether it concerns everybody.
fn is_common(class: Class) -> bool {
    matches!(class, Class::Outage | Class::Marketing)
}

/// How often a key asks at a time, in the mean.
fn at(client: &Client, second: u64) -> f64 {
    client.rate * usual_at(client, second)
}

fn is_apart(label: &Label, others: &[Label], population: &Population) -> bool {
    let Some(client) = population.clients.get(label.who) else {
        return false;
    };
    let roams = client.networks.len() > 2;
    let suits = match label.class {
        // Of who roams, nobody can say that a network is new.
        Class::NewNetwork | Class::LeakedKey | Class::NewRegion | Class::KeySharing => {
            let reads = client.routes.iter().any(|(route, _)| route % 2 == 0);
            reads && !roams && client.rate > 1.0 / 120.0
        }
        Class::SequentialEnumeration | Class::RandomEnumeration | Class::Batch => {
            let reads = client.routes.iter().any(|(route, _)| route % 2 == 0);
            reads && client.rate > 1.0 / 60.0
        }
        Class::Silence | Class::Surge => client.rate > 2.0 / 60.0,
        Class::Rotation => client.rate > 2.0 / 60.0,
        Class::Exfiltration | Class::Upload | Class::RetryStorm => client.rate > 1.0 / 60.0,
        // The most popular ones, so that there is something to see.
        Class::RouteErrors | Class::Deploy | Class::Latency => label.route < 6,
        Class::Unkeyed => label.route < 12,
        Class::Pollution | Class::Replay => client.rate > 1.0 / 120.0,
        Class::IgnoredRetryAfter => client.rate > 8.0 / 60.0,
        Class::ResourceConsumption => client.rate > 2.0 / 60.0,
        Class::Automation => client.writes > 0.0 && at(client, label.from) > 2.0 / 60.0,
        Class::LimitHugging | Class::SteadyBelow => at(client, label.from) > 6.0 / 60.0,
        // Waiting must not make it ask for much less than it does.
        Class::PoliteRetries => client.rate > 4.0 / 60.0 && client.rate < 20.0 / 60.0,
        _ => true,
    };
    suits
        && others.iter().all(|other| {
            let margin = 2 * 3600;
            let away = label.from > other.until + margin || other.from > label.until + margin;
            let long = |class| {
                matches!(
                    class,
                    Class::NewRegion
                        | Class::HealthChecks
                        | Class::StrangeHosts
                        | Class::Documented
                        | Class::Machine
                        | Class::Rotation
                )
            };
            let same_key = has_key(label.class) && has_key(other.class) && label.who == other.who;
            let same_kind = label.class == other.class && !has_key(label.class);
            let unkeyed = label.class == Class::Unkeyed
                && other.class == label.class
                && label.route == other.route;
            let on_route = |class| {
                matches!(
                    class,
                    Class::RouteErrors | Class::Deploy | Class::Latency | Class::Unkeyed
                )
            };
            let same_route =
                on_route(label.class) && on_route(other.class) && label.route == other.route;
            let common = (is_common(label.class) && !long(other.class))
                || (is_common(other.class) && !long(label.class));
            // After an incident a key needs time to be itself again.
            let settled =
                label.from > other.until + 12 * 3600 || other.from > label.until + 12 * 3600;
            (away || !(common || same_kind)) && (settled || !(same_key || same_route)) && !unkeyed
        })
}
