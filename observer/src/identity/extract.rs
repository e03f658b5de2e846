//! Finds the credentials of a request: where keys are known to travel, in an order that the operator can change.
//!
//! Bias: prefers one candidate too many to one too few, since only what is registered gets a name. Nothing is verified
//! here: whether a credential is good is the application's to say.

mod authorization;
mod candidates;
mod jwt;
mod path;
mod rules;
mod signature;
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

use crate::http::RequestHead;
use authorization::AuthorizationRule;
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
}

impl Scheme {
    /// Those whose identity travels in the clear, so that a registry can name it.
    pub const IN_THE_CLEAR: [Self; 4] = [Self::Jwt, Self::Basic, Self::AwsSigV4, Self::Gateway];

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
        }
    }
}

/// Every place where a credential is looked for, in order.
#[derive(Clone, Debug)]
pub struct Extractor {
    fields: FieldTable,
    authorization: Vec<AuthorizationRule>,
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

    /// Candidates of one request, first choice first. `gateway`: the peer's word on who calls is believed.
    pub fn candidates<'a>(&'a self, head: &RequestHead<'a>, gateway: bool) -> Candidates<'a> {
        let mut found = Candidates::default();
        let mut anonymous = false;
        for field in head.fields {
            let Some(role) = self.fields.role(field.name) else {
                continue;
            };
            let value = field.value.trim_ascii();
            if value.is_empty() {
                continue;
            }
            match role {
                FieldRole::Key(source) => found.token(
                    source,
                    Scheme::ApiKey,
                    Secret::Borrowed(value),
                    &self.claims,
                ),
                FieldRole::Authorization => self.authorization(value, &mut found),
                FieldRole::Cookie => self.cookies(value, &mut found),
                FieldRole::Gateway(source) if gateway => {
                    found.identity(source, Scheme::Gateway, value)
                }
                FieldRole::Anonymous if gateway => anonymous |= value.eq_ignore_ascii_case(b"true"),
                FieldRole::Gateway(_) | FieldRole::Anonymous => found.claimed = true,
            }
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
                QueryKind::Aws => authorization::aws_credential(source, value.bytes(), found),
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
