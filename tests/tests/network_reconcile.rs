//! Real servers write their own logs while the daemon watches: all of it matches, and what is altered is found.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use observer_tests::daemon::{KEYS, Setup};
use observer_tests::frames::Random;
use observer_tests::logging::{APACHE, CADDY, ENVOY, HAPROXY, NGINX, Servers};
use observer_tests::namespace::{Link, Namespace};
use observer_tests::process::{finish, wait_for};
use observer_tests::require::require;
use observer_tests::traffic::Connection;
use serde_json::Value;

/// Requests to each server.
const EACH: u64 = 34_000;
/// Connections to each.
const CONNECTIONS: u64 = 4;
/// Downloads that the client gives up.
const GIVEN_UP: usize = 20;

/// Asks for items, all of them different but for a few.
fn ask(namespace: &Namespace, port: u16) {
    thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            scope.spawn(move || {
                let mut connection = Connection::open(namespace, &format!("10.77.0.1:{port}"));
                let mut random = Random(u64::from(port) * CONNECTIONS + number);
                for (_, (key, _)) in (0..EACH / CONNECTIONS).zip(KEYS.iter().cycle()) {
                    let target = format!("/v1/items/{}", 10 + random.below(30_000));
                    connection.get(&target, key);
                }
            });
        }
    });
}

/// Begins downloads and resets the connection.
fn give_up(namespace: &Namespace) {
    for _ in 0..GIVEN_UP {
        namespace.inside(|| {
            let mut stream = TcpStream::connect(("10.77.0.1", NGINX)).expect("connecting");
            stream
                .write_all(b"GET /big HTTP/1.1\r\nHost: api.example\r\n\r\n")
                .expect("sending");
            let mut some = [0; 4096];
            stream.read_exact(&mut some).expect("reading");
        });
    }
}

/// The answer of `observer reconcile`, and its exit code.
fn reconcile(setup: &Setup, log: &Path, format: &str, more: &[&str]) -> (Value, Option<i32>) {
    let log = log.display().to_string();
    let records = setup.path("records").display().to_string();
    let mut words = vec![
        "reconcile",
        "--log",
        &log,
        "--log-format",
        format,
        "--records",
        &records,
        "--format",
        "json",
    ];
    words.extend(more);
    let output = finish(&mut setup.command(&words), b"");
    let answer = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{format}: {error}: {output:?}"));
    (answer, output.status.code())
}

/// Counts that are not zero, by class.
fn counts(answer: &Value) -> BTreeMap<String, u64> {
    let rows = answer["rows"].as_array().expect("rows");
    rows.iter()
        .map(|row| {
            let class = row["class"].as_str().expect("a class").to_owned();
            (class, row["count"].as_u64().expect("a count"))
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// Numbers of the lines that are told of, by class.
fn lines(answer: &Value) -> BTreeMap<String, Vec<u64>> {
    let mut lines: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for row in answer["rows"].as_array().expect("rows") {
        let class = row["class"].as_str().expect("a class").to_owned();
        let line = row["line"].as_str().expect("a line");
        lines.entry(class).or_default().extend(line.parse::<u64>());
    }
    for numbers in lines.values_mut() {
        numbers.sort_unstable();
    }
    lines
}

/// A copy of a log with known lines deleted, doubled and altered. Returns what has to be found of it: by class, the lines of
/// the copy; of those deleted, how many.
fn altered(log: &Path, copy: &Path) -> (BTreeMap<&'static str, Vec<u64>>, u64) {
    let text = fs::read_to_string(log).expect("reading the log");
    // Of a path that is asked for several times, nobody can tell which line was altered.
    let path = |line: &str| {
        let rest = line.split_once("/v1/items/")?.1;
        let digits = rest.chars().take_while(char::is_ascii_digit);
        Some(digits.collect::<String>())
    };
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for path in text.lines().filter_map(path) {
        *times.entry(path).or_default() += 1;
    }
    let mut found: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let (mut deleted, mut written) = (0, String::new());
    let mut number = 0;
    let mut put = |line: &str| {
        written.push_str(line);
        written.push('\n');
        number += 1;
        number
    };
    for (at, line) in text.lines().enumerate() {
        let is_item = path(line).is_some_and(|path| times.get(&path) == Some(&1));
        match at % 1_000 {
            100 | 101 if is_item => deleted += 1,
            200 if is_item => {
                put(line);
                found.entry("duplicate_in_log").or_default().push(put(line));
            }
            300 if is_item => {
                let told = [200, 403, 404, 409, 503].map(|status| {
                    let forms = [(" ", " "), ("\"", "\""), (":", ","), (":", "}")];
                    forms.map(|(before, after)| format!("{before}{status}{after}"))
                });
                let status = told
                    .iter()
                    .flatten()
                    .find(|told| line.contains(told.as_str()));
                let status = status.expect("a status").as_str();
                let other = status.replace(['2', '4', '5'], "3");
                found
                    .entry("status_mismatch")
                    .or_default()
                    .push(put(&line.replacen(status, &other, 1)));
            }
            400 if is_item => {
                // It asks for what nobody asked for, and what was asked for has no line.
                found
                    .entry("log_only")
                    .or_default()
                    .push(put(&line.replacen("/v1/items/", "/v1/forged/", 1)));
                deleted += 1;
            }
            500 => {
                put("no line of any log");
                put(line);
            }
            _ => drop(put(line)),
        }
    }
    fs::write(copy, written).expect("writing the copy");
    (found, deleted)
}

#[test]
fn logs_of_real_servers_match_and_what_is_altered_is_found() {
    if !require(&[
        "ip", "nsenter", "nginx", "haproxy", "apache2", "caddy", "envoy",
    ]) {
        return;
    }
    let link = Link::new();
    let servers = Servers::start(&link.server);
    let setup = Setup::new("ring_bytes = \"256MiB\"", "");
    let daemon = setup.start(&link.server);
    let client = &link.client;
    thread::scope(|scope| {
        for port in [NGINX, HAPROXY, APACHE, CADDY, ENVOY] {
            scope.spawn(move || ask(client, port));
        }
        scope.spawn(|| give_up(client));
    });
    // Who is told last knows of all.
    let all = (5 * EACH + GIVEN_UP as u64) as f64;
    wait_for("every exchange", Duration::from_secs(20), || {
        let counted = daemon.metrics().sum("observer_http_requests_total", &[]);
        (counted >= all).then_some(())
    });
    daemon.assert_complete();
    let log = servers.log("nginx.log");
    // Five servers get requests for the same paths: which of them wrote a log is said.
    let published = ["--publish", "edge", "--server", "8010"];
    wait_for("records to be written", Duration::from_secs(10), || {
        let (_, code) = reconcile(&setup, &log, "nginx-combined", &published);
        (code == Some(0)).then_some(())
    });
    let shown = |class: &str| {
        let labels = [("source", "edge"), ("class", class)];
        daemon
            .metrics()
            .sum("observer_reconciliation_requests", &labels)
    };
    let matched = (EACH + GIVEN_UP as u64) as f64;
    assert_eq!(["matched", "wire_only"].map(shown), [matched, 0.0]);
    daemon.stop();
    let logs = [
        (
            "nginx.log",
            "nginx-combined",
            EACH + GIVEN_UP as u64,
            "8010",
        ),
        ("object.log", "nginx-json", EACH + GIVEN_UP as u64, "8010"),
        ("haproxy.log", "haproxy", EACH, "8011"),
        ("apache.log", "apache-combined", EACH, "8013"),
        ("caddy.log", "caddy", EACH, "8014"),
        ("envoy.log", "envoy", EACH, "8015"),
    ];
    for (name, format, count, port) in logs {
        let log = servers.log(name);
        let (answer, code) = reconcile(&setup, &log, format, &["--server", port]);
        let expected = BTreeMap::from([("matched".to_owned(), count)]);
        assert_eq!(counts(&answer), expected, "{name}: {answer:#}");
        assert_eq!(code, Some(0), "{name}");

        let copy = setup.path(name);
        let (found, deleted) = altered(&log, &copy);
        let (answer, code) = reconcile(&setup, &copy, format, &["--list", "--server", port]);
        assert_eq!(code, Some(1), "{name}");
        let mut told = lines(&answer);
        assert_eq!(told.remove("wire_only"), Some(Vec::new()), "{name}");
        let found: BTreeMap<String, Vec<u64>> = found
            .into_iter()
            .map(|(class, lines)| (class.to_owned(), lines))
            .collect();
        assert_eq!(told, found, "{name}");
        let (answer, _) = reconcile(&setup, &copy, format, &["--server", port]);
        assert_eq!(counts(&answer)["wire_only"], deleted, "{name}");
        let notes = answer["notes"].to_string();
        assert!(notes.contains("cannot be read: 34"), "{name}: {notes}");
    }
}
