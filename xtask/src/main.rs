//! `cargo xtask`: what stands around the code: toolchain, build, test, bench, check, install.
//!
//! Every step says in one line what it does, is skipped when it is done already, and ends the command when it fails.

mod bench;
mod check;
mod compile;
mod error;
mod fuzz;
mod install;
mod layers;
mod npm;
mod packages;
mod pictures;
mod place;
mod run;
mod setup;
mod step;
mod test;
mod toolchain;
mod wheels;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;
use crate::place::Place;
use crate::toolchain::Kind;

/// Toolchain, build, test, bench, check, install.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    /// The toolchain for the kernel programs (default: whichever is complete, Debian's first)
    #[arg(long, global = true, value_enum)]
    toolchain: Option<Kind>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the build needs
    Setup {
        /// And what the tests need
        #[arg(long)]
        test: bool,
    },
    /// Build target/release/observer, the kernel object embedded
    Build,
    /// Build, then observe this host (root)
    Run {
        /// Arguments of `observer run`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build, then run every test, the kernel and network ones included (root)
    Test {
        /// Arguments of `cargo test`, such as a filter or `-p PACKAGE`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check format, lints and layers, then run the tests
    Check {
        /// Leave the tests out: no root, no kernel object
        #[arg(long)]
        no_tests: bool,
    },
    /// Measure throughput, cost and memory
    Bench {
        /// What to measure, and how
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Take the README's pictures of a replay of seeded traffic
    Pictures,
    /// Run the fuzz targets
    Fuzz {
        /// Targets [default: all]
        targets: Vec<String>,
        /// Seconds for each
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Build, install on this host and start the service (root)
    Install {
        /// Put the files below this folder instead and leave this host alone
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match perform(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(error.code())
        }
    }
}

fn perform(arguments: &Arguments) -> Result<(), Error> {
    let place = Place::find()?;
    let wanted = arguments.toolchain;
    match &arguments.command {
        Command::Setup { test } => {
            setup::build(&place, wanted)?;
            if *test { setup::test(&place) } else { Ok(()) }
        }
        Command::Build => compile::all(&place, wanted),
        Command::Run { arguments } => run::observer(&place, wanted, arguments),
        Command::Test { arguments } => test::all(&place, wanted, arguments),
        Command::Check { no_tests } => check::all(&place, wanted, !no_tests),
        Command::Bench { arguments } => bench::measure(&place, wanted, arguments),
        Command::Pictures => pictures::take(&place, wanted),
        Command::Fuzz { targets, seconds } => fuzz::targets(&place, targets, *seconds),
        Command::Install { root } => install::install(&place, wanted, root.as_deref()),
    }
}
