//! Runs the measurements, which stand with the tests, on optimised builds.

use crate::compile;
use crate::error::Error;
use crate::place::Place;
use crate::setup;
use crate::step;
use crate::toolchain::Kind;

/// Builds, then measures; `arguments` say what.
///
/// # Errors
/// When the build or a measurement fails.
pub fn measure(place: &Place, wanted: Option<Kind>, arguments: &[String]) -> Result<(), Error> {
    compile::all(place, wanted)?;
    setup::test(place)?;
    let mut command = step::cargo();
    command
        .args([
            "run",
            "--locked",
            "--quiet",
            "--release",
            "--package",
            "observer-tests",
            "--bin",
            "bench",
            "--",
        ])
        .args(arguments)
        .env_remove("OBSERVER_KERNEL_OBJECT")
        .env("OBSERVER_BIN", place.binary())
        .current_dir(&place.root);
    step::run("measuring", &mut command)
}
