//! What handshakes with this host's servers show: what was agreed on, who was asked for, and what clients can do.
//!
//! Names of hosts and fingerprints are the clients' to choose: each is counted within its own bound, the least used fold first,
//! and a name that could be a key is not shown.

use std::sync::Arc;

use super::series::{OTHER, Series};
use crate::identity::shown::without_keys;
use crate::tls::{Handshake, Outcome, cipher_name};

/// Label sets of each metric.
const SERIES: usize = 256;
/// Clients that said nothing, or of whose hello not all was seen.
const NONE: &str = "none";

/// Version, cipher suite, protocol.
type Agreed = (&'static str, Arc<str>, &'static str);

/// Handshakes by what they show.
#[derive(Clone, Debug)]
pub struct Agreements {
    agreed: Series<Agreed, u64>,
    server_names: Series<Arc<str>, u64>,
    clients: Series<Arc<str>, u64>,
}

/// A label set to look up.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a>(&'static str, &'a str, &'static str);

impl hashbrown::Equivalent<Agreed> for Key<'_> {
    fn equivalent(&self, key: &Agreed) -> bool {
        (self.0, self.1, self.2) == (key.0, &*key.1, key.2)
    }
}

impl From<&Key<'_>> for Agreed {
    fn from(key: &Key<'_>) -> Self {
        (key.0, Arc::from(key.1), key.2)
    }
}

impl Default for Agreements {
    fn default() -> Self {
        Self {
            agreed: Series::new(SERIES, || (OTHER, Arc::from(OTHER), OTHER)),
            server_names: Series::new(SERIES, || Arc::from(OTHER)),
            clients: Series::new(SERIES, || Arc::from(OTHER)),
        }
    }
}

impl Agreements {
    /// Takes a handshake. Those with servers elsewhere are not counted.
    pub fn observe(&mut self, handshake: &Handshake) {
        if !handshake.inbound {
            return;
        }
        if let Outcome::Agreed(hello) = handshake.outcome {
            let cipher = cipher_name(hello.cipher);
            *self
                .agreed
                .get(&Key(hello.version.name(), &cipher, hello.alpn.name())) += 1;
        }
        let offer = handshake.offer.as_deref();
        let name = offer.and_then(|offer| offer.server_name.as_deref());
        let is_shown = |name: &&str| without_keys(name) == **name;
        let name = name.map_or(NONE, |name| Some(name).filter(is_shown).unwrap_or(OTHER));
        *self.server_names.get(name) += 1;
        *self.clients.get(offer.map_or(NONE, |offer| &*offer.ja4)) += 1;
    }

    /// Version, cipher suite, protocol, count.
    pub fn agreed(&self) -> impl Iterator<Item = (&'static str, &Arc<str>, &'static str, u64)> {
        let rows = self.agreed.iter();
        rows.map(|((version, cipher, alpn), count)| (*version, cipher, *alpn, *count))
    }

    /// Name of the server that was asked for, count.
    pub fn server_names(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.server_names.iter().map(|(name, count)| (name, *count))
    }

    /// Fingerprint of the client, count.
    pub fn clients(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.clients.iter().map(|(ja4, count)| (ja4, *count))
    }

    /// Metric and number of series that were folded.
    pub fn overflow(&self) -> [(&'static str, u64); 3] {
        [
            ("tls_agreements_total", self.agreed.overflowed()),
            ("tls_server_names_total", self.server_names.overflowed()),
            ("tls_clients_total", self.clients.overflowed()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{Alpn, Hello, Offer, Version};

    fn handshake(server_name: &str, ja4: &str) -> Handshake {
        Handshake {
            time: 0,
            client: ([192, 0, 2, 2], 40_000).into(),
            server: ([192, 0, 2, 1], 443).into(),
            inbound: true,
            interface: Arc::from("eth0"),
            outcome: Outcome::Agreed(Hello {
                version: Version::Tls13,
                cipher: 0x1301,
                alpn: Alpn::Chosen("h2"),
            }),
            offer: Some(Arc::new(Offer {
                server_name: Some(server_name.into()),
                ja4: ja4.into(),
                protocols: true,
            })),
            read: true,
        }
    }

    #[test]
    fn handshakes_are_counted_within_bounds_and_no_key_is_shown() {
        let mut agreements = Agreements::default();
        for number in 0..10_000 {
            agreements.observe(&handshake("api.example", &format!("t13d{number:04}")));
        }
        agreements.observe(&handshake("sk-live-4qx7m2zc5t6jh3wa.example", "t13d0000"));
        agreements.observe(&Handshake {
            outcome: Outcome::Refused,
            offer: None,
            ..handshake("", "")
        });
        agreements.observe(&Handshake {
            inbound: false,
            ..handshake("elsewhere.example", "t13d0000")
        });
        let agreed: Vec<_> = agreements.agreed().collect();
        let cipher: Arc<str> = "TLS_AES_128_GCM_SHA256".into();
        assert_eq!(agreed, [("1.3", &cipher, "h2", 10_001)]);
        let mut names: Vec<_> = agreements.server_names().collect();
        names.sort();
        let names: Vec<_> = names
            .iter()
            .map(|(name, count)| (&***name, *count))
            .collect();
        assert_eq!(
            names,
            [("__other__", 1), ("api.example", 10_000), ("none", 1)]
        );
        assert!(agreements.clients().count() <= SERIES);
        let sum: u64 = agreements.clients().map(|(_, count)| count).sum();
        assert_eq!(sum, 10_002);
        assert!(agreements.overflow()[2].1 > 9_000);
    }
}
