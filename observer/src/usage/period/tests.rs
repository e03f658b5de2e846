use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3_600;

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn zones() -> Vec<TimeZone> {
    let database = TimeZoneDatabase::bundled();
    let names = database.available();
    names.map(|name| zone(name.as_str())).collect()
}

fn month(text: &str, name: &str) -> Period {
    let months = Period::parse(text, &zone(name)).unwrap();
    assert_eq!(months.len(), 1);
    months[0].clone()
}

fn hours(text: &str, name: &str) -> f64 {
    let period = month(text, name);
    (period.until - period.from) as f64 / HOUR as f64
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap()
}

#[test]
fn months_are_as_long_as_clocks_have_them() {
    for (text, name, expected) in [
        ("2026-11", "UTC", 720.0),
        ("2026-10", "Europe/Berlin", 745.0),
        ("2027-03", "Europe/Berlin", 743.0),
        ("2024-02", "Europe/Berlin", 696.0),
        // Half an hour.
        ("2026-04", "Australia/Lord_Howe", 720.5),
        ("2026-10", "Australia/Lord_Howe", 743.5),
        // A day that was skipped.
        ("2011-12", "Pacific/Apia", 720.0),
        // At midnight.
        ("2018-11", "America/Sao_Paulo", 719.0),
        ("2018-02", "America/Sao_Paulo", 673.0),
        ("2023-04", "Africa/Cairo", 719.0),
        ("2026-03", "Asia/Beirut", 743.0),
    ] {
        assert_eq!(hours(text, name), expected, "{text} {name}");
    }
}

#[test]
fn a_statement_gets_days_in_the_zone_and_times_in_utc() {
    let stated = month("2026-10", "Europe/Berlin").stated();
    assert_eq!(
        stated,
        BillingPeriod {
            name: "2026-10".into(),
            from: "2026-09-30T22:00:00Z".into(),
            until: "2026-10-31T23:00:00Z".into(),
            first_day: "2026-10-01".into(),
            last_day: "2026-10-31".into(),
            time_zone: "Europe/Berlin".into(),
        }
    );
    assert_eq!(month("2026-11", "UTC").stated().time_zone, "UTC");
}

/// Where the clock went forward at midnight on the first of a month, or over a whole day, it begins with what came instead.
#[test]
fn a_day_without_midnight_begins_with_its_first_moment() {
    for (text, name, from, first_day) in [
        // 24:00 on 31 March became 1:00.
        (
            "1984-04",
            "Asia/Amman",
            "1984-03-31T22:00:00Z",
            "1984-04-01",
        ),
        // The last day of 1994 was left out, so the year begins a day after the thirtieth.
        (
            "1995-01",
            "Pacific/Kiritimati",
            "1994-12-31T10:00:00Z",
            "1995-01-01",
        ),
    ] {
        let stated = month(text, name).stated();
        assert_eq!(
            (&*stated.from, &*stated.first_day),
            (from, first_day),
            "{name}"
        );
    }
    assert_eq!(
        month("1994-12", "Pacific/Kiritimati").stated().last_day,
        "1994-12-30"
    );
}

/// In Newfoundland the clock went back from 0:01 on 1 November 2009 to 23:01 the day before: the month has begun by then.
#[test]
fn a_midnight_that_comes_twice_counts_the_first_time() {
    let (october, november) = (
        month("2009-10", "America/St_Johns"),
        month("2009-11", "America/St_Johns"),
    );
    assert_eq!(october.until, november.from);
    assert_eq!(november.stated().from, "2009-11-01T02:30:00Z");
    assert_eq!(october.stated().last_day, "2009-10-31");
    assert_eq!(november.until - november.from, 721 * HOUR);
}

#[test]
fn what_is_no_period_is_told() {
    for text in [
        "",
        "26",
        "2026-",
        "2026-1",
        "2026-13",
        "2026-00",
        "2026-11-01",
        "-2026",
        "+026",
        "2026-+1",
        "２０２６",
        "20261",
        "2026-11 ",
    ] {
        assert_eq!(
            Period::parse(text, &TimeZone::UTC),
            Err(NotPeriod::Text(text.into())),
            "{text}"
        );
    }
    for text in ["1970-12", "0000", "9999"] {
        assert_eq!(
            Period::parse(text, &TimeZone::UTC),
            Err(NotPeriod::Range(text.into()))
        );
    }
    let error = Period::parse("November", &TimeZone::UTC).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`November` is no billing period (write 2026-11 for a month, or 2026 for the months of a year)"
    );
    assert!(Period::parse("9998", &zone("Pacific/Kiritimati")).is_ok());
    assert!(Period::parse("1971", &zone("Etc/GMT-14")).is_ok());
}

/// A year's months, from the ends of its neighbours.
fn meet(zone: &TimeZone, year: i16) {
    let months = Period::parse(&year.to_string(), zone).unwrap();
    assert_eq!(months.len(), 12);
    for (index, period) in months.iter().enumerate() {
        assert!(period.from < period.until);
        let before = match index.checked_sub(1) {
            Some(before) => months[before].clone(),
            None => Period::parse(&(year - 1).to_string(), zone)
                .unwrap()
                .remove(11),
        };
        assert_eq!(before.until, period.from, "{zone:?} {}", period.name());
        // The first moment of the month: at it there is the month, and a second before there was none of it yet.
        let day = zone.to_datetime(at(period.from)).date();
        let name = format!("{:04}-{:02}", day.year(), day.month());
        assert_eq!(name, period.name(), "{zone:?}");
        let day = zone.to_datetime(at(period.from - 1)).date();
        assert!(day < period.first, "{zone:?} {}", period.name());
    }
}

#[test]
fn months_meet_in_every_zone() {
    for zone in zones() {
        for year in [1995, 2011, 2012, 2026, 2027] {
            meet(&zone, year);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn months_meet_in_every_year(zone in proptest::sample::select(zones()), year in 1972..2100_i16) {
        meet(&zone, year);
    }

    /// Moments around changes of the clock, where hours come twice or not at all.
    #[test]
    fn every_moment_lies_in_exactly_one_month(
        zone in proptest::sample::select(zones()),
        start in 100_000_000..4_000_000_000_u64,
        offset in -90_000..90_000_i64,
    ) {
        let change = zone.following(at(start)).next().map_or(at(start), |change| change.timestamp());
        let moment = change.as_second() + offset;
        let year = zone.to_datetime(Timestamp::from_second(moment).unwrap()).year();
        let moment = u64::try_from(moment).unwrap();
        let holds = |period: &Period| (period.from..period.until).contains(&moment);
        let months: Vec<Period> = (year - 1..=year + 1)
            .flat_map(|year| Period::parse(&year.to_string(), &zone).unwrap())
            .filter(holds)
            .collect();
        prop_assert_eq!(months.len(), 1);
    }

    #[test]
    fn any_text_is_a_period_or_an_error(text: String) {
        let _ = Period::parse(&text, &TimeZone::UTC);
    }
}
