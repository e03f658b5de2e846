//! Finds the credentials of a request: where keys are known to travel, in an order that the operator can change.
//!
//! Bias: prefers one candidate too many to one too few, since only what is registered gets a name. Nothing is verified
//! here: whether a credential is good is the application's to say.

mod authorization;
mod candidates;
mod certificate;
mod jwt;
mod parameters;
mod path;
mod places;
mod proof;
mod rules;
mod signature;
mod signed;
#[cfg(test)]
mod tests;
mod text;

pub use candidates::{Candidate, Candidates, Secret, Value};
pub use path::{PathPattern, PatternError};
pub use rules::CredentialRule;
pub(super) use signature::{polluted, signature};
pub(super) use text::{Target, decoded, pairs};

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

use super::spelling::Spelled;
use crate::http::RequestHead;
use authorization::AuthorizationRule;
use places::PROTOCOL_MARKS;
use rules::{FieldRole, FieldTable, QueryKind, Source};

/// Kind of credential, with the name it has in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scheme {
    /// A key in a field, a query parameter, a path, or after one of the `Authorization` schemes that carry keys.
    ApiKey,
    /// A bearer token that says nothing about itself (RFC 6750).
    Bearer,
    /// A JSON Web Token (RFC 7519): identity is a claim, scoped by its issuer.
    Jwt,
    /// User and password (RFC 7617): identity is the user.
    Basic,
    /// AWS Signature Version 4 and 4A: identity is the access key id.
    AwsSigV4,
    /// What a gateway in front says of who it let in.
    Gateway,
    /// A cookie that is configured as a credential.
    Cookie,
    /// An `Authorization` scheme that is not known here.
    Other,
    /// Digest (RFC 7616): identity is the user.
    Digest,
    /// Hawk: identity is the id of its credentials.
    Hawk,
    /// OAuth 1 (RFC 5849): identity is the consumer key.
    OAuth1,
    /// HTTP Message Signatures (RFC 9421), and draft-cavage-http-signatures before them: identity is the key's id.
    HttpSignature,
    /// Azure's Shared Key and shared access signatures: identity is the account, or the policy.
    SharedKey,
    /// Google Cloud Storage's signatures: identity is the access id or the service account.
    GoogleSignature,
    /// Any other id beside a signature by a shared secret: identity is that id.
    Hmac,
    /// The key that proves possession of a token (RFC 9449): identity is its thumbprint.
    Dpop,
    /// A client certificate, as a trusted proxy tells of it: identity is a name in it, or its SHA-256.
    Mtls,
}

impl Scheme {
    /// Those whose identity travels in the clear, so that a registry can name it.
    pub const IN_THE_CLEAR: [Self; 14] = [
        Self::Jwt,
        Self::Basic,
        Self::AwsSigV4,
        Self::Gateway,
        Self::ApiKey,
        Self::Digest,
        Self::Hawk,
        Self::OAuth1,
        Self::HttpSignature,
        Self::SharedKey,
        Self::GoogleSignature,
        Self::Hmac,
        Self::Dpop,
        Self::Mtls,
    ];

    /// The name in records and registries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api-key",
            Self::Bearer => "bearer",
            Self::Jwt => "jwt",
            Self::Basic => "basic",
            Self::AwsSigV4 => "aws-sigv4",
            Self::Gateway => "gateway",
            Self::Cookie => "cookie",
            Self::Other => "other",
            Self::Digest => "digest",
            Self::Hawk => "hawk",
            Self::OAuth1 => "oauth1",
            Self::HttpSignature => "http-signature",
            Self::SharedKey => "shared-key",
            Self::GoogleSignature => "google-signature",
            Self::Hmac => "hmac",
            Self::Dpop => "dpop",
            Self::Mtls => "mtls",
        }
    }
}

/// Whose word a request's peer is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// A gateway: on who calls.
    pub gateway: bool,
    /// A trusted proxy: on the client's certificate.
    pub proxy: bool,
}

/// Every place where a credential is looked for, in order.
#[derive(Clone, Debug)]
pub struct Extractor {
    fields: FieldTable,
    authorization: Vec<AuthorizationRule>,
    bare_authorization: Option<Source>,
    other_authorization: Option<Source>,
    query: Vec<(Box<str>, QueryKind, Source)>,
    cookies: Vec<(Box<str>, Source)>,
    paths: Vec<(PathPattern, Source)>,
    claims: Vec<Box<str>>,
}

impl Extractor {
    /// Configured places come first, in their order; the usual places follow unless `usual` is false.
    pub fn new(configured: &[CredentialRule], usual: bool) -> Self {
        rules::extractor(configured, usual)
    }

    /// Candidates of one request, first choice first. `trust`: what of the peer's word is believed.
    pub fn candidates<'a>(&'a self, head: &RequestHead<'a>, trust: Trust) -> Candidates<'a> {
        let mut found = Candidates::default();
        let mut anonymous = false;
        let mut signed = false;
        let mut key_id = None;
        for field in head.fields {
            let Some(role) = self.fields.role(field.name) else {
                continue;
            };
            let value = field.value.trim_ascii();
            if value.is_empty() {
                continue;
            }
            let whole = matches!(role, FieldRole::Key(_) | FieldRole::Authorization);
            found.field = whole.then_some(Spelled {
                name: field.name,
                value,
            });
            match role {
                FieldRole::Key(source) => found.token(
                    source,
                    Scheme::ApiKey,
                    Secret::Borrowed(value),
                    &self.claims,
                ),
                FieldRole::Authorization => self.authorization(value, &mut found),
                FieldRole::Cookie => self.cookies(value, &mut found),
                FieldRole::SignatureInput(source) => {
                    for id in signed::key_ids(value) {
                        found.id(source, Scheme::HttpSignature, id);
                    }
                }
                // A signature of RFC 9421 names nobody; its input does.
                FieldRole::Signature(source) => {
                    if let Some(id) = parameters::parameter(value, "keyId") {
                        found.id(source, Scheme::HttpSignature, id);
                    }
                }
                FieldRole::Proof(source) => {
                    if let Some(key) = proof::thumbprint(value) {
                        found.named(source, Scheme::Dpop, key);
                    }
                }
                FieldRole::Protocols(source) => self.protocols(source, value, &mut found),
                FieldRole::KeyId(source) => key_id = key_id.or(Some((source, value))),
                FieldRole::Signed => signed = true,
                FieldRole::Certificate(source, form) if trust.proxy => {
                    for name in certificate::names(*form, value).into_iter().flatten() {
                        found.id(source, Scheme::Mtls, bytes(name));
                    }
                }
                FieldRole::Certificate(..) => {}
                FieldRole::Gateway(source) if trust.gateway => {
                    found.identity(source, Scheme::Gateway, value)
                }
                FieldRole::Anonymous if trust.gateway => {
                    anonymous |= value.eq_ignore_ascii_case(b"true")
                }
                FieldRole::Gateway(_) | FieldRole::Anonymous => found.claimed = true,
            }
        }
        found.field = None;
        match key_id {
            Some((source, id)) if signed => found.identity(source, Scheme::Hmac, id),
            Some((source, key)) => {
                found.token(source, Scheme::ApiKey, Secret::Borrowed(key), &self.claims)
            }
            None => {}
        }
        if anonymous {
            // Kong and APISIX name a stand-in consumer for callers without a credential.
            found.retain(|candidate| candidate.scheme != Scheme::Gateway);
        }
        if !self.query.is_empty() || !self.paths.is_empty() {
            let target = Target::split(head.target);
            if let Some(query) = target.query {
                self.query(query, &mut found);
            }
            for (pattern, source) in &self.paths {
                if let Some(key) = pattern
                    .find(target.path)
                    .and_then(|range| target.path.get(range))
                {
                    found.token(
                        source,
                        Scheme::ApiKey,
                        decoded(key.as_bytes(), false),
                        &self.claims,
                    );
                }
            }
        }
        found
    }

    fn query<'a>(&'a self, query: &'a str, found: &mut Candidates<'a>) {
        for (name, value) in pairs(query) {
            let Some((kind, source)) = self.query_rule(name) else {
                continue;
            };
            let value = decoded(value.as_bytes(), true);
            match kind {
                QueryKind::Key(scheme) => found.token(source, scheme, value, &self.claims),
                QueryKind::Id(scheme) => match value {
                    Secret::Borrowed(id) => found.id(source, scheme, Cow::Borrowed(id)),
                    Secret::Owned(id) => found.id(source, scheme, Cow::Owned(id.to_vec())),
                },
                QueryKind::Scoped(scheme) => {
                    authorization::scoped_credential(source, scheme, value.bytes(), found)
                }
            }
        }
    }

    fn query_rule(&self, name: &str) -> Option<(QueryKind, &Source)> {
        let name = if memchr::memchr2(b'%', b'+', name.as_bytes()).is_some() {
            Cow::Owned(decoded(name.as_bytes(), true).bytes().to_vec())
        } else {
            Cow::Borrowed(name.as_bytes())
        };
        self.query
            .iter()
            .find(|(known, ..)| known.as_bytes().eq_ignore_ascii_case(&name))
            .map(|(_, kind, source)| (*kind, source))
    }

    /// Whether a query parameter of this name (as sent) carries a credential.
    pub(super) fn is_query_credential(&self, name: &str) -> bool {
        self.query_rule(name).is_some()
    }

    /// Where in a path a configured pattern finds a key, as byte ranges.
    pub(super) fn keys_in_path(&self, path: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.paths
            .iter()
            .filter_map(move |(pattern, _)| pattern.find(path))
    }

    /// A browser cannot set `Authorization` on a WebSocket, so a token travels as a protocol after one that says so, or behind
    /// Kubernetes' prefix (kubernetes/kubernetes#47740).
    fn protocols<'a>(&'a self, source: &'a Source, value: &'a [u8], found: &mut Candidates<'a>) {
        const PREFIX: &[u8] = b"base64url.bearer.authorization.k8s.io.";
        let mut marked = false;
        for protocol in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let token = match protocol.strip_prefix(PREFIX) {
                Some(token) => Some(token),
                None => marked.then_some(protocol),
            };
            if let Some(token) = token {
                let token = Secret::Borrowed(token);
                return found.token(source, Scheme::Bearer, token, &self.claims);
            }
            marked = PROTOCOL_MARKS
                .iter()
                .any(|mark| protocol.eq_ignore_ascii_case(mark.as_bytes()));
        }
    }

    fn cookies<'a>(&'a self, value: &'a [u8], found: &mut Candidates<'a>) {
        // RFC 6265 section 4.2.1
        for pair in value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
            let Some(at) = memchr::memchr(b'=', pair) else {
                continue;
            };
            let (name, value) = (
                pair.get(..at).unwrap_or_default(),
                pair.get(at + 1..).unwrap_or_default(),
            );
            let value = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""))
                .unwrap_or(value);
            if let Some((_, source)) = self
                .cookies
                .iter()
                .find(|(known, _)| known.as_bytes() == name.trim_ascii())
            {
                found.token(
                    source,
                    Scheme::Cookie,
                    Secret::Borrowed(value),
                    &self.claims,
                );
            }
        }
    }
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}
