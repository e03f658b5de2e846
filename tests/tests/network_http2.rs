//! HTTP/2 is counted as every server counts it: per consumer, method, route and status, in the clear and over TLS.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use observer_tests::daemon::{KEYS, STRANGER, Setup};
use observer_tests::http2::{
    APACHE, APACHE_TLS, BEHIND, GO_TLS, HAPROXY_TLS, Kind, NGINX, NGINX_TLS, NODE, NODE_TLS,
    Server, h2load, nghttp,
};
use observer_tests::https::servers_only;
use observer_tests::metrics::Sample;
use observer_tests::namespace::Link;
use observer_tests::process::{run, wait_for};
use observer_tests::require::require;
use observer_tests::tally::{self, Tally};
use observer_tests::traffic::{curl, curl_with, key_field};
use serde_json::Value;

/// Requests of a run of h2load; each port has one with every key of [`LOADED`].
const LOAD: u64 = 5_000;
/// Keys under load; the empty one is none.
const LOADED: [&str; 4] = [KEYS[0].0, KEYS[1].0, STRANGER, ""];
/// Bytes of a body.
const BODY: usize = 8_000;

/// Whether a port speaks TLS.
fn is_tls(port: u16) -> bool {
    [NGINX_TLS, HAPROXY_TLS, NODE_TLS, APACHE_TLS, GO_TLS].contains(&port)
}

fn url(port: u16, path: &str) -> String {
    let scheme = if is_tls(port) { "https" } else { "http" };
    format!("{scheme}://10.77.0.1:{port}/v1/{path}")
}

/// Asks with every key, by curl and, many times on one connection, by nghttp.
fn ask(link: &Link, port: u16) {
    let version = if is_tls(port) {
        "--http2"
    } else {
        "--http2-prior-knowledge"
    };
    let body = vec![b'x'; BODY];
    let thing = url(port, "things/1");
    let (secret, absent) = (url(port, "secret"), url(port, "nothing/here"));
    let several: Vec<String> = (1..=20)
        .map(|number| url(port, &format!("things/{number}")))
        .collect();
    for key in KEYS.iter().map(|(key, _)| *key).chain([STRANGER, ""]) {
        let field = key_field(key);
        let how = ["-k", version, "-H", &field];
        // A curl of Debian 12 cannot ask twice on a connection in the clear.
        for what in [&[&*thing][..], &["-I", &thing], &[&secret], &[&absent]] {
            curl(&link.client, &[&how, what].concat());
        }
        // Apache answers before it has read what a file is of no use for, and curl gives up over that.
        let reads = ![APACHE, APACHE_TLS].contains(&port);
        let uploads = [("PUT", "uploads/of/a/thing"), ("POST", "orders")];
        for (method, path) in uploads.iter().filter(|_| reads) {
            let place = url(port, path);
            let upload = ["-X", method, "--data-binary", "@-", &*place];
            let output = curl_with(&link.client, &[&how[..], &upload].concat(), &body);
            assert!(output.status.success(), "{output:?}");
        }
        let mut nghttp = nghttp(&link.client, key);
        run(nghttp.args(&several).args([&secret, &absent]));
    }
}

/// Keeps four connections busy, with a hundred requests at once on each.
fn load(link: &Link, setup: &Setup, port: u16) {
    let targets = setup.path("targets");
    let lines: Vec<String> = (1..20)
        .map(|number| url(port, &format!("things/{number}")))
        .chain([url(port, "nothing/here")])
        .collect();
    fs::write(&targets, lines.join("\n")).expect("writing a file");
    let targets = targets.display().to_string();
    let count = LOAD.to_string();
    for key in LOADED {
        let how = ["-n", &count, "-c", "4", "-m", "100", "-i", &targets];
        run(&mut h2load(&link.client, key, &how));
    }
}

/// Whether a sample tells of connections that were not read.
fn is_opaque(sample: &Sample) -> bool {
    sample.name == "observer_opaque_connections_total" && sample.value > 0.0
}

/// Tallies added up.
fn together(tallies: impl Iterator<Item = Tally>) -> Tally {
    let mut all = Tally::new();
    for (row, count) in tallies.flatten() {
        *all.entry(row).or_default() += count;
    }
    all
}

/// The records of each port.
fn by_port(records: Vec<Value>) -> BTreeMap<u16, Vec<Value>> {
    let mut ports: BTreeMap<u16, Vec<Value>> = BTreeMap::new();
    for record in records {
        let server = record["server"].as_str().expect("a server");
        let port = server.rsplit(':').next().and_then(|port| port.parse().ok());
        let of_port = ports.entry(port.expect("a port")).or_default();
        of_port.push(record);
    }
    ports
}

/// Fails unless a record says what it is to say whatever was asked for.
fn assert_sound(port: u16, record: &Value) {
    assert_eq!(record["protocol"], "HTTP/2", "{record:#}");
    assert_eq!(record["complete"], true, "{record:#}");
    let visibility = if is_tls(port) { "tls" } else { "plaintext" };
    assert_eq!(record["visibility"], visibility, "{record:#}");
    let vantage = if port == BEHIND { "hop" } else { "edge" };
    assert_eq!(record["vantage"], vantage, "{record:#}");
    if is_tls(port) {
        assert_eq!(record["tls"]["alpn"], "h2", "{record:#}");
    }
    if record["method"] == "PUT" || record["method"] == "POST" {
        assert_eq!(record["request_body_bytes"], BODY, "{record:#}");
    }
}

#[test]
fn every_server_counts_what_the_daemon_counts() {
    if !require(&[
        "ip", "nsenter", "nginx", "haproxy", "node", "apache2", "go", "curl", "h2load", "nghttp",
        "openssl",
    ]) {
        return;
    }
    let link = Link::new();
    let setup = Setup::new("ring_bytes = \"256MiB\"\ncpu_limit = 2.0", &servers_only());
    let daemon = setup.start(&link.server);
    let start = |kind| Server::start(&link.server, kind);
    let [nginx, haproxy, node] = [Kind::Nginx, Kind::Haproxy, Kind::Node].map(start);
    let [apache, go] = [Kind::Apache, Kind::Go].map(start);
    wait_for("a probe", Duration::from_secs(5), || {
        // Nobody ran this program before; it serves sooner than a probe stands in it.
        daemon.log().contains("(Go, found in").then_some(())
    });
    let edges = [
        (&nginx, NGINX),
        (&nginx, NGINX_TLS),
        (&haproxy, HAPROXY_TLS),
        (&node, NODE),
        (&node, NODE_TLS),
        (&apache, APACHE),
        (&apache, APACHE_TLS),
        (&go, GO_TLS),
    ];
    for (_, port) in edges {
        ask(&link, port);
        load(&link, &setup, port);
    }
    let wanted = tally::agree(
        || tally::of_metrics(&daemon.metrics()),
        || together(edges.iter().map(logged)),
    );
    let loaded = edges.len() as u64 * LOADED.len() as u64 * LOAD;
    assert!(wanted.values().sum::<u64>() > loaded, "{wanted:?}");
    daemon.assert_complete();
    let opaque: Vec<Sample> = daemon.metrics().0.into_iter().filter(is_opaque).collect();
    assert!(opaque.is_empty(), "{opaque:?}");

    let mut records = by_port(daemon.stop());
    for edge in edges.iter().chain([&(&nginx, BEHIND)]) {
        let port = edge.1;
        let of_port = records.remove(&port).unwrap_or_default();
        for record in &of_port {
            assert_sound(port, record);
        }
        assert_eq!(tally::of_records(&of_port), logged(edge), "port {port}");
    }
    assert!(records.is_empty(), "{:?}", records.keys());
}

/// What a server says of a port.
fn logged((server, port): &(&Server, u16)) -> Tally {
    tally::of_log(&server.log(*port))
}
