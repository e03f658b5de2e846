//! Who calls, how often, for what, from where, and what goes wrong with it on a usual day.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Beta, Distribution, LogNormal, Zipf};

/// Routes.
pub const ROUTES: usize = 50;

/// One key.
#[derive(Clone, Debug)]
pub struct Client {
    /// Account: the consumer.
    pub account: String,
    /// Plan of the account.
    pub plan: &'static str,
    /// The secret.
    pub secret: String,
    /// Requests a second, in the mean.
    pub rate: f64,
    /// Depth and phase of its day.
    pub daily: (f64, f64),
    /// Share of its rate that is left on weekends.
    pub weekend: f64,
    /// How bursty it is: deviation of the logarithm of its rate.
    pub burst: f64,
    /// Second octets of its networks; it uses the first, or all in turn if it roams.
    pub networks: Vec<u16>,
    /// Seconds that it stays on a network.
    pub stay: u64,
    /// Routes with their cumulative weights.
    pub routes: Vec<(usize, f64)>,
    /// Usual rates of 4xx, 401/403, 429.
    pub errors: [f64; 3],
    /// Objects of its own.
    pub objects: (u64, u64),
    /// Share of its requests that write.
    pub writes: f64,
    /// Share of requests for objects that it never asked for.
    pub curious: f64,
    /// Bytes of a response: mean and deviation of the logarithm.
    pub size: (f64, f64),
    /// User agent.
    pub agent: String,
    /// Days after the beginning that it appears.
    pub born: u64,
}

/// One route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Path, with `{}` for an object.
    pub path: String,
    /// Service time in milliseconds.
    pub milliseconds: f64,
    /// Usual rate of 5xx.
    pub failing: f64,
}

/// Everybody.
#[derive(Clone, Debug)]
pub struct Population {
    /// Keys.
    pub clients: Vec<Client>,
    /// Routes.
    pub routes: Vec<Route>,
}

impl Population {
    /// The population of a seed.
    ///
    /// # Panics
    /// Never: the parameters are constants in range.
    pub fn new(seed: u64, keys: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let routes = (0..ROUTES)
            .map(|number| Route {
                path: if number % 2 == 0 {
                    format!("/v1/resource{number}/{{}}")
                } else {
                    format!("/v1/list{number}")
                },
                milliseconds: LogNormal::new(3.0, 0.8)
                    .expect("in range")
                    .sample(&mut random),
                failing: Beta::new(1.0, 800.0).expect("in range").sample(&mut random),
            })
            .collect();
        let clients = (0..keys)
            .map(|number| client(number, &mut random))
            .collect();
        Self { clients, routes }
    }

    /// The registry of everybody, as a document; `fingerprint` makes what stands for a secret. The keys of `revoked` and
    /// `expired` accounts are so, those of `rotating` are being replaced.
    pub fn registry(&self, fingerprint: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        for plan in ["gold", "silver", "free"] {
            text.push_str(&format!("[[plan]]\nid = \"{plan}\"\n"));
        }
        let mut account = |account: &str, plan: &str, keys: &[(&str, &str, &str)]| {
            text.push_str(&format!(
                "[[account]]\nid = \"{account}\"\nplan = \"{plan}\"\n[[account.app]]\nid = \"{account}-app\"\n"
            ));
            for (number, secret, more) in keys {
                let fingerprint = fingerprint(secret);
                text.push_str(&format!(
                    "[[account.app.key]]\nid = \"{account}-{number}\"\nfp = \"{fingerprint}\"\n{more}\n"
                ));
            }
        };
        for client in &self.clients {
            let second = format!("{}-2", client.secret);
            let keys = [("k1", &*client.secret, ""), ("k2", &second, "")];
            account(&client.account, client.plan, &keys);
        }
        for number in 0..FORMER {
            for (name, more) in [
                (REVOKED, "state = \"revoked\""),
                (EXPIRED, "expires = 2026-01-01T00:00:00Z"),
            ] {
                let name = format!("{name}{number}");
                account(&name, "free", &[("k1", &format!("secret-of-{name}"), more)]);
            }
        }
        text
    }
}

/// Accounts of either kind.
pub const FORMER: usize = 64;
/// Accounts with a revoked key begin so.
pub const REVOKED: &str = "revoked";
/// Accounts with an expired one begin so.
pub const EXPIRED: &str = "expired";

fn client(number: usize, random: &mut ChaCha8Rng) -> Client {
    let account = format!("account{number:03}");
    let rate = LogNormal::new((1.0_f64 / 60.0).ln(), 1.3)
        .expect("in range")
        .sample(random);
    let roams = random.random_bool(0.15);
    let networks = if roams {
        random.random_range(4..12)
    } else {
        1 + usize::from(random.random_bool(0.2))
    };
    let count = random.random_range(3..9);
    let mut weight = 0.0;
    let routes = (0..count)
        .map(|rank| {
            weight += 1.0 / f64::from(rank + 1);
            let zipf = Zipf::new(super::population::ROUTES as f64, 1.0).expect("in range");
            (zipf.sample(random) as usize - 1, weight)
        })
        .collect();
    let mut rate_of = |a: f64, b: f64| -> f64 { Beta::new(a, b).expect("in range").sample(random) };
    let errors = [rate_of(1.0, 60.0), rate_of(0.5, 400.0), rate_of(0.5, 400.0)];
    let own = random.random_range(20..400);
    Client {
        plan: ["gold", "silver", "free"][number % 3],
        secret: format!("secret-of-{account}"),
        account,
        rate: rate.min(3.0),
        daily: (random.random_range(0.1..0.8), random.random_range(0.0..1.0)),
        weekend: random.random_range(0.4..1.0),
        burst: random.random_range(0.1..0.35),
        networks: (0..networks)
            .map(|_| random.random_range(0..4_000))
            .collect(),
        stay: random.random_range(1_800..14_400),
        routes,
        errors,
        objects: (random.random_range(1_000..1_000_000), own),
        writes: if number.is_multiple_of(4) { 0.4 } else { 0.0 },
        curious: random.random_range(0.0..0.1),
        size: (random.random_range(6.0..9.0), random.random_range(0.3..0.9)),
        agent: format!("sdk/{}", number % 17),
        born: 0,
    }
}
