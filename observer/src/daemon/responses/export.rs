//! Decisions in the words of others: of what is in force, what a gateway in front can refuse. Nothing is carried out.
//!
//! There are no keys to write, only ids, fingerprints and networks; what a format cannot say of them is a comment in it, and
//! counted. Invariant: a text of somebody's is one word of the target's syntax, or in a comment of one line, whatever is in it.

mod apisix;
mod crowdsec;
mod haproxy;
mod kong;
mod nginx;
mod shell;
#[cfg(test)]
pub(super) mod tests;
mod tyk;

use super::super::cli::ResponseFormat;
use super::super::report;
use super::{SECOND, list};
use crate::response::{Action, State};

/// Decisions, written.
#[derive(Debug)]
pub struct Exported {
    /// They.
    pub text: String,
    /// How many there are.
    pub all: usize,
    /// How many of them the format cannot say.
    pub left_out: usize,
}

/// Writes those that are in force at this time (nanoseconds since 1970).
pub fn render(format: ResponseFormat, actions: &[Action], now: u64) -> Exported {
    let standing = actions
        .iter()
        .filter(|action| action.state == State::Active && action.until > now);
    let actions: Vec<&Action> = standing.collect();
    let (text, left_out) = match format {
        ResponseFormat::NginxMap => nginx::render(&actions),
        ResponseFormat::HaproxyMap => haproxy::render(&actions),
        ResponseFormat::Kong => kong::render(&actions),
        ResponseFormat::Tyk => tyk::render(&actions),
        ResponseFormat::Apisix => apisix::render(&actions),
        ResponseFormat::Crowdsec => crowdsec::render(&actions, now),
    };
    Exported {
        text,
        all: actions.len(),
        left_out,
    }
}

/// What an action is, on one line, as a comment has it.
fn about(action: &Action) -> String {
    let until = report::time(action.until / SECOND);
    let whom = list::whom(action);
    let reason = action.reason.escape_debug();
    let colon = if action.reason.is_empty() { "" } else { ": " };
    format!(
        "{} {} {whom} until {until}{colon}{reason}",
        action.id, action.verb
    )
}

/// Whether a text shows as what it is, and steers nothing that shows it. Ids of a registry do.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| matches!(c, ' '..='~') || (!c.is_ascii() && c.escape_debug().len() == 1);
    !text.is_empty() && text.chars().all(plain)
}

/// What the format cannot say of some actions, as comments, and how many they are.
#[derive(Default)]
struct LeftOut {
    text: String,
    count: usize,
}

impl LeftOut {
    fn add(&mut self, action: &Action, why: &str) {
        self.text
            .push_str(&format!("# left out: {}\n#   {why}\n", about(action)));
        self.count += 1;
    }
}
