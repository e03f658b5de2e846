//! UBL: well-formed whatever the texts say, complete, or refused with what is missing.

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::made::{mapped, plain, statement, texts, totalled};
use crate::export::statement::ubl::{Profile, document};
use crate::export::statement::{Refused, seller_lacks};
use crate::usage::money::Money;
use crate::usage::statement::{Kind, Line, LineKind, Party, Statement, Vat, VatCategory};

/// Elements with a text, in order: name and text, as a program reads them.
fn read(document: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(document);
    let (mut names, mut found, mut text) = (Vec::new(), Vec::new(), String::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                names.push(start.name().as_ref().to_owned());
                text.clear();
            }
            Event::Text(more) => text.push_str(&more),
            Event::GeneralRef(reference) => {
                let entity = format!("&{};", &*reference);
                text.push_str(&quick_xml::escape::unescape(&entity).unwrap());
            }
            Event::End(_) => {
                let name = names.pop().unwrap();
                if !text.trim().is_empty() {
                    found.push((name, std::mem::take(&mut text)));
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(names.is_empty());
    found
}

fn all<'a>(read: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let found = read.iter().filter(|(element, _)| element == name);
    found.map(|(_, text)| text.as_str()).collect()
}

/// What a reader finds of a text: nothing that XML has no character for, in one line.
fn expected(text: &str) -> String {
    let pictures = text.trim().chars().map(|c| match c {
        '\t' | '\n' | '\r' => ' ',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap(),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c => c,
    });
    pictures.collect()
}

proptest! {
    #[test]
    fn a_document_reads_back(made in statement()) {
        let text = match document(&made, Profile::Plain) {
            Ok(text) => text,
            Err(Refused::Draft) => {
                prop_assert_eq!(made.kind, Kind::Draft);
                return Ok(());
            }
            Err(Refused::Seller(lacks)) => {
                prop_assert_eq!(lacks, seller_lacks(&made));
                return Ok(());
            }
            Err(Refused::Customer { lacks, .. }) => {
                let customer = &made.customer;
                let lacking = [("name", &customer.name), ("address", &customer.address)];
                let lacking = lacking.iter().filter(|(_, value)| value.is_none());
                prop_assert_eq!(lacks, lacking.map(|(name, _)| *name).collect::<Vec<_>>());
                return Ok(());
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        prop_assert_eq!(document(&made, Profile::Plain), Ok(text.clone()));
        let read = read(&text);
        let whole = text.chars().all(|c| matches!(c, '\n' | ' '..='\u{7e}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..));
        prop_assert!(whole);
        let charged = made.lines.iter().filter(|line| line.kind != LineKind::Allowance);
        let names: Vec<&str> = all(&read, "cbc:Name");
        for line in charged {
            prop_assert!(names.contains(&&*expected(&line.text)), "{:?}", line.text);
            for value in [&line.api, &line.route].into_iter().flatten() {
                prop_assert!(all(&read, "cbc:Value").contains(&&*expected(value)), "{value:?}");
            }
        }
        let [seller, customer] = [made.seller.as_ref().unwrap(), &made.customer]
            .map(|party| expected(party.name.as_deref().unwrap()));
        prop_assert_eq!(all(&read, "cbc:RegistrationName"), [&*seller, &*customer]);
        prop_assert_eq!(all(&read, "cbc:ID")[0], expected(made.number.as_deref().unwrap()));
        let payable = all(&read, "cbc:PayableAmount")[0].parse::<Money>().unwrap();
        let turned = made.kind == Kind::CreditNote;
        prop_assert_eq!(if turned { payable.negated() } else { payable }, made.total);
        prop_assert!(!made.showback || payable == Money::ZERO);
        prop_assert!(all(&read, "cbc:PriceAmount").iter().all(|price| !price.starts_with('-')));
    }

    /// Texts change nothing but texts.
    #[test]
    fn no_text_is_an_element(made in statement()) {
        let lines = |text: &str| vec!["x"; text.trim().lines().filter(|line| !line.trim().is_empty()).count()].join("\n");
        let tame = mapped(&made, lines);
        let names = |made: &Statement| {
            let text = document(made, Profile::Plain).ok()?;
            Some(read(&text).into_iter().map(|(name, _)| name).collect::<Vec<_>>())
        };
        prop_assert_eq!(names(&made), names(&tame));
        prop_assert!(texts(&tame).iter().all(|text| text.starts_with('x')));
    }
}

fn refused(made: &Statement, profile: Profile) -> String {
    document(made, profile).unwrap_err().to_string()
}

#[test]
fn what_is_missing_is_named_with_its_file() {
    let draft = Statement {
        kind: Kind::Draft,
        ..plain()
    };
    assert_eq!(
        refused(&draft, Profile::Plain),
        "a draft is no invoice: the period has to be closed first"
    );
    let made = Statement {
        seller: None,
        ..plain()
    };
    assert_eq!(
        refused(&made, Profile::Plain),
        "[seller] in observer.toml has no name, address, country and vat_id"
    );
    let customer = Party {
        id: "acme".to_owned(),
        vat_id: None,
        ..Party::default()
    };
    let made = Statement {
        customer,
        ..plain()
    };
    assert_eq!(
        refused(&made, Profile::Peppol),
        "[[account]] \"acme\" in the registry has no name, address, country and vat_id"
    );
    let made = Statement {
        kind: Kind::CreditNote,
        ..plain()
    };
    assert_eq!(
        refused(&made, Profile::Plain),
        "the statement has no number of the invoice that it corrects"
    );
    let made = Statement {
        lines: Vec::new(),
        ..plain()
    };
    assert_eq!(
        refused(&totalled(made), Profile::Plain),
        "it has no line, and an invoice needs one: nothing was charged"
    );
    let made = Statement {
        net: "1".parse().unwrap(),
        ..plain()
    };
    assert!(refused(&made, Profile::Plain).contains("its lines and its net are 168.01 and 1"));
    let mut made = plain();
    made.period.first_day = "<yesterday>".to_owned();
    assert!(refused(&made, Profile::Plain).contains("not a day such as"));
    let mut made = plain();
    made.lines[0].amount = "100".parse().unwrap();
    assert!(refused(&totalled(made), Profile::Plain).contains("line 1 comes to 100"));
}

#[test]
fn peppol_has_addresses_on_the_network() {
    let made = plain();
    let text = document(&made, Profile::Peppol).unwrap();
    assert!(text.contains("<cbc:EndpointID schemeID=\"9930\">DE123456789</cbc:EndpointID>"));
    assert!(text.contains("<cbc:EndpointID schemeID=\"9914\">ATU12345678</cbc:EndpointID>"));
    assert!(text.contains("<cbc:BuyerReference>acme</cbc:BuyerReference>"));
    assert!(text.contains("<cbc:InvoicedQuantity unitCode=\"C62\">412031</cbc:InvoicedQuantity>"));
    assert!(text.contains("<cbc:BaseQuantity unitCode=\"C62\">1000</cbc:BaseQuantity>"));
    // It was closed at ten past two in UTC, when the day was the same in Berlin.
    assert!(text.contains("<cbc:IssueDate>2026-12-01</cbc:IssueDate>"));

    let with_vat_id = |id: &str| {
        let mut made = plain();
        made.customer.vat_id = Some(id.to_owned());
        document(&made, Profile::Peppol)
    };
    for (id, address) in [
        ("SE 5560-0012-3401", "schemeID=\"0007\">5560001234<"),
        ("NO 974760673 MVA", "schemeID=\"0192\">974760673<"),
        ("BE 0202.239.951", "schemeID=\"0208\">0202239951<"),
        ("it00743110157", "schemeID=\"0211\">IT00743110157<"),
    ] {
        assert!(with_vat_id(id).unwrap().contains(address), "{id}");
    }
    for id in ["US123456789", "123", "SE123", "AT<script>", "ÄÖ12345678"] {
        let refused = with_vat_id(id).unwrap_err();
        assert!(matches!(refused, Refused::Odd { .. }), "{id}: {refused}");
    }
}

#[test]
fn peppol_refuses_what_its_rules_would() {
    let german = |made: Statement| Statement {
        customer: Party {
            country: Some("DE".to_owned()),
            vat_id: Some("DE987654321".to_owned()),
            ..made.customer
        },
        ..made
    };
    assert!(refused(&german(plain()), Profile::Peppol).contains("DE-R-001"));
    let dinar = Statement {
        currency: "KWD".to_owned(),
        places: 3,
        ..plain()
    };
    assert!(refused(&dinar, Profile::Peppol).contains("KWD has more than two places"));
    let with = |category, rate| {
        let mut made = plain();
        let line = Line {
            vat: Vat { category, rate },
            ..made.lines[0].clone()
        };
        made.lines.push(line);
        totalled(made)
    };
    assert!(refused(&with(VatCategory::NotSubject, 0), Profile::Peppol).contains("BR-O-11"));
    assert!(
        refused(&with(VatCategory::Standard, 0), Profile::Peppol).contains("category S at 0 %")
    );
    assert!(
        refused(&with(VatCategory::Exempt, 1), Profile::Peppol)
            .contains("category E at 0.000001 %")
    );
    assert!(document(&with(VatCategory::ReverseCharge, 0), Profile::Peppol).is_ok());
}
