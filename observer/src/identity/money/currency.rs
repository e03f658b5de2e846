//! Currencies as ISO 4217 lists them, and the places after the point that each has.
//!
//! Invariant: what is read is a currency that something can be paid in now.

use std::fmt;

use iso_currency::Flag;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::super::shown::Shown;

/// A currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

/// A text that is no currency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCurrency {
    /// It does not look like one.
    #[error("`{0}` is not a currency: three capital letters (ISO 4217)")]
    Text(String),
    /// ISO 4217 does not have it, or nothing can be paid in it: metals, units of account, what is for tests.
    #[error("`{0}` is not a currency of ISO 4217")]
    Unknown(String),
    /// Another one has taken its place.
    #[error("`{0}` is a currency no more (did you mean `{1}`?)")]
    Replaced(&'static str, &'static str),
}

impl Currency {
    /// What stands where no currency is involved.
    pub const NONE: Self = Self(iso_currency::Currency::XXX);

    /// Reads a code such as `EUR`.
    ///
    /// # Errors
    /// When there is no such currency, or no more.
    pub fn parse(text: &str) -> Result<Self, NotCurrency> {
        if text.len() != 3 || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(NotCurrency::Text(Shown(text).to_string()));
        }
        let found = iso_currency::Currency::from_code(text)
            .filter(|currency| currency.exponent().is_some())
            .ok_or_else(|| NotCurrency::Unknown(text.to_owned()))?;
        // Of the bolívar there are two codes at once (ISO 4217 amendment 170), though the table has the older one replaced.
        let replaced = found.flags().into_iter().find_map(|flag| match flag {
            Flag::Superseded(by) if found != iso_currency::Currency::VES => Some(by),
            _ => None,
        });
        match replaced {
            Some(by) => Err(NotCurrency::Replaced(found.code(), by.code())),
            None => Ok(Self(found)),
        }
    }

    /// Its code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Places after the point of what can be paid: 0 for JPY, 2 for EUR, 3 for KWD.
    pub fn places(self) -> u32 {
        self.0.exponent().map_or(2, u32::from)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_have_their_places() {
        for (code, places) in [
            ("EUR", 2),
            ("JPY", 0),
            ("KWD", 3),
            ("CLF", 4),
            ("ISK", 0),
            ("VES", 2),
            ("XOF", 0),
        ] {
            let currency = Currency::parse(code).unwrap();
            assert_eq!((currency.code(), currency.places()), (code, places));
        }
    }

    #[test]
    fn what_nothing_can_be_paid_in_is_no_currency() {
        for (text, why) in [
            (
                "eur",
                "`eur` is not a currency: three capital letters (ISO 4217)",
            ),
            (
                "EURO",
                "`EURO` is not a currency: three capital letters (ISO 4217)",
            ),
            ("EUX", "`EUX` is not a currency of ISO 4217"),
            ("XAU", "`XAU` is not a currency of ISO 4217"),
            ("XXX", "`XXX` is not a currency of ISO 4217"),
            ("HRK", "`HRK` is a currency no more (did you mean `EUR`?)"),
        ] {
            assert_eq!(Currency::parse(text).unwrap_err().to_string(), why);
        }
    }
}
