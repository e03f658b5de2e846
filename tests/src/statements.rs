//! Made-up statements whose numbers are consistent: tiers, minimums, fees, surcharges, currencies, mixes of taxes, showback,
//! credit notes. The same seed is the same statement.
//!
//! It rates nothing: it draws lines and adds them up, with sums of its own.

pub mod oracle;

use observer::usage::money::Money;
use observer::usage::statement::{
    BillingPeriod, Kind, Line, LineKind, Meter, Party, Statement, Tax, Used, Vat, VatCategory,
};
use rand::Rng;
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// By whose rules a statement can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Those of UBL: any currency, any mix.
    Schema,
    /// Those of EN 16931 and Peppol as well: two places at most, what is not subject to VAT stands alone, sellers of countries
    /// whose rules can be met.
    Peppol,
}

const SELLERS: [(&str, &str); 8] = [
    ("AT", "ATU13585627"),
    ("BE", "BE0202239951"),
    ("DK", "DK13585628"),
    ("FI", "FI01120389"),
    ("FR", "FR40303265045"),
    ("NO", "NO974760673MVA"),
    ("PL", "PL5260001246"),
    ("SE", "SE556012579001"),
];
const CUSTOMERS: [(&str, &str); 6] = [
    ("DE", "DE 136 695 976"),
    ("IE", "IE6433435F"),
    ("IT", "IT00743110157"),
    ("NL", "NL004495445B01"),
    ("CZ", "CZ25123891"),
    ("FR", "FR40303265045"),
];
const TEXTS: [&str; 9] = [
    "Requests to the orders API",
    "Größe & <Menge> \"je\" Anfrage",
    "]]> <script>alert(1)</script> &amp; &#0;",
    "=cmd|' /C calc'!A0",
    "nul \0, bell \u{7}, escape \u{1b}[2J",
    "right to left \u{202e}txet\u{202c}",
    "four bytes 𝔘𝔫𝔦 🦀",
    "lines\r\nand\ttabs",
    "C1 \u{85}\u{9b}, no characters \u{fffe}\u{ffff}",
];

/// The statement of a seed; never a draft.
///
/// # Panics
/// When an amount overflows, which none of these can.
pub fn statement(seed: u64, rules: Rules) -> Statement {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let random = &mut random;
    let peppol = rules == Rules::Peppol;
    let currencies = [("EUR", 2), ("SEK", 2), ("JPY", 0), ("KWD", 3)];
    let (currency, places) = currencies[random.random_range(0..if peppol { 3 } else { 4 })];
    let seller = party(random, "", &SELLERS);
    let swedish = seller.country.as_deref() == Some("SE");
    let vats = vats(random, swedish, peppol);
    let credits = random.random_ratio(1, 4);
    let mut made = Statement {
        number: Some(format!("acme-2026-{seed:04}")),
        kind: if credits {
            Kind::CreditNote
        } else {
            Kind::Invoice
        },
        corrects: credits.then(|| "acme-2026-0001".to_owned()),
        reason: credits.then(|| text(random)),
        issued: Some("2026-12-01T02:10:00Z".to_owned()),
        period: BillingPeriod {
            name: "2026-11".to_owned(),
            from: "2026-10-31T23:00:00Z".to_owned(),
            until: "2026-11-30T23:00:00Z".to_owned(),
            first_day: "2026-11-01".to_owned(),
            last_day: "2026-11-30".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
        },
        seller: Some(seller),
        customer: party(random, "acme", &CUSTOMERS),
        currency: currency.to_owned(),
        places,
        plan: random.random_bool(0.5).then(|| "gold".to_owned()),
        showback: random.random_ratio(1, 5),
        lines: Vec::new(),
        taxes: Vec::new(),
        net: Money::ZERO,
        tax: Money::ZERO,
        total: Money::ZERO,
        usage: Used {
            requests: random.random_range(0..1_000_000_000),
            ..Used::default()
        },
        completeness: 1.0 - f64::from(random.random_range(0..1_000_u32)) / 1e6,
        notes: (0..random.random_range(0..3))
            .map(|_| text(random))
            .collect(),
    };
    for _ in 0..random.random_range(1..4) {
        tiers(random, &mut made, &vats);
    }
    if random.random_ratio(1, 3) {
        let vat = choice(random, &vats);
        let kind = if random.random() {
            LineKind::Fee
        } else {
            LineKind::Minimum
        };
        let amount = money(random, 100).rounded(places).expect("an amount");
        let words = text(random);
        made.lines.push(flat(kind, words, amount, vat));
    }
    settle(&mut made);
    made
}

/// A meter in brackets, each a line at its own price.
fn tiers(random: &mut ChaCha8Rng, made: &mut Statement, vats: &[Vat]) {
    let meter = choice(random, &Meter::ALL);
    let per = choice(random, &[1, 100, 1_000, 1_000_000]);
    let api = random.random_bool(0.5).then(|| text(random));
    let route = random
        .random_bool(0.3)
        .then(|| "/v1/widgets/{id}".to_owned());
    let vat = choice(random, vats);
    let free = random.random_ratio(1, 6);
    for _ in 0..random.random_range(1..4) {
        let quantity = random.random_range(0..5_000 * per);
        let price = if free { Money::ZERO } else { money(random, 3) };
        let adds = !free && random.random_ratio(1, 5);
        let surcharge = if adds { money(random, 20) } else { Money::ZERO };
        let exact = price
            .times(quantity, per, 9)
            .and_then(|cost| cost.plus(surcharge));
        let amount = exact.and_then(|exact| exact.rounded(made.places));
        made.lines.push(Line {
            kind: LineKind::Usage,
            text: text(random),
            meter: Some(meter),
            api: api.clone(),
            route: route.clone(),
            quantity,
            consumed: None,
            per,
            price,
            surcharge,
            amount: amount.expect("an amount"),
            vat,
        });
    }
}

fn flat(kind: LineKind, text: String, amount: Money, vat: Vat) -> Line {
    Line {
        kind,
        text,
        meter: None,
        api: None,
        route: None,
        quantity: 1,
        consumed: None,
        per: 1,
        price: amount,
        surcharge: Money::ZERO,
        amount,
        vat,
    }
}

/// Takes off what is not to be paid, turns what is given back, and adds everything up.
fn settle(made: &mut Statement) {
    if made.showback {
        let charged = made.lines.clone().into_iter();
        let allowances = charged.map(|line| {
            let words = "Not to be paid".to_owned();
            flat(LineKind::Allowance, words, line.amount.negated(), line.vat)
        });
        made.lines.extend(allowances);
    }
    if made.kind == Kind::CreditNote {
        for line in &mut made.lines {
            line.price = line.price.negated();
            line.surcharge = line.surcharge.negated();
            line.amount = line.amount.negated();
        }
    }
    let mut net = 0;
    for line in &made.lines {
        net += line.amount.nanos();
        let tax = made.taxes.iter_mut().find(|tax| tax.vat == line.vat);
        match tax {
            Some(tax) => tax.base = Money::of_nanos(tax.base.nanos() + line.amount.nanos()),
            None => made.taxes.push(Tax {
                vat: line.vat,
                base: line.amount,
                amount: Money::ZERO,
            }),
        }
    }
    let mut sum = 0;
    for tax in &mut made.taxes {
        let amount = tax.base.percent(tax.vat.rate, made.places);
        tax.amount = amount.expect("an amount");
        sum += tax.amount.nanos();
    }
    made.net = Money::of_nanos(net);
    made.tax = Money::of_nanos(sum);
    made.total = Money::of_nanos(net + sum);
}

/// Rates and categories that stand in one statement.
fn vats(random: &mut ChaCha8Rng, swedish: bool, peppol: bool) -> Vec<Vat> {
    let vat = |category, rate| Vat { category, rate };
    let none = vat(VatCategory::NotSubject, 0);
    let mut all = vec![
        vat(VatCategory::Zero, 0),
        vat(VatCategory::Exempt, 0),
        vat(VatCategory::ReverseCharge, 0),
    ];
    all.extend([25_000_000, 12_000_000, 6_000_000].map(|rate| vat(VatCategory::Standard, rate)));
    if !swedish {
        all.extend([19_000_000, 5_500_000].map(|rate| vat(VatCategory::Standard, rate)));
    }
    if !peppol {
        all.push(none);
    } else if random.random_ratio(1, 8) {
        return vec![none];
    }
    let count = random.random_range(1..4);
    all.choose_multiple(random, count).copied().collect()
}

fn party(random: &mut ChaCha8Rng, id: &str, of: &[(&str, &str)]) -> Party {
    let (country, vat_id) = choice(random, of);
    Party {
        id: id.to_owned(),
        name: Some(text(random)),
        address: Some(format!("High Street 1\n\n {} \nTown\nCounty", text(random))),
        country: Some(country.to_owned()),
        vat_id: Some(vat_id.to_owned()),
    }
}

fn text(random: &mut ChaCha8Rng) -> String {
    choice(random, &TEXTS).to_owned()
}

/// Up to so many whole, with up to six places.
fn money(random: &mut ChaCha8Rng, most: i128) -> Money {
    let step = choice(random, &[10_000_000, 1_000]);
    Money::of_nanos(random.random_range(0..most * 1_000_000_000 / step) * step)
}

fn choice<T: Copy>(random: &mut ChaCha8Rng, of: &[T]) -> T {
    of[random.random_range(0..of.len())]
}
