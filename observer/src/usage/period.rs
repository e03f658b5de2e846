//! Billing periods: calendar months in a time zone.
//!
//! Invariant: a period is half-open and begins with the first moment of its first day that there is, so that every moment lies
//! in exactly one month: the hour that comes twice, and the one after an hour that does not come.

#[cfg(test)]
mod tests;

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};

use super::statement::BillingPeriod;
use crate::identity::shown::Shown;

/// Years that there may be usage of: from the first that begins after 1970 everywhere.
const YEARS: std::ops::RangeInclusive<i16> = 1971..=9998;
/// Changes of a zone's offset that are looked at after a moment. The one that is looked for comes within a day.
const CHANGES: usize = 8;

/// A calendar month in a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first moment. Seconds since 1970 in UTC.
    pub from: u64,
    /// The moment after its last.
    pub until: u64,
    /// Its first day as the calendar has it.
    first: Date,
    zone: TimeZone,
}

/// A text that names no billing period.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPeriod {
    /// It does not read like one.
    #[error(
        "`{0}` is no billing period (write 2026-11 for a month, or 2026 for the months of a year)"
    )]
    Text(String),
    /// Nothing can have been used then.
    #[error("`{0}` is out of range: billing periods lie in the years 1971 to 9998")]
    Range(String),
}

impl Period {
    /// Reads a month such as `2026-11`, or the twelve of a year such as `2026`.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str, zone: &TimeZone) -> Result<Vec<Self>, NotPeriod> {
        let unreadable = || NotPeriod::Text(Shown(text).to_string());
        let number = |digits: &str, length: usize| -> Option<i16> {
            let is_number =
                digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| is_number)
        };
        let (year, month) = match text.split_once('-') {
            Some((year, month)) => (year, Some(month)),
            None => (text, None),
        };
        let year = number(year, 4).ok_or_else(unreadable)?;
        let months = match month {
            None => 1..=12,
            Some(month) => {
                let month = number(month, 2)
                    .and_then(|month| i8::try_from(month).ok())
                    .filter(|month| (1..=12).contains(month))
                    .ok_or_else(unreadable)?;
                month..=month
            }
        };
        let out_of_range = || NotPeriod::Range(text.to_owned());
        if !YEARS.contains(&year) {
            return Err(out_of_range());
        }
        months
            .map(|month| Self::month(year, month, zone).ok_or_else(out_of_range))
            .collect()
    }

    fn month(year: i16, month: i8, zone: &TimeZone) -> Option<Self> {
        let first = Date::new(year, month, 1).ok()?;
        let next = first.checked_add(1.month()).ok()?;
        Some(Self {
            from: begin(first, zone)?,
            until: begin(next, zone)?,
            first,
            zone: zone.clone(),
        })
    }

    /// Its name, such as `2026-11`.
    pub fn name(&self) -> String {
        format!("{:04}-{:02}", self.first.year(), self.first.month())
    }

    /// As a statement has it.
    pub fn stated(&self) -> BillingPeriod {
        let moment = |seconds: u64| {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
        };
        let day = |moment: Timestamp| self.zone.to_datetime(moment).date().to_string();
        BillingPeriod {
            name: self.name(),
            from: moment(self.from).to_string(),
            until: moment(self.until).to_string(),
            first_day: day(moment(self.from)),
            last_day: day(moment(self.until.saturating_sub(1))),
            time_zone: self.zone.iana_name().unwrap_or("UTC").to_owned(),
        }
    }
}

/// The first moment at which it is this day or a later one. Seconds since 1970.
fn begin(day: Date, zone: &TimeZone) -> Option<u64> {
    let midnight = day.at(0, 0, 0, 0);
    let moment = match zone.to_ambiguous_timestamp(midnight).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(midnight).ok()?,
        // It comes twice: the first time.
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(midnight).ok()?,
        // It does not come: what comes in its place. With the offset that holds afterwards, midnight lies before the change.
        AmbiguousOffset::Gap { after, .. } => zone
            .following(after.to_timestamp(midnight).ok()?)
            .take(CHANGES)
            .find(|change| change.offset().to_datetime(change.timestamp()) >= midnight)?
            .timestamp(),
    };
    u64::try_from(moment.as_second()).ok()
}
