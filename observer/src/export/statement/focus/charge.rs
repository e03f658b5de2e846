//! The charges that a statement consists of: its lines, what a surcharge adds to one, and its taxes.

use std::borrow::Cow;

use super::super::{given, kind_in_words, tax_in_words};
use super::{Money, Refused, Statement};
use crate::usage::money::NotMoney;
use crate::usage::statement::{Line, LineKind, Meter, Tax};

/// Digits after the point that a quotient is written with at most; quotients by powers of ten need fewer.
const DIGITS: usize = 30;

/// What kind of charge it is (ChargeCategory).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Usage,
    /// What is charged beside the usage of its own period. A purchase is none: by the rule of EffectiveCost it would cost
    /// nothing, as what it pays for comes later.
    Adjustment,
    Credit,
    Tax,
}

/// A charge.
pub(super) struct Charge<'a> {
    pub(super) category: Category,
    pub(super) text: Cow<'a, str>,
    pub(super) api: Option<&'a str>,
    /// API and route.
    pub(super) resource: Option<String>,
    /// How much was used, of what.
    pub(super) consumed: Option<(i128, &'static str)>,
    /// What is billed, rounded.
    pub(super) billed: Money,
    /// How it is priced, unless it is a tax or is taken off.
    pub(super) priced: Option<Priced>,
}

/// How a charge is priced. Cost is price times quantity, exact.
pub(super) struct Priced {
    pub(super) price: Money,
    pub(super) quantity: String,
    pub(super) unit: String,
    pub(super) cost: String,
    pub(super) sku: &'static str,
    pub(super) meter: &'static str,
    pub(super) price_id: String,
}

impl Category {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Usage => "Usage",
            Self::Adjustment => "Adjustment",
            Self::Credit => "Credit",
            Self::Tax => "Tax",
        }
    }

    pub(super) const fn frequency(self) -> &'static str {
        match self {
            Self::Usage => "Usage-Based",
            Self::Adjustment => "Recurring",
            Self::Credit | Self::Tax => "One-Time",
        }
    }
}

/// All charges, in the order of the lines, then the taxes.
///
/// # Errors
/// When a number is larger than any.
pub(super) fn all(statement: &Statement) -> Result<Vec<Charge<'_>>, Refused> {
    // What is given back is below zero here, whichever way the statement has it.
    let turned = statement.is_turned();
    let signed = |money: Money| if turned { money.negated() } else { money };
    let mut charges = Vec::new();
    for line in &statement.lines {
        let amount = signed(line.amount);
        match line.kind {
            LineKind::Usage => usage(statement, line, amount, &mut charges)?,
            LineKind::Fee => charges.push(flat(statement, line, "fee", amount)?),
            LineKind::Minimum => charges.push(flat(statement, line, "minimum", amount)?),
            LineKind::Allowance => charges.push(Charge {
                priced: None,
                category: Category::Credit,
                ..flat(statement, line, "allowance", amount)?
            }),
        }
    }
    let taxes = statement.taxes.iter();
    charges.extend(taxes.map(|tax| of_tax(tax, signed(tax.amount))));
    Ok(charges)
}

fn of_tax(tax: &Tax, amount: Money) -> Charge<'static> {
    Charge {
        category: Category::Tax,
        text: Cow::Owned(tax_in_words(tax.vat)),
        api: None,
        resource: None,
        consumed: None,
        billed: amount,
        priced: None,
    }
}

/// A line of usage; what is added to its price is a charge of its own.
fn usage<'a>(
    statement: &Statement,
    line: &'a Line,
    amount: Money,
    charges: &mut Vec<Charge<'a>>,
) -> Result<(), Refused> {
    let below = amount < Money::ZERO || statement.is_turned();
    let sign = if below { -1 } else { 1 };
    let quantity = sign * i128::from(line.quantity);
    let price = magnitude(line.price);
    let per = line.per.max(1);
    let surcharge = magnitude(line.surcharge);
    let added = surcharge.rounded(statement.places)?;
    let added = if below { added.negated() } else { added };
    let (unit, meter) = line.meter.map_or(("Units", "Units"), units);
    let sku = line.meter.map_or("usage", Meter::name);
    let cost = price
        .nanos()
        .checked_mul(quantity)
        .ok_or(NotMoney::Overflow)?;
    let charge = Charge {
        category: Category::Usage,
        text: text(line),
        api: given(&line.api),
        resource: resource(line),
        consumed: Some((
            sign * i128::from(line.consumed.unwrap_or(line.quantity)),
            unit,
        )),
        billed: amount.plus(added.negated())?,
        priced: Some(Priced {
            price,
            quantity: quotient(quantity, u128::from(per)),
            unit: if line.consumed.is_some() {
                "Packages".to_owned()
            } else if per == 1 {
                unit.to_owned()
            } else {
                format!("{per} {unit}")
            },
            cost: quotient(cost, u128::from(per) * 1_000_000_000),
            sku,
            meter,
            price_id: price_id(statement, line, sku, price, per),
        }),
    };
    if surcharge == Money::ZERO {
        charges.push(charge);
        return Ok(());
    }
    let more = Charge {
        category: Category::Adjustment,
        text: charge.text.clone(),
        api: charge.api,
        resource: charge.resource.clone(),
        consumed: None,
        billed: added,
        priced: Some(one(statement, line, "surcharge", surcharge, below)),
    };
    charges.extend([charge, more]);
    Ok(())
}

/// A charge of one thing.
fn flat<'a>(
    statement: &Statement,
    line: &'a Line,
    sku: &'static str,
    amount: Money,
) -> Result<Charge<'a>, Refused> {
    Ok(Charge {
        category: Category::Adjustment,
        text: text(line),
        api: given(&line.api),
        resource: resource(line),
        consumed: None,
        billed: amount,
        priced: Some(one(
            statement,
            line,
            sku,
            magnitude(amount),
            amount < Money::ZERO,
        )),
    })
}

fn one(statement: &Statement, line: &Line, sku: &'static str, price: Money, below: bool) -> Priced {
    let cost = if below { price.negated() } else { price };
    Priced {
        price,
        quantity: if below { "-1" } else { "1" }.to_owned(),
        unit: "Units".to_owned(),
        cost: cost.to_string(),
        sku,
        meter: "Units",
        price_id: price_id(statement, line, sku, price, 1),
    }
}

fn text(line: &Line) -> Cow<'_, str> {
    let text = line.text.trim();
    Cow::Borrowed(if text.is_empty() {
        kind_in_words(line.kind)
    } else {
        text
    })
}

/// The route, which is one within its API.
fn resource(line: &Line) -> Option<String> {
    let route = given(&line.route)?;
    Some(given(&line.api).map_or_else(|| route.to_owned(), |api| format!("{api} {route}")))
}

/// Units as FOCUS spells them, and the meter's name for people.
const fn units(meter: Meter) -> (&'static str, &'static str) {
    match meter {
        Meter::Requests => ("Requests", "Requests"),
        Meter::RequestBytes => ("B", "Bytes of requests"),
        Meter::ResponseBytes => ("B", "Bytes of responses"),
        Meter::ServiceMs => ("Milliseconds", "Time of service"),
    }
}

/// What a price is looked up by: what it is of, and what it is.
fn price_id(statement: &Statement, line: &Line, sku: &str, price: Money, per: u64) -> String {
    let of = [&statement.plan, &line.api, &line.route].map(|text| given(text).unwrap_or("*"));
    format!(
        "{sku}/{}/{price} {} per {per}",
        of.join("/"),
        statement.currency
    )
}

fn magnitude(money: Money) -> Money {
    if money < Money::ZERO {
        money.negated()
    } else {
        money
    }
}

/// `number / divisor` as a decimal number with as many places as it needs, [`DIGITS`] at most.
fn quotient(number: i128, divisor: u128) -> String {
    let whole = number.unsigned_abs() / divisor;
    let mut rest = number.unsigned_abs() % divisor;
    let mut text = if number < 0 {
        "-".to_owned()
    } else {
        String::new()
    };
    text.push_str(&whole.to_string());
    if rest == 0 {
        return text;
    }
    text.push('.');
    for _ in 0..DIGITS {
        // A divisor is a 64-bit number times 1e9 at most, so that ten of its rests are far below what 128 bits hold.
        rest *= 10;
        text.push_str(&(rest / divisor).to_string());
        rest %= divisor;
        if rest == 0 {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_exact_where_they_end() {
        assert_eq!(quotient(412_031, 1_000), "412.031");
        assert_eq!(quotient(-1, 8), "-0.125");
        assert_eq!(quotient(0, 7), "0");
        assert_eq!(quotient(1, 3), format!("0.{}", "3".repeat(DIGITS)));
        let most = u128::from(u64::MAX) * 1_000_000_000;
        assert!(quotient(i128::MAX, most).starts_with("9223372036.85"));
    }
}
