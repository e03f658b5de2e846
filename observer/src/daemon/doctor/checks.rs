//! What observing needs of the kernel and of this process.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::kernel::{attach, pins, tracepoint};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Check {
    /// What it is.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// Whether observing is impossible without it.
    pub needed: bool,
    /// What was found, and what to do where it is wrong.
    pub detail: String,
}

/// `linux/capability.h`
const CAPABILITIES: [(u32, &str, bool, &str); 4] = [
    (39, "CAP_BPF", true, "loads the programs"),
    (12, "CAP_NET_ADMIN", true, "attaches them to interfaces"),
    (
        38,
        "CAP_PERFMON",
        true,
        "lets them read packets, and attaches the tracepoint",
    ),
    (
        19,
        "CAP_SYS_PTRACE",
        false,
        "tells which processes serve, of other users too",
    ),
];
const SYS_ADMIN: u32 = 21;

/// Looks at everything.
pub fn all() -> Vec<Check> {
    [release(), refusing(), btf(), jit(), bpf_fs(), tracepoint()]
        .into_iter()
        .chain(capabilities())
        .collect()
}

/// Looks at this process's capabilities.
pub fn capabilities() -> impl Iterator<Item = Check> {
    let held = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| effective(&status))
        .unwrap_or(0);
    CAPABILITIES
        .into_iter()
        .map(move |(bit, name, needed, purpose)| {
            // Before Linux 5.8, CAP_SYS_ADMIN stood for the younger ones; it still includes them.
            let ok = (held >> bit) & 1 == 1 || (bit > 30 && (held >> SYS_ADMIN) & 1 == 1);
            let detail = if ok {
                purpose.to_owned()
            } else {
                format!("{purpose} (run as root or through the unit)")
            };
            Check {
                name,
                ok,
                needed,
                detail,
            }
        })
}

/// The effective capabilities in a `status` file of proc(5).
fn effective(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// What the kernel calls itself, and its version.
fn kernel() -> (String, (u32, u32)) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (release.to_owned(), version)
}

/// `bpf_loop` came with Linux 5.17.
fn refusing() -> Check {
    let (_, version) = kernel();
    let ok = version >= (5, 17);
    let detail = if ok {
        "requests of keys that are shut off are refused in the kernel"
    } else {
        "before Linux 5.17 keys are shut off late: connections are reset after their first request"
    };
    Check {
        name: "refusing",
        ok,
        needed: false,
        detail: detail.to_owned(),
    }
}

fn bpf_fs() -> Check {
    let ok = pins::is_mounted().unwrap_or(false);
    let detail = if ok {
        "what is attached outlives the daemon"
    } else {
        "not mounted: what passes while no daemon runs is not seen, and what is shut off is not (mount -t bpf bpf /sys/fs/bpf)"
    };
    Check {
        name: "BPF file system",
        ok,
        needed: false,
        detail: detail.to_owned(),
    }
}

fn release() -> Check {
    let (release, version) = kernel();
    let hooks = if attach::has_tcx() {
        "TCX"
    } else {
        "clsact (TCX from 6.6 on)"
    };
    Check {
        name: "kernel",
        ok: version >= (5, 8),
        needed: true,
        detail: format!("Linux {release}, {hooks}; 5.8 or later"),
    }
}

fn btf() -> Check {
    let ok = Path::new("/sys/kernel/btf/vmlinux").exists();
    let detail = if ok {
        "there"
    } else {
        "missing: not needed by the programs, only by other tools"
    };
    Check {
        name: "BTF",
        ok,
        needed: false,
        detail: detail.to_owned(),
    }
}

fn jit() -> Check {
    let value = fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").unwrap_or_default();
    let ok = value.trim() != "0";
    let detail = if ok {
        "on"
    } else {
        "off: programs are interpreted (sysctl net.core.bpf_jit_enable=1)"
    };
    Check {
        name: "BPF JIT",
        ok,
        needed: false,
        detail: detail.to_owned(),
    }
}

fn tracepoint() -> Check {
    let ok = tracepoint::socket_states().is_ok();
    let detail = if ok {
        "sock:inet_sock_set_state tells hops from local clients"
    } else {
        "not there: requests between processes are counted as from clients (mount -t tracefs tracefs /sys/kernel/tracing)"
    };
    Check {
        name: "tracepoint",
        ok,
        needed: false,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_status() {
        assert_eq!(
            effective("Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0"),
            Some(0x1ff_ffff_ffff)
        );
        assert_eq!(effective("Name:\tx\n"), None);
    }
}
