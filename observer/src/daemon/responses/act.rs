//! Orders to the daemon, and what it did about them in a sentence.

use super::super::cli::{self, Format};
use super::super::config::{Config, Period};
use super::super::failure::Failure;
use super::super::report::{self, printable};
use super::super::rules;
use super::order::{Answer, Order};
use super::{SECOND, client, failure, id, list, remark};
use crate::identity::shown::{Shown, without_keys};
use crate::response::{Action, Radius, State, Verb};

/// The longest that an action lasts, in seconds.
const LONGEST: u64 = 24 * 3_600;
/// Bytes of a target: ids have up to 63, networks fewer. A longer one is something else, most likely a key.
const TARGET: usize = 128;
/// Characters of a reason.
const REASON: usize = 200;

/// `observer block`.
///
/// # Errors
/// When a word is none, or the daemon does not do it.
pub fn block(arguments: &cli::Block) -> Result<(), Failure> {
    act("block", &arguments.act, Verb::Block)
}

/// `observer limit`.
///
/// # Errors
/// When a word is none, or the daemon does not do it.
pub fn limit(arguments: &cli::Limit) -> Result<(), Failure> {
    let rate = arguments.rate.parse().map_err(|error| {
        Failure::input("--rate", format!("`{}` {error}", Shown(&arguments.rate)))
    })?;
    act("limit", &arguments.act, Verb::Limit(rate))
}

fn act(what: &str, act: &cli::Act, verb: Verb) -> Result<(), Failure> {
    let period = Period::parse(&act.period)
        .filter(|period| (1..=LONGEST).contains(&period.0.as_secs()))
        .ok_or_else(|| {
            let why = format!(
                "`{}` is no time from 1s to 24h (write 30m or 12h)",
                Shown(&act.period)
            );
            Failure::input("--for", why)
        })?;
    let order = Order::Act {
        target: target(what, &act.target)?,
        kind: act.kind.map(Into::into),
        verb,
        seconds: period.0.as_secs(),
        reason: reason(&act.reason),
        dry_run: act.dry_run,
    };
    let config = rules::load_config(act.asked.config.as_deref())?;
    let answer = send(&config, what, &order)?;
    let dry = act.dry_run.then(|| {
        let (done, to) = words(verb);
        let radius = hit(&answer.radius.unwrap_or_default());
        let target = Shown(&act.target);
        format!("not {done}, a dry run: {target}{to} for {period}: {radius}\n")
    });
    print(&answer, act.asked.format, dry, began)
}

/// `observer unblock`.
///
/// # Errors
/// When there is nothing to end, or the daemon does not do it.
pub fn unblock(arguments: &cli::Unblock) -> Result<(), Failure> {
    let order = Order::Undo {
        target: target("unblock", &arguments.target)?,
        kind: arguments.kind.map(Into::into),
    };
    carry_out("unblock", &arguments.asked, &order, ended)
}

/// `observer responses approve`.
///
/// # Errors
/// When there is no such proposal, or the daemon does not do it.
pub fn approve(one: &cli::One) -> Result<(), Failure> {
    let what = "responses approve";
    let order = Order::Approve {
        id: id(what, &one.id)?,
    };
    carry_out(what, &one.asked, &order, began)
}

/// `observer responses reject`.
///
/// # Errors
/// When there is no such proposal, or the daemon does not do it.
pub fn reject(one: &cli::One) -> Result<(), Failure> {
    let what = "responses reject";
    let order = Order::Reject {
        id: id(what, &one.id)?,
    };
    carry_out(what, &one.asked, &order, ended)
}

/// `observer responses revert`.
///
/// # Errors
/// When there is no such action, or the daemon does not do it.
pub fn revert(one: &cli::One) -> Result<(), Failure> {
    let what = "responses revert";
    let order = Order::Undo {
        target: id(what, &one.id)?.to_string(),
        kind: None,
    };
    carry_out(what, &one.asked, &order, ended)
}

/// `observer responses clear`.
///
/// # Errors
/// When the daemon does not do it.
pub fn clear(asked: &cli::Asked) -> Result<(), Failure> {
    carry_out("responses clear", asked, &Order::Clear, ended)
}

fn carry_out(
    what: &str,
    asked: &cli::Asked,
    order: &Order,
    sentence: fn(&Action) -> String,
) -> Result<(), Failure> {
    let config = rules::load_config(asked.config.as_deref())?;
    let answer = send(&config, what, order)?;
    print(&answer, asked.format, None, sentence)
}

fn send(config: &Config, what: &str, order: &Order) -> Result<Answer, Failure> {
    client::send(&config.control.socket, order).map_err(|error| failure(what, error))
}

/// An order as it may be carried out, whoever asks for it.
///
/// # Errors
/// What is wrong with it.
pub fn checked(order: Order) -> Result<Order, String> {
    let named = |text: &str| target("order", text).map_err(|failure| failure.reason().to_owned());
    Ok(match order {
        Order::Act {
            target,
            kind,
            verb,
            seconds,
            reason: why,
            dry_run,
        } => Order::Act {
            target: named(&target)?,
            kind,
            verb,
            seconds,
            reason: reason(&why),
            dry_run,
        },
        Order::Undo { target, kind } => Order::Undo {
            target: named(&target)?,
            kind,
        },
        order => order,
    })
}

/// A text that may name somebody. What it names only the daemon knows, whose registry is in force.
fn target(what: &str, text: &str) -> Result<String, Failure> {
    let plain = (1..=TARGET).contains(&text.len()) && !text.contains(char::is_control);
    if plain {
        return Ok(text.to_owned());
    }
    let why = format!(
        "`{}` is no network, fingerprint, consumer, app or key (a key itself is not asked for: `observer keys fingerprint`)",
        Shown(text)
    );
    Err(Failure::input(what, why))
}

/// A reason as it may be kept and shown: one line, without what could be a key.
pub fn reason(text: &str) -> String {
    let line: String = without_keys(text)
        .chars()
        .map(|c| if c == '\n' { ' ' } else { c })
        .take(REASON)
        .collect();
    line.trim().to_owned()
}

/// Prints an answer. `dry`: what there is to say of what was not done.
fn print(
    answer: &Answer,
    format: Format,
    dry: Option<String>,
    sentence: fn(&Action) -> String,
) -> Result<(), Failure> {
    let text = match format {
        Format::Json => {
            let value = serde_json::to_value(answer)
                .map_err(|error| Failure::input("the daemon's answer", error))?;
            printable(&format!("{value:#}\n"))
        }
        Format::Csv => {
            for note in &answer.notes {
                remark("note", note);
            }
            list::csv(&answer.actions)
        }
        Format::Table => said(answer, dry, sentence),
    };
    super::super::print(&text)
}

fn said(answer: &Answer, dry: Option<String>, sentence: fn(&Action) -> String) -> String {
    let mut text = match dry {
        Some(dry) => dry,
        None if answer.actions.is_empty() => "nothing was in force or proposed\n".to_owned(),
        None => answer.actions.iter().map(sentence).collect(),
    };
    for note in &answer.notes {
        text.push_str(&note.escape_debug().to_string());
        text.push('\n');
    }
    text
}

/// What was done, and what stands behind the name of whom it was done to.
fn words(verb: Verb) -> (&'static str, String) {
    match verb {
        Verb::Block => ("blocked", String::new()),
        Verb::Limit(rate) => ("limited", format!(" to {rate}")),
    }
}

/// What began, in a sentence and a line.
pub(in crate::daemon) fn began(action: &Action) -> String {
    let (done, to) = words(action.verb);
    let done = match action.state {
        State::Proposed => format!("proposed that be {done}:"),
        _ => done.to_owned(),
    };
    format!(
        "{done} {}{to} until {} as {}: {}\n",
        list::whom(action),
        report::time(action.until / SECOND),
        action.id,
        hit(&action.radius)
    )
}

/// What ended, in a sentence and a line.
pub(in crate::daemon) fn ended(action: &Action) -> String {
    let hits = &action.hits;
    format!(
        "{} {}: {} of {}; {} refused, {} let through, {} late, {} packets dropped\n",
        action.state.name(),
        action.id,
        action.verb,
        list::whom(action),
        grouped(hits.refused),
        grouped(hits.passed),
        grouped(hits.late),
        grouped(hits.packets)
    )
}

/// How much somebody did in the hour before.
pub(in crate::daemon) fn hit(radius: &Radius) -> String {
    if !radius.known {
        return "how much it hits is not known".to_owned();
    }
    format!(
        "hit {} of {} in the last hour",
        several(radius.exchanges, "exchange"),
        several(radius.consumers.into(), "consumer")
    )
}

/// So many of something.
pub(in crate::daemon) fn several(count: u64, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(count))
}

/// A number with a comma between thousands.
pub(in crate::daemon) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::export::tests::action;
    use super::*;
    use crate::response::{End, Subject};

    fn key() -> Action {
        let mut action = action(Subject::Key("k-2026-01".into()), Verb::Block, "leaked");
        action.consumer = Some("acme".into());
        action
    }

    #[test]
    fn a_sentence_says_who_until_when_and_how_much() {
        let mut action = key();
        action.radius = Radius {
            exchanges: 1_204,
            consumers: 1,
            known: true,
        };
        assert_eq!(
            began(&action),
            "blocked key k-2026-01 (acme) until 2026-11-29T18:04:11Z as r-abcdefgh: hit 1,204 exchanges of 1 consumer in the last hour\n"
        );
        action.verb = "limit 10/s".parse().unwrap();
        action.radius.known = false;
        assert_eq!(
            began(&action),
            "limited key k-2026-01 (acme) to 10/s until 2026-11-29T18:04:11Z as r-abcdefgh: how much it hits is not known\n"
        );
        action.state = State::Ended(End::Undone {
            by: "root".to_owned(),
        });
        action.hits.refused = 1_234_567;
        assert_eq!(
            ended(&action),
            "undone r-abcdefgh: limit 10/s of key k-2026-01 (acme); 1,234,567 refused, 0 let through, 0 late, 0 packets dropped\n"
        );
        assert_eq!(
            (grouped(0), grouped(999), grouped(1_000)),
            ("0".to_owned(), "999".to_owned(), "1,000".to_owned())
        );
    }

    #[test]
    fn notes_stand_below_and_steer_nothing() {
        let answer = Answer {
            actions: vec![key()],
            radius: None,
            notes: vec!["one\u{1b}[2J".to_owned()],
        };
        let text = said(&answer, None, began);
        assert_eq!(text.lines().count(), 2);
        assert_eq!(text.lines().nth(1), Some("one\\u{1b}[2J"));
        let nothing = said(&Answer::default(), None, ended);
        assert_eq!(nothing, "nothing was in force or proposed\n");
    }

    /// People paste keys where ids and reasons belong.
    #[test]
    fn what_could_be_a_key_is_not_repeated() {
        let key = "sk_live_7d1f0a9c55e2";
        let long = key.repeat(10);
        let refused = target("block", &long).unwrap_err().to_string();
        assert!(!refused.contains(key), "{refused}");
        assert!(target("block", "a\nb").is_err() && target("block", "").is_err());
        assert_eq!(
            reason(&format!(" {key}\nis on a forum\u{7}")),
            "sk_l… is on a forum\\u{7}"
        );
        assert_eq!(reason(&"a ".repeat(300)).chars().count(), REASON - 1);
    }
}
