//! What a response says of when to ask again and how often, and whether it is our own: Retry-After (RFC 9110 section 10.2.3), and the quotas of
//! RateLimit-Policy and RateLimit-Limit (draft-ietf-httpapi-ratelimit-headers).
//!
//! Prefers nothing to a guess: a limit without its window and a date without the server's own are not taken.

use httparse::Header;
use jiff::fmt::rfc2822::DateTimeParser;
use observer_ebpf::abi::guard::NAME;
use serde::{Deserialize, Serialize};

/// Quotas of one field that are looked at.
const QUOTAS: usize = 8;
/// Reads what is written in the form of mail, of which HTTP's dates are a part. A wrong day of the week is none of its business.
const DATES: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
/// Longest time to wait that is believed, in seconds.
const LONGEST: u64 = 7 * 86_400;

/// When to ask again, and how often; zero: nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// Seconds to wait, of a response with 429 or 503.
    pub retry_after: u32,
    /// Requests an hour, of the quota that allows fewest.
    pub hourly: u32,
    /// The action that it names as its sender; zeros: none. Anybody may write that: whoever knows the actions decides.
    pub action: [u8; NAME],
}

/// The field in which our own answers name their action.
pub const ACTION: &str = "observer-response";

impl Advice {
    /// Reads the fields of a response with this status.
    pub(super) fn of(status: u16, fields: &[Header<'_>]) -> Self {
        let mut advice = Self::default();
        let waits = matches!(status, 429 | 503);
        for field in fields {
            match field.name.len() {
                11 if waits && field.name.eq_ignore_ascii_case("retry-after") => {
                    advice.retry_after = retry_after(field.value, fields);
                }
                15 if field.name.eq_ignore_ascii_case("ratelimit-limit") => {
                    advice.quotas(field.value);
                }
                16 if field.name.eq_ignore_ascii_case("ratelimit-policy") => {
                    advice.quotas(field.value);
                }
                17 if field.name.eq_ignore_ascii_case(ACTION) => {
                    advice.action = field.value.try_into().unwrap_or_default();
                }
                _ => {}
            }
        }
        advice
    }

    fn quotas(&mut self, value: &[u8]) {
        for quota in value.split(|byte| *byte == b',').take(QUOTAS) {
            if let Some(hourly) = hourly(quota)
                && (self.hourly == 0 || hourly < self.hourly)
            {
                self.hourly = hourly;
            }
        }
    }
}

/// Requests an hour of `"name";q=100;w=60`, or of `100;w=60`.
fn hourly(quota: &[u8]) -> Option<u32> {
    let mut parts = quota.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let mut most = parts.next().and_then(number);
    let mut seconds = None;
    for part in parts {
        match part {
            [b'q', b'=', value @ ..] => most = number(value),
            [b'w', b'=', value @ ..] => seconds = number(value),
            _ => {}
        }
    }
    let seconds = seconds.filter(|seconds| *seconds > 0)?;
    let hourly = most?.checked_mul(3_600)? / seconds;
    u32::try_from(hourly).ok().filter(|hourly| *hourly > 0)
}

/// Seconds to wait: a number of them, or a date less the Date of the same response, so that no clock but the server's counts.
fn retry_after(value: &[u8], fields: &[Header<'_>]) -> u32 {
    let value = value.trim_ascii();
    let seconds = number(value).or_else(|| {
        let date = fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case("date"))?;
        date_of(value)?.checked_sub(date_of(date.value.trim_ascii())?)
    });
    let seconds = seconds.filter(|seconds| *seconds <= LONGEST);
    seconds
        .and_then(|seconds| u32::try_from(seconds).ok())
        .unwrap_or(0)
}

fn number(digits: &[u8]) -> Option<u64> {
    // Ten digits are more than any time or quota has, and cannot overflow.
    if digits.is_empty() || digits.len() > 10 {
        return None;
    }
    digits.iter().try_fold(0, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(sum * 10 + digit)
    })
}

/// Seconds since 1970 of an IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7). The obsolete forms,
/// which nobody may send, are not read.
fn date_of(text: &[u8]) -> Option<u64> {
    if text.len() != 29 || !text.ends_with(b" GMT") {
        return None;
    }
    let time = DATES.parse_timestamp(text).ok()?;
    u64::try_from(time.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(status: u16, fields: &[(&str, &str)]) -> (u32, u32) {
        let fields = crate::http::tests::fields(fields);
        let advice = Advice::of(status, &fields);
        (advice.retry_after, advice.hourly)
    }

    #[test]
    fn seconds_to_wait_are_a_number_or_a_date_beside_the_servers_own() {
        let date = ("Date", "Fri, 31 Dec 2027 23:59:30 GMT");
        for (value, seconds) in [
            ("30", 30),
            (" 120 ", 120),
            ("Sat, 01 Jan 2028 00:00:00 GMT", 30),
            ("Fri, 31 Dec 2027 23:59:00 GMT", 0),
            ("Tue, 29 Feb 2028 00:00:00 GMT", 0),
            ("-1", 0),
            ("99999999999", 0),
            ("soon", 0),
            ("", 0),
        ] {
            let fields = [date, ("retry-after", value)];
            assert_eq!(advice(429, &fields).0, seconds, "{value}");
            assert_eq!(advice(503, &fields).0, seconds, "{value}");
            assert_eq!(advice(200, &fields).0, 0, "{value}");
        }
        let alone = [("Retry-After", "Sat, 01 Jan 2028 00:00:00 GMT")];
        assert_eq!(advice(429, &alone).0, 0);
    }

    #[test]
    fn dates_are_seconds_since_1970() {
        assert_eq!(date_of(b"Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(date_of(b"Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(
            date_of(b"Thu, 29 Feb 2024 12:00:00 GMT"),
            Some(1_709_208_000)
        );
        assert_eq!(date_of(b"Sun, 06 Nov 1994 08:49:37 CET"), None);
        assert_eq!(date_of(b"Sun, 06 Foo 1994 08:49:37 GMT"), None);
        assert_eq!(date_of(b"Sun, 06 Nov 0000 08:49:37 GMT"), None);
    }

    #[test]
    fn the_quota_that_allows_fewest_counts_and_none_without_its_window() {
        for (name, value, hourly) in [
            ("RateLimit-Policy", "\"default\";q=100;w=60", 6_000),
            (
                "RateLimit-Policy",
                "\"burst\";q=10;w=1, \"day\";q=2400;w=86400",
                100,
            ),
            ("RateLimit-Limit", "100, 100;w=10, 1000;w=3600;c=x", 1_000),
            ("RateLimit-Limit", "100", 0),
            ("RateLimit-Policy", "\"x\";q=5;w=0", 0),
            ("RateLimit-Policy", "\"x\";q=9999999999;w=1", 0),
            ("RateLimit-Policy", ",;,;;", 0),
            ("X-RateLimit-Limit", "100;w=1", 0),
        ] {
            assert_eq!(advice(200, &[(name, value)]).1, hourly, "{name}: {value}");
        }
    }
}
