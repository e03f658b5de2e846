//! What incidents do by themselves, what they only propose, and against whom nothing can be turned. What is refused is told.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::time::Duration;

use observer_tests::caller::Caller;
use observer_tests::daemon::{KEYS, Setup};
use observer_tests::namespace::{Link, elsewhere};
use observer_tests::nginx::{self, Nginx};
use observer_tests::process::{Process, finish, wait_for};
use observer_tests::require::require;
use observer_tests::response::{act, done, list, undo, wait_for_hits};
use observer_tests::traffic::key_field;
use serde_json::{Value, json};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(15);
const GONE: &str = "sk_live_gone_a1b2c3d4e5f6";

/// An nginx with a log as it has it by itself.
const LOGGING: &str = r#"
  keepalive_requests 10000000;
  server {
    listen 8010;
    access_log nginx.log combined;
    return 200 "$uri";
  }
"#;

/// A setup with this section, and a key that is revoked.
fn setup(response: &str) -> Setup {
    let setup = Setup::new("", &format!("[response]\n{response}"));
    let fingerprint = setup.fingerprint(GONE);
    setup.register(
        "gone",
        &format!("fp = \"{fingerprint}\"\nstate = \"revoked\""),
    );
    setup
}

fn call(link: &Link, key: &str) -> Caller {
    let field = format!("{}\r\n", key_field(key));
    let pause = Duration::from_millis(2);
    Caller::start(&link.client, "10.77.0.1:80", "/v1/widgets", &field, pause)
}

/// Waits for the action or proposal about the revoked key.
fn about_gone(setup: &Setup, state: &str) -> Value {
    wait_for(&format!("an action that is {state}"), LIMIT, || {
        let actions = list(setup).into_iter();
        let mut fitting = actions.filter(|action| {
            let subject = action["subject"]["id"].as_str().unwrap_or_default();
            subject.starts_with("gone") && action["state"] == state
        });
        fitting.next()
    })
}

#[test]
fn a_revoked_key_that_is_accepted_is_shut_off() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = setup("mode = \"act\"");
    let daemon = setup.start(&link.server);
    let [gone, other] = [GONE, KEYS[0].0].map(|key| call(&link, key));
    let action = about_gone(&setup, "active");
    assert_eq!(action["verb"], "block");
    assert_eq!(
        action["by"]["incident"]["rule"], "revoked_key_accepted",
        "{action:#}"
    );
    gone.wait_for(403, 50);
    let from = gone.next();
    gone.wait_for(403, 50);
    for got in gone.finish().iter().filter(|got| got.number >= from) {
        assert_eq!(got.status, Some(403), "{got:?}\n{}", daemon.log());
    }
    for got in other.finish() {
        assert_eq!(got.status, Some(200), "{got:?}");
    }
    // Somebody takes it back: the same incident does not bring it again.
    undo(&setup, action["id"].as_str().expect("an id"));
    let again = call(&link, GONE);
    again.wait_for(200, 500);
    assert!(
        list(&setup)
            .iter()
            .all(|action| action["state"] != "active")
    );
}

#[test]
fn who_is_allowed_is_never_shut_off() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = setup("mode = \"act\"\nallow = [\"gone\"]");
    let _daemon = setup.start(&link.server);
    let gone = call(&link, GONE);
    wait_for("the incident", LIMIT, || {
        setup
            .incidents(&["--rule", "revoked_key_accepted"])
            .into_iter()
            .next()
    });
    gone.wait_for(200, 1000);
    assert!(gone.finish().iter().all(|got| got.status == Some(200)));
    let standing: Vec<Value> = list(&setup);
    assert!(
        standing.iter().all(|action| !["active", "proposed"]
            .contains(&action["state"].as_str().unwrap_or("active"))),
        "{standing:#?}"
    );
}

#[test]
fn a_proposal_waits_for_somebody() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    for approved in [true, false] {
        let link = Link::new();
        let _nginx = Nginx::start(&link.server);
        let setup = setup("mode = \"propose\"");
        let daemon = setup.start(&link.server);
        let gone = call(&link, GONE);
        let proposal = about_gone(&setup, "proposed");
        let dry = wait_for("a dry count", LIMIT, || {
            about_gone(&setup, "proposed")["dry"]
                .as_u64()
                .filter(|count| *count > 50)
        });
        assert_eq!(proposal["radius"]["known"], true, "{proposal:#}");
        assert!(
            proposal["radius"]["exchanges"].as_u64() > Some(0),
            "{proposal:#}"
        );
        println!("dry: {dry}, radius: {}", proposal["radius"]);
        let id = &proposal["id"];
        let decided = if approved { "approve" } else { "reject" };
        done(&setup, &json!({decided: {"id": id}}));
        let from = gone.next();
        let expected = if approved { 403 } else { 200 };
        gone.wait_for(expected, 200);
        let got = gone.finish();
        for (number, got) in got.iter().enumerate() {
            // While the decision is carried out, either may be.
            let wanted = match got.number {
                number if number >= from => Some(expected),
                _ if got.status == Some(403) && approved && number > 50 => Some(403),
                _ => Some(200),
            };
            assert_eq!(got.status, wanted, "{got:?}\n{}", daemon.log());
        }
    }
}

/// Anybody can send requests in a victim's name and have them refused.
#[test]
fn nothing_can_be_turned_against_a_victim() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    link.spread(1);
    let _nginx = Nginx::start(&link.server);
    let setup = setup("mode = \"act\"");
    let daemon = setup.start(&link.server);
    let (key, from) = (KEYS[0].0, elsewhere(1));
    let victim = call(&link, key);
    victim.wait_for(200, 50);
    let field = key_field(key);
    for path in ["v1/secret", "v1/forbidden", "nothing/here", "v1/broken"] {
        let url = format!("http://10.77.0.1/{path}?number=[1-500]");
        // What becomes of the attacker is not what this is about.
        let mut attack = link.client.command("curl");
        attack.args([
            "-s",
            "-o",
            "/dev/null",
            "--max-time",
            "10",
            "--interface",
            &from,
            "-H",
            &field,
            &url,
        ]);
        finish(&mut attack, b"");
    }
    victim.wait_for(200, 1000);
    let actions = list(&setup);
    println!("{} actions: {actions:?}", actions.len());
    for action in &actions {
        assert_eq!(action["subject"]["kind"], "network", "{action:#}");
        assert_eq!(action["subject"]["id"], "10.78.1.0/24", "{action:#}");
    }
    for got in victim.finish() {
        assert_eq!(got.status, Some(200), "{got:?}\n{}", daemon.log());
    }
}

/// The answer of `observer reconcile` about a log, by class.
fn reconcile(setup: &Setup, log: &std::path::Path) -> Vec<(String, u64)> {
    let (log, records) = (
        log.display().to_string(),
        setup.path("records").display().to_string(),
    );
    let words = [
        "reconcile",
        "--log",
        &log,
        "--log-format",
        "nginx-combined",
        "--records",
        &records,
        "--format",
        "json",
        "--server",
        "8010",
    ];
    let output = finish(&mut setup.command(&words), b"");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("an answer in JSON");
    let rows = answer["rows"].as_array().expect("rows").iter();
    rows.filter_map(|row| Some((row["class"].as_str()?.to_owned(), row["count"].as_u64()?)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

#[test]
fn what_is_refused_is_told_and_held_against_nobody() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let folder = TempDir::new().expect("making a folder");
    let _nginx = Process::start(&mut nginx::command(&link.server, folder.path(), LOGGING));
    wait_for("nginx to listen", LIMIT, || {
        link.server
            .inside(|| std::net::TcpStream::connect("127.0.0.1:8010").ok())
    });
    let setup = setup("mode = \"observe\"");
    let daemon = setup.start(&link.server);
    let callers = [0, 1].map(|number| {
        let field = format!("{}\r\n", key_field(KEYS[number].0));
        let pause = Duration::from_millis(1);
        Caller::start(&link.client, "10.77.0.1:8010", "/v1/items/1", &field, pause)
    });
    callers[0].wait_for(200, 10);
    let active = || {
        let labels = [("verb", "block")];
        daemon
            .metrics()
            .sum("observer_response_actions_active", &labels)
    };
    let dropped = || {
        let labels = [("verb", "block")];
        daemon
            .metrics()
            .sum("observer_response_dropped_packets_total", &labels)
    };
    assert_eq!((active(), dropped()), (0.0, 0.0));
    let action = act(&setup, "acme", "block", 60);
    wait_for("the metric", LIMIT, || (active() == 1.0).then_some(()));
    wait_for_hits(&setup, &action, "refused", 500);
    undo(&setup, "acme");
    wait_for("the metric", LIMIT, || (active() == 0.0).then_some(()));
    callers[0].wait_for(200, 10);
    let got = callers.map(Caller::finish);
    let refused = got[0]
        .iter()
        .filter(|got| got.head.contains("observer-response"))
        .count();
    wait_for("the metric", LIMIT, || {
        (dropped() >= refused as f64).then_some(())
    });
    assert_eq!(dropped(), refused as f64);
    wait_for("every exchange", LIMIT, || {
        let counted = daemon.metrics().sum("observer_http_requests_total", &[]);
        let all = got.iter().map(Vec::len).sum::<usize>();
        (counted >= all as f64).then_some(())
    });
    daemon.assert_complete();
    for incident in setup.incidents(&["--all"]) {
        let rule = incident["rule"].as_str().expect("a rule");
        assert!(
            !["error_rate", "auth_failures", "provider_errors"].contains(&rule)
                || incident["consumer"] != "acme",
            "{incident:#}"
        );
    }
    let log = daemon.log();
    let records = daemon.stop();
    let told: Vec<&Value> = records
        .iter()
        .filter(|record| !record["response"].is_null())
        .collect();
    assert_eq!(told.len(), refused, "{log}");
    for record in told {
        assert_eq!(record["response"], action["id"], "{record:#}");
        assert_eq!(
            (&record["status"], &record["consumer"]),
            (&json!(403), &json!("acme")),
            "{record:#}"
        );
    }
    let found = reconcile(&setup, &folder.path().join("nginx.log"));
    println!("reconciled: {found:?}, {refused} refused");
    assert!(
        found.iter().all(|(class, _)| class == "matched"),
        "{found:?}"
    );
}
