use proptest::prelude::*;
use proptest::sample::select;

use super::tests::plan;
use super::*;

const APIS: [&str; 3] = ["orders", "status", "__other__"];
const ROUTES: [&str; 3] = ["/v1", "/v1/{id}", "*"];

fn eur() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn amount() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("0".to_owned()),
        (0..1_000_u64, 0..1_000_000_000_u32).prop_map(|(whole, part)| format!("{whole}.{part:09}")),
        (0..100_u64).prop_map(|cents| format!("0.{cents:02}")),
    ]
}

fn tiers() -> impl Strategy<Value = String> {
    let tier = (prop_oneof![1..50_u64, 1..1_000_000_u64], amount());
    proptest::collection::vec(tier, 0..4).prop_map(|tiers| {
        let mut from = 0;
        let tiers = tiers.into_iter().map(|(step, amount)| {
            from += step;
            format!("{{ from = {from}, amount = \"{amount}\" }}")
        });
        tiers.collect::<Vec<_>>().join(", ")
    })
}

/// A price of a meter, of one API.
fn price(meter: Meter, api: Option<&'static str>) -> impl Strategy<Value = String> {
    let model = prop_oneof![
        tiers().prop_map(|tiers| format!("model = \"graduated\", tiers = [{tiers}]")),
        tiers().prop_map(|tiers| format!("model = \"volume\", tiers = [{tiers}]")),
        Just("model = \"package\"".to_owned()),
    ];
    let vat = select(&["0", "7", "19", "5.5"][..]);
    (prop_oneof![Just(1_u64), Just(3), Just(1_000), 1..1_000_000_u64], amount(), model, vat, any::<bool>()).prop_map(
        move |(per, amount, model, vat, own)| {
            let api = api.map(|api| format!(", api = \"{api}\"")).unwrap_or_default();
            let vat = if own { format!(", vat = \"{vat}\"") } else { String::new() };
            format!(
                "{{ meter = \"{}\", per = {per}, amount = \"{amount}\", currency = \"CUR\", {model}{api}{vat} }}",
                meter.name()
            )
        },
    )
}

fn maybe(text: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Option<String>> {
    proptest::option::of(text).boxed()
}

/// Prices, of which no two charge the same, and everything else of a plan. `CUR` stands for the currency.
#[derive(Clone, Debug)]
struct Parts {
    prices: Vec<String>,
    rest: String,
    currency: &'static str,
}

impl Parts {
    fn plan(&self) -> Plan {
        let text = format!("prices = [{}]\n{}", self.prices.join(", "), self.rest);
        plan(&text.replace("CUR", self.currency))
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    let charge = |name: &'static str| {
        amount().prop_map(move |amount| {
            format!("{name} = {{ amount = \"{amount}\", currency = \"CUR\" }}\n")
        })
    };
    let prices = (
        maybe(price(Meter::Requests, Some("orders"))),
        maybe(price(Meter::Requests, Some("status"))),
        maybe(price(Meter::RequestBytes, None)),
        maybe(price(Meter::ResponseBytes, None)),
        maybe(price(Meter::ServiceMs, None)),
    );
    let vat = select(&["0", "7", "19"][..]);
    let currency = select(&["EUR", "JPY", "KWD"][..]);
    (
        prices,
        maybe(charge("fee")),
        maybe(charge("minimum")),
        any::<bool>(),
        vat,
        currency,
    )
        .prop_map(|((a, b, c, d, e), fee, minimum, showback, vat, currency)| {
            let end = if showback {
                Some("showback = true\n".to_owned())
            } else {
                minimum
            };
            let rest = [Some(format!("vat = \"{vat}\"\n")), fee, end];
            Parts {
                prices: [a, b, c, d, e].into_iter().flatten().collect(),
                rest: rest.into_iter().flatten().collect(),
                currency,
            }
        })
}

fn used() -> impl Strategy<Value = Used> {
    let count = || prop_oneof![0..100_u64, 0..10_000_000_u64, 0..10_u64.pow(15)];
    (count(), count(), count(), count()).prop_map(
        |(requests, request_bytes, response_bytes, service_ms)| Used {
            requests,
            uncertain: requests / 7,
            request_bytes,
            response_bytes,
            service_ms,
        },
    )
}

fn row() -> impl Strategy<Value = UsageRow> {
    (select(&APIS[..]), select(&ROUTES[..]), used()).prop_map(|(api, route, used)| UsageRow {
        api: api.into(),
        route: route.into(),
        used,
    })
}

fn rows() -> impl Strategy<Value = Vec<UsageRow>> {
    proptest::collection::vec(row(), 0..6)
}

fn vat() -> impl Strategy<Value = Option<AccountVat>> {
    select(
        &[
            None,
            None,
            Some(AccountVat::ReverseCharge),
            Some(AccountVat::Exempt),
        ][..],
    )
}

fn sum(amounts: impl IntoIterator<Item = Money>) -> Money {
    let mut amounts = amounts.into_iter();
    amounts.try_fold(Money::ZERO, Money::plus).unwrap()
}

fn split(used: &Used, share: u64) -> (Used, Used) {
    let part = |count: u64| count / 100 * share;
    let one = Used {
        requests: part(used.requests),
        uncertain: part(used.uncertain),
        request_bytes: part(used.request_bytes),
        response_bytes: part(used.response_bytes),
        service_ms: part(used.service_ms),
    };
    let other = Used {
        requests: used.requests - one.requests,
        uncertain: used.uncertain - one.uncertain,
        request_bytes: used.request_bytes - one.request_bytes,
        response_bytes: used.response_bytes - one.response_bytes,
        service_ms: used.service_ms - one.service_ms,
    };
    (one, other)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Nothing is added up but what stands there, and everything can be paid.
    #[test]
    fn lines_add_up(parts in parts(), vat in vat(), rows in rows()) {
        let rated = rate(Some(&parts.plan()), eur(), vat, &rows).unwrap();
        let places = rated.currency.places();
        prop_assert_eq!(rated.currency, parts.plan().currency().unwrap_or(eur()));
        prop_assert_eq!(rated.net, sum(rated.lines.iter().map(|line| line.amount)));
        prop_assert_eq!(rated.net, sum(rated.taxes.iter().map(|tax| tax.base)));
        prop_assert_eq!(rated.tax, sum(rated.taxes.iter().map(|tax| tax.amount)));
        prop_assert_eq!(rated.total, sum([rated.net, rated.tax]));
        for line in &rated.lines {
            // What a reader can work out from the line is what it says.
            let cost = line.price.times(line.quantity, line.per, places).unwrap();
            prop_assert_eq!(line.amount, sum([cost, line.surcharge]));
            prop_assert_eq!(line.amount, line.amount.rounded(places).unwrap());
            prop_assert!(rated.taxes.iter().any(|tax| tax.vat == line.vat));
        }
        for tax in &rated.taxes {
            prop_assert_eq!(tax.amount, tax.base.percent(tax.vat.rate, places).unwrap());
        }
        let categories = rated.taxes.iter().map(|tax| tax.vat.category);
        let expected = match vat {
            Some(AccountVat::ReverseCharge) => vec![VatCategory::ReverseCharge],
            Some(AccountVat::Exempt) => vec![VatCategory::Exempt],
            None => vec![VatCategory::Standard, VatCategory::Zero],
        };
        for category in categories {
            prop_assert!(expected.contains(&category));
        }
    }

    /// How usage is cut into rows, and in which order they come, is nobody's business.
    #[test]
    fn splitting_and_order_change_nothing(
        parts in parts(),
        (rows, order) in rows().prop_flat_map(|rows| {
            let pieces: Vec<usize> = (0..2 * rows.len()).collect();
            (Just(rows), Just(pieces).prop_shuffle())
        }),
        share in 0..=100_u64,
    ) {
        let plan = parts.plan();
        let halves: Vec<UsageRow> = rows
            .iter()
            .flat_map(|row| {
                let (one, other) = split(&row.used, share);
                [UsageRow { used: one, ..row.clone() }, UsageRow { used: other, ..row.clone() }]
            })
            .collect();
        let pieces: Vec<UsageRow> = order.iter().map(|at| halves[*at].clone()).collect();
        prop_assert_eq!(rate(Some(&plan), eur(), None, &rows), rate(Some(&plan), eur(), None, &pieces));
    }

    /// In which order a plan's prices stand changes the order of the lines and nothing else.
    #[test]
    fn the_order_of_prices_changes_no_amount(parts in parts(), rows in rows()) {
        let mut other = parts.clone();
        other.prices.reverse();
        let mut one = rate(Some(&parts.plan()), eur(), None, &rows).unwrap();
        let mut other = rate(Some(&other.plan()), eur(), None, &rows).unwrap();
        for rated in [&mut one, &mut other] {
            rated.lines.sort_by(|a, b| (a.meter, &a.api, &a.text, a.amount).cmp(&(b.meter, &b.api, &b.text, b.amount)));
        }
        prop_assert_eq!(one, other);
    }

    /// Of more usage the net is never less, and what is to be paid neither; but where what is missing to a minimum is taxed at
    /// another rate than the usage that takes its place, tax may fall.
    #[test]
    fn more_never_costs_less(parts in parts(), vat in vat(), rows in rows(), more in row(), mixed in any::<bool>()) {
        let mut parts = parts;
        if !mixed {
            for price in &mut parts.prices {
                let end = price.find(", vat").unwrap_or(price.len() - 2);
                *price = format!("{} }}", &price[..end]);
            }
        }
        let plan = parts.plan();
        let before = rate(Some(&plan), eur(), vat, &rows).unwrap();
        let mut rows = rows;
        rows.push(more);
        let after = rate(Some(&plan), eur(), vat, &rows).unwrap();
        prop_assert!(before.net <= after.net, "{before:?}\n{after:?}");
        if !mixed || plan.minimum.is_none() || vat.is_some() {
            prop_assert!(before.total <= after.total, "{before:?}\n{after:?}");
        }
    }

    /// Next to where a tier begins, unit by unit.
    #[test]
    fn one_unit_more_never_costs_less(price in price(Meter::Requests, None), requests in prop_oneof![0..200_u64, 0..3_000_000_u64]) {
        let plan = Parts { prices: vec![price], rest: "vat = \"19\"".into(), currency: "EUR" }.plan();
        let tiers = plan.prices[0].tiers.iter().map(|tier| tier.from - 1);
        for quantity in tiers.chain([requests]) {
            let cost = |requests| {
                let used = Used { requests, ..Used::default() };
                let row = UsageRow { api: "a".into(), route: "/".into(), used };
                rate(Some(&plan), eur(), None, &[row]).unwrap().total
            };
            prop_assert!(cost(quantity) <= cost(quantity + 1));
        }
    }

    #[test]
    fn showback_is_never_to_be_paid(parts in parts(), vat in vat(), rows in rows()) {
        let mut parts = parts;
        let kept = parts.rest.lines().filter(|line| !line.starts_with("minimum") && !line.starts_with("showback"));
        parts.rest = kept.chain(["showback = true"]).map(|line| format!("{line}\n")).collect();
        let shown = rate(Some(&parts.plan()), eur(), vat, &rows).unwrap();
        prop_assert_eq!((shown.net, shown.tax, shown.total), Default::default());
        for tax in &shown.taxes {
            prop_assert_eq!((tax.base, tax.amount), Default::default());
        }
        // And shows what it would cost.
        parts.rest = parts.rest.replace("showback = true", "");
        let paid = rate(Some(&parts.plan()), eur(), vat, &rows).unwrap();
        let list = shown.lines.iter().filter(|line| line.kind != LineKind::Allowance);
        prop_assert_eq!(list.cloned().collect::<Vec<_>>(), paid.lines);
    }

    /// However much was used and however dear it is: an exact sum or an error.
    #[test]
    fn nothing_overflows_silently(
        model in select(&["graduated", "volume", "package"][..]),
        whole in prop_oneof![0..10_u64, 0..10_u64.pow(18)],
        per in prop_oneof![Just(1_u64), 1..10_u64.pow(18)],
        requests in prop_oneof![Just(10_u64.pow(18)), any::<u64>()],
    ) {
        let plan = plan(&format!(
            "prices = [{{ meter = \"requests\", per = {per}, amount = \"{whole}\", currency = \"JPY\", model = \"{model}\" }}]"
        ));
        let used = Used { requests, ..Used::default() };
        let row = UsageRow { api: "a".into(), route: "/".into(), used };
        // In whole yen.
        let (whole, per, requests) = (u128::from(whole), u128::from(per), u128::from(requests));
        let exact = if model == "package" {
            whole * requests.div_ceil(per)
        } else {
            (whole * requests * 2 + per) / (2 * per)
        };
        match rate(Some(&plan), eur(), None, &[row]) {
            Ok(rated) => prop_assert_eq!(rated.total.nanos(), i128::try_from(exact * 1_000_000_000).unwrap()),
            Err(_) => prop_assert!(whole * requests > i128::MAX.unsigned_abs() / 1_000_000_000),
        }
    }
}
