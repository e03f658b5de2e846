//! Puts the kernel object where the crate embeds it from; an empty file where there is none, and the daemon then says so.
//!
//! The object is the file that `OBSERVER_KERNEL_OBJECT` names, else the one that `cargo xtask build` left in the build folder.
#![cfg_attr(
    not(feature = "daemon"),
    expect(
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        reason = "the core's own lints, which `cargo xtask check` lays over the crate, reach its build script too"
    )
)]

use std::path::{Path, PathBuf};
use std::{env, fs};

const OBJECT: &str = "bpf/observer-ebpf.o";

fn main() {
    println!("cargo::rerun-if-env-changed=OBSERVER_KERNEL_OBJECT");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let bytes = match env::var_os("OBSERVER_KERNEL_OBJECT") {
        Some(named) => read(Path::new(&named)),
        None => built(&out),
    };
    let place = out.join("observer-ebpf.o");
    if let Err(error) = fs::write(&place, bytes) {
        println!("cargo::error=writing {}: {error}", place.display());
    }
}

/// A file that somebody named has to be there.
fn read(path: &Path) -> Vec<u8> {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read(path).unwrap_or_else(|error| {
        println!(
            "cargo::error=OBSERVER_KERNEL_OBJECT={}: {error}",
            path.display()
        );
        Vec::new()
    })
}

/// The object in the build folder. Its folder is made and watched: a path that does not exist would run this every time.
fn built(out: &Path) -> Vec<u8> {
    // OUT_DIR is TARGET[/TRIPLE]/PROFILE/build/PACKAGE/out.
    let folders = || out.ancestors().skip(4).take(2);
    if let Some(object) = folders()
        .map(|folder| folder.join(OBJECT))
        .find(|object| object.is_file())
    {
        println!("cargo::rerun-if-changed={}", object.display());
        return fs::read(object).unwrap_or_default();
    }
    for folder in folders().take(1) {
        let watched = folder.join("bpf");
        if fs::create_dir_all(&watched).is_ok() {
            println!("cargo::rerun-if-changed={}", watched.display());
        }
    }
    Vec::new()
}
