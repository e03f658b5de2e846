//! Compiles the kernel programs, then the daemon that carries them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::place::Place;
use crate::setup;
use crate::step;
use crate::toolchain::{Kind, TARGET};

/// Builds the self-contained daemon at target/release/observer.
///
/// # Errors
/// When the toolchain is incomplete or a compiler fails.
pub fn all(place: &Place, wanted: Option<Kind>) -> Result<(), Error> {
    kernel_object(place, wanted)?;
    daemon(place)
}

/// Compiles the kernel programs and puts the object where observer/build.rs looks for it.
///
/// # Errors
/// As [`all`].
pub fn kernel_object(place: &Place, wanted: Option<Kind>) -> Result<(), Error> {
    let toolchain = setup::build(place, wanted)?;
    step::say("building the kernel programs");
    let folder = place.own().join("bpf");
    let mut command = toolchain.kind.cargo_build();
    command
        .args([
            "--locked",
            "--release",
            "--package",
            "observer-ebpf",
            "--bin",
            "observer-ebpf",
        ])
        .args(["--features", "programs", "--target", TARGET, "--target-dir"])
        .arg(&folder)
        // BTF for the loader, line numbers for the verifier's messages.
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            "-Cdebuginfo=2\u{1f}-Clink-arg=--btf",
        )
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &toolchain.linker)
        .current_dir(&place.root);
    step::run("building the kernel programs", &mut command)?;
    publish(
        &folder.join(TARGET).join("release/observer-ebpf"),
        &place.kernel_object(),
    )
}

/// Builds the daemon, the kernel object embedded.
fn daemon(place: &Place) -> Result<(), Error> {
    step::say("building the daemon");
    let mut command = step::cargo();
    command
        .args([
            "build",
            "--locked",
            "--release",
            "--package",
            "observer",
            "--bin",
            "observer",
        ])
        .env_remove("OBSERVER_KERNEL_OBJECT")
        .current_dir(&place.root);
    step::run("building the daemon", &mut command)?;
    step::say(&format!("built {}", place.binary().display()));
    Ok(())
}

/// Replaces `to` in one step, and only when the contents differ: its time decides whether the daemon is built again.
fn publish(from: &Path, to: &Path) -> Result<(), Error> {
    let bytes = fs::read(from).map_err(Error::file("reading the kernel object", from))?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let folder = to.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    fs::create_dir_all(&folder).map_err(Error::file("making a folder", &folder))?;
    let fresh = to.with_extension("o.new");
    fs::write(&fresh, bytes).map_err(Error::file("writing the kernel object", &fresh))?;
    fs::rename(&fresh, to).map_err(Error::file("writing the kernel object", to))
}
