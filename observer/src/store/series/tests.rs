//! The ledger and the counters never disagree about what an error is.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::http::Uncertain;
use crate::store::{Retention, Writer, open, open_to_read};
use crate::usage::batch::Batch;
use crate::usage::tests::call;
use crate::usage::{Call, Counters, Outcome};

const SECOND: u64 = 1_000_000_000;
/// A beginning of a day.
const DAY: u64 = 20_780 * 86_400;

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let status = prop_oneof![
        Just(None),
        Just(Some(200)),
        Just(Some(301)),
        Just(Some(401)),
        Just(Some(403)),
        Just(Some(404)),
        Just(Some(429)),
        Just(Some(503)),
    ];
    let outcome = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Outcome::Malformed)),
        1 => Just(Some(Outcome::ClientAbort)),
        1 => Just(Some(Outcome::ServerReset)),
    ];
    let one = (
        status,
        outcome,
        any::<bool>(),
        0..3_u8,
        0..2_u8,
        0..7_200_u64,
    );
    let one = one.prop_map(|(status, outcome, lost, consumer, route, second)| Call {
        begin: (DAY + second) * SECOND,
        status,
        outcome: outcome.unwrap_or_else(|| Outcome::of(status, None, None, true)),
        uncertain: lost.then_some(Uncertain::Gap),
        consumer: format!("consumer-{consumer}").into(),
        route: format!("/r{route}").into(),
        ..call()
    });
    proptest::collection::vec(one, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn errors_and_sums_are_those_of_the_counters(calls in calls()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut batch = Batch::default();
        let mut counters = Counters::new(10_000, 0);
        for call in &calls {
            batch.add(call);
            counters.record(call, call.end());
        }
        let writer = Writer::start(&path, open(&path, None).ok(), Retention::ALL).unwrap();
        writer.write(1, Arc::new(batch.rows()));
        writer.finish();
        let ledger = open_to_read(&path).unwrap();
        let period = Period { from: DAY, until: DAY + 7_200 };
        let everybody = Filter::default();
        for (consumer, step) in [("consumer-0", 60), ("consumer-1", 300), ("consumer-2", 900)] {
            let filter = Filter { consumer: Some(consumer.to_owned()), ..Filter::default() };
            let points = series(&ledger, period, step, &filter).unwrap();
            let mut sums = [0; 5];
            let mut last = None;
            for (at, usage) in points {
                prop_assert_eq!(at % step, 0);
                prop_assert!(last < Some(at));
                last = Some(at);
                sums[0] += usage.sums.requests;
                for (sum, errors) in sums[1..].iter_mut().zip(usage.errors) {
                    *sum += errors;
                }
            }
            let snapshot = counters.snapshot(DAY * SECOND);
            let row = snapshot.consumers.iter().find(|row| &*row.consumer == consumer);
            let counted = row.map_or([0; 5], |row| {
                let [client, auth, limited, server] = row.errors;
                [row.requests, client, auth, limited, server]
            });
            prop_assert_eq!(sums, counted, "{} by {}", consumer, step);
            let own = parts(&ledger, period, step, &everybody, &["consumer"]).unwrap();
            let own = own.iter().find(|(names, _)| names[0] == consumer);
            prop_assert_eq!(own.map_or(0, |(_, usage)| usage.sums.requests), sums[0]);
        }
        let routes = parts(&ledger, period, 60, &everybody, &["api", "route"]).unwrap();
        let all: u64 = routes.iter().map(|(_, usage)| usage.sums.requests).sum();
        prop_assert_eq!(all, calls.len() as u64);
        prop_assert!(routes.iter().all(|(names, _)| names.len() == 2 && names[0] == "orders"));
    }
}
