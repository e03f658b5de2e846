//! `observer top`: what the running daemon sees, live on a terminal, and what can be done about it from there.
//!
//! State and events are pure ([`state`]); drawing is a function of the state ([`draw`]); terminal, threads and the daemon are
//! around them ([`shell`], [`client`]).

mod client;
mod confirm;
mod draw;
mod figures;
mod keys;
mod layout;
mod once;
mod place;
mod seen;
mod shell;
mod state;
mod table;
mod views;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};

use super::cli::{self, Format};
use super::failure::Failure;
use super::rules;
use crate::export::live::Look;
use client::Client;
use seen::Seen;
use state::{Event, State};

/// Shows what there is, or prints it once.
///
/// # Errors
/// When the daemon does not answer at first, or there is nothing to show it on.
pub fn top(arguments: &cli::Top) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let client = Client::new(&config);
    // Whoever is not heard is told so where they typed it, and not on a screen that goes away.
    let (text, frame) = client.look(&Look::All).map_err(client::failure)?;
    let terminal = io::stdout().is_terminal();
    if let Some(format) = arguments.format.or((!terminal).then_some(Format::Table)) {
        return once::print(format, &text, &frame);
    }
    let mut state = State::new(host(), colour(), (0, 0), arguments.interval.as_secs_f64());
    let seen = Seen {
        frame,
        ..Seen::default()
    };
    state.apply(Event::Seen(0, Ok(Box::new(seen))));
    shell::run(state, client, arguments.interval)
}

/// The name of this host.
fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// Whether somebody wants colours: <https://no-color.org>.
fn colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
