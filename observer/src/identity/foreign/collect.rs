//! Puts what is read into accounts, apps and keys, with valid ids made of whatever names there are.
//!
//! Invariant: the same file gives the same ids, and two names never share one.

use hashbrown::{HashMap, HashSet};
use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

use super::super::extract::Scheme;
use super::super::fingerprint::{Fingerprint, Fingerprinter};
use super::super::registry::{AccountDraft, AppDraft, Handle, Id, KeyDraft, KeyState, Owner};
use super::{ENTRIES, ForeignError, Imported, REMARKS};

/// Bytes of an id.
const ID_BYTES: usize = 63;
/// Bytes of a key; the largest tokens in use have a few KiB.
const KEY_BYTES: usize = 64 << 10;

/// What a file says of a key beside the key.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// Name of the app; `None`: one named after the account.
    pub app: Option<String>,
    /// Who runs the app.
    pub owner: Option<Owner>,
    /// Name of the key; `None`: one made of its fingerprint.
    pub key: Option<String>,
    /// Its state.
    pub state: KeyState,
    /// Not meant to be used before.
    pub valid_from: Option<Timestamp>,
    /// Not meant to be used from then on.
    pub expires: Option<Timestamp>,
}

pub(super) struct Collector<'a> {
    fingerprinter: &'a Fingerprinter,
    prefix: &'a str,
    accounts: Vec<AccountDraft>,
    /// Indices of accounts by the names that the file has for them.
    names: HashMap<Box<str>, usize>,
    /// Names by the ids that were made of them.
    ids: HashMap<Box<str>, Box<str>>,
    /// Indices of apps by account and name.
    apps: HashMap<(usize, Box<str>), usize>,
    app_ids: HashSet<Box<str>>,
    /// Ids of keys.
    keys: HashSet<Box<str>>,
    /// The account that each key is of.
    handles: HashMap<Handle, usize>,
    entries: usize,
    remarks: Vec<String>,
    unsaid: usize,
}

impl<'a> Collector<'a> {
    pub fn new(fingerprinter: &'a Fingerprinter, prefix: &'a str) -> Self {
        Self {
            fingerprinter,
            prefix,
            accounts: Vec::new(),
            names: HashMap::new(),
            ids: HashMap::new(),
            apps: HashMap::new(),
            app_ids: HashSet::new(),
            keys: HashSet::new(),
            handles: HashMap::new(),
            entries: 0,
            remarks: Vec::new(),
            unsaid: 0,
        }
    }

    /// Says what was left out, and why.
    pub fn remark(&mut self, place: &str, why: &str) {
        if self.remarks.len() < REMARKS {
            self.remarks.push(format!("{place}: {why}"));
        } else {
            self.unsaid += 1;
        }
    }

    /// The account of a name; made where there is none.
    pub fn account(&mut self, name: &str) -> Result<usize, ForeignError> {
        if let Some(account) = self.names.get(name) {
            return Ok(*account);
        }
        self.count()?;
        let id = self.id(self.prefix, name, "account");
        let plain = *id == *format!("{}{name}", self.prefix);
        self.accounts.push(AccountDraft {
            id,
            name: (!plain).then(|| name.into()),
            ..AccountDraft::default()
        });
        let account = self.accounts.len() - 1;
        self.names.insert(name.into(), account);
        Ok(account)
    }

    /// The account's name for people.
    pub fn call(&mut self, account: usize, name: &str) {
        if let Some(account) = self.accounts.get_mut(account)
            && !name.is_empty()
            && *account.id != *name
        {
            account.name = Some(name.into());
        }
    }

    /// The account's plan. The first one counts.
    pub fn plan(&mut self, account: usize, place: &str, plan: &str) {
        let id = self.id("", plan, "plan");
        let Some(account) = self.accounts.get_mut(account) else {
            return;
        };
        match &account.plan {
            None => account.plan = Some(id),
            Some(first) if *first == id => {}
            Some(_) => self.remark(place, "an account has one plan: the first one was taken"),
        }
    }

    /// A value that may be a key, a fingerprint, a digest, or a reference.
    pub fn secret(
        &mut self,
        account: usize,
        place: &str,
        value: &str,
        about: About,
    ) -> Result<(), ForeignError> {
        if let Ok(fingerprint) = value.parse::<Fingerprint>() {
            return self.key(account, place, Handle::Fingerprint(fingerprint), about);
        }
        if let Some(why) = unmatched(value) {
            self.count()?;
            self.remark(place, why);
            return Ok(());
        }
        let fingerprint = self.fingerprinter.fingerprint(value.as_bytes());
        self.key(account, place, Handle::Fingerprint(fingerprint), about)
    }

    /// A user name, or another identity that travels in the clear.
    pub fn subject(
        &mut self,
        account: usize,
        place: &str,
        scheme: Scheme,
        subject: &str,
        about: About,
    ) -> Result<(), ForeignError> {
        if subject.is_empty() || subject.len() > KEY_BYTES {
            self.count()?;
            self.remark(place, "the name of the user is empty or far too long");
            return Ok(());
        }
        self.key(account, place, Handle::subject(scheme, subject), about)
    }

    /// A key by what it is known by.
    pub fn key(
        &mut self,
        account: usize,
        place: &str,
        handle: Handle,
        about: About,
    ) -> Result<(), ForeignError> {
        self.count()?;
        let Some(owner) = self.accounts.get(account).map(|account| account.id.clone()) else {
            return Ok(());
        };
        let id = match &about.key {
            Some(name) => self.id("", name, "key"),
            None => self.key_id(&owner, &handle),
        };
        match self.handles.get(&handle) {
            Some(of) if *of == account => {
                self.remark(place, "the same key was there before");
                return Ok(());
            }
            Some(_) => {
                let what = "the same key was there before, of another account";
                return Err(ForeignError::new(None, format!("{place}: {what}")));
            }
            None => {}
        }
        if !self.keys.insert(id.clone()) {
            let what = format!("key id `{id}` is there twice, for different keys");
            return Err(ForeignError::new(None, format!("{place}: {what}")));
        }
        let name = match &about.app {
            Some(name) => self.id("", name, "app"),
            None => cut(&format!("{owner}-app")),
        };
        let Some(of) = self.accounts.get_mut(account) else {
            return Ok(());
        };
        let index = match self.apps.get(&(account, name.clone())) {
            Some(index) => *index,
            None => {
                // Others have apps of the same name, such as `default`; a registry has one of an id.
                let id = if self.app_ids.contains(&name) {
                    cut(&format!("{owner}-{name}"))
                } else {
                    name.clone()
                };
                self.app_ids.insert(id.clone());
                of.apps.push(AppDraft {
                    id,
                    ..AppDraft::default()
                });
                self.apps.insert((account, name), of.apps.len() - 1);
                of.apps.len() - 1
            }
        };
        let Some(app) = of.apps.get_mut(index) else {
            return Ok(());
        };
        app.owner = app.owner.or(about.owner);
        app.keys.push(KeyDraft {
            state: about.state,
            valid_from: about.valid_from,
            expires: about.expires,
            ..KeyDraft::new(&id, handle.clone())
        });
        self.handles.insert(handle, account);
        Ok(())
    }

    pub fn finish(mut self) -> Imported {
        if self.unsaid > 0 {
            self.remarks.push(format!("{} more", self.unsaid));
        }
        Imported {
            accounts: self.accounts,
            remarks: self.remarks,
        }
    }

    fn count(&mut self) -> Result<(), ForeignError> {
        self.entries += 1;
        if self.entries > ENTRIES {
            return Err(ForeignError::new(
                None,
                format!("more than {ENTRIES} entries (split the file)"),
            ));
        }
        Ok(())
    }

    /// An id of a name: the name where it is one, else what of it can be in one. `kind`: ids of different kinds do not mind
    /// each other.
    fn id(&mut self, prefix: &str, name: &str, kind: &str) -> Box<str> {
        let whole = format!("{prefix}{name}");
        let mut id: Box<str> = match Id::parse(&whole) {
            Ok(id) => id.0,
            Err(_) => slug(prefix, name),
        };
        let mut taken = |id: &str| {
            let of = self.ids.entry(format!("{kind}/{id}").into());
            **of.or_insert_with(|| name.into()) != *name
        };
        if taken(&id) {
            let mark = format!("-{:016x}", xxh3_64(name.as_bytes()));
            let kept = id.get(..ID_BYTES - mark.len()).unwrap_or(&id);
            id = format!("{kept}{mark}").into();
            taken(&id);
        }
        id
    }

    fn key_id(&self, account: &str, handle: &Handle) -> Box<str> {
        let fingerprint = match handle {
            Handle::Fingerprint(fingerprint) => *fingerprint,
            Handle::Identity(identity) => {
                self.fingerprinter
                    .identity(identity.scheme, &identity.issuer, &identity.subject)
            }
        };
        KeyDraft::id_of(account, &fingerprint)
    }
}

/// Why a value is no key that a request could be matched with.
fn unmatched(value: &str) -> Option<&'static str> {
    let starts = |beginnings: &[&str]| {
        let begins = |start: &&str| {
            value
                .get(..start.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(start))
        };
        beginnings.iter().any(begins)
    };
    if value.is_empty() {
        Some("the key is empty")
    } else if value.len() > KEY_BYTES {
        Some("the key is far too long")
    } else if starts(&["$env://", "$secret://", "{vault://", "${{"]) {
        Some("the key is a reference, which is not followed (adopt the key once it was seen)")
    } else if starts(&[
        "sha256:", "sha1:", "md5:", "$2a$", "$2b$", "$2y$", "$apr1$", "$5$", "$6$", "$1$",
        "$argon2", "{sha", "{ssha", "murmur",
    ]) {
        Some("a digest of a key cannot be matched with requests (adopt the key once it was seen)")
    } else {
        None
    }
}

/// What of a name can be in an id, in lower case; what cannot is a hyphen.
fn slug(prefix: &str, name: &str) -> Box<str> {
    let mut id = prefix.to_owned();
    for c in name.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            id.push(c);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push(if c == '.' || c == '_' { c } else { '-' });
        }
        if id.len() >= ID_BYTES {
            break;
        }
    }
    let kept = id.len() > prefix.len();
    let id = id.trim_end_matches('-');
    if kept && Id::parse(id).is_ok() {
        id.into()
    } else {
        // Nothing of it can be in one, such as a name in another script.
        format!("{prefix}n{:016x}", xxh3_64(name.as_bytes())).into()
    }
}

/// An id that is cut where it is too long.
fn cut(id: &str) -> Box<str> {
    match id.get(..ID_BYTES) {
        Some(kept) if id.len() > ID_BYTES => {
            let mark = format!("-{:08x}", xxh3_64(id.as_bytes()) as u32);
            let kept = kept.get(..ID_BYTES - mark.len()).unwrap_or(kept);
            format!("{kept}{mark}").into()
        }
        _ => id.into(),
    }
}
