//! `observer block`, `limit`, `unblock` and `responses`: the hand on the switch.

pub(in crate::daemon) mod act;
pub(in crate::daemon) mod client;
mod export;
pub(in crate::daemon) mod list;
mod log;
pub mod order;
mod show;

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use super::cli;
use super::config::Config;
use super::failure::Failure;
use super::rules;
use crate::identity::shown::Shown;
use crate::response::{Action, ActionId, Subject};
use client::Unanswered;

pub use act::{block, checked, limit, reason, unblock};

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Lists, shows, decides about, ends or exports actions. `list`: what is meant where nothing is said.
///
/// # Errors
/// When the daemon or the ledger is needed and does not answer, or there is no such action.
pub fn responses(
    command: Option<&cli::Responses>,
    list: &cli::ResponseList,
) -> Result<(), Failure> {
    match command {
        None => list::list(list),
        Some(cli::Responses::List(arguments)) => list::list(arguments),
        Some(cli::Responses::Show(one)) => show::show(one),
        Some(cli::Responses::Log(arguments)) => log::log(arguments),
        Some(cli::Responses::Approve(one)) => act::approve(one),
        Some(cli::Responses::Reject(one)) => act::reject(one),
        Some(cli::Responses::Revert(one)) => act::revert(one),
        Some(cli::Responses::Clear(asked)) => act::clear(asked),
        Some(cli::Responses::Export(arguments)) => export(arguments),
    }
}

fn export(arguments: &cli::Export) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let now = now();
    let actions = standing(&config, "responses export", now)?;
    let exported = export::render(arguments.to, &actions, now);
    let allow = &config.response.allow;
    let network = |action: &Action| matches!(action.subject, Subject::Network(_));
    if !allow.is_empty() && actions.iter().any(network) {
        let allowed = allow.join(", ");
        remark(
            "responses export",
            &format!("networks may hold what is never acted against here: {allowed}"),
        );
    }
    if exported.left_out > 0 {
        remark(
            "responses export",
            &format!(
                "{} of {} decisions cannot be said in this format, and are left out",
                exported.left_out, exported.all
            ),
        );
    }
    super::print(&exported.text)
}

/// Actions as the daemon has them; as the ledger has them, and a remark, where none runs.
fn standing(config: &Config, what: &str, now: u64) -> Result<Vec<Action>, Failure> {
    match client::send(&config.control.socket, &order::Order::List) {
        Ok(answer) => Ok(answer.actions),
        Err(Unanswered::NoDaemon { .. }) => {
            let ledger = super::reading::ledger(config)?;
            let actions = list::written(&ledger, None, what, now)?;
            remark(
                what,
                "the daemon is not running, this is what the ledger has (start it: `observer run`)",
            );
            Ok(actions)
        }
        Err(error) => Err(failure(what, error)),
    }
}

/// Nanoseconds since 1970 in UTC.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

/// Says something beside the answer.
fn remark(what: &str, why: &str) {
    // Whoever is not there to read it does not need it.
    let _ = writeln!(io::stderr(), "observer: {what}: {why}");
}

/// What a command ends with that the daemon did not answer.
pub(in crate::daemon) fn failure(what: &str, error: Unanswered) -> Failure {
    match error {
        Unanswered::NotHeard(_) => Failure::support(what, error),
        _ => Failure::input(what, error),
    }
}

/// An action's id.
fn id(what: &str, text: &str) -> Result<ActionId, Failure> {
    text.parse().map_err(|error| {
        let why = format!("`{}` {error} (see `observer responses list`)", Shown(text));
        Failure::input(what, why)
    })
}
