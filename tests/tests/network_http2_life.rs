//! HTTP/2 on connections that were there before the daemon, and over kills of it: what it is sure of is right, and nothing is told
//! twice.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use observer_tests::daemon::{Daemon, KEYS, STRANGER, Setup};
use observer_tests::http2::{
    BEHIND, HAPROXY_TLS, Kind, NGINX, NGINX_TLS, NODE, NODE_TLS, Server, Visitor, h2load,
};
use observer_tests::https::servers_only;
use observer_tests::namespace::Link;
use observer_tests::nginx::Logged;
use observer_tests::process::{Process, wait_for};
use observer_tests::require::require;
use observer_tests::tally;
use serde_json::Value;

/// Requests with a field that is another each time, until tables of connections have no other.
const FORGETFUL: u64 = 200;
/// Hundreds of the numbers that are asked for after that.
const LATER: u64 = 30;
/// Requests of a client that is at work all the time, and how many it makes in a second.
const STEADY: u64 = 10_000;
const RATE: u64 = 2_000;
/// And how many at once, at most.
const AT_ONCE: u64 = 100;
/// The client that keeps no table: it says every field each time.
const TABLELESS: u64 = 1;
/// Requests that a daemon counts before it is killed, at least.
const PAUSE: f64 = 500.0;
const LIMIT: Duration = Duration::from_secs(20);

/// What a server says of each target, all of which are asked for once.
fn by_target(log: Vec<Logged>) -> BTreeMap<String, Logged> {
    log.into_iter()
        .map(|line| (line.uri.clone(), line))
        .collect()
}

/// The records of a port.
fn of_port(records: &[Value], port: u16) -> Vec<&Value> {
    let places = ["10.77.0.1", "127.0.0.1"].map(|host| format!("{host}:{port}"));
    records
        .iter()
        .filter(|record| {
            places
                .iter()
                .any(|place| record["server"] == place.as_str())
        })
        .collect()
}

/// Fails unless a record that is complete is what the server says, and one that is not says why. Returns whether it is complete.
fn is_right(record: &Value, log: &BTreeMap<String, Logged>) -> bool {
    assert_eq!(record["protocol"], "HTTP/2", "{record:#}");
    let logged = record["target"].as_str().map(|target| &log[target]);
    if record["complete"] == true {
        let logged = logged.expect("a target");
        assert_eq!(
            record["consumer"],
            tally::consumer(&logged.key),
            "{record:#}"
        );
        assert_eq!(
            record["status"].as_u64(),
            logged.status.map(u64::from),
            "{record:#}"
        );
        return true;
    }
    let reason = record["reason"].as_str().expect("a reason");
    let known = ["header_table", "joined_in_the_middle"];
    assert!(known.contains(&reason), "{record:#}");
    let right = logged.map(|logged| tally::consumer(&logged.key));
    let whose = record["consumer"].as_str();
    assert!(whose == Some("__unknown__") || whose == right, "{record:#}");
    // An answer alone is nobody's.
    if let Some(logged) = logged.filter(|_| !record["status"].is_null()) {
        let status = logged.status.map(u64::from);
        assert_eq!(record["status"].as_u64(), status, "{record:#}");
    }
    false
}

#[test]
fn connections_from_before_the_daemon_are_joined() {
    if !require(&["ip", "nsenter", "nginx", "node", "openssl"]) {
        return;
    }
    let link = Link::new();
    let mut servers = [(Kind::Nginx, NGINX), (Kind::Node, NODE)].map(|(kind, port)| {
        let server = Server::start(&link.server, kind);
        let base = format!("http://10.77.0.1:{port}");
        (Visitor::start(&link.client, &base, 4), server, port)
    });
    for (visitor, ..) in &mut servers {
        ask_all(visitor, 0, &[KEYS[0].0, KEYS[1].0]);
    }
    let setup = Setup::new("ring_bytes = \"256MiB\"\ncpu_limit = 2.0", &servers_only());
    let daemon = setup.start(&link.server);
    let keys: Vec<&str> = KEYS
        .iter()
        .map(|(key, _)| *key)
        .chain([STRANGER, ""])
        .collect();
    for (visitor, ..) in &mut servers {
        // With fields that both ends know and the daemon does not; then those are forgotten.
        ask_all(visitor, 10, &keys);
        visitor.ask("", "/v1/things/", 2_000..2_000 + FORGETFUL, true);
        ask_all(visitor, LATER, &keys);
    }
    let each = 2 * 100 * keys.len() as u64 + FORGETFUL;
    wait_for("every exchange", LIMIT, || {
        let seen = daemon.metrics().sum("observer_http_requests_total", &[]);
        (seen == 2.0 * each as f64).then_some(())
    });
    let records = daemon.stop();
    for (_, server, port) in &servers {
        let log = by_target(server.log(*port));
        let records = of_port(&records, *port);
        assert_eq!(records.len() as u64, each);
        let (complete, uncertain): (Vec<&Value>, Vec<&Value>) =
            records.iter().partition(|record| is_right(record, &log));
        assert!(!uncertain.is_empty(), "port {port}");
        let later = complete
            .iter()
            .filter(|record| number(record) >= LATER * 100);
        assert_eq!(later.count(), 100 * keys.len(), "port {port}");
    }
}

/// Asks with every key for things and for what is secret, of numbers that begin at hundreds.
fn ask_all(visitor: &mut Visitor, hundreds: u64, keys: &[&str]) {
    for (number, key) in (hundreds..).zip(keys) {
        let first = number * 100;
        visitor.ask(key, "/v1/things/", first..first + 80, false);
        visitor.ask(key, "/v1/secret/", first + 80..first + 100, false);
    }
}

/// The number at the end of a record's target.
fn number(record: &Value) -> u64 {
    let target = record["target"].as_str().unwrap_or_default();
    let number = target.rsplit('/').next();
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Asks for things of these numbers, once each, on one connection, so many a second; the numbers say whose key it is.
fn ask_steadily(link: &Link, setup: &Setup, (port, scheme): (u16, &str), key: usize) -> Process {
    let first = key as u64 * STEADY;
    let targets: Vec<String> = (first..first + STEADY)
        .map(|number| format!("{scheme}://10.77.0.1:{port}/v1/things/{number}"))
        .collect();
    let file = setup.path(&format!("targets-{port}-{key}"));
    fs::write(&file, targets.join("\n")).expect("writing a file");
    let file = file.display().to_string();
    let [count, rate, most] = [STEADY, RATE, AT_ONCE].map(|number| number.to_string());
    let how = [
        "-n", &count, "-c", "1", "-m", &most, "--rps", &rate, "-i", &file,
    ];
    let mut client = h2load(&link.client, KEYS[key].0, &how);
    if key as u64 == TABLELESS {
        client.arg("--encoder-header-table-size=0");
    }
    Process::start(&mut client)
}

#[test]
fn connections_in_the_midst_of_their_work_are_joined() {
    if !require(&[
        "ip", "nsenter", "nginx", "node", "haproxy", "h2load", "openssl",
    ]) {
        return;
    }
    let link = Link::new();
    let [nginx, node, _haproxy] =
        [Kind::Nginx, Kind::Node, Kind::Haproxy].map(|kind| Server::start(&link.server, kind));
    let servers = [(&nginx, NGINX), (&node, NODE), (&nginx, BEHIND)];
    let setup = Setup::new("ring_bytes = \"256MiB\"\ncpu_limit = 2.0", &servers_only());
    let asked = [
        (NGINX, "http"),
        (NODE, "http"),
        // What is inside cannot be known; what HAProxy asks behind it, without tables, can.
        (HAPROXY_TLS, "https"),
    ];
    let mut clients: Vec<Process> = asked
        .iter()
        .flat_map(|place| [(place, 0), (place, 1)])
        .map(|(place, key)| ask_steadily(&link, &setup, *place, key))
        .collect();
    let answered = || {
        servers
            .iter()
            .map(|(server, port)| server.log(*port).len())
            .min()
    };
    wait_for("answers", LIMIT, || (answered() > Some(500)).then_some(()));
    let daemon = setup.start(&link.server);
    wait_for("the end", LIMIT, || {
        clients
            .iter_mut()
            .all(|client| !client.is_running())
            .then_some(())
    });
    let records = daemon.stop();
    for (server, port) in &servers {
        let log = by_target(server.log(*port));
        assert_eq!(log.len() as u64, 2 * STEADY);
        let records = of_port(&records, *port);
        let (complete, uncertain): (Vec<&Value>, Vec<&Value>) =
            records.iter().partition(|record| is_right(record, &log));
        // Who has no table is understood at once; only answers may have come before they were looked at.
        let answered = uncertain.iter().filter(|record| record["status"].is_u64());
        let mut keys = answered.map(|record| number(record) / STEADY);
        assert!(!complete.is_empty(), "port {port}");
        assert!(keys.all(|key| key != TABLELESS), "port {port}");
        for first in [0, STEADY] {
            let of_client = |record: &&&Value| {
                record["target"].is_string() && (first..first + STEADY).contains(&number(record))
            };
            let records: Vec<&Value> = records.iter().filter(of_client).copied().collect();
            // Behind a proxy there are several connections, which are joined one after the other.
            let apart = if *port == BEHIND { AT_ONCE } else { 0 };
            assert_tail(&records, first + STEADY, apart);
        }
        // Answers to what was asked before.
        let is_alone = |record: &&&Value| record["target"].is_null();
        let alone: Vec<&Value> = records.iter().filter(is_alone).copied().collect();
        assert!(alone.len() as u64 <= 2 * AT_ONCE, "{}", alone.len());
        let joined = |record: &&Value| record["reason"] == "joined_in_the_middle";
        assert!(alone.iter().all(joined), "port {port}");
    }
}

/// Fails unless every request is there once from the first that is there on, or `apart` later, up to `end`, and, once one has an
/// answer, all of which the client asks after it have.
fn assert_tail(records: &[&Value], end: u64, apart: u64) {
    let mut numbers: Vec<u64> = records.iter().map(|record| number(record)).collect();
    numbers.sort_unstable();
    let first = numbers.first().copied().expect("a record");
    assert!(end - first > STEADY / 2, "joined at {first} of {end}");
    let steady = numbers
        .iter()
        .copied()
        .filter(|number| *number >= first + apart);
    assert!(steady.eq(first + apart..end), "from {first} on");
    let answered = |record: &&&Value| record["status"].is_u64();
    let answered = records.iter().filter(answered).map(|record| number(record));
    // Of what was asked at the same time, some may have been answered before.
    let since = answered.min().expect("an answer") + AT_ONCE;
    let unanswered = |record: &&&Value| record["status"].is_null() && number(record) >= since;
    assert_eq!(records.iter().find(unanswered), None, "since {since}");
}

#[test]
fn a_daemon_that_is_killed_tells_nothing_twice() {
    if !require(&["ip", "nsenter", "nginx", "node", "h2load", "openssl"]) {
        return;
    }
    let link = Link::new();
    let setup = Setup::new("ring_bytes = \"256MiB\"\ncpu_limit = 2.0", &servers_only());
    let [nginx, node] = [Kind::Nginx, Kind::Node].map(|kind| Server::start(&link.server, kind));
    let servers = [
        (&nginx, NGINX, "http"),
        (&nginx, NGINX_TLS, "https"),
        (&node, NODE_TLS, "https"),
    ];
    let mut daemon = setup.start(&link.server);
    let mut clients: Vec<Process> = servers
        .iter()
        .flat_map(|(_, port, scheme)| [((*port, *scheme), 0), ((*port, *scheme), 1)])
        .map(|(place, key)| ask_steadily(&link, &setup, place, key))
        .collect();
    let seen = |daemon: &Daemon<'_>| daemon.metrics().sum("observer_http_requests_total", &[]);
    let mut kills = 0;
    while clients.iter_mut().any(Process::is_running) {
        // In the midst of it, each time.
        wait_for("some requests", LIMIT, || {
            let over = clients.iter_mut().all(|client| !client.is_running());
            (over || seen(&daemon) >= PAUSE).then_some(())
        });
        daemon.process.kill();
        daemon = setup.start(&link.server);
        kills += 1;
    }
    assert!(kills > 2, "{kills}");
    let all = 2 * STEADY * servers.len() as u64;
    wait_for("every exchange", LIMIT, || {
        let usage = setup.usage("consumer");
        let rows = usage["rows"].as_array()?;
        let counted = rows.iter().filter_map(|row| row["requests"].as_u64());
        (counted.sum::<u64>() == all).then_some(())
    });
    let opaque = daemon
        .metrics()
        .sum("observer_opaque_connections_total", &[]);
    assert_eq!(opaque, 0.0);
    let records = daemon.stop();
    for (server, port, _) in &servers {
        let log = by_target(server.log(*port));
        let records = of_port(&records, *port);
        assert_eq!(records.len() as u64, 2 * STEADY);
        assert!(records.iter().all(|record| is_right(record, &log)));
        let targets: BTreeSet<u64> = records.iter().map(|record| number(record)).collect();
        assert!(targets.into_iter().eq(0..2 * STEADY), "port {port}");
    }
}
