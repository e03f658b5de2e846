//! What the document's totals say beside what the statement says: sums of what is in lines and of what is taken off.
//!
//! Invariant: they are held against the statement's own; what does not agree is refused, never adjusted.

use super::Refused;
use crate::usage::money::{Money, NotMoney};
use crate::usage::statement::{Kind, Line, LineKind, Statement};

/// Sums, with the signs of the document.
pub(super) struct Sums {
    /// Of the lines.
    pub(super) lines: Money,
    /// Of what is taken off the document, if anything is: nothing may be taken off, which is not the same (EN 16931, BR-CO-11).
    pub(super) allowances: Option<Money>,
    /// Of what is added to the document.
    pub(super) charges: Money,
    /// Whether the statement has what it gives back below zero, and the document above.
    turned: bool,
}

/// Whether a line is an allowance of the document, not one of its lines.
pub(super) fn is_allowance(line: &Line) -> bool {
    line.kind == LineKind::Allowance
}

impl Sums {
    pub(super) fn of(statement: &Statement) -> Result<Self, Refused> {
        let amounts = |wanted: fn(&Line) -> bool| {
            let lines = statement.lines.iter();
            sum(lines.filter(|line| wanted(line)).map(|line| line.amount))
        };
        if statement.lines.iter().all(is_allowance) {
            return Err(Refused::Empty);
        }
        let lines = amounts(|line| !is_allowance(line))?;
        let turned = statement.kind == Kind::CreditNote && lines < Money::ZERO;
        let signed = |money: Money| if turned { money.negated() } else { money };
        let (mut allowances, mut charges) = (None, Money::ZERO);
        for adjustment in statement.lines.iter().filter(|line| is_allowance(line)) {
            let amount = signed(adjustment.amount);
            if amount > Money::ZERO {
                charges = charges.plus(amount)?;
            } else {
                let sum = allowances.unwrap_or(Money::ZERO);
                allowances = Some(sum.plus(amount.negated())?);
            }
        }
        let taxes = statement.taxes.iter();
        agree(
            "its lines and its net",
            lines.plus(amounts(is_allowance)?)?,
            statement.net,
        )?;
        if !statement.taxes.is_empty() {
            agree(
                "the bases of its taxes and its net",
                sum(taxes.clone().map(|tax| tax.base))?,
                statement.net,
            )?;
        }
        agree(
            "its taxes and their sum",
            sum(taxes.map(|tax| tax.amount))?,
            statement.tax,
        )?;
        agree(
            "net with tax and its total",
            statement.net.plus(statement.tax)?,
            statement.total,
        )?;
        Ok(Self {
            lines: signed(lines),
            allowances,
            charges,
            turned,
        })
    }

    /// An amount of the statement with the sign that it has in the document.
    pub(super) fn signed(&self, amount: Money) -> Money {
        if self.turned {
            amount.negated()
        } else {
            amount
        }
    }
}

fn sum(amounts: impl Iterator<Item = Money>) -> Result<Money, NotMoney> {
    let mut sum = Money::ZERO;
    for amount in amounts {
        sum = sum.plus(amount)?;
    }
    Ok(sum)
}

fn agree(what: &str, one: Money, other: Money) -> Result<(), Refused> {
    if one == other {
        return Ok(());
    }
    Err(Refused::Sums(format!("{what} are {one} and {other}")))
}
