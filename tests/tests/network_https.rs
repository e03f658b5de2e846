//! TLS is read without touching a request: every server counts what the daemon counts, key by key, from its first request on.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use observer_tests::daemon::{KEYS, STRANGER, Setup};
use observer_tests::https::{Kind, Server, at_most_1_2, python_client, servers_only};
use observer_tests::metrics::Sample;
use observer_tests::namespace::Link;
use observer_tests::process::{run, wait_for};
use observer_tests::require::require;
use observer_tests::traffic::{curl, key_field};
use serde_json::Value;

/// Requests on a connection of curl and of Python.
const EACH: usize = 20;

/// The versions, as curl and as Python say them.
const VERSIONS: [(&[&str], &str); 2] = [
    (&["--tls-max", "1.2"], "TLSv1_2"),
    (&["--tlsv1.3"], "TLSv1_3"),
];

/// Requests by the consumer of their key.
fn expected(server: &Server) -> BTreeMap<String, u64> {
    let consumer = |key: &str| {
        let known = KEYS.iter().find(|(known, _)| *known == key);
        known.map_or("__unregistered__", |(_, consumer)| consumer)
    };
    let mut expected = BTreeMap::new();
    for (key, count) in server.counts() {
        *expected.entry(consumer(&key).to_owned()).or_default() += count;
    }
    expected
}

/// Asks a server in every way, with every key.
fn ask(link: &Link, setup: &Setup, kind: Kind) {
    let port = kind.port();
    for (curl_version, python_version) in VERSIONS {
        for key in KEYS.iter().map(|(key, _)| *key).chain([STRANGER]) {
            let field = key_field(key);
            let urls = format!("https://10.77.0.1:{port}/v1/things/[1-{EACH}]");
            let arguments = ["-k", "--http1.1", "-H", &field, &urls];
            curl(&link.client, &[curl_version, &arguments[..]].concat());
            let how = (EACH, python_version);
            run(&mut python_client(
                &link.client,
                &setup.path(""),
                port,
                key,
                how,
            ));
        }
    }
    let field = key_field(KEYS[0].0);
    let url = format!("https://10.77.0.1:{port}/v1/things/1");
    for only_1_2 in [false, true] {
        let mut load = link.client.command("wrk");
        load.args(["-t", "2", "-c", "8", "-d", "1s", "-H", &field, &url]);
        if only_1_2 {
            load.env("OPENSSL_CONF", at_most_1_2(&setup.path("")));
        }
        run(&mut load);
    }
}

/// Requests that were answered, by server and consumer, and whether something of one was not read.
fn read(records: &[Value]) -> (BTreeMap<u64, BTreeMap<String, u64>>, Vec<&Value>) {
    let mut counts: BTreeMap<u64, BTreeMap<String, u64>> = BTreeMap::new();
    let mut unread = Vec::new();
    for record in records {
        // What a client offers, and that a version follows from it, is in the clear whatever the server is.
        let terms = &record["tls"];
        let ja4 = terms["ja4"].as_str().unwrap_or_default();
        let version = ["1.2", "1.3"]
            .iter()
            .any(|known| terms["version"] == *known);
        let told = version && ja4.len() == 36 && terms["cipher"].is_string();
        if record["visibility"] != "tls" || record["complete"] != true || !told {
            unread.push(record);
        }
        // What the client gave up before the server read it has no answer, and no line in the server's log.
        if record["status"] == 200 {
            let server = record["server"].as_str().expect("a server");
            let port = server.rsplit(':').next().and_then(|port| port.parse().ok());
            let consumer = record["consumer"].as_str().expect("a consumer").to_owned();
            let of_port = counts.entry(port.expect("a port")).or_default();
            *of_port.entry(consumer).or_default() += 1;
        }
    }
    (counts, unread)
}

/// Whether a sample tells of connections that were not read.
fn is_opaque(sample: &Sample) -> bool {
    sample.name == "observer_opaque_connections_total" && sample.value > 0.0
}

#[test]
fn every_server_counts_what_the_daemon_counts() {
    if !require(&[
        "ip", "nsenter", "nginx", "apache2", "haproxy", "node", "python3", "go", "curl", "wrk",
        "openssl",
    ]) {
        return;
    }
    let link = Link::new();
    let setup = Setup::new("ring_bytes = \"256MiB\"\ncpu_limit = 2.0", &servers_only());
    let daemon = setup.start(&link.server);
    let servers = Kind::ALL.map(|kind| {
        let server = Server::start(&link.server, kind);
        if kind == Kind::Go {
            // Nobody ran this program before; it serves sooner than a probe stands in it.
            wait_for("a probe", Duration::from_secs(5), || {
                daemon.log().contains("(Go, found in").then_some(())
            });
        }
        ask(&link, &setup, kind);
        server
    });
    let counted = || -> BTreeMap<u64, BTreeMap<String, u64>> {
        let port = |server: &Server| u64::from(server.kind().port());
        let counts = servers
            .iter()
            .map(|server| (port(server), expected(server)));
        counts.collect()
    };
    // A server may still be at what was sent last.
    wait_for("every exchange", Duration::from_secs(20), || {
        let all: u64 = counted().values().flat_map(BTreeMap::values).sum();
        let labels = [("status", "200")];
        let seen = daemon
            .metrics()
            .sum("observer_http_requests_total", &labels);
        (seen == all as f64).then_some(())
    });
    daemon.assert_complete();
    let opaque: Vec<Sample> = daemon.metrics().0.into_iter().filter(is_opaque).collect();
    let records = daemon.stop();
    let (counts, unread) = read(&records);
    assert_eq!(counts, counted());
    assert!(
        unread.is_empty(),
        "{} of {}: {:#?}",
        unread.len(),
        records.len(),
        unread.first()
    );
    assert!(opaque.is_empty(), "{opaque:?}");
}
