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

/// Whether a draft says the same as what was closed.
fn is_same(closed: &Statement, draft: &Statement) -> bool {
    let bare = |statement: &Statement| Statement {
        number: None,
        issued: None,
        corrects: None,
        reason: None,
        kind: Kind::Draft,
        ..statement.clone()
    };
    bare(closed) == bare(draft)
}
