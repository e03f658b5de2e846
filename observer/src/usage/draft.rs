//! Drafts of statements: an account, its plan, a period and what was used in it, as one document.
//!
//! Invariant: a draft is made of its arguments and nothing else, so that the same usage gives the same statement.

#[cfg(test)]
mod tests;

use super::money::Currency;
use super::period::Period;
use super::rating::{RatingError, UsageRow, rate};
use super::statement::{Kind, Party, Statement};
use crate::identity::registry::{Account, Plan};

/// What a statement is made of.
#[derive(Clone, Debug)]
pub struct Basis<'a> {
    /// Whose usage it is.
    pub account: &'a Account,
    /// The account's plan.
    pub plan: Option<&'a Plan>,
    /// What it is for.
    pub period: &'a Period,
    /// What the account used in the period.
    pub rows: &'a [UsageRow],
    /// Certain exchanges of the period among all that must have been.
    pub completeness: f64,
    /// What else there is to know, a sentence each.
    pub notes: Vec<String>,
    /// Who writes it.
    pub seller: Option<Party>,
    /// The seller's currency: for an account that has none, neither itself nor by its plan.
    pub currency: Option<Currency>,
}

impl Statement {
    /// A draft: all that a statement says but its number and when it was closed.
    ///
    /// # Errors
    /// When a sum is larger than any number.
    pub fn draft(basis: Basis<'_>) -> Result<Self, RatingError> {
        let Basis { account, plan, .. } = basis;
        let own = account.currency.or(basis.currency);
        let rated = rate(plan, own.unwrap_or(Currency::NONE), account.vat, basis.rows)?;
        Ok(Self {
            number: None,
            kind: Kind::Draft,
            corrects: None,
            reason: None,
            issued: None,
            period: basis.period.stated(),
            seller: basis.seller,
            customer: Party::from(account),
            currency: rated.currency.code().to_owned(),
            places: rated.currency.places(),
            plan: plan.map(|plan| (*plan.id).to_owned()),
            showback: plan.is_some_and(|plan| plan.showback),
            lines: rated.lines,
            taxes: rated.taxes,
            net: rated.net,
            tax: rated.tax,
            total: rated.total,
            usage: rated.usage,
            completeness: basis.completeness,
            notes: basis.notes,
        })
    }
}

impl From<&Account> for Party {
    fn from(account: &Account) -> Self {
        let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        Self {
            id: (*account.id).to_owned(),
            name: text(&account.name),
            address: text(&account.address),
            country: text(&account.country),
            vat_id: text(&account.vat_id),
        }
    }
}
