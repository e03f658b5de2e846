//! From a capture's bytes, or from packets, to records: bounded on the way, well formed at the end, and the same every
//! time, also when the process is replaced in the middle by one that goes on from what was kept.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::net::IpAddr;
use std::sync::Arc;

use arbitrary::Unstructured;
use observer::capture_file::{self, Captured, Tracking};
use observer::export::records::write_record;
use observer::flow::Bounds;
use observer::http::Limits;
use observer::identity::{Attributor, Fingerprinter, IdentitySettings, Pepper, Registry};
use observer::pipeline::{Connection, FlowState, Host, Pipeline, Settings};
use observer::route::{self, Routes};
use observer::usage::{Call, Counters, UNKNOWN};
use observer_ebpf::abi::{EventHeader, FlowKey};
use serde_json::Value;

use super::packets::{self, Frame};

/// Replays a capture twice.
///
/// # Panics
/// When a bound does not hold, a record is not well formed, or the two differ.
pub fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let frames = if kind & 1 == 0 {
        packets::read(&mut Unstructured::new(rest))
    } else {
        captured(rest)
    };
    let (mut once, again) = (replay(&frames, None), replay(&frames, None));
    assert_eq!(once, again, "two replays of the same capture differ");
    let restart = usize::from(*kind >> 1) % frames.len().max(1);
    let mut resumed = replay(&frames, Some(restart));
    // What was kept to compare retransmissions with is not kept over a restart, and a gap may be noticed at another time:
    // where they decided anything, the two may differ in what is certain.
    let plain = |shown: &Shown| {
        shown.conflicts == 0 && shown.dropped.is_empty() && shown.missing_bytes == 0
    };
    if plain(&once) && plain(&resumed) {
        // What ends at the same time ends in the order in which connections were heard of, and those of which something is
        // read again are heard of again.
        once.records.sort_unstable();
        resumed.records.sort_unstable();
        let differs = (once.records.iter().zip(&resumed.records)).find(|(one, two)| one != two);
        assert_eq!(
            differs, None,
            "a restart after {restart} packets changes records"
        );
        assert_eq!(once.records.len(), resumed.records.len());
    }
}

/// Goes on in a new process: connections as they were kept, and events that have to be read again.
fn restarted(before: &Pipeline, events: &[Vec<u8>], out: &mut impl FnMut(Call)) -> Pipeline {
    let kept = serde_json::to_string(&before.states(&[0]).collect::<Vec<_>>()).expect("states");
    let routes = serde_json::to_string(&before.routes().saved().collect::<Vec<_>>());
    let mut after = pipeline();
    after.restore_routes(serde_json::from_str(&routes.expect("routes")).expect("routes"));
    let states: Vec<FlowState<Connection>> = serde_json::from_str(&kept).expect("states");
    let mut resumes = BTreeMap::new();
    for state in states {
        if let Some(resume) = state.resume {
            resumes.insert((state.key().to_bytes(), state.birth()), resume);
        }
        assert!(after.restore(state, 0), "there is room for what there was");
    }
    for (at, event) in (0_u64..).zip(events) {
        let (header, _) = EventHeader::decode(event).expect("an event");
        let resume = resumes.get(&(header.flow.to_bytes(), header.birth));
        if resume.is_some_and(|resume| at >= *resume) {
            after.event(event, at, &mut Server, out);
        }
    }
    after
}

/// The packets of a capture file; of a damaged one, those before the damage.
fn captured(bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let read = capture_file::read_from(Cursor::new(bytes.to_vec()), |packet| {
        frames.push(Frame {
            time: packet.time,
            interface: packet.interface,
            link: packet.link,
            length: packet.length,
            bytes: packet.bytes.to_vec(),
        });
    });
    if let Ok(packets) = read {
        assert!(
            frames.len() as u64 <= packets,
            "{} packets handed out of {packets}",
            frames.len()
        );
    }
    frames
}

fn settings() -> Settings {
    Settings {
        connections: 3,
        heap_bytes: 16 << 10,
        idle: 1_000_000_000,
        stream: Bounds {
            held_bytes: 4096,
            held_time: 1_000_000,
            compared_bytes: 512,
        },
        http: Limits {
            head_bytes: 1024,
            pipeline_depth: 8,
        },
        ..Settings::default()
    }
}

fn pipeline() -> Pipeline {
    let fingerprinter = Fingerprinter::new(&Pepper::new(&mut [7; 32]));
    let fingerprint = fingerprinter.fingerprint(b"key-acme");
    let account = format!(
        "[[account]]\nid = \"acme\"\n[[account.app]]\nid = \"app\"\nkey = [{{ id = \"key\", fp = \"{fingerprint}\" }}]\n"
    );
    Pipeline::new(
        settings(),
        Attributor::new(IdentitySettings::default(), fingerprinter),
        Arc::new(Registry::parse(&[("acme.toml", account)]).expect("a valid registry")),
        Routes::new(route::Settings::default(), &[]).expect("no APIs"),
    )
}

/// A host that serves and calls nobody.
struct Server;

impl Host for Server {
    fn interface(&self, index: u32) -> Arc<str> {
        Arc::from(format!("eth{index}"))
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

/// Everything that a replay shows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    records: Vec<String>,
    opaque: BTreeMap<(u16, bool, &'static str), u64>,
    dropped: BTreeMap<(&'static str, &'static str), u64>,
    missing_bytes: u64,
    conflicts: u64,
    fragments: u64,
    truncated: u64,
}

/// With `restart`, another process goes on after so many packets.
fn replay(frames: &[Frame], restart: Option<usize>) -> Shown {
    let (mut tracking, mut pipeline) = (Tracking::default(), pipeline());
    let mut counters = Counters::new(16, 0);
    let mut shown = Shown::default();
    let mut out = |call: Call| {
        counters.record(&call, call.end());
        shown.records.push(record(&call));
    };
    let (mut now, mut tick) = (0, 0);
    let mut events = Vec::new();
    for (number, frame) in frames.iter().enumerate() {
        if restart == Some(number) {
            pipeline = restarted(&pipeline, &events, &mut out);
        }
        let packet = Captured {
            time: frame.time,
            interface: frame.interface,
            link: frame.link,
            length: frame.length,
            bytes: &frame.bytes,
        };
        now = packet.time.max(now);
        if packet.time >= tick {
            tick = packet.time.saturating_add(1_000_000_000);
            pipeline.tick(packet.time, &mut Server, &mut out);
        }
        if let Some(segment) = tracking.packet(&packet) {
            let at = events.len() as u64;
            events.push([&segment.header.encode(), segment.payload].concat());
            pipeline.segment(&segment, at, &mut Server, &mut out);
            for (flow, hint) in pipeline.take_hints() {
                tracking.hint(flow, hint);
            }
        }
        let (connections, heap) = (pipeline.connections(), pipeline.heap_bytes());
        assert!(
            connections <= settings().connections,
            "{connections} connections"
        );
        assert!(heap <= settings().heap_bytes, "{heap} bytes on the heap");
    }
    pipeline.finish(now, &mut Server, &mut out);
    let (connections, heap) = (pipeline.connections(), pipeline.heap_bytes());
    assert_eq!((connections, heap), (0, 0), "left when all is over");
    let counts = pipeline.counts();
    Shown {
        opaque: counts.opaque.clone(),
        dropped: counts.dropped.clone(),
        missing_bytes: counts.missing_bytes,
        conflicts: counts.conflicts,
        fragments: tracking.fragments,
        truncated: tracking.truncated,
        ..shown
    }
}

/// The record of a call, after what has to hold for every one.
fn record(call: &Call) -> String {
    let mut line = Vec::new();
    write_record(&mut line, call);
    let line = String::from_utf8(line).expect("a record is text");
    let text = line.strip_suffix('\n').expect("a record ends its line");
    assert!(!text.contains('\n'), "a record of several lines: {text}");
    let record: Value = serde_json::from_str(text)
        .unwrap_or_else(|error| panic!("a record is no JSON: {error}: {text}"));
    let field = |name| record.get(name).unwrap_or(&Value::Null);
    for name in [
        "time",
        "client",
        "peer",
        "server",
        "interface",
        "vantage",
        "outcome",
        "consumer",
    ] {
        assert!(field(name).is_string(), "no {name}: {text}");
    }
    if field("complete") == &Value::Bool(true) {
        assert!(
            field("method").is_string(),
            "complete without a method: {text}"
        );
    } else {
        assert!(
            field("reason").is_string(),
            "not complete, without a reason: {text}"
        );
    }
    if field("method").is_null() {
        assert_eq!(
            field("consumer"),
            UNKNOWN,
            "somebody's without a request: {text}"
        );
        assert!(
            field("credential").is_null(),
            "a credential of no request: {text}"
        );
    }
    for secret in ["key-acme", "Bearer x"] {
        assert!(!text.contains(secret), "a record holds a key: {text}");
    }
    line
}
