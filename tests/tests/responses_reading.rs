//! Shutting off from the command line, without a kernel: what is in force is listed from the daemon or the ledger, and orders go
//! to whoever listens at the control socket.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Output;
use std::thread;

use observer_tests::daemon::Setup;
use observer_tests::decisions::{SECOND, action, ledger, now};
use observer_tests::process::finish;
use observer_tests::require::require;
use serde_json::{Value, json};

fn say(setup: &Setup, words: &[&str]) -> (Output, String, String) {
    let output = finish(&mut setup.command(words), b"");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    (output, said, told)
}

#[test]
fn the_ledger_tells_what_is_in_force_where_no_daemon_runs() {
    if !require(&[]) {
        return;
    }
    let setup = Setup::new("", "");
    let shared = json!({"hits": {"refused": 7, "passed": 0, "late": 1, "shared": 3, "packets": 12}, "consumer": "acme"});
    let ended = json!({"state": {"ended": {"undone": {"by": "root"}}}});
    ledger(
        &setup,
        &[
            action("r-aaaaaaaa", ("key", "acme-key"), "block", &shared),
            action("r-bbbbbbbb", ("consumer", "beta"), "limit 10/s", &ended),
            action(
                "r-cccccccc",
                ("consumer", "corp"),
                "block",
                &json!({"until": now() - SECOND}),
            ),
        ],
    );
    let (output, said, told) = say(&setup, &["responses", "--format", "json"]);
    assert!(output.status.success());
    assert!(
        told.starts_with("observer: responses list: the daemon is not running"),
        "{told}"
    );
    let answer: Value = serde_json::from_str(&said).expect("JSON");
    let rows = answer["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 1, "{answer}");
    assert_eq!(rows[0]["id"], "r-aaaaaaaa");
    assert_eq!(rows[0]["subject"], "key acme-key");
    assert_eq!(rows[0]["note"], "not_enforceable_shared");
    assert!(
        answer["notes"]
            .to_string()
            .contains("observer responses export")
    );

    let (_, said, _) = say(&setup, &["responses", "list", "--all", "--format", "csv"]);
    let states: Vec<&str> = said
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(1))
        .collect();
    assert_eq!(states.len(), 3, "{said}");
    for state in ["active", "undone", "expired"] {
        assert!(states.contains(&state), "{said}");
    }

    let (_, said, _) = say(&setup, &["responses", "show", "r-bbbbbbbb"]);
    for part in [
        "state     undone\n",
        "verb      limit 10/s\n",
        "hit 1,204 exchanges of 1 consumer",
        "  began     by root",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    let (_, said, told) = say(&setup, &["responses", "log", "--format", "json"]);
    let log: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(log["rows"].as_array().map(Vec::len), Some(3), "{told}");
    assert_eq!(log["rows"][0]["deed"], "began");
    let (output, _, told) = say(&setup, &["responses", "show", "r-zzzzzzzz"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told.contains("there is no `r-zzzzzzzz`"), "{told}");
}

/// What the daemon says is newer than what it has written, and what is over stands in the ledger only.
#[test]
fn the_daemon_is_asked_before_the_ledger() {
    if !require(&[]) {
        return;
    }
    let setup = Setup::new("", "");
    let ended = json!({"state": {"ended": "expired"}});
    let written = action("r-aaaaaaaa", ("key", "acme-key"), "block", &json!({}));
    ledger(
        &setup,
        &[
            written.clone(),
            action("r-bbbbbbbb", ("consumer", "beta"), "block", &ended),
        ],
    );
    let mut newer = written;
    newer["hits"]["refused"] = json!(4_711);
    let list = json!({"actions": [newer], "radius": null, "notes": []});
    let listener = UnixListener::bind(setup.path("observer.sock")).expect("listening");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut line = String::new();
            // Who only looks whether somebody is there says nothing.
            let _ = BufReader::new(&stream).read_line(&mut line);
            let answer = match line.trim() {
                "respond \"list\"" => format!("ok {list}\n"),
                _ => "ok\n".to_owned(),
            };
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    let rows = |words: &[&str]| {
        let (output, said, told) = say(&setup, words);
        assert!(output.status.success() && told.is_empty(), "{told}");
        let answer: Value = serde_json::from_str(&said).expect("JSON");
        answer["rows"].as_array().expect("rows").clone()
    };
    let standing = rows(&["responses", "list", "--format", "json"]);
    assert_eq!(
        (standing.len(), &standing[0]["refused"]),
        (1, &json!(4_711))
    );
    let all = rows(&["responses", "list", "--all", "--format", "json"]);
    assert_eq!(all.len(), 2, "{all:?}");
    let one = all
        .iter()
        .find(|row| row["id"] == "r-aaaaaaaa")
        .expect("it");
    assert_eq!(one["refused"], 4_711);
    // It is known whatever becomes of the ledger.
    fs::remove_file(setup.path("ledger.sqlite")).expect("losing it");
    let (output, said, _) = say(&setup, &["responses", "--format", "json"]);
    assert!(output.status.success());
    let answer: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(answer["completeness"], Value::Null);
    assert_eq!(answer["rows"].as_array().map(Vec::len), Some(1));
}

/// Something that answers as the daemon does, once, and says what it heard.
fn daemon(socket: &Path, answer: &'static str) -> thread::JoinHandle<String> {
    let listener = UnixListener::bind(socket).expect("listening");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody");
        let mut line = String::new();
        BufReader::new(&stream)
            .read_line(&mut line)
            .expect("a line");
        stream.write_all(answer.as_bytes()).expect("answering");
        line
    })
}

#[test]
fn orders_go_to_the_daemon_and_keys_go_nowhere() {
    if !require(&[]) {
        return;
    }
    let setup = Setup::new("", "");
    let socket = setup.path("observer.sock");
    let (output, _, told) = say(&setup, &["block", "acme"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        told.starts_with("observer: block: no daemon answers") && told.lines().count() == 1,
        "{told}"
    );

    let said = r#"ok {"actions":[{"id":"r-abcdefgh","slot":1,"subject":{"kind":"key","id":"k-2026-01"},"consumer":"acme","verb":"block","begun":0,"until":1795975451000000000,"reason":"","by":{"user":"root"},"state":"active","radius":{"exchanges":1204,"consumers":1,"known":true},"hits":{"refused":0,"passed":0,"late":0,"shared":0,"packets":0},"dry":0}],"radius":null,"notes":["its connections were closed"]}
"#;
    let heard = daemon(&socket, said);
    let words = [
        "block",
        "k-2026-01",
        "--kind",
        "key",
        "--for",
        "30m",
        "--reason",
        "sk_live_7d1f0a9c55e2 is on a forum",
    ];
    let (output, said, _) = say(&setup, &words);
    assert!(output.status.success());
    assert_eq!(
        said,
        "blocked key k-2026-01 (acme) until 2026-11-29T18:04:11Z as r-abcdefgh: hit 1,204 exchanges of 1 consumer in the last hour\nits connections were closed\n"
    );
    let line = heard.join().expect("what was heard");
    let order: Value =
        serde_json::from_str(line.strip_prefix("respond ").expect("an order")).expect("JSON");
    assert_eq!(
        order,
        json!({"act": {"target": "k-2026-01", "kind": "key", "verb": "block", "seconds": 1800, "reason": "sk_l… is on a forum", "dry_run": false}})
    );
    fs::remove_file(&socket).expect("another one");

    let heard = daemon(
        &socket,
        "failed: the consumer acme is never acted against ([response] allow)\n",
    );
    let (output, _, told) = say(&setup, &["limit", "acme", "--rate", "10/s"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        told,
        "observer: limit: the consumer acme is never acted against ([response] allow)\n"
    );
    assert!(
        heard
            .join()
            .expect("what was heard")
            .contains(r#""verb":"limit 10/s""#)
    );
    fs::remove_file(&socket).expect("another one");

    let heard = daemon(
        &socket,
        "ok {\"actions\":[],\"radius\":{\"exchanges\":3,\"consumers\":2,\"known\":true},\"notes\":[]}\n",
    );
    let (_, said, _) = say(&setup, &["block", "192.0.2.0/24", "--dry-run"]);
    assert_eq!(
        said,
        "not blocked, a dry run: 192.0.2.0/24 for 1h: hit 3 exchanges of 2 consumers in the last hour\n"
    );
    assert!(
        heard
            .join()
            .expect("what was heard")
            .contains(r#""dry_run":true"#)
    );
}
