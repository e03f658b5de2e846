//! Keys of Tyk: sessions by key, as its gateway exports them.
//!
//! `meta_data` carries `account`, `app` and `key_id`; without, the account is the alias, the OAuth client or the organisation,
//! in this order. The first policy is the plan. A gateway that stores digests lists digests, which nobody can match.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::super::registry::{AccountDraft, Handle, KeyState};
use super::collect::{About, Collector};
use super::{Exported, ForeignError, Hidden, json_error, list, unspoken};

/// A session by its key, in the order of the file.
type Sessions = Vec<(Zeroizing<String>, Session)>;

#[derive(Deserialize)]
struct Session {
    #[serde(default, alias = "key_id")]
    key: Option<Hidden>,
    #[serde(default, alias = "hash")]
    key_hash: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    alias: Option<String>,
    #[serde(default)]
    oauth_client_id: Option<String>,
    #[serde(default)]
    org_id: Option<String>,
    #[serde(default)]
    expires: Option<i64>,
    #[serde(default)]
    is_inactive: bool,
    #[serde(default, deserialize_with = "list")]
    apply_policies: Vec<String>,
    #[serde(default)]
    meta_data: Option<BTreeMap<String, Value>>,
    /// What the Admin API wraps a session in.
    #[serde(default)]
    data: Option<Box<Session>>,
}

#[derive(Deserialize)]
struct Listed {
    keys: Option<Entries>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Bare(Hidden),
    Session(Box<Session>),
}

type Entries = Vec<Entry>;

pub(super) fn import(text: &str, collector: &mut Collector<'_>) -> Result<(), ForeignError> {
    let failed = |error| json_error(&error);
    if text.trim_start().starts_with('[') {
        return entries(serde_json::from_str(text).map_err(failed)?, collector);
    }
    // `{"keys": [...]}` is what a gateway lists; anything else is sessions by key.
    if let Ok(Listed { keys: Some(keys) }) = serde_json::from_str(text) {
        return entries(keys, collector);
    }
    let sessions: Ordered = serde_json::from_str(text).map_err(failed)?;
    for (number, (key, session)) in sessions.0.iter().enumerate() {
        let place = format!("key {}", number + 1);
        one(&place, Some(key), session, collector)?;
    }
    Ok(())
}

fn entries(entries: Entries, collector: &mut Collector<'_>) -> Result<(), ForeignError> {
    for (number, entry) in entries.iter().enumerate() {
        let place = format!("key {}", number + 1);
        match entry {
            Entry::Session(session) => one(&place, None, session, collector)?,
            Entry::Bare(key) if is_digest(&key.0) => collector.remark(&place, DIGEST),
            Entry::Bare(_) => collector.remark(
                &place,
                "a key without a session says nothing of whose it is",
            ),
        }
    }
    Ok(())
}

const DIGEST: &str = "a digest of a key cannot be matched with requests (export with `hash_keys` off, or adopt the key once it was seen)";

fn one(
    place: &str,
    name: Option<&str>,
    session: &Session,
    collector: &mut Collector<'_>,
) -> Result<(), ForeignError> {
    let own = session.key.as_ref().map(|key| key.0.as_str());
    let inner = session.data.as_deref().unwrap_or(session);
    let meta = |name: &str| {
        let text = inner.meta_data.as_ref()?.get(name)?.as_str()?;
        (!text.is_empty()).then_some(text)
    };
    let names = [&inner.alias, &inner.oauth_client_id, &inner.org_id];
    let named = names
        .into_iter()
        .flatten()
        .map(String::as_str)
        .find(|name| !name.is_empty());
    let Some(account) = meta("account").or(named) else {
        collector.remark(place, "a session without alias, client and organisation");
        return Ok(());
    };
    let account = collector.account(account)?;
    if meta("account").is_some()
        && let Some(alias) = &inner.alias
    {
        collector.call(account, alias);
    }
    if let Some(policy) = inner.apply_policies.first() {
        collector.plan(account, place, policy);
    }
    let about = About {
        app: meta("app").map(str::to_owned),
        key: meta("key_id").map(str::to_owned),
        state: if inner.is_inactive {
            KeyState::Suspended
        } else {
            KeyState::Active
        },
        // 0 and -1: never
        expires: inner
            .expires
            .filter(|end| *end > 0)
            .and_then(|end| Timestamp::from_second(end).ok()),
        ..About::default()
    };
    match own.or(name) {
        Some(key) if own.is_some() || !is_digest(key) => {
            collector.secret(account, place, key, about)
        }
        Some(_) => {
            collector.remark(place, DIGEST);
            Ok(())
        }
        None if inner.key_hash.is_some() || session.key_hash.is_some() => {
            collector.remark(place, DIGEST);
            Ok(())
        }
        None => {
            collector.remark(place, "a session without its key");
            Ok(())
        }
    }
}

/// Whether a name of a key looks like what Tyk lists where it stores digests: murmur32, murmur64, murmur128 or SHA-256 in hex.
fn is_digest(key: &str) -> bool {
    matches!(key.len(), 8 | 16 | 32 | 64) && key.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Sessions by key, in order.
struct Ordered(Sessions);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: serde::de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Ordered;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of sessions by key, or a list of sessions")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Ordered, A::Error> {
                let mut sessions = Vec::new();
                while let Some((key, session)) = map.next_entry::<Hidden, Session>()? {
                    sessions.push((key.0, session));
                }
                Ok(Ordered(sessions))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

pub(super) fn export(accounts: &[AccountDraft]) -> Exported {
    let mut sessions = Map::new();
    let mut others = 0;
    for account in accounts {
        for (app, key) in account.keys() {
            let Handle::Fingerprint(fingerprint) = &key.handle else {
                others += 1;
                continue;
            };
            let alias = account.name.as_ref().unwrap_or(&account.id);
            let expires = key.expires.map_or(0, Timestamp::as_second);
            let plans: Vec<_> = account.plan.iter().collect();
            let session = json!({
                "alias": alias,
                "apply_policies": plans,
                "expires": expires,
                "is_inactive": !key.state.is_in_use(),
                "meta_data": {"account": account.id, "app": app.id, "key_id": key.id},
            });
            sessions.insert(fingerprint.to_string(), session);
        }
    }
    let mut remarks = Vec::new();
    unspoken(
        others,
        "they are known by a subject, not by a key",
        &mut remarks,
    );
    Exported {
        text: format!("{:#}\n", Value::Object(sessions)),
        remarks,
    }
}
