//! What of the ledger is still there: steps that were deleted are noted in it, whether they were old or had to make room.
//!
//! Settings alone do not say so: a full ledger deletes early, and who raises a retention does not bring back what went under
//! the lower one.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Retention;
use super::batch::STEPS;

/// From when on the ledger has every minute and quarter-hour, seconds since 1970 in UTC. When it has any day is [`super::begun`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Minutes.
    pub minutes: u64,
    /// Quarter-hours.
    pub quarters: u64,
}

impl Kept {
    /// What is kept at `now`: what is about to be deleted is not counted on.
    ///
    /// # Errors
    /// What SQLite refuses.
    pub fn at(
        ledger: &Connection,
        retention: &Retention,
        now: u64,
    ) -> Result<Self, rusqlite::Error> {
        let since = |step, kept| {
            let whole = whole_since(ledger, step)?;
            Ok::<_, rusqlite::Error>(whole.max(now.saturating_sub(kept)))
        };
        let [(_, minute), (_, quarter), _] = STEPS;
        Ok(Self {
            minutes: since(minute, retention.minutes)?,
            quarters: since(quarter, retention.quarters)?,
        })
    }
}

/// The first second from which on no step of this length was deleted; zero where none was.
///
/// # Errors
/// What SQLite refuses.
pub(super) fn whole_since(ledger: &Connection, step: u64) -> Result<u64, rusqlite::Error> {
    ledger
        .query_row(
            "SELECT value FROM meta WHERE name = ?1",
            [name(step)],
            |row| row.get(0),
        )
        .optional()
        .map(Option::unwrap_or_default)
}

/// Notes that steps of this length from before a time are deleted.
///
/// # Errors
/// What SQLite refuses.
pub(super) fn lose(
    transaction: &Transaction<'_>,
    step: u64,
    before: u64,
) -> Result<(), rusqlite::Error> {
    transaction.execute(
        "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
        params![name(step), before],
    )?;
    Ok(())
}

fn name(step: u64) -> String {
    format!("whole_{step}")
}
