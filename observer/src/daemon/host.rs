//! What the pipeline asks of its surroundings: of this host, or of a capture file, which has none.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use observer_ebpf::abi::FlowKey;

use crate::kernel::links::Interface;
use crate::kernel::processes::Processes;
use crate::kernel::{Clients, Flows};
use crate::pipeline::Host;

/// This host.
pub struct ThisHost {
    names: BTreeMap<u32, Arc<str>>,
    own: HashSet<IpAddr>,
    clients: Clients,
    flows: Flows,
    processes: Processes,
    unnamed: Arc<str>,
}

impl ThisHost {
    /// Asks the tables that the kernel side fills.
    pub fn new(clients: Clients, flows: Flows) -> Self {
        Self {
            names: BTreeMap::new(),
            own: HashSet::new(),
            clients,
            flows,
            processes: Processes::default(),
            unnamed: Arc::from("?"),
        }
    }

    /// Takes note of the interfaces and their addresses.
    pub fn set_interfaces(&mut self, interfaces: &[Interface]) {
        self.names = interfaces
            .iter()
            .map(|interface| (interface.index, Arc::from(interface.name.as_str())))
            .collect();
        self.own = interfaces
            .iter()
            .flat_map(|interface| interface.addresses.iter().copied())
            .collect();
    }
}

impl Host for ThisHost {
    fn interface(&self, index: u32) -> Arc<str> {
        Arc::clone(self.names.get(&index).unwrap_or(&self.unnamed))
    }

    fn is_own(&self, address: IpAddr) -> bool {
        // The whole of 127.0.0.0/8 is this host, though only one address of it is listed.
        address.is_loopback() || self.own.contains(&address)
    }

    fn client_serves(&mut self, flow: &FlowKey) -> bool {
        !self.client_ports(flow).is_empty()
    }

    fn client_ports(&mut self, flow: &FlowKey) -> &[u16] {
        let Some(process) = self.clients.process(flow) else {
            return &[];
        };
        let now = Instant::now();
        self.processes.ports(process, now)
    }

    fn is_over(&self, flow: &FlowKey, birth: u64) -> bool {
        self.flows.is_over(flow, birth)
    }
}

/// A capture file: every client is another host.
#[derive(Debug, Default)]
pub struct CaptureHost {
    names: BTreeMap<u32, Arc<str>>,
}

impl CaptureHost {
    /// Names an interface of the file.
    pub fn name(&mut self, index: u32) {
        self.names
            .entry(index)
            .or_insert_with(|| Arc::from(format!("capture-{index}")));
    }
}

impl Host for CaptureHost {
    fn interface(&self, index: u32) -> Arc<str> {
        self.names
            .get(&index)
            .map_or_else(|| Arc::from("capture"), Arc::clone)
    }

    fn is_own(&self, _: IpAddr) -> bool {
        false
    }

    fn client_serves(&mut self, _: &FlowKey) -> bool {
        false
    }

    fn is_over(&self, _: &FlowKey, _: u64) -> bool {
        false
    }
}
