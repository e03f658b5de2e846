//! The writer: a thread of its own, so that a slow disk never holds up the observation.
//!
//! Invariant: batches are taken in their order, each in one transaction with its number. What cannot be written waits, and is
//! tried again until it can.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use super::{Retention, StoreError, batch, schema, sweep};
use crate::usage::batch::Rows;

/// How long after a failure the next attempt is made.
const RETRY: Duration = Duration::from_secs(1);
/// How often old windows are deleted.
const SWEEP: Duration = Duration::from_secs(600);

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
            lock(&status).batch = batch::last_batch(ledger).unwrap_or(0);
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
    dimensions: HashMap<batch::Dimension, i64>,
    swept: Option<Instant>,
}

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
        batch::write(ledger, dimensions, number, rows, seconds_now()).map_err(|source| {
            StoreError::Database {
                path: path.clone(),
                source,
            }
        })
    }

    fn sweep_if_due(&mut self) {
        let due = self.swept.is_none_or(|swept| swept.elapsed() >= SWEEP);
        let Some(ledger) = self.ledger.as_mut().filter(|_| due) else {
            return;
        };
        self.swept = Some(Instant::now());
        match sweep::sweep(ledger, &self.retention, seconds_now()) {
            Ok(early) => lock(&self.status).deleted_early += early,
            Err(error) => tracing::warn!("ledger: deleting old windows: {error}"),
        }
    }
}

fn lock(status: &Mutex<Status>) -> std::sync::MutexGuard<'_, Status> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
