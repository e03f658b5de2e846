//! Ports of this host that speak TLS: what their handshakes agree on, and whether some of it should not be used any more.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::events::is_site;
use super::incident::{Evidence, Finding, Kind, Subject, network};
use super::rules::{Rule, Severity};
use super::{Awareness, SECOND};
use crate::identity::traits::wide_hash;
use crate::tls::{Handshake, Hello, Outcome, Version, cipher_name};

/// Listeners.
pub const LISTENERS: usize = 256;

/// A port of this host that speaks TLS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    /// Interface and port.
    pub name: Arc<str>,
    /// Handshakes that agreed on each version, the oldest first.
    pub versions: [u64; Version::ALL.len()],
    /// Handshakes that the server refused.
    pub refused: u64,
    /// Handshakes of which not all of the server's hello was seen.
    pub unread: u64,
    /// Handshakes that agreed on what should not be used any more.
    pub weak: u64,
    /// Seconds since 1970 in UTC of the last of those; zero: never.
    pub last_weak: u64,
    /// Seconds since 1970 in UTC of the last one.
    pub last: u64,
    /// Changed since it was saved.
    #[serde(skip)]
    pub changed: bool,
}

impl Listener {
    fn take(&mut self, handshake: &Handshake) {
        self.changed = true;
        self.last = handshake.time / SECOND;
        match handshake.outcome {
            Outcome::Agreed(hello) => {
                let versions = Version::ALL.into_iter().zip(&mut self.versions);
                for (_, count) in versions.filter(|(version, _)| *version == hello.version) {
                    *count += 1;
                }
                if hello.weakness().is_some() {
                    self.weak += 1;
                    self.last_weak = self.last;
                }
            }
            Outcome::Refused => self.refused += 1,
            Outcome::Unread => self.unread += 1,
        }
    }

    /// Handshakes that agreed on something.
    pub fn agreed(&self) -> u64 {
        self.versions.iter().sum()
    }
}

impl Awareness {
    /// Takes a TLS handshake. Those with servers elsewhere are not this host's to judge.
    pub fn observe_handshake(&mut self, handshake: &Handshake) {
        if !handshake.inbound {
            return;
        }
        self.begin(handshake.time / SECOND);
        let name: Arc<str> = format!("{}:{}", handshake.interface, handshake.server.port()).into();
        let number = self.listeners.find(&name).or_else(|| {
            let listener = Listener {
                name: Arc::clone(&name),
                ..Listener::default()
            };
            self.listeners
                .enter(Arc::clone(&name), listener, |listener| listener.last)
        });
        let Some(listener) = number.and_then(|number| self.listeners.get_mut(number)) else {
            return;
        };
        listener.take(handshake);
        let (weak, agreed) = (listener.weak, listener.agreed());
        if let Outcome::Agreed(hello) = handshake.outcome
            && let Some(weakness) = hello.weakness()
            && self.is_news(
                Rule::WeakTls,
                wide_hash(name.as_bytes()),
                handshake.time / SECOND,
            )
        {
            self.tell_weak(&name, (hello, weakness), (weak, agreed), handshake);
        }
    }

    fn tell_weak(
        &mut self,
        name: &str,
        (hello, weakness): (Hello, &str),
        (weak, agreed): (u64, u64),
        handshake: &Handshake,
    ) {
        let subject = Subject::named(Kind::Listener, name);
        let statement = format!(
            "{}: agreed on {} with {}, which is {weakness}; {weak} of {agreed} handshakes were weak",
            subject.words(),
            hello.version.title(),
            cipher_name(hello.cipher),
        );
        let evidence = Evidence {
            seen: weak as f64,
            of: agreed as f64,
            since: handshake.time,
            until: handshake.time,
            networks: vec![network(handshake.client.ip())],
            ..Evidence::default()
        };
        let mut finding = Finding::new(Rule::WeakTls, subject, statement, evidence, 1.0);
        if is_site(handshake.client.ip()) && is_site(handshake.server.ip()) {
            finding.severity = Severity::Low;
        }
        self.raise(finding, handshake.time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Registry;
    use crate::tls::Alpn;

    fn handshake(second: u64, version: Version, cipher: u16) -> Handshake {
        Handshake {
            time: second * SECOND,
            client: "198.51.100.7:40000".parse().expect("an address"),
            server: "192.0.2.1:443".parse().expect("an address"),
            inbound: true,
            interface: "eth0".into(),
            outcome: Outcome::Agreed(Hello {
                version,
                cipher,
                alpn: Alpn::None,
            }),
            offer: None,
            read: false,
        }
    }

    fn awareness() -> Awareness {
        Awareness::new(&Registry::default())
    }

    #[test]
    fn weak_handshakes_are_one_incident_of_their_listener() {
        let mut awareness = awareness();
        for second in 0..100 {
            awareness.observe_handshake(&handshake(1_000 + second, Version::Tls13, 0x1301));
        }
        assert_eq!(awareness.open().count(), 0);
        for second in 0..100 {
            awareness.observe_handshake(&handshake(2_000 + second, Version::Tls10, 0x000a));
        }
        let open: Vec<_> = awareness.open().collect();
        let [incident] = open.as_slice() else {
            panic!("{open:?}");
        };
        assert_eq!(&*incident.subject.id, "eth0:443");
        assert_eq!(incident.severity, Severity::Medium);
        assert_eq!(
            incident.statement,
            "listener eth0:443: agreed on TLS 1.0 with TLS_RSA_WITH_3DES_EDE_CBC_SHA, which is an obsolete version; \
             1 of 101 handshakes were weak"
        );
        let view = awareness.view();
        let [listener] = view.listeners.as_slice() else {
            panic!("{:?}", view.listeners);
        };
        assert_eq!(listener.versions, [0, 100, 0, 0, 100]);
        assert_eq!((listener.weak, listener.last_weak), (100, 2_099));
    }

    #[test]
    fn strong_refused_foreign_and_unread_ones_are_none() {
        let mut awareness = awareness();
        let strong = handshake(1_000, Version::Tls12, 0xc02f);
        let others = [
            Handshake {
                inbound: false,
                ..handshake(1_001, Version::Tls10, 0x000a)
            },
            Handshake {
                outcome: Outcome::Refused,
                ..strong.clone()
            },
            Handshake {
                outcome: Outcome::Unread,
                ..strong.clone()
            },
            strong,
        ];
        for handshake in &others {
            awareness.observe_handshake(handshake);
        }
        assert_eq!(awareness.open().count(), 0);
        let view = awareness.view();
        let listener = view.listeners.first().expect("a listener");
        assert_eq!(
            (listener.agreed(), listener.refused, listener.unread),
            (1, 1, 1)
        );
    }

    #[test]
    fn listeners_are_bounded_and_kept() {
        let mut known = awareness();
        for port in 0..2_000_u16 {
            let mut one = handshake(1_000 + u64::from(port), Version::Tls12, 0xc02f);
            one.server.set_port(port);
            known.observe_handshake(&one);
        }
        assert_eq!(known.view().listeners.len(), LISTENERS);
        known.begin_saving();
        let rows = known.save(usize::MAX);
        let mut again = awareness();
        again.restore(rows, Vec::new(), 4_000);
        assert_eq!(again.view().listeners, known.view().listeners);
    }
}
