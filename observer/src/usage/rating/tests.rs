use super::*;
use crate::identity::registry::Registry;

/// A plan of these lines.
pub(super) fn plan(lines: &str) -> Plan {
    let text = format!("[[plan]]\nid = \"gold\"\n{lines}\n");
    Registry::parse(&[("a.toml", text)]).unwrap().plans()[0].clone()
}

/// A plan with one price of requests.
fn priced(per: u64, amount: &str, more: &str) -> Plan {
    plan(&format!(
        "prices = [{{ meter = \"requests\", per = {per}, amount = \"{amount}\", currency = \"EUR\"{more} }}]"
    ))
}

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn row(api: &str, route: &str, requests: u64) -> UsageRow {
    UsageRow {
        api: api.into(),
        route: route.into(),
        used: Used {
            requests,
            ..Used::default()
        },
    }
}

fn rated(plan: &Plan, requests: u64) -> Rated {
    rate(Some(plan), eur(), None, &[row("orders", "/v1", requests)]).unwrap()
}

/// The lines as a reader sees them.
fn shown(rated: &Rated) -> Vec<String> {
    let lines = rated.lines.iter();
    lines
        .map(|line| {
            format!(
                "{}: {} / {} x {} + {} = {} {}",
                line.text,
                line.quantity,
                line.per,
                line.price,
                line.surcharge,
                line.amount.fixed(rated.currency.places()),
                line.vat.category.code()
            )
        })
        .collect()
}

#[test]
fn a_price_without_tiers_is_by_the_unit() {
    let rated = rated(&priced(1_000, "0.40", ""), 412_031);
    assert_eq!(
        shown(&rated),
        ["Requests: 412031 / 1000 x 0.4 + 0 = 164.81 O"]
    );
    assert_eq!(rated.total.to_string(), "164.81");
}

#[test]
fn graduated_prices_have_a_line_for_each_tier_that_is_reached() {
    let plan = priced(
        1,
        "0",
        ", tiers = [{ from = 1001, amount = \"0.01\" }, { from = 10001, amount = \"0.005\" }]",
    );
    let free = "Requests, 1 to 1,000: 1000 / 1 x 0 + 0 = 0.00 O";
    for (requests, lines) in [
        (0, vec!["Requests, 1 to 1,000: 0 / 1 x 0 + 0 = 0.00 O"]),
        (1_000, vec![free]),
        (
            1_001,
            vec![free, "Requests, 1,001 to 10,000: 1 / 1 x 0.01 + 0 = 0.01 O"],
        ),
        (
            10_003,
            vec![
                free,
                "Requests, 1,001 to 10,000: 9000 / 1 x 0.01 + 0 = 90.00 O",
                "Requests, from 10,001 on: 3 / 1 x 0.005 + 0 = 0.02 O",
            ],
        ),
    ] {
        assert_eq!(shown(&rated(&plan, requests)), lines);
    }
    // From the first unit on: the price itself is that of nothing.
    let plan = priced(1, "9", ", tiers = [{ from = 1, amount = \"2\" }]");
    assert_eq!(
        shown(&rated(&plan, 2)),
        ["Requests, from 1 on: 2 / 1 x 2 + 0 = 4.00 O"]
    );
    assert_eq!(
        shown(&rated(&plan, 0)),
        ["Requests, from 1 on: 0 / 1 x 2 + 0 = 0.00 O"]
    );
}

#[test]
fn by_volume_one_request_more_never_costs_less() {
    let plan = priced(
        1,
        "0.10",
        ", model = \"volume\", tiers = [{ from = 101, amount = \"0.05\" }, { from = 1001, amount = \"0.001\" }]",
    );
    for (requests, line) in [
        (
            100,
            "Requests, at the price for 1 to 100: 100 / 1 x 0.1 + 0 = 10.00 O",
        ),
        (
            101,
            "Requests, at the price for 101 to 1,000: 101 / 1 x 0.05 + 4.95 = 10.00 O",
        ),
        (
            1_000,
            "Requests, at the price for 101 to 1,000: 1000 / 1 x 0.05 + 0 = 50.00 O",
        ),
        (
            1_001,
            "Requests, at the price from 1,001 on: 1001 / 1 x 0.001 + 49 = 50.00 O",
        ),
        (
            100_000,
            "Requests, at the price from 1,001 on: 100000 / 1 x 0.001 + 0 = 100.00 O",
        ),
    ] {
        assert_eq!(shown(&rated(&plan, requests)), [line]);
    }
}

#[test]
fn packages_are_charged_whole() {
    let plan = priced(1_000, "2.50", ", model = \"package\"");
    for (requests, packages) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2)] {
        let rated = rated(&plan, requests);
        let [line] = &rated.lines[..] else {
            panic!("{rated:?}")
        };
        assert_eq!(
            (line.quantity, line.consumed, line.per, &*line.text),
            (packages, Some(requests), 1, "Requests, packages of 1,000")
        );
        assert_eq!(line.amount.nanos(), i128::from(packages) * 2_500_000_000);
    }
}

#[test]
fn a_price_charges_what_it_is_for() {
    let price = |more: &str| {
        format!("{{ meter = \"requests\", per = 1, amount = \"1\", currency = \"EUR\"{more} }}")
    };
    let plan = plan(&format!(
        "prices = [{}, {}, {}]",
        price(", api = \"orders\", route = \"/v1\""),
        price(", api = \"orders\", route = \"/v2\""),
        price(", api = \"status\"")
    ));
    let rows = [
        row("orders", "/v1", 3),
        row("orders", "/v2", 4),
        row("orders", "/v3", 100),
        row("status", "/v1", 5),
        row("orders", "/v1", 6),
    ];
    let rated = rate(Some(&plan), eur(), None, &rows).unwrap();
    assert_eq!(
        shown(&rated),
        [
            "Requests (orders /v1): 9 / 1 x 1 + 0 = 9.00 O",
            "Requests (orders /v2): 4 / 1 x 1 + 0 = 4.00 O",
            "Requests (status): 5 / 1 x 1 + 0 = 5.00 O",
        ]
    );
    assert_eq!(rated.usage.requests, 118);
}

const FULL: &str = "fee = { amount = \"10\", currency = \"EUR\" }
minimum = { amount = \"100\", currency = \"EUR\" }
vat = \"19\"
[[plan.prices]]
meter = \"requests\"
per = 1
amount = \"1\"
currency = \"EUR\"
[[plan.prices]]
meter = \"response_bytes\"
per = 1000000
amount = \"1\"
currency = \"EUR\"
vat = \"7\"";

#[test]
fn a_fee_comes_on_top_and_a_minimum_fills_up() {
    let plan = plan(FULL);
    assert_eq!(
        shown(&rated(&plan, 30)),
        [
            "Requests: 30 / 1 x 1 + 0 = 30.00 S",
            "Bytes of responses: 0 / 1000000 x 1 + 0 = 0.00 S",
            "Fee: 1 / 1 x 10 + 0 = 10.00 S",
            "Up to the minimum of 100.00 EUR: 1 / 1 x 60 + 0 = 60.00 S",
        ]
    );
    for requests in [90, 91] {
        let rated = rated(&plan, requests);
        assert!(
            rated
                .lines
                .iter()
                .all(|line| line.kind != LineKind::Minimum)
        );
        assert_eq!(rated.net.nanos(), i128::from(requests + 10) * 1_000_000_000);
    }
}

#[test]
fn taxes_are_on_the_sum_of_their_lines() {
    let plan = plan(&FULL.replace("amount = \"100\"", "amount = \"0\""));
    let rows = [UsageRow {
        api: "a".into(),
        route: "/".into(),
        used: Used {
            requests: 3,
            response_bytes: 2_500_000,
            ..Used::default()
        },
    }];
    let taxes = |vat| {
        let rated = rate(Some(&plan), eur(), vat, &rows).unwrap();
        assert_eq!(rated.net.to_string(), "15.5");
        let taxes = rated.taxes.iter().map(|tax| {
            format!(
                "{} {}: {} of {}",
                tax.vat.category.code(),
                tax.vat.rate,
                tax.amount,
                tax.base
            )
        });
        (taxes.collect::<Vec<_>>(), rated.total.to_string())
    };
    assert_eq!(
        taxes(None),
        (
            vec![
                "S 7000000: 0.18 of 2.5".into(),
                "S 19000000: 2.47 of 13".into()
            ],
            "18.15".into()
        )
    );
    assert_eq!(
        taxes(Some(AccountVat::ReverseCharge)),
        (vec!["AE 0: 0 of 15.5".into()], "15.5".into())
    );
    assert_eq!(
        taxes(Some(AccountVat::Exempt)),
        (vec!["E 0: 0 of 15.5".into()], "15.5".into())
    );
    let zero = priced(1, "1", ", vat = \"0\"");
    assert_eq!(rated(&zero, 1).taxes[0].vat.category, VatCategory::Zero);
}

#[test]
fn showback_shows_what_it_would_cost_and_takes_it_off() {
    let lines = FULL.replace(
        "minimum = { amount = \"100\", currency = \"EUR\" }",
        "showback = true",
    );
    let rows = [UsageRow {
        api: "a".into(),
        route: "/".into(),
        used: Used {
            requests: 3,
            response_bytes: 2_000_000,
            ..Used::default()
        },
    }];
    let rated = rate(Some(&plan(&lines)), eur(), None, &rows).unwrap();
    assert_eq!(
        shown(&rated),
        [
            "Requests: 3 / 1 x 1 + 0 = 3.00 S",
            "Bytes of responses: 2000000 / 1000000 x 1 + 0 = 2.00 S",
            "Fee: 1 / 1 x 10 + 0 = 10.00 S",
            "Showback, nothing is to be paid: 1 / 1 x -2 + 0 = -2.00 S",
            "Showback, nothing is to be paid: 1 / 1 x -13 + 0 = -13.00 S",
        ]
    );
    assert_eq!((rated.net, rated.tax, rated.total), Default::default());
}

#[test]
fn usage_is_listed_where_nothing_is_charged() {
    let listed = ["Requests: 7 / 1 x 0 + 0 = 0.00 O"];
    assert_eq!(shown(&rated(&plan(""), 7)), listed);
    assert_eq!(shown(&rated(&plan("showback = true"), 7)), listed);
    let without = rate(None, Currency::NONE, None, &[row("a", "/", 7)]).unwrap();
    assert_eq!(shown(&without), listed);
    // A price of zero is a price.
    assert_eq!(shown(&rated(&priced(1, "0", ""), 7)), listed);
    // With a flat fee there is something to say already.
    let fee = plan("fee = { amount = \"5\", currency = \"EUR\" }");
    assert_eq!(shown(&rated(&fee, 7)), ["Fee: 1 / 1 x 5 + 0 = 5.00 O"]);
}

#[test]
fn amounts_have_the_places_of_the_currency() {
    let text = "prices = [{ meter = \"requests\", per = 3, amount = \"1\", currency = \"EUR\" }]";
    for (currency, amount) in [
        ("JPY", "33"),
        ("EUR", "33.33"),
        ("KWD", "33.333"),
        ("CLF", "33.3333"),
    ] {
        let rated = rated(&plan(&text.replace("EUR", currency)), 100);
        assert_eq!(rated.currency.code(), currency);
        assert_eq!(rated.net.fixed(rated.currency.places()), amount);
        assert_eq!(rated.net.to_string(), amount);
    }
}

#[test]
fn what_no_number_holds_is_an_error() {
    let dear = priced(1, "999999999999999999", "");
    let rows = [row("a", "/", u64::MAX)];
    assert_eq!(
        rate(Some(&dear), eur(), None, &rows)
            .unwrap_err()
            .to_string(),
        "what meter `requests` comes to is larger than any amount"
    );
    let twice = [row("a", "/", u64::MAX), row("a", "/", 1)];
    assert_eq!(
        rate(Some(&dear), eur(), None, &twice),
        Err(RatingError::Usage)
    );
    // 10^18 requests are none of these.
    let cheap = priced(1_000, "0.40", "");
    assert_eq!(
        rated(&cheap, 10_u64.pow(18)).total.to_string(),
        "400000000000000"
    );
    for more in ["", ", model = \"volume\"", ", model = \"package\""] {
        let rated = rated(&priced(1, "1", more), u64::MAX);
        assert_eq!(rated.total.to_string(), u64::MAX.to_string());
    }
}
