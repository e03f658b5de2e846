//! Which ports of this host are edges that cannot be read: what comes in there is counted where a proxy passes it on.
//!
//! Prefers counting once to counting twice: a port of which anything was read is none.

use std::collections::BTreeMap;

/// Ports that are told apart; what further ones pass on is not counted.
const PORTS: usize = 1024;

/// What was seen of each port's TLS connections.
#[derive(Debug, Default)]
pub(super) struct Edges(BTreeMap<u16, Seen>);

#[derive(Debug, Default)]
struct Seen {
    read: bool,
    opaque: bool,
}

impl Edges {
    /// A connection to this port was read.
    pub fn read(&mut self, port: u16) {
        if let Some(seen) = self.at(port) {
            seen.read = true;
        }
    }

    /// A connection to this port could not be read.
    pub fn opaque(&mut self, port: u16) {
        if let Some(seen) = self.at(port) {
            seen.opaque = true;
        }
    }

    /// Whether nothing can be read of what comes in at this port.
    pub fn is_sealed(&self, port: u16) -> bool {
        self.0
            .get(&port)
            .is_some_and(|seen| seen.opaque && !seen.read)
    }

    fn at(&mut self, port: u16) -> Option<&mut Seen> {
        if self.0.len() >= PORTS && !self.0.contains_key(&port) {
            return None;
        }
        Some(self.0.entry(port).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_sealed_while_nothing_of_it_is_read() {
        let mut edges = Edges::default();
        assert!(!edges.is_sealed(443));
        edges.opaque(443);
        assert!(edges.is_sealed(443) && !edges.is_sealed(8443));
        edges.read(443);
        assert!(!edges.is_sealed(443));
        for port in 0..=u16::MAX {
            edges.opaque(port);
        }
        assert!(edges.0.len() <= PORTS);
    }
}
