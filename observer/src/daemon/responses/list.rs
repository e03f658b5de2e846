//! `observer responses list`: what is in force and proposed, from the daemon, or from the ledger where none runs.

use std::collections::HashSet;

use super::super::cli;
use super::super::failure::Failure;
use super::super::report::{self, Cell, Report};
use super::super::{reading, rules};
use super::{SECOND, now, remark, standing};
use crate::response::{Action, ActionId, End, State};
use crate::store;

/// What the column `note` says of an action that let requests through because others share their connection.
const SHARED: &str = "not_enforceable_shared";

const COLUMNS: [&str; 14] = [
    "id", "state", "verb", "subject", "consumer", "until", "by", "refused", "passed", "late",
    "shared", "packets", "reason", "note",
];

/// `observer responses list`.
///
/// # Errors
/// When neither daemon nor ledger can be read.
pub fn list(arguments: &cli::ResponseList) -> Result<(), Failure> {
    let what = "responses list";
    let config = rules::load_config(arguments.asked.config.as_deref())?;
    let now = now();
    let mut actions = standing(&config, what, now)?;
    let mut notes = Vec::new();
    let period;
    let mut completeness = f64::NAN;
    if arguments.all {
        let reading = reading::open(&config, &arguments.period)?;
        period = reading.period;
        let since = period.from.saturating_mul(SECOND);
        let until = period.until.saturating_mul(SECOND);
        // What the daemon says of one is newer than what it has written.
        let known: HashSet<ActionId> = actions.iter().map(|action| action.id.clone()).collect();
        let written = written(&reading.ledger, Some(since), what, now)?;
        actions.extend(
            written
                .into_iter()
                .filter(|action| !known.contains(&action.id)),
        );
        actions.retain(|action| is_standing(action) || (since..until).contains(&action.begun));
        notes.extend(reading.note);
        let coverage = store::coverage(&reading.ledger, period);
        completeness = coverage
            .map_err(|error| Failure::input("ledger", error))?
            .completeness();
    } else {
        period = reading::period(&arguments.period, now / SECOND)?;
        actions.retain(is_standing);
        // What is in force is known whatever becomes of the ledger.
        match reading::ledger(&config).map(|ledger| store::coverage(&ledger, period)) {
            Ok(Ok(coverage)) => completeness = coverage.completeness(),
            Ok(Err(error)) => notes.push(format!("how complete that is, is not known: {error}")),
            Err(error) => notes.push(format!("how complete that is, is not known: {error}")),
        }
    }
    actions.sort_by(|a, b| (b.begun, &a.id).cmp(&(a.begun, &b.id)));
    if actions.iter().any(|action| action.hits.shared > 0) {
        notes.push(format!(
            "{SHARED}: requests were let through because others share their connection; `observer responses export` writes what a gateway in front refuses"
        ));
    }
    let report = Report {
        from: period.from,
        to: period.until,
        completeness,
        notes,
        columns: COLUMNS.to_vec(),
        rows: actions.iter().map(row).collect(),
        nothing: if arguments.all {
            "nothing was shut off or limited in this time"
        } else {
            "nothing is shut off, limited or proposed"
        },
    };
    report.print(arguments.asked.format)
}

/// Actions of the ledger: those in force or proposed, with all that began since then (nanoseconds since 1970), as they are now.
pub(super) fn written(
    ledger: &store::Reader,
    since: Option<u64>,
    what: &str,
    now: u64,
) -> Result<Vec<Action>, Failure> {
    let bodies = store::actions(ledger, since).map_err(|error| Failure::input("ledger", error))?;
    let all = bodies.len();
    let actions: Vec<Action> = bodies
        .iter()
        .filter_map(|body| serde_json::from_str(body).ok())
        .map(|action| as_of(action, now))
        .collect();
    let unread = all - actions.len();
    if unread > 0 {
        let why = format!("{unread} actions were written by another version and are not shown");
        remark(what, &why);
    }
    Ok(actions)
}

/// The kernel ends an action in its time, whether somebody lives to write that down or not.
fn as_of(mut action: Action, now: u64) -> Action {
    if is_standing(&action) && action.until <= now {
        action.state = State::Ended(End::Expired);
    }
    action
}

fn is_standing(action: &Action) -> bool {
    matches!(action.state, State::Active | State::Proposed)
}

/// The rows of these as CSV.
pub(super) fn csv(actions: &[Action]) -> String {
    let report = Report {
        from: 0,
        to: 0,
        completeness: 1.0,
        notes: Vec::new(),
        columns: COLUMNS.to_vec(),
        rows: actions.iter().map(row).collect(),
        nothing: "",
    };
    report.csv()
}

/// Whom an action is about, and whose that is.
pub(in crate::daemon) fn whom(action: &Action) -> String {
    let subject = action.subject.to_string();
    let subject = subject.escape_debug();
    match &action.consumer {
        Some(consumer) if **consumer != *action.subject.id() => {
            format!("{subject} ({})", consumer.escape_debug())
        }
        _ => subject.to_string(),
    }
}

fn row(action: &Action) -> Vec<Cell> {
    let hits = &action.hits;
    vec![
        Cell::text(action.id.as_str()),
        Cell::text(action.state.name()),
        Cell::Text(action.verb.to_string()),
        Cell::Text(action.subject.to_string()),
        Cell::text(action.consumer.as_deref().unwrap_or("")),
        Cell::Text(report::time(action.until / SECOND)),
        Cell::Text(action.by.to_string()),
        Cell::Count(hits.refused),
        Cell::Count(hits.passed),
        Cell::Count(hits.late),
        Cell::Count(hits.shared),
        Cell::Count(hits.packets),
        Cell::text(&action.reason),
        Cell::text(if hits.shared > 0 { SHARED } else { "" }),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::export::tests::{NOW, action};
    use super::*;
    use crate::response::{Subject, Verb};

    #[test]
    fn what_has_run_out_is_over_whatever_the_ledger_says() {
        let mut one = action(Subject::Key("k".into()), Verb::Block, "");
        assert_eq!(as_of(one.clone(), NOW).state, State::Active);
        assert_eq!(as_of(one.clone(), one.until).state.name(), "expired");
        one.state = State::Ended(End::Rejected);
        assert_eq!(as_of(one.clone(), one.until).state.name(), "rejected");
    }

    #[test]
    fn what_others_share_is_told() {
        let mut one = action(Subject::Consumer("acme".into()), Verb::Block, "a,b");
        assert_eq!(whom(&one), "consumer acme");
        one.consumer = Some("acme".into());
        assert_eq!(whom(&one), "consumer acme");
        assert!(!csv(&[one.clone()]).contains(SHARED));
        one.hits.shared = 3;
        let text = csv(&[one]);
        assert!(
            text.contains(",3,0,\"a,b\",not_enforceable_shared\r\n"),
            "{text}"
        );
    }
}
