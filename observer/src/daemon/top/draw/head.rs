//! What stands above and below the tables: the whole host, what is wrong, what is to be said, and keys.

use super::super::figures::{self, clock_of, completeness, count, measure, percent, plain};
use super::super::layout::{width, wrap};
use super::super::place::{Tab, What};
use super::super::state::{Mode, State};
use super::super::views::SEVERITIES;
use crate::export::live::Frame;

/// Lines that the numbers of the whole host may take.
const WHOLE: usize = 4;
/// Lines that what is wrong may take.
const WRONG: usize = 3;
/// Seconds from which on a rate is said what it is over.
const LONG: f64 = 10.0;
/// Seconds from which on a daemon that does not answer is worth a word.
const LATE: u64 = 2;

/// What holds for the whole host.
pub fn lines(state: &State, columns: usize) -> Vec<String> {
    let frame = state.frame();
    let time = if frame.time.is_empty() {
        figures::NOTHING.to_owned()
    } else {
        figures::moment(&frame.time)
    };
    let mut lines = vec![format!("observer  {}  {time}  {}", state.host, mood(state))];
    if state.answered {
        lines.extend(flow(&whole(frame), columns).into_iter().take(WHOLE));
    }
    lines
}

/// Whether what is shown goes on.
fn mood(state: &State) -> String {
    match &state.gone {
        _ if state.paused => "PAUSED (p goes on)".to_owned(),
        Some(gone) => format!("no daemon since {}", clock_of(gone.at)),
        None if state.waiting >= LATE => format!("waiting for {} s", state.waiting),
        None => "live".to_owned(),
    }
}

/// The numbers of the whole host, in pieces that stay together.
fn whole(frame: &Frame) -> Vec<String> {
    let totals = &frame.totals;
    // Since the frame before goes without saying.
    let over = frame.seconds.filter(|seconds| *seconds >= LONG);
    let over = over.map_or_else(String::new, |seconds| {
        format!(" over {} s", measure(Some(seconds)))
    });
    let mut parts = vec![format!("{} req/s{over}", measure(totals.rate))];
    let classes = ["5 min errors: client", "auth", "limited", "server"];
    for (class, ratio) in classes.iter().zip(totals.error_ratio) {
        parts.push(format!("{class} {}%", percent(ratio)));
    }
    parts.push(format!("complete {}%", completeness(frame.completeness)));
    parts.push(incidents(frame));
    parts.push(format!("opaque connections: {}", count(totals.opaque)));
    parts
}

/// Open incidents by severity.
fn incidents(frame: &Frame) -> String {
    let open = frame.counts.incidents;
    if open == 0 {
        return "no incident open".to_owned();
    }
    let listed: Vec<&str> = (frame.incidents.iter().flatten())
        .filter_map(|incident| incident.get("severity")?.as_str())
        .collect();
    let mut parts = Vec::new();
    for severity in SEVERITIES {
        let of = listed.iter().filter(|name| **name == severity).count();
        if of > 0 {
            parts.push(format!("{} {severity}", count(of as u64)));
        }
    }
    let more = open.saturating_sub(listed.len());
    if more > 0 {
        parts.push(format!("{} more", count(more as u64)));
    }
    format!("incidents: {}", parts.join(", "))
}

/// Pieces in as few lines as they fit in.
fn flow(parts: &[String], columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if width(line) + 2 + width(part) <= columns => {
                line.push_str("  ");
                line.push_str(part);
            }
            _ => lines.push(part.clone()),
        }
    }
    lines
}

/// What is wrong with all that is shown.
pub fn banner(state: &State, columns: usize) -> Vec<String> {
    let says = match (&state.gone, &state.frame().trouble) {
        (Some(gone), _) => format!(
            "no daemon since {}: {} (systemctl start observer)",
            clock_of(gone.at),
            plain(&gone.why)
        ),
        (None, Some(trouble)) => format!("traffic is not observed: {}", plain(trouble)),
        (None, None) => return Vec::new(),
    };
    let mut lines = wrap(&says, columns);
    lines.truncate(WRONG);
    lines
}

/// What is to be said, or what could be done next.
pub fn said(state: &State) -> String {
    if state.mode == Mode::Filter {
        let cursor = state.cursor_of(state.focus());
        let filter = cursor.map_or("", |cursor| &cursor.filter);
        return format!("/{}_", plain(filter));
    }
    if let Some(said) = &state.said {
        return said.clone();
    }
    let consumers = state.drills.is_empty() && state.tab == Tab::Consumers;
    if consumers && state.answered && state.all.nobody {
        return "register one: observer consumers add ID --app ID --key-id ID --key-file FILE"
            .to_owned();
    }
    String::new()
}

/// Keys that do something here, the most useful ones where there is no room for all.
pub fn keys(state: &State, columns: usize) -> String {
    match &state.mode {
        Mode::Filter => return "Enter keep  Esc clear  Up Down move".to_owned(),
        Mode::Help => return "any key: back".to_owned(),
        Mode::Confirm(confirm) => {
            let yes = if confirm.yes().is_some() {
                "y do it  "
            } else {
                ""
            };
            return format!("{yes}any other key: no");
        }
        Mode::Tables => {}
    }
    let mut keys = match state.drills.last().map(|drill| &drill.what) {
        Some(What::Consumer(_)) => vec![
            "Enter open",
            "Left Right table",
            "b block",
            "l limit",
            "u unblock",
            "Esc back",
        ],
        Some(What::Key { .. }) => vec!["Enter exchanges", "Esc back"],
        Some(What::Route { .. }) => {
            vec![
                "Enter exchanges",
                "b block",
                "l limit",
                "u unblock",
                "Esc back",
            ]
        }
        Some(What::Exchanges(_)) => vec!["Esc back"],
        None => match state.tab {
            Tab::Consumers => vec!["Enter keys", "b block", "l limit", "u unblock"],
            Tab::Routes => vec!["Enter consumers"],
            Tab::Incidents => vec!["a acknowledge", "x close", "Enter consumer"],
            Tab::Responses => vec!["a approve", "x reject", "u end", "Enter consumer"],
        },
    };
    keys.extend(["/ filter", "s sort", "r reverse", "p pause"]);
    let end = "? help  q quit";
    let mut line = String::new();
    for key in keys {
        if width(&line) + width(key) + 2 + width(end) > columns {
            break;
        }
        line.push_str(key);
        line.push_str("  ");
    }
    line + end
}
