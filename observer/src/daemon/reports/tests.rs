//! Reports of ledgers as a daemon leaves them: what each audience is told, and what a consumer is not.

mod privacy;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::store::{Retention, Writer, open, open_to_read};
use crate::usage::batch::{ActionRow, CoverageRow, GapRow, IncidentRow, Rows, Sums, WindowRow};

const DAY: u64 = 86_400;
/// 2026-11-28, a Saturday.
const NOW: u64 = 20_785 * DAY;
const SECOND: u64 = 1_000_000_000;
const REGISTRY: &str = "[[account]]\nid = \"acme\"\nplan = \"gold\"\n[[account.app]]\nid = \"acme-app\"\n[[account.app.key]]\nid = \"acme-key\"\n\
    fp = \"k1_AAAAAAAAAAAAAAAA\"\nstate = \"revoked\"\n[[account]]\nid = \"beta-co\"\n[[account]]\nid = \"idle\"\n[[plan]]\nid = \"gold\"\n";

fn window(start: u64, consumer: &str, route: &str, status: u16, requests: u64) -> WindowRow {
    let outcome = match status {
        200 => "ok",
        404 => "not_found",
        _ => "server_error",
    };
    let registered = !consumer.starts_with("__");
    let name = |kind| {
        if registered {
            format!("{consumer}-{kind}")
        } else {
            String::new()
        }
    };
    WindowRow {
        start,
        consumer: consumer.into(),
        app: name("app").into(),
        key: name("key").into(),
        api: "orders".into(),
        route: route.into(),
        method: "GET".into(),
        status: Some(status),
        outcome: outcome.into(),
        sums: Sums {
            requests,
            uncertain: 0,
            request_bytes: requests * 3,
            response_bytes: requests * 7,
            service_us: requests * 1_500,
        },
    }
}

fn incident(
    id: &str,
    kind: &str,
    subject: &str,
    consumer: Option<&str>,
    statement: &str,
) -> IncidentRow {
    let detected = NOW + 3_600;
    let body = json!({
        "id": id, "rule": "error_rate", "severity": "medium", "state": "open",
        "subject": {"kind": kind, "id": subject, "consumer": consumer},
        "first_seen": detected * SECOND, "detected_at": detected * SECOND, "last_seen": detected * SECOND,
        "statement": statement, "confidence": 0.9, "completeness": 1.0,
        "evidence": {"seen": 22.0, "of": 70.0, "baseline": 0.021, "deviation": 0.003, "score": 24.1, "limit": 22.7,
            "since": 0, "until": 0, "routes": [], "consumers": ["beta-co"], "networks": ["198.51.100.0/24"]},
    });
    IncidentRow {
        id: id.into(),
        rule: "error_rate".into(),
        state: "open".into(),
        detected,
        body: body.to_string(),
    }
}

fn action(id: &str, consumer: &str, reason: &str) -> ActionRow {
    let body = json!({
        "id": id, "slot": 1, "subject": {"kind": "consumer", "id": consumer}, "consumer": consumer, "verb": "block",
        "begun": (NOW + 60) * SECOND, "until": (NOW + 3_660) * SECOND, "reason": reason, "by": {"user": "root"},
        "state": "active", "radius": {"exchanges": 4_711_001, "consumers": 1, "known": true},
        "hits": {"refused": 4_711_002, "passed": 0, "late": 1, "shared": 0, "packets": 12}, "dry": 0,
    });
    ActionRow {
        id: id.to_owned(),
        state: "active".into(),
        begun: NOW + 60,
        body: body.to_string(),
    }
}

/// A ledger of these, and what reports are made of.
fn source(rows: Rows, length: Length) -> (tempfile::TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let writer = Writer::start(&path, Some(open(&path, None).unwrap()), Retention::ALL).unwrap();
    writer.write(1, Arc::new(rows));
    let deadline = Instant::now() + Duration::from_secs(10);
    while writer.status().batch < 1 {
        assert!(Instant::now() < deadline, "{:?}", writer.status());
        std::thread::sleep(Duration::from_millis(1));
    }
    writer.finish();
    let ledger = open_to_read(&path).unwrap();
    let spans = span::spans(length, None, NOW + DAY).unwrap();
    let registry = Registry::parse(&[("registry.toml", REGISTRY)]).unwrap();
    let source = Source {
        figures: Figures::read(&ledger, spans).unwrap(),
        standing: Standing::read(&ledger, spans, true).unwrap(),
        events: Events::read(&ledger, spans).unwrap(),
        hours: length == Length::Day,
        reconciled: Vec::new(),
        registry: Arc::new(registry),
        ledger,
        spans,
    };
    (folder, source)
}

fn told(source: &Source, audience: &str, period: Length) -> Result<Report, Failure> {
    let arguments = cli::Report {
        audience: audience.parse().unwrap(),
        period,
        ending: None,
        format: ReportFormat::Json,
        out: None,
        require_completeness: None,
        config: None,
    };
    put_together(source, &arguments, None, None, NOW + DAY + 3_600)
}

fn of_day(rows: Rows, audience: &str) -> (Report, Value) {
    let (_folder, source) = source(rows, Length::Day);
    let report = told(&source, audience, Length::Day).unwrap();
    let value = serde_json::from_str(&reports::json(&report)).unwrap();
    (report, value)
}

fn section<'a>(report: &'a Value, id: &str) -> &'a Vec<Value> {
    let sections = report["sections"].as_array().unwrap();
    let found = sections.iter().find(|section| section["id"] == id);
    found.unwrap_or_else(|| panic!("no {id}"))["rows"]
        .as_array()
        .unwrap()
}

fn row<'a>(rows: &'a [Value], column: &str, name: &str) -> &'a Value {
    rows.iter()
        .find(|row| row[column] == name)
        .unwrap_or_else(|| panic!("no {name} in {rows:?}"))
}

/// Two days: a route that breaks for everybody on the second, a consumer that goes and one that comes.
fn two_days() -> Rows {
    let mut windows = Vec::new();
    for consumer in ["acme", "beta-co", "corp", "__unkeyed__"] {
        for (start, missing) in [(NOW - DAY + 60, 10), (NOW + 7_260, 300)] {
            windows.push(window(start, consumer, "/v1/rates", 404, missing));
            windows.push(window(start, consumer, "/v1/rates", 200, 1_000 - missing));
        }
    }
    windows.push(window(NOW - DAY, "leaver", "/v1/old", 200, 50));
    windows.push(window(NOW, "new", "/v1/new", 503, 70));
    Rows {
        windows,
        incidents: vec![
            incident(
                "aaaa01",
                "key",
                "acme/acme-key",
                Some("acme"),
                "acme/acme-key 4xx 31 % (22 of 70), as beta-co has",
            ),
            incident(
                "bbbb02",
                "key",
                "beta-co/beta-co-key",
                Some("beta-co"),
                "beta-co/beta-co-key 4xx 4711003 of 4711004",
            ),
            incident(
                "cccc03",
                "network",
                "203.0.113.0/24",
                None,
                "network 203.0.113.0/24 tries keys",
            ),
        ],
        actions: vec![
            action("r-aaaaaaaa", "acme", "as beta-co said"),
            action("r-bbbbbbbb", "beta-co", "leaked"),
        ],
        ..Rows::default()
    }
}

#[test]
fn an_owner_is_told_who_has_to_act_and_what_changed() {
    let (report, value) = of_day(two_days(), "owner");
    assert!(report.complete);
    assert_eq!(
        (&value["from"], &value["to"]),
        (
            &"2026-11-28T00:00:00Z".into(),
            &"2026-11-29T00:00:00Z".into()
        )
    );
    let total = row(section(&value, "totals"), "measure", "requests");
    assert_eq!(
        (&total["now"], &total["before"]),
        (&4_070.into(), &4_050.into())
    );
    assert_eq!(total["change"], json!(0.0049));
    let errors = section(&value, "errors");
    // A bad deploy is the provider's, whoever met with it.
    let missing = row(errors, "outcome", "not_found");
    assert_eq!(
        (
            &missing["responsible"],
            &missing["errors"],
            &missing["errors_before"]
        ),
        (&"provider".into(), &1_200.into(), &40.into())
    );
    assert_eq!(missing["errors_change"], json!(29.0));
    let nobody = row(section(&value, "nobody"), "consumer", "__unkeyed__");
    assert_eq!(
        (&nobody["requests"], &nobody["share"]),
        (&1_000.into(), &json!(0.2457))
    );
    let came = section(&value, "newcomers");
    for (name, what) in [
        ("new", "new"),
        ("orders /v1/new", "new"),
        ("leaver", "gone"),
        ("orders /v1/old", "gone"),
    ] {
        assert_eq!(row(came, "name", name)["what"], what);
    }
    let hours = section(&value, "course");
    assert_eq!(hours.len(), 24);
    assert_eq!(
        row(hours, "hour", "2026-11-28T02:00:00Z")["requests"],
        4_000
    );
    assert_eq!(hours[0]["requests_before"], 4_050);
    assert_eq!(section(&value, "incidents").len(), 3);
    assert_eq!(
        row(section(&value, "responses"), "id", "r-aaaaaaaa")["refused"],
        4_711_002
    );
    let route = row(section(&value, "latency"), "route", "orders /v1/rates");
    assert_eq!(route["mean_ms"], json!(1.5));
}

#[test]
fn finance_is_told_of_everybody_and_what_nobody_pays_for() {
    let mut rows = two_days();
    rows.windows[3].sums.uncertain = 97;
    rows.coverage = vec![
        CoverageRow {
            start: NOW + 7_260,
            reason: "gap".into(),
            count: 127,
        },
        CoverageRow {
            start: NOW + 7_260,
            reason: "ring_full".into(),
            count: 430,
        },
    ];
    let (report, value) = of_day(rows, "finance");
    assert!(
        !report.complete && report.standing().starts_with("Not complete: 87.70"),
        "{}",
        report.standing()
    );
    let acme = row(section(&value, "usage"), "consumer", "acme");
    assert_eq!(acme["plan"], "gold");
    let volume = row(section(&value, "volume"), "consumer", "acme");
    assert_eq!(
        (&volume["response_bytes"], &volume["service_ms"]),
        (&7_000.into(), &json!(1500.0))
    );
    // Its own uncertain ones, and its share of what nobody saw and of the thirty on which nobody's name stands.
    let attributed = 4_070.0 / 4_530.0;
    assert_eq!(
        acme["completeness"].as_f64().unwrap(),
        ((0.903 * attributed) * 1e6_f64).floor() / 1e6
    );
    assert_eq!(
        row(section(&value, "plans"), "plan", "gold")["requests"],
        1_000
    );
    assert_eq!(
        row(section(&value, "idle"), "consumer", "idle")["plan"],
        Value::Null
    );
    assert_eq!(
        row(section(&value, "nobody"), "consumer", "__unkeyed__")["response_bytes"],
        7_000
    );
}

#[test]
fn security_is_told_with_evidence_and_of_revoked_keys() {
    let (_, value) = of_day(two_days(), "security");
    let rules = section(&value, "rules");
    assert_eq!(
        (&rules[0]["rule"], &rules[0]["detected"]),
        (&"error_rate".into(), &3.into())
    );
    let one = row(section(&value, "evidence"), "id", "aaaa01");
    assert_eq!(
        (&one["seen"], &one["limit"], &one["networks"]),
        (&json!(22.0), &json!(22.7), &"198.51.100.0/24".into())
    );
    let key = row(section(&value, "retired"), "key", "acme-key");
    assert_eq!(
        (&key["why"], &key["requests"], &key["answered_well"]),
        (&"revoked".into(), &1_000.into(), &700.into())
    );
}

#[test]
fn what_was_not_observed_is_said_first() {
    let mut rows = two_days();
    rows.gaps = vec![GapRow {
        start: NOW - 3_600,
        until: NOW + 21_600,
        reason: "a reboot".into(),
    }];
    let (report, value) = of_day(rows, "owner");
    assert_eq!(
        (
            &value["completeness"],
            &value["observed"],
            &value["complete"]
        ),
        (&json!(1.0), &json!(0.75), &json!(false))
    );
    assert_eq!(
        report.standing(),
        "Not complete: 100.0000 % of the exchanges that must have been were seen with certainty, in 75.0000 % of the time. What is missing stands below."
    );
    assert_eq!(value["sections"][0]["id"], "completeness");
    assert_eq!(section(&value, "gaps")[0]["reason"], "a reboot");
    for text in [
        reports::html(&report).unwrap(),
        reports::markdown(&report),
        reports::csv(&report),
    ] {
        assert!(text.find("Not complete").unwrap() < text.find("a reboot").unwrap());
    }
}

#[test]
fn before_the_first_day_nothing_is_known() {
    let (_folder, source) = source(two_days(), Length::Month);
    let report = told(&source, "owner", Length::Month).unwrap();
    // October.
    assert!(!report.complete && report.observed == Cell::ratio(0.0));
    assert!(
        told(&source, "consumer:nobody", Length::Month)
            .unwrap_err()
            .to_string()
            .contains("is no consumer")
    );
}
