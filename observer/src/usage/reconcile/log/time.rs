//! Times as servers write them, in microseconds since 1970 in UTC.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::Micros;

const SECOND: Micros = 1_000_000;
const DAY: Micros = 86_400 * SECOND;
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// `25/Nov/2026:07:11:22 +0100`
pub(super) fn clf(text: &str) -> Option<Micros> {
    let (stamp, zone) = text.split_once(' ')?;
    let time = haproxy(stamp)?;
    let (sign, digits) = match zone.as_bytes() {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let [a, b, c, d] = *digits else { return None };
    let minutes = number(&[a, b])? * 60 + number(&[c, d])?;
    Some(time - sign * minutes * 60 * SECOND)
}

/// `25/Nov/2026:07:11:22.123`, of which nobody knows the zone.
pub(super) fn haproxy(text: &str) -> Option<Micros> {
    let bytes = text.as_bytes();
    let part = |from: usize, until: usize| bytes.get(from..until);
    let month = part(3, 6)?;
    let month = MONTHS.iter().position(|name| name[..] == *month)? as Micros + 1;
    let days = days(number(part(7, 11)?)?, month, number(part(0, 2)?)?)?;
    let clock = clock(part(12, 20)?)?;
    let fraction = match bytes.get(20..) {
        Some([b'.', digits @ ..]) => fraction(digits)?,
        Some([]) => 0,
        _ => return None,
    };
    Some(days * DAY + clock + fraction)
}

/// `2026-11-25T07:11:22.123456789Z`, or with an offset (RFC 3339).
pub fn rfc3339(text: &str) -> Option<Micros> {
    // Without hyphens it would be a number.
    if text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let time = text.parse::<Timestamp>().ok()?;
    Some(time.as_microsecond())
}

/// Seconds or milliseconds since 1970.
pub(super) fn epoch(number: f64) -> Option<Micros> {
    // In seconds, this is the year 5138.
    let micros = if number >= 1e11 {
        number * 1e3
    } else {
        number * 1e6
    };
    (0.0..4e18)
        .contains(&micros)
        .then_some(micros.round() as Micros)
}

/// In any of these forms.
pub(super) fn any(text: &str) -> Option<Micros> {
    rfc3339(text)
        .or_else(|| clf(text))
        .or_else(|| haproxy(text))
        .or_else(|| epoch(text.parse().ok()?))
}

/// `07:11:22`
fn clock(text: &[u8]) -> Option<Micros> {
    let [a, b, b':', c, d, b':', e, f] = *text else {
        return None;
    };
    let (hour, minute, second) = (number(&[a, b])?, number(&[c, d])?, number(&[e, f])?);
    // 60: a leap second.
    (hour < 24 && minute < 60 && second <= 60)
        .then_some((hour * 3_600 + minute * 60 + second) * SECOND)
}

fn fraction(digits: &[u8]) -> Option<Micros> {
    let mut micros = 0;
    let mut place = SECOND / 10;
    for digit in digits {
        micros += Micros::from(digit.is_ascii_digit().then(|| digit - b'0')?) * place;
        place /= 10;
    }
    Some(micros)
}

fn number(digits: &[u8]) -> Option<Micros> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        Some(number * 10 + Micros::from(digit))
    })
}

/// Days since 1970.
fn days(year: Micros, month: Micros, day: Micros) -> Option<Micros> {
    let number = |number: Micros| i8::try_from(number).ok();
    let date = Date::new(i16::try_from(year).ok()?, number(month)?, number(day)?).ok()?;
    let midnight = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
    Some(midnight.as_second() / 86_400)
}
