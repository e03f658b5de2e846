//! What is done to a request: stopped, or let through at a rate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::SECOND;

/// Requests in a time: `10/s`, `600/m` or `1000/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// How many, one at least.
    pub requests: u32,
    /// In how many seconds: 1, 60 or 3,600.
    pub seconds: u32,
}

/// A text that is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no rate: one reads 10/s, 600/m or 1000/h")]
pub struct NotARate;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Verb {
    /// Nothing gets through.
    Block,
    /// So much gets through.
    Limit(Rate),
}

/// A text that is no verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no verb: one reads block, or limit 10/s")]
pub struct NotAVerb;

impl Rate {
    /// Nanoseconds from one request to the next.
    pub fn interval_ns(self) -> u64 {
        u64::from(self.seconds) * SECOND / u64::from(self.requests.max(1))
    }

    /// Requests that may come at once: those of one second, and one at least.
    pub fn bucket(self) -> u32 {
        self.requests
            .checked_div(self.seconds)
            .unwrap_or_default()
            .max(1)
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (requests, unit) = text.split_once('/').ok_or(NotARate)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(NotARate),
        };
        // A sign is a number's to the standard library.
        if !requests.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotARate);
        }
        let requests: u32 = requests.parse().map_err(|_| NotARate)?;
        if requests == 0 {
            return Err(NotARate);
        }
        Ok(Self { requests, seconds })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            1 => write!(f, "{}/s", self.requests),
            60 => write!(f, "{}/m", self.requests),
            3_600 => write!(f, "{}/h", self.requests),
            seconds => write!(f, "{}/{seconds}s", self.requests),
        }
    }
}

impl FromStr for Verb {
    type Err = NotAVerb;

    fn from_str(text: &str) -> Result<Self, NotAVerb> {
        if text == "block" {
            return Ok(Self::Block);
        }
        let rate = text.strip_prefix("limit ").ok_or(NotAVerb)?;
        rate.parse().map(Self::Limit).map_err(|_| NotAVerb)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block => f.write_str("block"),
            Self::Limit(rate) => write!(f, "limit {rate}"),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = NotARate;

    fn try_from(text: String) -> Result<Self, NotARate> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl TryFrom<String> for Verb {
    type Error = NotAVerb;

    fn try_from(text: String) -> Result<Self, NotAVerb> {
        text.parse()
    }
}

impl From<Verb> for String {
    fn from(verb: Verb) -> Self {
        verb.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_as_they_are_written() {
        for (text, interval, bucket) in [
            ("10/s", 100_000_000, 10),
            ("600/m", 100_000_000, 10),
            ("1000/h", 3_600_000_000, 1),
            ("1/h", 3_600 * SECOND, 1),
            ("4294967295/s", 0, u32::MAX),
        ] {
            let rate: Rate = text.parse().expect("a rate");
            assert_eq!(rate.to_string(), text);
            assert_eq!((rate.interval_ns(), rate.bucket()), (interval, bucket));
            let verb: Verb = format!("limit {text}").parse().expect("a verb");
            assert_eq!(verb, Verb::Limit(rate));
        }
        for text in [
            "",
            "10",
            "/s",
            "0/s",
            "-1/s",
            "+1/s",
            "1/d",
            "1/ s",
            "1.5/s",
            "4294967296/s",
        ] {
            assert_eq!(text.parse::<Rate>(), Err(NotARate), "{text}");
        }
        assert_eq!("stop".parse::<Verb>(), Err(NotAVerb));
    }
}
