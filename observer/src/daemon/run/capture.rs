//! The thread that observes: rings in, calls out, hints back.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aya_log::EbpfLogger;
use observer_ebpf::abi::{Counter, shed};
use rustix::time::{ClockId, clock_gettime};

use super::super::failure::Failure;
use super::super::host::ThisHost;
use super::super::statistics;
use super::Order;
use super::books::Books;
use super::load::Load;
use super::obey::tell;
use super::respond::Responder;
use super::secrets::{material, say};
use super::taps::Taps;
use super::watch::Watch;
use crate::export::State;
use crate::export::records::RecordSink;
use crate::kernel::owners::Owners;
use crate::kernel::{self, Kernel, KernelError, counters, monotonic_now};
use crate::pipeline::{Caught, Pipeline};
use crate::usage::Call;

/// Events taken from one ring before the others have their turn.
const BATCH: usize = 4096;
/// How long to wait while events come; a batch of them costs one wake-up.
const BUSY: Duration = Duration::from_millis(2);
/// How long to wait at most while none come.
const QUIET: Duration = Duration::from_millis(32);
/// How often counters are gathered, connections expire and the watchdog is told.
const ROUND: Duration = Duration::from_millis(250);

/// After the last loss, how long a connection must not have been heard of for its end to be asked for. Nanoseconds.
const UNHEARD: u64 = 2_000_000_000;

/// Everything that observing needs.
pub struct Capture {
    pub(super) kernel: Kernel,
    pub(super) pipeline: Pipeline,
    pub(super) records: Option<RecordSink>,
    host: ThisHost,
    owners: Owners,
    pub(super) state: Arc<State>,
    pub(super) orders: Receiver<Order>,
    pub(super) books: Books,
    base: statistics::Base,
    load: Load,
    pub(super) watch: Watch,
    pub(super) responder: Responder,
    pub(super) taps: Taps,
    /// Requests that were caught in the last batch of events.
    caught: Vec<Caught>,
    /// What the kernel side was told to leave out.
    shed: (bool, u64),
    /// Missing bytes and opaque connections that the books have.
    noted: (u64, u64),
    /// When connections are to be ended whose end may have been lost. Nanoseconds, monotonic.
    unheard_at: Option<u64>,
    log: Option<EbpfLogger<&'static dyn log::Log>>,
}

impl Capture {
    /// Prepares to observe.
    ///
    /// # Errors
    /// When the kernel side lacks a map.
    #[expect(clippy::too_many_arguments, reason = "everything that observing needs")]
    pub fn new(
        mut kernel: Kernel,
        pipeline: Pipeline,
        records: Option<RecordSink>,
        state: Arc<State>,
        orders: Receiver<Order>,
        mut books: Books,
        load: Load,
        watch: Watch,
        responder: Responder,
    ) -> Result<Self, Failure> {
        let clients = kernel
            .take_clients()
            .map_err(|error| Failure::support("starting to observe", error))?;
        if let Err(error) = kernel.watch_sockets() {
            tracing::warn!(
                "requests between processes of this host are counted as from clients: {error}"
            );
        }
        if kernel.delivers_tls() {
            match kernel.watch_keys() {
                Ok(()) => kernel.key_targets().iter().for_each(say),
                Err(error) => tracing::warn!("TLS is opaque: {error}"),
            }
        }
        let flows = kernel
            .take_flows()
            .map_err(|error| Failure::support("starting to observe", error))?;
        let mut host = ThisHost::new(clients, flows);
        host.set_interfaces(kernel.interfaces());
        for attachment in kernel.attached().values() {
            let (hook, reason) = (attachment.choice.hook.name(), &attachment.choice.reason);
            tracing::info!("{}: ingress by {hook} ({reason})", attachment.name);
        }
        for name in kernel.absent() {
            tracing::warn!("{name}: there is no such interface; it is observed once there is");
        }
        let now = counters::all(kernel.object())
            .map_err(|error| Failure::support("starting to observe", error))?;
        // What was lost while no daemon ran counts from now on.
        let known = books.counters();
        if known.len() != now.len() {
            *known = now;
        }
        let owners =
            Owners::start().map_err(|error| Failure::support("starting to observe", error))?;
        let base = statistics::Base::new(known.clone(), &kernel)
            .map_err(|error| Failure::support("starting to observe", error))?;
        Ok(Self {
            kernel,
            pipeline,
            records,
            host,
            owners,
            state,
            orders,
            base,
            books,
            load,
            watch,
            responder,
            taps: Taps::default(),
            caught: Vec::new(),
            shed: (false, 0),
            noted: (0, 0),
            unheard_at: None,
            log: None,
        })
    }

    /// Shows what the kernel programs log.
    pub fn show_kernel_log(&mut self) {
        self.log = kernel_log(&mut self.kernel);
    }

    /// Observes until told to stop.
    ///
    /// # Errors
    /// When the kernel side cannot be read any more.
    pub fn run(mut self) -> Result<(), KernelError> {
        tell(self.respond());
        self.round()?;
        // Where the file of records is cut back to if this process is killed at once.
        self.commit(false);
        let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
        tracing::info!("observing");
        let mut pause = BUSY;
        let mut next_round = now() + ROUND;
        loop {
            self.kernel.follow_keys().iter().for_each(say);
            // What was caught before: by now the kernel side has decided what it can.
            let caught = std::mem::take(&mut self.caught);
            let ended = self
                .responder
                .end_late(&caught, &self.kernel, &mut self.pipeline);
            tell(ended);
            let events = self.drain()?;
            self.caught = self.pipeline.stops_mut().take_caught();
            let records = self.records.as_ref();
            if self.books.is_due(self.kernel.rings(), records) {
                self.commit(false);
            }
            self.keep_the_limit()?;
            if now() >= next_round {
                next_round = now() + ROUND;
                self.round()?;
            }
            if !self.obey() {
                break;
            }
            if events >= BATCH {
                continue;
            }
            pause = if events > 0 || self.responder.is_active() {
                BUSY
            } else {
                (pause * 2).min(QUIET)
            };
            self.kernel.wait(pause)?;
        }
        self.watch.save(self.books.parts().0);
        let stopped = self.responder.stop(&mut self.kernel, &mut self.pipeline);
        tell(stopped);
        self.flush()?;
        self.books.finish();
        tracing::info!("stopped");
        Ok(())
    }

    /// Pauses when more CPU time was used than is allowed, and sheds load while that is not enough.
    fn keep_the_limit(&mut self) -> Result<(), KernelError> {
        let filling = self
            .kernel
            .rings()
            .iter()
            .any(|ring| ring.unread() > ring.size() / 4);
        // What people read from the ledger is theirs.
        let used = clock(ClockId::ProcessCPUTime).saturating_sub(self.state.aside());
        if let Some(pause) = self.load.pause(clock(ClockId::Monotonic), used, filling) {
            thread::sleep(pause);
        }
        let shed = self.load.shed();
        if shed != self.shed {
            self.shed = shed;
            self.kernel.shed(shed.0, shed.1)?;
        }
        Ok(())
    }

    /// Makes what was read safe; with `seal`, hands it to the ledger. Returns the number of the last batch handed over.
    fn commit(&mut self, seal: bool) -> u64 {
        let (rings, records) = (self.kernel.rings(), self.records.as_mut());
        let batch = self
            .books
            .commit(rings, &self.pipeline, records, seal, utc_now());
        // Before it, a restart would have to read these connections to their end again.
        if let Some(secrets) = self.kernel.secrets() {
            self.pipeline
                .take_ended()
                .for_each(|name| secrets.end(name));
        }
        batch
    }

    /// Takes what is in the rings. Returns the number of events.
    fn drain(&mut self) -> Result<usize, KernelError> {
        let Self {
            kernel,
            pipeline,
            records,
            host,
            state,
            books,
            watch,
            responder,
            taps,
            ..
        } = self;
        pipeline.set_clock(clock_offset());
        let (batch, resuming) = books.parts();
        let mut counters = None;
        let mut out = |call: Call| {
            let counters = counters.get_or_insert_with(|| state.counters());
            counters.record(&call, call.end());
            batch.add(&call);
            watch.observe(&call);
            responder.observe(&call);
            taps.offer(&call);
            if let Some(records) = records {
                records.write(&call);
            }
        };
        // The secrets of every connection whose end stands before these places were taken before them.
        let ends: Vec<u64> = kernel.rings().iter().map(|ring| ring.end()).collect();
        if let Some(secrets) = kernel.secrets() {
            let now = monotonic_now();
            secrets.drain(|name, secret| {
                if let Some(material) = material(name, secret) {
                    pipeline.learn(material, now, host, &mut out);
                }
            });
        }
        let mut events = 0;
        for ((index, ring), end) in kernel.rings().iter_mut().enumerate().zip(ends) {
            events += ring.drain(BATCH, end, |at, event| {
                if resuming.counts(index, at, event) {
                    pipeline.event(event, at, host, &mut out);
                }
            });
        }
        for (flow, hint) in pipeline.take_hints() {
            kernel.hint(&flow, hint)?;
        }
        for handshake in pipeline.take_handshakes() {
            watch.observe_handshake(&handshake);
        }
        Ok(events)
    }

    /// What is done a few times a second.
    fn round(&mut self) -> Result<(), KernelError> {
        let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Watchdog]);
        if let Some(log) = &mut self.log {
            log.flush();
        }
        if self.kernel.links_changed() {
            for name in self.kernel.attach_changed()? {
                tracing::info!("{name}: observed from now on");
            }
            for (name, reason) in self.kernel.take_new_refusals() {
                tracing::warn!("{name} is not observed: {reason}");
            }
            self.host.set_interfaces(self.kernel.interfaces());
        }
        self.kernel.renew(kernel::LEASE)?;
        let Self {
            kernel,
            pipeline,
            records,
            host,
            state,
            books,
            watch,
            responder,
            taps,
            ..
        } = self;
        let (now, utc) = (monotonic_now(), utc_now());
        let counted = counters::all(kernel.object())?;
        let lost = std::mem::replace(books.counters(), counted.clone());
        let since = |counter: Counter| {
            let value = |counters: &[u64]| counters.get(counter as usize).copied().unwrap_or(0);
            value(&counted).saturating_sub(value(&lost))
        };
        {
            let mut counters = state.counters();
            let requests = since(Counter::LostRequests);
            let shed = since(Counter::ShedRequests);
            counters.lost(u32::try_from(requests + shed).unwrap_or(u32::MAX), utc);
            let (batch, _) = books.parts();
            let mut out = |call: Call| {
                counters.record(&call, call.end());
                batch.add(&call);
                watch.observe(&call);
                responder.observe(&call);
                taps.offer(&call);
                if let Some(records) = records {
                    records.write(&call);
                }
            };
            pipeline.tick(now, host, &mut out);
            if since(Counter::RingFull) > 0 {
                self.unheard_at = Some(now + UNHEARD);
            }
            if self.unheard_at.is_some_and(|at| now >= at) {
                self.unheard_at = None;
                pipeline.end_unheard(now - UNHEARD, host, &mut out);
            }
            let second = utc / 1_000_000_000;
            batch.miss(second, "ring_full", requests);
            batch.miss(second, "shed", shed);
            for (counter, reason) in Counter::LOSSES {
                // Of these two, the exchanges count.
                if !matches!(counter, Counter::RingFull | Counter::ShedSegments) {
                    batch.miss(second, reason, since(counter));
                }
            }
            let counts = pipeline.counts();
            let opaque = counts.opaque.values().sum();
            batch.miss(second, "missing_bytes", counts.missing_bytes - self.noted.0);
            batch.miss(second, "opaque_connections", opaque - self.noted.1);
            self.noted = (counts.missing_bytes, opaque);
            let completeness = counters.completeness(utc);
            drop(counters);
            watch.round(utc, completeness, batch, state);
            tell(responder.round(kernel, pipeline, batch, watch.notifier()));
            taps.round();
            if responder.take_changed() || state.is_looked_at() {
                responder.show(pipeline, state);
            }
        }
        if let Some(records) = records {
            records.tick(utc);
        }
        let mut stats = statistics::of_pipeline(pipeline, records.as_ref());
        let own = stats.opaque_connections.iter_mut();
        for opaque in own.filter(|opaque| opaque.own) {
            opaque.process = self.owners.name(opaque.port);
        }
        statistics::add_kernel(&mut stats, kernel, &self.base)?;
        let ledger = books.status();
        stats
            .dropped
            .push(("ledger", "window_bound", books.parts().0.folded()));
        stats.dropped.extend(watch.dropped());
        stats.dropped.extend(responder.dropped(pipeline));
        stats.responses = responder.totals();
        state.set_readiness(match &ledger.trouble {
            None if kernel.attached().is_empty() => {
                Err("no interface is observed: none of those that are to be is there".to_owned())
            }
            None => Ok(()),
            Some(trouble) => Err(format!(
                "observing goes on, but the ledger cannot be written: {trouble}"
            )),
        });
        stats.shedding = vec![
            ("payload", if self.shed.0 { 1.0 } else { 0.0 }),
            ("connections", self.shed.1 as f64 / shed::ALL as f64),
        ];
        stats.ledger = statistics::of_ledger(&ledger, books.waiting());
        state.set_capture(stats);
        let told = self.watch.take_told();
        if self.responder.consider(&told, &mut self.pipeline) {
            tell(self.respond());
        }
        Ok(())
    }

    /// Places after all that stands in the rings.
    pub(super) fn ends(&mut self) -> Vec<u64> {
        let rings = self.kernel.rings().iter();
        rings.map(|ring| ring.position() + ring.unread()).collect()
    }

    /// Reads up to these places. Not what comes meanwhile: under load that has no end.
    pub(super) fn drain_until(&mut self, ends: &[u64]) -> Result<(), KernelError> {
        while self.drain()? > 0
            && ends
                .iter()
                .zip(self.kernel.rings().iter())
                .any(|(end, ring)| ring.position() < *end)
        {}
        Ok(())
    }

    /// Reads what there is and hands it to the ledger. Returns the number of the batch that holds it.
    pub(super) fn flush(&mut self) -> Result<u64, KernelError> {
        let ends = self.ends();
        self.drain_until(&ends)?;
        self.round()?;
        Ok(self.commit(true))
    }
}

/// Where the kernel programs' log goes on.
fn kernel_log(kernel: &mut Kernel) -> Option<EbpfLogger<&'static dyn log::Log>> {
    match EbpfLogger::init(kernel.object()) {
        Ok(log) => Some(log),
        Err(error) => {
            tracing::warn!("the kernel programs' log cannot be shown: {error}");
            None
        }
    }
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds since 1970, UTC.
pub fn utc_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// What to add to the monotonic clock for UTC. Asked before every batch: the wall clock may be set.
fn clock_offset() -> i64 {
    (utc_now() as i64).saturating_sub(monotonic_now() as i64)
}
