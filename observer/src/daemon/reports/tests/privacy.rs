//! What a consumer is not told.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn a_consumer_is_told_of_nobody_else() {
    let (report, value) = of_day(two_days(), "consumer:acme");
    assert_eq!(
        row(section(&value, "totals"), "measure", "requests")["now"],
        1_000
    );
    // Others met with the same, which is why it is not this one's; who they are is not told.
    assert_eq!(
        row(section(&value, "errors"), "outcome", "not_found")["responsible"],
        "provider"
    );
    assert_eq!(section(&value, "incidents").len(), 1);
    assert_eq!(section(&value, "responses").len(), 1);
    let texts = [
        reports::html(&report).unwrap(),
        reports::markdown(&report),
        reports::csv(&report),
        reports::json(&report),
    ];
    for text in texts {
        let others = [
            "beta-co",
            "corp",
            "leaver",
            "__unkeyed__",
            "203.0.113",
            "198.51.100",
            "bbbb02",
            "cccc03",
            "r-bbbbbbbb",
            "4711003",
            "4070",
            "4050",
            "1200",
        ];
        for other in others {
            assert!(!text.contains(other), "{other} in {text}");
        }
    }
}

fn usage() -> impl Strategy<Value = Vec<(u64, u8, bool, u64)>> {
    proptest::collection::vec(
        (0..2 * DAY / 60, 0..3_u8, any::<bool>(), 1..5_000_u64),
        1..12,
    )
}

fn windows(
    consumer: &str,
    usage: &[(u64, u8, bool, u64)],
    errors: bool,
    times: u64,
) -> Vec<WindowRow> {
    let one = |(minute, route, fails, requests): &(u64, u8, bool, u64)| {
        let status = if *fails && errors { 404 } else { 200 };
        window(
            NOW - DAY + minute * 60,
            consumer,
            &format!("/v1/{route}"),
            status,
            requests * times,
        )
    };
    usage.iter().map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever others do, a consumer's report is the same, and the parts that an owner's has of it are its own sums.
    #[test]
    fn a_consumers_report_does_not_depend_on_others(own in usage(), one in usage(), other in usage()) {
        let mut reports = Vec::new();
        for (usage, name) in [(&one, "beta-co"), (&other, "corp")] {
            let mut rows = Rows {
                windows: windows("acme", &own, true, 1),
                ..Rows::default()
            };
            // The ledger begins before all of them, whoever comes first.
            rows.windows.push(window(NOW - 2 * DAY, "early", "/v1/0", 200, 1));
            rows.windows.extend(windows(name, usage, false, 1_000_003));
            rows.incidents.push(incident("bbbb02", "key", name, Some(name), "something"));
            rows.actions.push(action("r-bbbbbbbb", name, "leaked"));
            let (report, value) = of_day(rows, "consumer:acme");
            let sum: u64 = own.iter().filter(|(minute, ..)| *minute >= DAY / 60).map(|(.., requests)| requests).sum();
            prop_assert_eq!(&row(section(&value, "totals"), "measure", "requests")["now"], &json!(sum));
            prop_assert!(!reports::html(&report).unwrap().contains(name));
            reports.push(report);
        }
        prop_assert_eq!(&reports[0], &reports[1]);
    }
}
