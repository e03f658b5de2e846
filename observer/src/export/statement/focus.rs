//! Statements as FOCUS 1.2 (FinOps Open Cost and Usage Specification): a row a charge, with what it would cost by the list.
//!
//! Columns are those of the specification that say something here, in its order; ours begins with `x_`. Every row's cost is its
//! unit price times its quantity, and what is billed in all rows of an invoice is the invoice's total.

mod charge;

use jiff::Timestamp;
use serde_json::json;

use self::charge::Charge;
use super::{Refused, currency, given};
use crate::export::csv::{cell, shown};
use crate::usage::money::Money;
use crate::usage::statement::{Kind, Statement};

/// The columns, in order.
pub const COLUMNS: [&str; 42] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
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
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
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
    tags: String,
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
            tags: plan.map_or_else(String::new, |plan| {
                json!({ "observer/plan": plan }).to_string()
            }),
        })
    }
}

fn moment(what: &'static str, text: &str) -> Result<Timestamp, Refused> {
    let time = text.parse();
    time.map_err(|_| Refused::odd(what, text, "a time (RFC 3339)"))
}

fn row(head: &Head<'_>, charge: &Charge<'_>) -> [String; COLUMNS.len()] {
    let statement = head.statement;
    let nothing = String::new;
    let safe = |text: &str| cell(text.trim()).into_owned();
    let billed = charge.billed.fixed(statement.places);
    let (from, until) = (head.from.to_string(), head.until.to_string());
    let api = charge.api.unwrap_or(ALL_APIS);
    let priced = charge.priced.as_ref();
    let price = priced.map_or_else(nothing, |priced| priced.price.to_string());
    let list = priced.map_or_else(|| billed.clone(), |priced| priced.cost.clone());
    let invoice = match statement.kind {
        Kind::Draft => "",
        Kind::Invoice | Kind::CreditNote => statement.number.as_deref().unwrap_or_default(),
    };
    let correction = match statement.kind {
        Kind::CreditNote => "Correction",
        Kind::Draft | Kind::Invoice => "",
    };
    [
        billed.clone(),
        safe(head.account),
        safe(given(&statement.customer.name).unwrap_or_default()),
        "Account".to_owned(),
        head.currency.to_owned(),
        until.clone(),
        from.clone(),
        charge.category.name().to_owned(),
        correction.to_owned(),
        safe(&charge.text),
        charge.category.frequency().to_owned(),
        until,
        from,
        charge
            .consumed
            .map_or_else(nothing, |(quantity, _)| quantity.to_string()),
        charge.consumed.map_or("", |(_, unit)| unit).to_owned(),
        list.clone(),
        price.clone(),
        billed,
        safe(invoice),
        safe(head.issuer),
        list,
        price,
        priced.map_or("", |_| "Standard").to_owned(),
        priced.map_or_else(nothing, |priced| priced.quantity.clone()),
        priced.map_or_else(nothing, |priced| priced.unit.clone()),
        safe(head.issuer),
        safe(head.issuer),
        charge.resource.as_deref().map_or_else(nothing, safe),
        nothing(),
        charge.resource.as_ref().map_or("", |_| "Route").to_owned(),
        SERVICE.0.to_owned(),
        safe(api),
        SERVICE.1.to_owned(),
        priced.map_or("", |priced| priced.sku).to_owned(),
        priced.map_or("", |priced| priced.meter).to_owned(),
        nothing(),
        priced.map_or_else(nothing, |priced| safe(&priced.price_id)),
        nothing(),
        nothing(),
        nothing(),
        safe(&head.tags),
        statement.completeness.to_string(),
    ]
}
