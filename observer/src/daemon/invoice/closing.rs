//! Closing a period: a draft becomes an invoice with a number, or corrects one.

use jiff::Timestamp;

use super::super::failure::Failure;
use super::unarchived;
use crate::store::archive::Archive;
use crate::usage::statement::{Kind, Statement};

/// Keeps the draft as the invoice of its period, after what was closed of it before. Returns all of it, in order. With a reason, the
/// last invoice is taken back first.
///
/// # Errors
/// When the archive cannot be written, or there is nothing to correct.
pub fn close(
    archive: &Archive,
    mut closed: Vec<Statement>,
    draft: Statement,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Vec<Statement>, Failure> {
    let (period, account) = (draft.period.name.clone(), draft.customer.id.clone());
    meets(archive, &draft)?;
    let year = period.split('-').next().unwrap_or_default().to_owned();
    let mut number = archive.next_number(&year, &account).map_err(unarchived)?;
    let mut issue = |statement: Statement, kind: Kind| {
        let issued = Statement {
            number: Some(format!("{account}-{year}-{number:04}")),
            issued: Some(format!("{now:.0}")),
            kind,
            ..statement
        };
        number += 1;
        issued
    };
    let before = closed.iter().rfind(|one| one.kind == Kind::Invoice);
    let invoice = match (before, reason) {
        (Some(before), Some(reason)) => {
            if is_same(before, &draft) {
                let why = "the ledger, the registry and the prices say the same as before";
                return Err(Failure::input("--correct", why));
            }
            let credit = Statement {
                corrects: before.number.clone(),
                reason: Some(reason.to_owned()),
                ..before.clone()
            };
            let credit = issue(credit, Kind::CreditNote);
            closed.push(credit);
            issue(draft, Kind::Invoice)
        }
        (None, Some(_)) => {
            let why = "nothing was closed for that period";
            return Err(Failure::input("--correct", why));
        }
        (_, None) => issue(draft, Kind::Invoice),
    };
    closed.push(invoice);
    archive
        .keep(&period, &account, &closed)
        .map_err(unarchived)?;
    Ok(closed)
}

/// The end of a number that is not given yet: none is zero.
pub const TO_COME: &str = "-0000";

/// A draft as it would be issued, to see whether it can be written.
pub fn as_issued(draft: &Statement) -> Statement {
    Statement {
        number: Some(format!("{}{TO_COME}", draft.customer.id)),
        issued: Some(draft.period.until.clone()),
        kind: Kind::Invoice,
        ..draft.clone()
    }
}

/// Holds a period against those that were closed beside it: where the account's time zone changed between them, hours would be
/// charged twice, or never.
fn meets(archive: &Archive, draft: &Statement) -> Result<(), Failure> {
    let account = &draft.customer.id;
    let last = |name: String| -> Result<Option<Statement>, Failure> {
        let documents = archive.documents(&name, account).map_err(unarchived)?;
        Ok(documents.into_iter().next_back())
    };
    let period = &draft.period;
    for (name, ours, theirs) in [
        (beside(&period.name, -1), &period.from, "until"),
        (beside(&period.name, 1), &period.until, "from"),
    ] {
        let Some(other) = name.map(last).transpose()?.flatten() else {
            continue;
        };
        let end = match theirs {
            "until" => &other.period.until,
            _ => &other.period.from,
        };
        if end != ours {
            let why = format!(
                "{} was closed in {}, and does not meet {} in {}: set `time_zone` back, or correct it",
                other.period.name, other.period.time_zone, period.name, period.time_zone
            );
            return Err(Failure::input(account, why));
        }
    }
    Ok(())
}

/// The month so many after this one.
fn beside(name: &str, months: i32) -> Option<String> {
    let (year, month) = name.split_once('-')?;
    let month = year.parse::<i32>().ok()? * 12 + month.parse::<i32>().ok()? - 1 + months;
    Some(format!(
        "{:04}-{:02}",
        month.div_euclid(12),
        month.rem_euclid(12) + 1
    ))
}

/// Whether a draft says the same as what was closed; what else there is to know of it may be another thing each time.
fn is_same(closed: &Statement, draft: &Statement) -> bool {
    let bare = |statement: &Statement| Statement {
        number: None,
        issued: None,
        corrects: None,
        reason: None,
        kind: Kind::Draft,
        notes: Vec::new(),
        ..statement.clone()
    };
    bare(closed) == bare(draft)
}
