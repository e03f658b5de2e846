//! Statements: all kinds, currencies of 0, 2 and 3 places, every tax, and texts that nobody should trust.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::usage::money::Money;
use crate::usage::statement::{
    BillingPeriod, Kind, Line, LineKind, Meter, Party, Statement, Tax, Used, Vat, VatCategory,
};

const HOSTILE: [&str; 12] = [
    "]]>",
    "<script>alert(1)</script>",
    "nul \0 bell \u{7} escape \u{1b}[2J",
    "=cmd|' /C calc'!A0",
    "\u{202e}evil\u{2066}",
    "𝔘𝔫𝔦 🦀",
    "\"quoted\", 'single' & &amp; <!-- -->",
    "two\r\nlines\tand\nthree",
    "\u{feff}\u{ffff}\u{fffe}\u{85}\u{9b}",
    "-- ?> <![CDATA[ x",
    "@SUM(1)",
    "+1;-1",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        select(HOSTILE.to_vec()).prop_map(str::to_owned),
        "[A-Za-z][A-Za-z0-9 ,.äß-]{0,30}",
        vec(any::<char>(), 1..12).prop_map(String::from_iter),
        (select(HOSTILE.to_vec()), "[a-z]{1,5}").prop_map(|(a, b)| format!("{b} {a} {b}")),
    ]
    // A text that says nothing is left out by whoever reads the configuration.
    .prop_filter("says nothing", |text| {
        !text.trim().is_empty() && !text.trim_matches(|c: char| c.is_control()).is_empty()
    })
}

fn party() -> impl Strategy<Value = Party> {
    let country = select(vec!["DE", "AT", "FR", "SE"]).prop_map(|code| Some(code.to_owned()));
    (
        text(),
        option::weighted(0.9, text()),
        option::weighted(0.9, text()),
        country,
    )
        .prop_map(|(id, name, address, country)| Party {
            id,
            name,
            address,
            vat_id: country
                .as_ref()
                .map(|country| format!("{country}123456789")),
            country,
        })
}

fn vat() -> impl Strategy<Value = Vat> {
    let category = |category, rate| Vat { category, rate };
    select(vec![
        category(VatCategory::Standard, 19_000_000),
        category(VatCategory::Standard, 7_500_000),
        category(VatCategory::Zero, 0),
        category(VatCategory::Exempt, 0),
        category(VatCategory::ReverseCharge, 0),
        category(VatCategory::NotSubject, 0),
    ])
}

fn line(places: u32) -> impl Strategy<Value = Line> {
    let of = (option::of(text()), option::of(text()), text(), vat());
    let price = prop_oneof![Just(0_i128), 0..5_000_000_000_i128];
    let usage = (
        select(Meter::ALL.to_vec()),
        0..10_000_000_u64,
        select(vec![1, 1_000, 1_000_000_u64]),
    );
    let kind = select(vec![
        LineKind::Usage,
        LineKind::Usage,
        LineKind::Fee,
        LineKind::Minimum,
    ]);
    (
        of,
        price,
        usage,
        kind,
        prop_oneof![Just(0_i128), 0..9_000_000_000_i128],
    )
        .prop_map(
            move |((api, route, text, vat), price, (meter, quantity, per), kind, surcharge)| {
                let is_usage = kind == LineKind::Usage;
                let price = Money::of_nanos(price);
                let (quantity, per) = if is_usage { (quantity, per) } else { (1, 1) };
                let price = if is_usage {
                    price
                } else {
                    price.rounded(places).unwrap()
                };
                let surcharge = Money::of_nanos(if is_usage { surcharge } else { 0 });
                let exact = price
                    .times(quantity, per, 9)
                    .unwrap()
                    .plus(surcharge)
                    .unwrap();
                Line {
                    kind,
                    text,
                    meter: is_usage.then_some(meter),
                    api: api.filter(|_| is_usage),
                    route: route.filter(|_| is_usage),
                    quantity,
                    consumed: None,
                    per,
                    price,
                    surcharge,
                    amount: exact.rounded(places).unwrap(),
                    vat,
                }
            },
        )
}

/// Any statement: consistent numbers, hostile texts.
pub fn statement() -> impl Strategy<Value = Statement> {
    let currency = select(vec![("EUR", 2), ("JPY", 0), ("KWD", 3)]);
    let head = (
        select(vec![Kind::Draft, Kind::Invoice, Kind::CreditNote]),
        option::weighted(0.9, party()),
        party(),
        any::<bool>(),
        option::of(text()),
        vec(text(), 0..3),
    );
    (head, currency, text(), text(), 0.0..=1.0_f64, 0..u64::MAX)
        .prop_flat_map(|(head, (currency, places), number, reason, completeness, requests)| {
            let rest = (Just((head, currency, places, number, reason)), Just(completeness), Just(requests));
            (rest, vec(line(places), 1..6))
        })
        .prop_map(|((rest, completeness, requests), lines)| {
            let ((kind, seller, customer, showback, plan, notes), currency, places, number, reason) = rest;
            let draft = kind == Kind::Draft;
            let correcting = kind == Kind::CreditNote;
            let made = Statement {
                number: (!draft).then_some(number),
                kind,
                corrects: correcting.then(|| "acme-2026-0001".to_owned()),
                reason: correcting.then_some(reason),
                issued: (!draft).then(|| "2026-12-01T02:10:00Z".to_owned()),
                period: period(),
                seller: seller.map(|seller| Party { id: String::new(), ..seller }),
                customer,
                currency: currency.to_owned(),
                places,
                plan,
                showback,
                lines,
                taxes: Vec::new(),
                net: Money::ZERO,
                tax: Money::ZERO,
                total: Money::ZERO,
                usage: Used { requests, uncertain: requests / 7, ..Used::default() },
                completeness,
                notes,
            };
            totalled(made)
        })
}

/// With allowances where nothing is to be paid, the other sign where it is taken back, and what it all comes to.
pub fn totalled(mut made: Statement) -> Statement {
    if made.showback {
        let charged = made.lines.clone().into_iter();
        made.lines.extend(charged.map(|line| Line {
            kind: LineKind::Allowance,
            text: "Showback".to_owned(),
            meter: None,
            api: None,
            route: None,
            quantity: 1,
            consumed: None,
            per: 1,
            price: line.amount.negated(),
            surcharge: Money::ZERO,
            amount: line.amount.negated(),
            vat: line.vat,
        }));
    }
    if made.kind == Kind::CreditNote {
        for line in &mut made.lines {
            line.price = line.price.negated();
            line.surcharge = line.surcharge.negated();
            line.amount = line.amount.negated();
        }
    }
    made.taxes.clear();
    for line in &made.lines {
        match made.taxes.iter_mut().find(|tax| tax.vat == line.vat) {
            Some(tax) => tax.base = tax.base.plus(line.amount).unwrap(),
            None => made.taxes.push(Tax {
                vat: line.vat,
                base: line.amount,
                amount: Money::ZERO,
            }),
        }
    }
    let sum = |amounts: &mut dyn Iterator<Item = Money>| {
        amounts.fold(Money::ZERO, |sum, amount| sum.plus(amount).unwrap())
    };
    for tax in &mut made.taxes {
        tax.amount = tax.base.percent(tax.vat.rate, made.places).unwrap();
    }
    made.net = sum(&mut made.lines.iter().map(|line| line.amount));
    made.tax = sum(&mut made.taxes.iter().map(|tax| tax.amount));
    made.total = made.net.plus(made.tax).unwrap();
    made
}

fn period() -> BillingPeriod {
    BillingPeriod {
        name: "2026-11".to_owned(),
        from: "2026-10-31T23:00:00Z".to_owned(),
        until: "2026-11-30T23:00:00Z".to_owned(),
        first_day: "2026-11-01".to_owned(),
        last_day: "2026-11-30".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
    }
}

/// An invoice of one line that all can be said of.
pub fn plain() -> Statement {
    let party = |id: &str, name: &str, country: &str, vat_id: &str| Party {
        id: id.to_owned(),
        name: Some(name.to_owned()),
        address: Some("High Street 1\nTown".to_owned()),
        country: Some(country.to_owned()),
        vat_id: Some(vat_id.to_owned()),
    };
    let money = |text: &str| text.parse::<Money>().unwrap();
    let vat = Vat {
        category: VatCategory::Standard,
        rate: 19_000_000,
    };
    totalled(Statement {
        number: Some("acme-2026-0001".to_owned()),
        kind: Kind::Invoice,
        corrects: None,
        reason: None,
        issued: Some("2026-12-01T02:10:00Z".to_owned()),
        period: period(),
        seller: Some(party("", "Widgets GmbH", "DE", "DE123456789")),
        customer: party("acme", "Acme Ltd", "AT", "ATU12345678"),
        currency: "EUR".to_owned(),
        places: 2,
        plan: Some("gold".to_owned()),
        showback: false,
        lines: vec![Line {
            kind: LineKind::Usage,
            text: "Requests".to_owned(),
            meter: Some(Meter::Requests),
            api: Some("orders".to_owned()),
            route: Some("/v1/widgets/{id}".to_owned()),
            quantity: 412_031,
            consumed: None,
            per: 1_000,
            price: money("0.40"),
            surcharge: money("3.20"),
            amount: money("168.01"),
            vat,
        }],
        taxes: Vec::new(),
        net: Money::ZERO,
        tax: Money::ZERO,
        total: Money::ZERO,
        usage: Used {
            requests: 412_031,
            uncertain: 7,
            ..Used::default()
        },
        completeness: 0.999_981_5,
        notes: vec!["Nothing was observed from 10:00 to 10:07.".to_owned()],
    })
}

/// Every text that somebody else chose.
pub fn texts(made: &Statement) -> Vec<String> {
    let mut all = Vec::new();
    let _ = mapped(made, |text| {
        all.push(text.to_owned());
        text.to_owned()
    });
    all
}

/// The same with other texts.
pub fn mapped(made: &Statement, mut to: impl FnMut(&str) -> String) -> Statement {
    let mut made = made.clone();
    let optional = [&mut made.number, &mut made.reason, &mut made.plan];
    let seller = made.seller.iter_mut();
    let parties = seller.chain([&mut made.customer]);
    let parties = parties.flat_map(|party| [&mut party.name, &mut party.address]);
    for text in optional.into_iter().chain(parties).flatten() {
        *text = to(text);
    }
    made.customer.id = to(&made.customer.id);
    for line in &mut made.lines {
        line.text = to(&line.text);
        for text in [&mut line.api, &mut line.route].into_iter().flatten() {
            *text = to(text);
        }
    }
    for note in &mut made.notes {
        *note = to(note);
    }
    made
}
