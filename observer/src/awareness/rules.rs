//! What can be wrong, and what each of these means: its name, how bad it is, whose it is and what could be done.
//!
//! OWASP classes are those of the API Security Top 10 of 2023.

use serde::{Deserialize, Serialize};

use crate::usage::Responsible;

/// What an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// More 4xx than usual, without 401, 403 and 429.
    ErrorRate,
    /// More 5xx and failures than usual.
    ProviderErrors,
    /// More 429 than usual.
    RateLimitPressure,
    /// More 401 and 403 to requests with a credential.
    AuthFailures,
    /// One network tries many users.
    CredentialStuffing,
    /// One network tries many keys.
    KeyGuessing,
    /// A revoked or suspended key is accepted.
    RevokedKeyAccepted,
    /// A key or token past its end, or before its beginning, is accepted.
    ExpiredKeyAccepted,
    /// Requests without a credential succeed where keys are usual.
    UnkeyedSuccess,
    /// A key goes through the objects of a route.
    ObjectEnumeration,
    /// A parameter given twice.
    ParameterPollution,
    /// Responses became larger.
    Exfiltration,
    /// Requests became larger.
    UploadVolume,
    /// Paths that are not there.
    Scanning,
    /// Methods that routes do not have.
    MethodProbing,
    /// One network uses keys of many consumers in turn.
    RateLimitEvasion,
    /// More requests than usual at this time.
    VolumeSurge,
    /// Fewer requests than usual at this time, or none.
    Silence,
    /// A key is used from a network that it never came from.
    NewNetwork,
    /// A key is used from several networks at the same time.
    KeySharing,
    /// A key on a new network does what it never did.
    LeakedKey,
    /// A signature that is good once comes again.
    ReplayedSignature,
    /// Keys go over a network in the clear.
    CleartextCredential,
    /// Keys stand in request targets.
    CredentialInUrl,
    /// Requests come past the gateway.
    GatewayBypass,
    /// Fields that only a gateway sets come from elsewhere.
    SpoofedIdentity,
    /// Responses take longer than usual.
    Latency,
    /// TLS that protects nobody any more.
    WeakTls,
    /// A host that no API is configured with is answered.
    UnknownHost,
    /// A path that the API's document does not declare is answered.
    ShadowEndpoint,
    /// An operation that the API's document calls deprecated is answered.
    ZombieEndpoint,
    /// A key asks again before the time is over that Retry-After gave.
    IgnoredRetryAfter,
    /// A key asks for just less than it may, for long.
    LimitHugging,
    /// A key's requests take far longer to serve than they did.
    ResourceConsumption,
    /// A key that changes things at times of its own becomes regular.
    Automation,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look this week.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Somebody gets in who should not.
    Critical,
}

/// How a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// By a sequential test of a rate.
    Errors,
    /// By residuals of counts, sizes and times.
    Volume,
    /// By what was never seen before.
    Novelty,
    /// By counting in a window.
    Window,
    /// By one event.
    Event,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 35] = [
        Self::ErrorRate,
        Self::ProviderErrors,
        Self::RateLimitPressure,
        Self::AuthFailures,
        Self::CredentialStuffing,
        Self::KeyGuessing,
        Self::RevokedKeyAccepted,
        Self::ExpiredKeyAccepted,
        Self::UnkeyedSuccess,
        Self::ObjectEnumeration,
        Self::ParameterPollution,
        Self::Exfiltration,
        Self::UploadVolume,
        Self::Scanning,
        Self::MethodProbing,
        Self::RateLimitEvasion,
        Self::VolumeSurge,
        Self::Silence,
        Self::NewNetwork,
        Self::KeySharing,
        Self::LeakedKey,
        Self::ReplayedSignature,
        Self::CleartextCredential,
        Self::CredentialInUrl,
        Self::GatewayBypass,
        Self::SpoofedIdentity,
        Self::Latency,
        Self::WeakTls,
        Self::UnknownHost,
        Self::ShadowEndpoint,
        Self::ZombieEndpoint,
        Self::IgnoredRetryAfter,
        Self::LimitHugging,
        Self::ResourceConsumption,
        Self::Automation,
    ];

    /// The name in incidents, metrics and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ErrorRate => "error_rate",
            Self::ProviderErrors => "provider_errors",
            Self::RateLimitPressure => "rate_limit_pressure",
            Self::AuthFailures => "auth_failures",
            Self::CredentialStuffing => "credential_stuffing",
            Self::KeyGuessing => "key_guessing",
            Self::RevokedKeyAccepted => "revoked_key_accepted",
            Self::ExpiredKeyAccepted => "expired_key_accepted",
            Self::UnkeyedSuccess => "unkeyed_success",
            Self::ObjectEnumeration => "object_enumeration",
            Self::ParameterPollution => "parameter_pollution",
            Self::Exfiltration => "exfiltration",
            Self::UploadVolume => "upload_volume",
            Self::Scanning => "scanning",
            Self::MethodProbing => "method_probing",
            Self::RateLimitEvasion => "rate_limit_evasion",
            Self::VolumeSurge => "volume_surge",
            Self::Silence => "silence",
            Self::NewNetwork => "new_network",
            Self::KeySharing => "key_sharing",
            Self::LeakedKey => "leaked_key",
            Self::ReplayedSignature => "replayed_signature",
            Self::CleartextCredential => "cleartext_credential",
            Self::CredentialInUrl => "credential_in_url",
            Self::GatewayBypass => "gateway_bypass",
            Self::SpoofedIdentity => "spoofed_identity",
            Self::Latency => "latency",
            Self::WeakTls => "weak_tls",
            Self::UnknownHost => "unknown_host",
            Self::ShadowEndpoint => "shadow_endpoint",
            Self::ZombieEndpoint => "zombie_endpoint",
            Self::IgnoredRetryAfter => "ignored_retry_after",
            Self::LimitHugging => "limit_hugging",
            Self::ResourceConsumption => "resource_consumption",
            Self::Automation => "automation",
        }
    }

    /// How it decides.
    pub const fn family(self) -> Family {
        match self {
            Self::ErrorRate
            | Self::ProviderErrors
            | Self::RateLimitPressure
            | Self::AuthFailures => Family::Errors,
            Self::Exfiltration
            | Self::UploadVolume
            | Self::VolumeSurge
            | Self::Silence
            | Self::Latency
            | Self::ResourceConsumption => Family::Volume,
            Self::NewNetwork | Self::LeakedKey | Self::ObjectEnumeration => Family::Novelty,
            Self::CredentialStuffing
            | Self::KeyGuessing
            | Self::Scanning
            | Self::MethodProbing
            | Self::RateLimitEvasion
            | Self::KeySharing
            | Self::IgnoredRetryAfter
            | Self::LimitHugging
            | Self::Automation => Family::Window,
            Self::RevokedKeyAccepted
            | Self::ExpiredKeyAccepted
            | Self::UnkeyedSuccess
            | Self::ParameterPollution
            | Self::ReplayedSignature
            | Self::CleartextCredential
            | Self::CredentialInUrl
            | Self::GatewayBypass
            | Self::SpoofedIdentity
            | Self::WeakTls
            | Self::UnknownHost
            | Self::ShadowEndpoint
            | Self::ZombieEndpoint => Family::Event,
        }
    }

    /// How bad it is, as long as nothing else is known.
    pub const fn severity(self) -> Severity {
        match self {
            Self::RevokedKeyAccepted | Self::LeakedKey | Self::ReplayedSignature => {
                Severity::Critical
            }
            Self::ProviderErrors
            | Self::CredentialStuffing
            | Self::UnkeyedSuccess
            | Self::ObjectEnumeration
            | Self::Exfiltration
            | Self::ExpiredKeyAccepted
            | Self::GatewayBypass
            | Self::SpoofedIdentity => Severity::High,
            Self::ErrorRate
            | Self::AuthFailures
            | Self::KeyGuessing
            | Self::Scanning
            | Self::Silence
            | Self::KeySharing
            | Self::RateLimitEvasion
            | Self::CleartextCredential
            | Self::CredentialInUrl
            | Self::Latency
            | Self::WeakTls
            | Self::UnknownHost
            | Self::ShadowEndpoint
            | Self::ResourceConsumption => Severity::Medium,
            Self::RateLimitPressure
            | Self::UploadVolume
            | Self::MethodProbing
            | Self::VolumeSurge
            | Self::NewNetwork
            | Self::ParameterPollution
            | Self::ZombieEndpoint
            | Self::IgnoredRetryAfter
            | Self::LimitHugging
            | Self::Automation => Severity::Low,
        }
    }

    /// Classes of OWASP's list.
    pub const fn owasp(self) -> &'static [&'static str] {
        match self {
            Self::ErrorRate | Self::ProviderErrors | Self::Silence => &[],
            Self::RateLimitPressure
            | Self::RateLimitEvasion
            | Self::VolumeSurge
            | Self::UploadVolume
            | Self::Latency
            | Self::IgnoredRetryAfter
            | Self::LimitHugging
            | Self::ResourceConsumption => &["API4:2023"],
            Self::CredentialStuffing => &["API2:2023", "API6:2023"],
            Self::Automation => &["API6:2023"],
            Self::AuthFailures
            | Self::KeyGuessing
            | Self::RevokedKeyAccepted
            | Self::ExpiredKeyAccepted
            | Self::UnkeyedSuccess
            | Self::NewNetwork
            | Self::KeySharing
            | Self::LeakedKey
            | Self::ReplayedSignature
            | Self::SpoofedIdentity => &["API2:2023"],
            Self::ObjectEnumeration | Self::ParameterPollution => &["API1:2023"],
            Self::Exfiltration => &["API1:2023", "API3:2023"],
            Self::Scanning => &["API8:2023", "API9:2023"],
            Self::MethodProbing => &["API5:2023"],
            Self::ShadowEndpoint | Self::ZombieEndpoint => &["API9:2023"],
            Self::CleartextCredential
            | Self::CredentialInUrl
            | Self::GatewayBypass
            | Self::WeakTls
            | Self::UnknownHost => &["API8:2023"],
        }
    }

    /// Who has to act.
    pub const fn responsible(self) -> Responsible {
        match self {
            Self::ProviderErrors
            | Self::RevokedKeyAccepted
            | Self::ExpiredKeyAccepted
            | Self::UnkeyedSuccess
            | Self::GatewayBypass
            | Self::CredentialInUrl
            | Self::CleartextCredential
            | Self::Latency
            | Self::WeakTls
            | Self::UnknownHost
            | Self::ShadowEndpoint
            | Self::ZombieEndpoint => Responsible::Provider,
            _ => Responsible::Consumer,
        }
    }

    /// What could be done, as the verb of a command; `None` where nothing is to be stopped.
    pub const fn response(self) -> Option<&'static str> {
        match self {
            Self::CredentialStuffing
            | Self::KeyGuessing
            | Self::Scanning
            | Self::MethodProbing
            | Self::ObjectEnumeration
            | Self::Exfiltration
            | Self::LeakedKey
            | Self::ReplayedSignature
            | Self::RevokedKeyAccepted
            | Self::ExpiredKeyAccepted
            | Self::SpoofedIdentity
            | Self::GatewayBypass => Some("block"),
            Self::RateLimitEvasion
            | Self::RateLimitPressure
            | Self::VolumeSurge
            | Self::UploadVolume
            | Self::AuthFailures
            | Self::KeySharing
            | Self::IgnoredRetryAfter
            | Self::LimitHugging
            | Self::ResourceConsumption
            | Self::Automation => Some("limit"),
            _ => None,
        }
    }

    /// Whether it tells of how the host is set up, rather than of what somebody does.
    pub const fn is_posture(self) -> bool {
        matches!(
            self,
            Self::CleartextCredential
                | Self::CredentialInUrl
                | Self::GatewayBypass
                | Self::ShadowEndpoint
                | Self::UnkeyedSuccess
                | Self::UnknownHost
                | Self::WeakTls
                | Self::ZombieEndpoint
        )
    }

    /// Seconds without news after which an incident is over, of rules that do not say so by the minute.
    pub const fn lasts(self) -> Option<u64> {
        // What a document says holds until it is changed: what is used once a day is no news every day.
        if matches!(self, Self::ShadowEndpoint | Self::ZombieEndpoint) {
            return Some(7 * 24 * 3600);
        }
        match self.family() {
            Family::Volume => None,
            // Those of errors are seen going on as long as their test says so.
            Family::Errors | Family::Novelty | Family::Window => Some(30 * 60),
            Family::Event => Some(6 * 3600),
        }
    }
}

impl Severity {
    /// Every one, the worst last.
    pub const ALL: [Self; 5] = [
        Self::Info,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_serialised_form() {
        for rule in Rule::ALL {
            let name = serde_json::to_value(rule).expect("a name");
            assert_eq!(name, rule.name());
        }
        for severity in Severity::ALL {
            let name = serde_json::to_value(severity).expect("a name");
            assert_eq!(name, severity.name());
        }
    }
}
