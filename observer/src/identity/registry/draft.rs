//! What is to be registered, or is: accounts with their apps and keys, in the form that files are written from.
//!
//! Invariant: ids are valid ones, and of a key there is a fingerprint or what travels in the clear, never the key.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::super::extract::Scheme;
use super::super::fingerprint::Fingerprint;
use super::super::shown::Shown;
use super::{ClearIdentity, KeyEntry, KeyState, Owner, Registry};

/// Characters of a fingerprint in an id that is made of it: 50 bits.
const ID_CHARS: usize = 10;
/// Of an account in such an id, so that it has 63 bytes at most.
const LONGEST_STEM: usize = 63 - 1 - ID_CHARS;

/// What a key is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Handle {
    /// Its fingerprint.
    Fingerprint(Fingerprint),
    /// The identity that it shows in the clear.
    Identity(Arc<ClearIdentity>),
}

impl Handle {
    /// The identity of a scheme without issuers.
    pub fn subject(scheme: Scheme, subject: &str) -> Self {
        Self::Identity(Arc::new(ClearIdentity {
            scheme,
            issuer: "".into(),
            subject: subject.into(),
        }))
    }

    /// Words for a message, of bounded length and without control characters.
    pub fn words(&self) -> String {
        match self {
            Self::Fingerprint(fingerprint) => format!("fingerprint {fingerprint}"),
            Self::Identity(identity) => format!(
                "{} subject `{}`",
                identity.scheme.name(),
                Shown(&identity.subject)
            ),
        }
    }
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountDraft {
    /// Its id, as [`super::Id`] has it.
    pub id: Box<str>,
    /// Its name.
    pub name: Option<Box<str>>,
    /// Whom to write to.
    pub contact: Option<Box<str>>,
    /// Version of the terms of use, and the day on which they were accepted.
    pub terms: Option<(Box<str>, Option<Date>)>,
    /// Id of its plan.
    pub plan: Option<Box<str>>,
    /// Its apps.
    pub apps: Vec<AppDraft>,
}

impl AccountDraft {
    /// Every key with its app.
    pub fn keys(&self) -> impl Iterator<Item = (&AppDraft, &KeyDraft)> {
        self.apps
            .iter()
            .flat_map(|app| app.keys.iter().map(move |key| (app, key)))
    }
}

/// An app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppDraft {
    /// Its id.
    pub id: Box<str>,
    /// Who runs it; `None`: not said.
    pub owner: Option<Owner>,
    /// Its keys.
    pub keys: Vec<KeyDraft>,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDraft {
    /// Its id.
    pub id: Box<str>,
    /// What it is known by.
    pub handle: Handle,
    /// What an operator recognises it by; never the key.
    pub hint: Option<Box<str>>,
    /// Where in its life it is.
    pub state: KeyState,
    /// Not meant to be used before.
    pub valid_from: Option<Timestamp>,
    /// Not meant to be used from then on.
    pub expires: Option<Timestamp>,
    /// Networks that it is expected from, as they are written in a registry.
    pub networks: Vec<String>,
}

impl KeyDraft {
    /// A key about which nothing else is said.
    pub fn new(id: &str, handle: Handle) -> Self {
        Self {
            id: id.into(),
            handle,
            hint: None,
            state: KeyState::Active,
            valid_from: None,
            expires: None,
            networks: Vec::new(),
        }
    }

    /// An id for a key of which nothing but the account and the fingerprint is known: the account, and the first characters.
    pub fn id_of(account: &str, fingerprint: &Fingerprint) -> Box<str> {
        let text = fingerprint.to_string().to_ascii_lowercase();
        let digest = text.split_once('_').map_or(&*text, |(_, digest)| digest);
        let account = account.get(..LONGEST_STEM).unwrap_or(account);
        format!("{account}-{}", digest.get(..ID_CHARS).unwrap_or(digest)).into()
    }

    /// Whether it is meant to be accepted at `now`, seconds since 1970.
    pub fn is_in_use(&self, now: i64) -> bool {
        self.state.is_in_use() && self.expires.is_none_or(|end| end.as_second() > now)
    }
}

impl From<&KeyEntry> for KeyDraft {
    fn from(entry: &KeyEntry) -> Self {
        Self {
            id: (*entry.key).into(),
            handle: entry.handle.clone(),
            hint: entry.hint.clone(),
            state: entry.state,
            valid_from: entry.valid_from,
            expires: entry.expires,
            networks: entry.networks.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Registry {
    /// Everything that is registered, in the order of the documents.
    pub fn drafts(&self) -> Vec<AccountDraft> {
        // Apps stand in the order of their accounts, and keys in that of their apps.
        let mut apps = self.apps.iter().peekable();
        let mut keys = self.keys.iter().peekable();
        let mut drafts = Vec::with_capacity(self.accounts.len());
        for account in &self.accounts {
            let mut draft = AccountDraft {
                id: (*account.id).into(),
                name: account.name.clone(),
                contact: account.contact.clone(),
                terms: account
                    .terms
                    .as_ref()
                    .map(|terms| (terms.version.clone(), terms.accepted)),
                plan: account.plan.as_ref().map(|plan| (**plan).into()),
                apps: Vec::new(),
            };
            while let Some(app) = apps.next_if(|app| app.consumer == account.id) {
                let mut app_draft = AppDraft {
                    id: (*app.id).into(),
                    owner: Some(app.owner),
                    keys: Vec::new(),
                };
                while let Some(key) = keys.next_if(|key| key.app == app.id) {
                    app_draft.keys.push(key.into());
                }
                draft.apps.push(app_draft);
            }
            drafts.push(draft);
        }
        drafts
    }
}
