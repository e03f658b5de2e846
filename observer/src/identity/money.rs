//! Money, exact: integers in units of 1e-9 of a currency, rounded where a line of a statement ends and nowhere else.
//!
//! Invariant: no floating point, and no amount that was not checked for overflow.

mod currency;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use currency::{Currency, NotCurrency};

/// Units of a whole.
const WHOLE: i128 = 1_000_000_000;
/// Places after the point.
const PLACES: u32 = 9;
/// Digits before the point of what is read: as many as any sum here can have, and room to multiply.
const DIGITS: usize = 18;

/// An amount in units of 1e-9 of some currency. Its text is a decimal number with as many places as it needs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Money(i128);

/// A text that is no amount, or a sum that is larger than any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMoney {
    /// It does not read like one.
    #[error("is not an amount: a decimal string such as \"0.40\", at most 9 places")]
    Text,
    /// No number of ours holds it.
    #[error("is larger than any amount")]
    Overflow,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many units of 1e-9.
    pub const fn of_nanos(nanos: i128) -> Self {
        Self(nanos)
    }

    /// Units of 1e-9.
    pub const fn nanos(self) -> i128 {
        self.0
    }

    /// The sum.
    ///
    /// # Errors
    /// When it is larger than any.
    pub fn plus(self, other: Self) -> Result<Self, NotMoney> {
        self.0
            .checked_add(other.0)
            .map(Self)
            .ok_or(NotMoney::Overflow)
    }

    /// The difference.
    ///
    /// # Errors
    /// When it is larger than any.
    pub fn minus(self, other: Self) -> Result<Self, NotMoney> {
        self.0
            .checked_sub(other.0)
            .map(Self)
            .ok_or(NotMoney::Overflow)
    }

    /// The same with the other sign.
    pub const fn negated(self) -> Self {
        Self(-self.0)
    }

    /// What `quantity` units cost where `per` of them cost this, rounded half away from zero to `places` after the point.
    ///
    /// # Errors
    /// When it is larger than any.
    pub fn times(self, quantity: u64, per: u64, places: u32) -> Result<Self, NotMoney> {
        let cost = self.0.checked_mul(i128::from(quantity));
        round(
            cost.ok_or(NotMoney::Overflow)?,
            i128::from(per.max(1)),
            places,
        )
    }

    /// A share of it, in millionths of a percent, rounded half away from zero to `places` after the point.
    ///
    /// # Errors
    /// When it is larger than any.
    pub fn percent(self, millionths: u32, places: u32) -> Result<Self, NotMoney> {
        let share = self.0.checked_mul(i128::from(millionths));
        round(share.ok_or(NotMoney::Overflow)?, 100_000_000, places)
    }

    /// Rounded half away from zero to `places` after the point.
    ///
    /// # Errors
    /// When it is larger than any.
    pub fn rounded(self, places: u32) -> Result<Self, NotMoney> {
        round(self.0, 1, places)
    }

    /// The text with exactly `places` after the point; what is finer is cut, so round first.
    pub fn fixed(self, places: u32) -> String {
        let places = places.min(PLACES);
        let (whole, fraction) = (
            self.0.unsigned_abs() / WHOLE as u128,
            self.0.unsigned_abs() % WHOLE as u128,
        );
        let sign = if self.0 < 0 { "-" } else { "" };
        if places == 0 {
            return format!("{sign}{whole}");
        }
        let shown = fraction / 10_u128.pow(PLACES - places);
        format!("{sign}{whole}.{shown:0width$}", width = places as usize)
    }
}

/// `nanos / divisor`, rounded half away from zero (commercially) to so many places.
fn round(nanos: i128, divisor: i128, places: u32) -> Result<Money, NotMoney> {
    let step = 10_i128.pow(PLACES.saturating_sub(places));
    let divisor = divisor.checked_mul(step).ok_or(NotMoney::Overflow)?;
    let (whole, rest) = (nanos / divisor, nanos % divisor);
    // Twice the rest, without twice the number.
    let up = rest.abs() >= divisor - rest.abs();
    let whole = whole + i128::from(up) * nanos.signum();
    whole.checked_mul(step).map(Money).ok_or(NotMoney::Overflow)
}

impl FromStr for Money {
    type Err = NotMoney;

    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_number(whole, DIGITS) || !is_number(fraction, PLACES as usize) {
            return Err(NotMoney::Text);
        }
        let nanos: i128 = format!("{whole}{fraction:0<9}")
            .parse()
            .map_err(|_| NotMoney::Overflow)?;
        Ok(Self(if negative { -nanos } else { nanos }))
    }
}

impl TryFrom<String> for Money {
    type Error = NotMoney;

    fn try_from(text: String) -> Result<Self, NotMoney> {
        text.parse()
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.to_string()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.fixed(PLACES);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_are_rounded_once_and_half_away_from_zero() {
        for (price, quantity, per, places, cost) in [
            ("0.40", 412_031, 1_000, 2, "164.81"),
            ("0.005", 1, 1, 2, "0.01"),
            ("0.0049", 1, 1, 2, "0"),
            ("-0.005", 1, 1, 2, "-0.01"),
            ("1", 1, 3, 3, "0.333"),
            ("2", 1, 3, 0, "1"),
            ("0.5", 1, 1, 0, "1"),
        ] {
            assert_eq!(
                money(price).times(quantity, per, places),
                Ok(money(cost)),
                "{price} x {quantity}"
            );
        }
        assert_eq!(money("100").percent(19_000_000, 2), Ok(money("19")));
        assert_eq!(money("0.03").percent(19_000_000, 2), Ok(money("0.01")));
        let most = Money::of_nanos(i128::MAX);
        assert_eq!(most.plus(money("1")), Err(NotMoney::Overflow));
        assert_eq!(most.times(2, 1, 2), Err(NotMoney::Overflow));
    }

    #[test]
    fn texts_are_exact() {
        for text in ["0", "0.4", "-12.000000001", "999999999999999999"] {
            assert_eq!(money(text).to_string(), text);
        }
        assert_eq!(money("0.40").fixed(2), "0.40");
        assert_eq!(money("-7").fixed(2), "-7.00");
        assert_eq!(money("-0.4").fixed(2), "-0.40");
        assert_eq!(money("1250").fixed(0), "1250");
        for text in [
            "",
            "-",
            ".5",
            "1.",
            "1e3",
            "+1",
            "1.0000000001",
            "1234567890123456789",
            " 1",
        ] {
            assert_eq!(text.parse::<Money>(), Err(NotMoney::Text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_read_as_it_was_written(nanos in -(10_i128.pow(27) - 1)..10_i128.pow(27)) {
            let money = Money::of_nanos(nanos);
            prop_assert_eq!(money.to_string().parse::<Money>(), Ok(money));
            prop_assert_eq!(money.fixed(9).parse::<Money>(), Ok(money));
        }

        #[test]
        fn rounding_is_never_off_by_more_than_half(nanos in any::<i64>(), places in 0..4_u32) {
            let exact = Money::of_nanos(nanos.into());
            let rounded = exact.rounded(places).unwrap();
            let half = 10_i128.pow(9 - places) / 2;
            prop_assert!((rounded.nanos() - exact.nanos()).abs() <= half);
            prop_assert_eq!(rounded.rounded(places), Ok(rounded));
        }
    }
}
