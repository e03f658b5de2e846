//! What there is to do about an incident, rule by rule.
//!
//! Prefers doing nothing. A key, a credential or an account is named only by rules whose evidence the application accepted:
//! anybody can send requests in somebody else's name and have them refused. All else names the network that it came from.

use std::sync::Arc;

use super::SECOND;
use super::rate::{Rate, Verb};
use super::subject::Subject;
use crate::awareness::{self, Incident, Kind, Rule};
use crate::identity::Registry;
use crate::identity::registry::Handle;

/// How long an incident's action lasts.
pub(super) const LASTS: u64 = 3_600 * SECOND;
/// What is left to whoever asks for too much: a person would hardly notice, a program does.
const SLOW: Verb = Verb::Limit(Rate {
    requests: 60,
    seconds: 60,
});

/// Whom a remedy may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The key, the credential, or the account where it has no key.
    Bearer,
    /// The network that it comes from.
    Network,
}

/// What there is to do about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remedy {
    /// What.
    pub verb: Verb,
    /// About whom.
    pub on: On,
    /// Whether it may be done without anybody's approval, where the incident is bad enough.
    pub alone: bool,
}

/// What there is to do about what a rule tells of; `None`: nothing.
pub const fn remedy(rule: Rule) -> Option<Remedy> {
    let (verb, on, alone) = match rule {
        // Told of successes only, and the key is not to be used by anybody.
        Rule::RevokedKeyAccepted => (Verb::Block, On::Bearer, true),
        // Told of successes only. Of tokens it may be one of many that has expired: somebody has to look.
        Rule::ExpiredKeyAccepted => (Verb::Block, On::Bearer, false),
        // Always begins with a success on a network that the key never came from; what else is new only adds to it.
        Rule::LeakedKey => (Verb::Block, On::Bearer, true),
        // The second use was a success. The first need not have been: who sees a signature on its way can have it refused
        // before its owner's request arrives, so it is not for a machine to decide.
        Rule::ReplayedSignature => (Verb::Block, On::Bearer, false),
        // Contents that were sent, on networks that accepted the key. Those of refusals are among them, if small.
        Rule::Exfiltration => (Verb::Block, On::Bearer, false),
        // Every network that takes its turn has accepted the key at some time.
        Rule::KeySharing => (SLOW, On::Bearer, false),
        // Only successes are timed.
        Rule::ResourceConsumption => (SLOW, On::Bearer, false),

        // Refusals: whose names they bear says nothing, where they come from does.
        Rule::CredentialStuffing | Rule::KeyGuessing => (Verb::Block, On::Network, true),
        Rule::AuthFailures => (SLOW, On::Network, true),
        // Paths and methods that are not there, with any name or none.
        Rule::Scanning | Rule::MethodProbing => (Verb::Block, On::Network, true),
        // Many keys from one network: each may be innocent.
        Rule::RateLimitEvasion => (SLOW, On::Network, true),
        // The other end's network may be that of the gateway, or of everything behind a balancer.
        Rule::SpoofedIdentity | Rule::GatewayBypass => (Verb::Block, On::Network, false),

        // Requests that were refused are counted as well: objects that were not found are objects asked for.
        Rule::ObjectEnumeration => return None,
        // Errors, and requests whatever came of them.
        Rule::ErrorRate
        | Rule::ProviderErrors
        | Rule::RateLimitPressure
        | Rule::UploadVolume
        | Rule::VolumeSurge
        | Rule::IgnoredRetryAfter
        | Rule::LimitHugging
        | Rule::Automation => return None,
        // Keys move, and parameters are given twice by mistake.
        Rule::NewNetwork | Rule::ParameterPollution => return None,
        // How the host is set up, or that nothing comes: nobody to stop.
        Rule::UnkeyedSuccess
        | Rule::Silence
        | Rule::CleartextCredential
        | Rule::CredentialInUrl
        | Rule::Latency
        | Rule::WeakTls
        | Rule::UnknownHost
        | Rule::ShadowEndpoint
        | Rule::ZombieEndpoint => return None,
    };
    Some(Remedy { verb, on, alone })
}

/// Whom the remedy of an incident is about, and whether it may be done without approval.
pub(super) fn subject(
    incident: &Incident,
    remedy: Remedy,
    registry: &Registry,
) -> Option<(Subject, bool)> {
    let about = &incident.subject;
    match (about.kind, remedy.on) {
        (Kind::Network, On::Network) => {
            let network = about.id.parse().ok()?;
            Some((Subject::network(network).ok()?, remedy.alone))
        }
        // Whether it is a secret or a name that anybody may send is not known of a credential that nobody registered.
        (Kind::Credential, On::Bearer) => {
            Some((Subject::Credential(about.id.parse().ok()?), false))
        }
        (Kind::Key, On::Bearer) => {
            let (subject, secret) = bearer(about, registry)?;
            // A name in the clear can be sent by anybody, and a route that asks for no key accepts it. That of a revoked
            // one is nobody's any more.
            let alone = secret || incident.rule == Rule::RevokedKeyAccepted;
            Some((subject, remedy.alone && alone))
        }
        _ => None,
    }
}

/// The registered key or account that an incident is about, and whether it takes a secret to be it.
fn bearer(about: &awareness::Subject, registry: &Registry) -> Option<(Subject, bool)> {
    let consumer = about.consumer.as_deref()?;
    let Some(key) = about
        .id
        .strip_prefix(consumer)
        .and_then(|id| id.strip_prefix('/'))
    else {
        // All that have no key are counted together, and are no account.
        let account = registry.account(consumer);
        let account = account.filter(|account| account.id == about.id)?;
        return Some((Subject::Consumer(Arc::clone(&account.id)), false));
    };
    let mut keys = registry.keys().iter();
    let entry = keys.find(|entry| *entry.key == *key && *entry.consumer == *consumer)?;
    let secret = matches!(entry.handle, Handle::Fingerprint(_));
    Some((Subject::Key(Arc::clone(&entry.key)), secret))
}
