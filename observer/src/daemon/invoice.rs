//! `observer invoice`: what every consumer used in a billing period, and what that costs.
//!
//! A period that is over is closed once: its statement gets a number and is kept, and is the same from then on, whatever
//! becomes of ledger, registry and prices. What was wrong is taken back by a credit note.

mod accounts;
mod closing;
mod print;

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::cli::{Invoice, InvoiceFormat};
use super::config::Config;
use super::failure::Failure;
use super::progress::Progress;
use super::responses;
use super::rules;
use crate::export::statement::Refused;
use crate::identity::Registry;
use crate::identity::registry::Account;
use crate::identity::shown::Shown;
use crate::store::archive::{Archive, ArchiveError};
use crate::usage::period::Period;
use crate::usage::statement::Statement;
use accounts::Books;

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
    let reason = reason(arguments)?;
    let config = rules::load_config(arguments.config.as_deref())?;
    let registry = rules::registry(&config)?;
    let mut books = Books::open(&config, &registry)?;
    let archive = open(&config, arguments.draft)?;
    let planned = plan(arguments, &mut books, &registry, &archive)?;
    // What cannot be written is not closed.
    let as_issued = planned.iter().flat_map(Planned::as_issued);
    print::check(arguments, &as_issued.collect::<Vec<_>>())?;
    let now = Timestamp::now();
    let (mut documents, mut refused, mut open) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut progress = Progress::new(planned.len() > 1);
    let all = planned.len();
    for (done, one) in planned.into_iter().enumerate() {
        progress.show(|| format!("{done} of {all} statements"));
        match one {
            Planned::Closed(closed) => documents.extend(closed),
            Planned::Draft(draft) => {
                if !arguments.draft && !books.goes_on(&draft) {
                    open.insert(format!(
                        "{} is not closed: {}",
                        draft.period.name,
                        reason_of(&draft)
                    ));
                }
                documents.push(*draft);
            }
            Planned::Refused(draft) => refused.push(*draft),
            Planned::Close(closed, draft) => {
                let kept = closing::close(&archive, closed, *draft, reason.as_deref(), now)?;
                documents.extend(kept);
            }
        }
    }
    progress.done();
    if !arguments.draft {
        // What is shown as closed is closed.
        archive.settle().map_err(unarchived)?;
    }
    // Whoever reads the answer slowly holds nobody up.
    drop(archive);
    for draft in &refused {
        eprintln!(
            "observer: invoice: {} of {} is complete to {:.6} only, and not closed",
            draft.customer.id, draft.period.name, draft.completeness
        );
    }
    for why in &open {
        eprintln!("observer: invoice: {why}");
    }
    let unknown = books.unknown();
    if arguments.consumer.is_none() && !unknown.is_empty() {
        eprintln!(
            "observer: invoice: used and no account any more: {}",
            unknown.join(", ")
        );
    }
    print::print(arguments, &books, &documents)?;
    Ok(refused.is_empty() && open.is_empty())
}

/// Why a draft could not be closed: the last that is noted of it.
fn reason_of(draft: &Statement) -> &str {
    draft.notes.last().map_or("", String::as_str)
}

/// What becomes of an account's period.
enum Planned {
    /// It was closed before.
    Closed(Vec<Statement>),
    /// It cannot be closed, or is not to be.
    Draft(Box<Statement>),
    /// Too little of it was seen.
    Refused(Box<Statement>),
    /// It is to be closed, after what was closed of it.
    Close(Vec<Statement>, Box<Statement>),
}

impl Planned {
    /// What will be written.
    fn as_issued(&self) -> Vec<Statement> {
        match self {
            Self::Closed(closed) => closed.clone(),
            Self::Draft(draft) => vec![(**draft).clone()],
            Self::Refused(_) => Vec::new(),
            Self::Close(closed, draft) => {
                let mut all = closed.clone();
                all.push(closing::as_issued(draft));
                all
            }
        }
    }
}

/// What is to be done, before anything is.
fn plan(
    arguments: &Invoice,
    books: &mut Books<'_>,
    registry: &Registry,
    archive: &Archive,
) -> Result<Vec<Planned>, Failure> {
    let wanted = |id: &str| arguments.consumer.as_deref().is_none_or(|one| one == id);
    let mut planned = Vec::new();
    let mut names = BTreeSet::new();
    let mut not_begun = None;
    for account in registry
        .accounts()
        .iter()
        .filter(|account| wanted(&account.id))
    {
        let periods = accounts::periods(account, &arguments.period)?;
        if arguments.correct && periods.len() > 1 {
            let why = "one month at a time (write 2026-11)";
            return Err(Failure::input("--correct", why));
        }
        for period in periods {
            if !books.has_begun(&period) {
                not_begun = Some(period.name());
                continue;
            }
            names.insert(period.name());
            planned.push(plan_one(arguments, books, account, &period, archive)?);
        }
    }
    if names.is_empty() {
        let periods = Period::parse(&arguments.period, &TimeZone::UTC);
        let periods = periods.map_err(|error| Failure::input("--period", error))?;
        names.extend(periods.iter().map(Period::name));
    }
    // Who left the registry has what was closed.
    for name in &names {
        for id in archive.accounts(name).map_err(unarchived)? {
            if wanted(&id) && registry.account(&id).is_none() {
                planned.push(Planned::Closed(
                    archive.documents(name, &id).map_err(unarchived)?,
                ));
            }
        }
    }
    match &arguments.consumer {
        _ if planned.is_empty() && not_begun.is_some() => {
            let name = not_begun.unwrap_or_default();
            Err(Failure::input("--period", format!("{name} has not begun")))
        }
        Some(id) if planned.is_empty() => Err(no_account(id)),
        None if planned.is_empty() => {
            let why = "the registry has no account (observer consumers add)";
            Err(Failure::input("invoice", why))
        }
        _ => Ok(planned),
    }
}

fn plan_one(
    arguments: &Invoice,
    books: &mut Books<'_>,
    account: &Account,
    period: &Period,
    archive: &Archive,
) -> Result<Planned, Failure> {
    let closed = archive.documents(&period.name(), &account.id);
    let closed = closed.map_err(unarchived)?;
    if !closed.is_empty() && !arguments.correct {
        return Ok(Planned::Closed(closed));
    }
    let draft = Box::new(books.draft(account, period)?);
    let open = books.open_because(period);
    if let Some(why) = open.as_deref().filter(|_| arguments.correct) {
        return Err(Failure::input("--correct", why));
    }
    let share = arguments.require_completeness.unwrap_or(0.0);
    Ok(if draft.completeness < share {
        Planned::Refused(draft)
    } else if arguments.draft || open.is_some() {
        Planned::Draft(draft)
    } else {
        Planned::Close(closed, draft)
    })
}

/// Why something is corrected.
fn reason(arguments: &Invoice) -> Result<Option<String>, Failure> {
    let reason = arguments.reason.as_deref().map(responses::reason);
    if reason.as_deref() == Some("") {
        return Err(Failure::input("--reason", "says nothing"));
    }
    Ok(reason)
}

fn no_account(id: &str) -> Failure {
    let why = format!(
        "`{}` is no account (see observer consumers list)",
        Shown(id)
    );
    Failure::input("--consumer", why)
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
        let why = format!("{error} (repeat it as root)");
        return Failure::support("statements", why);
    }
    Failure::input("statements", error)
}

fn unwritable(statement: &Statement, why: &Refused) -> Failure {
    let what = format!("{} of {}", statement.customer.id, statement.period.name);
    match statement.number.as_deref() {
        Some(number) if !number.ends_with(closing::TO_COME) => {
            let why = format!("{number} was closed like that: {why} (mend it, then --correct)");
            Failure::input(what, why)
        }
        _ => Failure::input(what, why),
    }
}
