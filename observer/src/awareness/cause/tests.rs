//! Errors of one key, and those of everybody on a route.

use super::super::rules::Rule;
use super::others::is_lower;
use super::*;
use crate::identity::Registry;
use crate::usage::tests::call;
use crate::usage::{Call, Outcome};

const BEGIN: u64 = 1_795_342_500;
const MILLISECOND: u64 = 1_000_000;
/// Minutes without an error.
const USUAL: u64 = 30;

/// Requests of five keys to one route.
struct Keys {
    awareness: Awareness,
    /// When the last one ended.
    time: u64,
}

impl Keys {
    /// After half an hour in which each asked three times a second, and nothing failed.
    fn accustomed() -> Self {
        let mut keys = Self {
            awareness: Awareness::new(&Registry::default()),
            time: BEGIN * SECOND,
        };
        for minute in 1..=USUAL {
            for number in 0..900 {
                keys.ask(number % 5, 60_000 / 900, Outcome::Ok);
            }
            keys.awareness.tick(BEGIN + minute * 60, 1.0);
        }
        keys
    }

    /// One of them asks, so many milliseconds after the one before.
    fn ask(&mut self, key: u64, after: u64, outcome: Outcome) {
        self.time += after * MILLISECOND;
        self.awareness.observe(&Call {
            begin: self.time,
            duration: MILLISECOND,
            outcome,
            consumer: format!("c{key}").into(),
            key: Some("key".into()),
            ..call()
        });
    }

    /// What is told: the rules and their subjects.
    fn told(&self) -> Vec<(Rule, String)> {
        let open = self.awareness.open();
        open.map(|incident| (incident.rule, incident.subject.id.to_string()))
            .collect()
    }
}

#[test]
fn a_bad_deploy_is_the_routes_whoever_meets_it_first() {
    let mut keys = Keys::accustomed();
    for _ in 0..10 {
        keys.ask(4, 60, Outcome::ServerError);
    }
    let route = [(Rule::ProviderErrors, "orders /v1/widgets/{id}".to_owned())];
    assert_eq!(keys.told(), route);
    for number in 0..600 {
        keys.ask(number % 5, 60, Outcome::ServerError);
    }
    assert_eq!(keys.told(), route);
}

#[test]
fn a_deploy_that_fails_every_second_time_is_the_routes_too() {
    let mut keys = Keys::accustomed();
    let outcome = |number: u64| match number % 2 {
        0 => Outcome::ServerError,
        _ => Outcome::Ok,
    };
    for number in 0..20 {
        keys.ask(4, 30, outcome(number));
    }
    for number in 0..600 {
        keys.ask(number % 5, 60, outcome(number));
    }
    let route = "orders /v1/widgets/{id}".to_owned();
    assert_eq!(keys.told(), [(Rule::ProviderErrors, route)]);
}

#[test]
fn what_fails_for_one_key_alone_is_that_keys() {
    let mut keys = Keys::accustomed();
    for number in 0..600 {
        let (key, outcome) = match number % 5 {
            4 if number > 100 => (4, Outcome::ServerError),
            key => (key, Outcome::Ok),
        };
        keys.ask(key, 60, outcome);
    }
    assert_eq!(keys.told(), [(Rule::ProviderErrors, "c4/key".to_owned())]);
}

#[test]
fn a_key_that_asks_for_what_is_not_there_is_told_at_once() {
    let mut keys = Keys::accustomed();
    for _ in 0..40 {
        keys.ask(4, 10, Outcome::ClientError);
    }
    assert_eq!(keys.told(), [(Rule::ErrorRate, "c4/key".to_owned())]);
}

#[test]
fn few_errors_are_no_chance_only_where_many_were_due() {
    assert!(is_lower((0, 4), 1.0) && !is_lower((0, 2), 1.0));
    assert!(is_lower((0, 20), 0.3) && !is_lower((0, 19), 0.3));
    assert!(is_lower((10, 100), 0.3) && !is_lower((20, 100), 0.3));
    assert!(!is_lower((0, 0), 1.0) && !is_lower((30, 100), 0.3) && !is_lower((90, 100), 0.3));
    assert!(!is_lower((5, 5), 1.0) && !is_lower((0, 1_000), 0.0));
}
