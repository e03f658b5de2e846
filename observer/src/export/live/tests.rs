//! Frames say what the counters say.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::awareness::Awareness;
use crate::identity::Registry;
use crate::usage::tests::call;
use crate::usage::{Call, Counters, Outcome};

const SECOND: u64 = 1_000_000_000;
const BEGIN: u64 = 1_795_342_500 * SECOND;

/// A state whose clock is told.
fn told() -> (Arc<State>, Arc<AtomicU64>) {
    let now = Arc::new(AtomicU64::new(BEGIN));
    let clock = Arc::clone(&now);
    let counters = Counters::new(10_000, BEGIN);
    let state = State::new(counters, move || clock.load(Ordering::Relaxed));
    (Arc::new(state), now)
}

fn requests(state: &State, consumer: &str, route: &str, status: u16, count: u64) {
    let call = Call {
        consumer: consumer.into(),
        route: route.into(),
        status: Some(status),
        outcome: Outcome::of(Some(status), None, None, true),
        ..call()
    };
    for _ in 0..count {
        state.counters().record(&call, (state.clock)());
    }
}

fn all(live: &Live) -> Frame {
    serde_json::from_slice(&live.look(&Look::All).unwrap()).unwrap()
}

#[test]
fn a_frame_adds_up() {
    let (state, _) = told();
    requests(&state, "acme", "/a", 200, 90);
    requests(&state, "acme", "/a", 404, 10);
    requests(&state, "beta", "/b", 503, 5);
    let frame = all(&Live::new(state));
    assert_eq!(frame.totals.requests, 105);
    assert_eq!(frame.totals.status, [0, 90, 0, 10, 5, 0, 0]);
    assert_eq!(frame.totals.errors, [10, 0, 0, 5]);
    assert_eq!(frame.totals.recent, 105);
    let ratio = frame.totals.error_ratio;
    assert!((ratio[0] - 10.0 / 105.0).abs() < 1e-6 && (ratio[3] - 5.0 / 105.0).abs() < 1e-6);
    let consumers = frame.consumers.unwrap();
    assert_eq!(
        (&*consumers[0].consumer, consumers[0].error_ratio[0]),
        ("acme", 0.1)
    );
    assert_eq!(consumers[0].baseline, None, "nobody knows yet");
    let routes = frame.routes.unwrap();
    assert_eq!((&*routes[0].route, routes[0].requests), ("/a", 100));
    assert_eq!(routes[0].recent, None);
    // 812 us each: in the first bucket, whose middle a quantile is put by.
    assert!((routes[0].mean_ms.unwrap() - 0.812).abs() < 1e-9);
    assert!((routes[0].p95_ms.unwrap() - 4.75).abs() < 1e-9);
    assert_eq!((frame.counts.consumers, frame.counts.routes), (2, 2));
    assert_eq!(frame.time, "2026-11-22T10:15:00.000000000Z");
    assert_eq!(frame.trouble.as_deref(), Some("starting"));
}

#[test]
fn rates_are_those_between_two_frames() {
    let (state, now) = told();
    let live = Live::new(Arc::clone(&state));
    requests(&state, "acme", "/a", 200, 100);
    let first = all(&live);
    assert_eq!(
        (first.seconds, first.totals.rate),
        (None, None),
        "no time has passed"
    );
    assert_eq!(first.consumers.unwrap()[0].rate, None);
    requests(&state, "acme", "/a", 200, 50);
    requests(&state, "new", "/b", 200, 10);
    assert_eq!(all(&live).totals.requests, 100, "still the same frame");
    now.fetch_add(2 * SECOND, Ordering::Relaxed);
    let second = all(&live);
    assert_eq!(
        (second.seconds, second.totals.rate),
        (Some(2.0), Some(30.0))
    );
    let rates: Vec<_> = second
        .consumers
        .unwrap()
        .iter()
        .map(|row| row.rate)
        .collect();
    assert_eq!(rates, [Some(25.0), Some(5.0)]);
    let rates: Vec<_> = second.routes.unwrap().iter().map(|row| row.rate).collect();
    assert_eq!(rates, [Some(25.0), Some(5.0)]);
    now.fetch_add(60 * SECOND, Ordering::Relaxed);
    let later = all(&live);
    assert_eq!(
        later.seconds,
        Some(62.0),
        "nobody looked for a minute: all of it"
    );
    assert_eq!(later.totals.rate, Some(2.580645));
    now.fetch_sub(30 * SECOND, Ordering::Relaxed);
    assert_eq!(all(&live).seconds, Some(32.0), "the clock was set back");
    // Five minutes by slots of thirty seconds, of which the last has just begun.
    now.store(BEGIN + 3_600 * SECOND, Ordering::Relaxed);
    let quiet = all(&live);
    assert_eq!((quiet.seconds, quiet.totals.rate), (Some(270.0), Some(0.0)));
}

/// What changed is seen at once, and the next rates are over the time that passed.
#[test]
fn what_was_changed_is_not_shown_as_it_was() {
    let (state, now) = told();
    let live = Live::new(Arc::clone(&state));
    live.forget();
    requests(&state, "acme", "/a", 200, 100);
    assert_eq!(all(&live).totals.requests, 100);
    requests(&state, "acme", "/a", 200, 25);
    now.fetch_add(SECOND / 2, Ordering::Relaxed);
    assert_eq!(all(&live).totals.requests, 100, "still the same frame");
    live.forget();
    let changed = all(&live);
    assert_eq!(changed.totals.requests, 125);
    assert_eq!(
        (changed.seconds, changed.totals.rate),
        (Some(0.5), Some(50.0))
    );
}

#[test]
fn all_who_look_share_what_was_made() {
    let (state, _) = told();
    let live = Live::new(Arc::clone(&state));
    assert!(!state.is_looked_at());
    let (one, two) = (
        live.look(&Look::Overview).unwrap(),
        live.look(&Look::Overview).unwrap(),
    );
    assert_eq!(one.as_ptr(), two.as_ptr(), "one text");
    assert!(state.is_looked_at());
    let kinds = (0..1_000).map(|number| Look::Consumer {
        consumer: number.to_string(),
    });
    for look in kinds {
        live.look(&look).unwrap();
    }
    assert_eq!(lock(&live.moment().texts).len(), TEXTS);
}

#[test]
fn a_look_at_one_sees_what_concerns_it() {
    let (state, _) = told();
    requests(&state, "acme", "/a", 200, 9);
    requests(&state, "beta", "/b", 200, 1);
    let mut awareness = Awareness::new(&Registry::default());
    awareness.observe(&call());
    let mut view = awareness.view();
    view.places = Some(awareness.places(call().end()));
    state.set_awareness(view);
    let live = Live::new(state);
    let look =
        |look: Look| -> Frame { serde_json::from_slice(&live.look(&look).unwrap()).unwrap() };
    let acme = look(Look::Consumer {
        consumer: "acme".to_owned(),
    });
    assert_eq!(acme.consumers.unwrap().len(), 1);
    let keys = acme.keys.unwrap();
    assert_eq!((&*keys[0].key, keys.len()), ("k-2026-01", 1));
    assert_eq!((acme.routes, acme.quality), (None, None));
    assert_eq!(acme.totals.requests, 10, "of all");
    let route = look(Look::Route {
        api: "orders".to_owned(),
        route: "/b".to_owned(),
    });
    assert_eq!(route.routes.unwrap()[0].requests, 1);
    assert!(look(Look::Quality).quality.is_some());
}

#[test]
fn an_overview_is_short_whoever_calls() {
    let (state, _) = told();
    for number in 0..300 {
        requests(
            &state,
            &format!("consumer-{number}"),
            &format!("/r{number}"),
            200,
            1,
        );
    }
    let live = Live::new(state);
    let overview = live.look(&Look::Overview).unwrap();
    assert!(overview.len() < 16_000, "{} bytes", overview.len());
    let frame: Frame = serde_json::from_slice(&overview).unwrap();
    assert_eq!((frame.counts.consumers, frame.counts.routes), (300, 300));
    assert_eq!(frame.consumers.unwrap().len(), BUSIEST);
}
