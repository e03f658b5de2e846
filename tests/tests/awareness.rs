//! AKB-1 in small, through the whole core: what one event proves is always told, what a window proves too, and nobody is paged
//! for nothing. `cargo xtask bench awareness` runs it at its published size.

use std::fs;
use std::process::Command;

use observer::awareness::Severity;
use observer_tests::akb::{self, Class, Size};
use observer_tests::process::finish;
use observer_tests::require::{binary, require};

/// A day with a few dozen incidents, after two without.
const SIZE: Size = Size {
    keys: 24,
    training: 2,
    days: 1,
};
/// Seconds after the first event: the generator tells time in steps of ten.
const AT_ONCE: f64 = 20.0;
/// Seconds of a window.
const WINDOW: f64 = 600.0;

#[test]
fn what_is_planted_is_told_and_nothing_else_pages() {
    let outcome = akb::run(5, SIZE);
    let figures = outcome.figures();
    let mut told = 0;
    for verdict in figures.verdicts.iter().filter(|verdict| verdict.provable) {
        let by_window = matches!(
            verdict.class,
            Class::Scanning
                | Class::MethodProbing
                | Class::KeyGuessing
                | Class::CredentialStuffing
                | Class::SequentialEnumeration
        );
        let within = if verdict.class.is_certain() {
            AT_ONCE
        } else if by_window {
            WINDOW
        } else {
            continue;
        };
        let seconds = verdict.seconds.unwrap_or(f64::MAX);
        assert!(seconds <= within, "{verdict:?}");
        assert!(verdict.right, "{verdict:?}");
        told += 1;
    }
    assert!(told >= 30, "only {told} were planted");
    let pages = figures
        .unexplained
        .iter()
        .filter(|incident| incident.severity >= Severity::High);
    let pages: Vec<&String> = pages.map(|incident| &incident.statement).collect();
    assert!(pages.is_empty(), "{pages:?}");
}

#[test]
fn made_up_keys_push_out_no_registered_one() {
    let flood = akb::flood(100_000);
    assert_eq!(flood.registered, 1_000);
    assert!(flood.grown < 16 << 20, "{} bytes", flood.grown);
}

#[test]
fn the_same_seed_gives_the_same_incidents() {
    let size = Size { keys: 8, ..SIZE };
    let (one, other) = (akb::run(9, size), akb::run(9, size));
    assert!(!one.opened.is_empty());
    let statements = |outcome: &akb::Outcome| {
        let opened = outcome.opened.iter();
        opened
            .map(|incident| incident.statement.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(statements(&one), statements(&other));
}

#[test]
fn traffic_is_written_as_it_was_judged() {
    if !require(&[]) {
        return;
    }
    let folder = tempfile::tempdir().expect("making a folder");
    let size = Size { keys: 8, ..SIZE };
    let outcome = akb::emit(9, size, folder.path()).expect("writing");
    let mut replay = Command::new(binary());
    replay
        .args(["replay", "--summary"])
        .arg(folder.path().join("akb.pcap"));
    let said = finish(&mut replay, b"").stdout;
    let said = String::from_utf8_lossy(&said);
    let number = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name))?;
        line.split_ascii_whitespace().last()?.parse::<u64>().ok()
    };
    assert_eq!(number("exchanges"), Some(outcome.exchanges), "{said}");
    assert!(said.contains("TLS handshakes"), "{said}");
    let lines = |name: &str| {
        let text = fs::read_to_string(folder.path().join(name)).expect("reading");
        text.lines().count()
    };
    assert_eq!(lines("labels.jsonl"), outcome.labels.len());
    assert!(lines("requests.jsonl") as u64 > outcome.exchanges);
}
