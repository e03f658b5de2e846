//! Lists of what is registered, and of what is not.

use hashbrown::{HashMap, HashSet};
use jiff::Timestamp;

use super::super::cli::{KeyList, Listing};
use super::super::config::Config;
use super::super::failure::Failure;
use super::super::report::Cell;
use super::super::rules;
use super::sightings::Sightings;
use crate::awareness::KeyView;
use crate::identity::document::suggestion;
use crate::identity::registry::{Account, Handle};
use crate::identity::shown::Shown;
use crate::identity::{Fingerprint, KeyEntry, Registry};

fn maybe(value: Option<&impl ToString>) -> Cell {
    Cell::Text(value.map_or_else(String::new, ToString::to_string))
}

fn moment(time: Option<Timestamp>) -> Cell {
    maybe(time.as_ref())
}

/// `observer consumers list`.
///
/// # Errors
/// When the registry cannot be read.
pub fn accounts(listing: &Listing) -> Result<(), Failure> {
    let config = rules::load_config(listing.config.as_deref())?;
    let registry = rules::registry(&config)?;
    let seen = Sightings::read_if_any(&config, &registry);
    let mut last: HashMap<&str, u64> = HashMap::new();
    for view in seen.views.iter().filter(|view| view.registered) {
        let last = last.entry(&view.consumer).or_default();
        *last = view.last.max(*last);
    }
    let mut apps: HashMap<&str, u64> = HashMap::new();
    for app in registry.apps() {
        *apps.entry(&app.consumer).or_default() += 1;
    }
    let mut keys: HashMap<&str, u64> = HashMap::new();
    for key in registry.keys() {
        *keys.entry(&key.consumer).or_default() += 1;
    }
    let row = |account: &Account| {
        let terms = account.terms.as_ref();
        let count = |counts: &HashMap<&str, u64>| {
            Cell::Count(counts.get(&*account.id).copied().unwrap_or(0))
        };
        vec![
            Cell::text(&account.id),
            maybe(account.name.as_ref()),
            maybe(account.plan.as_ref()),
            maybe(terms.map(|terms| &terms.version)),
            maybe(terms.and_then(|terms| terms.accepted).as_ref()),
            count(&apps),
            count(&keys),
            Cell::time(last.get(&*account.id).copied()),
        ]
    };
    let rows = registry.accounts().iter().map(row).collect();
    let columns = vec![
        "consumer",
        "name",
        "plan",
        "terms",
        "accepted",
        "apps",
        "keys",
        "last_seen",
    ];
    seen.report(columns, rows, "nobody is registered")
        .print(listing.format)
}

/// `observer consumers show`.
///
/// # Errors
/// When the registry cannot be read, or has no such account.
pub fn account(id: &str, listing: &Listing) -> Result<(), Failure> {
    let config = rules::load_config(listing.config.as_deref())?;
    let registry = rules::registry(&config)?;
    let account = find(&registry, id)?;
    let seen = Sightings::read_if_any(&config, &registry);
    let owners: HashMap<&str, &str> = registry
        .apps()
        .iter()
        .map(|app| (&*app.id, app.owner.name()))
        .collect();
    let known = seen.registered();
    let row = |key: &KeyEntry| {
        let view = known.get(&*key.key);
        let networks: Vec<String> = key.networks.iter().map(ToString::to_string).collect();
        vec![
            Cell::text(&key.app),
            Cell::text(owners.get(&*key.app).copied().unwrap_or_default()),
            Cell::text(&key.key),
            Cell::text(key.state.name()),
            moment(key.valid_from),
            moment(key.expires),
            Cell::text(&networks.join(" ")),
            maybe(key.hint.as_ref()),
            Cell::Text(handle(&key.handle)),
            Cell::time(view.map(|view| view.last)),
            Cell::Count(view.map_or(0, |view| view.requests)),
        ]
    };
    let own = registry
        .keys()
        .iter()
        .filter(|key| key.consumer == account.id);
    let rows = own.map(row).collect();
    let columns = vec![
        "app",
        "owner",
        "key",
        "state",
        "valid_from",
        "expires",
        "networks",
        "hint",
        "credential",
        "last_seen",
        "requests",
    ];
    let mut report = seen.report(columns, rows, "it has no key");
    report.notes.extend(about(account));
    report.print(listing.format)
}

/// What is said of an account, a sentence each.
fn about(account: &Account) -> Vec<String> {
    let terms = account.terms.as_ref().map(|terms| match terms.accepted {
        Some(day) => format!("{}, accepted {day}", terms.version),
        None => format!("{}, not accepted", terms.version),
    });
    let fields = [
        ("name", account.name.as_deref()),
        ("contact", account.contact.as_deref()),
        ("plan", account.plan.as_deref()),
        ("terms", terms.as_deref()),
        ("address", account.address.as_deref()),
        ("country", account.country.as_deref()),
        ("vat_id", account.vat_id.as_deref()),
    ];
    let said = fields.into_iter().filter_map(|(name, value)| {
        let value: String = value?.chars().flat_map(char::escape_debug).collect();
        Some(format!("{name}: {value}"))
    });
    said.collect()
}

/// What a key is known by: its fingerprint, or scheme and subject.
fn handle(handle: &Handle) -> String {
    match handle {
        Handle::Fingerprint(fingerprint) => fingerprint.to_string(),
        Handle::Identity(identity) => format!("{}:{}", identity.scheme.name(), identity.subject),
    }
}

fn find<'r>(registry: &'r Registry, id: &str) -> Result<&'r Account, Failure> {
    registry.account(id).ok_or_else(|| {
        let accounts = registry.accounts().iter();
        let near = suggestion(id, accounts.map(|account| &*account.id));
        Failure::input("registry", format_args!("no account `{}`{near}", Shown(id)))
    })
}

/// `observer keys list`.
///
/// # Errors
/// When the registry cannot be read, or has no such account.
pub fn keys(arguments: &KeyList) -> Result<(), Failure> {
    let config = rules::load_config(arguments.listing.config.as_deref())?;
    let registry = rules::registry(&config)?;
    if let Some(id) = &arguments.consumer {
        find(&registry, id)?;
    }
    let seen = Sightings::read_if_any(&config, &registry);
    let known = seen.registered();
    let wanted = |key: &&KeyEntry| {
        arguments
            .consumer
            .as_ref()
            .is_none_or(|id| *key.consumer == **id)
    };
    let row = |key: &KeyEntry| {
        let mut row = key_cells(key);
        row.extend([
            maybe(key.hint.as_ref()),
            Cell::time(known.get(&*key.key).map(|view| view.last)),
        ]);
        row
    };
    let rows = registry.keys().iter().filter(wanted).map(row).collect();
    let mut columns = KEY_COLUMNS.to_vec();
    columns.extend(["hint", "last_seen"]);
    seen.report(columns, rows, "no key is registered")
        .print(arguments.listing.format)
}

const KEY_COLUMNS: [&str; 6] = ["consumer", "app", "key", "state", "valid_from", "expires"];

fn key_cells(key: &KeyEntry) -> Vec<Cell> {
    vec![
        Cell::text(&key.consumer),
        Cell::text(&key.app),
        Cell::text(&key.key),
        Cell::text(key.state.name()),
        moment(key.valid_from),
        moment(key.expires),
    ]
}

/// `observer consumers strangers`.
///
/// # Errors
/// When registry or ledger cannot be read.
pub fn strangers(listing: &Listing) -> Result<(), Failure> {
    let config = rules::load_config(listing.config.as_deref())?;
    let registry = rules::registry(&config)?;
    let seen = Sightings::read(&config, &registry)?;
    let adopted = identities(&config, &registry)?;
    let row = |view: &&KeyView| {
        vec![
            Cell::text(&view.key),
            Cell::time(Some(view.first)),
            Cell::time(Some(view.last)),
            Cell::Count(view.requests),
            Cell::Number(view.success),
            Cell::Count(view.networks as u64),
        ]
    };
    let mut views: Vec<&KeyView> = seen
        .views
        .iter()
        .filter(|view| is_stranger(view, &registry, &adopted))
        .collect();
    views.sort_by_key(|view| std::cmp::Reverse(view.requests));
    let rows = views.iter().map(row).collect();
    let columns = vec![
        "fingerprint",
        "first_seen",
        "last_seen",
        "requests",
        "success",
        "networks",
    ];
    seen.report(
        columns,
        rows,
        "every credential that was accepted is registered",
    )
    .print(listing.format)
}

/// Whether a credential is registered by now, whatever it was when it was seen.
fn is_stranger(view: &KeyView, registry: &Registry, adopted: &HashSet<Fingerprint>) -> bool {
    !view.registered
        && view.key.parse::<Fingerprint>().is_ok_and(|fingerprint| {
            registry.by_fingerprint(&fingerprint).is_none() && !adopted.contains(&fingerprint)
        })
}

/// Fingerprints of what is registered by subject.
fn identities(config: &Config, registry: &Registry) -> Result<HashSet<Fingerprint>, Failure> {
    let subjects = registry.keys().iter().filter_map(|key| match &key.handle {
        Handle::Identity(identity) => Some(identity),
        Handle::Fingerprint(_) => None,
    });
    let mut subjects = subjects.peekable();
    if subjects.peek().is_none() {
        return Ok(HashSet::new());
    }
    let fingerprinter = rules::fingerprinter(config)?;
    Ok(subjects
        .map(|one| fingerprinter.identity(one.scheme, &one.issuer, &one.subject))
        .collect())
}

/// `observer consumers orphans`.
///
/// # Errors
/// When registry or ledger cannot be read.
pub fn orphans(listing: &Listing) -> Result<(), Failure> {
    let config = rules::load_config(listing.config.as_deref())?;
    let registry = rules::registry(&config)?;
    let seen = Sightings::read(&config, &registry)?;
    let known = seen.registered();
    let counted = seen.counted()?;
    let never = |key: &&KeyEntry| !known.contains_key(&*key.key) && !counted.contains(&*key.key);
    let rows = registry
        .keys()
        .iter()
        .filter(never)
        .map(key_cells)
        .collect();
    seen.report(KEY_COLUMNS.to_vec(), rows, "every registered key was seen")
        .print(listing.format)
}
