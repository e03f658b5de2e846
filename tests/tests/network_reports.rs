//! Reports of what a daemon saw of real traffic: for everybody, in every format, on paper, and to nobody what is not theirs.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use observer_tests::browser::{Browser, PROGRAMS};
use observer_tests::daemon::{KEYS, STRANGER, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{run, wait_for};
use observer_tests::require::require;
use observer_tests::traffic::{curl, key_field};
use rusqlite::Connection;
use serde_json::Value;

const BASE: &str = "http://10.77.0.1/v1";
const SOON: Duration = Duration::from_secs(10);
const AUDIENCES: [&str; 4] = ["owner", "security", "finance", "consumer:acme"];
const FORMATS: [&str; 4] = ["html", "md", "json", "csv"];
const GONE: &str = "sk_live_gone_a1b2c3d4e5f6";
/// What somebody hopes is taken for markup, a cell and a formula.
const HOSTILE: &str = "<script>alert(1)</script>|`=cmd()`";

/// Requests of everybody: registered, unregistered, without a key, refused, revoked, with a key in the target. Returns how many.
fn traffic(link: &Link) -> f64 {
    let mut sent = 0.0;
    let mut send = |arguments: &[&str]| {
        curl(&link.client, arguments);
        sent += 1.0;
    };
    for (at, (key, _)) in KEYS.iter().enumerate() {
        for number in 0..=at * 3 + 4 {
            send(&["-H", &key_field(key), &format!("{BASE}/widgets/{number}")]);
        }
        send(&["-H", &key_field(key), &format!("{BASE}/missing")]);
    }
    send(&["-H", &key_field(STRANGER), &format!("{BASE}/broken")]);
    send(&["-H", &key_field(GONE), &format!("{BASE}/widgets/1")]);
    send(&[
        "-H",
        "Host: <img src=x onerror=alert(1)>",
        "-g",
        &format!("{BASE}/{HOSTILE}"),
    ]);
    send(&[&format!("{BASE}/widgets/7?api_key={}", KEYS[0].0)]);
    sent
}

fn section<'a>(report: &'a Value, id: &str) -> &'a [Value] {
    let sections = report["sections"].as_array().expect("sections");
    let found = sections.iter().find(|section| section["id"] == id);
    found
        .and_then(|section| section["rows"].as_array())
        .expect("a section of this name")
}

/// Requests of a consumer; `None` where no row has it.
fn requests(rows: &[Value], consumer: &str) -> Option<u64> {
    let found = rows.iter().find(|row| row["consumer"] == consumer);
    found.and_then(|row| row["requests"].as_u64())
}

#[test]
fn everybody_gets_a_report_of_what_was_seen() {
    if !require(&["ip", "nsenter", "nginx", "curl", PROGRAMS[0], PROGRAMS[1]]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let revoked = format!("fp = \"{}\"\nstate = \"revoked\"", setup.fingerprint(GONE));
    setup.register("gone", &revoked);
    let daemon = setup.start(&link.server);
    let sent = traffic(&link);
    wait_for("the traffic", SOON, || {
        let seen = daemon.metrics().sum("observer_http_requests_total", &[]);
        (seen >= sent).then_some(())
    });
    // What is not over has no report.
    let refused = setup
        .command(&[
            "report",
            "--audience",
            "owner",
            "--period",
            "day",
            "--ending",
            "2999-01-01",
        ])
        .output()
        .expect("running observer");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not over"));
    let usage = setup.usage("consumer");
    // What the daemon is told of a log, as observer reconcile --publish does, those who keep it safe are told.
    let mut socket = UnixStream::connect(setup.path("observer.sock")).expect("the daemon");
    writeln!(socket, "reconciled edge 60 1 0 0 0 0 0 2").expect("telling it");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "ok\n");
    let printed = run(&mut setup.command(&[
        "report",
        "--audience",
        "security",
        "--period",
        "day",
        "--format",
        "json",
    ]));
    let printed: Value = serde_json::from_str(&printed).expect("JSON");
    let edge = &section(&printed, "reconciliation")[0];
    assert_eq!(
        (&edge["log"], &edge["matched"], &edge["wire_only"]),
        (&"edge".into(), &60.into(), &1.into())
    );
    daemon.stop();
    let ending = setup.a_day_passes();

    fs::create_dir(setup.path("reports")).expect("making a folder");
    let file = |audience: &str, format: &str| -> PathBuf {
        setup.path(&format!("reports/{}.{format}", audience.replace(':', "-")))
    };
    let ask = |audience: &str, format: &str, more: &[&str]| {
        let mut command = setup.command(&[
            "report",
            "--audience",
            audience,
            "--period",
            "day",
            "--ending",
            &ending,
            "--format",
            format,
        ]);
        command.args(more).output().expect("running observer")
    };
    for audience in AUDIENCES {
        for format in FORMATS {
            let path = file(audience, format);
            let output = ask(
                audience,
                format,
                &[
                    "--out",
                    &path.display().to_string(),
                    "--require-completeness",
                    "0.999",
                ],
            );
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && told.is_empty(), "{told}");
            // Standard output has the same, but for the time at which it is written.
            let printed = ask(audience, format, &[]).stdout;
            assert_eq!(
                printed.len(),
                fs::read(&path).expect("a report").len(),
                "{audience} {format}"
            );
        }
    }
    let text = |audience: &str, format: &str| {
        fs::read_to_string(file(audience, format)).expect("a report")
    };
    let json =
        |audience: &str| -> Value { serde_json::from_str(&text(audience, "json")).expect("JSON") };

    // The numbers are those of the ledger.
    let (owner, finance) = (json("owner"), json("finance"));
    assert_eq!(
        (&owner["completeness"], &owner["complete"]),
        (&1.0.into(), &true.into())
    );
    let rows = usage["rows"].as_array().expect("rows");
    assert!(rows.len() >= 8, "{usage}");
    for row in rows {
        let consumer = row["consumer"].as_str().expect("a name");
        assert_eq!(
            requests(section(&owner, "consumers"), consumer),
            row["requests"].as_u64(),
            "{consumer}"
        );
        assert_eq!(
            requests(section(&finance, "usage"), consumer),
            row["requests"].as_u64(),
            "{consumer}"
        );
    }
    let totals = section(&owner, "totals");
    assert_eq!(totals[0]["now"].as_f64(), Some(sent), "{totals:?}");
    let security = json("security");
    assert_eq!(section(&security, "retired")[0]["key"], "gone-key");
    let told = section(&security, "incidents");
    for rule in ["revoked_key_accepted", "credential_in_url"] {
        assert!(
            told.iter().any(|one| one["rule"] == rule),
            "no {rule} in {told:?}"
        );
    }
    let own = json("consumer:acme");
    assert_eq!(
        section(&own, "totals")[0]["now"].as_u64(),
        requests(section(&owner, "consumers"), "acme")
    );
    for format in FORMATS {
        let text = text("consumer:acme", format);
        // A total is a number of its own, not a part of one.
        let total = match format {
            "html" => format!("value=\"{sent}\""),
            "md" => format!("| {sent} |"),
            "json" => format!(": {sent},"),
            _ => format!(",{sent}\r\n"),
        };
        let strangers = [setup.fingerprint(STRANGER), setup.fingerprint(GONE), total];
        let others = [
            "beta",
            "corp",
            "delta",
            "echo",
            "gone-key",
            "__unkeyed__",
            "__unregistered__",
        ];
        for other in others
            .into_iter()
            .chain(strangers.iter().map(String::as_str))
        {
            assert!(!text.contains(other), "{other} in {text}");
        }
    }
    for (format, raw) in [
        ("html", "<script"),
        ("html", "<img"),
        ("md", "|<"),
        ("csv", ",="),
    ] {
        assert!(!text("owner", format).contains(raw), "{raw} in {format}");
    }

    let files: Vec<String> = AUDIENCES
        .iter()
        .flat_map(|audience| [file(audience, "html"), file(audience, "json")])
        .map(|path| path.display().to_string())
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let mut browser = Browser::start(&link.client, "report.cjs", &files);
    assert_eq!(browser.wants(), None);
    browser.finish();

    // Where something is missing, it is said, and asked for it is not written.
    let ledger = Connection::open(setup.path("ledger.sqlite")).expect("opening the ledger");
    ledger
        .execute(
            "INSERT INTO coverage SELECT 86400, max(start), 'ring_full', 5 FROM day",
            [],
        )
        .expect("a loss");
    let path = setup.path("reports/incomplete.html");
    let place = path.display().to_string();
    let output = ask(
        "owner",
        "html",
        &["--out", &place, "--require-completeness", "0.999"],
    );
    assert_eq!((output.status.code(), path.exists()), (Some(1), false));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("Not complete"),
        "{output:?}"
    );
    assert!(ask("owner", "html", &["--out", &place]).status.success());
    assert!(
        fs::read_to_string(&path)
            .expect("a report")
            .contains("Not complete: ")
    );
    // Nothing is left of anything half done.
    let files = fs::read_dir(setup.path("reports"))
        .expect("listing")
        .count();
    assert_eq!(files, AUDIENCES.len() * FORMATS.len() + 1);
}
