//! Builds the daemon and becomes it.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::compile;
use crate::error::Error;
use crate::place::Place;
use crate::step;
use crate::toolchain::Kind;

/// Observes this host: returns only when that cannot begin.
///
/// # Errors
/// Without root, when the build fails, and when the daemon cannot be started.
pub fn observer(place: &Place, wanted: Option<Kind>, arguments: &[String]) -> Result<(), Error> {
    if !step::is_root() {
        return Err(Error::Privilege {
            what: "observing this host",
            repeat: step::repeat_as_root(),
        });
    }
    compile::all(place, wanted)?;
    step::mount_bpf()?;
    let binary = place.binary();
    let source = Command::new(&binary).arg("run").args(arguments).exec();
    Err(Error::Start {
        what: "observing this host".to_owned(),
        program: binary.display().to_string(),
        source,
    })
}
