//! Every test, none of them skipped: `OBSERVER_REQUIRE=all` makes a test fail that would step aside.

use std::fs;
use std::process::Command;

use crate::compile;
use crate::error::Error;
use crate::place::Place;
use crate::setup;
use crate::step;
use crate::toolchain::Kind;

/// Builds, then runs the workspace's tests; `arguments` go to `cargo test`.
///
/// # Errors
/// Without root, when the build fails, and when a test does.
pub fn all(place: &Place, wanted: Option<Kind>, arguments: &[String]) -> Result<(), Error> {
    if !step::is_root() {
        return Err(Error::Privilege {
            what: "testing in the kernel",
            repeat: step::repeat_as_root(),
        });
    }
    compile::all(place, wanted)?;
    setup::test()?;
    mount_bpf()?;
    step::say("testing");
    let mut command = step::cargo();
    command
        .args(["test", "--locked", "--workspace"])
        .args(arguments)
        .env_remove("OBSERVER_KERNEL_OBJECT")
        .env("OBSERVER_REQUIRE", "all")
        .env("OBSERVER_BIN", place.binary())
        .current_dir(&place.root);
    step::run("testing", &mut command)
}

/// Mounts the BPF file system where it is not: pins live there.
fn mount_bpf() -> Result<(), Error> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let is_mounted = mounts
        .lines()
        .any(|line| line.split(' ').skip(1).take(2).eq(["/sys/fs/bpf", "bpf"]));
    if is_mounted {
        return Ok(());
    }
    let what = "mounting the BPF file system at /sys/fs/bpf";
    step::say(what);
    step::run(
        what,
        Command::new("mount").args(["-t", "bpf", "bpf", "/sys/fs/bpf"]),
    )
}
