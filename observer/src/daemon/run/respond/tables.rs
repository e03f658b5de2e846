//! The kernel's tables brought to what the book says, and the programs that look at them put in place and taken off.
//!
//! Tables come first and programs after them, and the other way round at the end, so that no request is judged by half of what was
//! decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use observer_ebpf::abi::guard::{self, Action as Entry, Guarded, Holder, guarded, hit, network};

use super::{Responder, now};
use crate::kernel::{Kernel, KernelError, monotonic_now};
use crate::pipeline::Pipeline;
use crate::response::{Action, Book, NetworkRule, Subject, Verb};

impl Responder {
    /// Whether what was decided has to be carried out first.
    pub fn must_attach(&self, kernel: &Kernel, pipeline: &Pipeline) -> bool {
        let active = pipeline.stops().book.active().next().is_some();
        active && self.lacking.is_none() && !kernel.is_guarding()
    }

    /// Attaches the programs with nothing in their tables: from now on they know whose requests a connection carries. All that was
    /// seen before is to be read before [`Responder::apply`].
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn attach(&mut self, kernel: &mut Kernel, pipeline: &Pipeline) -> Result<(), KernelError> {
        self.hand_out(pipeline)?;
        // Of a process before, which gave consumers other numbers.
        let known = self.stops.spellings();
        for hash in known
            .into_iter()
            .filter(|hash| !self.locations.contains_key(hash))
        {
            self.stops.set_holder(hash, None)?;
        }
        self.stops.forget_connections()?;
        // What a process before left in the table of networks holds on.
        let book = &pipeline.stops().book;
        self.mode = mode_of(book, &book.networks());
        self.stops.set_guard(u64::MAX, self.mode)?;
        let shield = self.shields(pipeline);
        kernel.guard(shield)
    }

    /// Tells the programs whose requests the connections carried that were there before them.
    ///
    /// # Errors
    /// When a map cannot be written.
    pub fn introduce(&mut self, pipeline: &Pipeline) -> Result<(), KernelError> {
        for (flow, id, shared) in pipeline.carried() {
            let consumer = self.spellings.consumer(id).unwrap_or(guard::SOMEBODY);
            let entry = Guarded {
                consumer,
                state: if shared { guarded::SHARED } else { 0 },
                ..Guarded::default()
            };
            let Some(known) = self.stops.set_guarded(&flow, entry, true)? else {
                continue;
            };
            let vague = guard::is_vague(known.consumer) || known.consumer == consumer;
            let entry = Guarded {
                consumer: if vague { consumer } else { known.consumer },
                state: known.state | if shared || !vague { guarded::SHARED } else { 0 },
                ..known
            };
            self.stops.set_guarded(&flow, entry, false)?;
        }
        Ok(())
    }

    /// Tells the programs whose requests those connections carry that they saw only credentials on which nobody knew then.
    fn name(&mut self, begun: &[Action], pipeline: &Pipeline) -> Result<(), KernelError> {
        if begun.is_empty() {
            return Ok(());
        }
        let is_of = |action: &Action, id: &Arc<str>| match &action.subject {
            Subject::Consumer(of) => of == id,
            _ => action.consumer.as_ref() == Some(id),
        };
        for (flow, id) in pipeline.carried_alone() {
            let begun = begun.iter().any(|action| is_of(action, id));
            let Some(consumer) = self.spellings.consumer(id).filter(|_| begun) else {
                continue;
            };
            let Some(known) = self.stops.guarded(&flow) else {
                continue;
            };
            let unsure = guard::is_vague(known.consumer) || known.state & guarded::UNSURE != 0;
            if unsure && known.state & guarded::SHARED == 0 {
                let entry = Guarded {
                    consumer,
                    state: known.state & !guarded::UNSURE,
                    ..known
                };
                self.stops.set_guarded(&flow, entry, false)?;
            }
        }
        Ok(())
    }

    /// Whether packets of networks can be dropped unseen.
    fn shields(&self, pipeline: &Pipeline) -> bool {
        let book = &pipeline.stops().book;
        let blocks = |action: &Action| {
            matches!(action.subject, Subject::Network(_)) && action.verb == Verb::Block
        };
        !book.carries_allowed() && book.active().any(blocks)
    }

    /// Brings the kernel's tables to what the book says, and takes the programs off when nothing is left.
    ///
    /// # Errors
    /// When a map cannot be written, or an interface refuses.
    pub fn apply(
        &mut self,
        kernel: &mut Kernel,
        pipeline: &mut Pipeline,
    ) -> Result<(), KernelError> {
        let begun = self.write_actions(pipeline)?;
        self.write_networks(pipeline)?;
        self.hand_out(pipeline)?;
        self.name(&begun, pipeline)?;
        let until = self.applied.values().map(|(_, entry)| entry.until).max();
        self.stops.set_guard(until.unwrap_or(0), self.mode)?;
        if until.is_none() {
            kernel.unguard();
        } else if self.lacking.is_none() {
            kernel.guard(self.shields(pipeline))?;
        }
        pipeline.stops_mut().guarding = kernel.is_guarding();
        Ok(())
    }

    /// Brings the table of actions to what the book says, and returns those that were not in it.
    fn write_actions(&mut self, pipeline: &Pipeline) -> Result<Vec<Action>, KernelError> {
        let mut begun = Vec::new();
        let (utc, monotonic) = (now(), monotonic_now());
        let mut gone: BTreeSet<u32> = self.applied.keys().copied().collect();
        for action in pipeline.stops().book.active() {
            gone.remove(&action.slot);
            let known = self.applied.get(&action.slot);
            if known.is_some_and(|(id, _)| *id == action.id) {
                continue;
            }
            let entry = entry(
                action,
                monotonic.saturating_add(action.until.saturating_sub(utc)),
            );
            if self.stops.name_at(action.slot) == entry.name {
                // Of a process before: what it hit counts on.
                let kernel = self.stops.hits(action.slot);
                let shared = kernel.get(hit::SHARED).copied().unwrap_or(0);
                let shared = action.hits.shared.saturating_sub(shared);
                self.late.insert(action.slot, (action.hits.late, shared));
            } else {
                self.stops.reset(action.slot)?;
                self.late.remove(&action.slot);
            }
            self.totalled.remove(&action.slot);
            self.limits.forget(action.slot);
            self.stops.set_action(action.slot, Some(entry))?;
            self.applied.insert(action.slot, (action.id.clone(), entry));
            begun.push(action.clone());
        }
        for slot in gone {
            self.stops.set_action(slot, None)?;
            self.applied.remove(&slot);
            self.late.remove(&slot);
            self.limits.forget(slot);
        }
        Ok(begun)
    }

    fn write_networks(&mut self, pipeline: &Pipeline) -> Result<(), KernelError> {
        let book = &pipeline.stops().book;
        let networks = book.networks();
        self.mode = mode_of(book, &networks);
        if self.networks.as_ref() == Some(&networks) {
            return Ok(());
        }
        let mut entries = BTreeMap::new();
        if networks.iter().any(|(_, rule)| *rule == NetworkRule::Allow) {
            let speaks = self.speaks.iter();
            entries.extend(speaks.map(|network| (*network, network::SPEAKS)));
        }
        for (network, rule) in &networks {
            let place = match rule {
                NetworkRule::Allow => network::ALLOW,
                NetworkRule::Slot(slot) => *slot,
            };
            entries.insert(*network, place);
        }
        self.stops.set_networks(&entries)?;
        self.networks = Some(networks);
        Ok(())
    }

    /// Brings the kernel up to date with who holds which spelling.
    pub(super) fn hand_out(&mut self, pipeline: &Pipeline) -> Result<(), KernelError> {
        let changes = self
            .spellings
            .refresh(&pipeline.stops().book, pipeline.registry());
        for (hash, holder) in changes {
            let holder = holder.map(|holder| Holder {
                consumer: holder.consumer,
                action: holder.action,
            });
            if holder.is_some()
                && let Some(field) = self.locations.get(&hash).and_then(|place| field_of(place))
            {
                self.stops.mark(field)?;
            }
            self.stops.set_holder(hash, holder)?;
        }
        Ok(())
    }
}

/// The name of the field that a credential stood in, by its place.
fn field_of(location: &str) -> Option<&str> {
    match location.split_once(':') {
        Some(("header", name)) => Some(name),
        Some(("authorization", _)) => Some("authorization"),
        None if location == "authorization" => Some("authorization"),
        _ => None,
    }
}

/// An action as the kernel's table has it.
fn entry(action: &Action, until: u64) -> Entry {
    let (interval, capacity) = match action.verb {
        Verb::Block => (0, 0),
        Verb::Limit(rate) => {
            let interval = rate.interval_ns().max(1);
            (interval, interval.saturating_mul(u64::from(rate.bucket())))
        }
    };
    Entry {
        until,
        interval,
        capacity,
        name: name_of(action),
    }
}

/// An action's name as the kernel's table has it.
pub(super) fn name_of(action: &Action) -> [u8; guard::NAME] {
    let mut name = [b' '; guard::NAME];
    for (to, from) in name.iter_mut().zip(action.id.as_str().bytes()) {
        *to = from;
    }
    name
}

/// How the programs treat networks: not at all, dropping what comes from those that are shut off, or request by request.
fn mode_of(book: &Book, networks: &[(IpNet, NetworkRule)]) -> u64 {
    let stops = |(_, rule): &(IpNet, NetworkRule)| matches!(rule, NetworkRule::Slot(_));
    match (networks.iter().any(stops), book.carries_allowed()) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    }
}
