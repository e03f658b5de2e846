//! Changes of the registry: accounts, apps and keys are added, strangers adopted, keys revoked.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use zeroize::Zeroizing;

use super::super::cli::{self, Add, Adopt, Revoke};
use super::super::failure::Failure;
use super::super::keys::read_key;
use super::super::registry::Session;
use super::super::{reading, rules};
use super::id;
use super::sightings::Sightings;
use crate::identity::Fingerprint;
use crate::identity::document::suggestion;
use crate::identity::registry::{
    AccountDraft, Added, AppDraft, EditError, Handle, KeyDraft, KeyState, Owner, network,
};
use crate::identity::shown::Shown;

/// `observer consumers add`.
///
/// # Errors
/// When something of it is no valid value, is there already, or cannot be written.
pub fn add(arguments: &Add) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let mut draft = account(arguments)?;
    if let Some(app) = &arguments.app {
        let mut app = AppDraft {
            id: id("--app", app)?,
            owner: arguments.owner.map(Owner::from),
            keys: Vec::new(),
        };
        if let Some(file) = &arguments.key_file {
            let key = read_key(file)?;
            let fingerprint = rules::fingerprinter(&config)?.fingerprint(&key);
            app.keys
                .push(key_draft(arguments, &draft.id, fingerprint, &key)?);
        }
        draft.apps.push(app);
    }
    let mut session = Session::open(&config)?;
    let said = [
        &arguments.name,
        &arguments.contact,
        &arguments.plan,
        &arguments.terms,
    ];
    if let Some(place) = session.editor.place_of_account(&draft.id)
        && (said.into_iter().any(Option::is_some) || draft.apps.is_empty())
    {
        let why = format!("account `{}` is there already (edit it there)", draft.id);
        return Err(Failure::input(place, why));
    }
    if let Some(plan) = &draft.plan {
        let plans = session.editor.registry().plans();
        if !plans.iter().any(|known| *known.id == **plan) {
            let near = suggestion(plan, plans.iter().map(|plan| &*plan.id));
            let why = format!("no plan `{plan}` is registered{near}");
            return Err(Failure::input("--plan", why));
        }
    }
    let name = draft.id.to_string();
    let into = session.document(arguments.into.as_deref(), &name)?;
    let added = session.editor.register(&draft, into).map_err(refused)?;
    if added.is_empty() {
        let why = format!(
            "all of this is registered to account `{}` already",
            draft.id
        );
        return Err(Failure::input("registry", why));
    }
    let written = session.finish(false)?;
    super::super::print(&told(&added, &written, &keys_of(&draft)))
}

fn account(arguments: &Add) -> Result<AccountDraft, Failure> {
    let accepted = match &arguments.accepted {
        None => None,
        Some(text) => Some(text.parse::<Date>().map_err(|_| {
            let why = format!("`{}` is no day: write 2026-01-14", Shown(text));
            Failure::input("--accepted", why)
        })?),
    };
    let plan = match &arguments.plan {
        None => None,
        Some(plan) => Some(id("--plan", plan)?),
    };
    let boxed = |text: &Option<String>| text.as_ref().map(|text| text.as_str().into());
    Ok(AccountDraft {
        id: id("account", &arguments.account)?,
        name: boxed(&arguments.name),
        contact: boxed(&arguments.contact),
        terms: arguments
            .terms
            .as_ref()
            .map(|version| (version.as_str().into(), accepted)),
        plan,
        apps: Vec::new(),
    })
}

fn key_draft(
    arguments: &Add,
    account: &str,
    fingerprint: Fingerprint,
    key: &Zeroizing<Vec<u8>>,
) -> Result<KeyDraft, Failure> {
    let key_id = match &arguments.key_id {
        Some(text) => id("--key-id", text)?,
        None => KeyDraft::id_of(account, &fingerprint),
    };
    // What somebody pastes by mistake.
    for (name, text) in [("--hint", &arguments.hint), ("--key-id", &arguments.key_id)] {
        if text.as_ref().is_some_and(|text| tells(text, key)) {
            let why =
                "holds too much of the key (its beginning and its last four characters are enough)";
            return Err(Failure::input(name, why));
        }
    }
    for text in &arguments.networks {
        network(text).map_err(|why| Failure::input("--network", why))?;
    }
    let draft = KeyDraft {
        hint: arguments.hint.as_ref().map(|hint| hint.as_str().into()),
        valid_from: time("--valid-from", arguments.valid_from.as_deref())?,
        expires: time("--expires", arguments.expires.as_deref())?,
        networks: arguments.networks.clone(),
        ..KeyDraft::new(&key_id, Handle::Fingerprint(fingerprint))
    };
    if let (Some(from), Some(to)) = (draft.valid_from, draft.expires)
        && from >= to
    {
        let why = format!("the key would expire ({to}) before it becomes valid ({from})");
        return Err(Failure::input("--expires", why));
    }
    Ok(draft)
}

/// Longest piece of a key that may stand in the open: the known beginnings of keys, such as `sk_live_`, are no longer.
const PIECE: usize = 12;

/// Whether a text holds the key, or a piece of it that is too long.
fn tells(text: &str, key: &[u8]) -> bool {
    let longest = key.len().min(PIECE + 1);
    let text = text.as_bytes();
    longest > 0
        && key
            .windows(longest)
            .any(|piece| text.windows(longest).any(|other| other == piece))
}

fn time(what: &str, text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = text else { return Ok(None) };
    reading::timestamp(text).map(Some).ok_or_else(|| {
        let why = format!(
            "`{}` is no time: write 2026-01-01 or 2026-01-01T00:00:00Z",
            Shown(text)
        );
        Failure::input(what, why)
    })
}

/// `observer consumers adopt`.
///
/// # Errors
/// When it is no fingerprint, or is registered already, or cannot be written.
pub fn adopt(arguments: &Adopt) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    // A key that was given in its place is not repeated.
    let fingerprint: Fingerprint = arguments
        .fingerprint
        .parse()
        .map_err(|error| Failure::input("the fingerprint", error))?;
    let account = id("--account", &arguments.account)?;
    let mut session = Session::open(&config)?;
    let registry = session.editor.registry();
    if let Some(entry) = registry.by_fingerprint(&fingerprint) {
        let why = format!(
            "is key `{}` of account `{}` already",
            entry.key, entry.consumer
        );
        return Err(Failure::input(fingerprint, why));
    }
    let seen = Sightings::read_if_any(&config, registry);
    let text = fingerprint.to_string();
    let known = seen.views.iter().any(|view| *view.key == *text);
    let app = match &arguments.app {
        Some(app) => id("--app", app)?,
        None => {
            let mut own = registry
                .apps()
                .iter()
                .filter(|app| *app.consumer == *account);
            match (own.next(), own.next()) {
                (None, _) => default_app(&account),
                (Some(app), None) => (*app.id).into(),
                (Some(_), Some(_)) => {
                    let why = format!("account `{account}` has several apps (name one with --app)");
                    return Err(Failure::input("adopt", why));
                }
            }
        }
    };
    let key = match &arguments.key_id {
        Some(text) => id("--key-id", text)?,
        None => KeyDraft::id_of(&account, &fingerprint),
    };
    let draft = AccountDraft {
        id: account,
        apps: vec![AppDraft {
            id: app,
            owner: None,
            keys: vec![KeyDraft::new(&key, Handle::Fingerprint(fingerprint))],
        }],
        ..AccountDraft::default()
    };
    let name = draft.id.to_string();
    let into = session.document(arguments.into.as_deref(), &name)?;
    let added = session.editor.register(&draft, into).map_err(refused)?;
    let written = session.finish(false)?;
    let mut text = told(&added, &written, &keys_of(&draft));
    if !known {
        text.push_str("note: no credential of this fingerprint is among those that were seen\n");
    }
    super::super::print(&text)
}

/// The app of an account about whose apps nothing is said.
fn default_app(account: &str) -> Box<str> {
    let stem = account.get(..59).unwrap_or(account);
    format!("{stem}-app").into()
}

/// `observer keys revoke`.
///
/// # Errors
/// When there is no such key, or it cannot be written.
pub fn revoke(arguments: &Revoke) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let mut session = Session::open(&config)?;
    let registry = session.editor.registry();
    let by_fingerprint = arguments
        .key
        .parse()
        .ok()
        .and_then(|fingerprint| registry.by_fingerprint(&fingerprint));
    let entry = by_fingerprint.or_else(|| {
        registry
            .keys()
            .iter()
            .find(|key| *key.key == *arguments.key)
    });
    let key = entry.map_or_else(|| arguments.key.clone(), |entry| entry.key.to_string());
    if let (Some(entry), Some(consumer)) = (entry, &arguments.consumer)
        && *entry.consumer != **consumer
    {
        let why = format!(
            "is a key of account `{}`, not of `{}`",
            entry.consumer,
            Shown(consumer)
        );
        return Err(Failure::input(format_args!("key `{key}`"), why));
    }
    if !session
        .editor
        .set_state(&key, KeyState::Revoked)
        .map_err(refused)?
    {
        return super::super::print(&format!("key `{key}` was revoked before\n"));
    }
    let written = session.finish(false)?;
    super::super::print(&format!("revoked key `{key}`{}\n", in_files(&written)))
}

pub(super) fn refused(error: EditError) -> Failure {
    Failure::input("registry", format_args!("{error} (nothing was written)"))
}

fn keys_of(draft: &AccountDraft) -> String {
    let keys: Vec<String> = draft
        .keys()
        .map(|(app, key)| format!(" ({} of {}: {})", key.id, app.id, key.handle.words()))
        .collect();
    keys.concat()
}

fn in_files(files: &[PathBuf]) -> String {
    let names: Vec<String> = files
        .iter()
        .map(|file| format!(" in {}", Path::display(file)))
        .collect();
    names.concat()
}

/// What was added, and where.
pub(super) fn told(added: &Added, files: &[PathBuf], more: &str) -> String {
    let count = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    };
    let parts = [
        count(added.accounts, "account"),
        count(added.apps, "app"),
        count(added.keys, "key"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let parts = if parts.is_empty() {
        "nothing".to_owned()
    } else {
        parts.join(", ")
    };
    format!("added {parts}{more}{}\n", in_files(files))
}

impl From<cli::Owner> for Owner {
    fn from(owner: cli::Owner) -> Self {
        match owner {
            cli::Owner::Internal => Self::Internal,
            cli::Owner::Partner => Self::Partner,
            cli::Owner::Public => Self::Public,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_holds_no_more_than_the_ends_of_a_key() {
        let key = b"sk_live_4eC39HqLyjWDarjtT1zdp7dc";
        assert!(!tells("sk_live_...p7dc", key));
        assert!(tells("sk_live_4eC39", key));
        assert!(tells("my key is sk_live_4eC39HqLyjWDarjtT1zdp7dc", key));
        assert!(tells("short-key", b"short"));
        assert!(!tells("", key) && !tells("x", b""));
    }
}
