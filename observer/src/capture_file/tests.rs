//! From packets to calls: conversations as they pass an interface, in any segmentation and order, with and without loss.

mod bounds;
mod conversation;
mod endings;
mod lossless;
mod lossy;
mod packets;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use observer_ebpf::abi::FlowKey;
use observer_ebpf::wire::Link;

use super::{Captured, Tracking};
use crate::identity::{Attributor, Fingerprinter, IdentitySettings, Pepper, Registry};
use crate::pipeline::{Counts, Host, Pipeline, Settings};
use crate::route::{self, Routes};
use crate::usage::Call;
use packets::Packet;

/// Accounts of the registry, each with the key `key-ID`.
const CONSUMERS: [&str; 3] = ["acme", "bolt", "corp"];

/// A host that serves and calls nobody.
struct Server;

impl Host for Server {
    fn interface(&self, _: u32) -> Arc<str> {
        Arc::from("eth0")
    }

    fn is_own(&self, address: IpAddr) -> bool {
        address == IpAddr::from(packets::SERVER)
    }

    fn client_serves(&mut self, _: &FlowKey) -> bool {
        false
    }

    fn is_over(&self, _: &FlowKey, _: u64) -> bool {
        false
    }
}

fn pipeline(settings: Settings) -> Pipeline {
    let fingerprinter = Fingerprinter::new(&Pepper::new(&mut [7; 32]));
    let accounts: String = CONSUMERS
        .iter()
        .map(|id| {
            let fingerprint = fingerprinter.fingerprint(format!("key-{id}").as_bytes());
            format!(
                "[[account]]\nid = \"{id}\"\n[[account.app]]\nid = \"{id}-app\"\nkey = [{{ id = \"{id}-key\", fp = \"{fingerprint}\" }}]\n"
            )
        })
        .collect();
    let registry = Registry::parse(&[("a.toml", accounts)]).unwrap();
    Pipeline::new(
        settings,
        Attributor::new(IdentitySettings::default(), fingerprinter),
        Arc::new(registry),
        Routes::new(route::Settings::default(), &[]).unwrap(),
    )
}

/// What came of a capture.
struct Observed {
    calls: Vec<Call>,
    counts: Counts,
    /// The most that was held at a time.
    heap: usize,
    connections: usize,
}

impl Observed {
    /// One line a call: what was asked, what was answered, who it is counted to, and what is special about it.
    fn lines(&self) -> Vec<String> {
        self.calls.iter().map(line).collect()
    }
}

fn line(call: &Call) -> String {
    let mut line = format!(
        "{} {} {} {} {}/{} {:?}",
        call.method.as_deref().unwrap_or("?"),
        call.target.as_deref().unwrap_or("?"),
        call.status
            .map_or("-".to_owned(), |status| status.to_string()),
        call.consumer,
        call.request_body_bytes,
        call.response_body_bytes,
        call.outcome,
    );
    if let Some(uncertain) = call.uncertain {
        line += " ";
        line += uncertain.name();
    }
    line
}

/// Nanoseconds from one packet to the next.
const PACE: u64 = 10_000;

/// Shows packets to the kernel side's tracking and the pipeline, as replay does.
fn observe(capture: &[Packet], settings: Settings) -> Observed {
    let mut watch = Watch::new(settings);
    for packet in capture {
        watch.packet(packet);
    }
    watch.finish()
}

/// Packets on their way to calls.
struct Watch {
    tracking: Tracking,
    pipeline: Pipeline,
    time: u64,
    seen: Observed,
}

impl Watch {
    fn new(settings: Settings) -> Self {
        Self {
            tracking: Tracking::default(),
            pipeline: pipeline(settings),
            time: 1_000_000_000,
            seen: Observed {
                calls: Vec::new(),
                counts: Counts::default(),
                heap: 0,
                connections: 0,
            },
        }
    }

    fn packet(&mut self, packet: &Packet) {
        self.time += PACE;
        let bytes = packet.bytes();
        let captured = Captured {
            time: self.time,
            interface: packet.interface,
            link: Link::Ethernet,
            length: bytes.len() as u32,
            bytes: &bytes,
        };
        if let Some(segment) = self.tracking.packet(&captured) {
            let calls = &mut self.seen.calls;
            self.pipeline
                .segment(&segment, 0, &mut Server, &mut |call| calls.push(call));
            for (flow, hint) in self.pipeline.take_hints() {
                self.tracking.hint(flow, hint);
            }
        }
        self.seen.heap = self.seen.heap.max(self.pipeline.heap_bytes());
        self.seen.connections = self.seen.connections.max(self.pipeline.connections());
    }

    /// Lets nanoseconds pass.
    fn pass(&mut self, time: u64) {
        self.time += time;
        let calls = &mut self.seen.calls;
        self.pipeline
            .tick(self.time, &mut Server, &mut |call| calls.push(call));
    }

    fn finish(mut self) -> Observed {
        let calls = &mut self.seen.calls;
        self.pipeline
            .finish(self.time, &mut Server, &mut |call| calls.push(call));
        assert_eq!(self.pipeline.connections(), 0);
        assert_eq!(self.pipeline.heap_bytes(), 0, "heap that nobody owns");
        self.seen.counts = self.pipeline.counts().clone();
        self.seen
    }
}

fn client(port: u16) -> SocketAddr {
    SocketAddr::from((packets::CLIENT, port))
}
