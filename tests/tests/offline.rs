//! The command line without a kernel: what it says, and with which exit code.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use observer_tests::daemon::{KEYS, Setup};
use observer_tests::flood;
use observer_tests::process::finish;
use observer_tests::require::binary;
use serde_json::Value;

/// Runs the observer with this standard input.
fn observer(arguments: &[&str], input: &[u8]) -> Output {
    finish(Command::new(binary()).args(arguments), input)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Fails unless the command refuses its input in one line that says all of this.
fn refuses(arguments: &[&str], says: &[&str]) {
    let output = observer(arguments, b"");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(said.starts_with("observer: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for part in says {
        assert!(said.contains(part), "no `{part}` in: {said}");
    }
}

fn path(setup: &Setup, name: &str) -> String {
    setup.path(name).display().to_string()
}

fn write(setup: &Setup, name: &str, bytes: &[u8]) -> String {
    fs::write(setup.path(name), bytes).expect("writing a file");
    path(setup, name)
}

#[test]
fn configuration_and_registry_are_checked() {
    let setup = Setup::new("", "");
    let empty = write(&setup, "empty.toml", b"");
    let fine = observer(&["config", "check", &empty], b"");
    assert!(fine.status.success(), "{}", text(&fine.stderr));
    let wrong = write(&setup, "wrong.toml", b"[capture]\ninterface = [\"lo\"]\n");
    refuses(
        &["config", "check", &wrong],
        &["line 2", "`interface`", "did you mean `interfaces`"],
    );
    let config = path(&setup, "observer.toml");
    write(&setup, "registry.d/bad.toml", b"[[account]]\nid = 7\n");
    refuses(&["config", "check", &config], &["bad.toml", "line 2"]);
    // A key that is somebody's already: both files are named.
    let twice = format!(
        "[[account]]\nid = \"other\"\n[[account.app]]\nid = \"other-app\"\n[[account.app.key]]\nid = \"other-key\"\nfp = \"{}\"\n",
        setup.fingerprint(KEYS[0].0)
    );
    write(&setup, "registry.d/bad.toml", twice.as_bytes());
    refuses(&["config", "check", &config], &["bad.toml", "keys.toml"]);
}

#[test]
fn a_fingerprint_is_always_the_same_and_needs_a_key() {
    let setup = Setup::new("", "");
    let config = path(&setup, "observer.toml");
    assert_eq!(
        setup.fingerprint("some-key"),
        setup.fingerprint("some-key\n")
    );
    assert_ne!(setup.fingerprint("some-key"), setup.fingerprint("another"));
    refuses(&["keys", "fingerprint", "--config", &config], &["one key"]);
}

#[test]
fn captures_are_replayed_or_refused() {
    let setup = Setup::new("", "");
    let config = path(&setup, "observer.toml");
    let capture = path(&setup, "flood.pcap");
    let sent = flood::write(Path::new(&capture));
    let replay = |arguments: &[&str]| {
        let all = [&["replay", &*capture, "--config", &*config], arguments].concat();
        let output = observer(&all, b"");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let records = replay(&["--records", "-"]);
    assert_eq!(records.lines().count() as u64, sent.exchanges);
    for record in records.lines().take(100) {
        let record: Value = serde_json::from_str(record).expect("a record is JSON");
        assert_eq!(record["complete"], true, "{record}");
        assert_eq!(record["consumer"], "__unregistered__", "{record}");
    }
    let metrics = replay(&["--metrics", "-"]);
    let counted = format!("status=\"200\"}} {}", sent.exchanges);
    assert!(
        metrics.lines().any(|line| line.ends_with(&counted)),
        "{metrics}"
    );
    assert!(replay(&["--summary"]).contains(&format!("exchanges            {}", sent.exchanges)));

    let whole = fs::read(&capture).expect("reading the capture");
    let cut = write(&setup, "cut.pcap", &whole[..whole.len() / 2]);
    refuses(
        &["replay", &cut, "--config", &config],
        &["cut.pcap", "damaged after"],
    );
    for (name, bytes) in [("empty", &b""[..]), ("garbage", b"no capture at all")] {
        let file = write(&setup, name, bytes);
        refuses(
            &["replay", &file, "--config", &config],
            &[name, "not a pcap"],
        );
    }
    refuses(
        &["replay", "/nowhere.pcap", "--config", &config],
        &["/nowhere.pcap"],
    );
}

/// Whoever reads only the beginning of a long answer does no harm.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let setup = Setup::new("", "");
    let capture = setup.path("flood.pcap");
    flood::write(&capture);
    let mut child = Command::new(binary())
        .arg("replay")
        .arg(&capture)
        .args(["--records", "-", "--config"])
        .arg(setup.config())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting the observer");
    let mut beginning = [0; 100];
    let mut stdout = child.stdout.take().expect("its output");
    stdout.read_exact(&mut beginning).expect("reading");
    drop(stdout);
    let output = child.wait_with_output().expect("waiting");
    let said = text(&output.stderr);
    assert!(output.status.code().is_some(), "killed: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn usage_needs_a_ledger_and_a_period() {
    let setup = Setup::new("", "");
    let config = path(&setup, "observer.toml");
    refuses(
        &["usage", "--config", &config],
        &["ledger.sqlite", "made by the first `observer run`"],
    );
    drop(observer::store::open(&setup.path("ledger.sqlite"), None).expect("making a ledger"));
    refuses(
        &["usage", "--config", &config, "--from", "tomorrowish"],
        &["`tomorrowish`", "24h"],
    );
    refuses(
        &[
            "usage",
            "--config",
            &config,
            "--from",
            "2026-11-02",
            "--to",
            "2026-11-01",
        ],
        &["not before its end"],
    );
    let usage = setup.usage("consumer,status");
    assert_eq!(usage["completeness"], 1.0);
    assert_eq!(usage["rows"], Value::Array(Vec::new()));
}
