//! What a consumer used in a billing period and what that costs: the one document that every format of a statement is made of.
//!
//! Invariant: `net` is the sum of the lines' amounts, `total` is `net` with the taxes, and every amount has been rounded to the
//! currency's places already; a format adds nothing up.

use serde::{Deserialize, Serialize};

use super::money::Money;
pub use crate::identity::registry::Meter;

/// A statement. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Its number, gap-free for each account and year, such as `acme-2026-0001`; none while it is a draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// The number of what it corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<String>,
    /// Why it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was closed; a draft has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<String>,
    /// What it is for.
    pub period: BillingPeriod,
    /// Who writes it; none where the configuration does not say: then it is a plain statement and no invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seller: Option<Party>,
    /// Whose usage it is.
    pub customer: Party,
    /// Currency, ISO 4217.
    pub currency: String,
    /// Places of its amounts after the point.
    pub places: u32,
    /// The plan that was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The list value is shown, and nothing is to be paid.
    pub showback: bool,
    /// What is charged, in order.
    pub lines: Vec<Line>,
    /// Taxes, one for each category and rate.
    pub taxes: Vec<Tax>,
    /// Sum of the lines.
    pub net: Money,
    /// Sum of the taxes.
    pub tax: Money,
    /// Both.
    pub total: Money,
    /// What was used, priced or not.
    pub usage: Used,
    /// Certain exchanges of the period among all that must have been.
    pub completeness: f64,
    /// What else there is to know, a sentence each: times in which nothing was observed, what was missed.
    pub notes: Vec<String>,
}

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// For a period that is not over, or only to look at.
    Draft,
    /// For a period that is over; it never changes.
    Invoice,
    /// Takes an invoice back.
    CreditNote,
}

/// A calendar period in the account's time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingPeriod {
    /// Such as `2026-11`.
    pub name: String,
    /// Its first moment.
    pub from: String,
    /// The moment after its last.
    pub until: String,
    /// Its first day, in the time zone.
    pub first_day: String,
    /// Its last day, in the time zone.
    pub last_day: String,
    /// IANA time zone.
    pub time_zone: String,
}

/// A seller or a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Id of the account; empty for the seller.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Postal address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Country, ISO 3166-1 alpha-2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// VAT identification number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vat_id: Option<String>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it charges.
    pub kind: LineKind,
    /// In words.
    pub text: String,
    /// What was counted; none for what is not usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<Meter>,
    /// Of which API only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// Of which route only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// How much of it; of a price by the package, how many packages.
    pub quantity: u64,
    /// Units that were used, where `quantity` counts packages of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed: Option<u64>,
    /// Of how many units `price` is the price.
    pub per: u64,
    /// Price of `per` units, exact.
    pub price: Money,
    /// What is added to `quantity / per * price`, so that more usage never costs less.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub surcharge: Money,
    /// What it comes to, rounded.
    pub amount: Money,
    /// How it is taxed.
    pub vat: Vat,
}

/// What a line charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// Usage of a meter.
    Usage,
    /// A flat price of the period.
    Fee,
    /// What is missing to the minimum commitment.
    Minimum,
    /// What is taken off again, so that nothing is to be paid.
    Allowance,
}

/// How something is taxed: category (UNCL 5305) and rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vat {
    /// Category.
    pub category: VatCategory,
    /// Rate in millionths of a percent: 19 % is 19,000,000.
    pub rate: u32,
}

/// Categories of value added tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum VatCategory {
    /// Standard rate, or a reduced one.
    #[serde(rename = "S")]
    Standard,
    /// Zero rate.
    #[serde(rename = "Z")]
    Zero,
    /// Exempt.
    #[serde(rename = "E")]
    Exempt,
    /// The customer owes it (reverse charge).
    #[serde(rename = "AE")]
    ReverseCharge,
    /// Not subject to it.
    #[serde(rename = "O")]
    NotSubject,
}

/// A tax of one category and rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tax {
    /// Which.
    pub vat: Vat,
    /// Sum of the lines that it is on.
    pub base: Money,
    /// What it comes to, rounded.
    pub amount: Money,
}

/// What was used in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Exchanges.
    pub requests: u64,
    /// Of these, those of which some part is not certain.
    pub uncertain: u64,
    /// Bytes of request contents.
    pub request_bytes: u64,
    /// Bytes of response contents.
    pub response_bytes: u64,
    /// Milliseconds of service.
    pub service_ms: u64,
}

impl Used {
    /// The sum; `None` when a count is larger than any.
    pub fn plus(self, other: &Self) -> Option<Self> {
        Some(Self {
            requests: self.requests.checked_add(other.requests)?,
            uncertain: self.uncertain.checked_add(other.uncertain)?,
            request_bytes: self.request_bytes.checked_add(other.request_bytes)?,
            response_bytes: self.response_bytes.checked_add(other.response_bytes)?,
            service_ms: self.service_ms.checked_add(other.service_ms)?,
        })
    }
}

impl Statement {
    /// Whether what it gives back stands in it as what was charged: as above zero.
    pub fn is_turned(&self) -> bool {
        let charged = |line: &&Line| line.kind != LineKind::Allowance;
        let mut lines = self.lines.iter().filter(charged);
        self.kind == Kind::CreditNote && lines.all(|line| line.amount >= Money::ZERO)
    }
}

fn is_zero(money: &Money) -> bool {
    *money == Money::ZERO
}

impl Meter {
    /// How much of it was used.
    pub const fn of(self, used: &Used) -> u64 {
        match self {
            Self::Requests => used.requests,
            Self::RequestBytes => used.request_bytes,
            Self::ResponseBytes => used.response_bytes,
            Self::ServiceMs => used.service_ms,
        }
    }
}

impl VatCategory {
    /// Its code (UNCL 5305).
    pub const fn code(self) -> &'static str {
        match self {
            Self::Standard => "S",
            Self::Zero => "Z",
            Self::Exempt => "E",
            Self::ReverseCharge => "AE",
            Self::NotSubject => "O",
        }
    }
}
