//! What the ledger has not got yet: windows of one minute, by everything that usage is asked by.
//!
//! Invariant: bounded in number; past the bound a window keeps its consumer and loses its route, and no request is lost
//! from the sums. A minute goes by the end of the exchange, in UTC.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use datasketches::hll::{HllSketch, HllType};
use datasketches::tdigest::TDigestMut;
use hashbrown::HashMap;

mod rows;

pub use rows::{
    ActionRow, BaselineRow, CoverageRow, EventRow, GapRow, IncidentRow, LatencyRow, NetworksRow,
    Rows, SpellingRow, Sums, WindowRow,
};

use super::labels::{WindowKey, WindowLabels, method_label};
use super::series::OTHER;
use super::{Call, Vantage};

/// Seconds of a window.
pub const MINUTE: u64 = 60;
const SECOND: u64 = 1_000_000_000;
/// Windows of one batch.
const WINDOWS: usize = 100_000;
/// Sketches of one batch, of each kind.
const SKETCHES: usize = 20_000;
/// Incidents of one batch.
const INCIDENTS: usize = 10_000;
/// Actions, and lines about them, of one batch.
const ACTIONS: usize = 100_000;
/// Spellings of one batch.
const SPELLINGS: usize = 200_000;
/// Accuracy of a latency sketch: about 0.5 % of the rank in the middle, far less at the ends.
const DIGEST_K: u16 = 100;
/// Registers of a sketch of networks as a power of two: 3 % of the number.
const HLL_LG_K: u8 = 10;

/// What came since the last batch.
#[derive(Debug)]
pub struct Batch {
    windows: HashMap<WindowKey, Sums>,
    latency: HashMap<(u64, Arc<str>, Arc<str>), TDigestMut>,
    networks: HashMap<(u64, Arc<str>, Arc<str>), HllSketch>,
    coverage: BTreeMap<(u64, &'static str), u64>,
    gaps: Vec<GapRow>,
    incidents: BTreeMap<Arc<str>, IncidentRow>,
    baselines: HashMap<String, Vec<u8>>,
    actions: BTreeMap<String, ActionRow>,
    events: Vec<EventRow>,
    spellings: BTreeMap<u64, SpellingRow>,
    none: Arc<str>,
    other: Arc<str>,
    folded: u64,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            windows: HashMap::new(),
            latency: HashMap::new(),
            networks: HashMap::new(),
            coverage: BTreeMap::new(),
            gaps: Vec::new(),
            incidents: BTreeMap::new(),
            baselines: HashMap::new(),
            actions: BTreeMap::new(),
            events: Vec::new(),
            spellings: BTreeMap::new(),
            none: "".into(),
            other: OTHER.into(),
            folded: 0,
        }
    }
}

impl Batch {
    /// Adds one exchange. Legs between processes of this host are no usage.
    pub fn add(&mut self, call: &Call) {
        if call.vantage == Vantage::Hop {
            return;
        }
        let end = call.end() / SECOND;
        if let Some(why) = call.uncertain {
            self.miss(end, why.name(), 1);
        }
        let Some(method) = &call.method else { return };
        let certain = call.is_certain();
        let sums = self.sums(call, end / MINUTE * MINUTE, method_label(method));
        sums.requests += 1;
        sums.uncertain += u64::from(!certain);
        sums.request_bytes = sums.request_bytes.saturating_add(call.request_body_bytes);
        sums.response_bytes = sums.response_bytes.saturating_add(call.response_body_bytes);
        sums.service_us = sums.service_us.saturating_add(call.duration / 1_000);
        // A tunnel's lifetime after 101 is no request's duration.
        if certain && !matches!(call.status, None | Some(101)) {
            self.latency(call, end / 3_600 * 3_600);
        }
        self.network(call, end / 86_400 * 86_400);
    }

    /// Adds what was not seen, or not with certainty. `at`: seconds since 1970 in UTC.
    pub fn miss(&mut self, at: u64, reason: &'static str, count: u64) {
        if count > 0 {
            *self
                .coverage
                .entry((at / MINUTE * MINUTE, reason))
                .or_default() += count;
        }
    }

    /// Adds a time in which nothing was observed.
    pub fn gap(&mut self, gap: GapRow) {
        self.gaps.push(gap);
    }

    /// Notes how an incident stands.
    pub fn incident(&mut self, row: IncidentRow) {
        if self.incidents.len() < INCIDENTS || self.incidents.contains_key(&row.id) {
            self.incidents.insert(row.id.clone(), row);
        } else {
            self.folded += 1;
        }
    }

    /// Notes baselines; there are as many as awareness has a place for.
    pub fn baselines(&mut self, rows: impl IntoIterator<Item = BaselineRow>) {
        let rows = rows.into_iter().map(|row| (row.name, row.state));
        self.baselines.extend(rows);
    }

    /// Notes how an action stands; there are as many as the book has places for, and those that ended.
    pub fn action(&mut self, row: ActionRow) {
        if self.actions.len() < ACTIONS || self.actions.contains_key(&row.id) {
            self.actions.insert(row.id.clone(), row);
        } else {
            self.folded += 1;
        }
    }

    /// Notes what was done about an action.
    pub fn event(&mut self, row: EventRow) {
        if self.events.len() < ACTIONS {
            self.events.push(row);
        } else {
            self.folded += 1;
        }
    }

    /// Notes how a credential is spelled; there are as many as are kept.
    pub fn spelling(&mut self, row: SpellingRow) {
        if self.spellings.len() < SPELLINGS || self.spellings.contains_key(&row.hash) {
            self.spellings.insert(row.hash, row);
        } else {
            self.folded += 1;
        }
    }

    /// Windows that lost their route, and what was not begun or noted, because of a bound.
    pub fn folded(&self) -> u64 {
        self.folded
    }

    /// Everything that came, in no particular order.
    pub fn rows(&mut self) -> Rows {
        let windows = self.windows.iter().map(|(key, sums)| WindowRow {
            start: key.start,
            consumer: key.consumer.clone(),
            app: key.app.clone(),
            key: key.key.clone(),
            api: key.api.clone(),
            route: key.route.clone(),
            method: key.method.into(),
            status: key.status,
            outcome: key.outcome.into(),
            sums: *sums,
        });
        let latency = self
            .latency
            .iter_mut()
            .map(|((start, api, route), digest)| LatencyRow {
                start: *start,
                api: api.clone(),
                route: route.clone(),
                sketch: digest.serialize(),
            });
        let networks = self
            .networks
            .iter()
            .map(|((start, consumer, key), sketch)| NetworksRow {
                start: *start,
                consumer: consumer.clone(),
                key: key.clone(),
                sketch: sketch.serialize(),
            });
        let coverage = self
            .coverage
            .iter()
            .map(|((start, reason), count)| CoverageRow {
                start: *start,
                reason: (*reason).into(),
                count: *count,
            });
        Rows {
            windows: windows.collect(),
            latency: latency.collect(),
            networks: networks.collect(),
            coverage: coverage.collect(),
            gaps: self.gaps.clone(),
            routes: None,
            incidents: self.incidents.values().cloned().collect(),
            baselines: self
                .baselines
                .iter()
                .map(|(name, state)| BaselineRow {
                    name: name.clone(),
                    state: state.clone(),
                })
                .collect(),
            actions: self.actions.values().cloned().collect(),
            events: self.events.clone(),
            spellings: self.spellings.values().cloned().collect(),
        }
    }

    fn sums(&mut self, call: &Call, start: u64, method: &'static str) -> &mut Sums {
        let mut labels = WindowLabels {
            consumer: &call.consumer,
            app: call.app.as_ref().unwrap_or(&self.none),
            key: call.key.as_ref().unwrap_or(&self.none),
            api: &call.api,
            route: &call.route,
            start,
            method,
            status: call.status,
            outcome: call.outcome.as_str(),
        };
        if self.windows.len() >= WINDOWS && !self.windows.contains_key(&labels) {
            self.folded += 1;
            (labels.app, labels.key) = (&self.none, &self.none);
            (labels.api, labels.route) = (&self.other, &self.other);
        }
        self.windows.entry_ref(&labels).or_default()
    }

    fn latency(&mut self, call: &Call, start: u64) {
        let key = (start, call.api.clone(), call.route.clone());
        let full = self.latency.len() >= SKETCHES;
        match self.latency.get_mut(&key) {
            Some(digest) => digest.update(call.duration as f64 / 1_000.0),
            None if full => self.folded += 1,
            None => {
                if let Ok(mut digest) = TDigestMut::new(DIGEST_K) {
                    digest.update(call.duration as f64 / 1_000.0);
                    self.latency.insert(key, digest);
                }
            }
        }
    }

    fn network(&mut self, call: &Call, start: u64) {
        let key = call.key.as_ref().unwrap_or(&self.none).clone();
        let key = (start, call.consumer.clone(), key);
        let network = network(call.client.ip());
        let full = self.networks.len() >= SKETCHES;
        match self.networks.get_mut(&key) {
            Some(sketch) => sketch.update(network),
            None if full => self.folded += 1,
            None => {
                if let Ok(mut sketch) = HllSketch::new(HLL_LG_K, HllType::Hll4) {
                    sketch.update(network);
                    self.networks.insert(key, sketch);
                }
            }
        }
    }
}

/// The network of a client as one number: /24 of IPv4, /48 of IPv6.
fn network(client: IpAddr) -> u64 {
    match client.to_canonical() {
        IpAddr::V4(address) => u64::from(u32::from(address) >> 8),
        // A bit above the 48 tells the two families apart.
        IpAddr::V6(address) => (u128::from(address) >> 80) as u64 | 1 << 48,
    }
}

#[cfg(test)]
mod tests;
