//! Deleting what is older than it is kept, and the oldest of a ledger that is larger than it may be.

use rusqlite::{Connection, params};

use super::Retention;
use super::batch::STEPS;
use super::kept;

/// Rows deleted in one transaction, so that no batch waits long behind it.
const SWEEP_ROWS: u32 = 20_000;

/// Deletes what is older than it is kept, and the oldest where the file is larger than it may be. Returns how many rows went
/// early.
pub(super) fn sweep(
    ledger: &mut Connection,
    retention: &Retention,
    now: u64,
) -> Result<u64, rusqlite::Error> {
    let kept = [retention.minutes, retention.quarters, retention.days];
    for ((table, step), kept) in STEPS.into_iter().zip(kept) {
        let before = now.saturating_sub(kept);
        delete(ledger, (table, step), before)?;
        ledger.execute(
            "DELETE FROM coverage WHERE step = ?1 AND start < ?2",
            params![step, before],
        )?;
    }
    for (table, kept) in [("latency", retention.quarters), ("network", retention.days)] {
        ledger.execute(
            &format!("DELETE FROM {table} WHERE start < ?1"),
            params![now.saturating_sub(kept)],
        )?;
    }
    let before = now.saturating_sub(retention.days);
    ledger.execute(
        "DELETE FROM incident WHERE detected < ?1 AND state NOT IN ('open', 'ack')",
        params![before],
    )?;
    // Who was not seen for so long is a stranger.
    let before = now.saturating_sub(retention.quarters);
    ledger.execute("DELETE FROM baseline WHERE seen < ?1", params![before])?;
    ledger.execute("DELETE FROM spelling WHERE seen < ?1", params![before])?;
    let before = now.saturating_sub(retention.days);
    ledger.execute(
        "DELETE FROM action WHERE begun < ?1 AND state NOT IN ('active', 'proposed')",
        params![before],
    )?;
    ledger.execute(
        "DELETE FROM action_event WHERE time < ?1",
        params![before.saturating_mul(1_000_000_000)],
    )?;
    let mut early = 0;
    for (table, step) in STEPS {
        while used_bytes(ledger)? > retention.max_bytes {
            let gone = make_room(ledger, (table, step))?;
            if gone == 0 {
                break;
            }
            early += gone as u64;
        }
    }
    ledger.execute_batch("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(PASSIVE)")?;
    Ok(early)
}

/// Deletes what begins before a time.
fn delete(
    ledger: &mut Connection,
    (table, step): (&str, u64),
    before: u64,
) -> Result<(), rusqlite::Error> {
    let query = format!(
        "DELETE FROM {table} WHERE (start, dimension) IN
         (SELECT start, dimension FROM {table} WHERE start < ?1 LIMIT {SWEEP_ROWS})"
    );
    loop {
        let transaction = ledger.transaction()?;
        let gone = transaction.execute(&query, params![before])?;
        kept::lose(&transaction, step, before.div_ceil(step) * step)?;
        transaction.commit()?;
        if gone < SWEEP_ROWS as usize {
            return Ok(());
        }
    }
}

/// Deletes the oldest rows. Returns how many.
pub(super) fn make_room(
    ledger: &mut Connection,
    (table, step): (&str, u64),
) -> Result<usize, rusqlite::Error> {
    let oldest = format!("SELECT start, dimension FROM {table} ORDER BY start LIMIT {SWEEP_ROWS}");
    let transaction = ledger.transaction()?;
    let last: Option<u64> =
        transaction.query_row(&format!("SELECT max(start) FROM ({oldest})"), [], |row| {
            row.get(0)
        })?;
    let gone = transaction.execute(
        &format!("DELETE FROM {table} WHERE (start, dimension) IN ({oldest})"),
        [],
    )?;
    if let Some(last) = last {
        kept::lose(&transaction, step, last + step)?;
    }
    transaction.commit()?;
    Ok(gone)
}

/// Bytes of the pages that hold something.
fn used_bytes(ledger: &Connection) -> Result<u64, rusqlite::Error> {
    let number = |pragma| ledger.pragma_query_value(None, pragma, |row| row.get::<_, u64>(0));
    Ok((number("page_count")? - number("freelist_count")?) * number("page_size")?)
}
