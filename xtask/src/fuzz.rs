//! Runs the fuzz targets of tests/fuzz with libFuzzer, on a nightly compiler with sanitizers.

use std::fs;
use std::process::Command;

use crate::error::Error;
use crate::place::Place;
use crate::step;
use crate::toolchain;

/// The cargo-fuzz that was tried.
const VERSION: &str = "0.13.1";
/// Every target.
const TARGETS: [&str; 9] = [
    "walk",
    "reassembly",
    "handshake",
    "tls_records",
    "http1",
    "hpack",
    "http2",
    "credentials",
    "pipeline",
];

/// Runs targets for so many seconds each; without names, every one.
///
/// # Errors
/// When cargo-fuzz cannot be installed, or a target finds something: its input then lies under target/fuzz/artifacts.
pub fn targets(place: &Place, names: &[String], seconds: u32) -> Result<(), Error> {
    install(place)?;
    let all: Vec<String> = TARGETS.map(str::to_owned).to_vec();
    for name in if names.is_empty() { &all } else { names } {
        let what = "fuzzing";
        step::say(&format!("fuzzing {name} for {seconds} s"));
        let folder = |kind: &str| place.target.join("fuzz").join(kind).join(name);
        let (corpus, artifacts) = (folder("corpus"), folder("artifacts"));
        for folder in [&corpus, &artifacts] {
            fs::create_dir_all(folder).map_err(Error::file("making a folder", folder))?;
        }
        let mut command = Command::new("rustup");
        toolchain::clean(&mut command);
        let mut prefix = std::ffi::OsString::from("-artifact_prefix=");
        prefix.push(artifacts.join(""));
        command
            .args(["run", "nightly"])
            .arg(program(place))
            .args(["fuzz", "run", "--fuzz-dir"])
            .arg(place.source("tests/fuzz"))
            .arg("--target-dir")
            .arg(place.target.join("fuzz/build"))
            .arg(name)
            .arg(&corpus)
            .arg(place.source("tests/fuzz/seeds").join(name))
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .args(["-max_len=4096", "-print_final_stats=1"])
            .arg(prefix)
            .current_dir(&place.root);
        step::run(what, &mut command)?;
    }
    Ok(())
}

fn program(place: &Place) -> std::path::PathBuf {
    place.own().join("bin/cargo-fuzz")
}

fn install(place: &Place) -> Result<(), Error> {
    if program(place).exists() {
        return Ok(());
    }
    step::say("installing cargo-fuzz: builds and runs the fuzz targets");
    let mut command = step::cargo();
    toolchain::clean(&mut command);
    command
        .args([
            "install",
            "cargo-fuzz",
            "--locked",
            "--version",
            VERSION,
            "--root",
        ])
        .arg(place.own())
        .env("CARGO_TARGET_DIR", place.own().join("cargo-fuzz"));
    step::run("installing cargo-fuzz", &mut command)
}
