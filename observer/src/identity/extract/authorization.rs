//! The `Authorization` field (RFC 9110 section 11.6.2), scheme by scheme.
//!
//! Bias: a form that a known scheme does not have is still a credential; it is then known by its fingerprint.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::candidates::clear;
use super::parameters::parameter;
use super::rules::Source;
use super::signed::id_of_pair;
use super::{Candidates, Extractor, Scheme, Secret, decoded};

/// Longer user and password pairs are not decoded.
const BASIC_BYTES: usize = 4096;
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// How the credentials of a scheme are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One token.
    Bearer,
    /// RFC 7617.
    Basic,
    /// `Credential=ID/scope`, as AWS Signature Version 4 and Google's have it.
    Scoped(Scheme),
    /// A key.
    Key,
    /// An id and a key in base64, as Elasticsearch has it.
    IdAndKey,
    /// Parameters, one of which names who signs.
    Named(Scheme, &'static str),
    /// `id:signature`.
    Pair(Scheme),
    /// OAuth 1 (RFC 5849 section 3.5.1), or a token under the same name.
    OAuth,
}

/// Scheme names (lower case) that are known without being configured, by how usual they are.
pub const USUAL: [(&str, Form); 32] = [
    ("bearer", Form::Bearer),
    ("basic", Form::Basic),
    ("aws4-hmac-sha256", Form::Scoped(Scheme::AwsSigV4)),
    ("aws4-ecdsa-p256-sha256", Form::Scoped(Scheme::AwsSigV4)),
    // RFC 9449 section 7.1
    ("dpop", Form::Bearer),
    ("token", Form::Key),
    ("apikey", Form::IdAndKey),
    ("api-key", Form::Key),
    ("key", Form::Key),
    ("geniekey", Form::Key),
    ("splunk", Form::Key),
    ("bot", Form::Key),
    // Okta
    ("ssws", Form::Key),
    ("sso-key", Form::Key),
    ("klaviyo-api-key", Form::Key),
    ("zoho-oauthtoken", Form::Key),
    // RFC 7616 section 3.4
    ("digest", Form::Named(Scheme::Digest, "username")),
    // github.com/mozilla/hawk, "Protocol Example"
    ("hawk", Form::Named(Scheme::Hawk, "id")),
    ("oauth", Form::OAuth),
    // draft-cavage-http-signatures-12 section 3.1
    ("signature", Form::Named(Scheme::HttpSignature, "keyId")),
    // Kong's hmac-auth: the same with another name
    ("hmac", Form::Named(Scheme::HttpSignature, "username")),
    // "Authorize with Shared Key", Azure Storage
    ("sharedkey", Form::Pair(Scheme::SharedKey)),
    ("sharedkeylite", Form::Pair(Scheme::SharedKey)),
    // "Generate SAS token", Azure Service Bus
    (
        "sharedaccesssignature",
        Form::Named(Scheme::SharedKey, "skn"),
    ),
    // "HMAC keys" and "Signatures", Google Cloud Storage
    ("goog1", Form::Pair(Scheme::GoogleSignature)),
    ("goog4-hmac-sha256", Form::Scoped(Scheme::GoogleSignature)),
    ("goog4-rsa-sha256", Form::Scoped(Scheme::GoogleSignature)),
    // Amazon S3, "Signing and authenticating REST requests": Signature Version 2, still spoken by compatible stores
    ("aws", Form::Pair(Scheme::Hmac)),
    // Akamai EdgeGrid
    ("eg1-hmac-sha256", Form::Named(Scheme::Hmac, "client_token")),
    // Azure App Configuration, "Authorization header"
    ("hmac-sha256", Form::Named(Scheme::Hmac, "Credential")),
    ("x-api-key", Form::Key),
    ("api-token", Form::Key),
];

/// One scheme and what is done with it.
#[derive(Clone, Debug)]
pub struct AuthorizationRule {
    pub scheme: Box<str>,
    pub form: Form,
    pub source: Source,
}

impl Extractor {
    /// Candidates in the value of an `Authorization` field.
    pub(super) fn authorization<'a>(&'a self, value: &'a [u8], found: &mut Candidates<'a>) {
        let Some(at) = memchr::memchr(b' ', value) else {
            // Some APIs take the key without a scheme.
            if let Some(source) = &self.bare_authorization {
                found.token(
                    source,
                    Scheme::ApiKey,
                    Secret::Borrowed(value),
                    &self.claims,
                );
            }
            return;
        };
        let (scheme, credentials) = (
            value.get(..at).unwrap_or_default(),
            value.get(at..).unwrap_or_default().trim_ascii(),
        );
        let Some(rule) = self
            .authorization
            .iter()
            .find(|rule| rule.scheme.as_bytes().eq_ignore_ascii_case(scheme))
        else {
            if let Some(source) = &self.other_authorization {
                found.token(
                    source,
                    Scheme::Other,
                    Secret::Borrowed(credentials),
                    &self.claims,
                );
            }
            return;
        };
        let source = &rule.source;
        match rule.form {
            Form::Bearer => found.token(
                source,
                Scheme::Bearer,
                Secret::Borrowed(credentials),
                &self.claims,
            ),
            Form::Key => {
                // `Token token="X"` (Rails, ActionController::HttpAuthentication::Token)
                let key = match parameter(credentials, "token") {
                    Some(Cow::Borrowed(key)) => Secret::Borrowed(key),
                    Some(Cow::Owned(key)) => Secret::Owned(Zeroizing::new(key)),
                    None => Secret::Borrowed(credentials),
                };
                found.token(source, Scheme::ApiKey, key, &self.claims);
            }
            Form::IdAndKey => id_and_key(source, credentials, found, &self.claims),
            Form::Basic => basic(source, credentials, found),
            Form::Scoped(scheme) => match parameter(credentials, "Credential") {
                Some(credential) => scoped_credential(source, scheme, &credential, found),
                None => found.secret(source, scheme, Secret::Borrowed(credentials)),
            },
            Form::Named(scheme, name) => {
                let id = parameter(credentials, name);
                named(source, scheme, id.as_deref(), credentials, found)
            }
            Form::Pair(scheme) => {
                named(source, scheme, id_of_pair(credentials), credentials, found)
            }
            Form::OAuth => match parameter(credentials, "oauth_consumer_key") {
                // RFC 5849 section 3.6: values are percent-encoded.
                Some(id) => {
                    let id = decoded(&id, false);
                    named(source, Scheme::OAuth1, Some(id.bytes()), credentials, found)
                }
                None => found.token(
                    source,
                    Scheme::ApiKey,
                    Secret::Borrowed(credentials),
                    &self.claims,
                ),
            },
        }
    }
}

/// Who signs, or where that cannot be told, all that was sent.
fn named<'a>(
    source: &'a Source,
    scheme: Scheme,
    id: Option<&[u8]>,
    credentials: &'a [u8],
    found: &mut Candidates<'a>,
) {
    match id.and_then(clear) {
        Some(id) => found.named(source, scheme, id.to_owned()),
        None => found.secret(source, scheme, Secret::Borrowed(credentials)),
    }
}

/// An id and a key in base64 (Elasticsearch, "Token-based authentication services"): known by the whole, or by its id.
fn id_and_key<'a>(
    source: &'a Source,
    credentials: &'a [u8],
    found: &mut Candidates<'a>,
    claims: &[Box<str>],
) {
    found.token(
        source,
        Scheme::ApiKey,
        Secret::Borrowed(credentials),
        claims,
    );
    let mut pair = Zeroizing::new(Vec::new());
    if credentials.len() > BASIC_BYTES || BASE64.decode_vec(credentials, &mut pair).is_err() {
        return;
    }
    // What happens to decode is no id: these are letters, digits and what stands between them.
    let plain = |id: &&str| id.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(id) = id_of_pair(&pair).and_then(clear).filter(plain) {
        found.named(source, Scheme::ApiKey, id.to_owned());
    }
}

/// `ID/date/region/service/aws4_request` (Amazon, "Create a signed AWS API request"), and Google's likeness of it.
pub(super) fn scoped_credential<'a>(
    source: &'a Source,
    scheme: Scheme,
    credential: &[u8],
    found: &mut Candidates<'a>,
) {
    let id = credential
        .split(|byte| *byte == b'/')
        .next()
        .unwrap_or_default();
    match clear(id) {
        Some(id) if id.len() <= 128 => found.named(source, scheme, id.to_owned()),
        _ => found.secret(
            source,
            scheme,
            Secret::Owned(Zeroizing::new(credential.to_vec())),
        ),
    }
}

/// User and password. Either may be the key: Stripe sends it as the user, Mailgun as the password of a fixed user.
fn basic<'a>(source: &'a Source, credentials: &'a [u8], found: &mut Candidates<'a>) {
    let mut pair = Zeroizing::new(Vec::new());
    let whole = |found: &mut Candidates<'a>| {
        found.secret(source, Scheme::Basic, Secret::Borrowed(credentials))
    };
    if credentials.len() > BASIC_BYTES || BASE64.decode_vec(credentials, &mut pair).is_err() {
        return whole(found);
    }
    let Some(colon) = memchr::memchr(b':', &pair) else {
        return whole(found);
    };
    let (user, password) = (
        pair.get(..colon).unwrap_or_default(),
        pair.get(colon + 1..).unwrap_or_default(),
    );
    let secret = |bytes: &[u8]| Secret::Owned(Zeroizing::new(bytes.to_vec()));
    if user.is_empty() {
        return found.secret(source, Scheme::Basic, secret(password));
    }
    let user_is_key = password.is_empty() || password == b"x" || looks_like_a_key(user);
    if user_is_key {
        found.secret(source, Scheme::Basic, secret(user));
    }
    if let Some(user) = clear(user) {
        found.named(source, Scheme::Basic, user.to_owned());
    }
    if !user_is_key {
        found.secret(source, Scheme::Basic, secret(password));
    }
}

/// A user name that no person has: long, letters and digits mixed, no dot and no at sign.
fn looks_like_a_key(user: &[u8]) -> bool {
    user.len() >= 20
        && user.iter().any(u8::is_ascii_digit)
        && user.iter().any(u8::is_ascii_alphabetic)
        && user
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte))
}
