use super::super::{AccountVat, Registry};
use super::*;

fn error(text: &str) -> String {
    Registry::parse(&[("a.toml", text)])
        .unwrap_err()
        .to_string()
}

fn plan(lines: &str) -> String {
    format!("[[plan]]\nid = \"gold\"\n{lines}\n")
}

/// A price of requests, one line, with more of it.
fn price(more: &str) -> String {
    format!(
        "prices = [{{ meter = \"requests\", per = 1, amount = \"1\", currency = \"EUR\"{more} }}]"
    )
}

fn prices(each: &[&str]) -> String {
    let stanza = |more: &&str| {
        format!(
            "[[plan.prices]]\nmeter = \"requests\"\nper = 1\namount = \"1\"\ncurrency = \"EUR\"\n{more}\n"
        )
    };
    plan(&each.iter().map(stanza).collect::<String>())
}

#[test]
fn a_plan_says_all_that_an_invoice_needs() {
    let text = r#"
[[account]]
id = "acme"
plan = "gold"
currency = "JPY"
vat = "reverse-charge"
time_zone = "Asia/Tokyo"
[[plan]]
id = "gold"
fee = { amount = "1000", currency = "JPY" }
minimum = { amount = "5000", currency = "JPY" }
vat = "8.25"
[[plan.prices]]
meter = "response_bytes"
per = 1000000
amount = "0.5"
currency = "JPY"
model = "volume"
tiers = [{ from = 1000000001, amount = "0.25" }, { from = 2000000001, amount = "0" }]
api = "orders"
route = "/v1/widgets/{id}"
vat = "0"
[[plan.prices]]
meter = "response_bytes"
per = 1000
amount = "1"
currency = "JPY"
model = "package"
api = "status"
"#;
    let registry = Registry::parse(&[("a.toml", text)]).unwrap();
    let account = &registry.accounts()[0];
    assert_eq!(
        account.time_zone.as_ref().unwrap().iana_name(),
        Some("Asia/Tokyo")
    );
    assert_eq!(account.vat, Some(AccountVat::ReverseCharge));
    assert_eq!(account.currency.unwrap().code(), "JPY");
    let plan = &registry.plans()[0];
    assert_eq!(plan.currency(), account.currency);
    assert_eq!(plan.fee.unwrap().amount.to_string(), "1000");
    assert_eq!(plan.minimum.unwrap().amount.to_string(), "5000");
    assert_eq!(plan.vat.unwrap().millionths(), 8_250_000);
    assert!(!plan.showback);
    let [volume, package] = &plan.prices[..] else {
        panic!("{plan:?}")
    };
    assert_eq!(
        (volume.model, volume.tiers.len(), volume.vat),
        (Model::Volume, 2, Percent::of_millionths(0))
    );
    assert!(volume.charges("orders", "/v1/widgets/{id}"));
    assert!(!volume.charges("orders", "/v1/widgets") && !volume.charges("status", "/v1"));
    assert_eq!(package.model, Model::Package);
    assert!(package.charges("status", "/v1/widgets/{id}"));
}

#[test]
fn a_plan_without_prices_costs_nothing_and_has_no_currency() {
    let registry = Registry::parse(&[("a.toml", plan(""))]).unwrap();
    assert_eq!(registry.plans()[0].currency(), None);
}

#[test]
fn what_cannot_be_charged_is_refused_with_its_line() {
    let fee = |text: &str| {
        plan(&format!(
            "fee = {{ amount = \"{text}\", currency = \"EUR\" }}"
        ))
    };
    for (text, why) in [
        (
            plan(&price("").replace("EUR", "EUX")),
            "line 3: `EUX` is not a currency of ISO 4217",
        ),
        (
            plan(&price("").replace("EUR", "HRK")),
            "line 3: `HRK` is a currency no more (did you mean `EUR`?)",
        ),
        (
            plan(&price("").replace("EUR", "XXX")),
            "line 3: `XXX` is not a currency of ISO 4217",
        ),
        (
            plan(&price("").replace("requests", "request")),
            "line 3: unknown value `request` (did you mean `requests`?)",
        ),
        (
            plan("limits = [{ meter = \"hits\", per = \"day\", max = 1 }]"),
            "line 3: unknown value `hits` (valid: `requests`, `request_bytes`, `response_bytes`, `service_ms`)",
        ),
        (
            plan(&price(", model = \"tired\"")),
            "line 3: unknown value `tired` (valid: `graduated`, `volume`, `package`)",
        ),
        (
            plan(&price(
                ", tiers = [{ from = 9, amount = \"1\" }, { from = 9, amount = \"1\" }]",
            )),
            "line 3: tiers of meter `requests` do not ascend (plan `gold`)",
        ),
        (
            plan(&price(
                ", tiers = [{ from = 9, amount = \"1\" }, { from = 8, amount = \"1\" }]",
            )),
            "line 3: tiers of meter `requests` do not ascend (plan `gold`)",
        ),
        (
            plan(&price(", tiers = [{ from = 0, amount = \"1\" }]")),
            "line 3: a tier of meter `requests` begins at 0: the first unit is number 1 (plan `gold`)",
        ),
        (
            plan(&price(", tiers = [{ from = 2, amount = \"-1\" }]")),
            "line 3: `-1` is negative: a price or charge is not",
        ),
        (
            plan(&price(
                ", model = \"package\", tiers = [{ from = 2, amount = \"1\" }]",
            )),
            "line 3: a price of meter `requests` by the package has no tiers (plan `gold`)",
        ),
        (
            plan(&price(", route = \"GET /v1\"")),
            "line 3: `GET /v1` is no route: one reads /v1/widgets/{id}, without a method, as usage has it (plan `gold`)",
        ),
        (
            plan(&price(", vat = \"100.1\"")),
            "line 3: `100.1` is no percentage: a decimal string such as \"19\" or \"5.5\", at most 100, at most 6 places",
        ),
        (plan("vat = \"-1\""), "line 3: `-1` is no percentage"),
        (
            plan("vat = \"5.0000001\""),
            "line 3: `5.0000001` is no percentage",
        ),
        (plan("vat = \"19 %\""), "line 3: `19 %` is no percentage"),
        (
            fee("0.0000000001"),
            "line 3: `0.0000000001` is not an amount: a decimal string such as \"0.40\", at most 9 places",
        ),
        (
            fee("-0"),
            "line 3: `-0` is negative: a price or charge is not",
        ),
        (
            plan("minimum = { amount = \"1\", currency = \"EUR\" }\nshowback = true"),
            "line 3: plan `gold` is for showback, where nothing is to be paid: it has no minimum",
        ),
        (
            plan(
                "fee = { amount = \"1\", currency = \"EUR\" }\nminimum = { amount = \"1\", currency = \"USD\" }",
            ),
            "line 4: plan `gold` is in EUR, and this in USD",
        ),
        (
            plan(&format!(
                "{}\nfee = {{ amount = \"1\", currency = \"USD\" }}",
                price("")
            )),
            "line 4: plan `gold` is in EUR, and this in USD",
        ),
        (
            prices(&["api = \"a\"", "api = \"b\""]).replacen("EUR", "USD", 1),
            "line 9: plan `gold` is in USD, and this in EUR",
        ),
        (
            plan(&format!(
                "fee = {{ amount = \"1\", currency = \"EUR\" }}\n{}",
                price(", vat = \"19\"")
            )),
            "line 3: this has no `vat`, and other charges of plan `gold` have: all of them have one, or none has",
        ),
    ] {
        let error = error(&text);
        assert!(
            error.starts_with(&format!("a.toml: {why}")),
            "{text}\n{error}"
        );
    }
}

#[test]
fn one_request_is_never_charged_twice_by_a_meter() {
    let at = |line: usize, first: usize| {
        format!(
            "a.toml: line {line}: a price of meter `requests` for some of the same usage is already at a.toml: line {first}"
        )
    };
    for (one, other) in [
        ("", ""),
        ("", "api = \"a\""),
        ("route = \"/a\"", ""),
        ("api = \"a\"", "api = \"a\""),
        ("api = \"a\"", "api = \"a\"\nroute = \"/a\""),
        ("route = \"/a\"", "api = \"a\"\nroute = \"/a\""),
        ("api = \"a\"", "route = \"/a\""),
        ("api = \"a\"\nroute = \"/a\"", "api = \"a\"\nroute = \"/a\""),
    ] {
        let text = prices(&[one, other]);
        let second = 9 + one.lines().count().saturating_sub(1);
        assert_eq!(error(&text), at(second, 3), "{text}");
        // Another meter charges something else.
        let other = text.replacen("requests", "service_ms", 1);
        assert!(Registry::parse(&[("a.toml", other)]).is_ok());
    }
    for (one, other) in [
        ("api = \"a\"", "api = \"b\""),
        ("route = \"/a\"", "route = \"/b\""),
        ("api = \"a\"\nroute = \"/a\"", "api = \"a\"\nroute = \"/b\""),
        ("api = \"a\"\nroute = \"/a\"", "api = \"b\"\nroute = \"/a\""),
        ("api = \"a\"\nroute = \"/a\"", "api = \"b\""),
    ] {
        assert!(Registry::parse(&[("a.toml", prices(&[one, other]))]).is_ok());
    }
    let many: Vec<String> = (0..=MOST_PRICES)
        .map(|n| format!("api = \"{n}\""))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(Registry::parse(&[("a.toml", prices(&many[1..]))]).is_ok());
    assert_eq!(
        error(&prices(&many)),
        "a.toml: line 6003: plan `gold` has more than 1000 prices"
    );
}

#[test]
fn an_account_is_invoiced_in_the_currency_of_its_plan() {
    let account = "[[account]]\nid = \"acme\"\nplan = \"gold\"\ncurrency = \"USD\"\n";
    let text = format!("{account}{}", plan(&price("")));
    assert_eq!(
        error(&text),
        "a.toml: line 4: account `acme` is invoiced in USD, and its plan `gold` is in EUR"
    );
    // The plan may stand elsewhere, before or after.
    let plan_text = plan(&price(""));
    for documents in [
        [("a.toml", account), ("b.toml", plan_text.as_str())],
        [("b.toml", plan_text.as_str()), ("a.toml", account)],
    ] {
        let error = Registry::parse(&documents).unwrap_err().to_string();
        assert!(
            error.starts_with("a.toml: line 4: account `acme`"),
            "{error}"
        );
    }
    assert!(Registry::parse(&[("a.toml", text.replace("USD", "EUR"))]).is_ok());
    assert!(Registry::parse(&[("a.toml", format!("{account}{}", plan("")))]).is_ok());
}

#[test]
fn accounts_have_time_zones_that_there_are() {
    let account = |line: &str| format!("[[account]]\nid = \"acme\"\n{line}\n");
    for (line, why) in [
        (
            "time_zone = \"Europe/Berln\"",
            "line 3: `Europe/Berln` is no time zone (did you mean `Europe/Berlin`?): one reads Europe/Berlin (IANA)",
        ),
        (
            "time_zone = \"America/Argentina/Buenos_Airs\"",
            "line 3: `America/Argentina/Buenos_Airs` is no time zone (did you mean `America/Argentina/Buenos_Aires`?)",
        ),
        ("time_zone = \"+01:00\"", "line 3: `+01:00` is no time zone"),
        (
            "time_zone = \"Etc/Unknown\"",
            "line 3: `Etc/Unknown` is no time zone",
        ),
        (
            "time_zone = \"../../etc/passwd\"",
            "line 3: `../../etc/passwd` is no time zone",
        ),
        ("time_zone = \"\"", "line 3: `` is no time zone"),
        (
            "vat = \"reverse\"",
            "line 3: unknown value `reverse` (valid: `reverse-charge`, `exempt`)",
        ),
        (
            "currency = \"EURO\"",
            "line 3: `EURO` is not a currency: three capital letters (ISO 4217)",
        ),
    ] {
        let error = error(&account(line));
        assert!(error.starts_with(&format!("a.toml: {why}")), "{error}");
    }
    let registry = Registry::parse(&[("a", account("time_zone = \"europe/berlin\""))]).unwrap();
    let zone = registry.accounts()[0].time_zone.as_ref().unwrap();
    assert_eq!(zone.iana_name(), Some("Europe/Berlin"));
}
