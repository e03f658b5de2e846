//! The checks that a change has to pass: layers, dashboards, format, lints, the core's bounds, tests.

use std::process::Command;

use crate::dashboards;
use crate::error::Error;
use crate::layers;
use crate::place::Place;
use crate::step;
use crate::test;
use crate::toolchain::Kind;

/// Runs the checks, the quick ones first, and with `tests` the tests at last.
///
/// # Errors
/// At the first check that finds something.
pub fn all(place: &Place, wanted: Option<Kind>, tests: bool) -> Result<(), Error> {
    layers(place)?;
    dashboards::check(place)?;
    cargo(
        place,
        "checking the format",
        &["fmt", "--all", "--check"],
        |_| {},
    )?;
    cargo(
        place,
        "checking the lints",
        &[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        |_| {},
    )?;
    // Without the daemon's features there is no kernel, no runtime and no exporter; with these lints no clock, no file, no thread.
    let core = [
        "clippy",
        "--locked",
        "--package",
        "observer",
        "--lib",
        "--no-default-features",
        "--",
        "-D",
        "warnings",
    ];
    cargo(
        place,
        "checking that the core does no I/O and reads no clock",
        &core,
        |command| {
            command.env("CLIPPY_CONF_DIR", place.source("xtask/lints/core"));
        },
    )?;
    if tests {
        test::all(place, wanted, &[])
    } else {
        Ok(())
    }
}

fn cargo(
    place: &Place,
    what: &str,
    arguments: &[&str],
    prepare: impl FnOnce(&mut Command),
) -> Result<(), Error> {
    step::say(what);
    let mut command = step::cargo();
    command
        .args(arguments)
        .env_remove("OBSERVER_KERNEL_OBJECT")
        .current_dir(&place.root);
    prepare(&mut command);
    step::run(what, &mut command)
}

fn layers(place: &Place) -> Result<(), Error> {
    step::say("checking the arrows between the modules");
    let source = place.source("observer/src");
    let violations = layers::check(&source).map_err(|(path, source)| Error::File {
        what: "reading the source",
        path,
        source,
    })?;
    for violation in &violations {
        let file = violation.file.strip_prefix(&place.root);
        eprintln!(
            "{}:{}",
            file.unwrap_or(&violation.file).display(),
            violation
        );
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Error::Found {
            what: "checking the arrows between the modules",
            count: violations.len(),
        })
    }
}
