//! Whom an operator is told to turn to, in the situations that the two-way test is for.

use proptest::prelude::*;

use super::*;

const ROUTES: [&str; 4] = ["/v1/a", "/v1/b", "/v1/c", "/v1/d"];
const CONSUMERS: [&str; 6] = ["acme", "beta", "corp", "delta", "echo", "foxtrot"];

/// Every consumer on every route with a thousand requests in each period and one in a hundred an error; `step` says which
/// cells have how many errors more.
fn cells(step: impl Fn(&str, &str) -> u64) -> Vec<Cell<'static>> {
    let mut cells = Vec::new();
    for consumer in CONSUMERS {
        for route in ROUTES {
            cells.push(Cell {
                consumer,
                route: ("orders", route),
                requests: 1_000,
                errors: 10 + step(consumer, route),
                requests_before: 1_000,
                errors_before: 10,
            });
        }
    }
    cells
}

fn responsible(judgement: &Judgement<'_>, route: &str) -> Option<Responsible> {
    judgement.responsible(Outcome::NotFound, ("orders", route))
}

#[test]
fn a_deploy_that_breaks_one_route_for_everybody_is_the_provider_s() {
    let cells = cells(|_, route| if route == "/v1/b" { 200 } else { 0 });
    let judgement = judge(&cells);
    assert_eq!(judgement.cause, Cause::Route);
    let (route, consumer) = (
        judgement.top_route.expect("one"),
        judgement.top_consumer.expect("one"),
    );
    assert_eq!((route.of, judgement.consumers), (("orders", "/v1/b"), 6));
    assert!(route.share > 0.99 && (consumer.share - 1.0 / 6.0).abs() < 0.01);
    assert_eq!(
        responsible(&judgement, "/v1/b"),
        Some(Responsible::Provider)
    );
    // On other routes it stays with whoever sent it.
    assert_eq!(
        responsible(&judgement, "/v1/a"),
        Some(Responsible::Consumer)
    );
    assert_eq!(
        judgement.responsible(Outcome::Ok, ("orders", "/v1/b")),
        None
    );
}

#[test]
fn a_consumer_whose_client_went_wrong_is_told_so() {
    for route_of_it in [Some("/v1/c"), None] {
        let step = |consumer: &str, route: &str| {
            let there = route_of_it.is_none_or(|only| only == route);
            u64::from(consumer == "beta" && there) * 300
        };
        let cells = cells(step);
        let judgement = judge(&cells);
        assert_eq!(judgement.cause, Cause::Consumer);
        let top = judgement.top_consumer.expect("one");
        assert!(top.of == "beta" && top.share > 0.99);
        assert_eq!(
            responsible(&judgement, "/v1/c"),
            Some(Responsible::Consumer)
        );
        let broken = judgement.responsible(Outcome::ServerError, ("orders", "/v1/c"));
        assert_eq!(broken, Some(Responsible::Provider));
    }
}

#[test]
fn whoever_has_most_of_the_traffic_is_not_blamed_for_what_all_meet_with() {
    let mut cells = cells(|_, route| if route == "/v1/b" { 200 } else { 0 });
    for cell in &mut cells {
        if cell.consumer == "acme" {
            (cell.requests, cell.errors) = (cell.requests * 20, cell.errors * 20);
            (cell.requests_before, cell.errors_before) = (20_000, 200);
        }
    }
    let judgement = judge(&cells);
    assert!(judgement.top_consumer.expect("one").share > 0.7);
    assert_eq!(judgement.cause, Cause::Route);
}

#[test]
fn what_hits_everybody_everywhere_is_the_provider_s() {
    let cells = cells(|_, _| 200);
    let judgement = judge(&cells);
    assert_eq!(judgement.cause, Cause::Everybody);
    assert_eq!(
        responsible(&judgement, "/v1/d"),
        Some(Responsible::Provider)
    );
}

#[test]
fn what_is_as_before_or_has_no_before_blames_nobody_else() {
    let usual = cells(|_, _| 0);
    assert_eq!(judge(&usual).cause, Cause::None);
    // Twice the traffic with twice the errors is no step.
    let mut more = cells(|_, _| 0);
    for cell in &mut more {
        (cell.requests, cell.errors) = (2_000, 20);
    }
    assert_eq!(judge(&more).cause, Cause::None);
    let mut first = cells(|_, route| if route == "/v1/b" { 200 } else { 0 });
    for cell in &mut first {
        (cell.requests_before, cell.errors_before) = (0, 0);
    }
    let judgement = judge(&first);
    assert_eq!(judgement.cause, Cause::None);
    assert_eq!(
        responsible(&judgement, "/v1/b"),
        Some(Responsible::Consumer)
    );
    assert_eq!(judge(&[]).top_route, None);
}

proptest! {
    /// Shares are shares, and the order of the cells does not matter.
    #[test]
    fn shares_lie_between_none_and_all(
        mut cells in prop::collection::vec(
            (0..6_usize, 0..4_usize, 0..500_u64, 0..500_u64, 0..500_u64, 0..500_u64), 0..24,
        )
    ) {
        cells.sort();
        cells.dedup_by_key(|cell| (cell.0, cell.1));
        let mut cells: Vec<Cell<'_>> = cells
            .into_iter()
            .map(|(consumer, route, errors, fine, errors_before, fine_before)| Cell {
                consumer: CONSUMERS[consumer],
                route: ("orders", ROUTES[route]),
                requests: errors + fine,
                errors,
                requests_before: errors_before + fine_before,
                errors_before,
            })
            .collect();
        let judgement = judge(&cells);
        for share in [
            judgement.top_consumer.map(|top| top.share),
            judgement.top_route.map(|top| top.share),
        ].into_iter().flatten() {
            prop_assert!(share > 0.0 && share < 1.000_001, "{}", share);
        }
        prop_assert!(judgement.excess <= judgement.errors as f64);
        cells.reverse();
        prop_assert_eq!(judge(&cells).cause, judgement.cause);
    }
}
