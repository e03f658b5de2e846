//! The writer: a thread of its own, so that a slow disk never holds up the observation.
//!
//! Invariant: batches are taken in their order, each in one transaction with its number. What cannot be written waits, and is
//! tried again until it can.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use datasketches::hll::{HllSketch, HllType, HllUnion};
use datasketches::tdigest::TDigestMut;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Retention, StoreError, schema};
use crate::usage::batch::{Rows, Sums, WindowRow};

/// How long after a failure the next attempt is made.
const RETRY: Duration = Duration::from_secs(1);
/// How often old windows are deleted.
const SWEEP: Duration = Duration::from_secs(600);
/// Rows deleted in one transaction, so that no batch waits long behind it.
const SWEEP_ROWS: u32 = 20_000;
/// Dimensions whose numbers are remembered.
const REMEMBERED: usize = 100_000;
/// Registers of a union of network sketches as a power of two.
const HLL_LG_K: u8 = 10;

const STEPS: [(&str, u64); 3] = [("minute", 60), ("quarter", 900), ("day", 86_400)];

/// How the ledger is doing.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Why nothing can be written at the moment.
    pub trouble: Option<String>,
    /// Number of the last batch that was taken.
    pub batch: u64,
    /// When the last batch of an earlier process was taken, seconds since 1970 in UTC.
    pub seen: Option<u64>,
    /// Batches taken by this process.
    pub written: u64,
    /// Attempts that failed.
    pub errors: u64,
    /// Nanoseconds that writing took.
    pub nanoseconds: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Rows that went before their time because the file was full.
    pub deleted_early: u64,
}

/// The writer's end that batches are handed to.
#[derive(Debug)]
pub struct Writer {
    orders: Option<Sender<(u64, Arc<Rows>)>>,
    status: Arc<Mutex<Status>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. `ledger`: opened already, where it could be.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        path: &Path,
        ledger: Option<Connection>,
        retention: Retention,
    ) -> std::io::Result<Self> {
        let (orders, received) = channel();
        let status = Arc::new(Mutex::new(Status::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let mut task = Task {
            path: path.to_owned(),
            ledger,
            retention,
            status: Arc::clone(&status),
            stop: Arc::clone(&stop),
            id: None,
            dimensions: HashMap::new(),
            swept: None,
        };
        if let Some(ledger) = &task.ledger {
            lock(&status).batch = last_batch(ledger).unwrap_or(0);
            lock(&status).seen = ledger
                .query_row("SELECT value FROM meta WHERE name = 'seen'", [], |row| {
                    row.get(0)
                })
                .ok();
            task.id = schema::id(ledger).ok();
        }
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || task.run(&received))?;
        Ok(Self {
            orders: Some(orders),
            status,
            stop,
            thread: Some(thread),
        })
    }

    /// Hands a batch over. It counts as written once [`Status::batch`] has reached its number.
    pub fn write(&self, number: u64, rows: Arc<Rows>) {
        if let Some(orders) = &self.orders {
            // The thread only ends with this value.
            let _ = orders.send((number, rows));
        }
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    /// As [`Self::status`], for somebody else.
    pub fn watch(&self) -> impl Fn() -> Status + Clone + Send + Sync + use<> {
        let status = Arc::clone(&self.status);
        move || lock(&status).clone()
    }

    /// Waits until everything that was handed over is written, or until writing fails.
    pub fn finish(mut self) {
        self.orders = None;
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Task {
    path: PathBuf,
    ledger: Option<Connection>,
    retention: Retention,
    status: Arc<Mutex<Status>>,
    stop: Arc<AtomicBool>,
    /// What a new file takes over from a damaged one, so that what is pinned stays ours.
    id: Option<String>,
    dimensions: HashMap<Dimension, i64>,
    swept: Option<Instant>,
}

/// A row of the table of that name: texts, method, status, outcome.
type Dimension = ([Arc<str>; 5], Cow<'static, str>, u16, Cow<'static, str>);

impl Task {
    fn run(&mut self, orders: &Receiver<(u64, Arc<Rows>)>) {
        loop {
            match orders.recv_timeout(SWEEP) {
                Ok((number, rows)) => {
                    while !self.attempt(number, &rows) {
                        // Whoever stops now leaves it to the next start: it stands in the journal.
                        if self.stop.load(Ordering::Relaxed) {
                            return;
                        }
                        thread::sleep(RETRY);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.sweep_if_due();
        }
    }

    /// Takes one batch. False when it has to be tried again.
    fn attempt(&mut self, number: u64, rows: &Rows) -> bool {
        let begun = Instant::now();
        match self.take(number, rows) {
            Ok(bytes) => {
                let mut status = lock(&self.status);
                if status.trouble.take().is_some() {
                    tracing::info!("{}: written to again", self.path.display());
                }
                status.batch = number;
                status.written += 1;
                status.bytes = bytes;
                status.nanoseconds += begun.elapsed().as_nanos() as u64;
                true
            }
            Err(error) => {
                self.dimensions.clear();
                if error.is_corruption() {
                    self.replace(&error);
                }
                let mut status = lock(&self.status);
                status.errors += 1;
                if status.trouble.is_none() {
                    tracing::error!(
                        "ledger: {error}; usage is kept in memory until it can be written"
                    );
                }
                status.trouble = Some(error.to_string());
                false
            }
        }
    }

    /// Sets a damaged file aside; the next attempt makes a new one.
    fn replace(&mut self, error: &StoreError) {
        self.ledger = None;
        match schema::set_aside(&self.path) {
            Ok(aside) => tracing::error!(
                "ledger: {error}; set aside as {}, a new one is begun",
                aside.display()
            ),
            Err(error) => tracing::error!("ledger: cannot be set aside: {error}"),
        }
    }

    fn take(&mut self, number: u64, rows: &Rows) -> Result<u64, StoreError> {
        if self.ledger.is_none() {
            self.ledger = Some(schema::open(&self.path, self.id.as_deref())?);
        }
        let Self {
            ledger: Some(ledger),
            dimensions,
            path,
            ..
        } = self
        else {
            return Ok(0);
        };
        write(ledger, dimensions, number, rows).map_err(|source| StoreError::Database {
            path: path.clone(),
            source,
        })
    }

    fn sweep_if_due(&mut self) {
        let due = self.swept.is_none_or(|swept| swept.elapsed() >= SWEEP);
        let Some(ledger) = self.ledger.as_mut().filter(|_| due) else {
            return;
        };
        self.swept = Some(Instant::now());
        match sweep(ledger, &self.retention, seconds_now()) {
            Ok(early) => lock(&self.status).deleted_early += early,
            Err(error) => tracing::warn!("ledger: deleting old windows: {error}"),
        }
    }
}

/// Writes one batch and its number; one that was taken before changes nothing. Returns the bytes of the file.
fn write(
    ledger: &mut Connection,
    dimensions: &mut HashMap<Dimension, i64>,
    number: u64,
    rows: &Rows,
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
        transaction.execute(
            "INSERT OR REPLACE INTO meta VALUES ('seen', ?1)",
            params![seconds_now()],
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

/// Deletes what is older than it is kept, and the oldest where the file is larger than it may be. Returns how many rows went
/// early.
fn sweep(ledger: &mut Connection, retention: &Retention, now: u64) -> Result<u64, rusqlite::Error> {
    let kept = [retention.minutes, retention.quarters, retention.days];
    for ((table, step), kept) in STEPS.into_iter().zip(kept) {
        let before = now.saturating_sub(kept);
        delete(ledger, table, before)?;
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
    let mut early = 0;
    for (table, _) in STEPS {
        while used_bytes(ledger)? > retention.max_bytes {
            let gone = ledger.execute(
                &format!(
                    "DELETE FROM {table} WHERE (start, dimension) IN
                     (SELECT start, dimension FROM {table} ORDER BY start LIMIT {SWEEP_ROWS})"
                ),
                [],
            )?;
            if gone == 0 {
                break;
            }
            early += gone as u64;
        }
    }
    ledger.execute_batch("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(PASSIVE)")?;
    Ok(early)
}

fn delete(ledger: &Connection, table: &str, before: u64) -> Result<(), rusqlite::Error> {
    let query = format!(
        "DELETE FROM {table} WHERE (start, dimension) IN
         (SELECT start, dimension FROM {table} WHERE start < ?1 LIMIT {SWEEP_ROWS})"
    );
    while ledger.execute(&query, params![before])? == SWEEP_ROWS as usize {}
    Ok(())
}

/// Bytes of the pages that hold something.
fn used_bytes(ledger: &Connection) -> Result<u64, rusqlite::Error> {
    let number = |pragma| ledger.pragma_query_value(None, pragma, |row| row.get::<_, u64>(0));
    Ok((number("page_count")? - number("freelist_count")?) * number("page_size")?)
}

fn last_batch(ledger: &Connection) -> Result<u64, rusqlite::Error> {
    ledger.query_row("SELECT value FROM meta WHERE name = 'batch'", [], |row| {
        row.get(0)
    })
}

fn lock(status: &Mutex<Status>) -> std::sync::MutexGuard<'_, Status> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
