//! Properties of every format, on statements of all kinds with hostile texts in every field.

mod invoices;
mod made;
mod tables;

use proptest::prelude::*;

use super::*;
use crate::export::plain;
use crate::usage::statement::Kind;
use made::{mapped, plain, statement, texts};

/// The tags of a page, in order.
fn tags(page: &str) -> Vec<&str> {
    let opened = page.split('<').skip(1);
    opened
        .map(|rest| rest.split_once('>').map_or(rest, |(tag, _)| tag))
        .collect()
}

/// What a browser shows of it.
fn read(page: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(page.to_owned(), |text, (from, to)| text.replace(from, to))
}

proptest! {
    #[test]
    fn json_is_the_statement(made in statement()) {
        let text = json(&made).unwrap();
        prop_assert_eq!(serde_json::from_str::<Statement>(&text).unwrap(), made);
    }

    #[test]
    fn no_text_of_a_page_is_markup(made in statement()) {
        let page = html::page(&made);
        prop_assert_eq!(&html::page(&made), &page);
        let tame = html::page(&mapped(&made, |_| "x".to_owned()));
        prop_assert_eq!(tags(&page), tags(&tame));
        prop_assert!(!page.contains(|c: char| plain::is_steering(c) && c != '\n'));
        let page = read(&page);
        for text in texts(&made) {
            for line in text.trim().lines() {
                prop_assert!(page.contains(&*plain::shown(line)), "{line:?}");
            }
        }
        for line in &made.lines {
            prop_assert!(page.contains(&line.amount.fixed(made.places)));
        }
    }
}

#[test]
fn a_page_says_what_it_is() {
    let invoice = plain();
    let page = html::page(&invoice);
    assert!(page.contains("<h1>Invoice acme-2026-0001</h1>"));
    assert!(page.contains("Data completeness: 99.9981 %"));
    assert!(page.contains("Nothing was observed from 10:00 to 10:07."));
    assert!(!page.contains("What this is") && !page.contains("DRAFT "));
    for allowed in ["default-src 'none'", "style-src 'unsafe-inline'"] {
        assert!(page.contains(allowed));
    }
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href="));

    let draft = Statement {
        kind: Kind::Draft,
        number: None,
        seller: None,
        showback: true,
        ..invoice
    };
    let page = html::page(&draft);
    assert!(page.contains("<h1>Usage statement DRAFT</h1>"));
    assert!(page.contains("<body class=\"draft\">"));
    assert!(page.contains(
        "This is no invoice: [seller] in observer.toml has no name, address, country and vat_id."
    ));
    assert!(page.contains("nothing is to be paid"));
}

#[test]
fn completeness_reads_100_only_where_nothing_is_missing() {
    assert_eq!(completeness(1.0), "100 %");
    assert_eq!(completeness(0.999_999_99), "99.9999 %");
    assert_eq!(completeness(0.5), "50 %");
    assert_eq!(completeness(f64::NAN), "unknown");
    assert_eq!(percent(19_000_000), "19");
    assert_eq!(percent(7_500_000), "7.5");
    assert_eq!(percent(1), "0.000001");
}
