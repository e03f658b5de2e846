//! The kernel side's tracking over a capture: the same decisions, with a table in place of the maps.

use hashbrown::{HashMap, HashSet};
use observer_ebpf::abi::{EventHeader, FlowKey, Hint};
use observer_ebpf::sign::{self, LEAD, Sign};
use observer_ebpf::track::{self, Decision, Flow, Relation};
use observer_ebpf::wire::{self, Loaded, Packet, TcpSegment, Walk, tcp};

use super::Captured;
use crate::segment::Segment;

/// Connections kept in each of two generations; what was not seen for a whole generation is forgotten.
const GENERATION: usize = 1 << 16;

/// What the kernel side would have in its maps.
#[derive(Debug, Default)]
pub struct Tracking {
    young: HashMap<FlowKey, Flow>,
    old: HashMap<FlowKey, Flow>,
    hints: HashMap<FlowKey, Hint>,
    quic: HashSet<FlowKey>,
    /// Whether TLS connections are delivered whole.
    pub tls: bool,
    /// Packets whose headers end too early.
    pub truncated: u64,
    /// Fragments of IP packets.
    pub fragments: u64,
}

impl Packet for Captured<'_> {
    fn length(&self) -> u32 {
        self.length
    }

    fn load<const N: usize>(&self, offset: u32) -> Option<Loaded<N>> {
        self.bytes
            .get(offset as usize..)?
            .first_chunk()
            .copied()
            .map(Loaded)
    }
}

impl Tracking {
    /// What the kernel side is told of bodies.
    pub fn hint(&mut self, flow: FlowKey, hint: Hint) {
        if self.hints.len() >= GENERATION {
            self.hints.clear();
        }
        self.hints.insert(flow, hint);
    }

    /// The segment that the kernel side would deliver of a packet, if any.
    pub fn packet<'a>(&mut self, packet: &Captured<'a>) -> Option<Segment<'a>> {
        let mut segment = TcpSegment::default();
        match wire::walk(packet, packet.link, &mut segment) {
            Walk::Segment => {}
            Walk::Quic => return self.quic(packet, &segment),
            Walk::Fragment => {
                self.fragments += 1;
                return None;
            }
            Walk::Truncated => {
                self.truncated += 1;
                return None;
            }
            Walk::Other => return None,
        }
        if segment.length == 0 && segment.flags & (tcp::SYN | tcp::FIN | tcp::RST) == 0 {
            return None;
        }
        let relation = match self.find(&segment.flow) {
            Some(known) => track::relation(known, &segment),
            None => Relation::Successor,
        };
        if relation == Relation::Stray {
            return None;
        }
        if relation == Relation::Successor {
            let mut new = Flow::default();
            if !track::open(&segment, packet.time, &mut new) {
                return None;
            }
            self.enter(segment.flow, new);
            if track::is_accepting(&segment) {
                return None;
            }
        }
        let hint = self.hints.get(&segment.flow).copied();
        let tls = self.tls;
        let known = self.find(&segment.flow)?;
        let payload = packet
            .bytes
            .get(segment.payload as usize..)
            .unwrap_or_default();
        let decision = track::observe(
            known,
            &segment,
            lead(payload, &segment),
            (packet.interface, tls),
            || hint,
        );
        let delivery = match decision {
            Decision::Deliver(delivery) => delivery,
            Decision::Forget => {
                self.forget(&segment.flow);
                return None;
            }
            Decision::Pass | Decision::SeenTwice | Decision::Body => return None,
        };
        let mut header = EventHeader::default();
        track::head(
            &mut header,
            known,
            &segment,
            &delivery,
            (packet.time, packet.interface, false),
        );
        track::delivered(known, &segment, true);
        let payload = payload.get(delivery.skip as usize..).unwrap_or_default();
        let payload = payload.get(..delivery.copy as usize).unwrap_or(payload);
        header.copied = payload.len() as u32;
        Some(Segment { header, payload })
    }

    /// Tells of a connection of QUIC, once.
    fn quic<'a>(&mut self, packet: &Captured<'a>, segment: &TcpSegment) -> Option<Segment<'a>> {
        if self.quic.len() >= GENERATION {
            self.quic.clear();
        }
        if !self.quic.insert(segment.flow) {
            return None;
        }
        let (mut new, mut header) = (Flow::default(), EventHeader::default());
        let delivery = track::open_quic(segment, packet.time, &mut new);
        let seen = (packet.time, packet.interface, false);
        track::head(&mut header, &new, segment, &delivery, seen);
        Some(Segment {
            header,
            payload: &[],
        })
    }

    fn find(&mut self, key: &FlowKey) -> Option<&mut Flow> {
        if !self.young.contains_key(key)
            && let Some(flow) = self.old.remove(key)
        {
            self.enter(*key, flow);
        }
        self.young.get_mut(key)
    }

    fn enter(&mut self, key: FlowKey, flow: Flow) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, flow);
    }

    fn forget(&mut self, key: &FlowKey) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

/// What the first bytes of a segment start.
fn lead(payload: &[u8], segment: &TcpSegment) -> Option<Sign> {
    let payload = payload.get(..segment.length as usize).unwrap_or(payload);
    let mut lead = [0; LEAD];
    let length = payload.len().min(LEAD);
    lead.get_mut(..length)?
        .copy_from_slice(payload.get(..length)?);
    sign::read(&lead, length as u32)
}
