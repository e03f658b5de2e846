//! A statement in the formats that people and their programs read.
//!
//! Invariant: a format adds nothing up and rounds nothing: it writes the amounts that the statement has. The same statement
//! is the same bytes, and no text of a statement is anything but text in any format.

pub mod csv;
pub mod focus;
pub mod html;
pub mod ubl;

#[cfg(test)]
mod tests;

use crate::usage::money::NotMoney;
use crate::usage::statement::{LineKind, Party, Statement, Vat, VatCategory};

/// The statement itself, with all that it says.
///
/// # Errors
/// None that a statement can cause.
pub fn json(statement: &Statement) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(statement)?;
    text.push('\n');
    Ok(text)
}

/// Why a statement cannot be written in a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has no number yet.
    #[error("a draft is no invoice: the period has to be closed first")]
    Draft,
    /// The schema wants a line.
    #[error("it has no line, and an invoice needs one: nothing was charged")]
    Empty,
    /// Fields of the seller.
    #[error("[seller] in observer.toml has no {}", listed(.0))]
    Seller(Vec<&'static str>),
    /// Fields of the customer.
    #[error("[[account]] {account:?} in the registry has no {}", listed(lacks))]
    Customer {
        /// Id of the account.
        account: String,
        /// Names of the fields.
        lacks: Vec<&'static str>,
    },
    /// A field of the statement itself.
    #[error("the statement has no {0}")]
    Missing(&'static str),
    /// A value that is not of its kind.
    #[error("{what} is {value:?}, not {expected}")]
    Odd {
        /// Where it stands.
        what: &'static str,
        /// What it is.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Amounts that contradict each other: which.
    #[error("the statement contradicts itself: {0}")]
    Sums(String),
    /// A number that no amount holds.
    #[error("an amount {0}")]
    Money(#[from] NotMoney),
    /// What Peppol or EN 16931 does not allow: which rule, in words.
    #[error("Peppol does not take it: {0}")]
    Peppol(String),
}

impl Refused {
    fn odd(what: &'static str, value: &str, expected: &'static str) -> Self {
        let value = value.to_owned();
        Self::Odd {
            what,
            value,
            expected,
        }
    }
}

/// What `[seller]` in the configuration has to say for an invoice and does not.
pub fn seller_lacks(statement: &Statement) -> Vec<&'static str> {
    let nobody = Party::default();
    let seller = statement.seller.as_ref().unwrap_or(&nobody);
    let taxed = statement
        .taxes
        .iter()
        .any(|tax| tax.vat.category != VatCategory::NotSubject);
    let fields = [
        ("name", &seller.name, true),
        ("address", &seller.address, true),
        ("country", &seller.country, true),
        ("vat_id", &seller.vat_id, taxed),
    ];
    let lacks = fields
        .into_iter()
        .filter(|(_, value, needed)| *needed && given(value).is_none());
    lacks.map(|(name, ..)| name).collect()
}

/// What the account in the registry has to say for an invoice and does not.
pub fn customer_lacks(statement: &Statement) -> Vec<&'static str> {
    let customer = &statement.customer;
    let fields = [
        ("name", &customer.name),
        ("address", &customer.address),
        ("country", &customer.country),
    ];
    let lacks = fields
        .into_iter()
        .filter(|(_, value)| given(value).is_none());
    lacks.map(|(name, _)| name).collect()
}

/// Whether it lacks nothing that an invoice has to say.
pub fn is_invoice(statement: &Statement) -> bool {
    seller_lacks(statement).is_empty() && customer_lacks(statement).is_empty()
}

/// A text that says something.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// A rate in millionths of a percent, as a decimal number of percent with no more places than it needs.
fn percent(millionths: u32) -> String {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// How complete the data is, in percent: cut, so that it reads 100 only where nothing is missing.
fn completeness(ratio: f64) -> String {
    if !(0.0..=1.0).contains(&ratio) {
        return "unknown".to_owned();
    }
    let cut = (ratio * 1e6).floor() / 1e4;
    format!("{cut} %")
}

/// A tax in words.
fn tax_in_words(vat: Vat) -> String {
    let rate = percent(vat.rate);
    match vat.category {
        VatCategory::Standard => format!("VAT {rate} %"),
        VatCategory::Zero => format!("VAT {rate} %, zero rate"),
        VatCategory::Exempt => "Exempt from VAT".to_owned(),
        VatCategory::ReverseCharge => "Reverse charge: the customer owes the VAT".to_owned(),
        VatCategory::NotSubject => "Not subject to VAT".to_owned(),
    }
}

/// The currency, if it can be one.
fn currency(statement: &Statement) -> Result<&str, Refused> {
    let currency = &statement.currency;
    if currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(currency);
    }
    let code = "the code of a currency (ISO 4217)";
    Err(Refused::odd("the currency", currency, code))
}

/// What a line is, where it has no text of its own.
const fn kind_in_words(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Usage => "Usage",
        LineKind::Fee => "Fee",
        LineKind::Minimum => "Minimum",
        LineKind::Allowance => "Allowance",
    }
}

/// Names in a sentence.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
