//! Plans: what an account may use, and what it costs.
//!
//! Invariant: a plan that was read can be charged. All of it is in one currency, no request is charged twice by one meter, and
//! no usage is cheaper than less of it.

#[cfg(test)]
mod tests;

use std::num::NonZeroU64;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::super::money::{Currency, Money};
use super::super::shown::Shown;
use super::value::{self, Percent};

/// Prices of one plan. Each is held against all others.
const MOST_PRICES: usize = 1_000;

/// What an account may use and what it costs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its id.
    pub id: Arc<str>,
    /// Version of the terms of use that its accounts have to have accepted.
    pub terms: Option<Box<str>>,
    /// Most of a meter in a time.
    pub limits: Vec<Limit>,
    /// Cost by meter; no two of them charge the same.
    pub prices: Vec<Price>,
    /// What each period costs, whatever is used.
    pub fee: Option<Charge>,
    /// What usage and fee of each period come to at least.
    pub minimum: Option<Charge>,
    /// What it would cost is shown, and nothing is to be paid.
    pub showback: bool,
    /// Value added tax; none: not subject to it.
    pub vat: Option<Percent>,
}

impl Plan {
    /// The currency of all that it charges; none where it charges nothing.
    pub fn currency(&self) -> Option<Currency> {
        let prices = self.prices.iter().map(|price| price.currency);
        let charges = self.fee.iter().chain(&self.minimum);
        prices.chain(charges.map(|charge| charge.currency)).next()
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Exchanges.
    Requests,
    /// Bytes of request contents.
    RequestBytes,
    /// Bytes of response contents.
    ResponseBytes,
    /// Milliseconds of service.
    ServiceMs,
}

impl Meter {
    /// Every one.
    pub const ALL: [Self; 4] = [
        Self::Requests,
        Self::RequestBytes,
        Self::ResponseBytes,
        Self::ServiceMs,
    ];

    /// The name in plans and statements.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::RequestBytes => "request_bytes",
            Self::ResponseBytes => "response_bytes",
            Self::ServiceMs => "service_ms",
        }
    }
}

/// Most of a meter in a time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What is counted.
    pub meter: Meter,
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

/// An amount that does not depend on usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// How much, not negative.
    #[serde(deserialize_with = "value::amount")]
    pub amount: Money,
    /// Of what.
    pub currency: Currency,
}

/// How a price goes with the quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Each unit at the price of the tier that it falls into.
    #[default]
    Graduated,
    /// All units at the price of the tier that the last one falls into.
    Volume,
    /// Only whole packages of units.
    Package,
}

/// Cost of a meter.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// What is counted.
    pub meter: Meter,
    /// How many units the amount is for; with [`Model::Package`], how many a package has.
    pub per: NonZeroU64,
    /// Cost of that many units, not negative.
    #[serde(deserialize_with = "value::amount")]
    pub amount: Money,
    /// Of what.
    pub currency: Currency,
    /// How it goes with the quantity.
    #[serde(default)]
    pub model: Model,
    /// Other amounts from a quantity on, strictly ascending.
    #[serde(default)]
    pub tiers: Vec<Tier>,
    /// Only usage of this API.
    pub api: Option<Box<str>>,
    /// Only usage of this route.
    pub route: Option<Box<str>>,
    /// Value added tax, where it is not the plan's.
    pub vat: Option<Percent>,
}

impl Price {
    /// Whether it charges usage of this route.
    pub fn charges(&self, api: &str, route: &str) -> bool {
        self.api.as_deref().is_none_or(|own| own == api)
            && self.route.as_deref().is_none_or(|own| own == route)
    }

    /// Whether one request may be charged by both.
    fn overlaps(&self, other: &Self) -> bool {
        let meet = |one: &Option<Box<str>>, other: &Option<Box<str>>| {
            one.is_none() || other.is_none() || one == other
        };
        self.meter == other.meter && meet(&self.api, &other.api) && meet(&self.route, &other.route)
    }

    /// What is wrong with it by itself.
    fn fault(&self) -> Option<String> {
        let meter = self.meter.name();
        if !self.tiers.is_sorted_by(|a, b| a.from < b.from) {
            return Some(format!("tiers of meter `{meter}` do not ascend"));
        }
        if self.tiers.first().is_some_and(|tier| tier.from == 0) {
            return Some(format!(
                "a tier of meter `{meter}` begins at 0: the first unit is number 1"
            ));
        }
        if self.model == Model::Package && !self.tiers.is_empty() {
            return Some(format!(
                "a price of meter `{meter}` by the package has no tiers"
            ));
        }
        // As usage has them; what is none would charge nothing, and nobody would know.
        let route = self.route.as_deref()?;
        let is_route = route.starts_with('/') || route == "*" || route == "__other__";
        (!is_route).then(|| {
            format!(
                "`{}` is no route: one reads /v1/widgets/{{id}}, without a method, as usage has it",
                Shown(route)
            )
        })
    }
}

/// Another amount from a quantity on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// First unit that costs this, from 1.
    pub from: u64,
    /// Cost of `per` units, not negative.
    #[serde(deserialize_with = "value::amount")]
    pub amount: Money,
}

/// `[[plan]]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanStanza {
    #[serde(deserialize_with = "value::shared_id")]
    id: Arc<str>,
    terms: Option<Box<str>>,
    #[serde(default)]
    limits: Vec<Limit>,
    #[serde(default)]
    prices: Vec<Spanned<Price>>,
    fee: Option<Spanned<Charge>>,
    minimum: Option<Spanned<Charge>>,
    #[serde(default)]
    showback: bool,
    vat: Option<Percent>,
}

/// What is wrong with a plan. Places are byte offsets.
pub(super) enum PlanFault {
    /// Something in it.
    Invalid(usize, String),
    /// Two things of which there can be one.
    Twice {
        /// The second one.
        at: usize,
        /// The first one.
        first: usize,
        /// What they are.
        what: String,
    },
}

impl PlanStanza {
    /// The plan, if it can be charged.
    pub(super) fn plan(self) -> Result<Plan, PlanFault> {
        self.size()?;
        for (number, price) in self.prices.iter().enumerate() {
            let at = price.span().start;
            let price = price.get_ref();
            if let Some(what) = price.fault() {
                return Err(PlanFault::Invalid(
                    at,
                    format!("{what} (plan `{}`)", self.id),
                ));
            }
            let mut before = self.prices.iter().take(number);
            if let Some(first) = before.find(|first| first.get_ref().overlaps(price)) {
                return Err(PlanFault::Twice {
                    at,
                    first: first.span().start,
                    what: format!(
                        "a price of meter `{}` for some of the same usage",
                        price.meter.name()
                    ),
                });
            }
        }
        self.currency()?;
        self.vat()?;
        if let Some(minimum) = self.minimum.as_ref().filter(|_| self.showback) {
            let what = format!(
                "plan `{}` is for showback, where nothing is to be paid: it has no minimum",
                self.id
            );
            return Err(PlanFault::Invalid(minimum.span().start, what));
        }
        Ok(Plan {
            id: self.id,
            terms: self.terms,
            limits: self.limits,
            prices: self.prices.into_iter().map(Spanned::into_inner).collect(),
            fee: self.fee.map(Spanned::into_inner),
            minimum: self.minimum.map(Spanned::into_inner),
            showback: self.showback,
            vat: self.vat,
        })
    }

    fn size(&self) -> Result<(), PlanFault> {
        self.prices.get(MOST_PRICES).map_or(Ok(()), |price| {
            let what = format!("plan `{}` has more than {MOST_PRICES} prices", self.id);
            Err(PlanFault::Invalid(price.span().start, what))
        })
    }

    /// That all is in one currency.
    fn currency(&self) -> Result<(), PlanFault> {
        let prices = self.prices.iter();
        let prices = prices.map(|price| (price.span().start, price.get_ref().currency));
        let charges = self.fee.iter().chain(&self.minimum);
        let charges = charges.map(|charge| (charge.span().start, charge.get_ref().currency));
        let mut all: Vec<(usize, Currency)> = prices.chain(charges).collect();
        all.sort_unstable_by_key(|(at, _)| *at);
        let Some((_, currency)) = all.first().copied() else {
            return Ok(());
        };
        match all.iter().find(|(_, other)| *other != currency) {
            None => Ok(()),
            Some((at, other)) => Err(PlanFault::Invalid(
                *at,
                format!("plan `{}` is in {currency}, and this in {other}", self.id),
            )),
        }
    }

    /// That either everything is subject to VAT or nothing: on one statement there is no mixture (EN 16931-1, BR-O-11 to 14).
    fn vat(&self) -> Result<(), PlanFault> {
        let prices = self.prices.iter();
        let prices = prices.map(|price| (price.span().start, price.get_ref().vat.or(self.vat)));
        let charges = self.fee.iter().chain(&self.minimum);
        let charges = charges.map(|charge| (charge.span().start, self.vat));
        let all: Vec<(usize, Option<Percent>)> = prices.chain(charges).collect();
        let without = all.iter().filter(|(_, vat)| vat.is_none());
        match without.min_by_key(|(at, _)| *at) {
            Some((at, _)) if all.iter().any(|(_, vat)| vat.is_some()) => {
                let what = format!(
                    "this has no `vat`, and other charges of plan `{}` have: all of them have one, or none has",
                    self.id
                );
                Err(PlanFault::Invalid(*at, what))
            }
            _ => Ok(()),
        }
    }
}
