//! The command and the daemon: wires everything, and nothing depends on it.

mod cli;
pub mod config;
mod consumers;
mod discover;
mod doctor;
mod errors;
mod failure;
mod host;
mod incidents;
mod invoice;
mod keylog;
mod keys;
mod login;
mod playback;
mod posture;
mod progress;
mod reading;
mod registry;
mod reconcile;
mod records;
mod replay;
mod responses;
mod report;
mod reports;
mod rules;
mod run;
mod statistics;
mod top;
mod usage;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use cli::{Cli, Command};
use failure::Failure;

use crate::identity::shown::without_keys;

/// Runs the command line. Exit codes: 0 fine, 1 ran and found something, 2 bad usage or input, 3 lacking privilege or
/// kernel support.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let said = error.render().to_string();
            let shown = without_keys(&said);
            let _ = if shown == said {
                error.print()
            } else {
                io::stderr().write_all(shown.as_bytes())
            };
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match execute(cli.command) {
        Ok(code) => code,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn execute(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(arguments) => run::run(&arguments)?,
        Command::Replay(arguments) => replay::replay(&arguments)?,
        Command::Doctor(arguments) => {
            if !doctor::doctor(&arguments)? {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Usage(arguments) => usage::usage(&arguments)?,
        Command::Errors(arguments) => errors::errors(&arguments)?,
        Command::Invoice(arguments) => {
            if !invoice::invoice(&arguments)? {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Records(arguments) => records::records(&arguments)?,
        Command::Incidents { command } => return incidents::incidents(&command),
        Command::Report(arguments) => {
            if !reports::report(&arguments)? {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Block(arguments) => responses::block(&arguments)?,
        Command::Limit(arguments) => responses::limit(&arguments)?,
        Command::Unblock(arguments) => responses::unblock(&arguments)?,
        Command::Responses { command, list } => responses::responses(command.as_ref(), &list)?,
        Command::Top(arguments) => top::top(&arguments)?,
        Command::Posture(arguments) => {
            if !posture::posture(&arguments)? {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Reconcile(arguments) => {
            if !reconcile::reconcile(&arguments)? {
                return Ok(ExitCode::from(1));
            }
        }
        Command::Login { config } => login::login(config.as_deref())?,
        Command::Unpin { config } => {
            let config = rules::load_config(config.as_deref())?;
            let removed = run::unpin(&config)?;
            print(if removed == 0 {
                "nothing is pinned\n"
            } else {
                "removed what was pinned\n"
            })?;
        }
        Command::Consumers { command } => return consumers::consumers(&command),
        Command::Keys { command } => match command {
            cli::Keys::Fingerprint { config } => keys::fingerprint(config.as_deref())?,
            cli::Keys::List(arguments) => consumers::keys(&arguments)?,
            cli::Keys::Revoke(arguments) => consumers::revoke(&arguments)?,
            cli::Keys::Discover(arguments) => discover::discover(&arguments)?,
        },
        Command::Config {
            command: cli::Config::Check { config },
        } => rules::check(config.as_deref())?,
        Command::Config {
            command: cli::Config::Show { config },
        } => {
            print(&rules::load_config(config.as_deref())?.show())?;
        }
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "observer", &mut text);
            print(&String::from_utf8_lossy(&text))?;
        }
        Command::Man => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut text)
                .map_err(|error| Failure::input("man", error))?;
            print(&String::from_utf8_lossy(&text))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints to standard output; a reader that went away is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout()
        .write_all(text.as_bytes())
        .and_then(|()| io::stdout().flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::input("standard output", error))
        }
        _ => Ok(()),
    }
}
