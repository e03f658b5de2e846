//! Keys and routes that take long, told apart.

use super::super::rules::Rule;
use super::*;
use crate::identity::Registry;
use crate::usage::Call;
use crate::usage::tests::call;

const BEGIN: u64 = 1_795_342_500;

/// What is told within half an hour of requests of three keys to one route, ten a minute each, after a day and a half of usual
/// ones. `milliseconds`: what a request of each then takes.
fn told(milliseconds: [u64; 3]) -> Vec<(Rule, String)> {
    let mut awareness = Awareness::new(&Registry::default());
    let mut seed = 1_u64;
    for minute in 0..36 * 60 + 30_u64 {
        for number in 0..30_u64 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = (number % 3) as usize;
            let usual = minute < 36 * 60;
            let base = if usual { 20 } else { milliseconds[key] };
            let request = Call {
                begin: (BEGIN + minute * 60 + 2 * number) * 1_000_000_000,
                duration: base * (800_000 + (seed >> 40) % 400_000),
                key: Some(format!("k{key}").into()),
                ..call()
            };
            awareness.observe(&request);
        }
        awareness.tick(BEGIN + minute * 60 + 60, 1.0);
    }
    let mut told: Vec<(Rule, String)> = awareness
        .open()
        .map(|incident| (incident.rule, incident.subject.id.to_string()))
        .collect();
    told.sort_unstable();
    told
}

#[test]
fn a_key_whose_requests_take_long_is_told_and_not_its_route() {
    assert_eq!(
        told([20, 2_000, 20]),
        [(Rule::ResourceConsumption, "acme/k1".to_owned())]
    );
}

#[test]
fn a_route_that_is_slow_for_all_is_told_and_no_key() {
    assert_eq!(
        told([400, 400, 400]),
        [(Rule::Latency, "orders /v1/widgets/{id}".to_owned())]
    );
}

#[test]
fn where_nobody_else_is_served_one_of_both_is_told() {
    let mut awareness = Awareness::new(&Registry::default());
    for minute in 0..36 * 60 + 30_u64 {
        for number in 0..12_u64 {
            let base = if minute < 36 * 60 { 20 } else { 4_000 };
            awareness.observe(&Call {
                begin: (BEGIN + minute * 60 + 4 * number) * 1_000_000_000,
                duration: base * (900_000 + 13_000 * ((minute * 7 + number * 5) % 17)),
                ..call()
            });
        }
        awareness.tick(BEGIN + minute * 60 + 60, 1.0);
    }
    let told: Vec<Rule> = awareness.open().map(|incident| incident.rule).collect();
    assert_eq!(told, [Rule::ResourceConsumption]);
}

#[test]
fn as_long_as_ever_is_nothing() {
    assert_eq!(told([20, 20, 20]), []);
    assert_eq!(told([20, 30, 20]), []);
}

#[test]
fn the_route_that_most_time_went_to_is_found() {
    let mut served = Served::default();
    for number in 0..50 {
        served.add(number % 5, 1_000, 6.9);
        served.add(7, 6_000, 8.7);
    }
    assert_eq!((served.requests, served.microseconds), (100, 350_000));
    assert_eq!(served.place(), Some(7));
}
