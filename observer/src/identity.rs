//! Attribution: from a request's head and its connection to the consumer that its credential is registered to.
//!
//! Invariant: a consumer is named only when a credential of the request is registered to it; nothing else of the
//! request, its address included, names anybody. No secret leaves this module in any form but its fingerprint.

pub mod client;
pub mod discovery;
pub mod document;
pub mod extract;
pub mod fingerprint;
pub mod foreign;
pub mod money;
pub mod registry;
pub mod shown;
pub mod spelling;
mod target;
#[cfg(test)]
mod tests;
pub mod traits;

pub use discovery::Discovery;
pub use extract::{CredentialRule, PathPattern, Scheme};
pub use fingerprint::{Fingerprint, Fingerprinter, Pepper};
pub use registry::{KeyEntry, KeyState, Registry, RegistryError};
pub use target::TargetPrivacy;
pub use traits::{Object, Traits};

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use crate::http::RequestHead;
use extract::{Candidate, Extractor, Trust, Value};
use traits::{hash, sign};

/// What the operator decides about attribution.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// Places for credentials that come before the usual ones.
    pub credentials: Vec<CredentialRule>,
    /// Whether the usual places are looked at.
    pub usual_places: bool,
    /// Proxies whose word on the client's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Gateways whose word on the consumer is believed.
    pub gateways: Vec<IpNet>,
    /// Addresses of this host besides loopback: a proxy on it is a local one.
    pub local: Vec<IpAddr>,
}

impl Default for IdentitySettings {
    fn default() -> Self {
        Self {
            credentials: Vec::new(),
            usual_places: true,
            trusted_proxies: Vec::new(),
            gateways: Vec::new(),
            local: Vec::new(),
        }
    }
}

/// Who a request is counted to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Consumer {
    /// An account's id.
    Registered(Arc<str>),
    /// No credential.
    Unkeyed,
    /// A credential that is not in the registry.
    Unregistered,
    /// The head could not be read with certainty, or held more credentials than are looked at.
    Unknown,
}

impl Consumer {
    /// The name in metrics, records and bills.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Registered(id) => id,
            Self::Unkeyed => "__unkeyed__",
            Self::Unregistered => "__unregistered__",
            Self::Unknown => "__unknown__",
        }
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The credential that a request is attributed by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its kind.
    pub scheme: Scheme,
    /// Where it was, such as `header:x-api-key`.
    pub location: Arc<str>,
    /// What stands for it.
    pub fingerprint: Fingerprint,
    /// When a token says it expires, seconds since 1970.
    pub expires: Option<i64>,
    /// What the kernel side finds it by, where it can.
    pub spelling: Option<u64>,
    /// Whether nobody can send it who does not have it, other than a name in the clear.
    pub secret: bool,
}

/// Whose a request is, as far as its head tells. The application has not had its say yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// Who it is counted to.
    pub consumer: Consumer,
    /// Id of the app, when registered.
    pub app: Option<Arc<str>>,
    /// Id of the key, when registered.
    pub key: Option<Arc<str>>,
    /// What it was attributed by; `None` without any.
    pub credential: Option<Credential>,
    /// The client as the connection and trusted proxies have it. Port 0: not known.
    pub client: SocketAddr,
    /// Some credential stands in the request target.
    pub in_url: bool,
    /// Forwarding fields came from a trusted proxy or one on this host.
    pub forwarded: bool,
    /// Those fields say that the client speaks https to the proxy.
    pub forwarded_https: bool,
    /// The client as those fields have it when the peer's word is taken: what a hop on this host is counted to.
    pub forwarded_client: Option<SocketAddr>,
    /// What awareness compares; of the path nothing yet.
    pub traits: Traits,
}

/// Seconds that clocks of different machines may differ (RFC 7519 section 4.1.4 allows for a few minutes).
const LEEWAY: i64 = 60;

impl Attribution {
    /// Notes what the registry and the token say against this use of the credential.
    fn judge(&mut self, entry: Option<&KeyEntry>, now: i64) {
        let token = self
            .credential
            .as_ref()
            .and_then(|credential| credential.expires);
        let traits = &mut self.traits;
        traits.set(
            sign::EXPIRED,
            token.is_some_and(|end| end.saturating_add(LEEWAY) < now),
        );
        let Some(entry) = entry else { return };
        let revoked = matches!(entry.state, KeyState::Revoked | KeyState::Suspended);
        traits.set(sign::REVOKED, revoked);
        let passed = |end: jiff::Timestamp| end.as_second() <= now;
        traits.set(sign::EXPIRED, entry.expires.is_some_and(passed));
        traits.set(
            sign::EARLY,
            entry.valid_from.is_some_and(|begin| !passed(begin)),
        );
        traits.set(
            sign::UNAGREED,
            entry.agreed.is_some_and(|begin| !passed(begin)),
        );
        let foreign =
            !entry.networks.is_empty() && !client::within(&entry.networks, self.client.ip());
        traits.set(sign::FOREIGN, foreign);
    }
}

/// Attributes requests. Reads nothing but its arguments.
#[derive(Clone, Debug)]
pub struct Attributor {
    settings: IdentitySettings,
    extractor: Extractor,
    fingerprinter: Fingerprinter,
}

impl Attributor {
    /// Prepares the places to look at.
    pub fn new(settings: IdentitySettings, fingerprinter: Fingerprinter) -> Self {
        let extractor = Extractor::new(&settings.credentials, settings.usual_places);
        Self {
            settings,
            extractor,
            fingerprinter,
        }
    }

    /// Attributes one request. `proxied`: the source that a PROXY protocol header named. `now`: seconds since 1970.
    pub fn attribute(
        &self,
        registry: &Registry,
        head: &RequestHead<'_>,
        peer: SocketAddr,
        proxied: Option<SocketAddr>,
        now: i64,
    ) -> Attribution {
        let gateway = client::within(&self.settings.gateways, peer.ip());
        let trust = Trust {
            gateway,
            proxy: self.speaks_for_clients(peer, proxied),
        };
        let candidates = self.extractor.candidates(head, trust);
        let mut in_url = false;
        let mut chosen: Option<(Credential, Option<&KeyEntry>)> = None;
        for candidate in candidates.iter() {
            in_url |= candidate.in_url;
            if chosen.as_ref().is_some_and(|(_, entry)| entry.is_some()) {
                continue;
            }
            let (fingerprint, expires, entry) = self.look_up(registry, candidate);
            if chosen.is_none() || entry.is_some() {
                let credential = Credential {
                    scheme: candidate.scheme,
                    location: Arc::clone(candidate.location),
                    fingerprint,
                    expires,
                    spelling: candidate
                        .spelled
                        .and_then(|spelled| self.fingerprinter.spelling().hash(spelled)),
                    secret: matches!(candidate.value, Value::Secret(_)),
                };
                chosen = Some((credential, entry));
            }
        }
        let mut attribution = Attribution {
            consumer: Consumer::Unkeyed,
            app: None,
            key: None,
            credential: None,
            client: peer,
            in_url,
            forwarded: false,
            forwarded_https: false,
            forwarded_client: None,
            traits: Traits {
                agent: head.values("user-agent").next().map_or(0, hash),
                signature: extract::signature(head),
                ..Traits::default()
            },
        };
        let traits = &mut attribution.traits;
        traits.set(sign::IN_URL, in_url);
        traits.set(sign::POLLUTED, extract::polluted(head.target));
        let behind = !gateway && !self.settings.gateways.is_empty();
        traits.set(sign::BYPASS, behind);
        traits.set(sign::SPOOFED, behind && candidates.claimed);
        let entry = chosen.as_ref().and_then(|(_, entry)| *entry);
        if let Some((credential, entry)) = chosen {
            attribution.consumer = match entry {
                Some(entry) => Consumer::Registered(Arc::clone(&entry.consumer)),
                // The one that counts may be among those not looked at.
                None if candidates.left_out > 0 => Consumer::Unknown,
                None => Consumer::Unregistered,
            };
            attribution.app = entry.map(|entry| Arc::clone(&entry.app));
            attribution.key = entry.map(|entry| Arc::clone(&entry.key));
            attribution.credential = Some(credential);
        }
        self.client(head, peer, proxied, &mut attribution);
        attribution.judge(entry, now);
        attribution
    }

    fn look_up<'r>(
        &self,
        registry: &'r Registry,
        candidate: &Candidate<'_>,
    ) -> (Fingerprint, Option<i64>, Option<&'r KeyEntry>) {
        let (fingerprint, expires, entry) = match &candidate.value {
            Value::Secret(secret) => (self.fingerprinter.fingerprint(secret.bytes()), None, None),
            Value::Identity {
                issuer,
                subject,
                expires,
            } => {
                let entry = registry.by_identity(candidate.scheme, issuer, subject);
                (
                    self.fingerprinter
                        .identity(candidate.scheme, issuer, subject),
                    *expires,
                    entry,
                )
            }
        };
        // A clear identity may have been adopted from a record, where only its fingerprint stands.
        (
            fingerprint,
            expires,
            entry.or_else(|| registry.by_fingerprint(&fingerprint)),
        )
    }

    /// Whether what the fields say of the client is a trusted proxy's own word: of one that only passes bytes on, its source has
    /// to be another.
    fn speaks_for_clients(&self, peer: SocketAddr, proxied: Option<SocketAddr>) -> bool {
        let trusted = &self.settings.trusted_proxies;
        !trusted.is_empty()
            && client::within(trusted, peer.ip())
            && proxied.is_none_or(|source| source == peer || client::within(trusted, source.ip()))
    }

    fn client(
        &self,
        head: &RequestHead<'_>,
        peer: SocketAddr,
        proxied: Option<SocketAddr>,
        attribution: &mut Attribution,
    ) {
        let trusted = &self.settings.trusted_proxies;
        let peer_trusted = client::within(trusted, peer.ip());
        let address = peer.ip().to_canonical();
        if !peer_trusted && !address.is_loopback() && !self.settings.local.contains(&address) {
            return;
        }
        // A PROXY header speaks for the connection; what the fields add is the word of its source.
        let hop = proxied.filter(|_| peer_trusted).unwrap_or(peer);
        if hop == peer || client::within(trusted, hop.ip()) {
            let forwarding = client::forwarding(head.fields);
            attribution.forwarded = forwarding.present;
            attribution.forwarded_https = forwarding.https;
            if forwarding.present {
                let client = client::client(head.fields, hop, trusted);
                attribution.forwarded_client = (client != hop).then_some(client);
            }
        }
        if peer_trusted {
            attribution.client = attribution.forwarded_client.unwrap_or(hop);
        }
    }

    /// A request target as a record may keep it; `None` when only the route may stand for it.
    pub fn redact_target(&self, target: &str, privacy: TargetPrivacy) -> Option<String> {
        target::redact(&self.extractor, &self.fingerprinter, target, privacy)
    }

    /// A path as others may see it, routing included: keys in it are masked.
    pub fn mask_path<'t>(&self, path: &'t str) -> Cow<'t, str> {
        target::mask_path(&self.extractor, path)
    }
}
