//! Exchanges that the configuration does not expect, and those that only look like it.

use super::super::rules::Rule;
use super::*;
use crate::identity::Registry;
use crate::usage::tests::call;

/// The rules of the incidents that these exchanges open, with what they are about.
fn told(calls: impl IntoIterator<Item = Call>) -> Vec<(Rule, String)> {
    let mut awareness = Awareness::new(&Registry::default());
    for call in calls {
        awareness.observe(&call);
    }
    let open = awareness.open();
    open.map(|incident| (incident.rule, incident.statement.clone()))
        .collect()
}

fn signed(sign: u16) -> Call {
    let mut call = call();
    call.traits.set(sign, true);
    call
}

#[test]
fn a_host_that_is_no_apis_is_told_of_its_listener() {
    let stray = || Call {
        host: Some("<evil>.example".into()),
        api: "<evil>.example".into(),
        ..signed(sign::STRAY_HOST)
    };
    let told_of = told([stray(), stray()]);
    let [(Rule::UnknownHost, statement)] = &*told_of else {
        panic!("{told_of:?}");
    };
    assert_eq!(
        statement,
        "listener eth0:8080: answered 200 to a host that no API is configured with: route %3Cevil%3E.example /v1/widgets/{id}"
    );
}

#[test]
fn what_is_refused_and_what_checks_health_is_no_stray_host() {
    let refused = Call {
        status: Some(421),
        outcome: crate::usage::Outcome::ClientError,
        ..signed(sign::STRAY_HOST)
    };
    let preflight = Call {
        method: Some("OPTIONS".into()),
        ..signed(sign::STRAY_HOST)
    };
    let check = Call {
        host: Some("192.0.2.1:8080".into()),
        client: ([10, 0, 0, 9], 40_000).into(),
        credential: None,
        ..signed(sign::STRAY_HOST)
    };
    let own = Call {
        host: Some("localhost".into()),
        client: ([127, 0, 0, 1], 40_000).into(),
        ..signed(sign::STRAY_HOST)
    };
    assert_eq!(told([refused, preflight, check.clone(), own, call()]), []);
    let from_outside = Call {
        client: ([198, 51, 100, 9], 40_000).into(),
        ..check
    };
    assert_eq!(told([from_outside]).len(), 1);
}

#[test]
fn what_a_document_does_not_expect_is_told_at_the_third_success() {
    for (sign, rule, words) in [
        (
            sign::UNDECLARED,
            Rule::ShadowEndpoint,
            "its API's document does not declare it",
        ),
        (
            sign::DEPRECATED,
            Rule::ZombieEndpoint,
            "its API's document calls GET of it deprecated",
        ),
    ] {
        let hits = |count| (0..count).map(|_| signed(sign));
        assert_eq!(told(hits(2)), []);
        let statement = format!(
            "route orders /v1/widgets/{{id}}: {words}, and it was answered with success 3 times, the last time with 200"
        );
        assert_eq!(told(hits(3)), [(rule, statement)]);
        let gone = (0..3).map(|_| Call {
            status: Some(410),
            outcome: crate::usage::Outcome::ClientError,
            ..signed(sign)
        });
        assert_eq!(told(hits(2).chain(gone)), [], "{}", rule.name());
    }
}

#[test]
fn successes_that_were_not_expected_outlast_a_restart() {
    let mut awareness = Awareness::new(&Registry::default());
    for _ in 0..2 {
        awareness.observe(&signed(sign::DEPRECATED));
    }
    awareness.begin_saving();
    let rows = awareness.save(100);
    let now = call().end() / 1_000_000_000;
    let mut next = Awareness::new(&Registry::default());
    next.restore(rows.clone(), [], now);
    next.observe(&signed(sign::DEPRECATED));
    let rules: Vec<Rule> = next.open().map(|incident| incident.rule).collect();
    assert_eq!(rules, [Rule::ZombieEndpoint]);
    // A row that a version before wrote ends before what came later.
    let mut next = Awareness::new(&Registry::default());
    next.restore(
        rows.into_iter().map(|mut row| {
            if row.name.starts_with("route") {
                row.state.truncate(row.state.len() - 2);
            }
            row
        }),
        [],
        now,
    );
    assert_eq!(next.view().routes.len(), 1);
}
