//! Consumers of APISIX: the standalone file, and what the Admin API answers.
//!
//! A consumer is an account. Labels carry `account`, `app`, `key_id` and `plan`. A consumer has one key of a kind; those of an
//! account with several are consumers of their own, with the same label `account`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::extract::Scheme;
use super::super::registry::{AccountDraft, Handle};
use super::collect::{About, Collector};
use super::{Exported, ForeignError, Hidden, in_use, list, unspoken, yaml_error};

#[derive(Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "list")]
    consumers: Vec<Consumer>,
    #[serde(default, deserialize_with = "list")]
    list: Vec<Wrapped>,
    value: Option<Consumer>,
}

#[derive(Deserialize)]
struct Wrapped {
    value: Option<Consumer>,
}

#[derive(Deserialize)]
struct Consumer {
    username: Option<String>,
    desc: Option<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    plugins: Option<Plugins>,
    #[serde(default, deserialize_with = "list")]
    credentials: Vec<Credential>,
}

#[derive(Deserialize)]
struct Credential {
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    plugins: Option<Plugins>,
    /// The form of the declarative command line (ADC).
    #[serde(rename = "type")]
    kind: Option<String>,
    config: Option<Plugin>,
}

#[derive(Deserialize)]
struct Plugins {
    #[serde(rename = "key-auth")]
    key: Option<Plugin>,
    #[serde(rename = "basic-auth")]
    basic: Option<Plugin>,
    #[serde(rename = "jwt-auth")]
    jwt: Option<serde::de::IgnoredAny>,
    #[serde(rename = "hmac-auth")]
    hmac: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Plugin {
    key: Option<Hidden>,
    username: Option<String>,
}

type Labels = Option<BTreeMap<String, String>>;

pub(super) fn import(text: &str, collector: &mut Collector<'_>) -> Result<(), ForeignError> {
    // JSON is YAML (1.2), and `#END` a comment of it.
    let document: Document = serde_norway::from_str(text).map_err(|error| yaml_error(&error))?;
    let wrapped = document.list.into_iter().filter_map(|one| one.value);
    let consumers = document
        .consumers
        .into_iter()
        .chain(wrapped)
        .chain(document.value);
    for (number, consumer) in consumers.enumerate() {
        let place = format!("consumers[{number}]");
        one(&place, &consumer, collector)?;
    }
    Ok(())
}

fn one(
    place: &str,
    consumer: &Consumer,
    collector: &mut Collector<'_>,
) -> Result<(), ForeignError> {
    let label = |name: &str| label(&consumer.labels, name);
    let Some(name) = label("account").or(consumer.username.as_deref()) else {
        collector.remark(place, "a consumer without username");
        return Ok(());
    };
    let account = collector.account(name)?;
    if let Some(desc) = &consumer.desc {
        collector.call(account, desc);
    }
    if let Some(plan) = label("plan") {
        collector.plan(account, place, plan);
    }
    if let Some(plugins) = &consumer.plugins {
        plugged(account, place, plugins, about(&consumer.labels), collector)?;
    }
    for (number, credential) in consumer.credentials.iter().enumerate() {
        let place = format!("{place}.credentials[{number}]");
        let mut about = about(&credential.labels);
        about.app = about.app.or_else(|| label("app").map(str::to_owned));
        if let Some(plugins) = &credential.plugins {
            plugged(account, &place, plugins, about.clone(), collector)?;
        }
        match (credential.kind.as_deref(), &credential.config) {
            (Some("key-auth"), Some(config)) => {
                key(account, &place, config, about, collector)?;
            }
            (Some("basic-auth"), Some(config)) => {
                user(account, &place, config, about, collector)?;
            }
            (Some(_), _) => collector.remark(&place, "credentials of this kind are not read"),
            (None, _) => {}
        }
    }
    Ok(())
}

fn plugged(
    account: usize,
    place: &str,
    plugins: &Plugins,
    about: About,
    collector: &mut Collector<'_>,
) -> Result<(), ForeignError> {
    if let Some(config) = &plugins.key {
        key(account, place, config, about.clone(), collector)?;
    }
    if let Some(config) = &plugins.basic {
        user(account, place, config, about, collector)?;
    }
    if plugins.jwt.is_some() || plugins.hmac.is_some() {
        collector.remark(
            place,
            "jwt-auth and hmac-auth know a caller by the plugin's own key; adopt it once it was seen",
        );
    }
    Ok(())
}

fn key(
    account: usize,
    place: &str,
    config: &Plugin,
    about: About,
    collector: &mut Collector<'_>,
) -> Result<(), ForeignError> {
    let value = config.key.as_ref().map_or("", |key| key.0.as_str());
    collector.secret(account, place, value, about)
}

fn user(
    account: usize,
    place: &str,
    config: &Plugin,
    about: About,
    collector: &mut Collector<'_>,
) -> Result<(), ForeignError> {
    let subject = config.username.as_deref().unwrap_or_default();
    collector.subject(account, place, Scheme::Basic, subject, about)
}

fn label<'a>(labels: &'a Labels, name: &str) -> Option<&'a str> {
    let text = labels.as_ref()?.get(name)?;
    (!text.is_empty()).then_some(text)
}

fn about(labels: &Labels) -> About {
    About {
        app: label(labels, "app").map(str::to_owned),
        key: label(labels, "key_id").map(str::to_owned),
        ..About::default()
    }
}

#[derive(Serialize)]
struct Written {
    consumers: Vec<WrittenConsumer>,
}

#[derive(Serialize)]
struct WrittenConsumer {
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    desc: Option<String>,
    labels: BTreeMap<&'static str, String>,
    plugins: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
}

pub(super) fn export(accounts: &[AccountDraft], now: i64) -> Exported {
    let (accounts, mut remarks) = in_use(accounts, now);
    let mut others = 0;
    let mut consumers = Vec::new();
    for account in &accounts {
        let several = account.keys().count() > 1;
        let consumer = |more: &str| WrittenConsumer {
            username: username(&account.id, more),
            desc: account.name.as_ref().map(ToString::to_string),
            labels: BTreeMap::from([("account", account.id.to_string())]),
            plugins: BTreeMap::new(),
        };
        let mut written = Vec::new();
        for (app, key) in account.keys() {
            let (plugin, field, value) = match &key.handle {
                Handle::Fingerprint(fingerprint) => ("key-auth", "key", fingerprint.to_string()),
                Handle::Identity(identity) if identity.scheme == Scheme::Basic => {
                    ("basic-auth", "username", identity.subject.to_string())
                }
                Handle::Identity(_) => {
                    others += 1;
                    continue;
                }
            };
            let mut one = consumer(if several { &key.id } else { "" });
            one.labels.insert("app", app.id.to_string());
            one.labels.insert("key_id", key.id.to_string());
            one.plugins.insert(plugin, BTreeMap::from([(field, value)]));
            written.push(one);
        }
        if written.is_empty() {
            written.push(consumer(""));
        }
        if let Some(plan) = &account.plan {
            for one in &mut written {
                one.labels.insert("plan", plan.to_string());
            }
        }
        consumers.append(&mut written);
    }
    unspoken(
        others,
        "APISIX has no credentials for their subjects",
        &mut remarks,
    );
    // It holds texts only.
    let text = serde_norway::to_string(&Written { consumers }).unwrap_or_default();
    Exported {
        text: format!("{text}#END\n"),
        remarks,
    }
}

/// A name of a consumer: letters, digits, hyphens and underscores.
fn username(account: &str, more: &str) -> String {
    let dash = if more.is_empty() { "" } else { "-" };
    format!("{account}{dash}{more}").replace('.', "_")
}
