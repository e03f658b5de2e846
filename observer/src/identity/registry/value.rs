//! Kinds of values in a registry document, each checked while it is read.
//!
//! Invariant: a message repeats at most the start of a wrong value, nothing that could be a key, and nothing of what should be a
//! fingerprint.

use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};
use toml::value::Datetime;

use super::super::document::suggestion;
use super::super::extract::Scheme;
use super::super::fingerprint::Fingerprint;
use super::super::money::Money;
use super::super::shown::Shown;

/// A share of a hundred, in millionths of a percent: exact, at most 100. Written as a decimal string such as `"19"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u32);

impl Percent {
    /// So many millionths of a percent; what is more than 100 percent is none.
    pub const fn of_millionths(millionths: u32) -> Option<Self> {
        if millionths <= 100_000_000 {
            Some(Self(millionths))
        } else {
            None
        }
    }

    /// In millionths of a percent: 19 percent is 19,000,000.
    pub const fn millionths(self) -> u32 {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        // Of a whole there are as many units in money, times a thousand.
        let nanos = text.parse::<Money>().ok()?.nanos();
        let millionths = u32::try_from(nanos / 1_000).ok()?;
        Self::of_millionths(millionths).filter(|_| nanos % 1_000 == 0)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{}` is no percentage: a decimal string such as \"19\" or \"5.5\", at most 100, at most 6 places",
                Shown(&text)
            ))
        })
    }
}

/// An amount that is not negative.
pub(super) fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    let text = String::deserialize(deserializer)?;
    let amount = text
        .parse::<Money>()
        .map_err(|why| D::Error::custom(format!("`{}` {why}", Shown(&text))))?;
    if text.starts_with('-') {
        return Err(D::Error::custom(format!(
            "`{}` is negative: a price or charge is not",
            Shown(&text)
        )));
    }
    Ok(amount)
}

/// Whether a name stands for nobody in particular, as `__unkeyed__` does: no id is one.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with("__")
}

/// An id: `^[a-z0-9][a-z0-9._-]{0,62}$`, so that it can be a label value and part of a file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id(pub Box<str>);

impl Id {
    /// Checks a text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if is_reserved(text) {
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
    let text = String::deserialize(deserializer)?;
    if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(D::Error::custom(format!(
            "`{}` is not a country: two capital letters (ISO 3166-1)",
            Shown(&text)
        )));
    }
    Ok(Some(text.into()))
}

/// The time zone of this name in the bundled database, which is the same on every host.
///
/// # Errors
/// With the nearest name, when there is none.
pub(super) fn time_zone(name: &str) -> Result<TimeZone, String> {
    let zones = TimeZoneDatabase::bundled();
    let known = |zone: &TimeZone| !zone.is_unknown();
    zones.get(name).ok().filter(known).ok_or_else(|| {
        let names: Vec<_> = zones.available().collect();
        let near = suggestion(name, names.iter().map(|name| name.as_str()));
        format!(
            "`{}` is no time zone{near}: one reads Europe/Berlin (IANA)",
            Shown(name)
        )
    })
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
