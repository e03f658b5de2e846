//! The registry changes while traffic flows: by the commands, and with a hundred thousand keys.

use std::fmt::Write;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use observer_tests::daemon::{KEYS, STRANGER, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{finish, run, wait_for};
use observer_tests::require::require;
use observer_tests::traffic::{curl, key_field, load_while};
use serde_json::Value;

const SERVER: &str = "10.77.0.1:80";
const URL: &str = "http://10.77.0.1/v1/widgets/1";
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn commands_take_effect_from_the_next_requests_on() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let ask = |key: &str, consumer: &str| {
        let before = daemon.metrics();
        let labels = [("consumer", consumer)];
        let count = before.sum("observer_http_requests_total", &labels);
        curl(&link.client, &["-H", &key_field(key), URL]);
        let after = daemon.metrics();
        after.sum("observer_http_requests_total", &labels) > count
    };
    let comes = |key: &str, consumer: &str| {
        wait_for(&format!("a request of {consumer}"), LIMIT, || {
            ask(key, consumer).then_some(())
        });
    };
    comes(STRANGER, "__unregistered__");
    // Seen, not registered: adopted by what it is known by.
    let strangers = wait_for("the stranger", LIMIT, || {
        let words = ["consumers", "strangers", "--format", "json"];
        let output = finish(&mut setup.command(&words), b"");
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        let rows = answer["rows"].as_array()?.clone();
        (!rows.is_empty()).then_some(rows)
    });
    let fingerprint = strangers[0]["fingerprint"].as_str().expect("a text");
    assert_eq!(fingerprint, setup.fingerprint(STRANGER));
    run(&mut setup.command(&["consumers", "adopt", fingerprint, "--account", "found"]));
    comes(STRANGER, "found");

    // Revoked, and the server answers all the same.
    run(&mut setup.command(&["keys", "revoke", "acme-key"]));
    // Terms that nobody accepted, and that the plan asks for.
    let plan = "[[plan]]\nid = \"gold\"\nterms = \"2026-01\"\n";
    fs::write(setup.path("registry.d/plan.toml"), plan).expect("writing");
    let file = setup.path("registry.d/keys.toml");
    let text = fs::read_to_string(&file).expect("reading");
    let beta = text.replace("id = \"beta\"\n", "id = \"beta\"\nplan = \"gold\"\n");
    fs::write(&file, beta).expect("writing");
    for (rule, key, words) in [
        ("revoked_key_accepted", KEYS[0].0, "revoked or suspended"),
        (
            "expired_key_accepted",
            KEYS[1].0,
            "has not accepted the terms of use",
        ),
    ] {
        let found = wait_for(rule, LIMIT, || {
            curl(&link.client, &["-H", &key_field(key), URL]);
            let incidents = setup.incidents(&[]);
            incidents.into_iter().find(|row| row["rule"] == rule)
        });
        let statement = found["statement"].as_str().expect("a sentence");
        assert!(statement.contains(words), "{statement}");
    }
}

#[test]
fn a_large_registry_is_taken_over_without_loss() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let mut registry = String::new();
    for account in 0..10_000 {
        let _ = write!(
            registry,
            "[[account]]\nid = \"a-{account}\"\n[[account.app]]\nid = \"app-{account}\"\n"
        );
        for key in 0..10 {
            let _ = write!(
                registry,
                "[[account.app.key]]\nid = \"k-{account}-{key}\"\nscheme = \"basic\"\nsubject = \"u-{account}-{key}\"\n"
            );
        }
    }
    let (taken, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            load_while(&link.client, SERVER, 4, |_| {
                let more = !taken.load(Ordering::Relaxed);
                sent.fetch_add(u64::from(more), Ordering::Relaxed);
                // Less than what the daemon sheds by intent.
                thread::sleep(Duration::from_millis(1));
                more
            });
        });
        for round in 0..3 {
            // Whole at once, as the commands do it.
            let draft = setup.path(".draft");
            fs::write(&draft, format!("# {round}\n{registry}")).expect("writing");
            fs::rename(&draft, setup.path("registry.d/large.toml")).expect("moving");
            let said = "read again (100005 keys)";
            wait_for("the registry to be read", LIMIT, || {
                (daemon.log().matches(said).count() > round).then_some(())
            });
        }
        taken.store(true, Ordering::Relaxed);
        traffic.join().expect("the traffic");
    });
    let sent = sent.into_inner();
    assert!(sent > 1_000, "{sent}");
    let counted = || daemon.metrics().sum("observer_http_requests_total", &[]);
    wait_for("the last request", LIMIT, || {
        let before = counted();
        thread::sleep(Duration::from_secs(2));
        (counted() == before).then_some(())
    });
    // Says what was lost, where something was.
    daemon.assert_complete();
    assert_eq!(counted(), sent as f64);
    assert_eq!(daemon.stop().len() as u64, sent);
}
