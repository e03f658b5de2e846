//! Rules that one exchange can break, alone or as the last of a few within minutes.

use std::net::IpAddr;

use super::cause::{Who, percent, span};
use super::incident::{Evidence, Finding, Kind, Subject, network};
use super::rules::{Rule, Severity};
use super::{Awareness, SIGNATURES, Seen};
use crate::identity::traits::{hash, sign};
use crate::route::OTHER;
use crate::usage::{Call, Outcome};

/// Seconds for which a signature may come again from where it came from.
const RETRIES: u64 = 300;
/// Seconds for which a rule does not repeat itself, and things that it remembers having said.
const QUIET: u64 = 10;
pub(super) const SAID: usize = 16_384;
/// Requests for objects before it is known which are new to a key, and minutes that a key has to be known for.
const OBJECTS: f64 = 200.0;
const AGE: u64 = 24 * 60;
/// Seconds after which a key that went through objects is judged anew.
const WALKS: u64 = 600;
/// Objects that are new to a key, one after the other, before it is worth telling.
const LEAST: u32 = 15;

impl Awareness {
    /// Judges an exchange by every rule that it could break.
    pub(super) fn judge(&mut self, call: &Call, seen: &Seen) {
        // What any server answers to OPTIONS says nothing.
        let answered = seen.success && call.method.as_deref() != Some("OPTIONS");
        if call.traits.signs != 0 {
            self.signs(call, seen);
            if answered {
                self.configured(call, seen);
            }
        }
        if call.traits.signature != 0 {
            self.signature(call, seen);
        }
        if answered {
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
            let location = || u64::from(hash(credential.location.as_bytes()));
            if traits.has(sign::IN_URL)
                && self.is_news(Rule::CredentialInUrl, location(), seen.second)
            {
                let subject = Subject::named(
                    Kind::Location,
                    &format!("{} {}", call.api, credential.location),
                );
                let words = "credentials stand in request targets".to_owned();
                self.tell(Rule::CredentialInUrl, subject, words, call, seen);
            }
            let port = u64::from(call.server.port());
            if traits.has(sign::CLEARTEXT)
                && self.is_news(Rule::CleartextCredential, port, seen.second)
            {
                let subject = Subject::named(Kind::Listener, &format!("{}:{port}", call.interface));
                let words = "credentials come in without encryption".to_owned();
                self.tell(Rule::CleartextCredential, subject, words, call, seen);
            }
        }
        let network = || u64::from(super::network_hash(call.peer.ip()));
        if traits.has(sign::SPOOFED) {
            if self.is_news(Rule::SpoofedIdentity, network(), seen.second) {
                let words = "sets identity fields that only a gateway may".to_owned();
                self.tell(
                    Rule::SpoofedIdentity,
                    Subject::network(call.peer.ip()),
                    words,
                    call,
                    seen,
                );
            }
        } else if traits.has(sign::BYPASS)
            && self.is_news(Rule::GatewayBypass, network(), seen.second)
        {
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
        } else if traits.has(sign::EARLY) {
            "not valid yet"
        } else {
            "its account has not accepted the terms of use at this time"
        };
        let ended = sign::EXPIRED | sign::EARLY | sign::UNAGREED;
        let signs: [(bool, Rule, &dyn Fn() -> String); 4] = [
            (traits.has(sign::REVOKED), Rule::RevokedKeyAccepted, &|| {
                format!("revoked or suspended, and answered with {status}")
            }),
            (traits.has(ended), Rule::ExpiredKeyAccepted, &|| {
                format!("{end}, and answered with {status}")
            }),
            (traits.has(sign::FOREIGN), Rule::NewNetwork, &from),
            (polluted, Rule::ParameterPollution, &|| {
                "gave a parameter twice, which nobody does on this route".to_owned()
            }),
        ];
        for (applies, rule, words) in signs {
            if applies
                && self.is_news(rule, u64::from(number), seen.second)
                && let Some(subject) = self.subject(Who::Key(number))
            {
                self.tell(rule, subject, words(), call, seen);
            }
        }
    }

    /// Whether a rule has not said this within the last seconds.
    pub(super) fn is_news(&mut self, rule: Rule, what: u64, second: u64) -> bool {
        let last = self.said.get(&(rule, what)).copied();
        if last.is_some_and(|last| second < last + QUIET) {
            return false;
        }
        if self.said.len() >= SAID {
            self.said.clear();
        }
        self.said.insert((rule, what), second);
        true
    }

    pub(super) fn tell(
        &mut self,
        rule: Rule,
        subject: Subject,
        words: String,
        call: &Call,
        seen: &Seen,
    ) {
        let severity = match rule {
            // Where only this site's own machines can listen, it can wait.
            Rule::CleartextCredential if is_site(call.peer.ip()) && is_site(call.server.ip()) => {
                Severity::Low
            }
            // A network that the registry does not list is more than one that is merely new.
            Rule::NewNetwork => Severity::High,
            rule => rule.severity(),
        };
        let statement = format!("{}: {words}", subject.words());
        let finding = Finding {
            severity,
            ..event(rule, subject, statement, call, seen)
        };
        self.raise(finding, seen.time);
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
            let Some(subject) = seen.key.and_then(|key| self.subject(Who::Key(key))) else {
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
            self.raise(event(rule, subject, statement, call, seen), seen.time);
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
        let mut finding = event(rule, subject, statement, call, seen);
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
        let learn = !key.unknown_objects.is_alarmed() && !key.objects.walk_so_far().is_sequential();
        let new = key
            .objects
            .observe(object, seen.place, refused, seen.time, learn);
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
        let (statement, hits, trials, since) = if sequential {
            let statement = format!(
                "{}: asked for {} objects of {} one after the other, {} of them next to the one before, {} never before, {} refused, over {}",
                subject.words(),
                walk.objects,
                Subject::route(&call.api, &call.route).words(),
                walk.near,
                walk.new,
                walk.refused,
                span(seen.time.saturating_sub(walk.since))
            );
            (statement, walk.near, walk.objects, walk.since)
        } else {
            let run = proof.run;
            let statement = format!(
                "{}: {} of {} objects asked for were new to it; baseline {}; log-likelihood ratio {:.1} > {:.1}",
                subject.words(),
                run.hits,
                run.trials,
                percent(proof.baseline),
                proof.ratio,
                proof.limit
            );
            (statement, run.hits, run.trials, run.since)
        };
        let rule = Rule::ObjectEnumeration;
        let mut finding = event(rule, subject, statement, call, seen);
        let evidence = &mut finding.evidence;
        (evidence.seen, evidence.of) = (f64::from(hits), f64::from(trials));
        (evidence.score, evidence.limit) = (proof.ratio, proof.limit);
        evidence.baseline = proof.baseline;
        evidence.since = since;
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
        let finding = Finding::new(
            rule,
            subject,
            statement,
            Evidence {
                seen: networks as f64,
                baseline: usual,
                since: seen.time,
                until: seen.time,
                ..Evidence::default()
            },
            0.9,
        );
        self.raise(finding, seen.time);
    }
}

/// What one exchange shows.
pub(super) fn event(
    rule: Rule,
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
    Finding::new(rule, subject, statement, evidence, 1.0)
}

/// Whether an address is of a site's own networks (RFC 1918, RFC 4193, link-local), or of this host alone.
pub(super) fn is_site(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_private() || address.is_loopback() || address.is_link_local()
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}
