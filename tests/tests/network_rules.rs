//! Rules that one request breaks, or a few: each is told within seconds, of whom it is about and of nobody else.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::process::Command;
use std::time::{Duration, Instant};

use observer_tests::daemon::{Daemon, KEYS, Setup};
use observer_tests::namespace::{Link, elsewhere};
use observer_tests::nginx::Nginx;
use observer_tests::process::{finish, wait_for};
use observer_tests::require::require;
use observer_tests::traffic::{curl, key_field, pipeline};
use serde_json::Value;

const ORDERS: &str = "http://10.77.0.1/v2/orders";
/// How long a rule that needs no learning may take.
const LIMIT: Duration = Duration::from_secs(5);
/// A key that is registered in some tests.
const GONE: &str = "sk_live_gone_a1b2c3d4e5f6";
/// `{"client_id":"late-client","exp":1600000000}`
const LATE: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJjbGllbnRfaWQiOiJsYXRlLWNsaWVudCIsImV4cCI6MTYwMDAwMDAwMH0.c2lnbmF0dXJl";
/// `{"client_id":"victim-client"}`
const VICTIM: &str = "eyJhbGciOiJIUzI1NiJ9.eyJjbGllbnRfaWQiOiJ2aWN0aW0tY2xpZW50In0.c2lnbmF0dXJl";

/// Whether an incident of this rule and subject is open.
fn open(setup: &Setup, rule: &str, subject: &str) -> Option<Value> {
    let mut rows = setup.incidents(&["--rule", rule]).into_iter();
    rows.find(|row| row["subject"] == subject)
}

/// Does something, and waits for the incident that comes of it.
fn causes(setup: &Setup, rule: &str, subject: &str, act: impl FnOnce()) -> Value {
    assert_eq!(open(setup, rule, subject), None, "before anything is done");
    act();
    let begin = Instant::now();
    let row = wait_for(&format!("{rule} of {subject}"), LIMIT, || {
        open(setup, rule, subject)
    });
    println!(
        "{rule}: {:.2} s: {}",
        begin.elapsed().as_secs_f64(),
        row["statement"]
    );
    setup.incident(row["id"].as_str().expect("an id"))
}

/// Waits until so many requests are counted, and judged therefore.
fn wait_for_requests(daemon: &Daemon<'_>, count: usize) {
    wait_for(&format!("{count} requests"), LIMIT, || {
        let counted = daemon.metrics().sum("observer_http_requests_total", &[]);
        (counted == count as f64).then_some(())
    });
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// A fingerprint's line of the registry.
fn fingerprint(setup: &Setup, key: &str) -> String {
    format!("fp = \"{}\"", setup.fingerprint(key))
}

#[test]
fn keys_that_should_not_have_been_accepted() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    link.spread(1);
    let client = &link.client;
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let gone = fingerprint(&setup, GONE);
    setup.register("gone", &format!("{gone}\nstate = \"revoked\""));
    setup.register("late", "scheme = \"jwt\"\nsubject = \"late-client\"");
    setup.register("aws", "scheme = \"aws-sigv4\"\nsubject = \"AKIDEXAMPLE\"");
    let far = fingerprint(&setup, "sk_live_far_away_0a1b2c");
    setup.register("far", &format!("{far}\nnetworks = [\"192.0.2.0/24\"]"));
    let daemon = setup.start(&link.server);
    let url = format!("{ORDERS}/2001");
    let request = |field: &str| curl(client, &["-H", field, &url]);
    let consumers = |incident: &Value| incident["evidence"]["consumers"].clone();

    // Refused, as it should be, it is nothing.
    curl(
        client,
        &["-H", &key_field(GONE), "http://10.77.0.1/v1/secret"],
    );
    wait_for_requests(&daemon, 1);
    let rule = "revoked_key_accepted";
    let incident = causes(&setup, rule, "gone/gone-key", || request(&key_field(GONE)));
    assert_eq!(incident["severity"], "critical");
    assert_eq!(consumers(&incident), serde_json::json!(["gone"]));

    let rule = "expired_key_accepted";
    let incident = causes(&setup, rule, "late/late-key", || request(&bearer(LATE)));
    assert_eq!(consumers(&incident), serde_json::json!(["late"]));

    causes(&setup, "new_network", "far/far-key", || {
        request(&key_field("sk_live_far_away_0a1b2c"));
    });

    let signed = |signature: &str| {
        format!(
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-central-1/execute-api/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}"
        )
    };
    // From where it came before, it may come again.
    let (one, other) = (signed(&"ab".repeat(32)), signed(&"cd".repeat(32)));
    request(&one);
    request(&one);
    request(&other);
    wait_for_requests(&daemon, 7);
    let incident = causes(&setup, "replayed_signature", "aws/aws-key", || {
        curl(
            client,
            &["--interface", &elsewhere(1), "-H", &one, url.as_str()],
        );
    });
    assert_eq!(incident["severity"], "critical");
    assert_eq!(
        incident["evidence"]["networks"],
        serde_json::json!(["10.78.1.0/24"])
    );
}

#[test]
fn credentials_where_they_should_not_be_and_missing_ones() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let client = &link.client;
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let field = key_field(KEYS[0].0);
    let orders = format!("{ORDERS}/[2001-2019]");

    // Without a key there is nothing to tell of, as long as nobody uses one here.
    curl(client, &["http://10.77.0.1/v2/users/2001"]);
    wait_for_requests(&daemon, 1);
    assert_eq!(setup.incidents(&[]), [Value::Null; 0]);

    causes(&setup, "cleartext_credential", "obs0:80", || {
        curl(client, &["-H", &field, &orders]);
    });
    causes(
        &setup,
        "credential_in_url",
        "10.77.0.1 query:api_key",
        || curl(client, &[&format!("{ORDERS}/2001?api_key={}", KEYS[0].0)]),
    );

    // The 20 successes with a key make it a route that asks for one.
    let subject = "10.77.0.1 /v2/orders/{id}";
    let incident = causes(&setup, "unkeyed_success", subject, || {
        curl(client, &[&format!("{ORDERS}/2001")]);
    });
    assert_eq!(incident["subject_kind"], "route");
    let found = setup.incidents(&["--all"]);
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn what_one_network_tries() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    link.spread(4);
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let from = |number: u8, arguments: &[&str]| {
        let address = elsewhere(number);
        let own = ["--interface", address.as_str()];
        curl(&link.client, &[&own, arguments].concat());
    };
    let nothing_yet = |requests, rule| {
        wait_for_requests(&daemon, requests);
        let found = setup.incidents(&["--rule", rule]);
        assert!(found.is_empty(), "{found:#?}");
    };

    from(
        1,
        &["http://10.77.0.1/.env", "http://10.77.0.1/.git/config"],
    );
    nothing_yet(2, "scanning");
    causes(&setup, "scanning", "10.78.1.0/24", || {
        from(1, &["http://10.77.0.1/wp-login.php"]);
    });

    from(2, &["http://10.77.0.1/nothing/[1-14]"]);
    wait_for_requests(&daemon, 17);
    let incident = causes(&setup, "scanning", "10.78.2.0/24", || {
        from(2, &["http://10.77.0.1/nothing/15"]);
    });
    assert_eq!(incident["evidence"]["seen"], 15.0);

    let guess = |number: usize| {
        let field = key_field(&format!("sk_live_guess_{number:012}"));
        from(3, &["-H", &field, "http://10.77.0.1/v1/secret"]);
    };
    (1..10).for_each(guess);
    nothing_yet(27, "key_guessing");
    causes(&setup, "key_guessing", "10.78.3.0/24", || guess(10));

    let log_in = |number: usize| {
        let user = format!("user{number}:password");
        from(4, &["-u", &user, "http://10.77.0.1/v1/secret"]);
    };
    (1..10).for_each(log_in);
    nothing_yet(37, "credential_stuffing");
    causes(&setup, "credential_stuffing", "10.78.4.0/24", || log_in(10));
}

#[test]
fn requests_past_the_gateway() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    link.spread(2);
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "gateways = [\"10.78.1.2/32\"]");
    setup.register("inner", "scheme = \"gateway\"\nsubject = \"inner-name\"");
    let daemon = setup.start(&link.server);
    let url = format!("{ORDERS}/2001");
    let identity = "X-Consumer-Username: inner-name";

    // Through the gateway, all is well.
    let gateway = elsewhere(1);
    curl(
        &link.client,
        &["--interface", &gateway, "-H", identity, &url],
    );
    wait_for_requests(&daemon, 1);
    let by = daemon.metrics();
    let through = by.sum("observer_http_requests_total", &[("consumer", "inner")]);
    assert_eq!(through, 1.0);
    let found = setup.incidents(&["--all"]);
    assert!(
        found
            .iter()
            .all(|incident| incident["rule"] == "cleartext_credential"),
        "{found:#?}"
    );

    causes(&setup, "gateway_bypass", "10.77.0.0/24", || {
        curl(&link.client, &[&url]);
    });
    let incident = causes(&setup, "spoofed_identity", "10.78.2.0/24", || {
        curl(
            &link.client,
            &["--interface", &elsewhere(2), "-H", identity, &url],
        );
    });
    assert!(!incident.to_string().contains("inner"), "{incident:#}");
}

/// Requests in somebody's name that the application refuses, or fails at, are told of the network, never of who bears the name.
#[test]
fn a_victim_is_never_told_of() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    link.spread(1);
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    setup.register("victim", "scheme = \"jwt\"\nsubject = \"victim-client\"");
    let daemon = setup.start(&link.server);
    let token = bearer(VICTIM);
    let secret = "http://10.77.0.1/v1/secret?number=[1-100]";
    let attack = || {
        let from = elsewhere(1);
        let arguments = ["--interface", from.as_str(), "-H", &token, secret];
        curl(&link.client, &arguments);
    };
    let everything = || -> Vec<Value> {
        let rows = setup.incidents(&["--all"]);
        rows.iter()
            .filter_map(|row| Some(setup.incident(row["id"].as_str()?)))
            .collect()
    };
    causes(&setup, "auth_failures", "10.78.1.0/24", attack);
    wait_for_requests(&daemon, 100);
    let before = everything();
    for incident in &before {
        assert!(!incident.to_string().contains("victim"), "{incident:#}");
    }

    // The same, while the victim itself and another are known and well.
    let own = format!("{ORDERS}/[2001-2100]");
    curl(&link.client, &["-H", &token, &own]);
    curl(&link.client, &["-H", &key_field(KEYS[0].0), &own]);
    attack();
    wait_for_requests(&daemon, 400);
    let after = everything();
    let new: Vec<_> = after
        .iter()
        .filter(|incident| before.iter().all(|known| known["id"] != incident["id"]))
        .collect();
    assert!(new.is_empty(), "{new:#?}");
    // What fails is the provider's.
    let subject = "10.77.0.1 /v2/orders/{id}";
    causes(&setup, "provider_errors", subject, || {
        let broken = format!("{ORDERS}/[500001-500060]");
        let from = elsewhere(1);
        curl(&link.client, &["--interface", &from, "-H", &token, &broken]);
    });
    for incident in &everything() {
        assert_ne!(incident["consumer"], "victim", "{incident:#}");
        // Its own keys came in the clear too.
        let cleartext = incident["rule"] == "cleartext_credential";
        assert!(
            cleartext || !incident.to_string().contains("victim"),
            "{incident:#}"
        );
    }
}

/// What a client sends reaches a metric, a list or the log in no form that could be taken for anything else.
#[test]
fn hostile_input_is_never_repeated_raw() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let evil = [
        "<script>evil()</script>",
        "\"onload=\"evil()",
        "'evil()'",
        "\u{1b}[31mevil\u{7}",
        "\u{202e}evil\u{e9}\u{4e16}",
        "%00%0a%0d%1b%3Cscript%3Eevil",
        "evil}\\n{evil=\"1\"}\t1",
        "=evil()|`evil`",
        "\u{85}evil\u{2028}",
    ];
    let mut targets = Vec::new();
    for (number, text) in evil.iter().enumerate() {
        targets.push(format!("/.env{text}"));
        targets.push(format!("/nothing/{number}/{text}"));
        targets.push(format!("/v1/widgets/{text}"));
        targets.push(format!("/v1/widgets/{text}?api_key={text}&{text}={text}"));
    }
    for (target, text) in targets.iter().zip(evil.iter().cycle()) {
        // nginx refuses some of them, and what it refuses is answered all the same.
        pipeline(
            &link.client,
            "10.77.0.1:80",
            &format!(
                "GET {target} HTTP/1.1\r\nHost: 10.77.0.1\r\nX-API-Key: {text}\r\nUser-Agent: {text}\r\n\
                 Connection: close\r\n\r\n"
            ),
        );
        for (method, host) in [("GET", *text), (*text, "10.77.0.1")] {
            pipeline(
                &link.client,
                "10.77.0.1:80",
                &format!(
                    "{method} /v1/widgets/1 HTTP/1.1\r\nHost: {host}\r\nX-Consumer-Username: {text}\r\n\
                     Connection: close\r\n\r\n"
                ),
            );
        }
    }
    wait_for("the scan to be told", LIMIT, || {
        open(&setup, "scanning", "10.77.0.0/24")
    });
    let incidents = setup.incidents(&["--all"]);
    assert!(incidents.len() >= 3, "{incidents:#?}");

    let mut outputs = vec![("log".to_owned(), daemon.log())];
    let (status, page) = daemon.get("/metrics").expect("the metrics");
    assert_eq!(status, 200);
    let judged = finish(
        Command::new("promtool").args(["check", "metrics"]),
        page.as_bytes(),
    );
    assert!(judged.status.success(), "{judged:?}");
    outputs.push(("/metrics".to_owned(), page));
    let mut keep = |words: &[&str]| {
        // `posture` says by its exit code what it found.
        let output = finish(&mut setup.command(words), b"");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(!text.is_empty(), "{words:?}");
        outputs.push((words.join(" "), text));
    };
    for format in ["table", "json", "csv", "ocsf"] {
        keep(&["incidents", "list", "--all", "--format", format]);
    }
    for format in ["table", "json", "csv"] {
        keep(&["posture", "--format", format]);
        keep(&["posture", "--keys", "--format", format]);
        keep(&[
            "usage",
            "--by",
            "consumer,api,route,method",
            "--format",
            format,
        ]);
    }
    for incident in &incidents {
        let id = incident["id"].as_str().expect("an id");
        keep(&["incidents", "show", id]);
        keep(&["incidents", "show", id, "--format", "ocsf"]);
    }
    for (what, text) in &outputs {
        for line in text.lines() {
            let plain = line.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            assert!(plain, "{what}: {line:?}");
            for raw in ["<script", "onload", "`evil", "{evil", "}\\n"] {
                assert!(!line.contains(raw), "{what}: {line:?}");
            }
        }
    }
    let (_, frame) = daemon.get("/api/v1/look?view=all").expect("a frame");
    let frame: Value = serde_json::from_str(&frame).expect("a frame is JSON, whatever it names");
    assert!(frame["counts"]["incidents"].as_u64() > Some(0), "{frame}");
}
