//! Which period a report is about: a whole one, in UTC, that is over.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span as Step, Timestamp, ToSpan};

use super::super::cli::Length;
use super::super::failure::Failure;
use crate::store::Period;

/// A period, and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// The period.
    pub now: Period,
    /// The one before: of a month, the month before, however long.
    pub before: Period,
}

/// The period of this length that ends before a day, or the last that is over.
///
/// # Errors
/// Where no such period ends before that day, or it is not over.
pub fn spans(length: Length, ending: Option<Date>, now: u64) -> Result<Spans, Failure> {
    let refused = |why: String| Failure::input("--ending", why);
    let out = || refused("that is too far away".to_owned());
    let second = i64::try_from(now).map_err(|_| out())?;
    let moment = Timestamp::from_second(second).map_err(|_| out())?;
    let today = moment.to_zoned(TimeZone::UTC).date();
    let last = start(length, today).ok_or_else(out)?;
    let end = ending.unwrap_or(last);
    if end > last {
        return Err(refused(format!(
            "the {} before {end} is not over: the last one that is ends before {last}",
            length.name()
        )));
    }
    let begins = start(length, end).ok_or_else(out)?;
    if begins != end {
        let next = begins.checked_add(length.step()).map_err(|_| out())?;
        return Err(refused(format!(
            "no {} ends before {end}: one ends before {begins}, one before {next}",
            length.name()
        )));
    }
    let from = end.checked_sub(length.step()).map_err(|_| out())?;
    let before = from.checked_sub(length.step()).map_err(|_| out())?;
    let [before, from, until] = [before, from, end].map(midnight);
    let (Some(before), Some(from), Some(until)) = (before, from, until) else {
        return Err(out());
    };
    Ok(Spans {
        now: Period { from, until },
        before: Period {
            from: before,
            until: from,
        },
    })
}

/// The first day of what a day lies in.
fn start(length: Length, day: Date) -> Option<Date> {
    match length {
        Length::Day => Some(day),
        Length::Week => {
            let since = day.weekday().since(Weekday::Monday);
            day.checked_sub(i64::from(since).days()).ok()
        }
        Length::Month => Some(day.first_of_month()),
    }
}

fn midnight(day: Date) -> Option<u64> {
    let begin = day.to_zoned(TimeZone::UTC).ok()?.timestamp();
    u64::try_from(begin.as_second()).ok()
}

impl Length {
    fn step(self) -> Step {
        match self {
            Self::Day => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
        }
    }

    /// The name in messages and titles.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> u64 {
        text.parse::<Timestamp>().unwrap().as_second() as u64
    }

    fn told(length: Length, ending: Option<&str>, now: &str) -> Result<[String; 3], String> {
        let ending = ending.map(|day| day.parse().unwrap());
        let spans = spans(length, ending, at(now)).map_err(|failure| failure.to_string())?;
        assert_eq!(spans.before.until, spans.now.from);
        let day = |second: u64| Timestamp::from_second(second as i64).unwrap().to_string();
        Ok([spans.before.from, spans.now.from, spans.now.until].map(day))
    }

    #[test]
    fn the_last_one_that_is_over_is_taken() {
        // A Sunday.
        let now = "2026-03-01T23:59:59Z";
        let day = told(Length::Day, None, now).unwrap();
        assert_eq!(
            day,
            [
                "2026-02-27T00:00:00Z",
                "2026-02-28T00:00:00Z",
                "2026-03-01T00:00:00Z"
            ]
        );
        let week = told(Length::Week, None, now).unwrap();
        assert_eq!(
            week,
            [
                "2026-02-09T00:00:00Z",
                "2026-02-16T00:00:00Z",
                "2026-02-23T00:00:00Z"
            ]
        );
        let month = told(Length::Month, None, now).unwrap();
        assert_eq!(
            month,
            [
                "2026-01-01T00:00:00Z",
                "2026-02-01T00:00:00Z",
                "2026-03-01T00:00:00Z"
            ]
        );
        // A second later a week is over.
        let week = told(Length::Week, None, "2026-03-02T00:00:00Z").unwrap();
        assert_eq!(week[2], "2026-03-02T00:00:00Z");
    }

    #[test]
    fn an_ending_is_one_and_is_past() {
        let now = "2026-03-04T12:00:00Z";
        let month = told(Length::Month, Some("2026-01-01"), now).unwrap();
        assert_eq!(
            month,
            [
                "2025-11-01T00:00:00Z",
                "2025-12-01T00:00:00Z",
                "2026-01-01T00:00:00Z"
            ]
        );
        let refused = told(Length::Week, Some("2026-02-25"), now).unwrap_err();
        assert!(
            refused.contains("one ends before 2026-02-23, one before 2026-03-02"),
            "{refused}"
        );
        let refused = told(Length::Day, Some("2026-03-05"), now).unwrap_err();
        assert!(
            refused.contains("is not over: the last one that is ends before 2026-03-04"),
            "{refused}"
        );
        for day in ["-009999-01-01", "1970-01-01", "9999-12-31"] {
            for length in [Length::Day, Length::Week, Length::Month] {
                assert!(told(length, Some(day), now).is_err(), "{day}");
            }
        }
    }
}
