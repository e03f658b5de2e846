//! What a handshake shows in the clear: versions and weak cipher suites of a real server, live and from a capture.

use std::time::Duration;

use observer_tests::capture::Capture;
use observer_tests::daemon::Setup;
use observer_tests::metrics::Metrics;
use observer_tests::namespace::{INTERFACE, Link};
use observer_tests::nginx::Nginx;
use observer_tests::process::{finish, wait_for};
use observer_tests::require::{binary, require};
use observer_tests::traffic::curl;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(5);
/// Ciphers that OpenSSL offers to nobody any more unless asked.
const ANY: &str = "ALL:@SECLEVEL=0";

/// Handshakes by version and result.
fn handshakes(metrics: &Metrics) -> Vec<(String, String, u64)> {
    let mut all: Vec<_> = metrics
        .family("observer_tls_handshakes_total")
        .map(|sample| {
            let label = |name| sample.label(name).to_owned();
            (label("version"), label("result"), sample.value as u64)
        })
        .collect();
    all.sort();
    all
}

#[test]
fn versions_and_weak_suites_are_told_without_reading_anything() {
    if !require(&["ip", "nsenter", "nginx", "curl", "openssl", "tcpdump"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start_tls(&link.server);
    let setup = Setup::new(
        &format!("interfaces = [\"{INTERFACE}\"]"),
        "[tls]\nenabled = false\n",
    );
    let daemon = setup.start(&link.server);
    let folder = tempfile::tempdir().expect("making a folder");
    let capture = Capture::start(&link.server, folder.path());
    let ask = |port: u16, arguments: &[&str]| {
        let mut curl = link.client.command("curl");
        curl.args(["-sk", "-o", "/dev/null"])
            .args(arguments)
            .arg(format!("https://10.77.0.1:{port}/"));
        curl.status().expect("running curl").success()
    };
    for _ in 0..5 {
        assert!(ask(8443, &[]));
    }
    for _ in 0..3 {
        assert!(ask(8443, &["--tls-max", "1.2"]));
    }
    assert!(!ask(
        8443,
        &["--tls-max", "1.1", "--tlsv1.1", "--ciphers", ANY]
    ));
    assert!(ask(8445, &["--curves", "X25519:secp384r1"]));
    let before = setup.incidents(&["--rule", "weak_tls"]);
    assert_eq!(before, Vec::<Value>::new());
    for _ in 0..2 {
        assert!(ask(
            8444,
            &["--tls-max", "1.0", "--tlsv1.0", "--ciphers", ANY]
        ));
    }

    let told = |version: &str, result: &str, count| (version.to_owned(), result.to_owned(), count);
    let expected = vec![
        told("1.0", "opaque", 2),
        told("1.2", "opaque", 3),
        told("1.3", "opaque", 6),
        told("none", "refused", 1),
    ];
    wait_for("every handshake", LIMIT, || {
        (handshakes(&daemon.metrics()) == expected).then_some(())
    });
    let opaque = |port: &str| {
        let labels = [("port", port), ("reason", "tls")];
        daemon
            .metrics()
            .sum("observer_opaque_connections_total", &labels)
    };
    assert_eq!(["8443", "8444", "8445"].map(opaque), [9.0, 2.0, 1.0]);

    let weak = wait_for("an incident", LIMIT, || {
        setup.incidents(&["--rule", "weak_tls"]).pop()
    });
    assert_eq!(weak["subject"], format!("{INTERFACE}:8444"));
    let statement = weak["statement"].as_str().expect("a statement");
    assert!(
        statement.contains("agreed on TLS 1.0 with TLS_"),
        "{statement}"
    );
    let posture: Value = {
        let output = finish(
            &mut setup.command(&["posture", "--tls", "--format", "json"]),
            b"",
        );
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let row = |port: u16| {
        let rows = posture["rows"].as_array().expect("rows");
        let name = format!("{INTERFACE}:{port}");
        let row = rows.iter().find(|row| row["listener"] == *name);
        row.map(|row| {
            ["tls_1_0", "tls_1_2", "tls_1_3", "refused", "weak"]
                .map(|column| row[column].as_u64().expect("a number"))
        })
    };
    assert_eq!(row(8443), Some([0, 3, 5, 1, 0]));
    assert_eq!(row(8444), Some([2, 0, 0, 0, 2]));
    assert_eq!(row(8445), Some([0, 0, 1, 0, 0]));

    // Without TLS, so that it can be found in the capture.
    curl(&link.client, &["http://10.77.0.1:8443/last"]);
    let file = capture.stop_after("GET /last", "HTTP/1.1 400");
    drop((daemon, nginx));
    let mut replay = std::process::Command::new(binary());
    replay.arg("replay").args(["--metrics", "-"]).arg(&file);
    let page = finish(&mut replay, b"").stdout;
    assert_eq!(
        handshakes(&Metrics::parse(&String::from_utf8_lossy(&page))),
        expected
    );
}
