//! What a handshake shows in the clear: versions and weak cipher suites of a real server, live and from a capture.

use std::collections::BTreeMap;
use std::time::Duration;

use observer_tests::capture::Capture;
use observer_tests::daemon::Setup;
use observer_tests::metrics::{Metrics, Sample};
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

/// What handshakes show: servers that were asked for, protocols that were chosen by version, and what clients are of each.
fn shown(metrics: &Metrics) -> [Vec<(String, u64)>; 3] {
    let sums = |family: &str, name: &dyn Fn(&Sample) -> String| {
        let mut sums = BTreeMap::new();
        for sample in metrics.family(family) {
            *sums.entry(name(sample)).or_default() += sample.value as u64;
        }
        sums.into_iter().collect()
    };
    [
        sums("observer_tls_server_names_total", &|sample| {
            sample.label("server_name").to_owned()
        }),
        sums("observer_tls_agreements_total", &|sample| {
            format!("{} {}", sample.label("version"), sample.label("alpn"))
        }),
        sums("observer_tls_clients_total", &|sample| {
            // How many ciphers and extensions there are is up to the client's library.
            let ja4 = sample.label("ja4");
            format!("{}..{}", &ja4[..4], &ja4[8..10])
        }),
    ]
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
    let ask_for = |host: &str, port: u16, arguments: &[&str]| {
        let mut curl = link.client.command("curl");
        curl.args(["-sk", "-o", "/dev/null"])
            .args(["--resolve", "api.example:8443:10.77.0.1"])
            .args(arguments)
            .arg(format!("https://{host}:{port}/"));
        curl.status().expect("running curl").success()
    };
    let ask = |port, arguments: &[&str]| ask_for("10.77.0.1", port, arguments);
    for _ in 0..5 {
        assert!(ask_for("api.example", 8443, &[]));
    }
    for _ in 0..3 {
        assert!(ask(8443, &["--tls-max", "1.2", "--no-alpn"]));
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
        let labels = [("port", port), ("process", "nginx"), ("reason", "tls")];
        daemon
            .metrics()
            .sum("observer_opaque_connections_total", &labels)
    };
    wait_for("the name of who listens", LIMIT, || {
        (["8443", "8444", "8445"].map(opaque) == [9.0, 2.0, 1.0]).then_some(())
    });
    let shown = shown(&daemon.metrics());

    let counted = |counts: &[(&str, u64)]| -> Vec<(String, u64)> {
        let owned = counts.iter();
        owned
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    };
    let [names, agreed, clients] = &shown;
    assert_eq!(*names, counted(&[("api.example", 5), ("none", 7)]));
    // Since TLS 1.3 the choice is encrypted.
    let choices = [("1.0 http/1.1", 2), ("1.2 none", 3), ("1.3 __unknown__", 6)];
    assert_eq!(*agreed, counted(&choices));
    let kinds = [
        ("t10i..h2", 2),
        ("t11i..h2", 1),
        ("t12i..00", 3),
        ("t13d..h2", 5),
        ("t13i..h2", 1),
    ];
    assert_eq!(*clients, counted(&kinds));

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
    let metrics = Metrics::parse(&String::from_utf8_lossy(&page));
    assert_eq!(handshakes(&metrics), expected);
    assert_eq!(self::shown(&metrics), shown, "a capture shows the same");
}
