//! Secrets of handshakes, kept until the connection that they belong to asks for them.
//!
//! Bounded in number and in time, wiped when they go, and never shown: nothing here has a Display, and Debug says how long a
//! secret is. A secret is joined to its connection by what both know for certain: randoms, or the hash of the hellos.

mod keylog;

use std::collections::VecDeque;
use std::fmt;

use hashbrown::HashMap;
use zeroize::Zeroizing;

pub use keylog::{LineError, read_line};

/// A random, or the first 32 bytes of a transcript's hash.
pub type Join = [u8; 32];

/// Bytes that nobody may see, wiped when they are dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The master secret of TLS 1.2 (`CLIENT_RANDOM`).
    Master,
    /// The client's early traffic secret.
    ClientEarly,
    /// The client's handshake traffic secret.
    ClientHandshake,
    /// The server's handshake traffic secret.
    ServerHandshake,
    /// The client's first application traffic secret.
    ClientTraffic,
    /// The server's first application traffic secret.
    ServerTraffic,
    /// The handshake secret of TLS 1.3, from which the four before follow.
    Handshake,
}

/// A secret with what tells whose it is.
#[derive(Clone, Debug)]
pub enum Material {
    /// From a key log: by the client's random.
    Logged {
        /// Of the ClientHello.
        random: [u8; 32],
        /// What it is for.
        label: Label,
        /// The secret.
        secret: Secret,
    },
    /// From a key derivation of a running process.
    Derived(Derived),
}

/// What a process derives keys from.
#[derive(Clone, Debug)]
pub enum Derived {
    /// The handshake secret, where `s hs traffic` is derived.
    Handshake13 {
        /// 32 or 48 bytes.
        secret: Secret,
        /// Hash of ClientHello to ServerHello.
        transcript: Vec<u8>,
    },
    /// The master secret, where `key expansion` is derived.
    Master12 {
        /// 48 bytes.
        master: Secret,
        /// Of the ServerHello.
        server_random: [u8; 32],
        /// Of the ClientHello.
        client_random: [u8; 32],
    },
    /// The early traffic secret of a client.
    Early13 {
        /// 32 or 48 bytes.
        secret: Secret,
        /// Hash of the first ClientHello.
        transcript: Vec<u8>,
    },
}

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections of which secrets are kept.
    pub connections: usize,
    /// Nanoseconds.
    pub lifetime: u64,
}

/// The secrets.
#[derive(Debug)]
pub struct Secrets {
    bounds: Bounds,
    known: HashMap<Join, Entry>,
    /// The oldest first.
    order: VecDeque<(u64, Join)>,
    refused: u64,
}

#[derive(Debug, Default)]
struct Entry {
    secrets: Vec<(Label, Secret)>,
    /// Where the secret is one connection's only together with it.
    server_random: Option<[u8; 32]>,
}

impl Secret {
    /// A secret of a length that secrets have: 32 or 48 bytes.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        matches!(bytes.len(), 32 | 48).then(|| Self(Zeroizing::new(bytes.to_vec())))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// The first 32 bytes of a hash; shorter ones join nothing.
pub(super) fn join(transcript: &[u8]) -> Option<Join> {
    transcript.first_chunk().copied()
}

impl Secrets {
    /// Room for secrets.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            known: HashMap::new(),
            order: VecDeque::new(),
            refused: 0,
        }
    }

    /// Connections of which secrets are kept.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Secrets that had to go for newer ones, or that cannot be joined to anything.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes a secret in; says which connections may have waited for it. `None`: it is no use.
    pub fn learn(&mut self, material: Material, now: u64) -> Option<Join> {
        let (to, label, secret, server_random) = match material {
            Material::Logged {
                random,
                label,
                secret,
            } => (Some(random), label, secret, None),
            Material::Derived(Derived::Handshake13 { secret, transcript }) => {
                let to = join(&transcript).filter(|_| transcript.len() == secret.bytes().len());
                (to, Label::Handshake, secret, None)
            }
            Material::Derived(Derived::Early13 { secret, transcript }) => {
                let to = join(&transcript).filter(|_| transcript.len() == secret.bytes().len());
                (to, Label::ClientEarly, secret, None)
            }
            Material::Derived(Derived::Master12 {
                master,
                server_random,
                client_random,
            }) => (
                Some(client_random),
                Label::Master,
                master,
                Some(server_random),
            ),
        };
        let usable = label != Label::Master || secret.bytes().len() == 48;
        let Some(to) = to.filter(|_| usable && self.bounds.connections > 0) else {
            self.refused += 1;
            return None;
        };
        if !self.known.contains_key(&to) {
            while self.known.len() >= self.bounds.connections {
                self.forget_oldest();
                self.refused += 1;
            }
            self.order.push_back((now, to));
        }
        let entry = self.known.entry(to).or_default();
        entry.secrets.retain(|(known, _)| *known != label);
        entry.secrets.push((label, secret));
        if server_random.is_some() {
            entry.server_random = server_random;
        }
        Some(to)
    }

    /// Wipes what has been kept for long enough.
    pub fn expire(&mut self, now: u64) {
        while self
            .order
            .front()
            .is_some_and(|(since, _)| now.saturating_sub(*since) >= self.bounds.lifetime)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, join)) = self.order.pop_front() {
            self.known.remove(&join);
        }
    }

    /// A secret of this kind and length.
    pub(super) fn find(&self, to: &Join, label: Label, bytes: usize) -> Option<&Secret> {
        let entry = self.known.get(to)?;
        let found = entry.secrets.iter().find(|(known, _)| *known == label);
        found
            .map(|(_, secret)| secret)
            .filter(|secret| secret.bytes().len() == bytes)
    }

    /// The master secret of a connection with these randoms.
    pub(super) fn master(&self, client: &Join, server: &[u8; 32]) -> Option<&Secret> {
        let entry = self.known.get(client)?;
        if entry.server_random.is_some_and(|known| known != *server) {
            return None;
        }
        self.find(client, Label::Master, 48)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(number: u8, label: Label, length: usize) -> Material {
        Material::Logged {
            random: [number; 32],
            label,
            secret: Secret::new(&vec![number; length]).unwrap(),
        }
    }

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let mut secrets = Secrets::new(Bounds {
            connections: 2,
            lifetime: 100,
        });
        for number in 1..=3 {
            let to = secrets.learn(
                logged(number, Label::ClientTraffic, 32),
                u64::from(number) * 10,
            );
            assert_eq!(to, Some([number; 32]));
            secrets.learn(logged(number, Label::ServerTraffic, 32), 10);
        }
        assert_eq!((secrets.len(), secrets.refused()), (2, 1));
        assert!(secrets.find(&[1; 32], Label::ClientTraffic, 32).is_none());
        assert!(secrets.find(&[3; 32], Label::ServerTraffic, 32).is_some());
        assert!(
            secrets.find(&[3; 32], Label::ServerTraffic, 48).is_none(),
            "another hash"
        );
        secrets.expire(120);
        assert_eq!(secrets.len(), 1);
        secrets.expire(130);
        assert!(secrets.is_empty());
    }

    #[test]
    fn a_derived_master_is_joined_by_both_randoms() {
        let mut secrets = Secrets::new(Bounds {
            connections: 2,
            lifetime: 100,
        });
        let master = Secret::new(&[7; 48]).unwrap();
        let derived = Derived::Master12 {
            master,
            server_random: [2; 32],
            client_random: [1; 32],
        };
        assert_eq!(secrets.learn(Material::Derived(derived), 0), Some([1; 32]));
        assert!(secrets.master(&[1; 32], &[2; 32]).is_some());
        assert!(secrets.master(&[1; 32], &[3; 32]).is_none());
        // A secret that is not as long as the hash that it goes with, and a master that is none.
        let odd = Derived::Handshake13 {
            secret: Secret::new(&[7; 48]).unwrap(),
            transcript: vec![0; 32],
        };
        assert_eq!(secrets.learn(Material::Derived(odd), 0), None);
        assert_eq!(secrets.learn(logged(9, Label::Master, 32), 0), None);
        assert_eq!(secrets.refused(), 2);
    }

    #[test]
    fn nothing_shows_a_secret() {
        let material = logged(0x41, Label::Master, 48);
        let shown = format!("{material:?}");
        assert!(shown.contains("Secret(48 bytes)"), "{shown}");
        let mut secrets = Secrets::new(Bounds {
            connections: 2,
            lifetime: 100,
        });
        secrets.learn(
            Material::Logged {
                random: [0; 32],
                label: Label::Master,
                secret: Secret::new(&[0x41; 48]).unwrap(),
            },
            0,
        );
        assert!(!format!("{secrets:?}").contains("65"), "{secrets:?}");
    }
}
