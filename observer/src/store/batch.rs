//! Writing one batch into the ledger's tables, in one transaction with its number.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use datasketches::hll::{HllSketch, HllType, HllUnion};
use datasketches::tdigest::TDigestMut;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::usage::batch::{Rows, Sums, WindowRow};

/// Dimensions whose numbers are remembered.
const REMEMBERED: usize = 100_000;
/// Registers of a union of network sketches as a power of two.
const HLL_LG_K: u8 = 10;

/// Tables of usage, and the seconds of their steps.
pub(super) const STEPS: [(&str, u64); 3] = [("minute", 60), ("quarter", 900), ("day", 86_400)];

/// A row of the table of that name: texts, method, status, outcome.
pub(super) type Dimension = ([Arc<str>; 5], Cow<'static, str>, u16, Cow<'static, str>);

/// Writes one batch and its number; one that was taken before changes nothing. `seconds`: now, since 1970 in UTC. Returns the bytes of the file.
pub(super) fn write(
    ledger: &mut Connection,
    dimensions: &mut HashMap<Dimension, i64>,
    number: u64,
    rows: &Rows,
    seconds: u64,
) -> Result<u64, rusqlite::Error> {
    let transaction = ledger.transaction()?;
    if last_batch(&transaction)? < number {
        for (table, step) in STEPS {
            windows(&transaction, dimensions, table, step, &rows.windows)?;
            let mut coverage = transaction.prepare_cached(
                "INSERT INTO coverage VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            )?;
            for row in &rows.coverage {
                coverage.execute(params![
                    step,
                    row.start / step * step,
                    row.reason,
                    row.count
                ])?;
            }
        }
        for gap in &rows.gaps {
            transaction.execute(
                "INSERT INTO gap VALUES (?1, ?2, ?3)",
                params![gap.start, gap.until, gap.reason],
            )?;
        }
        sketches(&transaction, rows)?;
        if let Some(routes) = &rows.routes {
            transaction.execute(
                "INSERT OR REPLACE INTO meta VALUES ('routes', ?1)",
                params![routes],
            )?;
        }
        for row in &rows.incidents {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO incident VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![row.id, row.rule, row.state, row.detected, row.body])?;
        }
        for row in &rows.baselines {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO baseline VALUES (?1, ?2, ?3)")?
                .execute(params![row.name, row.state, seconds])?;
        }
        responses(&transaction, rows)?;
        transaction.execute(
            "INSERT OR REPLACE INTO meta VALUES ('seen', ?1)",
            params![seconds],
        )?;
        transaction.execute(
            "UPDATE meta SET value = ?1 WHERE name = 'batch'",
            params![number],
        )?;
    }
    transaction.commit()?;
    let pages: u64 = ledger.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let size: u64 = ledger.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(pages * size)
}

/// Writes what is done against keys, accounts and networks, and what it is done by.
fn responses(transaction: &Transaction<'_>, rows: &Rows) -> Result<(), rusqlite::Error> {
    for row in &rows.actions {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO action VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![row.id, row.state, row.begun, row.body])?;
    }
    for row in &rows.events {
        transaction
            .prepare_cached("INSERT INTO action_event (time, action, body) VALUES (?1, ?2, ?3)")?
            .execute(params![row.time, row.action, row.body])?;
    }
    for row in &rows.spellings {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO spelling VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                row.hash.cast_signed(),
                row.fingerprint,
                row.location,
                row.seen
            ])?;
    }
    Ok(())
}

fn windows(
    transaction: &Transaction<'_>,
    dimensions: &mut HashMap<Dimension, i64>,
    table: &str,
    step: u64,
    rows: &[WindowRow],
) -> Result<(), rusqlite::Error> {
    let mut sums: HashMap<(u64, i64), Sums> = HashMap::with_capacity(rows.len());
    for row in rows {
        let dimension = dimension(transaction, dimensions, row)?;
        let sum = sums
            .entry((row.start / step * step, dimension))
            .or_default();
        sum.requests += row.sums.requests;
        sum.uncertain += row.sums.uncertain;
        sum.request_bytes = sum.request_bytes.saturating_add(row.sums.request_bytes);
        sum.response_bytes = sum.response_bytes.saturating_add(row.sums.response_bytes);
        sum.service_us = sum.service_us.saturating_add(row.sums.service_us);
    }
    let mut insert = transaction.prepare_cached(&format!(
        "INSERT INTO {table} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET
         requests = requests + excluded.requests, uncertain = uncertain + excluded.uncertain,
         request_bytes = request_bytes + excluded.request_bytes,
         response_bytes = response_bytes + excluded.response_bytes, service_us = service_us + excluded.service_us"
    ))?;
    for ((start, dimension), sum) in sums {
        // SQLite's integers end at 2^63: no sum of bytes comes near.
        let bytes = |bytes: u64| bytes.min(i64::MAX as u64);
        insert.execute(params![
            start,
            dimension,
            sum.requests,
            sum.uncertain,
            bytes(sum.request_bytes),
            bytes(sum.response_bytes),
            bytes(sum.service_us)
        ])?;
    }
    Ok(())
}

fn dimension(
    transaction: &Transaction<'_>,
    known: &mut HashMap<Dimension, i64>,
    row: &WindowRow,
) -> Result<i64, rusqlite::Error> {
    let texts = [&row.consumer, &row.app, &row.key, &row.api, &row.route].map(Arc::clone);
    let status = row.status.unwrap_or(0);
    let name = (texts, row.method.clone(), status, row.outcome.clone());
    if let Some(id) = known.get(&name) {
        return Ok(*id);
    }
    let values = params![
        row.consumer,
        row.app,
        row.key,
        row.api,
        row.route,
        row.method,
        status,
        row.outcome
    ];
    transaction
        .prepare_cached(
            "INSERT INTO dimension (consumer, app, key, api, route, method, status, outcome)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?
        .execute(values)?;
    let id = transaction
        .prepare_cached(
            "SELECT id FROM dimension WHERE consumer = ?1 AND app = ?2 AND key = ?3 AND api = ?4 AND route = ?5
             AND method = ?6 AND status = ?7 AND outcome = ?8",
        )?
        .query_row(values, |row| row.get(0))?;
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(name, id);
    Ok(id)
}

/// Merges the sketches of a batch with those that are there. One that cannot be read any more is begun anew.
fn sketches(transaction: &Transaction<'_>, rows: &Rows) -> Result<(), rusqlite::Error> {
    for row in &rows.latency {
        let key = params![row.start, row.api, row.route];
        let known = known(
            transaction,
            "SELECT sketch FROM latency WHERE start = ?1 AND api = ?2 AND route = ?3",
            key,
        )?;
        let merged = known.and_then(|known| {
            let mut digest = TDigestMut::deserialize(&known).ok()?;
            digest.merge(&TDigestMut::deserialize(&row.sketch).ok()?);
            Some(digest.serialize())
        });
        transaction
            .prepare_cached("INSERT OR REPLACE INTO latency VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                row.start,
                row.api,
                row.route,
                merged.as_ref().unwrap_or(&row.sketch)
            ])?;
    }
    for row in &rows.networks {
        let key = params![row.start, row.consumer, row.key];
        let known = known(
            transaction,
            "SELECT sketch FROM network WHERE start = ?1 AND consumer = ?2 AND key = ?3",
            key,
        )?;
        let merged = known.and_then(|known| {
            let mut union = HllUnion::new(HLL_LG_K).ok()?;
            union.update(&HllSketch::deserialize(&known).ok()?);
            union.update(&HllSketch::deserialize(&row.sketch).ok()?);
            Some(union.to_sketch(HllType::Hll4).serialize())
        });
        transaction
            .prepare_cached("INSERT OR REPLACE INTO network VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                row.start,
                row.consumer,
                row.key,
                merged.as_ref().unwrap_or(&row.sketch)
            ])?;
    }
    Ok(())
}

fn known(
    transaction: &Transaction<'_>,
    query: &str,
    key: &[&dyn rusqlite::ToSql],
) -> Result<Option<Vec<u8>>, rusqlite::Error> {
    transaction
        .prepare_cached(query)?
        .query_row(key, |row| row.get(0))
        .optional()
}

/// Number of the last batch that the ledger took.
pub(super) fn last_batch(ledger: &Connection) -> Result<u64, rusqlite::Error> {
    ledger.query_row("SELECT value FROM meta WHERE name = 'batch'", [], |row| {
        row.get(0)
    })
}
