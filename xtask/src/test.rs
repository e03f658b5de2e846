//! Every test, none of them skipped: `OBSERVER_REQUIRE=all` makes a test fail that would step aside.

use crate::compile;
use crate::error::Error;
use crate::place::Place;
use crate::setup;
use crate::step;
use crate::toolchain::Kind;

/// Builds, then runs the workspace's tests; `arguments` go to `cargo test`.
///
/// # Errors
/// Without root, when the build fails, and when a test does.
pub fn all(place: &Place, wanted: Option<Kind>, arguments: &[String]) -> Result<(), Error> {
    if !step::is_root() {
        return Err(Error::Privilege {
            what: "testing in the kernel",
            repeat: step::repeat_as_root(),
        });
    }
    compile::all(place, wanted)?;
    setup::test(place)?;
    step::mount_bpf()?;
    step::say("testing");
    let mut command = step::cargo();
    command
        .args(["test", "--locked", "--workspace"])
        .args(arguments)
        .env_remove("OBSERVER_KERNEL_OBJECT")
        .env("OBSERVER_REQUIRE", "all")
        .env("OBSERVER_BIN", place.binary())
        .current_dir(&place.root);
    step::run("testing", &mut command)
}
