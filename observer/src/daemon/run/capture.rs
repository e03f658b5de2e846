//! The thread that observes: rings in, calls out, hints back.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aya_log::EbpfLogger;
use observer_ebpf::abi::Counter;
use rustix::time::{ClockId, clock_gettime};

use super::super::failure::Failure;
use super::super::host::ThisHost;
use super::super::statistics;
use super::Order;
use crate::export::State;
use crate::export::records::RecordSink;
use crate::kernel::{Kernel, KernelError, counters};
use crate::pipeline::Pipeline;
use crate::usage::Call;

/// Events taken from one ring before the others have their turn.
const BATCH: usize = 4096;
/// How long to wait while events come; a batch of them costs one wake-up.
const BUSY: Duration = Duration::from_millis(2);
/// How long to wait at most while none come.
const QUIET: Duration = Duration::from_millis(32);
/// How often counters are gathered, connections expire and the watchdog is told.
const ROUND: Duration = Duration::from_millis(250);

/// Everything that observing needs.
pub struct Capture {
    kernel: Kernel,
    pipeline: Pipeline,
    records: Option<RecordSink>,
    host: ThisHost,
    state: Arc<State>,
    orders: Receiver<Order>,
    lost_requests: u64,
    log: Option<EbpfLogger<&'static dyn log::Log>>,
}

impl Capture {
    /// Prepares to observe.
    ///
    /// # Errors
    /// When the kernel side lacks a map.
    pub fn new(
        mut kernel: Kernel,
        pipeline: Pipeline,
        records: Option<RecordSink>,
        state: Arc<State>,
        orders: Receiver<Order>,
        log: bool,
    ) -> Result<Self, Failure> {
        let clients = kernel
            .take_clients()
            .map_err(|error| Failure::support("starting to observe", error))?;
        if let Err(error) = kernel.watch_sockets() {
            tracing::warn!(
                "requests between processes of this host are counted as from clients: {error}"
            );
        }
        let mut host = ThisHost::new(clients);
        host.set_interfaces(kernel.interfaces());
        for attachment in kernel.attached().values() {
            let (hook, reason) = (attachment.choice.hook.name(), &attachment.choice.reason);
            tracing::info!("{}: ingress by {hook} ({reason})", attachment.name);
        }
        let log = if log { kernel_log(&mut kernel) } else { None };
        Ok(Self {
            kernel,
            pipeline,
            records,
            host,
            state,
            orders,
            lost_requests: 0,
            log,
        })
    }

    /// Observes until told to stop.
    ///
    /// # Errors
    /// When the kernel side cannot be read any more.
    pub fn run(mut self) -> Result<(), KernelError> {
        self.round()?;
        self.state.set_readiness(Ok(()));
        let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
        tracing::info!("observing");
        let mut pause = BUSY;
        let mut next_round = now() + ROUND;
        loop {
            let events = self.drain()?;
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
            pause = if events > 0 {
                BUSY
            } else {
                (pause * 2).min(QUIET)
            };
            self.kernel.wait(pause)?;
        }
        while self.drain()? > 0 {}
        self.round()?;
        if let Some(records) = &mut self.records {
            records.flush();
        }
        tracing::info!("stopped");
        Ok(())
    }

    /// Takes what is in the rings. Returns the number of events.
    fn drain(&mut self) -> Result<usize, KernelError> {
        let Self {
            kernel,
            pipeline,
            records,
            host,
            state,
            ..
        } = self;
        pipeline.set_clock(clock_offset());
        let mut counters = None;
        let mut out = |call: Call| {
            let counters = counters.get_or_insert_with(|| state.counters());
            counters.record(&call, call.end());
            if let Some(records) = records {
                records.write(&call);
            }
        };
        let mut events = 0;
        for ring in kernel.rings() {
            events += ring.drain(BATCH, |event| pipeline.event(event, host, &mut out));
        }
        for (flow, hint) in pipeline.take_hints() {
            kernel.hint(&flow, hint)?;
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
        let Self {
            kernel,
            pipeline,
            records,
            host,
            state,
            ..
        } = self;
        let lost = counters::read(kernel.object(), Counter::LostRequests)?;
        {
            let mut counters = state.counters();
            counters.lost(
                u32::try_from(lost - self.lost_requests).unwrap_or(u32::MAX),
                utc_now(),
            );
            self.lost_requests = lost;
            pipeline.tick(monotonic_now(), host, &mut |call: Call| {
                counters.record(&call, call.end());
                if let Some(records) = records {
                    records.write(&call);
                }
            });
        }
        if let Some(records) = records {
            records.tick(utc_now());
        }
        let mut stats = statistics::of_pipeline(pipeline, records.as_ref());
        statistics::add_kernel(&mut stats, kernel)?;
        state.set_capture(stats);
        Ok(())
    }

    /// Carries out what was ordered. False: stop.
    fn obey(&mut self) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Reload(rules)) => {
                    self.pipeline
                        .reload(rules.attributor, rules.registry, rules.routes);
                }
                Ok(Order::ReopenRecords) => {
                    if let Some(Err(error)) = self.records.as_mut().map(RecordSink::reopen) {
                        tracing::error!("{error}");
                    }
                }
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
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

fn now() -> Instant {
    Instant::now()
}

/// Nanoseconds since 1970, UTC.
pub fn utc_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// Nanoseconds of the clock that `bpf_ktime_get_ns` reads.
fn monotonic_now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64)
        .saturating_mul(1_000_000_000)
        .saturating_add(now.tv_nsec as u64)
}

/// What to add to the monotonic clock for UTC. Asked before every batch: the wall clock may be set.
fn clock_offset() -> i64 {
    (utc_now() as i64).saturating_sub(monotonic_now() as i64)
}
