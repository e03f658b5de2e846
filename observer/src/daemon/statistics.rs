//! What the capture and the pipeline count, gathered for the exporters.

use std::fs;

use aya::Ebpf;
use observer_ebpf::abi::Counter;

use crate::export::metrics::BuildInfo;
use crate::export::records::RecordSink;
use crate::kernel::{Kernel, KernelError, counters};
use crate::pipeline::Pipeline;
use crate::usage::{CaptureStats, InterfaceTraffic, ProgramRuns};

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
        dropped.push(("records", "full", records.lost()));
        dropped.push(("records", "write_failed", records.errors()));
    }
    CaptureStats {
        missing_bytes: counts.missing_bytes,
        connections: vec![("http1", pipeline.connections() as u64)],
        opaque_connections: counts
            .opaque
            .iter()
            .map(|((port, reason), count)| (*port, *reason, *count))
            .collect(),
        dropped,
        ..CaptureStats::default()
    }
}

/// Adds what the kernel side counted.
///
/// # Errors
/// When a map cannot be read.
pub fn add_kernel(stats: &mut CaptureStats, kernel: &mut Kernel) -> Result<(), KernelError> {
    for (counter, reason) in Counter::LOSSES {
        stats
            .lost_events
            .push((reason.to_owned(), counters::read(kernel.object(), counter)?));
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
        stats.traffic.push(InterfaceTraffic {
            interface: interface.name.clone(),
            direction: if egress { "egress" } else { "ingress" },
            packets: totals.packets,
            bytes: totals.bytes,
        });
    }
    stats.programs = runs(kernel.object());
    Ok(())
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
