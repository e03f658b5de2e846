//! Capture files through a pipeline, packet by packet, as the kernel side would have delivered them.

use std::path::PathBuf;

use super::failure::Failure;
use super::host::CaptureHost;
use crate::capture_file::{self, Tracking};
use crate::pipeline::Pipeline;
use crate::tls::Handshake;
use crate::usage::Call;

/// How often time passes for the pipeline: nanoseconds of capture time.
pub const TICK: u64 = 1_000_000_000;

/// Where what captures hold goes.
pub trait Viewer {
    /// A packet was captured at this time, nanoseconds since 1970 in UTC.
    fn packet(&mut self, _time: u64) {}
    /// An exchange is over.
    fn call(&mut self, call: &Call);
    /// A TLS server answered.
    fn handshake(&mut self, _handshake: &Handshake) {}
}

/// What was played.
#[derive(Debug, Default)]
pub struct Played {
    /// Packets.
    pub packets: u64,
    /// When the first was captured, and the last: nanoseconds since 1970 in UTC.
    pub first: Option<u64>,
    /// See `first`; zero without packets.
    pub last: u64,
    /// What the kernel side would have in its maps.
    pub tracking: Tracking,
}

/// Plays captures, one after the other as one, and ends every connection. `tls`: it is to be decrypted.
///
/// # Errors
/// When one cannot be read.
pub fn play(
    captures: &[PathBuf],
    tls: bool,
    pipeline: &mut Pipeline,
    viewer: &mut impl Viewer,
) -> Result<Played, Failure> {
    let mut played = Played::default();
    played.tracking.tls = tls;
    let mut host = CaptureHost::default();
    let mut tick = 0;
    for path in captures {
        let packets = capture_file::read(path, |packet| {
            host.name(packet.interface);
            let first = played.first.unwrap_or(packet.time);
            played.first = Some(first.min(packet.time));
            played.last = played.last.max(packet.time);
            viewer.packet(packet.time);
            if packet.time >= tick {
                tick = packet.time.saturating_add(TICK);
                pipeline.tick(packet.time, &mut host, &mut |call| viewer.call(&call));
            }
            if let Some(segment) = played.tracking.packet(&packet) {
                pipeline.segment(&segment, 0, &mut host, &mut |call| viewer.call(&call));
                for (flow, hint) in pipeline.take_hints() {
                    played.tracking.hint(flow, hint);
                }
            }
            for handshake in pipeline.take_handshakes() {
                viewer.handshake(&handshake);
            }
        });
        played.packets += packets.map_err(|error| Failure::input(path.display(), error))?;
    }
    pipeline.finish(played.last, &mut host, &mut |call| viewer.call(&call));
    Ok(played)
}
