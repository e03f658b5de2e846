//! `observer login`: a link that opens the page signed in.

use std::path::Path;

use super::failure::Failure;
use super::reading::PATIENCE;
use super::{responses, rules};

/// Bytes of a link.
const LINK: usize = 1_024;

/// Asks the running daemon for a link, and prints it.
///
/// # Errors
/// When there is no daemon, or it does not hear this user.
pub fn login(config: Option<&Path>) -> Result<(), Failure> {
    let config = rules::load_config(config)?;
    let said = responses::client::say(&config.control.socket, "login", PATIENCE, LINK);
    let link = said.map_err(|error| responses::failure("login", error))?;
    super::print(&format!("{link}\n"))
}
