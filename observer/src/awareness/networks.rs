//! Rules of what one network does within minutes, whoever it says it is.

use super::events::{SAID, event};
use super::incident::Subject;
use super::rules::Rule;
use super::source::Source;
use super::{Awareness, Class, SECOND, Seen};
use crate::identity::traits::{hash, sign};
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
/// Seconds of getting to know the networks of a host.
const LEARNING: u64 = 3600;

impl Awareness {
    /// What one network does, whoever it says it is.
    pub(super) fn by_source(&mut self, call: &Call, seen: &Seen) {
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
        let mut finding = event(rule, subject, statement, call, seen);
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
