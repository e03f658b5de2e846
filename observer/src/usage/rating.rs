//! Rating: from usage and a plan to what is charged for it.
//!
//! Invariant: an amount is rounded once, where its line ends; `net` is the sum of the lines, and a tax is on the sum of those of
//! its rate. Of more usage the net is never less. The order of rows and how usage is split over them change nothing, and a
//! number that is larger than any is an error.

mod model;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::money::{Currency, Money, NotMoney};
use super::statement::{Line, LineKind, Meter, Tax, Used, Vat, VatCategory};
use crate::identity::registry::{AccountVat, Charge, Percent, Plan, Price};

/// What was used of one route. Several rows may be of the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// From [`crate::route::Resolved`].
    pub api: Arc<str>,
    /// From [`crate::route::Resolved`].
    pub route: Arc<str>,
    /// How much.
    pub used: Used,
}

/// What usage comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rated {
    /// Of all amounts.
    pub currency: Currency,
    /// Usage in the order of the plan's prices, then fee, minimum and allowances.
    pub lines: Vec<Line>,
    /// One for each category and rate, in order.
    pub taxes: Vec<Tax>,
    /// Sum of the lines.
    pub net: Money,
    /// Sum of the taxes.
    pub tax: Money,
    /// Both.
    pub total: Money,
    /// All usage, priced or not.
    pub usage: Used,
}

/// What cannot be charged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RatingError {
    /// A sum of usage that no number holds.
    #[error("the sum of what was used is larger than any number")]
    Usage,
    /// An amount that no number holds.
    #[error("what {what} comes to {why}")]
    Amount {
        /// Of what.
        what: String,
        /// Why.
        why: NotMoney,
    },
}

/// Rates usage by a plan; without one, and by one that charges nothing, requests are listed at price zero. `currency` is that of
/// a plan that has none; `vat` is what the account has instead of the plan's.
///
/// # Errors
/// When a sum is larger than any number.
pub fn rate(
    plan: Option<&Plan>,
    currency: Currency,
    vat: Option<AccountVat>,
    rows: &[UsageRow],
) -> Result<Rated, RatingError> {
    let mut bill = Bill {
        currency: plan.and_then(Plan::currency).unwrap_or(currency),
        vat,
        lines: Vec::new(),
    };
    let usage = rows
        .iter()
        .try_fold(Used::default(), |sum, row| sum.plus(&row.used))
        .ok_or(RatingError::Usage)?;
    for price in plan.iter().flat_map(|plan| &plan.prices) {
        bill.price(plan.and_then(|plan| plan.vat), price, rows)?;
    }
    let fee = plan.and_then(|plan| plan.fee);
    let minimum = plan.and_then(|plan| plan.minimum);
    let plan_vat = bill.vat(plan.and_then(|plan| plan.vat));
    if bill.lines.is_empty() && fee.is_none() && minimum.is_none() {
        bill.lines.push(Line {
            quantity: usage.requests,
            meter: Some(Meter::Requests),
            ..line(
                LineKind::Usage,
                words::meter(Meter::Requests).into(),
                plan_vat,
            )
        });
    }
    if let Some(fee) = fee {
        let amount = bill.rounded(&fee, "the fee")?;
        bill.lines.push(Line {
            price: fee.amount,
            amount,
            ..line(LineKind::Fee, "Fee".into(), plan_vat)
        });
    }
    if let Some(minimum) = minimum {
        bill.minimum(&minimum, plan_vat)?;
    }
    if plan.is_some_and(|plan| plan.showback) {
        bill.allow()?;
    }
    bill.finish(usage)
}

/// A statement's lines while they are written.
struct Bill {
    currency: Currency,
    vat: Option<AccountVat>,
    lines: Vec<Line>,
}

impl Bill {
    /// How something is taxed of which the plan says this.
    fn vat(&self, plan: Option<Percent>) -> Vat {
        let category = match (self.vat, plan.map(Percent::millionths)) {
            (Some(AccountVat::ReverseCharge), _) => VatCategory::ReverseCharge,
            (Some(AccountVat::Exempt), _) => VatCategory::Exempt,
            (None, None) => VatCategory::NotSubject,
            (None, Some(0)) => VatCategory::Zero,
            (None, Some(rate)) => {
                return Vat {
                    category: VatCategory::Standard,
                    rate,
                };
            }
        };
        Vat { category, rate: 0 }
    }

    /// Adds what a price charges of the rows.
    fn price(
        &mut self,
        plan: Option<Percent>,
        price: &Price,
        rows: &[UsageRow],
    ) -> Result<(), RatingError> {
        let quantity = rows
            .iter()
            .filter(|row| price.charges(&row.api, &row.route))
            .try_fold(0_u64, |sum, row| sum.checked_add(price.meter.of(&row.used)))
            .ok_or(RatingError::Usage)?;
        let vat = self.vat(price.vat.or(plan));
        let lines = model::lines(price, quantity, self.currency.places());
        let lines = lines.map_err(|why| RatingError::Amount {
            what: format!("meter `{}`", price.meter.name()),
            why,
        })?;
        self.lines.extend(lines.into_iter().map(|charged| Line {
            meter: Some(price.meter),
            api: price.api.as_deref().map(str::to_owned),
            route: price.route.as_deref().map(str::to_owned),
            quantity: charged.quantity,
            consumed: charged.consumed,
            per: charged.per,
            price: charged.price,
            surcharge: charged.surcharge,
            amount: charged.amount,
            ..line(LineKind::Usage, charged.text, vat)
        }));
        Ok(())
    }

    /// Adds what is missing to a minimum.
    fn minimum(&mut self, minimum: &Charge, vat: Vat) -> Result<(), RatingError> {
        let least = self.rounded(minimum, "the minimum")?;
        let missing = least.minus(self.net()?).map_err(of("the minimum"))?;
        if missing > Money::ZERO {
            let text = format!(
                "Up to the minimum of {} {}",
                least.fixed(self.currency.places()),
                self.currency
            );
            self.lines.push(Line {
                price: missing,
                amount: missing,
                ..line(LineKind::Minimum, text, vat)
            });
        }
        Ok(())
    }

    /// Takes everything off again, by category and rate.
    fn allow(&mut self) -> Result<(), RatingError> {
        for (vat, base) in self.bases()? {
            if base == Money::ZERO {
                continue;
            }
            let amount = base.negated();
            self.lines.push(Line {
                price: amount,
                amount,
                ..line(
                    LineKind::Allowance,
                    "Showback, nothing is to be paid".into(),
                    vat,
                )
            });
        }
        Ok(())
    }

    fn rounded(&self, charge: &Charge, what: &str) -> Result<Money, RatingError> {
        let amount = charge.amount.rounded(self.currency.places());
        amount.map_err(of(what))
    }

    /// Sum of the lines.
    fn net(&self) -> Result<Money, RatingError> {
        let mut lines = self.lines.iter();
        lines
            .try_fold(Money::ZERO, |sum, line| sum.plus(line.amount))
            .map_err(of("everything"))
    }

    /// Sums of the lines by what they are taxed.
    fn bases(&self) -> Result<BTreeMap<Vat, Money>, RatingError> {
        let mut bases: BTreeMap<Vat, Money> = BTreeMap::new();
        for line in &self.lines {
            let base = bases.entry(line.vat).or_default();
            *base = base.plus(line.amount).map_err(of("everything"))?;
        }
        Ok(bases)
    }

    fn finish(self, usage: Used) -> Result<Rated, RatingError> {
        let net = self.net()?;
        let places = self.currency.places();
        let mut taxes = Vec::new();
        let mut tax = Money::ZERO;
        for (vat, base) in self.bases()? {
            let amount = base.percent(vat.rate, places).map_err(of("the tax"))?;
            tax = tax.plus(amount).map_err(of("the tax"))?;
            taxes.push(Tax { vat, base, amount });
        }
        Ok(Rated {
            currency: self.currency,
            lines: self.lines,
            taxes,
            net,
            tax,
            total: net.plus(tax).map_err(of("everything"))?,
            usage,
        })
    }
}

/// One of something that costs nothing yet.
fn line(kind: LineKind, text: String, vat: Vat) -> Line {
    Line {
        kind,
        text,
        meter: None,
        api: None,
        route: None,
        quantity: 1,
        consumed: None,
        per: 1,
        price: Money::ZERO,
        surcharge: Money::ZERO,
        amount: Money::ZERO,
        vat,
    }
}

fn of(what: &str) -> impl Fn(NotMoney) -> RatingError {
    move |why| RatingError::Amount {
        what: what.to_owned(),
        why,
    }
}
