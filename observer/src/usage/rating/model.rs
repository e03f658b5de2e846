//! How prices go with the quantity: graduated, by volume, by the package.
//!
//! Invariant: of a larger quantity, the sum of a price's lines is never smaller.

use super::words;
use crate::identity::money::{Money, NotMoney};
use crate::identity::registry::{Model, Price};

/// What a part of the usage of one price comes to.
pub(super) struct Charged {
    /// In words.
    pub(super) text: String,
    /// How much is charged: units, or packages.
    pub(super) quantity: u64,
    /// How many units that was, where packages are charged.
    pub(super) consumed: Option<u64>,
    /// Of how many `price` is the price.
    pub(super) per: u64,
    /// What `per` of them cost.
    pub(super) price: Money,
    /// On top of that.
    pub(super) surcharge: Money,
    /// Both, rounded.
    pub(super) amount: Money,
}

/// A run of units that cost the same. A tier's first unit is checked to be 1 at least when the plan is read.
struct Step {
    /// The first one, from 1.
    from: u64,
    /// The last one; `None`: it goes on for ever.
    to: Option<u64>,
    /// Cost of `per` units.
    amount: Money,
}

/// What `quantity` units come to.
pub(super) fn lines(price: &Price, quantity: u64, places: u32) -> Result<Vec<Charged>, NotMoney> {
    match price.model {
        Model::Graduated => graduated(price, quantity, places),
        Model::Volume => volume(price, quantity, places).map(|line| vec![line]),
        Model::Package => package(price, quantity, places).map(|line| vec![line]),
    }
}

/// Steps that hold at least one unit, in order; the last one goes on for ever.
fn steps(price: &Price) -> Vec<Step> {
    let mut steps = vec![Step {
        from: 1,
        to: None,
        amount: price.amount,
    }];
    for tier in &price.tiers {
        if let Some(last) = steps.last_mut() {
            last.to = Some(tier.from.saturating_sub(1));
        }
        steps.push(Step {
            from: tier.from,
            to: None,
            amount: tier.amount,
        });
    }
    steps.retain(|step| step.to.is_none_or(|to| to >= step.from));
    steps
}

/// A line for each step that is reached; the first one is there even when nothing was used.
fn graduated(price: &Price, quantity: u64, places: u32) -> Result<Vec<Charged>, NotMoney> {
    let mut lines = Vec::new();
    for step in steps(price) {
        if step.from > quantity.max(1) {
            break;
        }
        let last = step.to.map_or(quantity, |to| to.min(quantity));
        // Units count from 1.
        let units = last.saturating_sub(step.from - 1);
        let range = (!price.tiers.is_empty()).then_some((step.from, step.to));
        lines.push(Charged {
            text: words::usage(price, range),
            quantity: units,
            consumed: None,
            per: price.per.get(),
            price: step.amount,
            surcharge: Money::ZERO,
            amount: step.amount.times(units, price.per.get(), places)?,
        });
    }
    Ok(lines)
}

/// All units at the price of the step that the last one falls into. Where that is less than what the end of a lower step comes
/// to, it is raised to it: else one request more would cost less.
fn volume(price: &Price, quantity: u64, places: u32) -> Result<Charged, NotMoney> {
    let per = price.per.get();
    let mut least = Money::ZERO;
    let mut reached = (price.amount, (1, None));
    for step in steps(price) {
        if step.from > quantity.max(1) {
            break;
        }
        reached = (step.amount, (step.from, step.to));
        if let Some(to) = step.to.filter(|to| *to < quantity) {
            least = least.max(step.amount.times(to, per, places)?);
        }
    }
    let (amount, range) = reached;
    let cost = amount.times(quantity, per, places)?;
    let surcharge = least.minus(cost)?.max(Money::ZERO);
    Ok(Charged {
        text: words::usage(price, (!price.tiers.is_empty()).then_some(range)),
        quantity,
        consumed: None,
        per,
        price: amount,
        surcharge,
        amount: cost.plus(surcharge)?,
    })
}

/// Packages that were begun.
fn package(price: &Price, quantity: u64, places: u32) -> Result<Charged, NotMoney> {
    let packages = quantity.div_ceil(price.per.get());
    Ok(Charged {
        text: words::packages(price),
        quantity: packages,
        consumed: Some(quantity),
        per: 1,
        price: price.amount,
        surcharge: Money::ZERO,
        amount: price.amount.times(packages, 1, places)?,
    })
}
