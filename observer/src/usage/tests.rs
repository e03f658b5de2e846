//! Exchanges and what the counters make of them.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

/// An unremarkable exchange: the contract's example.
pub(crate) fn call() -> Call {
    let address = |text: &str| text.parse().expect("an address");
    Call {
        begin: 1_795_342_500_123_456_789,
        duration: 812_000,
        first_byte: Some(640_000),
        client: address("192.0.2.2:40000"),
        peer: address("192.0.2.2:40000"),
        server: address("192.0.2.1:8080"),
        interface: "eth0".into(),
        vantage: Vantage::Edge,
        visibility: Visibility::Plaintext,
        tls: None,
        protocol: "HTTP/1.1",
        method: Some("GET".into()),
        api: "orders".into(),
        host: Some("api.example".into()),
        target: Some("/v1/widgets/42".into()),
        route: "/v1/widgets/{id}".into(),
        public: false,
        status: Some(200),
        outcome: Outcome::Ok,
        request_head_bytes: 241,
        request_body_bytes: 0,
        response_head_bytes: 160,
        response_body_bytes: 38,
        credential: Some(Credential {
            scheme: "api-key",
            location: "header:x-api-key".into(),
            fingerprint: Fingerprint::new("k1_4QX7M2ZC5T6JH3WA"),
            accepted: true,
            spelling: None,
            known_by: "k1_4QX7M2ZC5T6JH3WA".parse().expect("a fingerprint"),
        }),
        consumer: "acme".into(),
        app: Some("acme-mobile".into()),
        key: Some("k-2026-01".into()),
        reset: None,
        rpc: None,
        socket: None,
        uncertain: None,
        malformed: None,
        traits: Traits::default(),
        refused: None,
    }
}

fn answered(status: u16) -> Call {
    Call {
        status: Some(status),
        outcome: Outcome::of(Some(status), None, None, true),
        ..call()
    }
}

fn total(snapshot: &Snapshot) -> u64 {
    snapshot.requests.iter().map(|row| row.count).sum()
}

#[test]
fn outcome_follows_the_precedence_of_the_contract() {
    let of = |status, cut, malformed, credential| {
        Outcome::of(status, cut, malformed, credential).as_str()
    };
    assert_eq!(
        of(
            Some(400),
            Some(Cut::ClientAbort),
            Some(Malformed::BothLengths),
            true
        ),
        "malformed"
    );
    assert_eq!(
        of(Some(200), Some(Cut::ClientAbort), None, true),
        "client_abort"
    );
    assert_eq!(
        of(Some(200), Some(Cut::ServerReset), None, true),
        "server_reset"
    );
    assert_eq!(of(None, Some(Cut::NoResponse), None, true), "no_response");
    for (status, with, without) in [
        (101, "ok", "ok"),
        (204, "ok", "ok"),
        (304, "ok", "ok"),
        (302, "redirect", "redirect"),
        (401, "auth_rejected", "auth_missing"),
        (403, "auth_rejected", "forbidden"),
        (404, "not_found", "not_found"),
        (405, "method_not_allowed", "method_not_allowed"),
        (429, "rate_limited", "rate_limited"),
        (418, "client_error", "client_error"),
        (503, "server_error", "server_error"),
    ] {
        assert_eq!(
            (
                of(Some(status), None, None, true),
                of(Some(status), None, None, false)
            ),
            (with, without)
        );
    }
}

#[test]
fn errors_have_someone_responsible() {
    for (status, responsible) in [
        (200, None),
        (302, None),
        (404, Some("consumer")),
        (429, Some("consumer")),
        (500, Some("provider")),
    ] {
        let outcome = Outcome::of(Some(status), None, None, false);
        assert_eq!(outcome.responsible().map(Responsible::as_str), responsible);
    }
    assert_eq!(
        Outcome::ServerReset.responsible(),
        Some(Responsible::Provider)
    );
    assert_eq!(
        Outcome::ClientAbort.responsible(),
        Some(Responsible::Consumer)
    );
}

#[test]
fn edge_and_local_are_usage_and_hops_are_apart() {
    let mut counters = Counters::new(1_000, 0);
    for vantage in [
        Vantage::Edge,
        Vantage::Local,
        Vantage::Hop,
        Vantage::Hop,
        Vantage::Hop,
    ] {
        counters.record(&Call { vantage, ..call() }, 0);
    }
    let snapshot = counters.snapshot(0);
    assert_eq!(total(&snapshot), 2);
    assert_eq!(snapshot.hops.iter().map(|row| row.count).sum::<u64>(), 3);
    assert_eq!(snapshot.durations[0].count, 2);
    let [acme] = snapshot.consumers.as_slice() else {
        panic!("one consumer")
    };
    assert_eq!(
        (
            acme.requests,
            acme.response_body_bytes,
            acme.cleartext_credentials
        ),
        (2, 76, 1)
    );
}

#[test]
fn methods_and_statuses_are_bounded_labels() {
    let mut counters = Counters::new(1_000, 0);
    counters.record(
        &Call {
            method: Some("PROPFIND".into()),
            ..call()
        },
        0,
    );
    counters.record(
        &Call {
            method: Some("get".into()),
            ..call()
        },
        0,
    );
    let unanswered = Call {
        status: None,
        outcome: Outcome::NoResponse,
        ..call()
    };
    counters.record(&unanswered, 0);
    let mut labels: Vec<_> = counters
        .snapshot(0)
        .requests
        .iter()
        .map(|row| format!("{} {}", row.method, row.status))
        .collect();
    labels.sort();
    assert_eq!(labels, ["GET none", "PROPFIND 200", "_OTHER 200"]);
}

#[test]
fn failures_say_how_far_they_came() {
    let mut counters = Counters::new(1_000, 0);
    let cut = |outcome, status| Call {
        outcome,
        status,
        ..call()
    };
    counters.record(&cut(Outcome::ClientAbort, Some(200)), 0);
    counters.record(&cut(Outcome::ServerReset, None), 0);
    let malformed = Some(Malformed::BareLineFeed);
    counters.record(
        &Call {
            malformed,
            outcome: Outcome::Malformed,
            ..call()
        },
        0,
    );
    // The response was lost on the way to us: nobody failed.
    let lost = Call {
        uncertain: Some(Uncertain::PairingBroken),
        ..cut(Outcome::NoResponse, None)
    };
    counters.record(&lost, 0);
    let snapshot = counters.snapshot(0);
    let mut failures: Vec<_> = snapshot
        .failures
        .iter()
        .map(|row| (row.outcome, row.reason))
        .collect();
    failures.sort_unstable();
    assert_eq!(
        failures,
        [
            ("client_abort", "in_response"),
            ("malformed", "bare_line_feed"),
            ("server_reset", "before_response")
        ]
    );
    assert_eq!(snapshot.consumers[0].errors, [0, 0, 0, 3]);
    assert_eq!(total(&snapshot), 4);
}

#[test]
fn unkeyed_success_names_the_route_unless_it_is_public() {
    let mut counters = Counters::new(1_000, 0);
    let unkeyed = || Call {
        consumer: UNKEYED.into(),
        credential: None,
        ..call()
    };
    counters.record(&unkeyed(), 0);
    counters.record(
        &Call {
            public: true,
            ..unkeyed()
        },
        0,
    );
    counters.record(
        &Call {
            outcome: Outcome::AuthMissing,
            status: Some(401),
            ..unkeyed()
        },
        0,
    );
    assert_eq!(
        counters.snapshot(0).unkeyed_success,
        [("/v1/widgets/{id}".into(), 1)]
    );
}

#[test]
fn credentials_in_targets_are_counted() {
    let mut counters = Counters::new(1_000, 0);
    for location in [
        "query:api_key",
        "path:1",
        "header:authorization",
        "cookie:session",
    ] {
        let credential = call().credential.map(|known| Credential {
            location: location.into(),
            ..known
        });
        counters.record(
            &Call {
                credential,
                visibility: Visibility::Tls,
                ..call()
            },
            0,
        );
    }
    let row = counters.snapshot(0).consumers.remove(0);
    assert_eq!((row.url_credentials, row.cleartext_credentials), (2, 0));
}

#[test]
fn error_ratio_trails_five_minutes() {
    let mut counters = Counters::new(1_000, 0);
    let start = 1_000_000 * SECOND;
    for status in [200, 200, 200, 404, 401, 403, 429, 500, 200, 200] {
        counters.record(&answered(status), start);
    }
    let ratio = |counters: &Counters, now| counters.snapshot(now).consumers[0].error_ratio;
    assert_eq!(ratio(&counters, start), [0.1, 0.2, 0.1, 0.1]);
    assert_eq!(ratio(&counters, start + 270 * SECOND), [0.1, 0.2, 0.1, 0.1]);
    assert_eq!(ratio(&counters, start + 330 * SECOND), [0.0; 4]);
    counters.record(&answered(500), start + 330 * SECOND);
    assert_eq!(ratio(&counters, start + 330 * SECOND), [0.0, 0.0, 0.0, 1.0]);
    // Time that goes backwards changes nothing.
    counters.record(&answered(500), start);
    assert_eq!(ratio(&counters, start)[3], 1.0);
}

#[test]
fn completeness_is_that_of_the_last_minute() {
    let mut counters = Counters::new(1_000, 0);
    assert_eq!(counters.snapshot(0).completeness, 1.0);
    let start = 5_000 * SECOND;
    counters.record(&call(), start);
    counters.record(
        &Call {
            uncertain: Some(Uncertain::Gap),
            ..call()
        },
        start,
    );
    counters.record(
        &Call {
            method: None,
            uncertain: Some(Uncertain::PairingBroken),
            ..call()
        },
        start,
    );
    counters.lost(1, start);
    let snapshot = counters.snapshot(start);
    assert_eq!(snapshot.completeness, 0.25);
    assert_eq!(
        total(&snapshot),
        2,
        "a response without its request is no request"
    );
    assert_eq!(counters.snapshot(start + 61 * SECOND).completeness, 1.0);
}

#[test]
fn durations_fall_into_their_buckets() {
    let mut counters = Counters::new(1_000, 0);
    for duration in [0, 5_000_000, 5_000_001, 11 * SECOND] {
        counters.record(&Call { duration, ..call() }, 0);
    }
    counters.record(
        &Call {
            duration: 3_600 * SECOND,
            ..answered(101)
        },
        0,
    );
    let row = counters.snapshot(0).durations.remove(0);
    assert_eq!(
        (
            row.cumulative[0],
            row.cumulative[1],
            row.cumulative[13],
            row.count
        ),
        (2, 3, 3, 4)
    );
    assert!((row.sum - 11.010_000_001).abs() < 1e-9);
    let nanoseconds = BUCKETS.map(|seconds| (seconds * 1e9).round() as u64);
    let mut each = Counters::new(1_000, 0);
    nanoseconds.iter().for_each(|duration| {
        each.record(
            &Call {
                duration: *duration,
                ..call()
            },
            0,
        )
    });
    let cumulative = each.snapshot(0).durations.remove(0).cumulative;
    assert_eq!(cumulative, std::array::from_fn(|index| index as u64 + 1));
}

#[test]
fn the_least_used_series_fold() {
    let mut counters = Counters::new(160, 0);
    for _ in 0..50 {
        counters.record(&call(), 0);
    }
    for index in 0..1_000 {
        counters.record(
            &Call {
                route: format!("/r{index}").into(),
                ..call()
            },
            0,
        );
    }
    let snapshot = counters.snapshot(0);
    assert!(snapshot.requests.len() <= 80);
    assert_eq!(total(&snapshot), 1_050);
    let kept = snapshot
        .requests
        .iter()
        .find(|row| &*row.route == "/v1/widgets/{id}");
    assert_eq!(kept.map(|row| row.count), Some(50));
    assert!(snapshot.overflow[0].1 > 900);
}

#[test]
fn a_fingerprint_is_kept_in_place() {
    assert_eq!(
        Fingerprint::new("k1_4QX7M2ZC5T6JH3WA").as_str(),
        "k1_4QX7M2ZC5T6JH3WA"
    );
    assert_eq!(Fingerprint::new("x".repeat(40)).as_str(), "x".repeat(32));
    assert_eq!(Fingerprint::new("é".repeat(20)).as_str(), "é".repeat(16));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Folding changes labels and never a sum, and every family stays under its bound.
    #[test]
    fn folding_preserves_sums(
        calls in prop::collection::vec((0u8..40, 0u8..40, 0u8..5, 0u64..20_000), 0..600),
        max_series in 0usize..200,
    ) {
        let mut counters = Counters::new(max_series, 0);
        let statuses = [200, 404, 401, 429, 500];
        let (mut errors, mut bytes, mut now) = (0, 0, 0);
        for (consumer, route, status, milliseconds) in &calls {
            now += milliseconds * 10_000;
            let status = statuses[usize::from(*status)];
            errors += u64::from(status != 200);
            bytes += milliseconds;
            counters.record(&Call {
                consumer: format!("c{consumer}").into(),
                route: format!("/r{route}").into(),
                duration: milliseconds * 1_000_000,
                request_body_bytes: *milliseconds,
                ..answered(status)
            }, now);
        }
        let snapshot = counters.snapshot(now);
        let all = calls.len() as u64;
        prop_assert_eq!(total(&snapshot), all);
        prop_assert_eq!(snapshot.durations.iter().map(|row| row.count).sum::<u64>(), all);
        prop_assert_eq!(snapshot.consumers.iter().map(|row| row.requests).sum::<u64>(), all);
        prop_assert_eq!(snapshot.consumers.iter().flat_map(|row| row.errors).sum::<u64>(), errors);
        prop_assert_eq!(snapshot.consumers.iter().map(|row| row.request_body_bytes).sum::<u64>(), bytes);
        prop_assert!(snapshot.requests.len() <= (max_series / 2).max(2));
        prop_assert!(snapshot.consumers.len() <= (max_series / 8).max(2));
    }
}
