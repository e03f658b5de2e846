//! Statements as FOCUS 1.2 (FinOps Open Cost and Usage Specification): a row a charge, with what it would cost by the list.
//!
//! Columns are those of the specification, in its order; ours begins with `x_`. Every row's cost is its unit price times its
//! quantity, and what is billed in all rows of an invoice is the invoice's total.

mod charge;

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::json;

use self::charge::Charge;
use super::{Refused, currency, given};
use crate::export::plain::{csv as cell, shown};
use crate::usage::money::Money;
use crate::usage::statement::{Kind, Statement};

/// The columns, in order: all of FOCUS 1.2, then ours.
pub const COLUMNS: [&str; 58] = [
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "CapacityReservationId",
    "CapacityReservationStatus",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "CommitmentDiscountUnit",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_observer_completeness",
];

/// What the names of columns with numbers end in.
const NUMBERS: [&str; 3] = ["Cost", "Price", "Quantity"];

/// What an API is among services.
const SERVICE: (&str, &str) = ("Integration", "API Management");
/// The service of what is charged for no single API.
const ALL_APIS: &str = "APIs";

/// The table, with its header.
///
/// # Errors
/// When the seller has no name, or a value is not of its kind; the first statement that has it.
pub fn table<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> Result<String, Refused> {
    let mut text = COLUMNS.join(",");
    text.push_str("\r\n");
    for statement in statements {
        let head = Head::of(statement)?;
        for charge in charge::all(statement)? {
            text.push_str(&row(&head, &charge).join(","));
            text.push_str("\r\n");
        }
    }
    Ok(text)
}

/// What all rows of a statement share.
struct Head<'a> {
    statement: &'a Statement,
    issuer: &'a str,
    account: &'a str,
    currency: &'a str,
    from: Timestamp,
    until: Timestamp,
    tags: Option<String>,
}

impl<'a> Head<'a> {
    fn of(statement: &'a Statement) -> Result<Self, Refused> {
        let seller = statement.seller.as_ref();
        let issuer = seller.and_then(|seller| given(&seller.name));
        let account = statement.customer.id.trim();
        if account.is_empty() {
            return Err(Refused::Missing("id of the account"));
        }
        let plan = statement.plan.as_deref().map(shown);
        Ok(Self {
            statement,
            issuer: issuer.ok_or(Refused::Seller(vec!["name"]))?,
            account,
            currency: currency(statement)?,
            from: moment("the period's first moment", &statement.period.from)?,
            until: moment("the moment after the period", &statement.period.until)?,
            tags: plan.map(|plan| json!({ "observer/plan": plan }).to_string()),
        })
    }
}

fn moment(what: &'static str, text: &str) -> Result<Timestamp, Refused> {
    let time = text.parse();
    time.map_err(|_| Refused::odd(what, text, "a time (RFC 3339)"))
}

fn row(head: &Head<'_>, charge: &Charge<'_>) -> [String; COLUMNS.len()] {
    COLUMNS.map(|column| {
        let value = value(column, head, charge).unwrap_or_default();
        // A number below zero is no formula.
        let is_number = NUMBERS.iter().any(|end| column.ends_with(end));
        if is_number {
            value.into_owned()
        } else {
            cell(&value).into_owned()
        }
    })
}

/// What a column says of a charge; nothing where there is nothing to say, as of regions, capacity and commitments.
fn value<'a>(column: &str, head: &'a Head<'_>, charge: &'a Charge<'_>) -> Option<Cow<'a, str>> {
    let statement = head.statement;
    let billed = || decimal(&charge.billed.fixed(statement.places)).into();
    let priced = charge.priced.as_ref();
    Some(match column {
        "BilledCost" | "EffectiveCost" | "PricingCurrencyEffectiveCost" => billed(),
        "BillingAccountId" => head.account.into(),
        "BillingAccountName" => given(&statement.customer.name)?.into(),
        "BillingAccountType" => "Account".into(),
        "BillingCurrency" | "PricingCurrency" => head.currency.into(),
        "BillingPeriodEnd" | "ChargePeriodEnd" => head.until.to_string().into(),
        "BillingPeriodStart" | "ChargePeriodStart" => head.from.to_string().into(),
        "ChargeCategory" => charge.category.name().into(),
        "ChargeClass" if statement.kind == Kind::CreditNote => "Correction".into(),
        "ChargeDescription" => (&*charge.text).into(),
        "ChargeFrequency" => charge.category.frequency().into(),
        "ConsumedQuantity" => decimal(&charge.consumed?.0.to_string()).into(),
        "ConsumedUnit" => charge.consumed?.1.into(),
        "ContractedCost" | "ListCost" => {
            priced.map_or_else(billed, |priced| decimal(&priced.cost).into())
        }
        "ContractedUnitPrice"
        | "ListUnitPrice"
        | "PricingCurrencyContractedUnitPrice"
        | "PricingCurrencyListUnitPrice" => decimal(&priced?.price.to_string()).into(),
        "InvoiceId" if statement.kind != Kind::Draft => given(&statement.number)?.into(),
        "InvoiceIssuerName" | "ProviderName" | "PublisherName" => head.issuer.into(),
        "PricingCategory" => priced.map(|_| "Standard")?.into(),
        "PricingQuantity" => decimal(&priced?.quantity).into(),
        "PricingUnit" => (&*priced?.unit).into(),
        "ResourceId" => charge.resource.as_deref()?.into(),
        "ResourceType" => charge.resource.as_ref().map(|_| "Route")?.into(),
        "ServiceCategory" => SERVICE.0.into(),
        "ServiceName" => charge.api.unwrap_or(ALL_APIS).into(),
        "ServiceSubcategory" => SERVICE.1.into(),
        "SkuId" => priced?.sku.into(),
        "SkuMeter" => priced?.meter.into(),
        "SkuPriceId" => (&*priced?.price_id).into(),
        "Tags" => head.tags.as_deref()?.into(),
        "x_observer_completeness" => statement.completeness.to_string().into(),
        _ => return None,
    })
}

/// A number that nobody takes for a column of whole ones, which a decimal column of FOCUS is not.
fn decimal(number: &str) -> String {
    let point = if number.contains('.') { "" } else { ".0" };
    format!("{number}{point}")
}
