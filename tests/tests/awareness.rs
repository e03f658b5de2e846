//! AKB-1 in small, through the whole core: what one event proves is always told, what a window proves too, and nobody is paged
//! for nothing. `cargo xtask bench awareness` runs it at its published size.

use observer::awareness::Severity;
use observer_tests::akb::{self, Class, Size};

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
