//! What a registry document says, as read: the names here are the names in the files.
//!
//! Invariant: a value that exists is valid; every check that needs no second value happens while it is read.

use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::super::extract::Scheme;
use super::super::fingerprint::Fingerprint;
use super::value::{self, Amount, Id};

/// A registered developer or organisation: a consumer.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id, which is the `consumer` in metrics, records and bills.
    pub id: Arc<str>,
    /// Its name.
    pub name: Option<Box<str>>,
    /// Whom to write to.
    pub contact: Option<Box<str>>,
    /// The terms of use that it accepted.
    pub terms: Option<Terms>,
    /// Id of its plan.
    pub plan: Option<Arc<str>>,
    /// Postal address, for invoices.
    pub address: Option<Box<str>>,
    /// Country, ISO 3166-1 alpha-2.
    pub country: Option<Box<str>>,
    /// VAT identification number.
    pub vat_id: Option<Box<str>>,
    /// Currency of its invoices, ISO 4217.
    pub currency: Option<Box<str>>,
}

/// An application of an account.
#[derive(Clone, Debug)]
pub struct App {
    /// Its id.
    pub id: Arc<str>,
    /// Id of its account.
    pub consumer: Arc<str>,
    /// Who runs it.
    pub owner: Owner,
}

/// Terms of use and when they were accepted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Their version.
    pub version: Box<str>,
    /// The day of acceptance; none while they are not accepted.
    #[serde(default, deserialize_with = "value::optional_date")]
    pub accepted: Option<Date>,
}

impl Owner {
    /// The name in registries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Partner => "partner",
            Self::Public => "public",
        }
    }
}

/// Who runs an application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// The operator's own organisation.
    Internal,
    /// A partner under contract.
    Partner,
    /// Anybody who signed up.
    #[default]
    Public,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// In use.
    #[default]
    Active,
    /// Being replaced; still to be used for a while.
    Rotating,
    /// Not to be used for now.
    Suspended,
    /// Never to be used again.
    Revoked,
}

impl KeyState {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Active, Self::Rotating, Self::Suspended, Self::Revoked];

    /// The name in registries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Rotating => "rotating",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
        }
    }

    /// Whether the key is meant to be accepted.
    pub const fn is_in_use(self) -> bool {
        matches!(self, Self::Active | Self::Rotating)
    }
}

/// What an account may use and what it costs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Its id.
    #[serde(deserialize_with = "value::shared_id")]
    pub id: Arc<str>,
    /// Version of the terms of use that its accounts have to have accepted.
    pub terms: Option<Box<str>>,
    /// Most of a meter in a time.
    #[serde(default)]
    pub limits: Vec<Limit>,
    /// Cost by meter.
    #[serde(default)]
    pub prices: Vec<Price>,
}

/// Most of a meter in a time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What is counted, such as `requests`.
    pub meter: Id,
    /// The time it is counted over.
    pub per: Per,
    /// The most that is allowed.
    pub max: u64,
}

/// The time a limit counts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// 1 s
    Second,
    /// 60 s
    Minute,
    /// 3600 s
    Hour,
    /// A day of 24 h in UTC.
    Day,
    /// A calendar month.
    Month,
}

/// Cost of a meter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// What is counted, such as `requests`.
    pub meter: Id,
    /// How many units the amount is for.
    pub per: std::num::NonZeroU64,
    /// Cost of that many units.
    pub amount: Amount,
    /// ISO 4217 code.
    #[serde(deserialize_with = "value::currency")]
    pub currency: Box<str>,
    /// Other amounts from a quantity on, ascending.
    #[serde(default)]
    pub tiers: Vec<Tier>,
}

/// Another amount from a quantity on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// First unit that costs this.
    pub from: u64,
    /// Cost of `per` units.
    pub amount: Amount,
}

/// One file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(default)]
    pub account: Vec<AccountStanza>,
    #[serde(default)]
    pub plan: Vec<Spanned<Plan>>,
}

/// `[[account]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountStanza {
    pub id: Spanned<Id>,
    pub name: Option<Box<str>>,
    pub contact: Option<Box<str>>,
    pub terms: Option<Terms>,
    pub plan: Option<Spanned<Id>>,
    pub address: Option<Box<str>>,
    #[serde(default, deserialize_with = "value::optional_country")]
    pub country: Option<Box<str>>,
    pub vat_id: Option<Box<str>>,
    #[serde(default, deserialize_with = "value::optional_currency")]
    pub currency: Option<Box<str>>,
    #[serde(default)]
    pub app: Vec<AppStanza>,
}

/// `[[account.app]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AppStanza {
    pub id: Spanned<Id>,
    #[serde(default)]
    pub owner: Owner,
    #[serde(default)]
    pub key: Vec<KeyStanza>,
}

/// `[[account.app.key]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyStanza {
    pub id: Spanned<Id>,
    #[serde(default, deserialize_with = "value::optional_fingerprint")]
    pub fp: Option<Fingerprint>,
    #[serde(default, deserialize_with = "value::optional_scheme")]
    pub scheme: Option<Scheme>,
    pub issuer: Option<Box<str>>,
    pub subject: Option<Box<str>>,
    pub hint: Option<Box<str>>,
    #[serde(default)]
    pub state: KeyState,
    #[serde(default, deserialize_with = "value::optional_time")]
    pub valid_from: Option<Timestamp>,
    #[serde(default, deserialize_with = "value::optional_time")]
    pub expires: Option<Timestamp>,
    #[serde(default, deserialize_with = "value::networks")]
    pub networks: Box<[IpNet]>,
    #[serde(default)]
    pub routes: Box<[Box<str>]>,
}
