//! The kernel side's tables of connections, to ask.

use aya::maps::{HashMap, MapData};
use observer_ebpf::abi::FlowKey;
use observer_ebpf::track::{Flow, flow};

/// Connections that processes of this host opened.
pub struct Clients(pub(super) HashMap<MapData, [u8; FlowKey::SIZE], u32>);

impl Clients {
    /// The process that opened a connection, if one was seen to.
    pub fn process(&self, flow: &FlowKey) -> Option<u32> {
        self.0.get(&flow.to_bytes(), 0).ok()
    }
}

/// Connections that the kernel side tracks.
pub struct Flows(pub(super) HashMap<MapData, [u8; FlowKey::SIZE], [u8; Flow::SIZE]>);

impl Flows {
    /// Whether the connection that was first seen at `birth` has ended, or made room for another one.
    pub fn is_over(&self, flow: &FlowKey, birth: u64) -> bool {
        self.0.get(&flow.to_bytes(), 0).map_or(true, |value| {
            let (known, state) = Flow::peek(&value);
            known != birth || state & flow::OVER != 0
        })
    }
}
