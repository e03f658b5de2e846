//! Tables are read back as they were written.

use proptest::prelude::*;

use super::made::{plain, statement};
use crate::export::plain::shown;
use crate::export::statement::{Refused, csv, focus};
use crate::usage::money::Money;
use crate::usage::statement::{Kind, Party, Statement};

/// A table as a program reads it: a map of columns a row.
fn read(text: &str) -> Vec<Vec<(String, String)>> {
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        assert_eq!(row.len(), header.len());
        let cells = header.iter().zip(row.iter());
        cells
            .map(|(name, cell)| (name.to_owned(), cell.to_owned()))
            .collect()
    });
    rows.collect()
}

fn cell<'a>(row: &'a [(String, String)], name: &str) -> &'a str {
    let found = row.iter().find(|(column, _)| column == name);
    found.map(|(_, cell)| cell.as_str()).unwrap()
}

/// A text as a cell has it: what a spreadsheet would take for a formula begins with an apostrophe.
fn tamed(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("{}{}", if formula { "'" } else { "" }, shown(text))
}

fn sum<'a>(amounts: impl Iterator<Item = &'a str>) -> Money {
    amounts.fold(Money::ZERO, |sum, amount| {
        sum.plus(amount.parse().unwrap()).unwrap()
    })
}

proptest! {
    #[test]
    fn csv_reads_back(made in statement()) {
        let text = csv::table([&made, &made]);
        prop_assert_eq!(csv::table([&made, &made]), text.clone());
        let rows = read(&text);
        prop_assert_eq!(rows.len(), 2 * made.lines.len());
        for (row, line) in rows.iter().zip(&made.lines) {
            prop_assert_eq!(cell(row, "text"), tamed(&line.text));
            prop_assert_eq!(cell(row, "account"), tamed(&made.customer.id));
            prop_assert_eq!(cell(row, "route"), tamed(line.route.as_deref().unwrap_or_default()));
            prop_assert_eq!(cell(row, "amount").parse(), Ok(line.amount));
            prop_assert_eq!(cell(row, "price").parse(), Ok(line.price));
            prop_assert!(row.iter().all(|(_, cell)| !cell.starts_with(['=', '+', '@'])));
        }
        let amounts = rows.iter().take(made.lines.len()).map(|row| cell(row, "amount"));
        prop_assert_eq!(sum(amounts), made.net);
    }

    #[test]
    fn focus_bills_what_the_statement_does(made in statement()) {
        let text = match focus::table([&made]) {
            Ok(text) => text,
            Err(refused) => {
                let named = made.seller.as_ref().is_some_and(|seller| seller.name.is_some());
                prop_assert!(!named, "{refused}");
                return Ok(());
            }
        };
        prop_assert_eq!(focus::table([&made]), Ok(text.clone()));
        let rows = read(&text);
        prop_assert_eq!(sum(rows.iter().map(|row| cell(row, "BilledCost"))), made.total);
        for row in &rows {
            let usage = cell(row, "ChargeCategory") == "Usage";
            prop_assert_eq!(!cell(row, "ConsumedUnit").is_empty(), usage);
            prop_assert_eq!(cell(row, "BillingAccountId"), tamed(made.customer.id.trim()));
            prop_assert_eq!(cell(row, "InvoiceId").is_empty(), made.kind == Kind::Draft);
        }
    }
}

#[test]
fn focus_prices_what_was_used() {
    let made = plain();
    let rows = read(&focus::table([&made]).unwrap());
    let of = |index: usize, name: &str| cell(&rows[index], name).to_owned();
    let categories: Vec<String> = (0..rows.len())
        .map(|row| of(row, "ChargeCategory"))
        .collect();
    assert_eq!(categories, ["Usage", "Adjustment", "Tax"]);
    for (column, value) in [
        ("PricingQuantity", "412.031"),
        ("PricingUnit", "1000 Requests"),
        ("ListUnitPrice", "0.4"),
        ("ListCost", "164.8124"),
        ("BilledCost", "164.81"),
        ("ConsumedQuantity", "412031.0"),
        ("ResourceId", "orders /v1/widgets/{id}"),
        ("Tags", "{\"observer/plan\":\"gold\"}"),
        ("x_observer_completeness", "0.9999815"),
    ] {
        assert_eq!(of(0, column), value, "{column}");
    }
    assert_eq!(of(1, "BilledCost"), "3.20");
    assert_eq!(of(2, "BilledCost"), "31.92");
    let nameless = Statement {
        seller: Some(Party::default()),
        ..made
    };
    assert_eq!(
        focus::table([&nameless]),
        Err(Refused::Seller(vec!["name"]))
    );
}
