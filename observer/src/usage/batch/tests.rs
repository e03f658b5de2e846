use datasketches::hll::HllSketch;
use datasketches::tdigest::TDigestMut;

use super::*;
use crate::http::Uncertain;
use crate::usage::tests::call;

const HOUR: u64 = 3_600 * SECOND;

fn at(begin: u64) -> Call {
    Call {
        begin,
        duration: 1_000_000,
        ..call()
    }
}

fn requests(rows: &Rows) -> u64 {
    rows.windows.iter().map(|row| row.sums.requests).sum()
}

/// The wall clock is set back, and forward again: every exchange stands in some window, once.
#[test]
fn a_step_of_the_clock_neither_loses_nor_doubles() {
    let mut batch = Batch::default();
    for begin in [500, 499, 501, 900, 500].map(|hours| hours * HOUR) {
        batch.add(&at(begin));
    }
    let rows = batch.rows();
    assert_eq!(requests(&rows), 5);
    let twice = rows
        .windows
        .iter()
        .find(|row| row.start == 500 * 3_600)
        .map(|row| row.sums.requests);
    assert_eq!(twice, Some(2));
}

#[test]
fn hops_and_what_is_not_certain_are_kept_apart() {
    let mut batch = Batch::default();
    batch.add(&Call {
        vantage: Vantage::Hop,
        ..at(HOUR)
    });
    assert!(batch.rows().is_empty());
    batch.add(&Call {
        uncertain: Some(Uncertain::Gap),
        ..at(HOUR)
    });
    // A response without its request is no request, but it was one.
    batch.add(&Call {
        method: None,
        uncertain: Some(Uncertain::PairingBroken),
        ..at(HOUR)
    });
    let rows = batch.rows();
    assert_eq!(requests(&rows), 1);
    assert_eq!(rows.windows[0].sums.uncertain, 1);
    let reasons: Vec<_> = rows.coverage.iter().map(|row| &*row.reason).collect();
    assert_eq!(reasons, ["gap", "pairing_broken"]);
}

#[test]
fn past_the_bound_windows_lose_their_route_and_no_request() {
    let mut batch = Batch::default();
    let many = WINDOWS as u64 + 500;
    for number in 0..many {
        batch.add(&Call {
            route: format!("/r{number}").into(),
            ..at(HOUR)
        });
    }
    let rows = batch.rows();
    assert_eq!(requests(&rows), many);
    assert!(rows.windows.len() <= WINDOWS + 1);
    assert!(rows.latency.len() <= SKETCHES);
    assert!(batch.folded() >= 500);
}

#[test]
fn sketches_tell_latencies_and_networks() {
    let mut batch = Batch::default();
    for number in 0..1_000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        batch.add(&Call {
            duration: u64::from(number) * 1_000_000,
            client: ([10, high, low, 1], 4000).into(),
            ..at(HOUR)
        });
    }
    let rows = batch.rows();
    let mut digest = TDigestMut::deserialize(&rows.latency[0].sketch).unwrap();
    let median = digest.quantile(0.5).unwrap().unwrap();
    assert!((480_000.0..520_000.0).contains(&median), "{median} us");
    let networks = HllSketch::deserialize(&rows.networks[0].sketch).unwrap();
    let estimate = networks.estimate();
    assert!((900.0..1_100.0).contains(&estimate), "{estimate} networks");
}
