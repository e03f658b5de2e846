//! What was, as it is told.

use super::*;
use crate::store::{Retention, Writer, open};
use crate::usage::batch::{Batch, GapRow};
use crate::usage::tests::call;
use crate::usage::{Call, Counters, Outcome};
use std::future::Future;

const SECOND: u64 = 1_000_000_000;
/// A beginning of an hour.
const NOW: u64 = 498_720 * 3_600;

/// A history at this second.
fn history(ledger: Option<PathBuf>, second: u64) -> Arc<History> {
    let counters = Counters::new(100, 0);
    let state = Arc::new(State::new(counters, move || second * SECOND));
    Arc::new(History::new(ledger, state))
}

fn now<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

fn ask(consumer: Option<&str>, route: Option<&str>) -> Question {
    let text = |text: &str| text.to_owned();
    Question {
        window: Window::Hour,
        consumer: consumer.map(text),
        key: None,
        api: route.map(|_| text("orders")),
        route: route.map(text),
    }
}

#[test]
fn what_was_is_told_by_steps_and_in_parts_and_what_is_not_known_is_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let mut batch = Batch::default();
    for (second, status) in [(60, 200), (65, 404), (600, 200)] {
        batch.add(&Call {
            begin: (NOW + second) * SECOND,
            status: Some(status),
            outcome: Outcome::of(Some(status), None, None, true),
            ..call()
        });
    }
    batch.gap(GapRow {
        start: NOW + 300,
        until: NOW + 420,
        reason: "a reboot".into(),
    });
    let writer = Writer::start(&path, open(&path, None).ok(), Retention::ALL).unwrap();
    writer.write(1, Arc::new(batch.rows()));
    writer.finish();
    let history = history(Some(path), NOW + 1_000);
    let read = |question: &Question| -> Value {
        serde_json::from_str(&now(history.ask(question.clone())).unwrap()).unwrap()
    };
    let acme = read(&ask(Some("acme"), None));
    let points = acme["points"].as_array().unwrap();
    assert_eq!(points.len(), 2);
    assert_eq!(
        (&points[0]["at"], &points[0]["requests"]),
        (&json!(NOW + 60), &json!(2))
    );
    assert_eq!(
        (&points[0]["client"], &points[1]["client"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(acme["keys"][0]["key"], "k-2026-01");
    assert_eq!(acme["keys"][0]["errors"], json!([1, 0, 0, 0]));
    assert_eq!(acme["routes"][0]["requests"], 3);
    let reasons: Vec<_> = acme["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|gap| &gap["reason"])
        .collect();
    assert_eq!(reasons, ["nothing is kept of it", "a reboot"]);
    assert_eq!(acme["gaps"][0]["to"], Value::from(time(NOW + 60)));
    let route = read(&ask(None, Some("/v1/widgets/{id}")));
    assert_eq!(route["consumers"][0]["consumer"], "acme");
    assert_eq!(route["methods"].as_array().map(Vec::len), Some(2));
    assert_eq!(read(&ask(Some("nobody"), None))["points"], json!([]));
    let (one, two) = (ask(None, None), ask(None, None));
    let (one, two) = (
        now(history.ask(one)).unwrap(),
        now(history.ask(two)).unwrap(),
    );
    assert!(Arc::ptr_eq(&one, &two), "asked twice, read once");
}

#[test]
fn what_cannot_be_answered_is_said() {
    let none = history(None, NOW);
    assert!(matches!(
        now(none.ask(ask(None, None))),
        Err(NoAnswer::NoLedger)
    ));
    let long = "x".repeat(2_000);
    assert!(matches!(
        now(none.ask(ask(Some(&long), None))),
        Err(NoAnswer::TooLong)
    ));
    let nowhere = history(Some("/nonexistent/ledger".into()), NOW);
    assert!(matches!(
        now(nowhere.ask(ask(None, None))),
        Err(NoAnswer::Ledger(_))
    ));
    assert!(matches!(
        now(nowhere.incident("4f1c".to_owned())),
        Err(NoAnswer::Ledger(_))
    ));
}

#[test]
fn answers_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    drop(open(&path, None).unwrap());
    let history = history(Some(path), NOW);
    for number in 0..200 {
        now(history.ask(ask(Some(&number.to_string()), None))).unwrap();
    }
    assert_eq!(lock(&history.answers).len(), ANSWERS);
}
