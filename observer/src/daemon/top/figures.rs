//! How numbers, times and names are written on the screen: every text there can be made again from the JSON of a frame.
//!
//! | what | in the JSON | on the screen |
//! |---|---|---|
//! | requests a second, milliseconds | a number | one decimal below 100, none from there on |
//! | share of errors | up to 1 | percent with one decimal: 0.31 is `31.0` |
//! | share beside what is usual | two shares | `31.0/2.1`; `31.0/-` where nothing is known to be usual |
//! | errors of a route | four shares each | their sum beside the sum of what is usual |
//! | completeness | up to 1 | percent with one decimal, cut and not rounded: only what is complete is `100.0` |
//! | score | four numbers | the largest, with two decimals; `1.00` is an alarm |
//! | count | an integer | commas between thousands |
//! | time | RFC 3339 | the same, with milliseconds |
//! | nothing | `null` | `-` |
//!
//! Invariant: no text leaves here with a character in it that steers a terminal or turns the direction of what is beside it.

use jiff::Timestamp;

pub(in crate::daemon) use super::super::responses::act::grouped as count;

/// What stands for nothing.
pub const NOTHING: &str = "-";

/// Requests a second, or milliseconds.
pub fn measure(number: Option<f64>) -> String {
    match number {
        None => NOTHING.to_owned(),
        // What would be rounded to 100.0 is shown as 100.
        Some(number) if number < 99.95 => format!("{number:.1}"),
        Some(number) => count(number.round() as u64),
    }
}

/// A share in percent.
pub fn percent(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

/// A share in percent beside what is usual.
pub fn against(share: Option<f64>, usual: Option<f64>) -> String {
    let shown = |share: Option<f64>| share.map_or_else(|| NOTHING.to_owned(), percent);
    format!("{}/{}", shown(share), shown(usual))
}

/// A share of what was seen with certainty, in percent.
pub fn completeness(share: f64) -> String {
    if share >= 1.0 {
        return "100.0".to_owned();
    }
    // A share such as 0.3 is a little less than that in binary.
    format!("{:.1}", (share * 1_000.0 + 1e-9).floor() / 10.0)
}

/// How far the worst class of errors is from what is usual.
pub fn score(scores: &[f64; 4]) -> (String, f64) {
    let most = scores.iter().copied().fold(0.0, f64::max);
    (format!("{most:.2}"), most)
}

/// A time as RFC 3339 with milliseconds, of RFC 3339.
pub fn moment(time: &str) -> String {
    time.parse::<Timestamp>()
        .map_or_else(|_| plain(time), |time| format!("{time:.3}"))
}

/// Hours, minutes, seconds and milliseconds of RFC 3339.
pub fn clock(time: &str) -> String {
    within(&moment(time), 'T', 'Z')
}

/// Hours, minutes and seconds of a second since 1970.
pub fn clock_of(second: u64) -> String {
    within(&super::super::report::time(second), 'T', 'Z')
}

fn within(text: &str, from: char, to: char) -> String {
    let rest = text.split_once(from).map_or(text, |(_, rest)| rest);
    rest.trim_end_matches(to).to_owned()
}

/// How long something still lasts, or has been: its two largest units.
pub fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    if days > 0 {
        format!("{days}d {hours:02}h")
    } else if hours > 0 {
        format!("{hours}h {minutes:02}m")
    } else if minutes > 0 {
        format!("{minutes}m {:02}s", seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

/// Seconds since 1970 of RFC 3339.
pub fn second(time: &str) -> Option<u64> {
    let time: Timestamp = time.parse().ok()?;
    time.as_second().try_into().ok()
}

/// A text of others as it may be drawn: what steers, turns, joins or is not seen at all is written as its number. A backslash is
/// doubled, so that nobody can write such a number.
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\'' | '"') {
            shown.push(c);
        } else {
            shown.extend(c.escape_debug());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_table_says() {
        for (number, shown) in [
            (0.0, "0.0"),
            (9.96, "10.0"),
            (99.94, "99.9"),
            (99.95, "100"),
            (12_345.6, "12,346"),
        ] {
            assert_eq!(measure(Some(number)), shown);
        }
        assert_eq!(measure(None), "-");
        assert_eq!(percent(0.31), "31.0");
        assert_eq!(against(Some(0.31), Some(0.021)), "31.0/2.1");
        assert_eq!(against(Some(0.31), None), "31.0/-");
        assert_eq!(against(None, None), "-/-");
        assert_eq!(score(&[0.2, 1.254, 0.0, 0.9]).0, "1.25");
        assert_eq!(count(1_204), "1,204");
    }

    /// A gap of one exchange in ten thousand is not rounded away.
    #[test]
    fn only_what_is_complete_is_a_hundred() {
        for (share, shown) in [
            (1.0, "100.0"),
            (0.9999, "99.9"),
            (0.3, "30.0"),
            (0.999, "99.9"),
            (0.0, "0.0"),
        ] {
            assert_eq!(completeness(share), shown);
        }
    }

    #[test]
    fn times_have_milliseconds() {
        let time = "2026-11-29T10:15:00.123956789Z";
        assert_eq!(moment(time), "2026-11-29T10:15:00.123Z");
        assert_eq!(clock(time), "10:15:00.123");
        assert_eq!(moment("2026-11-29T10:15:00Z"), "2026-11-29T10:15:00.000Z");
        assert_eq!(second("1970-01-01T00:01:00.5Z"), Some(60));
        assert_eq!(clock_of(3_661), "01:01:01");
        let spans = [59, 61, 3_661, 90_000].map(span);
        assert_eq!(spans, ["59s", "1m 01s", "1h 01m", "1d 01h"]);
        assert_eq!(moment("\u{1b}[2J"), "\\u{1b}[2J");
    }

    #[test]
    fn names_steer_nothing() {
        assert_eq!(plain("acme's \"eu\" ä 日本"), "acme's \"eu\" ä 日本");
        assert_eq!(
            plain("a\u{1b}[2J\u{9b}m\u{202e}\u{200b}\u{2066}\r\n\u{301}\\u{1b}"),
            "a\\u{1b}[2J\\u{9b}m\\u{202e}\\u{200b}\\u{2066}\\r\\n\\u{301}\\\\u{1b}"
        );
    }
}
