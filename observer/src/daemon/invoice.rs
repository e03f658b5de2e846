//! `observer invoice`: what every consumer used in a billing period, and what that costs.
//!
//! A period that is over is closed once: its statement gets a number and is kept, and is the same from then on, whatever
//! becomes of ledger, registry and prices. What was wrong is taken back by a credit note.

mod accounts;
mod closing;
mod print;

use std::path::Path;

use jiff::Timestamp;

use super::cli::{Invoice, InvoiceFormat};
use super::config::Config;
use super::failure::Failure;
use super::progress::Progress;
use super::rules;
use crate::export::statement::Refused;
use crate::identity::shown::{Shown, without_keys};
use crate::store::archive::{Archive, ArchiveError};
use crate::usage::statement::{Kind, Statement};
use accounts::Books;

/// Characters of a reason.
const REASON: usize = 200;

/// Makes, closes and prints statements. False: some were refused, because too little of their period was seen.
///
/// # Errors
/// When ledger, registry or archive cannot be read, or a document not be written.
pub fn invoice(arguments: &Invoice) -> Result<bool, Failure> {
    if let Some(share) = arguments.require_completeness
        && !(0.0..=1.0).contains(&share)
    {
        let why = format!("{share} is no share (write 0.999)");
        return Err(Failure::input("--require-completeness", why));
    }
    let config = rules::load_config(arguments.config.as_deref())?;
    let registry = rules::registry(&config)?;
    let mut books = Books::open(&config, &registry)?;
    let accounts: Vec<_> = match &arguments.consumer {
        None => registry.accounts().iter().collect(),
        Some(id) => {
            let account = registry.accounts().iter().find(|one| *one.id == **id);
            vec![account.ok_or_else(|| no_account(id))?]
        }
    };
    if accounts.is_empty() {
        let why = "the registry has no account (observer consumers add)";
        return Err(Failure::input("invoice", why));
    }
    let reason = arguments.reason.as_deref().map(plain_reason);
    let archive = open(&config, arguments.draft)?;
    let mut progress = Progress::new(accounts.len() > 1);
    let all = accounts.len();
    let (mut documents, mut refused) = (Vec::new(), Vec::new());
    for (done, account) in accounts.into_iter().enumerate() {
        progress.show(|| format!("{done} of {all} accounts"));
        for period in accounts::periods(account, &arguments.period)? {
            let closed = archive
                .documents(&period.name(), &account.id)
                .map_err(unarchived)?;
            let last_is_good = closed.last().is_some_and(|last| last.kind == Kind::Invoice);
            if last_is_good && !arguments.correct {
                documents.extend(closed);
                continue;
            }
            let draft = books.draft(account, &period)?;
            let enough = arguments
                .require_completeness
                .is_none_or(|share| draft.completeness >= share);
            if !enough {
                refused.push(draft);
                continue;
            }
            if arguments.draft || !books.is_over(&period) {
                if arguments.correct {
                    return Err(Failure::input("--correct", "the period is not over"));
                }
                documents.extend(closed);
                documents.push(draft);
                continue;
            }
            let now = Timestamp::now();
            let kept = closing::close(&archive, closed, draft, reason.as_deref(), now)?;
            documents.extend(kept);
        }
    }
    progress.done();
    for draft in &refused {
        eprintln!(
            "observer: invoice: {} of {} is complete to {:.6} only, and not closed",
            draft.customer.id, draft.period.name, draft.completeness
        );
    }
    print::print(arguments, &books, &documents)?;
    Ok(refused.is_empty())
}

fn no_account(id: &str) -> Failure {
    let why = format!(
        "`{}` is no account (see observer consumers list)",
        Shown(id)
    );
    Failure::input("--consumer", why)
}

/// A reason as it may be kept and shown: one line, without what could be a key.
fn plain_reason(text: &str) -> String {
    let line = without_keys(text);
    let line = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(REASON).collect::<String>().trim().to_owned()
}

fn open(config: &Config, draft: bool) -> Result<Archive, Failure> {
    let folder: &Path = &config.statements.path;
    if draft {
        return Ok(Archive::at(folder));
    }
    Archive::open(folder).map_err(unarchived)
}

fn unarchived(error: ArchiveError) -> Failure {
    if error.is_privilege {
        let why = format!("{error} (repeat it as root, or with --draft)");
        return Failure::support("statements", why);
    }
    Failure::input("statements", error)
}

fn unwritable(statement: &Statement, why: &Refused) -> Failure {
    let what = format!("{} of {}", statement.customer.id, statement.period.name);
    Failure::input(what, why)
}
