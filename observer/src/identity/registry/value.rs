//! Kinds of values in a registry document, each checked while it is read.
//!
//! Invariant: a message repeats at most the start of a wrong value, nothing that could be a key, and nothing of what should be a
//! fingerprint.

use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};
use toml::value::Datetime;

use super::super::extract::Scheme;
use super::super::fingerprint::Fingerprint;
use super::super::shown::Shown;

/// Money in units of 1e-9, exact; written as a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(i128);

impl Amount {
    /// Units of 1e-9 of the currency.
    pub fn nanos(self) -> i128 {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str, most| {
            (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole, 18) || !digits(fraction, 9) {
            return None;
        }
        format!("{whole}{fraction:0<9}").parse().ok().map(Self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is not an amount: a decimal string such as \"0.40\", at most 9 places"
            ))
        })
    }
}

/// An id: `^[a-z0-9][a-z0-9._-]{0,62}$`, so that it can be a label value and part of a file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id(pub Box<str>);

impl Id {
    /// Checks a text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("__") {
            return Err(format!(
                "the id `{}` is reserved: no id starts with __",
                Shown(text)
            ));
        }
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let inner = |byte: u8| alphanumeric(byte) || b"._-".contains(&byte);
        if !text.bytes().next().is_some_and(alphanumeric)
            || text.len() > 63
            || !text.bytes().all(inner)
        {
            return Err(format!(
                "`{}` is no id: 1 to 63 of a-z 0-9 . _ - and a letter or digit first",
                Shown(text)
            ));
        }
        Ok(Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

pub(super) fn shared_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
    Id::deserialize(deserializer).map(|id| id.0.into())
}

pub(super) fn optional_fingerprint<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Fingerprint>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map(Some)
        .map_err(|error| D::Error::custom(format!("`fp` {error}")))
}

pub(super) fn optional_scheme<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Scheme>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let known = Scheme::IN_THE_CLEAR
        .iter()
        .find(|scheme| scheme.name() == text);
    known.map(|scheme| Some(*scheme)).ok_or_else(|| {
        let names = Scheme::IN_THE_CLEAR.map(Scheme::name);
        D::Error::custom(format!(
            "`scheme` of a subject is one of {}",
            names.join(", ")
        ))
    })
}

pub(super) fn networks<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Box<[IpNet]>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts
        .iter()
        .map(|text| network(text).map_err(D::Error::custom))
        .collect()
}

/// A network as `192.0.2.0/24`, or one address.
pub fn network(text: &str) -> Result<IpNet, String> {
    let parsed = text
        .parse::<IpNet>()
        .or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()));
    let network = parsed.map_err(|_| {
        format!(
            "`{}` is no network: one reads 192.0.2.0/24, 2001:db8::/32 or one address",
            Shown(text)
        )
    })?;
    if network.trunc() != network {
        return Err(format!(
            "`{}` has bits set outside its mask: did you mean {}?",
            Shown(text),
            network.trunc()
        ));
    }
    Ok(network)
}

pub(super) fn optional_country<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<str>>, D::Error> {
    code(
        deserializer,
        2,
        "a country: two capital letters (ISO 3166-1)",
    )
    .map(Some)
}

pub(super) fn optional_currency<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<str>>, D::Error> {
    currency(deserializer).map(Some)
}

pub(super) fn currency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
    code(
        deserializer,
        3,
        "a currency: three capital letters (ISO 4217)",
    )
}

fn code<'de, D: Deserializer<'de>>(
    deserializer: D,
    length: usize,
    what: &str,
) -> Result<Box<str>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() != length || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(D::Error::custom(format!(
            "`{}` is not {what}",
            Shown(&text)
        )));
    }
    Ok(text.into())
}

pub(super) fn optional_date<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Date>, D::Error> {
    let read = Datetime::deserialize(deserializer)?;
    let text = read.to_string();
    match (read.date, read.time) {
        (Some(_), None) => text
            .parse()
            .map(Some)
            .map_err(|_| D::Error::custom(format!("{text} is no day of the calendar"))),
        _ => Err(D::Error::custom(format!(
            "{text} is not a date such as 2026-01-14"
        ))),
    }
}

/// A moment; a bare date means its first moment in UTC.
pub(super) fn optional_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let read = Datetime::deserialize(deserializer)?;
    let text = match (read.date, read.time, read.offset) {
        (Some(_), Some(_), Some(_)) => read.to_string(),
        (Some(_), None, None) => format!("{read}T00:00:00Z"),
        _ => {
            return Err(D::Error::custom(format!(
                "{read} is no moment: write 2026-01-01T00:00:00Z"
            )));
        }
    };
    text.parse()
        .map(Some)
        .map_err(|_| D::Error::custom(format!("{read} is no moment of the calendar")))
}
