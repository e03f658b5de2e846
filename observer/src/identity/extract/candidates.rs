//! What a request carries that could name its consumer, a few at most, first choice first.
//!
//! Invariant: at most [`MOST`] are kept, the earlier choices; what is left out is told by [`Candidates::left_out`].

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::Scheme;
use super::jwt;
use super::rules::Source;
use crate::identity::spelling::Spelled;

/// Four credentials, each in up to two forms (a token and its subject, a user and a password).
pub const MOST: usize = 8;
/// The longest clear identity that is believed to be one.
const IDENTITY_BYTES: usize = 512;
/// Longer tokens are identified by their claims alone: they are too long to be hashed for every request.
const HASHED_TOKEN_BYTES: usize = 4096;

/// Bytes of a credential. They are never printed, and overwritten with zeros where they were copied.
pub enum Secret<'a> {
    /// As it stands in the request.
    Borrowed(&'a [u8]),
    /// After decoding.
    Owned(Zeroizing<Vec<u8>>),
}

impl Secret<'_> {
    /// The value.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// What identifies.
pub enum Value<'a> {
    /// Something that only its fingerprint may stand for.
    Secret(Secret<'a>),
    /// An identity that is no secret by itself.
    Identity {
        /// A token's `iss`; else empty.
        issuer: Cow<'a, str>,
        /// User, claim, access key id or consumer.
        subject: Cow<'a, str>,
        /// A token's `exp`, seconds since 1970.
        expires: Option<i64>,
    },
}

/// One credential, or one form of it.
pub struct Candidate<'a> {
    /// Its kind.
    pub scheme: Scheme,
    /// Where it was, as `header:x-api-key`, `query:api_key`, `authorization:bearer`, `cookie:session` or `path`.
    pub location: &'a Arc<str>,
    /// It stood in the request target, where logs and proxies keep it.
    pub in_url: bool,
    /// What identifies.
    pub value: Value<'a>,
    /// The field that it stands in; `None` of what is part of a target or of several fields.
    pub spelled: Option<Spelled<'a>>,
    rank: u16,
}

impl fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Candidate({} at {})", self.scheme.name(), self.location)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(..)")
    }
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Candidates of one request.
#[derive(Debug, Default)]
pub struct Candidates<'a> {
    kept: [Option<Candidate<'a>>; MOST],
    /// Candidates that did not fit.
    pub left_out: usize,
    /// A field that only a gateway sets came from elsewhere.
    pub claimed: bool,
    /// The field that is being looked at, where all of it is the credential.
    pub(super) field: Option<Spelled<'a>>,
}

impl<'a> Candidates<'a> {
    /// First choice first.
    pub fn iter(&self) -> impl Iterator<Item = &Candidate<'a>> {
        self.kept.iter().flatten()
    }

    /// A value that is a secret, or a token that names its subject.
    pub(super) fn token(
        &mut self,
        source: &'a Source,
        scheme: Scheme,
        secret: Secret<'a>,
        claims: &[Box<str>],
    ) {
        if secret.bytes().is_empty() {
            return;
        }
        let Some(token) = jwt::read(secret.bytes(), claims) else {
            return self.secret(source, scheme, secret);
        };
        let value = Value::Identity {
            issuer: token.issuer.into(),
            subject: token.subject.into(),
            expires: token.expires,
        };
        self.push(source, Scheme::Jwt, value);
        if secret.bytes().len() <= HASHED_TOKEN_BYTES {
            // A token may itself be registered as a key.
            self.push(source, Scheme::Jwt, Value::Secret(secret));
        }
    }

    pub(super) fn secret(&mut self, source: &'a Source, scheme: Scheme, secret: Secret<'a>) {
        if !secret.bytes().is_empty() {
            self.push(source, scheme, Value::Secret(secret));
        }
    }

    /// A clear identity; what cannot be one (too long, control characters, no UTF-8) is treated as a secret.
    pub(super) fn identity(&mut self, source: &'a Source, scheme: Scheme, subject: &'a [u8]) {
        match clear(subject) {
            Some(subject) => self.named(source, scheme, subject),
            None => self.secret(source, scheme, Secret::Borrowed(subject)),
        }
    }

    /// The same of a value that may have been decoded.
    pub(super) fn id(&mut self, source: &'a Source, scheme: Scheme, subject: Cow<'a, [u8]>) {
        match subject {
            Cow::Borrowed(subject) => self.identity(source, scheme, subject),
            Cow::Owned(subject) => match clear(&subject) {
                Some(subject) => self.named(source, scheme, subject.to_owned()),
                None => self.secret(source, scheme, Secret::Owned(Zeroizing::new(subject))),
            },
        }
    }

    /// A clear identity that was checked to be one.
    pub(super) fn named(
        &mut self,
        source: &'a Source,
        scheme: Scheme,
        subject: impl Into<Cow<'a, str>>,
    ) {
        let value = Value::Identity {
            issuer: "".into(),
            subject: subject.into(),
            expires: None,
        };
        self.push(source, scheme, value);
    }

    pub(super) fn push(&mut self, source: &'a Source, scheme: Scheme, value: Value<'a>) {
        let candidate = Candidate {
            scheme,
            location: &source.location,
            in_url: source.in_url,
            value,
            spelled: self.field,
            rank: source.rank,
        };
        // Insertion from the left: equal ranks stay in the order of the request.
        let mut moving = Some(candidate);
        for slot in &mut self.kept {
            match (&slot, &moving) {
                (_, None) => return,
                (None, Some(_)) => {
                    *slot = moving;
                    return;
                }
                (Some(kept), Some(new)) if new.rank < kept.rank => {
                    std::mem::swap(slot, &mut moving)
                }
                (Some(_), Some(_)) => {}
            }
        }
        self.left_out += 1;
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Candidate<'a>) -> bool) {
        for slot in &mut self.kept {
            if slot.as_ref().is_some_and(|candidate| !keep(candidate)) {
                *slot = None;
            }
        }
        let kept = std::mem::take(&mut self.kept);
        for (slot, candidate) in self.kept.iter_mut().zip(kept.into_iter().flatten()) {
            *slot = Some(candidate);
        }
    }
}

/// Text that can be a clear identity.
pub(super) fn clear(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok()?;
    (!text.is_empty() && text.len() <= IDENTITY_BYTES && !text.chars().any(char::is_control))
        .then_some(text)
}
