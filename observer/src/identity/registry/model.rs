//! What a registry document says, as read: the names here are the names in the files.
//!
//! Invariant: a value that exists is valid; every check that needs no second value happens while it is read.

use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::super::extract::Scheme;
use super::super::fingerprint::Fingerprint;
use super::super::money::Currency;
use super::plan::PlanStanza;
use super::value::{self, Id};

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
    /// VAT on its invoices, where it is not the plan's.
    pub vat: Option<AccountVat>,
    /// Currency of its invoices; that of its plan, where that has one.
    pub currency: Option<Currency>,
    /// Where its billing periods begin at midnight; none: UTC.
    pub time_zone: Option<TimeZone>,
}

/// What an account's invoices have instead of VAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountVat {
    /// The customer owes the tax.
    ReverseCharge,
    /// There is none.
    Exempt,
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

/// One file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(default)]
    pub account: Vec<AccountStanza>,
    #[serde(default)]
    pub plan: Vec<Spanned<PlanStanza>>,
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
    pub vat: Option<AccountVat>,
    pub currency: Option<Spanned<Currency>>,
    pub time_zone: Option<Spanned<Box<str>>>,
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
