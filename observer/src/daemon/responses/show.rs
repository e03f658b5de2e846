//! `observer responses show`: one action with all that is known of it, and what was done about it.

use std::fmt::Write;

use serde_json::json;

use super::super::cli::{self, Format};
use super::super::config::Config;
use super::super::failure::Failure;
use super::super::report::{self, printable};
use super::super::{reading, rules};
use super::{SECOND, act, id, list, log, now, remark, standing};
use crate::response::{Action, ActionId, Event, State};

/// `observer responses show`.
///
/// # Errors
/// When neither daemon nor ledger has such an action.
pub fn show(one: &cli::One) -> Result<(), Failure> {
    let what = "responses show";
    let id = id(what, &one.id)?;
    let config = rules::load_config(one.asked.config.as_deref())?;
    let now = now();
    let standing = standing(&config, what, now)?;
    let found = standing.into_iter().find(|action| action.id == id);
    let (action, events) = match found {
        Some(action) => {
            // What is in force is known whatever becomes of the ledger.
            let events = history(&config, &id).unwrap_or_else(|error| {
                remark(
                    what,
                    &format!("what was done about it is not known: {error}"),
                );
                Vec::new()
            });
            (action, events)
        }
        None => {
            let ledger = reading::ledger(&config)?;
            let written = list::written(&ledger, Some(0), what, now)?;
            let action = written.into_iter().find(|action| action.id == id);
            let action = action.ok_or_else(|| {
                Failure::input(
                    what,
                    format!("there is no `{id}` (see `observer responses list --all`)"),
                )
            })?;
            (action, history(&config, &id)?)
        }
    };
    super::super::print(&match one.asked.format {
        Format::Json => {
            let value = json!({ "action": action, "events": events });
            printable(&format!("{value:#}\n"))
        }
        Format::Csv => list::csv(&[action]),
        Format::Table => text(&action, &events),
    })
}

/// What was done about one, with what the running daemon has not written yet.
fn history(config: &Config, id: &ActionId) -> Result<Vec<Event>, Failure> {
    if let Err(why) = reading::ask(&config.control.socket, "commit") {
        remark("responses show", &why);
    }
    let ledger = reading::ledger(config)?;
    let (mut events, unread) = log::events(&ledger, 0)?;
    events.retain(|event| event.action == *id);
    if let Some(unread) = unread {
        remark("responses show", &unread);
    }
    Ok(events)
}

fn text(action: &Action, events: &[Event]) -> String {
    let mut text = String::new();
    let hits = &action.hits;
    let state = match &action.state {
        State::Proposed => format!(
            "proposed; it would have touched {} exchanges since",
            action.dry
        ),
        state => state.name().to_owned(),
    };
    for (name, value) in [
        ("id", action.id.to_string()),
        ("state", state),
        ("verb", action.verb.to_string()),
        ("subject", list::whom(action)),
        ("begun", report::time(action.begun / SECOND)),
        ("until", report::time(action.until / SECOND)),
        ("by", action.by.to_string().escape_debug().to_string()),
        ("reason", action.reason.escape_debug().to_string()),
        ("radius", act::hit(&action.radius)),
        ("refused", hits.refused.to_string()),
        ("passed", hits.passed.to_string()),
        ("late", hits.late.to_string()),
        ("shared", hits.shared.to_string()),
        ("packets", hits.packets.to_string()),
    ] {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", format!("{name:<8}  {value}").trim_end());
    }
    for event in events {
        let _ = writeln!(
            text,
            "{}  {:<8}  by {}{}{}",
            report::time(event.time / SECOND),
            event.deed.name(),
            event.by.escape_debug(),
            if event.reason.is_empty() { "" } else { ": " },
            event.reason.escape_debug()
        );
    }
    text
}
