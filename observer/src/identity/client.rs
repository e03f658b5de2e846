//! The client's address, from the connection and from what trusted proxies say.
//!
//! Bias: prefers the address of a proxy to an invented client. A walk from right to left stops at the first address
//! that nobody trusted vouches for, and at anything that is no address.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use httparse::Header;
use ipnet::IpNet;

/// Elements of `Forwarded` that are looked at; more in one request name nobody.
const FORWARDED_ELEMENTS: usize = 64;

/// What forwarding fields say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Any of `X-Forwarded-For`, `X-Forwarded-Proto`, `Forwarded` is there.
    pub present: bool,
    /// The last proxy says that its client came over https.
    pub https: bool,
}

/// Whether an address lies in one of the networks. An IPv4 address mapped into IPv6 is that IPv4 address.
pub fn within(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// The client behind `hop`, whose word is taken; behind it only that of trusted addresses.
/// Port 0 where a field names none. Fields that contradict each other leave it at `hop`.
pub fn client(fields: &[Header<'_>], hop: SocketAddr, trusted: &[IpNet]) -> SocketAddr {
    let listed =
        has(fields, "x-forwarded-for").then(|| walk(hop, trusted, x_forwarded_for(fields)));
    let forwarded = has(fields, "forwarded").then(|| {
        let elements = forwarded(fields).unwrap_or_default();
        walk(
            hop,
            trusted,
            elements.into_iter().rev().map(|element| element.client),
        )
    });
    match (listed, forwarded) {
        (None, None) => hop,
        (Some(client), None) | (None, Some(client)) => client,
        // One of the two was not written by the proxy but passed through from whoever is in front of it.
        (Some(one), Some(other)) if one.ip() == other.ip() => {
            if one.port() == 0 {
                other
            } else {
                one
            }
        }
        (Some(_), Some(_)) => hop,
    }
}

/// What the fields say of the way to the last proxy.
pub fn forwarding(fields: &[Header<'_>]) -> Forwarding {
    let https = |text: &str| text.eq_ignore_ascii_case("https") || text.eq_ignore_ascii_case("wss");
    let proto = values(fields, "x-forwarded-proto").next();
    let present = proto.is_some() || has(fields, "x-forwarded-for") || has(fields, "forwarded");
    let said = match proto {
        // The last proxy's word is the last of a list.
        Some(list) => list
            .rsplit(',')
            .next()
            .is_some_and(|last| https(last.trim())),
        None => {
            present
                && forwarded(fields)
                    .and_then(|elements| elements.last().map(|element| element.https))
                    .unwrap_or(false)
        }
    };
    Forwarding {
        present,
        https: said,
    }
}

/// Follows the claims from the nearest to the farthest, as long as who makes them is trusted.
fn walk(
    hop: SocketAddr,
    trusted: &[IpNet],
    claims: impl Iterator<Item = Option<SocketAddr>>,
) -> SocketAddr {
    let mut sure = hop;
    for claim in claims {
        let Some(claim) = claim else { break };
        sure = claim;
        if !within(trusted, claim.ip()) {
            break;
        }
    }
    sure
}

/// Values of a field, the last first; a value that is no text reads as one that is no address.
fn values<'a>(fields: &'a [Header<'a>], name: &'static str) -> impl Iterator<Item = &'a str> {
    let named = fields
        .iter()
        .rev()
        .filter(move |field| field.name.eq_ignore_ascii_case(name));
    named.map(|field| str::from_utf8(field.value).unwrap_or("?"))
}

fn has(fields: &[Header<'_>], name: &'static str) -> bool {
    values(fields, name).next().is_some()
}

fn x_forwarded_for<'a>(fields: &'a [Header<'a>]) -> impl Iterator<Item = Option<SocketAddr>> {
    values(fields, "x-forwarded-for")
        .flat_map(|list| list.rsplit(','))
        .map(|text| address(text.trim()))
}

/// An address with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<SocketAddr> {
    let plain = |text: &str| {
        text.parse::<IpAddr>()
            .ok()
            .map(|ip| SocketAddr::new(ip.to_canonical(), 0))
    };
    let with_port = |text: &str| {
        text.parse::<SocketAddr>()
            .ok()
            .map(|all| SocketAddr::new(all.ip().to_canonical(), all.port()))
    };
    let bracketed = |text: &str| plain(text.strip_prefix('[')?.strip_suffix(']')?);
    plain(text)
        .or_else(|| with_port(text))
        .or_else(|| bracketed(text))
}

struct Element {
    client: Option<SocketAddr>,
    https: bool,
}

/// Elements of every `Forwarded` field in order (RFC 7239 section 4); `None` when one is not well formed.
fn forwarded(fields: &[Header<'_>]) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    for field in fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("forwarded"))
    {
        let mut rest = str::from_utf8(field.value).ok()?.trim();
        loop {
            let (element, after) = forwarded_element(rest)?;
            if elements.len() == FORWARDED_ELEMENTS {
                return None;
            }
            elements.push(element);
            match after {
                Some(after) => rest = after.trim_start(),
                None => break,
            }
        }
    }
    Some(elements)
}

/// One element, and what follows its comma.
fn forwarded_element(text: &str) -> Option<(Element, Option<&str>)> {
    let mut element = Element {
        client: None,
        https: false,
    };
    let mut named = false;
    let mut rest = text;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            // Addresses need no escapes; a value with one names nobody.
            Some(quoted) => quoted
                .split_once('"')
                .filter(|(value, _)| !value.contains('\\'))?,
            None => after.split_at(after.find([';', ',', '"']).unwrap_or(after.len())),
        };
        let name = name.trim();
        if name.eq_ignore_ascii_case("for") {
            if std::mem::replace(&mut named, true) {
                return None;
            }
            element.client = address(value.trim());
        } else if name.eq_ignore_ascii_case("proto") {
            element.https = value.trim().eq_ignore_ascii_case("https");
        }
        let after = after.trim_start();
        if after.is_empty() {
            return Some((element, None));
        } else if let Some(next) = after.strip_prefix(',') {
            return Some((element, Some(next)));
        }
        rest = after.strip_prefix(';')?;
    }
}
