//! What becomes of an incident: over restarts, by what people do about it, and at whoever is told.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use observer_tests::daemon::{Daemon, KEYS, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{finish, wait_for};
use observer_tests::prometheus::read_request;
use observer_tests::require::{binary, require};
use observer_tests::traffic::{curl, key_field};
use rustix::process::Signal;
use serde_json::{Value, json};

const ORDERS: &str = "http://10.77.0.1/v2/orders";
const LIMIT: Duration = Duration::from_secs(5);
/// Longer than a rule waits before it says the same again.
const AGAIN: Duration = Duration::from_secs(20);
const GONE: &str = "sk_live_gone_a1b2c3d4e5f6";

/// A setup in which one key is revoked.
fn setup(more: &str) -> Setup {
    let setup = Setup::new("", more);
    let fingerprint = setup.fingerprint(GONE);
    let lines = format!("fp = \"{fingerprint}\"\nstate = \"revoked\"");
    setup.register("gone", &lines);
    setup
}

/// Uses the revoked key, in the target.
fn use_revoked(link: &Link) {
    curl(&link.client, &[&format!("{ORDERS}/2001?api_key={GONE}")]);
}

/// The open incident of a rule.
fn open(setup: &Setup, rule: &str) -> Option<Value> {
    setup.incidents(&["--rule", rule]).into_iter().next()
}

fn id(incident: &Value) -> &str {
    incident["id"].as_str().expect("an id")
}

/// The exit code of a command, which says on one line what is wrong when it is not 0.
fn code(setup: &Setup, words: &[&str]) -> Option<i32> {
    let output = finish(&mut setup.command(words), b"");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = usize::from(!output.status.success());
    assert_eq!(said.lines().count(), lines, "{words:?}: {said}");
    output.status.code()
}

fn wait_for_requests(daemon: &Daemon<'_>, count: f64) {
    wait_for(&format!("{count} requests"), LIMIT, || {
        let counted = daemon.metrics().sum("observer_http_requests_total", &[]);
        (counted >= count).then_some(())
    });
}

fn open_by_metric(daemon: &Daemon<'_>, rule: &str) -> f64 {
    daemon
        .metrics()
        .sum("observer_incidents_open", &[("rule", rule)])
}

#[test]
fn an_incident_outlives_the_daemon_and_ends_when_somebody_says_so() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = setup("");
    let (revoked, in_url) = ("revoked_key_accepted", "credential_in_url");
    let mut daemon = setup.start(&link.server);
    use_revoked(&link);
    let first = wait_for("the incident", LIMIT, || open(&setup, revoked));
    assert_eq!(first["state"], "open");
    let other = open(&setup, in_url).expect("the other one");

    daemon.process.kill();
    // Also while no daemon runs it is there to be read.
    assert_eq!(open(&setup, revoked).as_ref().map(id), Some(id(&first)));
    daemon = setup.launch(&link.server, &binary());
    daemon.wait_until_ready();
    assert_eq!(open(&setup, revoked), Some(first.clone()));
    wait_for("the metric", LIMIT, || {
        (open_by_metric(&daemon, revoked) == 1.0).then_some(())
    });
    use_revoked(&link);
    wait_for_requests(&daemon, 1.0);
    let all = setup.incidents(&["--all", "--rule", revoked]);
    assert_eq!(all.len(), 1, "the same goes on: {all:#?}");

    // Somebody knows.
    assert_eq!(code(&setup, &["incidents", "ack", id(&first)]), Some(0));
    let state = |rule: &str| open(&setup, rule).map(|incident| incident["state"].clone());
    assert_eq!(state(revoked), Some(json!("ack")));
    assert_eq!(state(in_url), Some(json!("open")));
    assert!(daemon.process.stop(Signal::TERM), "{}", daemon.log());
    daemon = setup.start(&link.server);
    assert_eq!(state(revoked), Some(json!("ack")));

    // One is over, of the other nobody wants to hear: the same requests bring back the first alone.
    let suppress = ["incidents", "close", id(&first), "--suppress", "1h"];
    assert_eq!(code(&setup, &suppress), Some(0));
    assert_eq!(code(&setup, &["incidents", "close", id(&other)]), Some(0));
    assert_eq!(setup.incident(id(&first))["state"], "suppressed");
    assert_eq!(setup.incident(id(&other))["state"], "closed");
    for restart in [false, true] {
        if restart {
            daemon.process.kill();
            daemon = setup.launch(&link.server, &binary());
            daemon.wait_until_ready();
            let id = id(&open(&setup, in_url).expect("open")).to_owned();
            assert_eq!(code(&setup, &["incidents", "close", &id]), Some(0));
        }
        wait_for("the closed one to come back", AGAIN, || {
            use_revoked(&link);
            open(&setup, in_url)
        });
        assert_eq!(open(&setup, revoked), None, "restarted: {restart}");
        assert_eq!(open_by_metric(&daemon, revoked), 0.0);
    }

    // What is not there is said.
    assert_eq!(code(&setup, &["incidents", "ack", id(&first)]), Some(2));
    assert_eq!(code(&setup, &["incidents", "close", "no id"]), Some(2));
    assert_eq!(code(&setup, &["incidents", "show", "ffff"]), Some(2));
    let never = ["incidents", "close", id(&other), "--suppress", "soon"];
    assert_eq!(code(&setup, &never), Some(2));
}

#[test]
fn an_incident_is_shown_in_full_and_as_ocsf() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = setup("");
    let _daemon = setup.start(&link.server);
    use_revoked(&link);
    let row = wait_for("the incident", LIMIT, || {
        open(&setup, "revoked_key_accepted")
    });
    let incident = setup.incident(id(&row));
    let wanted = json!({
        "rule": "revoked_key_accepted",
        "severity": "critical",
        "state": "open",
        "subject": "gone/gone-key",
        "subject_kind": "key",
        "consumer": "gone",
        "statement": "gone/gone-key: revoked or suspended, and answered with 200",
        "owasp": ["API2:2023"],
        "responsible": "provider",
        "proposed_action": "block",
        "completeness": 1.0,
    });
    for (name, value) in wanted.as_object().expect("an object") {
        assert_eq!(incident[name], *value, "{name}");
    }
    assert_eq!(
        incident["evidence"]["routes"],
        json!(["10.77.0.1 /v2/orders/{id}"])
    );
    assert_eq!(incident["evidence"]["networks"], json!(["10.77.0.0/24"]));
    // The beginning of an id is enough.
    assert_eq!(setup.incident(&id(&row)[..8]), incident);

    let words = ["incidents", "list", "--format", "ocsf"];
    let output = finish(&mut setup.command(&words), b"");
    let findings: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = findings.as_array().expect("findings");
    let listed = setup.incidents(&[]);
    assert_eq!(findings.len(), listed.len());
    for (finding, row) in findings.iter().zip(&listed) {
        assert_eq!(finding["class_uid"], 2004);
        assert_eq!(finding["type_uid"], 200_401);
        assert_eq!(finding["finding_info"]["uid"], row["id"]);
        assert_eq!(finding["message"], row["statement"]);
    }
    let words = ["incidents", "show", id(&row), "--format", "ocsf"];
    let output = finish(&mut setup.command(&words), b"");
    let finding: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(finding["severity_id"], 5);
    assert_eq!(finding["resources"][0]["name"], "gone/gone-key");
}

#[test]
fn the_posture_of_routes_is_an_exit_code_too() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new(
        "",
        "[[api]]\nname = \"shop\"\nhosts = [\"10.77.0.1\"]\npublic = [\"GET /v1/empty\"]\n",
    );
    let _daemon = setup.start(&link.server);
    let field = key_field(KEYS[0].0);
    let get = |arguments: &[&str]| curl(&link.client, arguments);
    let posture = || -> (Option<i32>, Vec<(String, String)>) {
        let mut command = setup.command(&["posture", "--format", "json"]);
        let output = finish(&mut command, b"");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let rows = answer["rows"].as_array().expect("rows").iter();
        let text = |row: &Value, name: &str| row[name].as_str().expect("text").to_owned();
        let rows = rows.map(|row| {
            assert_eq!(row["api"], "shop");
            (text(row, "route"), text(row, "posture"))
        });
        (output.status.code(), rows.collect())
    };
    let wanted = |rows: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(route, posture): &(&str, &str)| ((*route).into(), (*posture).into());
        rows.iter().map(owned).collect()
    };
    assert_eq!(posture(), (Some(0), Vec::new()));

    get(&["http://10.77.0.1/v1/empty"]);
    get(&["-H", &field, &format!("{ORDERS}/[2001-2003]")]);
    // A refusal is no access.
    get(&["http://10.77.0.1/v1/secret", "http://10.77.0.1/v1/nothing"]);
    let good = wanted(&[
        ("/v1/empty", "declared-public"),
        ("/v2/orders/{id}", "required"),
    ]);
    wait_for("both routes", LIMIT, || {
        (posture() == (Some(0), good.clone())).then_some(())
    });

    get(&["-H", &field, "http://10.77.0.1/v2/items/2001"]);
    get(&[
        "http://10.77.0.1/v2/items/2002",
        "http://10.77.0.1/v2/users/2001",
    ]);
    let bare = wanted(&[
        ("/v1/empty", "declared-public"),
        ("/v2/items/{id}", "mixed"),
        ("/v2/orders/{id}", "required"),
        ("/v2/users/{id}", "open"),
    ]);
    wait_for("all routes", LIMIT, || {
        (posture() == (Some(1), bare.clone())).then_some(())
    });

    let mut command = setup.command(&["posture", "--keys", "--format", "json"]);
    let output = finish(&mut command, b"");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let [key] = answer["rows"].as_array().expect("rows").as_slice() else {
        unreachable!("one key: {answer:#}");
    };
    for (name, value) in [
        ("consumer", json!("acme")),
        ("key", json!("acme-key")),
        ("kind", json!("registered")),
        ("networks", json!(1)),
        ("requests", json!(4)),
    ] {
        assert_eq!(key[name], value, "{name}");
    }
}

/// HMAC-SHA-256 by another implementation than the daemon's.
fn hmac(secret: &str, text: &[u8]) -> String {
    let mut command = Command::new("openssl");
    command.args(["dgst", "-sha256", "-hmac", secret, "-r"]);
    let output = finish(&mut command, text);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn a_webhook_gets_each_change_signed() {
    if !require(&["ip", "nsenter", "nginx", "curl", "openssl"]) {
        return;
    }
    const SECRET: &str = "a secret of the webhook";
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let folder = tempfile::tempdir().expect("making a folder");
    let file = folder.path().join("secret");
    fs::write(&file, SECRET).expect("writing the secret");
    let setup = setup(&format!(
        "[incidents]\nwebhook = \"http://127.0.0.1:9096/hook\"\nwebhook_secret_file = \"{}\"",
        file.display()
    ));
    let listener = link
        .server
        .inside(|| TcpListener::bind("127.0.0.1:9096").expect("listening"));
    listener.set_nonblocking(true).expect("setting");
    let _daemon = setup.start(&link.server);
    let field = |head: &str, name: &str| -> String {
        let found = head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        found.unwrap_or_default().to_owned()
    };
    // The next post about the revoked key, answered with a status: its delivery and its content.
    let next = |status: &str| -> (String, Value) {
        wait_for("a post", LIMIT, || {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => unreachable!("accepting: {error}"),
            };
            stream.set_nonblocking(false).expect("setting");
            let (head, content) = read_request(&mut stream);
            let incident: Value = serde_json::from_slice(&content).expect("JSON");
            let ours = incident["rule"] == "revoked_key_accepted";
            let status = if ours { status } else { "204 No Content" };
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .expect("answering");
            assert!(head.starts_with("POST /hook HTTP/1.1\r\n"), "{head}");
            assert_eq!(field(&head, "content-type"), "application/json");
            let time = field(&head, "x-observer-timestamp");
            let signed = [time.as_bytes(), b".", &content].concat();
            assert_eq!(
                field(&head, "x-observer-signature"),
                format!("sha256={}", hmac(SECRET, &signed))
            );
            ours.then(|| (field(&head, "x-observer-delivery"), incident))
        })
    };
    use_revoked(&link);
    let (delivery, incident) = next("503 Service Unavailable");
    assert_eq!(incident["subject"], "gone/gone-key");
    assert_eq!(incident["state"], "open");
    assert_eq!(incident, setup.incident(id(&incident)));
    // Whoever could not take it gets it again, and can tell by its delivery.
    assert_eq!(next("204 No Content"), (delivery, incident.clone()));

    let close = ["incidents", "close", id(&incident)];
    assert_eq!(code(&setup, &close), Some(0));
    let (_, closed) = next("204 No Content");
    assert_eq!(closed["state"], "closed");
    assert_eq!(closed["id"], incident["id"]);
}
