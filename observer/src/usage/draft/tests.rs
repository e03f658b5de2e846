use super::super::statement::{LineKind, Used};
use super::*;
use crate::identity::registry::Registry;

const REGISTRY: &str = r#"
[[account]]
id = "acme"
name = "Acme GmbH"
address = "2 Example Street, 10115 Berlin"
country = "DE"
vat_id = "DE123456789"
plan = "gold"
time_zone = "Europe/Berlin"
[[account]]
id = "guest"
[[plan]]
id = "gold"
fee = { amount = "10.00", currency = "EUR" }
vat = "19"
prices = [{ meter = "requests", per = 1000, amount = "0.40", currency = "EUR" }]
"#;

fn draft(number: usize, currency: Option<&str>) -> Statement {
    let registry = Registry::parse(&[("a.toml", REGISTRY)]).unwrap();
    let account = &registry.accounts()[number];
    let zone = account.time_zone.clone().unwrap_or(jiff::tz::TimeZone::UTC);
    let period = Period::parse("2026-10", &zone).unwrap().remove(0);
    let row = |requests| UsageRow {
        api: "orders".into(),
        route: "/v1".into(),
        used: Used {
            requests,
            uncertain: 1,
            request_bytes: 2,
            response_bytes: 3,
            service_ms: 4,
        },
    };
    Statement::draft(Basis {
        account,
        plan: account.plan.as_ref().map(|_| &registry.plans()[0]),
        period: &period,
        rows: &[row(412_000), row(31)],
        completeness: 0.999,
        notes: vec!["Nothing was observed for a minute.".into()],
        seller: Some(Party {
            name: Some("Example GmbH".into()),
            ..Party::default()
        }),
        currency: currency.map(|code| Currency::parse(code).unwrap()),
    })
    .unwrap()
}

#[test]
fn a_draft_says_all_but_its_number() {
    let draft = draft(0, Some("USD"));
    assert_eq!(
        (draft.kind, &draft.number, &draft.issued),
        (Kind::Draft, &None, &None)
    );
    assert_eq!(draft.period.first_day, "2026-10-01");
    assert_eq!(draft.customer.vat_id.as_deref(), Some("DE123456789"));
    assert_eq!(draft.customer.id, "acme");
    assert_eq!(
        draft.seller.as_ref().unwrap().name.as_deref(),
        Some("Example GmbH")
    );
    assert_eq!(
        (&*draft.currency, draft.places, draft.plan.as_deref()),
        ("EUR", 2, Some("gold"))
    );
    let kinds: Vec<LineKind> = draft.lines.iter().map(|line| line.kind).collect();
    assert_eq!(kinds, [LineKind::Usage, LineKind::Fee]);
    let amounts = [draft.net, draft.tax, draft.total].map(|amount| amount.to_string());
    assert_eq!(amounts, ["174.81", "33.21", "208.02"]);
    assert_eq!(
        draft.usage,
        Used {
            requests: 412_031,
            uncertain: 2,
            request_bytes: 4,
            response_bytes: 6,
            service_ms: 8,
        }
    );
    assert_eq!((draft.completeness, draft.notes.len()), (0.999, 1));
    let text = serde_json::to_string(&draft).unwrap();
    assert_eq!(serde_json::from_str::<Statement>(&text).unwrap(), draft);
}

#[test]
fn an_account_without_a_plan_gets_a_statement_too() {
    let guest = draft(1, Some("JPY"));
    assert_eq!(
        (&*guest.currency, guest.places, guest.plan),
        ("JPY", 0, None)
    );
    assert_eq!((guest.lines.len(), guest.lines[0].quantity), (1, 412_031));
    assert_eq!(guest.total, Default::default());
    assert_eq!(draft(1, None).currency, "XXX");
}
