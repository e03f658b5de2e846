//! What leaves the daemon: metrics, records and the listener's pages, all from the same counters.
//!
//! Readers take a snapshot under a short lock and format it outside, so that a slow reader holds nothing up.

pub mod metrics;
pub mod notify;
pub mod ocsf;
pub mod records;
pub mod web;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use std::sync::Arc;

use crate::awareness::View;
use crate::usage::{CaptureStats, Counters, Snapshot};

/// What the pipeline writes and the exporters read.
pub struct State {
    counters: Mutex<Counters>,
    capture: Mutex<CaptureStats>,
    awareness: Mutex<Arc<View>>,
    readiness: Mutex<Result<(), String>>,
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
            readiness: Mutex::new(Err("starting".to_owned())),
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

    /// Says whether traffic is being observed, or why not.
    pub fn set_readiness(&self, readiness: Result<(), String>) {
        *lock(&self.readiness) = readiness;
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

    fn readiness(&self) -> Result<(), String> {
        lock(&self.readiness).clone()
    }
}

/// A value behind a lock is whole even when a holder panicked: counters are only ever added to.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
