//! The two toolchains that compile the kernel programs, and which of them is taken.
//!
//! Choosing is a pure function of what was found. It prefers what is complete to what would have to be installed, and of
//! two complete ones Debian's: its compiler, core library and LLVM come from one place and were tried together.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step;

#[cfg(test)]
mod tests;

/// The target of the kernel programs.
pub const TARGET: &str = "bpfel-unknown-none";

/// A way to compile for BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Debian's rustc-web with its prebuilt core library
    Debian,
    /// rustup's nightly with rust-src
    Nightly,
}

/// What was found on this system.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// Debian's rustc with a core library for BPF: its version.
    pub debian: Option<String>,
    /// rustup's nightly: its version.
    pub nightly: Option<String>,
    /// Whether that nightly has rust-src.
    pub nightly_source: bool,
    /// Whether there is a rustup.
    pub rustup: bool,
    /// Whether the package lists offer Debian's.
    pub debian_offered: bool,
    /// bpf-linker, our own before that on PATH.
    pub linker: Option<PathBuf>,
}

/// A part that has to be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Debian's compiler and core library.
    DebianCompiler,
    /// rustup's nightly with rust-src.
    NightlySource,
    /// bpf-linker.
    Linker,
}

/// What to use, why, and what it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which of the two.
    pub kind: Kind,
    /// The reason, as part of a sentence.
    pub reason: String,
    /// What `setup` has to install, in order.
    pub missing: Vec<Part>,
}

/// Takes one of the two toolchains; `None` where neither is there nor can be had.
pub fn choose(probe: &Probe, wanted: Option<Kind>) -> Option<Choice> {
    let nightly = probe.nightly.is_some() && probe.nightly_source;
    let linker = probe.linker.is_some();
    let (kind, reason) = match (wanted, &probe.debian) {
        (Some(kind), _) => (kind, "as asked for".to_owned()),
        (None, Some(version)) if linker => {
            (Kind::Debian, format!("{version} is here with core for BPF"))
        }
        (None, _) if nightly && linker => (Kind::Nightly, "it is here with rust-src".to_owned()),
        (None, Some(version)) => (
            Kind::Debian,
            format!("{version} is here with core for BPF, only bpf-linker is not"),
        ),
        (None, None) if probe.debian_offered => (
            Kind::Debian,
            "this distribution offers it, core for BPF included".to_owned(),
        ),
        (None, None) if nightly => (
            Kind::Nightly,
            "it is here with rust-src, only bpf-linker is not".to_owned(),
        ),
        (None, None) if probe.rustup => (
            Kind::Nightly,
            "this distribution has no core for BPF, and rustup is here".to_owned(),
        ),
        (None, None) => return None,
    };
    let mut missing = Vec::new();
    match kind {
        Kind::Debian if probe.debian.is_none() => missing.push(Part::DebianCompiler),
        Kind::Nightly if !nightly => missing.push(Part::NightlySource),
        Kind::Debian | Kind::Nightly => {}
    }
    if !linker {
        missing.push(Part::Linker);
    }
    Some(Choice {
        kind,
        reason,
        missing,
    })
}

impl Kind {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian => "Debian's rustc-web",
            Self::Nightly => "rustup's nightly",
        }
    }

    /// The compiler, in an environment that only it sees.
    pub fn rustc(self) -> Command {
        match self {
            Self::Debian => {
                let mut command = Command::new("/usr/bin/rustc");
                clean(&mut command);
                command.env("RUSTC_BOOTSTRAP", "1");
                command
            }
            Self::Nightly => {
                let mut command = Command::new("rustup");
                clean(&mut command);
                command.args(["run", "nightly", "rustc"]);
                command
            }
        }
    }

    /// `cargo build` for BPF with this compiler.
    pub fn cargo_build(self) -> Command {
        match self {
            Self::Debian => {
                let mut command = step::cargo();
                clean(&mut command);
                command
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("RUSTC_BOOTSTRAP", "1")
                    .arg("build");
                command
            }
            Self::Nightly => {
                let mut command = Command::new("rustup");
                clean(&mut command);
                command.args(["run", "nightly", "cargo", "build", "-Z", "build-std=core"]);
                command
            }
        }
    }

    /// The major version of this compiler's LLVM, which bpf-linker has to share.
    pub fn llvm(self) -> Option<u32> {
        let text = step::output(self.rustc().arg("-vV"))?;
        let version = text
            .lines()
            .find_map(|line| line.strip_prefix("LLVM version: "))?;
        version.split('.').next()?.parse().ok()
    }
}

/// Looks for the parts. `own` is the folder of tools that `setup` installed.
pub fn probe(own: &Path) -> Probe {
    let version = |kind: Kind| step::output(kind.rustc().arg("-V")).map(|text| first_words(&text));
    let core = |kind: Kind, folder: &str| {
        step::output(kind.rustc().args(["--print", "sysroot"]))
            .is_some_and(|root| Path::new(root.trim()).join(folder).exists())
    };
    let rustup = step::find_program("rustup").is_some();
    let nightly = if rustup { version(Kind::Nightly) } else { None };
    let nightly_source = nightly.is_some()
        && core(
            Kind::Nightly,
            "lib/rustlib/src/rust/library/core/Cargo.toml",
        );
    let debian =
        version(Kind::Debian).filter(|_| core(Kind::Debian, &format!("lib/rustlib/{TARGET}/lib")));
    let linker = [
        Some(own.join("bin/bpf-linker")),
        step::find_program("bpf-linker"),
    ]
    .into_iter()
    .flatten()
    .find(|path| step::is_executable(path) && step::succeeds(Command::new(path).arg("--version")));
    Probe {
        debian,
        nightly,
        nightly_source,
        rustup,
        debian_offered: false,
        linker,
    }
}

/// `rustc 1.96.0` of a longer version line.
fn first_words(text: &str) -> String {
    text.split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Removes what cargo, rustup and their users leave in the environment for the host's compiler.
pub fn clean(command: &mut Command) {
    const INHERITED: [&str; 14] = [
        "CARGO",
        "RUSTC",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTUP_TOOLCHAIN",
        "RUST_RECURSION_COUNT",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTC",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_BUILD_BUILD_DIR",
    ];
    for name in INHERITED {
        command.env_remove(name);
    }
    for (name, _) in env::vars_os() {
        let own = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if own {
            command.env_remove(name);
        }
    }
    // Empty rather than absent: a wrapper may also be named in a configuration file.
    command
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "");
    // `cargo run` puts the host toolchain's own libraries first.
    if let Some(libraries) = env::var_os("LD_LIBRARY_PATH") {
        match foreign_libraries(&libraries) {
            Some(rest) => command.env("LD_LIBRARY_PATH", rest),
            None => command.env_remove("LD_LIBRARY_PATH"),
        };
    }
}

/// A library path without rustup's toolchains and cargo's build folders.
fn foreign_libraries(path: &OsString) -> Option<OsString> {
    let rest: Vec<PathBuf> = env::split_paths(path)
        .filter(|folder| !folder.as_os_str().is_empty())
        .filter(|folder| {
            !folder.to_string_lossy().contains("/toolchains/")
                && !folder.join("../.cargo-lock").exists()
                && !folder.join(".cargo-lock").exists()
        })
        .collect();
    if rest.is_empty() {
        None
    } else {
        env::join_paths(rest).ok()
    }
}
