//! Checks of single values, made while they are read.
//!
//! Invariant: a message names the value and what a right one looks like.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::values::Bytes;
use crate::identity::money::Currency;
use crate::identity::registry::Id;
use crate::identity::shown::Shown;

fn refuse<T, E: Error>(text: &str, why: &str) -> Result<T, E> {
    Err(E::custom(format!("`{}` {why}", Shown(text))))
}

pub(super) fn interfaces<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    // dev_valid_name() of the kernel: 15 bytes at most, no slash, no colon, no space
    match names.iter().find(|name| {
        name.is_empty()
            || name.len() > 15
            || name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control())
    }) {
        Some(name) => refuse(
            name,
            "is no name of an interface: 1 to 15 bytes without / : and spaces",
        ),
        None => Ok(names),
    }
}

pub(super) fn ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    let ports = Vec::<i64>::deserialize(deserializer)?;
    ports
        .iter()
        .map(|port| {
            u16::try_from(*port)
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| D::Error::custom(format!("{port} is no port: 1 to 65535")))
        })
        .collect()
}

fn sized<'de, D: Deserializer<'de>>(
    deserializer: D,
    least: Bytes,
    most: Bytes,
) -> Result<Bytes, D::Error> {
    let size = Bytes::deserialize(deserializer)?;
    if size < least || size > most {
        return Err(D::Error::custom(format!(
            "{size} is out of range: {least} to {most}"
        )));
    }
    Ok(size)
}

pub(super) fn ring_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    sized(deserializer, Bytes(4096), Bytes(8 << 30))
}

pub(super) fn head_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    sized(deserializer, Bytes(1024), Bytes(1 << 20))
}

pub(super) fn records_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    sized(deserializer, Bytes(1 << 20), Bytes(1 << 50))
}

pub(super) fn file_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    sized(deserializer, Bytes(64 << 10), Bytes(1 << 40))
}

pub(super) fn cpu_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let cores = f64::deserialize(deserializer)?;
    if (0.01..=64.0).contains(&cores) {
        Ok(cores)
    } else {
        Err(D::Error::custom(format!(
            "{cores} is out of range: 0.01 to 64 cores"
        )))
    }
}

pub(super) fn max_series<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let most = i64::deserialize(deserializer)?;
    usize::try_from(most)
        .ok()
        .filter(|most| (100..=1_000_000).contains(most))
        .ok_or_else(|| D::Error::custom(format!("{most} is out of range: 100 to 1000000")))
}

pub(super) fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().or_else(|_| {
        refuse(
            &text,
            "is no address with a port: write \"127.0.0.1:9464\" or \"[::1]:9464\"",
        )
    })
}

pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() || text.contains('\0') {
        refuse(&text, "is no path")
    } else {
        Ok(text.into())
    }
}

pub(super) fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let named = |rest: &str| {
        !rest.is_empty()
            && !rest.starts_with('/')
            && rest.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if rest.is_some_and(named) {
        Ok(Some(text))
    } else {
        refuse(&text, "is no URL (expected http://HOST/ or https://HOST/)")
    }
}

pub(super) fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let hosts = Vec::<String>::deserialize(deserializer)?;
    let valid = |host: &str| {
        let name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let literal = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
        literal || (!host.is_empty() && host.len() <= 253 && host.bytes().all(name))
    };
    match hosts.iter().find(|host| !valid(host)) {
        Some(host) => refuse(
            host,
            "is no host: write a name or an address, without scheme and port",
        ),
        None => Ok(hosts.iter().map(|host| host.to_ascii_lowercase()).collect()),
    }
}

pub(super) fn base_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if !text.is_empty()
        && (!text.starts_with('/') || text.contains(|c: char| "?# ".contains(c) || c.is_control()))
    {
        return refuse(&text, "is no base_path: one reads /v1");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

pub(super) fn operations<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    let operations = Vec::<String>::deserialize(deserializer)?;
    let valid = |text: &str| {
        text.split_once(' ').is_some_and(|(method, path)| {
            !method.is_empty()
                && method
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'*')
                && path.starts_with('/')
        })
    };
    match operations.iter().find(|text| !valid(text)) {
        Some(text) => refuse(text, "is no operation: one reads GET /v1/status"),
        None => Ok(operations),
    }
}

/// A network, or a consumer's id.
pub(super) fn allowed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let entries = Vec::<String>::deserialize(deserializer)?;
    let valid = |text: &str| {
        if text.contains(['/', ':']) {
            crate::identity::registry::network(text).is_ok()
        } else {
            text.parse::<std::net::IpAddr>().is_ok() || Id::parse(text).is_ok()
        }
    };
    match entries.iter().find(|text| !valid(text)) {
        Some(text) => refuse(
            text,
            "is neither a network such as 192.0.2.0/24 nor a consumer's id",
        ),
        None => Ok(entries),
    }
}

pub(super) fn country<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return refuse(&text, "is not a country: two capital letters (ISO 3166-1)");
    }
    Ok(Some(text))
}

pub(super) fn currency<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Currency::deserialize(deserializer).map(|currency| Some(currency.code().to_owned()))
}
