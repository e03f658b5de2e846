//! Response in the running daemon: what was decided is brought into the kernel, what the kernel could not stop is ended here, and
//! all of it is told.
//!
//! The book decides and stands in the pipeline, where requests are read. Here it is carried out: entries in the kernel's tables first,
//! then the programs that look at them, and the other way round when it is over.

mod answers;
mod late;
mod orders;
mod tables;
mod telling;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ipnet::IpNet;
use observer_ebpf::abi::guard::Action as Entry;

use crate::daemon::config::{Config, OnStop};
use crate::export;
use crate::export::notify::Notifier;
use crate::identity::{Fingerprint, Fingerprinter, Registry};
use crate::kernel::guard::Stops;
use crate::kernel::{Kernel, KernelError};
use crate::pipeline::Pipeline;
use crate::response::{Action, ActionId, Change, NetworkRule, Recent, Row, Settings, Spellings};
use crate::usage::batch::{Batch, SpellingRow};
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
    networks: Option<Vec<(IpNet, NetworkRule)>>,
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
    /// Something began or ended that was not handed over yet.
    changed: bool,
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
            networks: None,
            mode: 0,
            late: BTreeMap::new(),
            limits: late::Limits::default(),
            saved: HashMap::new(),
            totals: Responses::default(),
            totalled: BTreeMap::new(),
            // What was in force before is to be seen from the beginning.
            changed: true,
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
        let mut actions: Vec<Action> = actions
            .filter_map(|body| serde_json::from_str(body).ok())
            .collect();
        // What the programs hit while no daemon ran.
        for action in &mut actions {
            if self.stops.name_at(action.slot) == tables::name_of(action) {
                action.hits = telling::with(action.hits, self.stops.hits(action.slot));
            }
        }
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

    /// What is done a few times a second: what is over ends, what came of the rest is counted, and all of it is noted.
    ///
    /// # Errors
    /// When a map cannot be used.
    pub fn round(
        &mut self,
        kernel: &mut Kernel,
        pipeline: &mut Pipeline,
        batch: &mut Batch,
        notifier: &Notifier,
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
        self.note(pipeline, batch, notifier);
        Ok(())
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

    /// Whether something began or ended since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Hands over what is in force and proposed.
    pub fn show(&self, pipeline: &Pipeline, state: &export::State) {
        let book = &pipeline.stops().book;
        state.set_actions(book.active().chain(book.proposed()).cloned().collect());
    }

    /// What is in force, and what was stopped, for exporters.
    pub fn totals(&self) -> Responses {
        self.totals
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

/// Nanoseconds since 1970.
fn now() -> u64 {
    super::capture::utc_now()
}
