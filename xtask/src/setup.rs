//! Installs what the build and the tests need; what is there already is left as it is.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::npm;
use crate::packages;
use crate::place::Place;
use crate::step;
use crate::toolchain::{self, Choice, Kind, Part, Probe, TARGET};
use crate::wheels;

/// The bpf-linker that was tried with both compilers.
const LINKER_VERSION: &str = "0.13.0";

/// A complete toolchain for the kernel programs.
pub struct Toolchain {
    /// Which of the two.
    pub kind: Kind,
    /// Its bpf-linker.
    pub linker: PathBuf,
}

/// Makes the toolchain for the kernel programs complete.
///
/// # Errors
/// When a part is missing and cannot be installed here; the error names the commands that do it.
pub fn build(place: &Place, wanted: Option<Kind>) -> Result<Toolchain, Error> {
    let own = place.own();
    let mut probe = toolchain::probe(&own);
    if !is_complete(&probe, wanted) && packages::has_apt() {
        probe.debian_offered = packages::is_offered("libstd-rust-web-dev-bpf");
        if !probe.debian_offered && step::is_root() {
            packages::update()?;
            probe.debian_offered = packages::is_offered("libstd-rust-web-dev-bpf");
        }
    }
    let choice = toolchain::choose(&probe, wanted).ok_or_else(|| Error::Lacking {
        what: "choosing a toolchain for the kernel programs",
        why: "there is neither Debian's rustc-web with core for BPF nor rustup".to_owned(),
        remedy: "install rustup from https://rustup.rs and repeat".to_owned(),
    })?;
    for part in &choice.missing {
        match part {
            Part::DebianCompiler => {
                let needs = packages::missing(
                    packages::DEBIAN_TOOLCHAIN
                        .iter()
                        .chain(packages::DEBIAN_LINKER),
                );
                packages::install("installing the compiler for the kernel programs", &needs)?;
            }
            Part::NightlySource => install_nightly()?,
            Part::Linker => install_linker(choice.kind, &own)?,
        }
    }
    complete(choice, &own)
}

/// Installs what the tests start or call.
///
/// # Errors
/// When something is missing and cannot be installed here.
pub fn test(place: &Place) -> Result<(), Error> {
    let missing = packages::missing(packages::TESTS);
    if missing.is_empty() {
        step::say("test tools: all here");
    }
    packages::install("installing the test tools", &missing)?;
    npm::install(&place.own())?;
    wheels::install(&place.own())
}

fn is_complete(probe: &Probe, wanted: Option<Kind>) -> bool {
    toolchain::choose(probe, wanted).is_some_and(|choice| choice.missing.is_empty())
}

/// Tries the toolchain on a small program; a bpf-linker of another LLVM is replaced by one of our own.
fn complete(choice: Choice, own: &Path) -> Result<Toolchain, Error> {
    let linker = toolchain::probe(own).linker.ok_or_else(|| Error::Lacking {
        what: "installing bpf-linker",
        why: "it does not start".to_owned(),
        remedy: format!("rm -r {} and repeat", own.display()),
    })?;
    let kind = choice.kind;
    let mut toolchain = Toolchain { kind, linker };
    if is_tried(&toolchain, own) {
        step::say(&format!(
            "kernel toolchain: {} ({})",
            kind.name(),
            choice.reason
        ));
        return Ok(toolchain);
    }
    step::say(&format!(
        "kernel toolchain: {} ({}); trying it",
        kind.name(),
        choice.reason
    ));
    if let Err(error) = attempt(&toolchain, own) {
        if toolchain.linker.starts_with(own) {
            return Err(error);
        }
        step::say(&format!(
            "{} does not fit this compiler",
            toolchain.linker.display()
        ));
        install_linker(kind, own)?;
        toolchain.linker = own.join("bin/bpf-linker");
        attempt(&toolchain, own)?;
    }
    let stamp = own.join("tried");
    fs::write(&stamp, fingerprint(&toolchain)).map_err(Error::file("noting the trial", &stamp))?;
    Ok(toolchain)
}

/// What a trial's result holds for: the compiler, and the linker as it is now.
fn fingerprint(toolchain: &Toolchain) -> String {
    let compiler = step::output(toolchain.kind.rustc().arg("-vV")).unwrap_or_default();
    let linker = fs::metadata(&toolchain.linker)
        .and_then(|file| file.modified())
        .ok();
    format!("{compiler}{}\n{linker:?}\n", toolchain.linker.display())
}

fn is_tried(toolchain: &Toolchain, own: &Path) -> bool {
    fs::read_to_string(own.join("tried")).is_ok_and(|noted| noted == fingerprint(toolchain))
}

/// Compiles and links the smallest program. Without a prebuilt core (nightly) the build itself is the trial.
fn attempt(toolchain: &Toolchain, own: &Path) -> Result<(), Error> {
    const PROGRAM: &str = "#![no_std]\n#![no_main]\n\
        #[unsafe(no_mangle)]\n#[unsafe(link_section = \"xdp\")]\npub extern \"C\" fn trial() -> i32 { 2 }\n\
        #[panic_handler]\nfn panic(_: &core::panic::PanicInfo<'_>) -> ! { loop {} }\n";
    if toolchain.kind == Kind::Nightly {
        return fs::create_dir_all(own).map_err(Error::file("making a folder", own));
    }
    let folder = own.join("trial");
    fs::create_dir_all(&folder).map_err(Error::file("making a folder", &folder))?;
    let source = folder.join("trial.rs");
    fs::write(&source, PROGRAM).map_err(Error::file("writing the trial program", &source))?;
    let mut linker = OsString::from("-Clinker=");
    linker.push(&toolchain.linker);
    let mut command = toolchain.kind.rustc();
    command.args([
        "--edition",
        "2024",
        "--target",
        TARGET,
        "-Copt-level=2",
        "-Cpanic=abort",
        "-o",
    ]);
    command.arg(folder.join("trial.o")).arg(linker).arg(&source);
    step::run("trying the kernel toolchain", &mut command)
}

fn install_nightly() -> Result<(), Error> {
    let what = "installing rustup's nightly with rust-src";
    step::say(&format!("{what}: compiles core for BPF"));
    let mut command = Command::new("rustup");
    toolchain::clean(&mut command);
    step::run(
        what,
        command.args([
            "toolchain",
            "install",
            "nightly",
            "--profile",
            "minimal",
            "--component",
            "rust-src",
        ]),
    )
}

/// Builds bpf-linker against the compiler's own LLVM into the build folder.
fn install_linker(kind: Kind, own: &Path) -> Result<(), Error> {
    let what = "installing bpf-linker";
    if kind == Kind::Debian {
        packages::install(what, &packages::missing(packages::DEBIAN_LINKER))?;
    }
    let lacking = |why: String| {
        Error::Lacking {
        what,
        why,
        remedy: "put a release of https://github.com/aya-rs/bpf-linker on PATH: cargo binstall bpf-linker".to_owned(),
    }
    };
    let major = kind
        .llvm()
        .ok_or_else(|| lacking(format!("{} does not say which LLVM it has", kind.name())))?;
    let prefix = PathBuf::from(format!("/usr/lib/llvm-{major}"));
    if !prefix.join("bin/llvm-config").exists() {
        return Err(lacking(format!(
            "{} has LLVM {major}, whose development files are not in {}",
            kind.name(),
            prefix.display()
        )));
    }
    step::say(&format!(
        "building bpf-linker {LINKER_VERSION} with LLVM {major}: links the kernel programs (about a minute)"
    ));
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(
        [prefix.join("bin")]
            .into_iter()
            .chain(env::split_paths(&path)),
    )
    .map_err(|error| lacking(format!("PATH: {error}")))?;
    let folder = own.join("linker");
    let mut command = step::cargo();
    // The host's compiler builds it; RUSTUP_TOOLCHAIN goes with the cargo that it names.
    toolchain::clean(&mut command);
    command
        .args([
            "install",
            "bpf-linker",
            "--locked",
            "--force",
            "--version",
            LINKER_VERSION,
        ])
        .args([
            "--no-default-features",
            "--features",
            &format!("llvm-{major}"),
            "--root",
        ])
        .arg(own)
        .env("LLVM_PREFIX", &prefix)
        .env(format!("LLVM_SYS_{major}1_PREFIX"), &prefix)
        .env("CARGO_TARGET_DIR", &folder)
        .env("PATH", path);
    step::run(what, &mut command)?;
    fs::remove_dir_all(&folder).map_err(Error::file("removing what only the build needed", &folder))
}
