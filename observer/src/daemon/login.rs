//! `observer login`: a link that opens the page signed in.

use std::path::Path;

use super::failure::Failure;
use super::{reading, rules};

/// Asks the running daemon for a link, and prints it.
///
/// # Errors
/// When there is no daemon, or it does not hear this user.
pub fn login(config: Option<&Path>) -> Result<(), Failure> {
    let config = rules::load_config(config)?;
    let link = reading::wait(&config.control.socket, "login", reading::PATIENCE, |_| {})
        .map_err(|why| Failure::input("login", why))?;
    super::print(&format!("{link}\n"))
}
