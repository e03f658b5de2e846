//! Times as servers write them, in microseconds since 1970 in UTC.

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
    let bytes = text.as_bytes();
    let part = |from: usize, until: usize| bytes.get(from..until);
    if bytes.get(4) != Some(&b'-') || !matches!(bytes.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let days = days(
        number(part(0, 4)?)?,
        number(part(5, 7)?)?,
        number(part(8, 10)?)?,
    )?;
    let clock = clock(part(11, 19)?)?;
    let rest = bytes.get(19..)?;
    let (digits, zone) = match rest {
        [b'.' | b',', rest @ ..] => {
            let end = rest
                .iter()
                .position(|byte| !byte.is_ascii_digit())
                .unwrap_or(rest.len());
            rest.split_at_checked(end)?
        }
        rest => (&[][..], rest),
    };
    let offset = match zone {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), a, b, rest @ ..] => {
            let minutes = match rest {
                [b':', c, d] | [c, d] => number(&[*c, *d])?,
                [] => 0,
                _ => return None,
            };
            let minutes = number(&[*a, *b])? * 60 + minutes;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    Some(days * DAY + clock + fraction(digits)? - offset * 60 * SECOND)
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

/// Days since 1970 (Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: Micros, month: Micros, day: Micros) -> Option<Micros> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    let year = year - Micros::from(month <= 2);
    let (era, of_era) = (year / 400, year % 400);
    let shifted = (month + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}
