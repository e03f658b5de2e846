//! `observer replay`: capture files through the same pipeline.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cli;
use super::failure::Failure;
use super::host::CaptureHost;
use super::{rules, statistics};
use crate::awareness::Awareness;
use crate::capture_file::{self, Tracking};
use crate::export::records::RecordSink;
use crate::export::{State, metrics};
use crate::pipeline::Pipeline;
use crate::usage::{Call, Counters};

/// How often time passes for the pipeline: nanoseconds of capture time.
const TICK: u64 = 1_000_000_000;

/// What was seen.
#[derive(Debug, Default)]
struct Summary {
    packets: u64,
    exchanges: u64,
    uncertain: u64,
}

/// Where exchanges go.
struct Outputs {
    summary: Summary,
    awareness: Awareness,
    records: Option<RecordSink>,
}

impl Outputs {
    fn call(&mut self, counters: &mut Counters, call: &Call) {
        self.summary.exchanges += 1;
        self.summary.uncertain += u64::from(call.uncertain.is_some());
        counters.record(call, call.end());
        self.awareness.tick(call.end() / TICK, 1.0);
        self.awareness.observe(call);
        if let Some(records) = &mut self.records {
            records.write(call);
        }
    }
}

/// Replays capture files.
///
/// # Errors
/// When a file cannot be read or an output not be written.
pub fn replay(arguments: &cli::Replay) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let mut pipeline = rules::pipeline(
        &config,
        rules::replay_fingerprinter(&config)?,
        Vec::new(),
        false,
    )?;
    let records = match &arguments.records {
        Some(path) => {
            Some(RecordSink::open(path).map_err(|error| Failure::input("records", error))?)
        }
        None => None,
    };
    let now = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&now);
    let state = Arc::new(State::new(
        Counters::new(config.metrics.max_series, 0),
        move || clock.load(Ordering::Relaxed),
    ));
    let mut tracking = Tracking::default();
    let mut host = CaptureHost::default();
    let mut tick = 0;
    let mut seen = Outputs {
        summary: Summary::default(),
        awareness: Awareness::new(pipeline.registry()),
        records,
    };
    for path in &arguments.captures {
        let mut counters = state.counters();
        let packets = capture_file::read(path, |packet| {
            host.name(packet.interface);
            now.fetch_max(packet.time, Ordering::Relaxed);
            if packet.time >= tick {
                tick = packet.time.saturating_add(TICK);
                pipeline.tick(packet.time, &mut host, &mut |call| {
                    seen.call(&mut counters, &call);
                });
            }
            if let Some(segment) = tracking.packet(&packet) {
                pipeline.segment(&segment, 0, &mut host, &mut |call| {
                    seen.call(&mut counters, &call);
                });
                for (flow, hint) in pipeline.take_hints() {
                    tracking.hint(flow, hint);
                }
            }
            for handshake in pipeline.take_handshakes() {
                seen.awareness.observe_handshake(&handshake);
            }
        });
        drop(counters);
        seen.summary.packets += packets.map_err(|error| Failure::input(path.display(), error))?;
    }
    {
        let mut counters = state.counters();
        pipeline.finish(now.load(Ordering::Relaxed), &mut host, &mut |call| {
            seen.call(&mut counters, &call);
        });
    }
    if let Some(records) = &mut seen.records {
        records.flush();
        if records.errors() > 0 {
            return Err(Failure::input(
                "records",
                "could not be written (is the disk full?)",
            ));
        }
    }
    state.set_capture(statistics::of_pipeline(&pipeline, seen.records.as_ref()));
    let view = seen.awareness.view();
    let incidents: Vec<String> = (view.open.iter())
        .map(|incident| {
            format!(
                "{} {}: {}",
                incident.severity.name(),
                incident.rule.name(),
                incident.statement
            )
        })
        .collect();
    state.set_awareness(view);
    if let Some(path) = &arguments.metrics {
        write_metrics(path, &state)?;
    }
    if arguments.summary {
        print_summary(&seen.summary, &pipeline, &tracking, &incidents)?;
    }
    Ok(())
}

fn write_metrics(path: &Path, state: &Arc<State>) -> Result<(), Failure> {
    let failed = |error: prometheus::Error| Failure::input("metrics", error);
    let registry =
        metrics::registry(Arc::clone(state), statistics::build_info()).map_err(failed)?;
    let text = metrics::render(&registry).map_err(failed)?;
    if path == Path::new("-") {
        return super::print(&text);
    }
    fs::write(path, text).map_err(|error| Failure::input(path.display(), error))
}

fn print_summary(
    summary: &Summary,
    pipeline: &Pipeline,
    tracking: &Tracking,
    incidents: &[String],
) -> Result<(), Failure> {
    let counts = pipeline.counts();
    let mut text = format!(
        "packets              {}\nexchanges            {}\n  not certain        {}\nbytes never seen     {}\n",
        summary.packets, summary.exchanges, summary.uncertain, counts.missing_bytes
    );
    text.push_str(&format!(
        "IP fragments         {}\ntruncated headers    {}\n",
        tracking.fragments, tracking.truncated
    ));
    for ((port, reason), count) in &counts.opaque {
        text.push_str(&format!(
            "connections not read {count} on port {port}: {reason}\n"
        ));
    }
    for ((version, result), count) in &counts.handshakes {
        text.push_str(&format!(
            "TLS handshakes       {count} of version {version}: {result}\n"
        ));
    }
    for incident in incidents {
        text.push_str(&format!("incident             {incident}\n"));
    }
    super::print(&text)
}
