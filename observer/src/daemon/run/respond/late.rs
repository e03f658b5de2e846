//! Ending what the kernel side could not read: requests that are split or encrypted, or whose credential stands elsewhere than in a
//! field. The application has them already; the connection ends, so that no more come.

use std::collections::BTreeMap;

use observer_ebpf::abi::guard::{self, Action as Entry, Guarded, guarded};

use super::Responder;
use crate::kernel::{Kernel, KernelError, monotonic_now, sockets};
use crate::pipeline::{Caught, Pipeline};
use crate::response::{Subject, Verb};

/// Buckets of limits, for requests that the kernel side does not count.
#[derive(Debug, Default)]
pub struct Limits(BTreeMap<u32, u64>);

impl Limits {
    /// Takes a request from the bucket of an action; false: it is empty.
    fn take(&mut self, slot: u32, entry: &Entry, now: u64) -> bool {
        let arrival = self.0.get(&slot).copied().unwrap_or(0);
        let Some(next) = guard::take(arrival, now, entry) else {
            return false;
        };
        self.0.insert(slot, next);
        true
    }

    /// The slot is another one's.
    pub fn forget(&mut self, slot: u32) {
        self.0.remove(&slot);
    }
}

impl Responder {
    /// Ends the connections of requests that were caught before this batch of events was read: what the kernel side decides, it has
    /// decided by now.
    ///
    /// # Errors
    /// When a map cannot be written.
    pub fn end_late(
        &mut self,
        caught: &[Caught],
        kernel: &Kernel,
        pipeline: &mut Pipeline,
    ) -> Result<(), KernelError> {
        for flow in pipeline.stops_mut().take_shared() {
            let mut entry = self.stops.guarded(&flow).unwrap_or_default();
            if entry.state & guarded::SHARED == 0 && kernel.is_guarding() {
                entry.state |= guarded::SHARED;
                self.stops.set_guarded(&flow, entry, false)?;
            }
        }
        for caught in caught {
            if !self.is_dropped(caught, pipeline) {
                self.end_one(caught)?;
            }
        }
        Ok(())
    }

    /// Whether the programs drop all that the sender sends: what was seen of it went no further.
    fn is_dropped(&self, caught: &Caught, pipeline: &Pipeline) -> bool {
        let action = pipeline.stops().book.at(caught.slot);
        let network = action.and_then(|action| match (&action.subject, action.verb) {
            (Subject::Network(network), Verb::Block) => Some(network),
            _ => None,
        });
        let client = caught.request.client.ip().to_canonical();
        self.mode == 1 && network.is_some_and(|network| network.contains(&client))
    }

    fn end_one(&mut self, caught: &Caught) -> Result<(), KernelError> {
        let Some((_, entry)) = self.applied.get(&caught.slot) else {
            return Ok(());
        };
        let (entry, request) = (*entry, &caught.request);
        if let Some((hash, fingerprint, location)) = &caught.spelling {
            // Its next request is the kernel's to stop.
            self.learn(*hash, *fingerprint, location, super::now() / 1_000_000_000);
        }
        let known = self.stops.guarded(&request.flow);
        let decided = known.filter(|known| known.state & guarded::DECIDED != 0);
        if let (Some(known), Some(offset)) = (decided, request.offset)
            && known.decided.wrapping_sub(offset as u32).cast_signed() >= 0
        {
            return Ok(());
        }
        let found = self.late.entry(caught.slot).or_default();
        if request.shared {
            found.1 += 1;
            return Ok(());
        }
        let now = monotonic_now();
        if entry.until < now || (entry.interval != 0 && self.limits.take(caught.slot, &entry, now))
        {
            return Ok(());
        }
        found.0 += 1;
        let ended = sockets::destroy(request.server, request.client)
            .and_then(|done| Ok(done || sockets::destroy(request.client, request.server)?));
        if let Err(error) = &ended {
            tracing::debug!("ending a connection at its socket: {error}");
        }
        if !ended.unwrap_or(false) {
            // Its ends are elsewhere, as those of containers are: its next packet becomes a reset.
            let entry = Guarded {
                state: guarded::RESET,
                ..known.unwrap_or_default()
            };
            self.stops.set_guarded(&request.flow, entry, false)?;
            self.stops.look_up_until(now)?;
        }
        Ok(())
    }
}
