//! Who is never acted against.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hashbrown::HashSet;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::nets::Nets;
use super::subject::{Subject, Who, canonical};

/// What incidents may do by themselves; commands always act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing.
    #[default]
    Observe,
    /// Say what they would do.
    Propose,
    /// Do it.
    Act,
}

/// What the operator decides about responses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// What incidents may do by themselves.
    pub mode: Mode,
    /// Networks that are never acted against.
    pub networks: Vec<IpNet>,
    /// Ids of accounts that are never acted against.
    pub consumers: Vec<Arc<str>>,
    /// Addresses of this host.
    pub own: Vec<IpAddr>,
}

/// Why somebody is not acted against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    /// It lies in this network.
    Network(IpNet),
    /// It is this account's.
    Consumer(Arc<str>),
    /// It holds this address of the host.
    Own(IpAddr),
}

/// The settings, made to be asked.
#[derive(Clone, Debug, Default)]
pub struct Allow {
    networks: Nets<()>,
    consumers: HashSet<Arc<str>>,
    own: Vec<IpAddr>,
}

impl Allow {
    /// What these settings allow.
    pub fn new(settings: &Settings) -> Self {
        let mut networks = Nets::default();
        for network in &settings.networks {
            networks.insert(canonical(*network), ());
        }
        // Whatever else it is told, a host talks to itself.
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let own = settings.own.iter().map(IpAddr::to_canonical);
        Self {
            networks,
            consumers: settings.consumers.iter().map(Arc::clone).collect(),
            own: own.chain(loopback).collect(),
        }
    }

    /// Why nothing may be done about a subject, if nothing may. `consumer`: whose it is.
    pub fn opens(&self, subject: &Subject, consumer: Option<&str>) -> Option<Open> {
        match subject {
            Subject::Network(network) => {
                let around = self.networks.around(network).map(Open::Network);
                around.or_else(|| {
                    let own = self.own.iter().find(|own| network.contains(*own));
                    own.map(|own| Open::Own(*own))
                })
            }
            Subject::Consumer(id) => self.consumer(id),
            _ => self.consumer(consumer?),
        }
    }

    fn consumer(&self, id: &str) -> Option<Open> {
        let known = self.consumers.get(id)?;
        Some(Open::Consumer(Arc::clone(known)))
    }

    /// Whether an account is allowed.
    pub fn has_consumer(&self, id: &str) -> bool {
        self.consumers.contains(id)
    }

    /// Whether any account is.
    pub fn has_consumers(&self) -> bool {
        !self.consumers.is_empty()
    }

    /// Whether a request of this one is never acted against.
    pub fn lets(&self, who: &Who<'_>) -> bool {
        self.consumers.contains(who.consumer)
            || self.networks.longest(who.client.to_canonical()).is_some()
            || self.networks.longest(who.peer.to_canonical()).is_some()
    }

    /// The networks.
    pub fn networks(&self) -> impl Iterator<Item = IpNet> {
        self.networks.iter().map(|(network, ())| network)
    }
}
