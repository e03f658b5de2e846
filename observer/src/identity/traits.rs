//! What a request carried that its record does not show: hashes that are compared, and signs that are counted.
//!
//! Nothing of it is ever printed, so that no text of a client's reaches a sentence or a label through here.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// What awareness asks of an exchange beyond its record. Hashes are the same in every process; zero stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits {
    /// Hash of the User-Agent field.
    pub agent: u32,
    /// Hash of the path.
    pub path: u32,
    /// The object that the path names.
    pub object: Option<Object>,
    /// Hash of a signature or proof that is good for one request only.
    pub signature: u64,
    /// Seconds that the response asks to wait; zero: it does not.
    pub retry_after: u32,
    /// Requests an hour that the response says are allowed; zero: it does not.
    pub hourly: u32,
    /// Bits of [`sign`].
    pub signs: u16,
}

/// An object that a path names: its segment where the route has a parameter, the last of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Hash of the segment.
    pub hash: u32,
    /// Its value, where it is a decimal number.
    pub number: Option<u64>,
}

/// Bits of [`Traits::signs`].
pub mod sign {
    /// The registered key is revoked or suspended.
    pub const REVOKED: u16 = 1;
    /// The registered key or the token has expired.
    pub const EXPIRED: u16 = 1 << 1;
    /// The registered key is not valid yet.
    pub const EARLY: u16 = 1 << 2;
    /// The client is in none of the networks that its key is expected from.
    pub const FOREIGN: u16 = 1 << 3;
    /// The credential stood in the request target.
    pub const IN_URL: u16 = 1 << 4;
    /// A field that only a gateway sets came from elsewhere.
    pub const SPOOFED: u16 = 1 << 5;
    /// Gateways are configured, and the peer is none.
    pub const BYPASS: u16 = 1 << 6;
    /// The path is one that scanners ask for and no API has.
    pub const PROBE: u16 = 1 << 7;
    /// A parameter stood in the query more than once.
    pub const POLLUTED: u16 = 1 << 8;
    /// The key went over a network in the clear.
    pub const CLEARTEXT: u16 = 1 << 9;
    /// The host that was asked for is none of those that APIs are configured with.
    pub const STRAY_HOST: u16 = 1 << 10;
    /// The document of the API does not have the path.
    pub const UNDECLARED: u16 = 1 << 11;
    /// The document of the API calls the operation deprecated.
    pub const DEPRECATED: u16 = 1 << 12;
    /// The account of the registered key has not accepted the terms of use, or not yet.
    pub const UNAGREED: u16 = 1 << 13;
}

/// Beginnings of paths that vulnerability scanners ask for first (the union of what common word lists begin with).
const PROBES: [&str; 18] = [
    "/.env",
    "/.git",
    "/.aws",
    "/.ssh",
    "/.htaccess",
    "/.svn",
    "/.DS_Store",
    "/actuator",
    "/cgi-bin/",
    "/phpmyadmin",
    "/wp-",
    "/wordpress",
    "/xmlrpc.php",
    "/server-status",
    "/vendor/phpunit",
    "/boaform",
    "/solr/",
    "/console/",
];

impl Traits {
    /// Whether a sign is there.
    pub fn has(&self, sign: u16) -> bool {
        self.signs & sign != 0
    }

    /// Sets a sign where it applies.
    pub fn set(&mut self, sign: u16, applies: bool) {
        if applies {
            self.signs |= sign;
        }
    }

    /// Takes up what a path says, given the route that it was resolved to.
    pub fn read_path(&mut self, path: &str, route: &str) {
        let end = memchr::memchr2(b'?', b'#', path.as_bytes()).unwrap_or(path.len());
        let path = path.get(..end).unwrap_or(path);
        self.path = hash(path.as_bytes());
        self.object = object(path, route);
        self.set(
            sign::PROBE,
            PROBES.iter().any(|probe| path.starts_with(probe)),
        );
    }
}

/// A hash of 32 bits that is never zero.
pub fn hash(bytes: &[u8]) -> u32 {
    (xxh3_64(bytes) as u32).max(1)
}

/// A hash of 64 bits that is never zero.
pub fn wide_hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes).max(1)
}

fn object(path: &str, route: &str) -> Option<Object> {
    // Nearly every route without a parameter is told by its bytes.
    memchr::memchr(b'{', route.as_bytes())?;
    let pairs = path.split('/').zip(route.split('/'));
    let (segment, _) = pairs.filter(|(_, part)| part.starts_with('{')).last()?;
    Some(Object {
        hash: hash(segment.as_bytes()),
        number: segment.parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_parameter_names_the_object() {
        let mut traits = Traits::default();
        traits.read_path(
            "/v1/users/7/orders/42?expand=1",
            "/v1/users/{id}/orders/{id}",
        );
        assert_eq!(traits.object.and_then(|object| object.number), Some(42));
        traits.read_path("/v1/users/7", "/v1/users/{id}");
        assert_eq!(traits.object.and_then(|object| object.number), Some(7));
        traits.read_path("/v1/users", "/v1/users");
        assert_eq!(traits.object, None);
        traits.read_path("/v1/users/a-b", "/v1/users/{id}");
        assert!(traits.object.is_some_and(|object| object.number.is_none()));
    }

    #[test]
    fn probes_are_told_from_what_an_api_has() {
        let probes = |path| {
            let mut traits = Traits::default();
            traits.read_path(path, "__other__");
            traits.has(sign::PROBE)
        };
        assert!(probes("/.env") && probes("/wp-login.php") && probes("/.git/config"));
        assert!(!probes("/v1/actuators") && !probes("/environment") && !probes("/"));
    }
}
