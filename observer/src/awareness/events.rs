//! Rules that one exchange can break, alone or as the last of a few within minutes.

use super::cause::percent;
use super::incident::{Evidence, Finding, Kind, Subject, network};
use super::rules::{Rule, Severity};
use super::source::Source;
use super::{Awareness, Class, SECOND, SIGNATURES, Seen};
use crate::identity::traits::{hash, sign};
use crate::route::OTHER;
use crate::usage::{Call, Outcome, UNREGISTERED};

/// Paths that are not there, before it is a scan.
const PATHS: usize = 15;
/// Paths of scanners.
const PROBES: usize = 3;
/// Methods that routes do not have.
const METHODS: usize = 5;
/// Credentials that nobody has, before it is guessing.
const GUESSES: usize = 10;
/// Requests of one network with refused credentials, before it is worth telling.
const REFUSED: u64 = 40;
/// Consumers whose keys one network uses in turn.
const CONSUMERS: usize = 6;
/// Seconds for which a signature may come again from where it came from.
const RETRIES: u64 = 300;
/// Seconds for which a rule does not repeat itself, and things that it remembers having said.
const QUIET: u64 = 10;
const SAID: usize = 16_384;
/// Requests for objects before it is known which are new to a key, and minutes that a key has to be known for.
const OBJECTS: f64 = 200.0;
const AGE: u64 = 24 * 60;
/// Seconds after which a key that went through objects is judged anew.
const WALKS: u64 = 600;
/// Objects that are new to a key, one after the other, before it is worth telling.
const LEAST: u32 = 15;
/// Seconds of getting to know the networks of a host.
const LEARNING: u64 = 3600;

impl Awareness {
    /// Judges an exchange by every rule that it could break.
    pub(super) fn judge(&mut self, call: &Call, seen: &Seen) {
        if call.traits.signs != 0 {
            self.signs(call, seen);
        }
        if call.traits.signature != 0 {
            self.signature(call, seen);
        }
        if seen.success && call.method.as_deref() != Some("OPTIONS") {
            self.access(call, seen);
        }
        if let Some(object) = call.traits.object
            && call.credential.is_some()
            && seen.verified
        {
            self.object(call, seen, object);
        }
        self.by_source(call, seen);
    }

    fn signs(&mut self, call: &Call, seen: &Seen) {
        let traits = call.traits;
        if seen.success {
            self.key_signs(call, seen);
        }
        if let Some(credential) = &call.credential {
            let location = u64::from(hash(credential.location.as_bytes()));
            if traits.has(sign::IN_URL) && self.is_news(Rule::CredentialInUrl, location, seen) {
                let subject = Subject::named(
                    Kind::Location,
                    &format!("{} {}", call.api, credential.location),
                );
                let words = "credentials stand in request targets".to_owned();
                self.tell(Rule::CredentialInUrl, subject, words, call, seen);
            }
            let port = u64::from(call.server.port());
            if traits.has(sign::CLEARTEXT) && self.is_news(Rule::CleartextCredential, port, seen) {
                let subject = Subject::named(Kind::Listener, &format!("{}:{port}", call.interface));
                let words = "credentials come in without encryption".to_owned();
                self.tell(Rule::CleartextCredential, subject, words, call, seen);
            }
        }
        let network = || u64::from(super::network_hash(call.peer.ip()));
        if traits.has(sign::SPOOFED) {
            if self.is_news(Rule::SpoofedIdentity, network(), seen) {
                let words = "sets identity fields that only a gateway may".to_owned();
                self.tell(
                    Rule::SpoofedIdentity,
                    Subject::network(call.peer.ip()),
                    words,
                    call,
                    seen,
                );
            }
        } else if traits.has(sign::BYPASS) && self.is_news(Rule::GatewayBypass, network(), seen) {
            let words = format!(
                "comes past the gateway, answered with {}",
                call.status.unwrap_or(0)
            );
            self.tell(
                Rule::GatewayBypass,
                Subject::network(call.peer.ip()),
                words,
                call,
                seen,
            );
        }
    }

    /// What speaks against a key that was let in.
    fn key_signs(&mut self, call: &Call, seen: &Seen) {
        let traits = call.traits;
        let Some(number) = seen.key else { return };
        let status = call.status.unwrap_or(0);
        let polluted = traits.has(sign::POLLUTED)
            && self
                .places
                .get_mut(seen.place)
                .is_some_and(|place| place.access.observe_polluted());
        let from = || {
            format!(
                "accepted from {}, which is none of its networks",
                network(call.client.ip())
            )
        };
        let end = if traits.has(sign::EXPIRED) {
            "expired"
        } else {
            "not valid yet"
        };
        let signs: [(bool, Rule, &dyn Fn() -> String); 4] = [
            (traits.has(sign::REVOKED), Rule::RevokedKeyAccepted, &|| {
                format!("revoked or suspended, and answered with {status}")
            }),
            (
                traits.has(sign::EXPIRED) || traits.has(sign::EARLY),
                Rule::ExpiredKeyAccepted,
                &|| format!("{end}, and answered with {status}"),
            ),
            (traits.has(sign::FOREIGN), Rule::NewNetwork, &from),
            (polluted, Rule::ParameterPollution, &|| {
                "gave a parameter twice, which nobody does on this route".to_owned()
            }),
        ];
        for (applies, rule, words) in signs {
            if applies
                && self.is_news(rule, u64::from(number), seen)
                && let Some(subject) = self.keys.get(number).map(|key| key.subject())
            {
                self.tell(rule, subject, words(), call, seen);
            }
        }
    }

    /// Whether a rule has not said this within the last seconds.
    fn is_news(&mut self, rule: Rule, what: u64, seen: &Seen) -> bool {
        let last = self.said.get(&(rule, what)).copied();
        if last.is_some_and(|last| seen.second < last + QUIET) {
            return false;
        }
        if self.said.len() >= SAID {
            self.said.clear();
        }
        self.said.insert((rule, what), seen.second);
        true
    }

    fn tell(&mut self, rule: Rule, subject: Subject, words: String, call: &Call, seen: &Seen) {
        let severity = match rule {
            // Where only this site's own machines can listen, it can wait.
            Rule::CleartextCredential if is_private(call) => Severity::Low,
            // A network that the registry does not list is more than one that is merely new.
            Rule::NewNetwork => Severity::High,
            rule => rule.severity(),
        };
        let statement = format!("{}: {words}", subject.words());
        self.raise(
            event(rule, severity, subject, statement, call, seen),
            seen.time,
        );
    }

    /// A signature that is good for one request.
    fn signature(&mut self, call: &Call, seen: &Seen) {
        let signature = call.traits.signature;
        let [young, old] = &mut self.signatures;
        let known = young
            .get(&signature)
            .or_else(|| old.get(&signature))
            .copied();
        if let Some((network, second)) = known {
            let late = seen.second.saturating_sub(second);
            if (network == seen.network && late <= RETRIES) || !seen.success {
                return;
            }
            let Some(subject) = seen
                .key
                .and_then(|key| self.keys.get(key))
                .map(|key| key.subject())
            else {
                return;
            };
            let from = if network == seen.network {
                "the same network"
            } else {
                "another network"
            };
            let statement = format!(
                "{}: a signature came again after {late}s from {from} and was accepted",
                subject.words()
            );
            let rule = Rule::ReplayedSignature;
            self.raise(
                event(rule, rule.severity(), subject, statement, call, seen),
                seen.time,
            );
            return;
        }
        if young.len() >= SIGNATURES {
            *old = std::mem::take(young);
        }
        young.insert(signature, (seen.network, seen.second));
    }

    /// A success with or without a credential.
    fn access(&mut self, call: &Call, seen: &Seen) {
        let Some(place) = self.places.get_mut(seen.place) else {
            return;
        };
        let keyed = call.credential.is_some();
        if !place.access.observe(keyed, call.public, seen.second) || &*call.route == OTHER {
            return;
        }
        let access = place.access;
        let subject = Subject::route(&call.api, &call.route);
        let all = access.keyed + access.unkeyed;
        let statement = format!(
            "{}: answered {} to a request without a credential; {} of {all} successes had one",
            subject.words(),
            call.status.unwrap_or(0),
            access.keyed
        );
        let rule = Rule::UnkeyedSuccess;
        let mut finding = event(rule, rule.severity(), subject, statement, call, seen);
        finding.evidence.seen = access.unkeyed as f64;
        finding.evidence.of = all as f64;
        self.raise(finding, seen.time);
    }

    /// A request for an object.
    fn object(&mut self, call: &Call, seen: &Seen, object: crate::identity::Object) {
        let Some(key) = seen.key.and_then(|number| self.keys.get_mut(number)) else {
            return;
        };
        let refused = matches!(
            call.outcome,
            Outcome::NotFound | Outcome::AuthRejected | Outcome::Forbidden
        );
        let new = key.objects.observe(object, seen.place, refused, seen.time);
        key.unknown_objects.expire(seen.second, WALKS);
        let proven = key.unknown_objects.observe(new, seen.time);
        let walk = key.objects.walk_so_far();
        let age = seen.minute.saturating_sub(key.born);
        let proven = proven
            && age >= AGE
            && key.unknown_objects.learned().1 >= OBJECTS
            && key.unknown_objects.proof().run.hits >= LEAST;
        let sequential = walk.is_sequential() && age >= 60;
        if !sequential && !proven {
            return;
        }
        if proven {
            key.unknown_objects.alarm(seen.second);
        }
        let subject = key.subject();
        let proof = key.unknown_objects.proof();
        let route = Subject::route(&call.api, &call.route);
        let statement = if sequential {
            format!(
                "{}: asked for {} objects of {} one after the other, {} of them next to the one before, {} never before, {} refused, over {}",
                subject.words(),
                walk.objects,
                route.words(),
                walk.near,
                walk.new,
                walk.refused,
                super::cause::span(seen.time.saturating_sub(walk.since))
            )
        } else {
            format!(
                "{}: {} of {} objects asked for were new to it; baseline {}; log-likelihood ratio {:.1} > {:.1}",
                subject.words(),
                proof.run.hits,
                proof.run.trials,
                percent(proof.baseline),
                proof.ratio,
                proof.limit
            )
        };
        let rule = Rule::ObjectEnumeration;
        let mut finding = event(rule, rule.severity(), subject, statement, call, seen);
        let (of, count) = if sequential {
            (walk.near, walk.objects)
        } else {
            (proof.run.hits, proof.run.trials)
        };
        finding.evidence.seen = f64::from(of);
        finding.evidence.of = f64::from(count);
        finding.evidence.baseline = proof.baseline;
        finding.evidence.score = proof.ratio;
        finding.evidence.limit = proof.limit;
        finding.evidence.since = if sequential {
            walk.since
        } else {
            proof.run.since
        };
        if !self.leaked(seen.key, "goes through objects", &finding, seen.time) {
            self.raise(finding, seen.time);
        }
    }

    /// A key that several networks use in turn.
    pub(super) fn tell_shared(&mut self, number: u32, networks: usize, seen: &Seen) {
        let Some(key) = self.keys.get_mut(number) else {
            return;
        };
        key.newcomer = None;
        let subject = key.subject();
        let usual = f64::from(key.usual_networks);
        let statement = format!(
            "{}: {networks} networks take turns in its requests, three times in a row; {usual:.1} are usual",
            subject.words()
        );
        let rule = Rule::KeySharing;
        self.book.settle(Rule::NewNetwork, &subject);
        let finding = Finding {
            rule,
            severity: rule.severity(),
            subject,
            statement,
            evidence: Evidence {
                seen: networks as f64,
                baseline: usual,
                since: seen.time,
                until: seen.time,
                ..Evidence::default()
            },
            confidence: 0.9,
        };
        self.raise(finding, seen.time);
    }

    /// What one network does, whoever it says it is.
    fn by_source(&mut self, call: &Call, seen: &Seen) {
        let Some(source) = seen.source.and_then(|number| self.sources.get_mut(number)) else {
            return;
        };
        let now = seen.second;
        let missed = matches!(call.outcome, Outcome::NotFound | Outcome::MethodNotAllowed)
            || call.status == Some(501);
        let refused = seen.class == Some(Class::Auth) && call.credential.is_some();
        let class = if missed {
            Some(Class::Client)
        } else {
            refused.then_some(Class::Auth)
        };
        source.recent.add(class, seen.time);
        let found = if missed {
            missing(source, call, seen)
        } else if refused {
            guesses(source, call, seen)
        } else if seen.success && call.key.is_some() {
            let learning = now.saturating_sub(self.born) < LEARNING;
            keys_in_turn(source, call, seen, learning)
        } else {
            None
        };
        let Some((rule, seen_count, of, statement)) = found else {
            return;
        };
        let subject = Subject::network(call.client.ip());
        let statement = format!("{}: {statement}", subject.words());
        let mut finding = event(rule, rule.severity(), subject, statement, call, seen);
        finding.evidence.seen = seen_count;
        finding.evidence.of = of;
        finding.evidence.since = seen.time.saturating_sub(300 * SECOND);
        // What a verified key looks for may be a leaked one's.
        if rule == Rule::Scanning
            && seen.verified
            && call.credential.is_some()
            && self.leaked(
                seen.key,
                "looks for paths that are not there",
                &finding,
                seen.time,
            )
        {
            return;
        }
        if rule == Rule::RateLimitEvasion {
            if self.blamed.len() >= SAID {
                self.blamed.clear();
            }
            self.blamed.insert(seen.network, seen.time);
        }
        self.raise(finding, seen.time);
    }
}

type Found = Option<(Rule, f64, f64, String)>;

/// Paths and methods that are not there.
fn missing(source: &mut Source, call: &Call, seen: &Seen) -> Found {
    let now = seen.second;
    if call.traits.has(sign::PROBE)
        && let Some(probes) = source.probes.add(call.traits.path, now)
        && probes >= PROBES
    {
        let words = format!("asked for {probes} paths that scanners ask for within 5m");
        return Some((Rule::Scanning, probes as f64, 0.0, words));
    }
    if call.status == Some(404) {
        let paths = source.paths.add(call.traits.path, now)?;
        let (hits, trials) = source.recent.of(Class::Client, seen.time);
        let most = f64::from(hits) > 0.8 * f64::from(trials);
        let words = format!(
            "asked for {paths} paths that are not there; {hits} of {trials} requests missed within 5m"
        );
        return (paths >= PATHS && most)
            .then(|| (Rule::Scanning, f64::from(hits), f64::from(trials), words));
    }
    let method = call.method.as_deref().unwrap_or_default();
    let pair = hash(method.as_bytes()) ^ call.traits.path;
    let methods = source.methods.add(pair, now)?;
    let (hits, trials) = source.recent.of(Class::Client, seen.time);
    let most = f64::from(hits) > 0.5 * f64::from(trials);
    let words = format!("tried {methods} methods that routes do not have within 5m");
    (methods >= METHODS && most).then(|| {
        (
            Rule::MethodProbing,
            methods as f64,
            f64::from(trials),
            words,
        )
    })
}

/// Credentials that are refused.
fn guesses(source: &mut Source, call: &Call, seen: &Seen) -> Found {
    let now = seen.second;
    let credential = call.credential.as_ref()?;
    let one = hash(credential.fingerprint.as_str().as_bytes());
    let (hits, trials) = source.recent.of(Class::Auth, seen.time);
    let user = matches!(credential.scheme, "basic" | "jwt");
    if user {
        if let Some(users) = source.users.add(one, now)
            && users >= GUESSES
            && f64::from(hits) >= 0.95 * f64::from(trials)
        {
            let words =
                format!("tried {users} users within 5m; {hits} of {trials} requests were refused");
            return Some((
                Rule::CredentialStuffing,
                f64::from(hits),
                f64::from(trials),
                words,
            ));
        }
    } else if &*call.consumer == UNREGISTERED
        && let Some(keys) = source.keys.add(one, now)
        && keys >= GUESSES
    {
        let words = format!(
            "tried {keys} keys that nobody has within 5m; {hits} of {trials} requests were refused"
        );
        return Some((Rule::KeyGuessing, f64::from(hits), f64::from(trials), words));
    }
    // A name that somebody else bears: told of the network, never of the bearer.
    let many = u64::from(hits) >= REFUSED && f64::from(hits) > 0.8 * f64::from(trials);
    let apart = source.users.at(now).max(source.keys.at(now)) >= GUESSES;
    (many && !seen.verified && !apart && hits.is_multiple_of(REFUSED as u32)).then(|| {
        let words = format!("{hits} of {trials} requests with a credential were refused within 5m");
        (
            Rule::AuthFailures,
            f64::from(hits),
            f64::from(trials),
            words,
        )
    })
}

/// Keys of many consumers from one network.
fn keys_in_turn(source: &mut Source, call: &Call, seen: &Seen, learning: bool) -> Found {
    let consumer = hash(call.consumer.as_bytes());
    let consumers = source.consumers.add(consumer, seen.second)?;
    let settled = seen.second.saturating_sub(source.born) > LEARNING;
    if learning || settled {
        source.usual += 0.05 * (consumers as f32 - source.usual).max(-0.1);
        source.usual = source
            .usual
            .max(if learning { consumers as f32 } else { 0.0 });
    }
    let many = consumers >= CONSUMERS && consumers as f32 > 3.0 * source.usual;
    (!learning && many).then(|| {
        let words = format!(
            "used keys of {consumers} consumers within 5m; {:.0} are usual",
            source.usual
        );
        (Rule::RateLimitEvasion, consumers as f64, 0.0, words)
    })
}

/// What one exchange shows.
fn event(
    rule: Rule,
    severity: Severity,
    subject: Subject,
    statement: String,
    call: &Call,
    seen: &Seen,
) -> Finding {
    let mut evidence = Evidence {
        seen: 1.0,
        since: call.begin,
        until: seen.time,
        networks: vec![network(call.client.ip())],
        ..Evidence::default()
    };
    Evidence::name(
        &mut evidence.routes,
        &Subject::route(&call.api, &call.route).id,
    );
    // Whose name a refused request bears is not told.
    if seen.verified {
        Evidence::name(&mut evidence.consumers, &call.consumer);
    }
    Finding {
        rule,
        severity,
        subject,
        statement,
        evidence,
        confidence: 1.0,
    }
}

/// Whether both ends are in one site's own networks (RFC 1918, RFC 4193, link-local).
fn is_private(call: &Call) -> bool {
    let private = |address: std::net::IpAddr| match address.to_canonical() {
        std::net::IpAddr::V4(address) => {
            address.is_private() || address.is_loopback() || address.is_link_local()
        }
        std::net::IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    };
    private(call.peer.ip()) && private(call.server.ip())
}
