//! `observer consumers`: who is registered, what was seen of them, and changes of it.

mod change;
mod lint;
mod list;
mod sightings;
mod transfer;

use std::process::ExitCode;

use super::cli::{self, Consumers};
use super::failure::Failure;

pub use change::revoke;
pub use list::keys;

/// Lists, changes, imports or exports what is registered, or says what is weak in it.
///
/// # Errors
/// When the registry cannot be read or written, does not load, or would not.
pub fn consumers(command: &Consumers) -> Result<ExitCode, Failure> {
    match command {
        Consumers::List(listing) => list::accounts(listing)?,
        Consumers::Show { id, listing } => list::account(id, listing)?,
        Consumers::Strangers(listing) => list::strangers(listing)?,
        Consumers::Orphans(listing) => list::orphans(listing)?,
        Consumers::Add(arguments) => change::add(arguments)?,
        Consumers::Adopt(arguments) => change::adopt(arguments)?,
        Consumers::Import(arguments) => transfer::import(arguments)?,
        Consumers::Export { format_of, config } => transfer::export(*format_of, config.as_deref())?,
        Consumers::Lint(arguments) => return lint::lint(arguments),
    }
    Ok(ExitCode::SUCCESS)
}

/// An id, checked.
///
/// # Errors
/// When it is none.
fn id(what: &str, text: &str) -> Result<Box<str>, Failure> {
    crate::identity::registry::Id::parse(text)
        .map(|id| id.0)
        .map_err(|why| Failure::input(what, why))
}

impl From<cli::ForeignFormat> for crate::identity::foreign::Format {
    fn from(format: cli::ForeignFormat) -> Self {
        match format {
            cli::ForeignFormat::Kong => Self::Kong,
            cli::ForeignFormat::Tyk => Self::Tyk,
            cli::ForeignFormat::Apisix => Self::Apisix,
            cli::ForeignFormat::Htpasswd => Self::Htpasswd,
            cli::ForeignFormat::NginxMap => Self::NginxMap,
            cli::ForeignFormat::Csv => Self::Csv,
        }
    }
}
