//! Whether a test can run here.
//!
//! Where everything is required (`OBSERVER_REQUIRE=all`) a missing thing is a failure; elsewhere it is said aloud.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use std::os::unix::fs::MetadataExt;

/// Whether this process is root, every program is installed and the daemon is built.
///
/// # Panics
/// When one is missing and `OBSERVER_REQUIRE` is set.
pub fn require(programs: &[&str]) -> bool {
    let mut missing = Vec::new();
    if fs::metadata("/proc/self").map_or(u32::MAX, |entry| entry.uid()) != 0 {
        missing.push("root".to_owned());
    }
    missing.extend(absent(programs));
    if !binary().exists() {
        missing.push(format!("{} (cargo xtask build)", binary().display()));
    }
    goes_on(&missing)
}

/// Whether every program is installed, for what needs no more than them.
///
/// # Panics
/// As [`require`].
pub fn require_programs(programs: &[&str]) -> bool {
    goes_on(&absent(programs))
}

/// As [`require`], with modules of Python from PyPI.
///
/// # Panics
/// As [`require`].
pub fn require_with_modules(programs: &[&str], modules: &[&str]) -> bool {
    require_modules(modules) && require(programs)
}

/// Whether modules of Python from PyPI are there, for what needs no more than them.
///
/// # Panics
/// As [`require`].
pub fn require_modules(modules: &[&str]) -> bool {
    let lacks = |module: &&&str| {
        let import = format!("import {module}");
        let mut python = Command::new(interpreter());
        let output = python.args(["-c", &import]).output();
        !output.is_ok_and(|output| output.status.success())
    };
    let lacking = modules.iter().filter(lacks);
    let lacking: Vec<String> = lacking
        .map(|module| format!("{module} of Python"))
        .collect();
    goes_on(&lacking)
}

fn absent(programs: &[&str]) -> Vec<String> {
    let absent = programs.iter().filter(|program| find(program).is_none());
    absent.map(|program| (*program).to_owned()).collect()
}

fn goes_on(missing: &[String]) -> bool {
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    assert!(
        env::var_os("OBSERVER_REQUIRE").is_none(),
        "required and missing: {missing}"
    );
    eprintln!("skipped: missing {missing}");
    false
}

/// Where a program lies: in the folders for administrators, on PATH, or among the servers from PyPI.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .map(PathBuf::from)
        .into_iter()
        .chain(env::split_paths(&path))
        .chain([target().join("xtask/python/bin")])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// The interpreter that has the modules from PyPI.
pub fn interpreter() -> PathBuf {
    target().join("xtask/python/bin/python")
}

/// The daemon's binary: `OBSERVER_BIN`, else what `cargo xtask build` leaves.
pub fn binary() -> PathBuf {
    if let Some(binary) = env::var_os("OBSERVER_BIN") {
        return binary.into();
    }
    target().join("release/observer")
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        |target| {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("..")
                .join(target)
        },
    )
}
