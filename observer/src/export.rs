//! What leaves the daemon: metrics, records and the listener's pages, all from the same counters.
//!
//! Readers take a snapshot under a short lock and format it outside, so that a slow reader holds nothing up.

pub mod history;
pub mod live;
pub mod metrics;
pub mod notify;
pub mod ocsf;
pub mod plain;
pub mod records;
pub mod reports;
pub mod statement;
pub mod web;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::awareness::View;
use crate::response::Action;
use crate::usage::reconcile::Class;
use crate::usage::{CaptureStats, Counters, Snapshot};

/// Names of logs that the wire was held against.
const RECONCILIATIONS: usize = 16;

/// How long after somebody looked they may look again: the longest interval of `observer top`, and some more. Nanoseconds.
const LOOKING: u64 = 70_000_000_000;

/// What came of holding the wire against a log.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Reconciliation {
    /// The log's name.
    pub log: String,
    /// Nanoseconds since 1970 in UTC.
    pub time: u64,
    /// Requests of each class, in the order of [`Class::ALL`].
    pub counts: [u64; Class::ALL.len()],
}

/// What the pipeline writes and the exporters read.
pub struct State {
    counters: Mutex<Counters>,
    capture: Mutex<CaptureStats>,
    awareness: Mutex<Arc<View>>,
    actions: Mutex<Arc<[Action]>>,
    /// When somebody looked last.
    looked: AtomicU64,
    /// CPU time that reading the ledger took. Nanoseconds.
    aside: AtomicU64,
    readiness: Mutex<Result<(), String>>,
    reconciliations: Mutex<BTreeMap<String, Reconciliation>>,
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl State {
    /// Not ready yet. `clock` gives the time that trailing windows end at, in nanoseconds since 1970 in UTC: the
    /// wall clock, or for a replay the time of the newest segment.
    pub fn new(counters: Counters, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self {
            counters: Mutex::new(counters),
            capture: Mutex::new(CaptureStats::default()),
            awareness: Mutex::default(),
            actions: Mutex::default(),
            looked: AtomicU64::new(0),
            aside: AtomicU64::new(0),
            readiness: Mutex::new(Err("starting".to_owned())),
            reconciliations: Mutex::default(),
            clock: Box::new(clock),
        }
    }

    /// The counters, for as long as it takes to record a batch.
    pub fn counters(&self) -> MutexGuard<'_, Counters> {
        lock(&self.counters)
    }

    /// Replaces the numbers that the capture and the pipeline count.
    pub fn set_capture(&self, stats: CaptureStats) {
        *lock(&self.capture) = stats;
    }

    /// Replaces what awareness shows.
    pub fn set_awareness(&self, view: View) {
        *lock(&self.awareness) = Arc::new(view);
    }

    /// Replaces what is in force or proposed.
    pub fn set_actions(&self, actions: Arc<[Action]>) {
        *lock(&self.actions) = actions;
    }

    /// CPU time was spent that is no part of observing.
    fn set_aside(&self, spent: Duration) {
        let nanoseconds = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        self.aside.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// How much of the process's CPU time is no part of observing.
    pub fn aside(&self) -> Duration {
        Duration::from_nanos(self.aside.load(Ordering::Relaxed))
    }

    /// Whether somebody looks: what is shown only to them has to be set.
    pub fn is_looked_at(&self) -> bool {
        let looked = self.looked.load(Ordering::Relaxed);
        looked > 0 && (self.clock)().saturating_sub(looked) < LOOKING
    }

    /// Whether somebody looks who has not been shown everything yet.
    pub fn is_waited_for(&self) -> bool {
        self.is_looked_at() && self.awareness().places.is_none()
    }

    /// Somebody looks. Returns the time.
    fn look(&self) -> u64 {
        let now = (self.clock)();
        self.looked.store(now, Ordering::Relaxed);
        now
    }

    /// Says whether traffic is being observed, or why not.
    pub fn set_readiness(&self, readiness: Result<(), String>) {
        *lock(&self.readiness) = readiness;
    }

    /// Takes what came of holding the wire against a log, under a name. False: there are too many names.
    pub fn set_reconciliation(&self, name: String, counts: [u64; Class::ALL.len()]) -> bool {
        let mut all = lock(&self.reconciliations);
        if all.len() >= RECONCILIATIONS && !all.contains_key(&name) {
            return false;
        }
        let time = (self.clock)();
        let log = name.clone();
        all.insert(name, Reconciliation { log, time, counts });
        true
    }

    /// What came of holding the wire against logs, by their names.
    pub fn reconciliations(&self) -> BTreeMap<String, Reconciliation> {
        lock(&self.reconciliations).clone()
    }

    fn snapshot(&self) -> Snapshot {
        let now = (self.clock)();
        self.counters().snapshot(now)
    }

    fn capture(&self) -> CaptureStats {
        lock(&self.capture).clone()
    }

    fn awareness(&self) -> Arc<View> {
        lock(&self.awareness).clone()
    }

    fn actions(&self) -> Arc<[Action]> {
        lock(&self.actions).clone()
    }

    fn readiness(&self) -> Result<(), String> {
        lock(&self.readiness).clone()
    }
}

/// A value behind a lock is whole even when a holder panicked: counters are only ever added to.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
