//! What awareness has learned, and what departs from it: the errors of one key, and those of everybody on one route.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use observer_tests::daemon::{KEYS, Setup};
use observer_tests::frames::Random;
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::wait_for;
use observer_tests::require::require;
use observer_tests::traffic::Connection;
use serde_json::Value;

const SERVER: &str = "10.77.0.1:80";
/// Between two requests of a key.
const PAUSE: Duration = Duration::from_millis(100);
/// Two minutes at most until a whole one is learned, and what it takes to close it.
const LEARNING: Duration = Duration::from_secs(130);
/// What everybody asks for.
const ROUTES: [&str; 3] = ["orders", "items", "users"];
/// Registered keys beside those of [`KEYS`]: they do as ever.
const CALM: [&str; 3] = ["calm_one_5f0c7712abed", "calm_two_0c1d", "calm_three_77ab"];

/// Of a thousand requests, how many fail, of whom, and how.
#[derive(Clone, Copy)]
struct Failures {
    often: usize,
    route: Option<&'static str>,
    status: u64,
}

/// As ever.
const USUAL: Failures = Failures {
    often: 20,
    route: None,
    status: 404,
};

/// Keeps asking with one key, ten times a second, until it is told to stop.
fn ask(link: &Link, seed: u64, key: &str, stop: &AtomicBool, failures: impl Fn() -> Failures) {
    let mut numbers = Random(seed);
    let mut connection = Connection::open(&link.client, SERVER);
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let route = ROUTES[numbers.below(3)];
        let fail = failures();
        let here = fail.route.is_none_or(|only| only == route);
        let wanted = if here && numbers.below(1_000) < fail.often {
            fail.status
        } else {
            200
        };
        let target = format!("/v2/{route}/{wanted}{}", numbers.below(10_000));
        let (status, _) = connection.get(&target, key);
        assert_eq!(u64::from(status), wanted);
        next += PAUSE;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Stops the load, also when the test panics: it would go on for ever.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Minutes of the daemon's clock.
fn minute() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock after 1970").as_secs() / 60
}

/// Waits until a whole minute of traffic is over. Minutes are the clock's.
fn learn() {
    let begin = minute();
    wait_for("a whole minute to be learned", LEARNING, || {
        (minute() >= begin + 2).then_some(())
    });
}

fn subjects(incidents: &[Value]) -> Vec<&str> {
    let mut subjects: Vec<_> = incidents
        .iter()
        .filter_map(|incident| incident["subject"].as_str())
        .collect();
    subjects.sort_unstable();
    subjects
}

/// Incidents other than those that any traffic without encryption opens.
fn beside_cleartext(setup: &Setup) -> Vec<Value> {
    let mut incidents = setup.incidents(&["--all"]);
    incidents.retain(|incident| incident["rule"] != "cleartext_credential");
    incidents
}

/// Each of five keys in turn goes from 2 % to 30 % of 404s, while the others do as ever.
#[test]
fn an_error_step_is_told_of_that_key_within_seconds() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    for (number, key) in CALM.iter().enumerate() {
        let lines = format!("fp = \"{}\"", setup.fingerprint(key));
        setup.register(&format!("calm{number}"), &lines);
    }
    let daemon = setup.start(&link.server);
    let (stop, stepping) = (AtomicBool::new(false), AtomicUsize::new(usize::MAX));
    let mut took: Vec<f64> = thread::scope(|scope| {
        let keys = KEYS.iter().map(|(key, _)| *key).chain(CALM);
        for (number, key) in keys.enumerate() {
            let (link, stop, stepping) = (&link, &stop, &stepping);
            let failures = move || Failures {
                often: if stepping.load(Ordering::Relaxed) == number {
                    300
                } else {
                    USUAL.often
                },
                ..USUAL
            };
            scope.spawn(move || ask(link, 0x9e37_79b9 + number as u64, key, stop, failures));
        }
        let _stop = Stop(&stop);
        learn();
        let before = beside_cleartext(&setup);
        assert!(before.is_empty(), "of the usual: {before:?}");
        let step = |(number, (_, consumer)): (usize, &(&str, &str))| {
            let wanted = format!("{consumer}/{consumer}-key");
            stepping.store(number, Ordering::Relaxed);
            let begin = Instant::now();
            wait_for(&format!("an incident of {wanted}"), LIMIT, || {
                let open = setup.incidents(&["--rule", "error_rate"]);
                subjects(&open).contains(&wanted.as_str()).then_some(())
            });
            let took = begin.elapsed().as_secs_f64();
            println!("{wanted}: {took:.1} s");
            took
        };
        let took = KEYS.iter().enumerate().map(step).collect();
        // The last one goes on, and so does its incident.
        let labels = [("consumer", "echo")];
        let counted = || {
            daemon
                .metrics()
                .sum("observer_http_requests_total", &labels)
        };
        let enough = counted() + 250.0;
        wait_for("the step to go on", Duration::from_secs(60), || {
            let open = setup.incidents(&["--rule", "error_rate"]);
            assert!(subjects(&open).contains(&"echo/echo-key"), "{open:#?}");
            (counted() >= enough).then_some(())
        });
        took
    });
    took.sort_by(f64::total_cmp);
    println!("median of {}: {:.1} s", took.len(), took[took.len() / 2]);
    let all = beside_cleartext(&setup);
    let wanted: Vec<_> = KEYS
        .map(|(_, consumer)| format!("{consumer}/{consumer}-key"))
        .into();
    assert_eq!(subjects(&all), wanted, "{all:#?}");
    assert!(all.iter().all(|one| one["rule"] == "error_rate"));
}

/// How long a step may take to be told.
const LIMIT: Duration = Duration::from_secs(20);

/// A route that fails for everybody is one incident, and it is the route's.
#[test]
fn a_bad_deploy_is_one_incident_of_its_route() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let (stop, deployed) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        for (number, (key, _)) in KEYS.iter().enumerate() {
            let (link, stop, deployed) = (&link, &stop, &deployed);
            let failures = move || {
                if deployed.load(Ordering::Relaxed) {
                    Failures {
                        often: 1_000,
                        route: Some("orders"),
                        status: 500,
                    }
                } else {
                    USUAL
                }
            };
            scope.spawn(move || ask(link, 0x51ed_270b + number as u64, key, stop, failures));
        }
        let _stop = Stop(&stop);
        learn();
        deployed.store(true, Ordering::Relaxed);
        let begin = Instant::now();
        let counted = || daemon.metrics().sum("observer_http_requests_total", &[]);
        let first = wait_for("the incident", LIMIT, || {
            let open = setup.incidents(&["--rule", "provider_errors"]);
            open.first().cloned()
        });
        println!("told after {:.1} s", begin.elapsed().as_secs_f64());
        // Whatever comes of it for as long as it goes on, it is this one.
        let enough = counted() + 1_500.0;
        wait_for("the failures to go on", Duration::from_secs(60), || {
            let open = setup.incidents(&[]);
            let open: Vec<_> = open
                .iter()
                .filter(|incident| incident["rule"] != "cleartext_credential")
                .collect();
            assert_eq!(open.len(), 1, "{open:#?}");
            assert_eq!(open[0]["id"], first["id"]);
            (counted() >= enough).then_some(())
        });
        let id = first["id"].as_str().expect("an id");
        let incident = setup.incident(id);
        assert_eq!(incident["subject"], "10.77.0.1 /v2/orders/{id}");
        assert_eq!(incident["subject_kind"], "route");
        assert_eq!(incident["responsible"], "provider");
        let mut consumers: Vec<_> = incident["evidence"]["consumers"]
            .as_array()
            .expect("consumers")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        consumers.sort_unstable();
        assert_eq!(consumers, KEYS.map(|(_, consumer)| consumer));
    });
    let all = beside_cleartext(&setup);
    assert_eq!(all.len(), 1, "{all:#?}");
}
