//! The places where credentials are looked for: what the operator configured, then the usual ones.
//!
//! Invariant: every place has one rank, and names compare as their field says: header fields, schemes and parameters
//! without case (RFC 9110 section 5.1), cookies with it.

use std::sync::Arc;

use super::authorization::{AuthorizationRule, Form, USUAL};
use super::{Extractor, PathPattern, Scheme};

/// A configured place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialRule {
    /// A header field.
    Header(Box<str>),
    /// A scheme of the `Authorization` field.
    Authorization(Box<str>),
    /// A query parameter.
    Query(Box<str>),
    /// A cookie.
    Cookie(Box<str>),
    /// A claim of a token, tried before the usual ones.
    JwtClaim(Box<str>),
    /// A part of the path.
    Path(PathPattern),
}

/// Where a candidate comes from.
#[derive(Clone, Debug)]
pub struct Source {
    pub rank: u16,
    pub location: Arc<str>,
    pub in_url: bool,
}

/// What a query parameter carries.
#[derive(Clone, Copy, Debug)]
pub enum QueryKind {
    /// A key or a token.
    Key(Scheme),
    /// `X-Amz-Credential`.
    Aws,
}

/// What a header field means for the attribution.
#[derive(Clone, Debug)]
pub enum FieldRole {
    /// Its value is a key.
    Key(Source),
    /// Its value names who a gateway let in.
    Gateway(Source),
    /// A gateway let somebody in without a credential.
    Anonymous,
    /// `Authorization`
    Authorization,
    /// `Cookie`
    Cookie,
}

/// Fields with a key as their value, by how usual they are.
const KEY_FIELDS: [&str; 18] = [
    "x-api-key",
    "apikey",
    "api-key",
    "x-api-token",
    "x-auth-token",
    "x-access-token",
    "x-auth-key",
    "ocp-apim-subscription-key",
    "x-functions-key",
    "x-goog-api-key",
    "x-rapidapi-key",
    "private-token",
    "job-token",
    "dd-api-key",
    "x-shopify-access-token",
    "x-vault-token",
    "x-algolia-api-key",
    "x-apikey",
];

/// The finer name first: a credential, then its consumer.
const GATEWAY_FIELDS: [&str; 4] = [
    "x-credential-identifier",
    "x-consumer-username",
    "x-consumer-custom-id",
    "x-consumer-id",
];

const QUERY_PARAMETERS: [(&str, QueryKind); 9] = [
    ("api_key", QueryKind::Key(Scheme::ApiKey)),
    ("apikey", QueryKind::Key(Scheme::ApiKey)),
    ("api-key", QueryKind::Key(Scheme::ApiKey)),
    ("key", QueryKind::Key(Scheme::ApiKey)),
    // RFC 6750 section 2.3
    ("access_token", QueryKind::Key(Scheme::Bearer)),
    ("token", QueryKind::Key(Scheme::ApiKey)),
    ("auth", QueryKind::Key(Scheme::ApiKey)),
    ("code", QueryKind::Key(Scheme::ApiKey)),
    ("x-amz-credential", QueryKind::Aws),
];

/// Claims that name a client, then the one that names a user.
const CLAIMS: [&str; 5] = ["client_id", "azp", "appid", "cid", "sub"];

/// Field names to roles. By length first: most fields of a request are told apart by that alone.
#[derive(Clone, Debug, Default)]
pub struct FieldTable(Vec<Vec<(Box<str>, FieldRole)>>);

impl FieldTable {
    fn add(&mut self, name: &str, role: FieldRole) {
        if self.role(name).is_some() {
            return;
        }
        if self.0.len() <= name.len() {
            self.0.resize_with(name.len() + 1, Vec::new);
        }
        if let Some(bucket) = self.0.get_mut(name.len()) {
            bucket.push((name.to_ascii_lowercase().into(), role));
        }
    }

    /// The role of a field, if it has one.
    pub fn role(&self, name: &str) -> Option<&FieldRole> {
        self.0
            .get(name.len())?
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, role)| role)
    }
}

/// Gives out ranks in the order of asking.
struct Ranks(u16);

impl Ranks {
    fn source(&mut self, location: String) -> Source {
        self.0 = self.0.saturating_add(1);
        let in_url = location == "path" || location.starts_with("query:");
        Source {
            rank: self.0,
            location: location.into(),
            in_url,
        }
    }
}

pub(super) fn extractor(configured: &[CredentialRule], usual: bool) -> Extractor {
    let mut ranks = Ranks(0);
    let mut any_scheme = usual;
    let mut fields = FieldTable::default();
    let mut authorization: Vec<AuthorizationRule> = Vec::new();
    let mut query: Vec<(Box<str>, QueryKind, Source)> = Vec::new();
    let mut cookies: Vec<(Box<str>, Source)> = Vec::new();
    let mut paths = Vec::new();
    let mut claims: Vec<Box<str>> = Vec::new();
    for rule in configured {
        match rule {
            CredentialRule::Header(name) if name.eq_ignore_ascii_case("authorization") => {
                USUAL
                    .iter()
                    .for_each(|(scheme, _)| add_scheme(&mut authorization, scheme, &mut ranks));
                any_scheme = true;
            }
            CredentialRule::Header(name) => fields.add(
                name,
                FieldRole::Key(ranks.source(format!("header:{}", name.to_ascii_lowercase()))),
            ),
            CredentialRule::Authorization(scheme) => {
                add_scheme(&mut authorization, scheme, &mut ranks)
            }
            CredentialRule::Query(name) => {
                let kind = QUERY_PARAMETERS
                    .iter()
                    .find(|(known, _)| known.eq_ignore_ascii_case(name))
                    .map_or(QueryKind::Key(Scheme::ApiKey), |(_, kind)| *kind);
                query.push((name.clone(), kind, ranks.source(format!("query:{name}"))));
            }
            CredentialRule::Cookie(name) => {
                cookies.push((name.clone(), ranks.source(format!("cookie:{name}"))))
            }
            CredentialRule::JwtClaim(claim) => claims.push(claim.clone()),
            CredentialRule::Path(pattern) => {
                paths.push((pattern.clone(), ranks.source("path".to_owned())))
            }
        }
    }
    if usual {
        for name in KEY_FIELDS {
            fields.add(name, FieldRole::Key(ranks.source(format!("header:{name}"))));
        }
        for (scheme, _) in USUAL {
            add_scheme(&mut authorization, scheme, &mut ranks);
        }
    }
    let other_authorization = any_scheme.then(|| ranks.source("authorization:other".to_owned()));
    if usual {
        for (name, kind) in QUERY_PARAMETERS {
            if !query
                .iter()
                .any(|(known, ..)| known.eq_ignore_ascii_case(name))
            {
                query.push((name.into(), kind, ranks.source(format!("query:{name}"))));
            }
        }
    }
    if any_scheme || !authorization.is_empty() {
        fields.add("authorization", FieldRole::Authorization);
    }
    if !cookies.is_empty() {
        fields.add("cookie", FieldRole::Cookie);
    }
    // Who may say so is decided for each request, so these do not depend on `usual`.
    for name in GATEWAY_FIELDS {
        fields.add(
            name,
            FieldRole::Gateway(ranks.source(format!("header:{name}"))),
        );
    }
    fields.add("x-anonymous-consumer", FieldRole::Anonymous);
    for claim in CLAIMS {
        if !claims.iter().any(|known| **known == *claim) {
            claims.push(claim.into());
        }
    }
    Extractor {
        fields,
        authorization,
        other_authorization,
        query,
        cookies,
        paths,
        claims,
    }
}

fn add_scheme(rules: &mut Vec<AuthorizationRule>, scheme: &str, ranks: &mut Ranks) {
    if rules
        .iter()
        .any(|rule| rule.scheme.eq_ignore_ascii_case(scheme))
    {
        return;
    }
    let scheme = scheme.to_ascii_lowercase();
    let form = USUAL
        .iter()
        .find(|(known, _)| *known == scheme)
        .map_or(Form::Key, |(_, form)| *form);
    let source = ranks.source(format!("authorization:{scheme}"));
    rules.push(AuthorizationRule {
        scheme: scheme.into(),
        form,
        source,
    });
}
