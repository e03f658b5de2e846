//! The `Authorization` field (RFC 9110 section 11.6.2), scheme by scheme.
//!
//! Bias: a form that a known scheme does not have is still a credential; it is then known by its fingerprint.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::candidates::clear;
use super::rules::Source;
use super::{Candidates, Extractor, Scheme, Secret, Value};

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
    /// AWS Signature Version 4.
    Aws,
    /// A key.
    Key,
}

/// Scheme names (lower case) that are known without being configured.
pub const USUAL: [(&str, Form); 12] = [
    ("bearer", Form::Bearer),
    ("basic", Form::Basic),
    ("aws4-hmac-sha256", Form::Aws),
    ("aws4-ecdsa-p256-sha256", Form::Aws),
    ("dpop", Form::Bearer),
    ("token", Form::Key),
    ("apikey", Form::Key),
    ("api-key", Form::Key),
    ("key", Form::Key),
    ("geniekey", Form::Key),
    ("splunk", Form::Key),
    ("bot", Form::Key),
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
        // Without a scheme: some APIs take the bare key.
        let (scheme, credentials) = match memchr::memchr(b' ', value) {
            Some(at) => (
                value.get(..at).unwrap_or_default(),
                value.get(at..).unwrap_or_default().trim_ascii(),
            ),
            None => (&b""[..], value),
        };
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
        match rule.form {
            Form::Bearer => found.token(
                &rule.source,
                Scheme::Bearer,
                Secret::Borrowed(credentials),
                &self.claims,
            ),
            Form::Key => found.token(
                &rule.source,
                Scheme::ApiKey,
                Secret::Borrowed(unquoted(credentials)),
                &self.claims,
            ),
            Form::Basic => basic(&rule.source, credentials, found),
            Form::Aws => match parameter(credentials, b"Credential") {
                Some(credential) => aws_credential(&rule.source, credential, found),
                None => found.secret(
                    &rule.source,
                    Scheme::AwsSigV4,
                    Secret::Borrowed(credentials),
                ),
            },
        }
    }
}

/// `token="X"` (Rails) or the value itself.
fn unquoted(credentials: &[u8]) -> &[u8] {
    match parameter(credentials, b"token") {
        Some(token) => token
            .strip_prefix(b"\"")
            .and_then(|token| token.split(|byte| *byte == b'"').next())
            .unwrap_or(token),
        None => credentials,
    }
}

/// The value of `name=value` in a list separated by commas.
fn parameter<'a>(credentials: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut parameters = credentials
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii);
    parameters.find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix(b"="))
}

/// `AKID/date/region/service/aws4_request`: the access key id is the identity.
pub(super) fn aws_credential<'a>(
    source: &'a Source,
    credential: &[u8],
    found: &mut Candidates<'a>,
) {
    let id = credential
        .split(|byte| *byte == b'/')
        .next()
        .unwrap_or_default();
    match clear(id) {
        Some(id) if id.len() <= 128 => {
            found.push(
                source,
                Scheme::AwsSigV4,
                Value::Identity {
                    issuer: "".into(),
                    subject: id.to_owned().into(),
                    expires: None,
                },
            );
        }
        _ => found.secret(
            source,
            Scheme::AwsSigV4,
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
        found.push(
            source,
            Scheme::Basic,
            Value::Identity {
                issuer: "".into(),
                subject: user.to_owned().into(),
                expires: None,
            },
        );
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
