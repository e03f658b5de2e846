//! Calls of gRPC are what its own server says they were: whose, which, how they ended, and the messages each way.

use std::collections::BTreeMap;
use std::time::Duration;

use observer_tests::daemon::{KEYS, Setup};
use observer_tests::grpc::{Call, HAPROXY, LEFT, NGINX, OWN_TLS, PLAIN, Server};
use observer_tests::namespace::Link;
use observer_tests::process::wait_for;
use observer_tests::require::require_with_modules;
use serde_json::Value;

/// Ports that can be read, and how.
const EDGES: [(u16, &str); 3] = [(PLAIN, "plaintext"), (NGINX, "tls"), (HAPROXY, "tls")];

/// Calls by consumer and route.
type Counts = BTreeMap<(String, String), u64>;

/// What a record says of a call.
fn call(record: &Value) -> Call {
    let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let rpc = &record["grpc"];
    assert!(rpc.is_object(), "{record:#}");
    let (route, asked) = (text("route"), rpc["request_messages"].as_u64());
    Call {
        consumer: text("consumer"),
        // A method that is not there may be refused before a message was sent to it.
        asked: asked.filter(|asked| route != "__other__" || *asked > 1),
        route,
        code: rpc["status"].as_u64(),
        said: rpc["response_messages"].as_u64(),
    }
}

/// How a call ended, by its code and whether there was a key with it.
fn outcome(code: Option<u64>, keyed: bool) -> &'static str {
    match code {
        Some(0) => "ok",
        Some(7) if !keyed => "forbidden",
        Some(16) if !keyed => "auth_missing",
        None | Some(1) => "client_abort",
        Some(5) => "not_found",
        Some(7 | 16) => "auth_rejected",
        Some(8) => "rate_limited",
        Some(3 | 6 | 9 | 10 | 11) => "client_error",
        Some(_) => "server_error",
    }
}

/// How often there was a call.
fn tally(calls: impl Iterator<Item = Call>) -> BTreeMap<Call, u64> {
    let mut tally = BTreeMap::new();
    for call in calls {
        *tally.entry(call).or_default() += 1;
    }
    tally
}

/// The calls of a server at these ports, by consumer and route.
fn counted(server: &Server) -> Counts {
    let mut counts = Counts::new();
    for call in EDGES.iter().flat_map(|(port, _)| server.calls(*port)) {
        *counts.entry((call.consumer, call.route)).or_default() += 1;
    }
    counts
}

#[test]
fn calls_are_what_their_server_says() {
    if !require_with_modules(&["ip", "nsenter", "nginx", "haproxy", "openssl"], &["grpc"]) {
        return;
    }
    let link = Link::new();
    let setup = Setup::new("ring_bytes = \"256MiB\"\ncpu_limit = 2.0", "");
    let daemon = setup.start(&link.server);
    let server = Server::start(&link.server);
    for port in [PLAIN, NGINX, HAPROXY, OWN_TLS] {
        server.ask(&link.client, port);
    }
    wait_for("every call", Duration::from_secs(20), || {
        let mut seen = Counts::new();
        let metrics = daemon.metrics();
        let family = metrics.family("observer_http_requests_total");
        for sample in family.filter(|sample| sample.label("status") != "none") {
            let [consumer, route] = ["consumer", "route"].map(|name| sample.label(name).to_owned());
            *seen.entry((consumer, route)).or_default() += sample.value as u64;
        }
        let behind = [NGINX, HAPROXY].map(|port| server.calls(port).len());
        let hops = metrics.sum("observer_http_hop_requests_total", &[]);
        let all_hops = hops == behind.iter().sum::<usize>() as f64;
        let counted = counted(&server);
        // Shown where it is waited in vain.
        let differs = |(name, count): &(&_, &u64)| counted.get(*name) != Some(*count);
        let differ: Vec<_> = seen.iter().filter(differs).collect();
        println!("{hops} hops of {behind:?}, and not as the servers say: {differ:?}");
        (all_hops && seen == counted).then_some(())
    });
    daemon.assert_complete();
    // What the server encrypts itself is known to be there, and no more is said.
    let metrics = daemon.metrics();
    let opaque = metrics.family("observer_opaque_connections_total");
    let opaque = opaque.filter(|sample| sample.value > 0.0);
    let ports: Vec<&str> = opaque.map(|sample| sample.label("port")).collect();
    assert_eq!(ports, [OWN_TLS.to_string()]);

    let records = daemon.stop();
    let at = |port: u16, vantage: &str| {
        let server = format!("10.77.0.1:{port}");
        let local = format!("127.0.0.1:{port}");
        let is_there = move |record: &&Value| {
            let place = record["server"].as_str().expect("a server");
            record["vantage"] == vantage && (place == server || place == local)
        };
        records.iter().filter(is_there).collect::<Vec<&Value>>()
    };
    let mut read = 0;
    for (port, visibility) in EDGES {
        let (records, refused): (Vec<&Value>, Vec<&Value>) = at(port, "edge")
            .into_iter()
            .partition(|record| record["status"].is_u64());
        assert_sound(&records, visibility);
        assert_same(port, &records, server.calls(port));
        // What came after nginx had said goodbye is what it did not look at.
        assert!(refused.is_empty() || port == NGINX, "port {port}");
        // The client, which may have asked before it heard that, gives it up with the same reason.
        for record in &refused {
            let ends = ["no_response", "client_abort"];
            let ended = ends.iter().any(|end| record["outcome"] == *end);
            assert!(ended && record["reason"] == "no_error", "{record:#}");
        }
        read += records.len() + refused.len();
    }
    // Between the proxies and the server.
    let hops = at(PLAIN, "hop");
    assert_eq!(records.len(), read + hops.len());
    let (left, hops): (Vec<&Value>, Vec<&Value>) =
        hops.iter().partition(|record| record["route"] == LEFT);
    assert_sound(&hops, "plaintext");
    let mut behind = [NGINX, HAPROXY].map(|port| server.calls(port)).concat();
    behind.retain(|call| call.route != LEFT);
    assert_same(PLAIN, &hops, behind);
    // A proxy whose client has left may ask for the end, or end its connection.
    assert_eq!(left.len(), 2 * 2 * (KEYS.len() + 2));
}

/// Fails unless each record says what all of them are to say.
fn assert_sound(records: &[&Value], visibility: &str) {
    for record in records {
        assert_eq!(record["protocol"], "HTTP/2", "{record:#}");
        assert_eq!(record["visibility"], visibility, "{record:#}");
        assert_eq!(record["complete"], true, "{record:#}");
        let code = record["grpc"]["status"].as_u64();
        let keyed = record["credential"].is_object();
        assert_eq!(record["outcome"], outcome(code, keyed), "{record:#}");
    }
}

/// Fails unless records and calls are the same, as often.
fn assert_same(port: u16, records: &[&Value], calls: Vec<Call>) {
    let seen = tally(records.iter().copied().map(call));
    let logged = tally(calls.into_iter());
    let differ = |(call, count): &(&Call, &u64)| logged.get(call) != Some(count);
    let wrong: Vec<_> = seen.iter().filter(differ).collect();
    assert!(wrong.is_empty(), "port {port}, seen: {wrong:#?}");
    assert_eq!(seen.len(), logged.len(), "port {port}");
}
