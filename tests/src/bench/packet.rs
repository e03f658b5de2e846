//! What the kernel programs take for each kind of packet, by `BPF_PROG_TEST_RUN`: no link, no interrupts of others.

use std::path::{Path, PathBuf};

use aya::EbpfLoader;
use aya::maps::Array;
use aya::programs::{SchedClassifier, TestRun as _, TestRunOptions};
use clap::Args;
use observer_ebpf::abi::{map, program, setting};

use crate::capture::{ACK, Connection, PSH, SYN};
use crate::figures::{Floor, Table, median};
use crate::lab::{Failure, failed, observer};

/// Room for every event of a run: nothing is read meanwhile.
const RING: u32 = 64 << 20;
/// Runs that only warm up.
const WARM: usize = 500;

/// How to measure.
#[derive(Args)]
pub struct Options {
    /// Packets of each kind
    #[arg(long, default_value_t = 20_000)]
    packets: usize,
    /// The kernel programs [default: those that `cargo xtask build` compiled]
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            packets: 20_000,
            object: None,
        }
    }
}

/// Measures.
pub fn measure(options: &Options) -> Result<Table, Failure> {
    let object = match &options.object {
        Some(object) => object.clone(),
        None => observer()?
            .ancestors()
            .nth(2)
            .map(|target| target.join("bpf/observer-ebpf.o"))
            .ok_or_else(|| Failure::new("OBSERVER_BIN", "does not lie in a build folder"))?,
    };
    let request = b"GET /v1/widgets/42 HTTP/1.1\r\nHost: api.example\r\nUser-Agent: client/1.0\r\nAccept: */*\r\n\
                    X-Api-Key: sk_live_5f2b8d17c3a94e60\r\n\r\n";
    let mut response =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
            .to_vec();
    response.resize(230, b'x');
    let body = [b'x'; 1400];
    let kinds: [(&str, &'static str, bool, &[u8]); 5] = [
        ("acknowledgement", program::INGRESS, false, b""),
        ("request", program::INGRESS, false, request),
        ("response", program::EGRESS, true, &response),
        ("body past what is copied", program::EGRESS, true, &body),
        ("not HTTP", program::INGRESS, false, &[0x80; 200]),
    ];
    let mut table = Table::default();
    for (name, program, from_server, payload) in kinds {
        let mut programs = Programs::load(&object)?;
        let mut connection = Connection::new(1);
        programs.run(program::EGRESS, &connection.frame(true, SYN | ACK, b""))?;
        if name.starts_with("body") {
            programs.run(program::EGRESS, &connection.frame(true, ACK, &response))?;
            for _ in 0..3000 {
                programs.run(program::EGRESS, &connection.frame(true, ACK, &body))?;
            }
        }
        let mut times = Vec::with_capacity(options.packets);
        for number in 0..options.packets + WARM {
            let flags = if payload.is_empty() { ACK } else { PSH | ACK };
            let time = programs.run(program, &connection.frame(from_server, flags, payload))?;
            if number >= WARM {
                times.push(time);
            }
        }
        table.add(
            format!("packet: {name}, median"),
            median(&times),
            "ns",
            Floor::None,
        );
    }
    Ok(table)
}

/// The kernel programs, loaded and attached to nothing.
struct Programs(aya::Ebpf);

impl Programs {
    fn load(object: &Path) -> Result<Self, Failure> {
        let wake_at = u64::from(RING);
        let mut loader = EbpfLoader::new();
        loader
            .override_global(setting::SHARD_MASK, &0_u32, true)
            .override_global(setting::WAKE_AT, &wake_at, true)
            .override_global(setting::PORT_FILTER, &0_u8, true)
            .map_max_entries(map::RINGS[0], RING);
        let mut programs = loader
            .load_file(object)
            .map_err(failed(object.display().to_string()))?;
        for name in [program::INGRESS, program::EGRESS] {
            classifier(&mut programs, name)?
                .load()
                .map_err(failed(name))?;
        }
        // The programs look at packets only while a daemon lives, or the lease runs.
        let lease = programs
            .map_mut(map::LEASE)
            .ok_or_else(|| Failure::new(map::LEASE, "not in the object"))?;
        Array::<_, u64>::try_from(lease)
            .and_then(|mut lease| lease.set(0, u64::MAX / 2, 0))
            .map_err(failed(map::LEASE))?;
        Ok(Self(programs))
    }

    /// Nanoseconds of one run.
    fn run(&mut self, name: &'static str, frame: &[u8]) -> Result<f64, Failure> {
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        let result = classifier(&mut self.0, name)?
            .test_run(options)
            .map_err(failed(name))?;
        Ok(result.duration.as_nanos() as f64)
    }
}

fn classifier<'a>(
    programs: &'a mut aya::Ebpf,
    name: &str,
) -> Result<&'a mut SchedClassifier, Failure> {
    programs
        .program_mut(name)
        .ok_or_else(|| Failure::new(name, "not in the object"))?
        .try_into()
        .map_err(failed::<aya::programs::ProgramError>(name))
}
