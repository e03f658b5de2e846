//! The commands that read, without a kernel: a folder of records and a ledger as a daemon leaves them, and what they print.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use observer::store::{self, Retention, Writer};
use observer::usage::batch::{Rows, Sums, WindowRow};
use observer_tests::daemon::Setup;
use observer_tests::process::{run, wait_for};
use observer_tests::require::require;
use serde_json::Value;

fn output(setup: &Setup, words: &[&str]) -> (Output, String, String) {
    let output = setup.command(words).output().expect("running observer");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    (output, said, told)
}

/// What a command prints where nothing is wrong.
fn printed(setup: &Setup, words: &[&str]) -> String {
    let (output, said, told) = output(setup, words);
    assert!(output.status.success() && told.is_empty(), "{told}");
    said
}

/// A record of an exchange that took a second and a half.
fn record(time: &str, consumer: &str, target: &str, status: u16) -> String {
    let outcome = if status == 404 { "not_found" } else { "ok" };
    let target = serde_json::to_string(target).expect("JSON");
    format!(
        r#"{{"time":"{time}","duration_us":1500000,"first_byte_us":640,"client":"192.0.2.2:40000","peer":"192.0.2.2:40000","server":"192.0.2.1:8080","interface":"eth0","vantage":"edge","visibility":"plaintext","protocol":"HTTP/1.1","method":"GET","api":"orders","host":"api.example","target":{target},"route":"/v1/widgets/{{id}}","status":{status},"outcome":"{outcome}","responsible":null,"request_head_bytes":241,"request_body_bytes":0,"response_head_bytes":160,"response_body_bytes":38,"credential":null,"consumer":"{consumer}","app":null,"key":null,"complete":true,"reason":null}}"#
    )
}

const HOSTILE: &str = "/=\"\u{1b}[31m,\u{202e}\n";

/// Four files: compressed, plain with damage, compressed and cut off, and one that is being written.
fn folder(setup: &Setup) {
    let write = |name: &str, text: &str| {
        fs::write(setup.path(&format!("records/{name}")), text).expect("writing records");
    };
    let gzip = |name: &str| {
        run(Command::new("gzip").arg(setup.path(&format!("records/{name}"))));
    };
    fs::create_dir(setup.path("records")).expect("making the folder");
    let five = record("2026-11-20T05:10:00Z", "acme", "/v1/widgets/5", 200);
    write("records-2026-11-20T05.jsonl", &format!("{five}\n"));
    gzip("records-2026-11-20T05.jsonl");
    let six = record("2026-11-20T06:10:00Z", "beta", HOSTILE, 404);
    // It ended in the hour after.
    let seven = record("2026-11-20T06:59:59Z", "acme", "/v1/widgets/7", 200);
    let (half, _) = six.split_at(100);
    write(
        "records-2026-11-20T06.jsonl",
        &format!("{six}\n{half}\nnonsense\n{{}}\n{seven}\n"),
    );
    let many: String = (0..20_000)
        .map(|number| {
            let target = format!("/v1/widgets/{}", number * 7_919);
            record("2026-11-20T07:10:00Z", "corp", &target, 200) + "\n"
        })
        .collect();
    write("records-2026-11-20T07.jsonl", &many);
    gzip("records-2026-11-20T07.jsonl");
    let compressed = setup.path("records/records-2026-11-20T07.jsonl.gz");
    let bytes = fs::read(&compressed).expect("reading");
    fs::write(&compressed, &bytes[..bytes.len() / 2]).expect("cutting it off");
    let eight = record("2026-11-20T08:10:00Z", "acme", "/v1/widgets/8", 200);
    write("records-2026-11-20T08.jsonl", &format!("{eight}\n{half}"));
    write("notes.txt", "none of ours");
}

#[test]
fn records_are_found_in_plain_compressed_and_damaged_files() {
    if !require(&["gzip"]) {
        return;
    }
    let setup = Setup::with_hourly_records("", "");
    folder(&setup);
    let range = |from, to| ["records", "--from", from, "--to", to];
    let all = range("2026-11-20", "2026-11-21");
    let ask = |range: [&'static str; 5], more: &[&'static str]| {
        let words: Vec<&str> = range.iter().chain(more).copied().collect();
        output(&setup, &words)
    };

    let (found, lines, told) = ask(all, &["--format", "json"]);
    assert!(found.status.success());
    let parsed: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a record"))
        .collect();
    let of = |consumer: &str| {
        parsed
            .iter()
            .filter(|record| record["consumer"] == consumer)
            .count()
    };
    assert_eq!((of("acme"), of("beta")), (3, 1));
    // What is before the damage is there, and in order.
    assert!((5_000..20_000).contains(&of("corp")), "{}", of("corp"));
    assert!(lines.starts_with(&record(
        "2026-11-20T05:10:00Z",
        "acme",
        "/v1/widgets/5",
        200
    )));
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(
        told.contains("records-2026-11-20T06.jsonl: 3 lines are no records, the first is line 2"),
        "{told}"
    );
    assert!(
        told.contains("records-2026-11-20T07.jsonl: cannot be read after line"),
        "{told}"
    );

    // By the end of the exchange; the file of another hour is not even opened.
    let (_, lines, told) = ask(
        range("2026-11-20T07:00:00Z", "2026-11-20T07:01:00Z"),
        &["--format", "json", "--limit", "1"],
    );
    assert!(
        lines.contains("/v1/widgets/7") && lines.lines().count() == 1,
        "{lines}"
    );
    assert!(told.contains("T06"), "{told}");
    let early = range("2026-11-20T04:00:00Z", "2026-11-20T04:30:00Z");
    assert!(
        printed(&setup, &[&early[..], &["--consumer", "beta"]].concat())
            .contains("nothing was recorded")
    );

    // What a caller wrote reaches neither the terminal nor a spreadsheet as it is.
    let (_, table, _) = ask(all, &["--status", "4xx", "--client", "192.0.2.0/24"]);
    assert!(
        table.contains("beta") && table.contains(r#"/=\"\u{1b}[31m,\u{202e}\n"#),
        "{table}"
    );
    assert_eq!(table.lines().count(), 3, "{table}");
    let (_, csv, _) = ask(all, &["--outcome", "not_found", "--format", "csv"]);
    assert!(csv.contains(r#""/=""\u{1b}[31m,\u{202e}\u{a}""#), "{csv}");
    assert!(
        csv.starts_with("time,duration_us,first_byte_us,client,"),
        "{csv}"
    );

    // A reader that goes away is no failure.
    let mut child = setup
        .command(&[&all[..], &["--format", "json"]].concat())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("starting");
    drop(child.stdout.take());
    assert!(child.wait().expect("waiting").success());

    fs::remove_dir_all(setup.path("records")).expect("removing");
    let (gone, _, told) = ask(all, &[]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(
        told.starts_with("observer: ") && told.contains("made by `observer run`"),
        "{told}"
    );
    let (none, _, told) = output(&Setup::new("", ""), &["records"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(told.contains("[records]"), "{told}");
}

const CONSUMERS: [&str; 4] = ["acme", "beta", "corp", "delta"];
const HOUR: u64 = 3_600;

fn window(start: u64, consumer: &str, route: &str, status: u16, requests: u64) -> WindowRow {
    let outcome = match status {
        404 => "not_found",
        503 => "server_error",
        _ => "ok",
    };
    WindowRow {
        start,
        consumer: consumer.into(),
        app: "".into(),
        key: "".into(),
        api: "orders".into(),
        route: route.into(),
        method: "GET".into(),
        status: Some(status),
        outcome: outcome.into(),
        sums: Sums {
            requests,
            service_us: requests * 1_000,
            ..Sums::default()
        },
    }
}

/// An hour of usage, and the hour after it, in which a deploy breaks a route for everybody and one key of one consumer makes the
/// provider fail. Returns the second hour.
fn ledger(setup: &Setup) -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    let second = now.as_secs() / HOUR * HOUR - HOUR;
    let mut windows = Vec::new();
    for consumer in CONSUMERS {
        for route in ["/v1/widgets/{id}", "/v1/rates"] {
            for start in [second - HOUR, second] {
                let broken = start == second && route == "/v1/rates";
                let missing = if broken { 300 } else { 10 };
                windows.push(window(start, consumer, route, 404, missing));
                windows.push(window(start, consumer, route, 200, 1_000 - missing));
            }
        }
    }
    windows.push(window(second, "delta", "/v1/widgets/{id}", 503, 200));
    windows.push(window(second - HOUR, "gone", "/v1/rates", 200, 5));
    let path = setup.path("ledger.sqlite");
    let retention = Retention {
        minutes: 172_800,
        quarters: 62 * 86_400,
        days: 1826 * 86_400,
        max_bytes: 1 << 30,
    };
    let opened = store::open(&path, None).expect("making a ledger");
    let writer = Writer::start(&path, Some(opened), retention).expect("a thread");
    writer.write(
        1,
        Arc::new(Rows {
            windows,
            ..Rows::default()
        }),
    );
    wait_for("the batch", Duration::from_secs(10), || {
        (writer.status().batch == 1).then_some(())
    });
    writer.finish();
    second
}

fn time(second: u64) -> String {
    let date = run(Command::new("date").args(["-u", "+%FT%TZ", "-d", &format!("@{second}")]));
    date.trim().to_owned()
}

#[test]
fn errors_are_compared_and_whoever_is_responsible_is_named() {
    let setup = Setup::new("", "");
    let second = ledger(&setup);
    let (from, to) = (time(second), time(second + HOUR));
    let ask = |by: &str| -> Value {
        let words = [
            "errors", "--from", &from, "--to", &to, "--format", "json", "--by", by,
        ];
        serde_json::from_str(&printed(&setup, &words)).expect("JSON")
    };
    let answer = ask("responsible");
    let rows = answer["rows"].as_array().expect("rows");
    // Every 404 on the broken route is the provider's, and every 503; the usual ones stay with the consumers.
    let row = |who: &str| {
        rows.iter()
            .find(|row| row["responsible"] == who)
            .expect("a row")
    };
    assert_eq!(row("provider")["errors"], 4 * 300 + 200);
    assert_eq!(row("consumer")["errors"], 4 * 10);
    assert_eq!(row("provider")["requests"], 8_200);
    assert_eq!(row("consumer")["errors_before"], 4 * 10);
    assert_eq!(row("provider")["errors_before"], 4 * 10);
    assert_eq!(row("provider")["requests_before"], 8_005);

    let class = |name: &str| {
        let all = answer["concentration"].as_array().expect("classes");
        assert_eq!(all.len(), 4);
        all.iter()
            .find(|one| one["class"] == name)
            .expect("a class")
            .clone()
    };
    let client = class("client");
    assert_eq!(
        (&client["cause"], &client["responsible"]),
        (&"route".into(), &"provider".into())
    );
    assert_eq!(client["top_route"]["route"], "/v1/rates");
    assert!(
        client["top_route"]["share"].as_f64() > Some(0.99),
        "{client}"
    );
    assert!(
        client["top_consumer"]["share"].as_f64() < Some(0.3),
        "{client}"
    );
    let server = class("server");
    assert_eq!(
        (&server["cause"], &server["top_consumer"]["consumer"]),
        (&"consumer".into(), &"delta".into())
    );
    assert_eq!(server["responsible"], "provider");

    let by_status = ask("consumer,route,status");
    let row = by_status["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| {
            row["consumer"] == "delta"
                && row["route"] == "/v1/widgets/{id}"
                && row["status"] == "503"
        });
    let row = row.expect("a row");
    assert_eq!(
        (&row["errors"], &row["requests"]),
        (&200.into(), &1_200.into())
    );
    assert_eq!(
        (&row["errors_before"], &row["requests_before"]),
        (&0.into(), &1_000.into())
    );

    let table = printed(&setup, &["errors", "--from", &from, "--to", &to]);
    let told = "client errors: 1240 of 8200 (15.12 %), before 80 of 8005 (1.00 %); 1160 more than its rates give: 25 % of them \
                met by acme, 100 % on orders /v1/rates (4 consumers): the provider's, on this route\n";
    assert!(table.contains(told), "{table}");
    assert!(
        table.contains("the provider's, with one trigger"),
        "{table}"
    );
}

#[test]
fn usage_is_told_by_the_hour_and_beside_the_period_before() {
    let setup = Setup::new("", "");
    let second = ledger(&setup);
    let (first, from, to) = (time(second - HOUR), time(second), time(second + HOUR));
    let ask = |words: &[&str]| -> Value {
        let words = [&["usage", "--format", "json", "--to", &to][..], words].concat();
        serde_json::from_str(&printed(&setup, &words)).expect("JSON")
    };
    let hours = ask(&["--from", &first, "--by", "hour"]);
    let rows = hours["rows"].as_array().expect("rows");
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["hour"].as_str().expect("an hour"),
                row["requests"].as_u64(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [(first.as_str(), Some(8_005)), (from.as_str(), Some(8_200))]
    );
    let days = ask(&["--from", &first, "--by", "day,consumer"]);
    assert_eq!(days["rows"][0]["day"].as_str(), first.get(..10));

    let compared = ask(&["--from", &from, "--compare"]);
    let rows = compared["rows"].as_array().expect("rows");
    let row = |name: &str| {
        rows.iter()
            .find(|row| row["consumer"] == name)
            .expect("a row")
    };
    assert_eq!(
        (&row("delta")["requests"], &row("delta")["requests_before"]),
        (&2_200.into(), &2_000.into())
    );
    assert_eq!(
        (&row("gone")["requests"], &row("gone")["requests_before"]),
        (&0.into(), &5.into())
    );
    let (output, _, told) = output(&setup, &["usage", "--compare", "--by", "hour"]);
    assert_eq!(output.status.code(), Some(2), "{told}");
}
