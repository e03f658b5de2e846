//! What the capture and the pipeline count, gathered for the exporters.

use std::fs;

use aya::Ebpf;
use observer_ebpf::abi::Counter;

use crate::export::metrics::BuildInfo;
use crate::export::records::RecordSink;
use crate::http::http2;
use crate::kernel::{Kernel, KernelError, counters};
use crate::pipeline::Pipeline;
use crate::store::Status;
use crate::usage::{CaptureStats, InterfaceTraffic, LedgerStats, Opaque, ProgramRuns};

/// What this binary is and runs on.
pub fn build_info() -> BuildInfo {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    BuildInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        revision: option_env!("OBSERVER_REVISION")
            .unwrap_or("unknown")
            .to_owned(),
        kernel: kernel.trim().to_owned(),
    }
}

/// What the pipeline counted.
pub fn of_pipeline(pipeline: &Pipeline, records: Option<&RecordSink>) -> CaptureStats {
    let counts = pipeline.counts();
    let mut dropped: Vec<_> = counts
        .dropped
        .iter()
        .map(|((stage, reason), count)| (*stage, *reason, *count))
        .collect();
    dropped.push(("event", "undecodable", counts.undecodable));
    dropped.push(("flow", "conflicting_bytes", counts.conflicts));
    dropped.extend(
        pipeline
            .routes()
            .refused()
            .reasons()
            .map(|(reason, count)| ("route", reason, count)),
    );
    if let Some(records) = records {
        let counts = records.dropped();
        dropped.extend(counts.map(|(reason, count)| ("records", reason, count)));
    }
    CaptureStats {
        segments: vec![("read", counts.segments, counts.segment_bytes)],
        missing_bytes: counts.missing_bytes,
        connections: vec![
            (
                "http1",
                pipeline
                    .connections()
                    .saturating_sub(pipeline.http2_connections()) as u64,
            ),
            ("http2", pipeline.http2_connections() as u64),
        ],
        http2_frames: http2::Kind::ALL
            .into_iter()
            .zip(counts.frames)
            .map(|(kind, count)| (kind.name(), count))
            .collect(),
        grpc_messages: counts.messages.clone(),
        opaque_connections: counts
            .opaque
            .iter()
            .map(|((port, own, reason), count)| Opaque {
                port: *port,
                own: *own,
                process: None,
                reason,
                count: *count,
            })
            .collect(),
        dropped,
        tls_handshakes: counts
            .handshakes
            .iter()
            .map(|((version, result), count)| (*version, *result, *count))
            .collect(),
        tls_agreements: counts.agreements.clone(),
        ..CaptureStats::default()
    }
}

/// What the kernel side had counted when this process began: its counters outlive processes, metrics start at zero.
pub struct Base {
    counters: Vec<u64>,
    links: counters::Links,
}

impl Base {
    /// Counters as they were accounted for, and links as they are now.
    ///
    /// # Errors
    /// When a map cannot be read.
    pub fn new(counters: Vec<u64>, kernel: &Kernel) -> Result<Self, KernelError> {
        Ok(Self {
            counters,
            links: counters::links(kernel.object_ref())?,
        })
    }
}

/// Adds what the kernel side counted since `base`.
///
/// # Errors
/// When a map cannot be read.
pub fn add_kernel(
    stats: &mut CaptureStats,
    kernel: &mut Kernel,
    base: &Base,
) -> Result<(), KernelError> {
    let counted = counters::all(kernel.object())?;
    let since = |counter: Counter| {
        let value = |counters: &[u64]| counters.get(counter as usize).copied().unwrap_or(0);
        value(&counted).saturating_sub(value(&base.counters))
    };
    for (counter, reason) in Counter::LOSSES {
        stats.lost_events.push((reason.to_owned(), since(counter)));
    }
    for (fate, segments, bytes) in [
        ("body", Counter::BodySegments, Counter::BodyBytes),
        ("ring_full", Counter::LostSegments, Counter::RingFullBytes),
        ("shed", Counter::ShedSegments, Counter::ShedBytes),
    ] {
        stats.segments.push((fate, since(segments), since(bytes)));
    }
    let links = counters::links(kernel.object())?;
    for ((index, egress), totals) in links {
        let Some(interface) = kernel
            .interfaces()
            .iter()
            .find(|interface| interface.index == index)
        else {
            continue;
        };
        let before = base
            .links
            .get(&(index, egress))
            .copied()
            .unwrap_or_default();
        stats.traffic.push(InterfaceTraffic {
            interface: interface.name.clone(),
            direction: if egress { "egress" } else { "ingress" },
            packets: totals.packets.saturating_sub(before.packets),
            bytes: totals.bytes.saturating_sub(before.bytes),
        });
    }
    let of_probes = kernel.probe_runs()?.iter();
    stats.tls_probe_runs = of_probes
        .map(|(what, runs)| (what.clone(), *runs))
        .collect();
    stats.programs = runs(kernel.object());
    Ok(())
}

/// How the ledger is doing.
pub fn of_ledger(status: &Status, waiting: usize) -> LedgerStats {
    LedgerStats {
        failing: status.trouble.is_some(),
        batches: status.written,
        errors: status.errors,
        waiting: waiting as u64,
        nanoseconds: status.nanoseconds,
        bytes: status.bytes,
        deleted_early: status.deleted_early,
    }
}

/// Run statistics of the programs; empty while the kernel does not keep them.
fn runs(object: &Ebpf) -> Vec<ProgramRuns> {
    let kept = fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled")
        .is_ok_and(|value| value.trim() == "1");
    if !kept {
        return Vec::new();
    }
    let infos = object
        .programs()
        .filter_map(|(name, program)| Some((name, program.info().ok()?)));
    infos
        .map(|(name, info)| ProgramRuns {
            program: name.to_owned(),
            nanoseconds: info.run_time().as_nanos() as u64,
            runs: info.run_count(),
        })
        .collect()
}
