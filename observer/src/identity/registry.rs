//! The registry: which key belongs to which app of which account, read from TOML documents.
//!
//! Invariant: an id or a fingerprint stands for one thing only. A document that breaks this is refused as a whole,
//! with every name that is needed to mend it; the registry before it stays in force.

mod draft;
mod edit;
mod lint;
mod load;
mod model;
mod places;
mod plan;
#[cfg(test)]
mod tests;
mod value;

pub use draft::{AccountDraft, AppDraft, Handle, KeyDraft};
pub use edit::{Added, EditError, Editor};
pub use lint::{Facts, Finding, LintRule, lint};
pub use load::RegistryError;
pub use model::{Account, AccountVat, App, KeyState, Owner, Terms};
pub use places::{Place, Places};
pub use plan::{Charge, Limit, Meter, Model, Per, Plan, Price, Tier};
pub use value::{Id, Percent, is_reserved, network};

use std::fmt;
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};
use ipnet::IpNet;
use jiff::Timestamp;

use super::extract::Scheme;
use super::fingerprint::Fingerprint;

/// One registered key and whose it is.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    /// Id of the account: the consumer.
    pub consumer: Arc<str>,
    /// Id of the app.
    pub app: Arc<str>,
    /// Id of the key.
    pub key: Arc<str>,
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
    /// Not to be used before, since its account had not accepted the terms of use that its plan asks for, or not yet;
    /// [`Timestamp::MAX`] while it has not.
    pub agreed: Option<Timestamp>,
    /// Networks that it is expected from; empty: any.
    pub networks: Box<[IpNet]>,
    /// Routes that it is meant for; empty: those of the plan.
    pub routes: Box<[Box<str>]>,
}

/// Everything registered. Empty by default: every credential is then unregistered.
#[derive(Clone, Default)]
pub struct Registry {
    accounts: Vec<Account>,
    apps: Vec<App>,
    plans: Vec<Plan>,
    keys: Vec<KeyEntry>,
    by_account: HashMap<Arc<str>, u32>,
    by_fingerprint: HashMap<Fingerprint, u32>,
    by_identity: HashMap<Arc<ClearIdentity>, u32>,
}

impl Registry {
    /// Reads documents (name for messages, text) as one registry, in the order given.
    pub fn parse<N: AsRef<str>, T: AsRef<str>>(
        documents: &[(N, T)],
    ) -> Result<Self, RegistryError> {
        load::load(documents).map(|(registry, _)| registry)
    }

    /// As [`Self::parse`], with the places at which everything stands.
    ///
    /// # Errors
    /// As there.
    pub fn parse_with_places<N: AsRef<str>, T: AsRef<str>>(
        documents: &[(N, T)],
    ) -> Result<(Self, Places), RegistryError> {
        load::load(documents)
    }

    /// The key of a fingerprint.
    pub fn by_fingerprint(&self, fingerprint: &Fingerprint) -> Option<&KeyEntry> {
        self.entry(*self.by_fingerprint.get(fingerprint)?)
    }

    /// The key that is registered as a clear identity. `issuer` is a token's `iss`, else empty.
    pub fn by_identity(&self, scheme: Scheme, issuer: &str, subject: &str) -> Option<&KeyEntry> {
        if self.by_identity.is_empty() {
            return None;
        }
        self.entry(*self.by_identity.get(&IdentityRef {
            scheme,
            issuer,
            subject,
        })?)
    }

    fn entry(&self, at: u32) -> Option<&KeyEntry> {
        self.keys.get(usize::try_from(at).ok()?)
    }

    /// Every account, in the order of the documents.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The account of an id.
    pub fn account(&self, id: &str) -> Option<&Account> {
        let at = *self.by_account.get(id)?;
        self.accounts.get(usize::try_from(at).ok()?)
    }

    /// Every app, in the order of the documents.
    pub fn apps(&self) -> &[App] {
        &self.apps
    }

    /// Every plan, in the order of the documents.
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// Every key, in the order of the documents.
    pub fn keys(&self) -> &[KeyEntry] {
        &self.keys
    }

    /// The key that this stands for.
    pub fn by_handle(&self, handle: &Handle) -> Option<&KeyEntry> {
        match handle {
            Handle::Fingerprint(fingerprint) => self.by_fingerprint(fingerprint),
            Handle::Identity(identity) => self.entry(*self.by_identity.get(identity)?),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Registry({} accounts, {} apps, {} keys, {} plans)",
            self.accounts.len(),
            self.apps.len(),
            self.keys.len(),
            self.plans.len()
        )
    }
}

/// An identity that travels in the clear, as the registry keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClearIdentity {
    /// How it travels, one of [`Scheme::IN_THE_CLEAR`].
    pub scheme: Scheme,
    /// A token's `iss`; empty for every other scheme, and where a token has none.
    pub issuer: Box<str>,
    /// The user, the claim, the access key id, or what a gateway says.
    pub subject: Box<str>,
}

/// The same, borrowed from a request. Field by field it hashes like [`ClearIdentity`].
#[derive(Hash)]
struct IdentityRef<'a> {
    scheme: Scheme,
    issuer: &'a str,
    subject: &'a str,
}

impl Equivalent<Arc<ClearIdentity>> for IdentityRef<'_> {
    fn equivalent(&self, key: &Arc<ClearIdentity>) -> bool {
        self.scheme == key.scheme && *self.issuer == *key.issuer && *self.subject == *key.subject
    }
}
