//! What comes from elsewhere: guesses, scans, keys of others, and what comes past the gateway.

use std::fmt::Write;

use observer::tls::{Alpn, Hello, Version};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_distr::{Distribution, Poisson};

use super::labels::{Class, Label, PARAMETERS, RETIRED, attacker};
use super::population::{EXPIRED, FORMER, REVOKED};
use super::request::{API, Credential, DOCUMENTED, Request, Way};
use super::traffic::{TICK, TIMES, Traffic};

impl Traffic<'_> {
    /// What comes from elsewhere while a label goes on.
    pub(super) fn source(
        &mut self,
        index: usize,
        label: &Label,
        second: u64,
        requests: &mut Vec<Request>,
    ) {
        let seconds = label.until - label.from;
        let planned = match label.class {
            Class::CredentialStuffing | Class::KeyGuessing => {
                label.strength.pick([60.0, 200.0, 1_000.0])
            }
            Class::Scanning => label.strength.pick([80.0, 300.0, 1_000.0]),
            Class::MethodProbing => label.strength.pick([40.0, 100.0, 300.0]),
            Class::RateLimitEvasion => label.strength.pick([200.0, 600.0, 2_000.0]),
            Class::Revoked
            | Class::Expired
            | Class::Unkeyed
            | Class::Cleartext
            | Class::KeyInUrl
            | Class::Bypass
            | Class::Spoofed
            | Class::UnknownHost
            | Class::WeakTls => label.strength.pick([1.0, 5.0, 50.0]),
            Class::StrongTls => seconds as f64 / 10.0,
            Class::Replay => label.strength.pick([1.0, 3.0, 20.0]),
            Class::HealthChecks => seconds as f64 / 10.0,
            Class::Machine => 0.0,
            Class::ShadowEndpoint | Class::ZombieEndpoint => label.strength.pick([5.0, 15.0, 60.0]),
            Class::StrangeHosts | Class::Documented => seconds as f64 / 60.0,
            _ => return,
        };
        // There has to be something to repeat.
        if label.class == Class::Replay && second <= label.from + 600 {
            return;
        }
        // Its second key, every ten seconds on the dot.
        let machine = label.class == Class::Machine;
        // The first one comes at the beginning.
        let first = !self.begun[index] || machine;
        self.begun[index] = true;
        let mean = planned / seconds as f64 * TICK as f64;
        let more =
            Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(&mut self.random)) as usize;
        for _ in 0..more + usize::from(first) {
            let spread = if machine { 1 } else { TICK * 500_000_000 };
            let time = second.max(label.from) * 1_000_000_000 + self.random.random_range(0..spread);
            let request = self.elsewhere(label, time);
            let count = &mut self.counts[index];
            if count.times.len() < TIMES {
                count.times.push(time);
            }
            requests.push(request);
        }
    }

    fn elsewhere(&mut self, label: &Label, time: u64) -> Request {
        let random = &mut self.random;
        // What is numbered by itself comes from networks of its own, or it would speak for those of attackers.
        let network = label.who + if label.class.is_numbered() { 256 } else { 0 };
        let mut request = Request {
            time,
            client: attacker(network, "7"),
            way: Way::Proxy,
            credential: Credential::None,
            host: API,
            method: "GET",
            target: self.population.routes[0].path.replace("{}", "1"),
            agent: "python/3".to_owned(),
            fields: "",
            port: 8080,
            sent: 0,
            status: 200,
            answer: String::new(),
            received: 300,
            took: 4_000_000,
        };
        match label.class {
            Class::CredentialStuffing => {
                let mut pair = String::new();
                let _ = write!(pair, "user{}:pass", random.random_range(0..1_000_000));
                request.credential = Credential::Basic(pair);
                request.target = "/v1/login".to_owned();
                request.status = if random.random_bool(0.01) { 200 } else { 401 };
            }
            Class::KeyGuessing => {
                request.credential = Credential::Key(format!("guess-{}", random.random::<u64>()));
                request.status = 401;
            }
            Class::Scanning => {
                request.target = match random.random_range(0..4) {
                    0 => (*["/.env", "/.git/config", "/wp-login.php", "/actuator/env"]
                        .choose(random)
                        .unwrap_or(&"/.env"))
                    .to_owned(),
                    _ => format!(
                        "/admin{}/{}",
                        random.random_range(0..1_000),
                        random.random_range(0..1_000)
                    ),
                };
                request.status = 404;
            }
            Class::MethodProbing => {
                request.method = ["DELETE", "PUT", "PATCH", "TRACE"]
                    .choose(random)
                    .copied()
                    .unwrap_or("PUT");
                request.target = self.population.routes[random.random_range(0..20)]
                    .path
                    .replace("{}", "1");
                request.status = 405;
            }
            Class::RateLimitEvasion => {
                let keys = label.strength.pick([8, 15, 30]);
                let clients = self.population.clients.len();
                let first = label.who * 31 + random.random_range(0..keys) * 7;
                // A key that nobody has begun to use cannot have leaked.
                let cold = |number: usize| {
                    let mut labels = self.labels.iter();
                    labels.any(|label| label.class == Class::ColdErrorRate && label.who == number)
                };
                let pick = (0..clients)
                    .map(|more| (first + more) % clients)
                    .find(|number| !cold(*number))
                    .unwrap_or(0);
                request.credential = Credential::Key(self.population.clients[pick].secret.clone());
            }
            Class::Revoked => {
                request.credential =
                    Credential::Key(format!("secret-of-{REVOKED}{}", label.who % FORMER));
                request.client = "10.90.1.1".to_owned();
            }
            Class::Expired => {
                request.credential =
                    Credential::Key(format!("secret-of-{EXPIRED}{}", label.who % FORMER));
                request.client = "10.90.2.1".to_owned();
            }
            Class::Unkeyed => {
                request.target = self.population.routes[label.route].path.replace("{}", "1");
            }
            Class::WeakTls => {
                request.port = 20_000 + label.who as u16;
                let (version, cipher) = *[
                    (Version::Tls10, 0xc014),
                    (Version::Tls11, 0xc014),
                    (Version::Tls12, 0x000a),
                ]
                .choose(random)
                .unwrap_or(&(Version::Ssl3, 0x0005));
                request.way = Way::Tls(Some(Hello {
                    version,
                    cipher,
                    alpn: Alpn::None,
                }));
            }
            Class::StrongTls => {
                request.port = 20_000 + label.who as u16;
                let hello = match random.random_range(0..10) {
                    0 => None,
                    1..4 => Some((Version::Tls12, 0xc02f)),
                    _ => Some((Version::Tls13, 0x1301)),
                };
                let hello = hello.map(|(version, cipher)| Hello {
                    version,
                    cipher,
                    alpn: Alpn::None,
                });
                request.way = Way::Tls(hello);
            }
            Class::Cleartext => {
                request.way = Way::Gateway;
                request.port = 8_000 + label.who as u16;
                let client = &self.population.clients[0];
                request.credential = Credential::Key(client.secret.clone());
                request.client = format!(
                    "10.{}.{}.2",
                    16 + client.networks[0] / 256,
                    client.networks[0] % 256
                );
            }
            Class::KeyInUrl => {
                let client = &self.population.clients[label.who % self.population.clients.len()];
                request.credential = Credential::Query(
                    PARAMETERS[label.who % PARAMETERS.len()],
                    client.secret.clone(),
                );
                request.client = format!(
                    "10.{}.{}.{}",
                    16 + client.networks[0] / 256,
                    client.networks[0] % 256,
                    2 + label.who % 200
                );
            }
            Class::Bypass => {
                request.way = Way::Straight;
                request.target = "/v1/status".to_owned();
            }
            Class::Spoofed => {
                request.target = "/v1/status".to_owned();
                request.way = Way::Straight;
                request.fields = "X-Consumer-Username: account001\r\n";
            }
            Class::UnknownHost => {
                request.host = "internal.example";
                request.port = 9_000 + label.who as u16;
            }
            Class::StrangeHosts if random.random_bool(0.5) => {
                request.host = "internal.example";
                request.status = 421;
            }
            Class::StrangeHosts => {
                request.host = "127.0.0.1:8080";
                request.target = "/healthz".to_owned();
                request.client = "10.91.0.6".to_owned();
            }
            Class::ShadowEndpoint => {
                request.host = DOCUMENTED;
                request.target = format!("/v1/shadow{}", label.who);
            }
            Class::ZombieEndpoint => {
                request.host = DOCUMENTED;
                request.target = format!("/v1/old{}", label.who % (RETIRED - 1));
            }
            Class::Documented => {
                request.host = DOCUMENTED;
                (request.target, request.status) = match random.random_range(0..3) {
                    0 => (format!("/v1/old{}", RETIRED - 1), 410),
                    1 => ("/v1/unheard".to_owned(), 403),
                    _ => ("/v1/items".to_owned(), 200),
                };
            }
            Class::Machine => {
                let client = &self.population.clients[label.who];
                request.credential = Credential::Key(format!("{}-2", client.secret));
                request.client = format!(
                    "10.{}.{}.2",
                    16 + client.networks[0] / 256,
                    client.networks[0] % 256
                );
                request.method = "POST";
                request.target = "/v1/list1".to_owned();
            }
            Class::Replay => {
                let client = &self.population.clients[label.who];
                let known = self.signature;
                request.credential = Credential::Signed(client.secret.clone(), known);
            }
            _ => {
                request.target = "/healthz".to_owned();
                request.client = "10.91.0.5".to_owned();
                request.agent = "kube-probe/1".to_owned();
            }
        }
        request
    }
}
