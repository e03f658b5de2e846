//! The shipped rules: judged by Prometheus's own tool, made of metrics that the daemon has, and heard at the other end.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use observer_tests::daemon::{KEYS, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{finish, run, wait_for};
use observer_tests::prometheus::{Prometheus, Receiver, shipped};
use observer_tests::require::{require, require_programs};
use observer_tests::traffic::{Connection, curl, key_field};
use serde_norway::Value;

/// Metrics of the rules that the daemon does not export yet. Each leaves this list with the part that brings it.
const TO_COME: [&str; 1] = ["observer_reconciliation_requests"];

const SERVER: &str = "10.77.0.1:80";
const LIMIT: Duration = Duration::from_secs(10);
const API: &str = "[[api]]\nname = \"shop\"\nhosts = [\"10.77.0.1\"]\n";

/// The rules of all groups of the shipped file.
fn rules() -> Vec<Value> {
    let text = fs::read_to_string(shipped("observer.rules.yml")).expect("reading the rules");
    let file: Value = serde_norway::from_str(&text).expect("the rules are YAML");
    let groups = file["groups"].as_sequence().expect("groups").iter();
    groups
        .flat_map(|group| group["rules"].as_sequence().expect("rules").clone())
        .collect()
}

/// The daemon's metrics that the rules read. Names of recording rules have colons in them.
fn metrics_of_rules() -> BTreeSet<String> {
    let rules = rules();
    let expressions = rules.iter().filter_map(|rule| rule["expr"].as_str());
    expressions
        .flat_map(|expression| {
            expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        })
        .filter(|name| name.starts_with("observer_") && !name.contains(':'))
        .map(str::to_owned)
        .collect()
}

fn judge(program: &str, arguments: &[&str], file: &str) {
    run(Command::new(program).args(arguments).arg(shipped(file)));
}

#[test]
fn the_rules_are_clean_and_do_what_their_tests_say() {
    if !require_programs(&["promtool", "amtool"]) {
        return;
    }
    judge("promtool", &["check", "rules"], "observer.rules.yml");
    judge("promtool", &["test", "rules"], "observer.rules.test.yml");
    judge("amtool", &["check-config"], "alertmanager.yml");
}

#[test]
fn each_alert_says_who_acts_and_has_a_section_of_the_runbook_and_a_test() {
    let runbook = fs::read_to_string(shipped("RUNBOOK.md")).expect("reading the runbook");
    let tests =
        fs::read_to_string(shipped("observer.rules.test.yml")).expect("reading the rules' tests");
    let tests: Value = serde_norway::from_str(&tests).expect("the rules' tests are YAML");
    let groups = tests["tests"].as_sequence().expect("tests").iter();
    let cases: Vec<&Value> = groups
        .filter_map(|group| group["alert_rule_test"].as_sequence())
        .flatten()
        .collect();
    let mut alerts = BTreeSet::new();
    for rule in rules() {
        let Some(name) = rule["alert"].as_str() else {
            continue;
        };
        let severity = rule["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("page" | "ticket")), "{name}");
        for annotation in ["summary", "description", "runbook_url"] {
            assert!(
                rule["annotations"][annotation].is_string(),
                "{name}: {annotation}"
            );
        }
        let page = rule["annotations"]["runbook_url"].as_str();
        let anchor = format!("#{}", name.to_lowercase());
        assert!(page.is_some_and(|page| page.ends_with(&anchor)), "{name}");
        for (fires, what) in [(true, "fires"), (false, "is silent")] {
            let tested = cases.iter().any(|case| {
                let expected = case["exp_alerts"].as_sequence().expect("exp_alerts");
                case["alertname"].as_str() == Some(name) && expected.is_empty() != fires
            });
            assert!(tested, "no test in which {name} {what}");
        }
        alerts.insert(name.to_owned());
    }
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    assert_eq!(sections.map(str::to_owned).collect::<BTreeSet<_>>(), alerts);
}

#[test]
fn the_rules_read_what_the_daemon_exports() {
    if !require(&["ip", "nsenter", "nginx", "curl", "promtool"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", API);
    let daemon = setup.start(&link.server);
    // A family without labels that were seen is not on the page: requests with a key, and without one.
    let field = key_field(KEYS[0].0);
    let url = "http://10.77.0.1/v1/widgets/1";
    curl(&link.client, &["-H", &field, url]);
    curl(&link.client, &[url]);
    // That the key came in the clear is an incident, and what is usual is known from the first request on.
    wait_for("both requests, and what they mean", LIMIT, || {
        let metrics = daemon.metrics();
        let counted = metrics.sum("observer_http_requests_total", &[]);
        let told = metrics.sum("observer_incidents_open", &[]);
        let usual = metrics.family("observer_error_ratio_baseline").next();
        (counted == 2.0 && told == 1.0 && usual.is_some()).then_some(())
    });
    let (status, page) = daemon.get("/metrics").expect("the page");
    assert_eq!(status, 200);
    let judged = finish(
        Command::new("promtool").args(["check", "metrics"]),
        page.as_bytes(),
    );
    assert!(judged.status.success(), "{judged:?}");
    assert!(
        judged.stdout.is_empty() && judged.stderr.is_empty(),
        "{judged:?}"
    );
    let exported: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(str::to_owned)
        .collect();
    let missing: Vec<String> = metrics_of_rules().difference(&exported).cloned().collect();
    assert_eq!(missing, TO_COME, "what the rules read and nothing exports");
}

#[test]
fn a_failing_api_pages() {
    let alertmanager = "prometheus-alertmanager";
    if !require(&[
        "ip",
        "nsenter",
        "nginx",
        "prometheus",
        "promtool",
        alertmanager,
    ]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", API);
    let _daemon = setup.start(&link.server);
    let receiver = Receiver::listen(&link.server);
    let prometheus = Prometheus::start(&link.server);
    let mut client = Connection::open(&link.client, SERVER);
    let mut requests = |failures: usize| {
        for number in 0..10 {
            let target = if number < failures {
                "/v1/away"
            } else {
                "/v1/widgets/1"
            };
            let (key, _) = KEYS[number % KEYS.len()];
            let (status, _) = client.get(target, key);
            assert_eq!(status, if number < failures { 503 } else { 200 });
        }
    };

    // While all is well the rules see the requests, and nobody is paged. That the keys are not encrypted is a ticket.
    let ratio = r#"api:observer_failure_ratio:rate5m{api="shop"}"#;
    wait_for("the rules to see requests", Duration::from_secs(60), || {
        requests(0);
        let told = receiver.next();
        assert!(told.is_none_or(|told| told.path != "/page"), "paged");
        prometheus.value(ratio).filter(|ratio| *ratio == 0.0)
    });

    // Which of the windows is first depends on how long all was well; what begins meanwhile waits for the next
    // notification. The incident has one of its own.
    let begin = Instant::now();
    let (incident, burn) = ("ObserverIncidentOpen", "ObserverErrorBudgetBurn");
    let mut pages: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    wait_for("both pages", Duration::from_secs(90), || {
        requests(5);
        let told = receiver.next().filter(|told| told.path == "/page")?;
        for alert in told.alerts {
            let name = alert["labels"]["alertname"].as_str().unwrap_or_default();
            println!("{name} after {:?}", begin.elapsed());
            pages.entry(name.to_owned()).or_insert(alert);
        }
        (pages.contains_key(incident) && pages.contains_key(burn)).then_some(())
    });
    let names: Vec<_> = pages.keys().map(String::as_str).collect();
    assert_eq!(names, [burn, incident], "{pages:#?}");
    let labels = &pages[incident]["labels"];
    assert_eq!(labels["rule"], "provider_errors", "{labels}");
    assert_eq!(labels["incident_severity"], "high", "{labels}");
    let alert = &pages[burn];
    let windows = [("1h", "5m"), ("6h", "30m")].map(|(long, short)| {
        serde_json::json!({
            "alertname": "ObserverErrorBudgetBurn",
            "severity": "page",
            "long": long,
            "short": short,
            "job": "observer",
            "instance": "127.0.0.1:9464",
            "api": "shop",
        })
    });
    assert_eq!(alert["status"], "firing");
    assert!(windows.contains(&alert["labels"]), "{alert}");
    assert_eq!(
        alert["annotations"]["runbook_url"],
        "http://127.0.0.1:9464/runbook#observererrorbudgetburn"
    );
    let description = alert["annotations"]["description"].as_str();
    assert!(description.is_some_and(|text| text.contains("of the requests to shop failed")));
    for long in ["1h", "6h", "3d"] {
        let firing = format!(
            r#"ALERTS{{alertname="ObserverErrorBudgetBurn",alertstate="firing",api="shop",long="{long}"}}"#
        );
        wait_for(&firing, Duration::from_secs(30), || {
            requests(5);
            prometheus.value(&firing)
        });
    }
}
