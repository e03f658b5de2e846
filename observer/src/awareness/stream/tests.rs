//! What is told of a series, and what is not.

use proptest::prelude::*;

use super::*;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60;

/// A noise between -1 and 1 that is the same in every run.
fn noise(minute: u64) -> f64 {
    let mixed = (minute + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// Requests a minute: few at night, many at noon.
fn traffic(minute: u64) -> f64 {
    let phase = (minute % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
    500.0 - 400.0 * phase.cos() + 20.0 * noise(minute)
}

fn alarms(stream: &mut Stream, minutes: std::ops::Range<u64>, value: impl Fn(u64) -> f64) -> usize {
    minutes
        .filter(|minute| stream.push(minute * MINUTE, value(*minute)).score >= Stream::ALARM)
        .count()
}

fn accustomed() -> Stream {
    let mut stream = Stream::new();
    alarms(&mut stream, 0..14 * DAY, traffic);
    stream
}

#[test]
fn what_was_always_so_is_not_told() {
    assert_eq!(alarms(&mut Stream::new(), 0..DAY, |_| 45.0), 0);
    let mut stream = accustomed();
    assert_eq!(alarms(&mut stream, 14 * DAY..28 * DAY, traffic), 0);
}

/// Four weeks of latencies that spread over orders of magnitude, and of a few requests a minute.
#[test]
fn noise_that_never_changes_is_seldom_told() {
    let normal = |minute: u64| {
        let (radius, angle) = (noise(2 * minute).abs(), noise(2 * minute + 1));
        (-2.0 * radius.ln()).sqrt() * (angle * std::f64::consts::PI).cos()
    };
    let latency = |minute| 0.05 * (0.5 * normal(minute)).exp();
    let requests = |minute| (3.0 + 1.7 * normal(minute)).round().max(0.0);
    for value in [&latency as &dyn Fn(u64) -> f64, &requests] {
        let mut stream = Stream::new();
        let verdicts: Vec<f64> = (0..28 * DAY)
            .map(|minute| stream.push(minute * MINUTE, value(minute)).score)
            .collect();
        let told = |score: f64| verdicts.iter().filter(|told| **told >= score).count();
        assert!(told(Stream::ALARM) <= 16, "{}", told(Stream::ALARM));
        assert!(told(0.8) <= 4, "{}", told(0.8));
    }
}

#[test]
fn a_spike_is_told_with_what_was_expected() {
    let mut stream = accustomed();
    let verdict = stream.push(14 * DAY * MINUTE, 2000.0);
    assert!(verdict.score >= Stream::ALARM, "{verdict:?}");
    let observed = verdict.expected + verdict.residual;
    if matches!(verdict.view, View::Value | View::HourOfWeek) {
        assert_eq!(observed, 2000.0);
    }
    assert!(verdict.spread < 450.0, "{verdict:?}");

    let outside = (verdict.residual.abs() / verdict.spread - 1.0) / 2.0;
    let count = (14 * DAY + 1) as f64;
    let outside = outside.min(10.0) * count / (count + 400.0);
    let score = outside / (outside + 0.05);
    assert!((verdict.score - score).abs() < 1e-9, "{verdict:?} {score}");
}

#[test]
fn a_failure_is_told_at_the_busy_hour_though_nights_are_as_quiet() {
    let mut stream = accustomed();
    let noon = 14 * DAY..14 * DAY + DAY / 2;
    assert_eq!(alarms(&mut stream, noon, traffic), 0);
    let outage = 14 * DAY + DAY / 2..14 * DAY + DAY / 2 + 10;
    assert!(alarms(&mut stream, outage, |_| 120.0) > 0);
}

#[test]
fn a_lasting_change_is_told_a_few_times_and_then_is_usual() {
    let mut stream = accustomed();
    let doubled = |minute| 3.0 * traffic(minute);
    let told = alarms(&mut stream, 14 * DAY..21 * DAY, doubled);
    assert!((1..20).contains(&told), "{told}");
    assert_eq!(alarms(&mut stream, 21 * DAY..28 * DAY, doubled), 0);
}

#[test]
fn an_enormous_value_does_not_hide_a_large_one() {
    let mut stream = accustomed();
    assert_eq!(alarms(&mut stream, 14 * DAY..14 * DAY + 1, |_| 1e9), 1);
    let after = 14 * DAY + 1..15 * DAY;
    alarms(&mut stream, after, traffic);
    assert_eq!(alarms(&mut stream, 15 * DAY..15 * DAY + 1, |_| 1e4), 1);
}

#[test]
fn what_is_no_number_changes_nothing() {
    let mut stream = accustomed();
    let before = stream.clone();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
        assert_eq!(stream.push(14 * DAY * MINUTE, value).score, 0.0);
    }
    assert_eq!(stream, before);
}

#[test]
fn a_series_stays_within_its_size_and_survives_a_restart() {
    assert!(size_of::<Stream>() <= 3344, "{}", size_of::<Stream>());
    let mut stream = accustomed();
    let stored = serde_json::to_string(&stream).unwrap();
    assert!(stored.len() <= 32 * 1024, "{}", stored.len());
    let mut restarted: Stream = serde_json::from_str(&stored).unwrap();
    for minute in 14 * DAY..15 * DAY {
        let value = traffic(minute) * if minute % 500 == 0 { 3.0 } else { 1.0 };
        let (one, other) = (
            stream.push(minute * MINUTE, value),
            restarted.push(minute * MINUTE, value),
        );
        // Decimal text may be off by the last digit.
        assert!((one.score - other.score).abs() < 1e-6, "{one:?} {other:?}");
    }
}

proptest! {
    #[test]
    fn verdicts_are_numbers_whatever_is_told(
        values in prop::collection::vec((any::<u64>(), prop_oneof![any::<f64>(), -1e300..1e300, -1.0..1.0]), 0..400),
    ) {
        let (mut stream, mut other) = (Stream::new(), Stream::new());
        for (time, value) in values {
            let verdict = stream.push(time, value);
            prop_assert!((0.0..=1.0).contains(&verdict.score));
            if value.is_finite() {
                prop_assert!(verdict.expected.is_finite() && verdict.spread.is_finite() && verdict.residual.is_finite());
                prop_assert_eq!(verdict, other.push(time, value));
            }
        }
    }
}
