//! Kong's declarative configuration, as decK writes it.
//!
//! A consumer is an account. Apps and ids of keys, which Kong does not have, travel as tags of the credentials
//! (`app:NAME`, `key:ID`); the plan is the first group of the access control list.

use serde::{Deserialize, Serialize};

use super::super::extract::Scheme;
use super::super::registry::{AccountDraft, Handle};
use super::collect::{About, Collector};
use super::{Exported, ForeignError, Hidden, in_use, list, unspoken, yaml_error};

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "_format_version")]
    version: Option<serde_norway::Value>,
    #[serde(default, deserialize_with = "list")]
    consumers: Vec<Consumer>,
}

#[derive(Deserialize)]
struct Consumer {
    username: Option<String>,
    custom_id: Option<String>,
    #[serde(default, deserialize_with = "list")]
    keyauth_credentials: Vec<KeyAuth>,
    #[serde(default, deserialize_with = "list")]
    basicauth_credentials: Vec<User>,
    #[serde(default, deserialize_with = "list")]
    hmacauth_credentials: Vec<serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "list")]
    jwt_secrets: Vec<serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "list")]
    oauth2_credentials: Vec<serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "list")]
    acls: Vec<Acl>,
}

#[derive(Deserialize)]
struct KeyAuth {
    #[serde(default)]
    key: Hidden,
    #[serde(default, deserialize_with = "list")]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default, deserialize_with = "list")]
    tags: Vec<String>,
}

#[derive(Deserialize, Serialize)]
struct Acl {
    group: String,
}

pub(super) fn import(text: &str, collector: &mut Collector<'_>) -> Result<(), ForeignError> {
    let document: Document = serde_norway::from_str(text).map_err(|error| yaml_error(&error))?;
    let version = document.version.as_ref().map(|version| match version {
        serde_norway::Value::String(text) => text.clone(),
        serde_norway::Value::Number(number) => number.to_string(),
        _ => String::new(),
    });
    if !version.as_deref().is_some_and(|version| {
        ["3", "2", "1.1"]
            .iter()
            .any(|known| version.starts_with(known))
    }) {
        return Err(ForeignError::new(
            1,
            "no `_format_version` of 3.0 (write the file with `deck gateway dump`)",
        ));
    }
    for (number, consumer) in document.consumers.iter().enumerate() {
        let place = format!("consumers[{number}]");
        let names = [&consumer.username, &consumer.custom_id];
        let Some(name) = names.into_iter().flatten().find(|name| !name.is_empty()) else {
            collector.remark(&place, "a consumer without username and custom_id");
            continue;
        };
        let account = collector.account(name)?;
        for acl in &consumer.acls {
            collector.plan(account, &place, &acl.group);
        }
        for (number, one) in consumer.keyauth_credentials.iter().enumerate() {
            let place = format!("{place}.keyauth_credentials[{number}]");
            collector.secret(account, &place, &one.key.0, about(&one.tags))?;
        }
        for (number, one) in consumer.basicauth_credentials.iter().enumerate() {
            let place = format!("{place}.basicauth_credentials[{number}]");
            collector.subject(
                account,
                &place,
                Scheme::Basic,
                &one.username,
                about(&one.tags),
            )?;
        }
        for (count, name, why) in [
            (
                consumer.jwt_secrets.len(),
                "jwt_secrets",
                "Kong knows a token by its issuer alone; register issuer and subject, or adopt it once it was seen",
            ),
            (
                consumer.hmacauth_credentials.len(),
                "hmacauth_credentials",
                "names of HMAC signatures are not read from requests",
            ),
            (
                consumer.oauth2_credentials.len(),
                "oauth2_credentials",
                "tokens are not known from here; adopt them once they were seen",
            ),
        ] {
            if count > 0 {
                collector.remark(&format!("{place}.{name}"), why);
            }
        }
    }
    Ok(())
}

fn about(tags: &[String]) -> About {
    let tag = |name: &str| tags.iter().find_map(|tag| tag.strip_prefix(name));
    About {
        app: tag("app:").map(str::to_owned),
        key: tag("key:").map(str::to_owned),
        ..About::default()
    }
}

#[derive(Serialize)]
struct Written {
    #[serde(rename = "_format_version")]
    version: &'static str,
    consumers: Vec<WrittenConsumer>,
}

#[derive(Serialize)]
struct WrittenConsumer {
    username: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acls: Vec<Acl>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keyauth_credentials: Vec<WrittenKey>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    basicauth_credentials: Vec<WrittenUser>,
}

#[derive(Serialize)]
struct WrittenKey {
    key: String,
    tags: [String; 2],
}

#[derive(Serialize)]
struct WrittenUser {
    username: String,
    tags: [String; 2],
}

pub(super) fn export(accounts: &[AccountDraft], now: i64) -> Exported {
    let (accounts, mut remarks) = in_use(accounts, now);
    let mut others = 0;
    let mut consumers = Vec::with_capacity(accounts.len());
    for account in &accounts {
        let plan = account.plan.iter();
        let mut consumer = WrittenConsumer {
            username: account.id.to_string(),
            acls: plan
                .map(|plan| Acl {
                    group: plan.to_string(),
                })
                .collect(),
            keyauth_credentials: Vec::new(),
            basicauth_credentials: Vec::new(),
        };
        for (app, key) in account.keys() {
            let tags = [format!("app:{}", app.id), format!("key:{}", key.id)];
            match &key.handle {
                Handle::Fingerprint(fingerprint) => consumer.keyauth_credentials.push(WrittenKey {
                    key: fingerprint.to_string(),
                    tags,
                }),
                Handle::Identity(identity) if identity.scheme == Scheme::Basic => {
                    consumer.basicauth_credentials.push(WrittenUser {
                        username: identity.subject.to_string(),
                        tags,
                    });
                }
                Handle::Identity(_) => others += 1,
            }
        }
        consumers.push(consumer);
    }
    unspoken(
        others,
        "Kong has no credentials for their subjects",
        &mut remarks,
    );
    let document = Written {
        version: "3.0",
        consumers,
    };
    Exported {
        // It holds texts only.
        text: serde_norway::to_string(&document).unwrap_or_default(),
        remarks,
    }
}
