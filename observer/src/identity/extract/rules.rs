//! The places where credentials are looked for: what the operator configured, then the usual ones.
//!
//! Invariant: every place has one rank, and names compare as their field says: header fields, schemes and parameters
//! without case (RFC 9110 section 5.1), cookies with it.

use std::sync::Arc;

use super::authorization::{self, AuthorizationRule, USUAL};
use super::certificate::Form;
use super::places::{
    CERTIFICATE_FIELDS, CLAIMS, GATEWAY_FIELDS, KEY_FIELDS, KEY_ID_FIELDS, QUERY_PARAMETERS,
};
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
    /// An id in the clear.
    Id(Scheme),
    /// An id with the scope of its signature.
    Scoped(Scheme),
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
    /// `Signature-Input` (RFC 9421) names who signed.
    SignatureInput(Source),
    /// `Signature` as draft-cavage-http-signatures has it names who signed.
    Signature(Source),
    /// A DPoP proof (RFC 9449).
    Proof(Source),
    /// Protocols that a WebSocket's client offers, a token among them.
    Protocols(Source),
    /// Names who signed where a signature is there too; else a key.
    KeyId(Source),
    /// A signature by whom another field names.
    Signed,
    /// What a proxy says of the client's certificate.
    Certificate(Source, Form),
}

/// Field names to roles. By length and first letter: nearly every field of a request is told apart by these alone, so that
/// more names cost the others nothing.
#[derive(Clone, Debug, Default)]
pub struct FieldTable(Vec<Fields>);

/// Fields with names of one length.
#[derive(Clone, Debug, Default)]
struct Fields {
    /// A bit for each first letter, by [`bit`].
    first: u32,
    named: Vec<(Box<str>, FieldRole)>,
}

/// The bit of a first letter, the same for both cases.
fn bit(name: &str) -> u32 {
    name.bytes().next().map_or(0, |first| 1 << (first & 31))
}

impl FieldTable {
    fn add(&mut self, name: &str, role: FieldRole) {
        if self.role(name).is_some() {
            return;
        }
        if self.0.len() <= name.len() {
            self.0.resize_with(name.len() + 1, Fields::default);
        }
        if let Some(fields) = self.0.get_mut(name.len()) {
            fields.first |= bit(name);
            fields.named.push((name.to_ascii_lowercase().into(), role));
        }
    }

    /// The role of a field, if it has one.
    pub fn role(&self, name: &str) -> Option<&FieldRole> {
        let fields = self.0.get(name.len())?;
        if fields.first & bit(name) == 0 {
            return None;
        }
        fields
            .named
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
    let bare_authorization = any_scheme.then(|| ranks.source("authorization".to_owned()));
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
    if usual {
        let mut add = |name: &str, role: fn(Source) -> FieldRole| {
            fields.add(name, role(ranks.source(format!("header:{name}"))));
        };
        add("signature-input", FieldRole::SignatureInput);
        add("signature", FieldRole::Signature);
        add("dpop", FieldRole::Proof);
        add("sec-websocket-protocol", FieldRole::Protocols);
        for name in KEY_ID_FIELDS {
            add(name, FieldRole::KeyId);
        }
        fields.add("x-signature", FieldRole::Signed);
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
    for (name, form) in CERTIFICATE_FIELDS {
        let source = ranks.source(format!("header:{name}"));
        fields.add(name, FieldRole::Certificate(source, form));
    }
    for claim in CLAIMS {
        if !claims.iter().any(|known| **known == *claim) {
            claims.push(claim.into());
        }
    }
    Extractor {
        fields,
        authorization,
        bare_authorization,
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
        .map_or(authorization::Form::Key, |(_, form)| *form);
    let source = ranks.source(format!("authorization:{scheme}"));
    rules.push(AuthorizationRule {
        scheme: scheme.into(),
        form,
        source,
    });
}
