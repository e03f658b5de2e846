//! Response in the running daemon: what was decided is brought into the kernel, what the kernel could not stop is ended here, and
//! all of it is told.
//!
//! The book decides and stands in the pipeline, where requests are read. Here it is carried out: entries in the kernel's tables first,
//! then the programs that look at them, and the other way round when it is over.

mod answers;
mod late;
mod orders;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ipnet::IpNet;
use observer_ebpf::abi::guard::{self, Action as Entry, Guarded, Holder, guarded, hit, network};

use crate::daemon::config::{Config, OnStop};
use crate::identity::{Fingerprint, Fingerprinter, Registry};
use crate::kernel::guard::Stops;
use crate::kernel::{Kernel, KernelError, monotonic_now};
use crate::pipeline::{Carrier, Pipeline};
use crate::response::{
    Action, ActionId, Book, Change, Hits, NetworkRule, Recent, Row, Settings, Spellings, State,
    Subject, Verb,
};
use crate::usage::batch::{ActionRow, Batch, EventRow, SpellingRow};
use crate::usage::{Call, Responses};

pub use orders::Asked;

/// What was decided, carried out.
pub struct Responder {
    /// The kernel's tables; and why nothing can be stopped there, if it cannot.
    stops: Stops,
    lacking: Option<String>,
    spellings: Spellings,
    /// Where credentials stood, by spelling.
    locations: HashMap<u64, Arc<str>>,
    recent: Recent,
    settings: Settings,
    /// Who speaks for others: of what they send, only userspace knows whose it is.
    speaks: Vec<IpNet>,
    on_stop: OnStop,
    /// What stands in the kernel's tables, by slot.
    applied: BTreeMap<u32, (ActionId, Entry)>,
    networks: Vec<(IpNet, NetworkRule)>,
    /// How the programs treat networks, as last said.
    mode: u64,
    /// Found here, by slot: requests that had reached the application, and those on shared connections.
    late: BTreeMap<u32, (u64, u64)>,
    limits: late::Limits,
    /// Of each action, how it was written to the ledger last.
    saved: HashMap<ActionId, Action>,
    totals: Responses,
    /// What was stopped by each action when that was added to the totals.
    totalled: BTreeMap<u32, (ActionId, u64)>,
}

/// What the ledger had.
#[derive(Debug, Default)]
pub struct Kept {
    /// Actions in force or proposed, as JSON.
    pub actions: Vec<String>,
    /// Spellings of credentials.
    pub spellings: Vec<SpellingRow>,
}

impl Responder {
    /// Goes on from what was kept. The programs are loaded, and attached where something is in force.
    ///
    /// # Errors
    /// When the kernel side lacks a map.
    pub fn new(
        kernel: &mut Kernel,
        pipeline: &mut Pipeline,
        kept: Kept,
        config: &Config,
        fingerprinter: &Fingerprinter,
    ) -> Result<Self, KernelError> {
        let stops = kernel.take_stops()?;
        let lacking = kernel.load_guard().err().map(|error| error.to_string());
        if let Some(why) = &lacking {
            tracing::warn!("requests cannot be refused in the kernel: {why}");
        }
        let mut responder = Self {
            stops,
            lacking,
            spellings: Spellings::default(),
            locations: HashMap::new(),
            recent: Recent::default(),
            settings: Settings::default(),
            speaks: Vec::new(),
            on_stop: OnStop::default(),
            applied: BTreeMap::new(),
            networks: Vec::new(),
            mode: 0,
            late: BTreeMap::new(),
            limits: late::Limits::default(),
            saved: HashMap::new(),
            totals: Responses::default(),
            totalled: BTreeMap::new(),
        };
        responder.configure(config, kernel.own_addresses());
        answers::write(&mut responder.stops, config.response.refuse)?;
        responder.restore(kept, pipeline);
        responder.registered(pipeline, fingerprinter);
        Ok(responder)
    }

    /// Takes settings over; [`Responder::registered`] is to follow.
    pub fn configure(&mut self, config: &Config, own: Vec<std::net::IpAddr>) {
        self.settings = config.response.settings(own);
        let speaks = config.http.trusted_proxies.iter();
        let speaks = speaks.chain(&config.identity.gateways);
        self.speaks = speaks.map(|network| network.0).collect();
        self.on_stop = config.response.on_stop;
    }

    fn restore(&mut self, kept: Kept, pipeline: &mut Pipeline) {
        let mut rows = Vec::with_capacity(kept.spellings.len());
        for row in kept.spellings {
            let Ok(fingerprint) = row.fingerprint.parse::<Fingerprint>() else {
                continue;
            };
            self.locations
                .insert(row.hash, Arc::from(row.location.as_str()));
            rows.push(Row {
                hash: row.hash,
                fingerprint,
                seconds: row.seen,
            });
        }
        self.spellings.restore(rows);
        let actions = kept.actions.iter();
        let actions: Vec<Action> = actions
            .filter_map(|body| serde_json::from_str(body).ok())
            .collect();
        self.saved = actions
            .iter()
            .map(|action| (action.id.clone(), action.clone()))
            .collect();
        let book = &mut pipeline.stops_mut().book;
        book.configure(self.settings.clone(), now());
        book.restore(actions, now());
    }

    /// Takes note of an exchange: how its credential is spelled once the application accepted it, and whom an action would hit.
    pub fn observe(&mut self, call: &Call) {
        let credential = call.credential.as_ref();
        let fingerprint = credential.map(|credential| credential.known_by);
        let names = (&call.consumer, &call.app, &call.key);
        self.recent
            .add(call.end(), names, fingerprint, call.client.ip());
        if let Some(credential) = credential
            && let Some(hash) = credential.spelling
            && call.has_succeeded()
        {
            let seconds = call.end() / 1_000_000_000;
            self.learn(hash, credential.known_by, &credential.location, seconds);
        }
    }

    fn learn(&mut self, hash: u64, fingerprint: Fingerprint, location: &Arc<str>, seconds: u64) {
        for change in self.spellings.learn(hash, fingerprint, seconds) {
            match change {
                Change::Learned(hash) => {
                    self.locations.insert(hash, Arc::clone(location));
                }
                Change::Forgotten(hash) => {
                    self.locations.remove(&hash);
                }
            }
        }
    }

    /// Whether something is in force, so that what comes has to be looked at soon.
    pub fn is_active(&self) -> bool {
        !self.applied.is_empty()
    }

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
        // What a process before left in the table of networks holds on.
        self.mode = mode_of(&pipeline.stops().book);
        self.stops.set_guard(u64::MAX, self.mode)?;
        let shield = self.shields(pipeline);
        kernel.guard(shield)
    }

    /// Tells the programs whose requests the connections carried that were there before them.
    ///
    /// # Errors
    /// When a map cannot be written.
    pub fn introduce(&mut self, pipeline: &Pipeline) -> Result<(), KernelError> {
        // Of whom requests were read only just now, too.
        self.hand_out(pipeline)?;
        for (flow, carrier, shared) in pipeline.carried() {
            let consumer = match carrier {
                Carrier::Consumer(id) => self.spellings.consumer(id),
                Carrier::Credential(fingerprint) => self.spellings.credential(&fingerprint),
            };
            let mut entry = Guarded {
                consumer: consumer.unwrap_or(guard::SOMEBODY),
                state: if shared { guarded::SHARED } else { 0 },
                ..Guarded::default()
            };
            let Some(known) = self.stops.set_guarded(&flow, entry, true)? else {
                continue;
            };
            if shared || (known.consumer != 0 && known.consumer != entry.consumer) {
                entry = known;
                entry.state |= guarded::SHARED;
                self.stops.set_guarded(&flow, entry, false)?;
            }
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
        for (flow, carrier) in pipeline.carried_alone() {
            let consumer = match carrier {
                Carrier::Consumer(id) if begun.iter().any(|action| is_of(action, id)) => {
                    self.spellings.consumer(id)
                }
                Carrier::Credential(fingerprint)
                    if begun
                        .iter()
                        .any(|action| action.subject == Subject::Credential(fingerprint)) =>
                {
                    self.spellings.credential(&fingerprint)
                }
                _ => None,
            };
            let Some(consumer) = consumer else { continue };
            let Some(known) = self.stops.guarded(&flow) else {
                continue;
            };
            let unsure = known.consumer == guard::SOMEBODY || known.state & guarded::UNSURE != 0;
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
        let mut gone: Vec<u32> = self.applied.keys().copied().collect();
        for action in pipeline.stops().book.active() {
            gone.retain(|slot| *slot != action.slot);
            let known = self.applied.get(&action.slot);
            if known.is_some_and(|(id, _)| *id == action.id) {
                continue;
            }
            let entry = entry(
                action,
                monotonic.saturating_add(action.until.saturating_sub(utc)),
            );
            self.stops.reset(action.slot)?;
            self.late.remove(&action.slot);
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
        self.mode = mode_of(book);
        if networks == self.networks {
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
        self.networks = networks;
        Ok(())
    }

    /// Brings the kernel up to date with who holds which spelling.
    fn hand_out(&mut self, pipeline: &Pipeline) -> Result<(), KernelError> {
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

    /// What is done a few times a second: what is over ends, what came of the rest is counted, and all of it is noted.
    ///
    /// # Errors
    /// When a map cannot be used.
    pub fn round(
        &mut self,
        kernel: &mut Kernel,
        pipeline: &mut Pipeline,
        batch: &mut Batch,
    ) -> Result<(), KernelError> {
        self.count(pipeline);
        let expired = pipeline.stops_mut().book.expire(now());
        let fresh = self.spellings.take_new();
        if expired > 0 {
            self.apply(kernel, pipeline)?;
        } else if !fresh.is_empty() {
            self.hand_out(pipeline)?;
        }
        for row in fresh {
            let location = self.locations.get(&row.hash);
            batch.spelling(SpellingRow {
                hash: row.hash,
                fingerprint: row.fingerprint.to_string(),
                location: location.map(|place| place.to_string()).unwrap_or_default(),
                seen: row.seconds,
            });
        }
        self.note(pipeline, batch);
        Ok(())
    }

    /// Reads what the kernel side stopped.
    fn count(&mut self, pipeline: &mut Pipeline) {
        let book = &mut pipeline.stops_mut().book;
        for (slot, counts) in self.stops.all_hits() {
            let of = |which: usize| counts.get(which).copied().unwrap_or(0);
            let (late, shared) = self.late.get(&slot).copied().unwrap_or_default();
            let hits = Hits {
                refused: of(hit::REFUSED),
                passed: of(hit::PASSED),
                late,
                shared: of(hit::SHARED) + shared,
                packets: of(hit::PACKETS),
            };
            self.total(slot, hits);
            book.record(slot, hits);
        }
        let found = self.late.iter();
        let found: Vec<_> = found.map(|(slot, found)| (*slot, *found)).collect();
        for (slot, (late, shared)) in found {
            let kernel = self.stops.hits(slot);
            if kernel.iter().all(|count| *count == 0) {
                let hits = Hits {
                    late,
                    shared,
                    ..Hits::default()
                };
                book.record(slot, hits);
            }
        }
        self.totals.active = [0; 2];
        for action in book.active() {
            if let Some(count) = self.totals.active.get_mut(verb_index(action.verb)) {
                *count += 1;
            }
        }
    }

    /// Adds to what was stopped by verb since the process began.
    fn total(&mut self, slot: u32, hits: Hits) {
        let Some((id, entry)) = self.applied.get(&slot) else {
            return;
        };
        let verb = usize::from(entry.interval != 0);
        let stopped = hits.refused + hits.packets;
        let before = self.totalled.insert(slot, (id.clone(), stopped));
        let before = before
            .filter(|(known, _)| known == id)
            .map_or(0, |(_, count)| count);
        if let Some(count) = self.totals.dropped.get_mut(verb) {
            *count += stopped.saturating_sub(before);
        }
    }

    /// Writes down what happened, and how actions stand.
    pub fn note(&mut self, pipeline: &mut Pipeline, batch: &mut Batch) {
        let book = &mut pipeline.stops_mut().book;
        for event in book.take_events() {
            tracing::warn!(
                "response {}: {} {} {} by {}{}",
                event.action,
                deed(&event),
                event.verb,
                event.subject,
                event.by,
                if event.reason.is_empty() {
                    String::new()
                } else {
                    format!(": {}", event.reason)
                }
            );
            batch.event(EventRow {
                time: event.time,
                action: event.action.to_string(),
                body: serde_json::to_string(&event).unwrap_or_default(),
            });
        }
        let standing = book.active().chain(book.proposed()).chain(book.ended());
        let mut ended = Vec::new();
        for action in standing {
            let over = matches!(action.state, State::Ended(_));
            match self.saved.get(&action.id) {
                Some(saved) if saved == action => continue,
                None if over => continue,
                _ => {}
            }
            batch.action(ActionRow {
                id: action.id.to_string(),
                state: Cow::Owned(action.state.name().to_owned()),
                begun: action.begun / 1_000_000_000,
                body: serde_json::to_string(action).unwrap_or_default(),
            });
            if over {
                ended.push(action.id.clone());
            } else {
                self.saved.insert(action.id.clone(), action.clone());
            }
        }
        for id in ended {
            self.saved.remove(&id);
        }
    }

    /// Ends everything, where the configuration wants that of a clean stop.
    ///
    /// # Errors
    /// When a map cannot be written.
    pub fn stop(
        &mut self,
        kernel: &mut Kernel,
        pipeline: &mut Pipeline,
    ) -> Result<(), KernelError> {
        if self.on_stop == OnStop::Clear {
            self.count(pipeline);
            pipeline.stops_mut().book.clear("stop", now());
            self.apply(kernel, pipeline)?;
        }
        Ok(())
    }

    /// What is in force, and what was stopped, for exporters.
    pub fn totals(&self) -> Responses {
        self.totals.clone()
    }

    /// What a bound refused: stage, reason, count.
    pub fn dropped(&self, pipeline: &Pipeline) -> [(&'static str, &'static str, u64); 3] {
        let stops = pipeline.stops();
        [
            ("response", "events_full", stops.book.events_dropped()),
            ("response", "caught_full", stops.dropped()),
            ("response", "spellings_full", self.spellings.forgotten()),
        ]
    }

    /// Takes the settings and the pipeline's registry over. What that changes is still to be carried out.
    pub fn registered(&self, pipeline: &mut Pipeline, fingerprinter: &Fingerprinter) {
        let registry: Arc<Registry> = Arc::clone(pipeline.registry());
        let book = &mut pipeline.stops_mut().book;
        book.configure(self.settings.clone(), now());
        book.registered(&registry, fingerprinter, now());
    }
}

/// How the programs treat networks: not at all, dropping what comes from those that are shut off, or request by request.
fn mode_of(book: &Book) -> u64 {
    let networks = book.networks();
    let stops = |(_, rule): &(IpNet, NetworkRule)| matches!(rule, NetworkRule::Slot(_));
    match (networks.iter().any(stops), book.carries_allowed()) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    }
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    super::capture::utc_now()
}

fn verb_index(verb: Verb) -> usize {
    usize::from(verb != Verb::Block)
}

fn deed(event: &crate::response::Event) -> String {
    serde_json::to_value(event.deed)
        .ok()
        .and_then(|deed| deed.as_str().map(str::to_owned))
        .unwrap_or_default()
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
    let mut name = [b' '; guard::NAME];
    for (to, from) in name.iter_mut().zip(action.id.as_str().bytes()) {
        *to = from;
    }
    Entry {
        until,
        interval,
        capacity,
        name,
    }
}
