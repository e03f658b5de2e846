//! What the daemon counts is what the server counted: per consumer, method, route and status, exactly.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::time::Duration;

use observer_tests::daemon::{KEYS, STRANGER, Setup};
use observer_tests::namespace::{INTERFACE, Link};
use observer_tests::nginx::{DOWNLOAD, Nginx};
use observer_tests::process::wait_for;
use observer_tests::require::require;
use observer_tests::tally::{self, Tally};
use observer_tests::traffic::{curl, curl_with, key_field, pipeline, wrk};

const EDGE: &str = "http://10.77.0.1/v1";
const LIMIT: Duration = Duration::from_secs(10);

/// Requests of every kind that do not need load.
fn every_kind(link: &Link) {
    let client = &link.client;
    let fields: Vec<String> = KEYS.iter().map(|(key, _)| key_field(key)).collect();
    let [acme, beta, corp, delta, echo] = fields.as_slice() else {
        unreachable!("five keys");
    };
    let stranger = key_field(STRANGER);
    let url = |path: &str| format!("{EDGE}/{path}");

    // Keep-alive, several targets on one connection; with every kind of key and none.
    for (field, last) in [(acme, 40), (beta, 3), (&stranger, 7)] {
        curl(client, &["-H", field, &url(&format!("widgets/[1-{last}]"))]);
    }
    curl(client, &[&url("widgets/[1-5]")]);
    curl(client, &["-g", "-H", corp, "http://[fd77::1]/v1/widgets/6"]);
    curl(
        client,
        &["-g", "-H", corp, "http://[fd77::1]/v1/widgets/7?page=2"],
    );
    curl(client, &["-I", "-H", corp, &url("widgets/[1-4]")]);
    curl(client, &["-0", "-H", delta, &url("widgets/11")]);

    // Chunked responses, ranges, conditions.
    curl(client, &["--compressed", "-H", delta, &url("reports")]);
    curl(client, &["-r", "100-199", "-H", delta, &url("reports")]);
    curl(client, &["-r", "99999999-", "-H", delta, &url("reports")]);
    curl(client, &["-z", "2099-01-01", "-H", delta, &url("reports")]);

    // Uploads: of known length behind 100-continue, chunked, through a proxy, answered before they ended.
    let body = vec![b'x'; 10 << 20];
    let upload = |arguments: &[&str]| {
        let output = curl_with(client, arguments, &body);
        assert!(output.status.success(), "{output:?}");
    };
    upload(&[
        "-X",
        "PUT",
        "--data-binary",
        "@-",
        "-H",
        echo,
        &url("uploads/1"),
    ]);
    upload(&[
        "-T",
        "-",
        "-H",
        "Transfer-Encoding: chunked",
        "-H",
        echo,
        &url("uploads/2"),
    ]);
    upload(&[
        "-T",
        "-",
        "-H",
        "Transfer-Encoding: chunked",
        "-H",
        acme,
        &url("relayed/3"),
    ]);
    upload(&[
        "-X",
        "POST",
        "--data-binary",
        "@-",
        "-H",
        "Expect:",
        "-H",
        beta,
        &url("early"),
    ]);
    curl(client, &["-X", "DELETE", "-H", echo, &url("uploads/1")]);
    curl(client, &["-H", acme, &url("relayed/3")]);
    curl(client, &["-H", beta, &url("download")]);

    // Errors of every class.
    for (field, path) in [
        (acme, "moved"),
        (acme, "empty"),
        (beta, "secret"),
        (corp, "forbidden"),
        (corp, "conflict"),
        (delta, "nothing/here"),
        (delta, "broken"),
        (echo, "unreachable"),
        (echo, "away"),
    ] {
        curl(client, &["-H", field, &url(path)]);
    }
    curl(client, &[&url("secret")]);
    curl(client, &["-X", "POST", "-H", echo, &url("reports")]);
    curl(client, &["-X", "BREW", "-H", echo, &url("reports")]);
    curl(
        client,
        &[
            "-H",
            beta,
            &url("limited"),
            &url("limited"),
            &url("limited"),
        ],
    );
    let large = "x".repeat(4096);
    curl(
        client,
        &["-X", "PUT", "-d", &large, "-H", acme, &url("small")],
    );
}

/// Requests without waiting for answers, and one that nginx refuses.
fn pipelined(link: &Link) {
    for (batch, (key, _)) in KEYS.iter().enumerate() {
        let mut requests = String::new();
        for number in 0..100 {
            let last = if number == 99 {
                "Connection: close\r\n"
            } else {
                ""
            };
            requests += &format!(
                "GET /v1/widgets/{batch}{number:03} HTTP/1.1\r\nHost: 10.77.0.1\r\nX-API-Key: {key}\r\n{last}\r\n"
            );
        }
        let answers = pipeline(&link.client, "10.77.0.1:80", &requests);
        let answers = String::from_utf8_lossy(&answers);
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 100);
    }
    let answer = pipeline(
        &link.client,
        "10.77.0.1:80",
        "GET /v1/widgets/8 HTTP/1.1\r\n\r\n",
    );
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
}

/// A client that gives up before the server answers.
fn aborted(link: &Link, nginx: &Nginx) {
    link.server.inside(|| {
        let silent = std::net::TcpListener::bind("127.0.0.1:8081").expect("listening");
        let field = key_field(KEYS[0].0);
        for _ in 0..3 {
            let slow = [
                "--max-time",
                "0.3",
                "-H",
                &field,
                "http://10.77.0.1/v1/slow",
            ];
            assert!(!curl_with(&link.client, &slow, b"").status.success());
        }
        wait_for("nginx to notice", LIMIT, || {
            let gone = |line: &&_| observer_tests::nginx::Logged::is_unanswered(line);
            (nginx.edge().iter().filter(gone).count() == 3).then_some(())
        });
        drop(silent);
    });
}

#[test]
fn exact_counts() {
    if !require(&["ip", "nsenter", "nginx", "curl", "wrk"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);

    every_kind(&link);
    pipelined(&link);
    aborted(&link, &nginx);
    let lua = r#"
        local number = 0
        function request()
          number = number + 1
          local key = keys[number % #keys + 1]
          return wrk.format("GET", "/v1/widgets/" .. number, {["X-API-Key"] = key})
        end"#;
    let load = ["-t1", "-c16", "-d3", "http://10.77.0.1"];
    let mut load = wrk(&link.client, &setup.path("wrk.lua"), lua, &load);
    wait_for("wrk to end", Duration::from_secs(20), || {
        (!load.is_running()).then_some(())
    });

    let wanted = tally::agree(
        || tally::answered(tally::of_metrics(&daemon.metrics())),
        || tally::answered(tally::of_log(&nginx.edge())),
    );
    assert!(wanted.values().sum::<u64>() > 3_000, "wrk did its work");
    daemon.assert_complete();

    // Requests that were given up: nginx logs them with nothing sent, the daemon with no status.
    let unanswered = |tally: &Tally| -> u64 {
        let rows = tally.iter();
        rows.filter(|([_, _, route, status], _)| status == "none" && route == "__other__")
            .map(|(_, count)| count)
            .sum()
    };
    let metrics = daemon.metrics();
    assert_eq!(unanswered(&tally::of_metrics(&metrics)), 3);

    // What the edge passed on to its backend is counted apart.
    assert_eq!(
        metrics.sum("observer_http_hop_requests_total", &[]),
        // Each of the three to the silent backend, and one whose backend is not there, which is no connection.
        nginx.backend().len() as f64 + 3.0
    );
    let records = daemon.stop();
    let bytes = |path: &str, field: &str| -> Vec<u64> {
        let edge = records.iter().filter(|record| record["vantage"] == "edge");
        edge.filter(|record| record["target"] == path)
            .map(|record| record[field].as_u64().unwrap())
            .collect()
    };
    assert_eq!(bytes("/v1/download", "response_body_bytes"), [DOWNLOAD]);
    for path in ["/v1/uploads/2", "/v1/relayed/3", "/v1/early"] {
        let seen = bytes(path, "request_body_bytes");
        assert!(seen.contains(&(10 << 20)), "{path}: {seen:?}");
    }
    assert!(
        records
            .iter()
            .all(|record| record["interface"] == INTERFACE || record["interface"] == "lo")
    );
}
