//! Which records are wanted.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;

use super::super::cli;
use super::record::Record;
use crate::identity::registry;
use crate::store::Period;

/// A status, a class of them, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Such as 404.
    One(u16),
    /// Such as 4xx: its first digit.
    Class(u16),
    /// No response came.
    None,
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let number = |text: &str| text.parse().ok().filter(|_| digits(text));
        let class = text.strip_suffix("xx").filter(|class| class.len() == 1);
        let status = match class {
            _ if text == "none" => Some(Self::None),
            Some(class) => number(class).map(Self::Class),
            None => number(text).filter(|_| text.len() == 3).map(Self::One),
        };
        status.ok_or_else(|| "write 404, 4xx or none".to_owned())
    }
}

impl Status {
    fn fits(self, status: Option<u16>) -> bool {
        match self {
            Self::One(one) => status == Some(one),
            Self::Class(class) => status.is_some_and(|status| status / 100 == class),
            Self::None => status.is_none(),
        }
    }
}

/// A network of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(IpNet);

impl FromStr for Client {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        registry::network(text)
            .map(Self)
            .map_err(|error| error.to_string())
    }
}

/// All that is asked of a record.
pub struct Filter<'a> {
    arguments: &'a cli::Records,
    period: Period,
}

impl<'a> Filter<'a> {
    /// From the command line.
    pub fn new(arguments: &'a cli::Records, period: Period) -> Self {
        Self { arguments, period }
    }

    /// In which exchanges ended.
    pub fn period(&self) -> Period {
        self.period
    }

    /// Whether a record is wanted. `end`: of the exchange, in seconds since 1970 in UTC.
    pub fn fits(&self, record: &Record<'_>, end: u64) -> bool {
        let wanted = self.arguments;
        let fingerprint = record.credential.as_ref().map(|shown| &*shown.fingerprint);
        (self.period.from..self.period.until).contains(&end)
            && one_of(&wanted.consumer, Some(&record.consumer))
            && one_of(&wanted.route, Some(&record.route))
            && one_of(&wanted.api, Some(&record.api))
            && one_of(&wanted.method, record.method.as_deref())
            && one_of(&wanted.outcome, Some(&record.outcome))
            && (one_of(&wanted.key, record.key.as_deref()) || one_of(&wanted.key, fingerprint))
            && (wanted.status.is_empty()
                || wanted
                    .status
                    .iter()
                    .any(|status| status.fits(record.status)))
            && (wanted.client.is_empty() || is_within(&wanted.client, &record.client))
    }
}

/// Whether a value is one of those that are wanted; anything is where nothing was named.
fn one_of(wanted: &[String], value: Option<&str>) -> bool {
    wanted.is_empty() || value.is_some_and(|value| wanted.iter().any(|wanted| wanted == value))
}

fn is_within(networks: &[Client], client: &str) -> bool {
    let address = client.parse::<SocketAddr>().map(|client| client.ip());
    address.is_ok_and(|address: IpAddr| {
        let address = address.to_canonical();
        networks
            .iter()
            .any(|Client(network)| network.contains(&address))
    })
}
