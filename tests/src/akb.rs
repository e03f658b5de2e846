//! AKB-1, the API Key Benchmark: traffic of many keys over days, with labelled incidents of every class at three strengths
//! and with what looks like one and is none, through the real pipeline.
//!
//! Everything follows from a seed. Keys have rates that are log-normal, daily curves and bursts, routes by Zipf's law, error
//! rates that are Beta-distributed, and networks of which some roam. All of it arrives at a proxy on the host itself, as
//! behind a TLS terminator; what comes past it is an incident.
//!
//! What counts: of an incident, that one opens with the right rule and the right subject before it is over; the share of those
//! with enough requests to prove anything; requests until then, beside Lorden's bound; and what opens that nobody planted.

mod attackers;
mod emit;
mod flood;
mod labels;
mod population;
mod request;
mod score;
mod traffic;
mod wire;

pub use flood::{Flood, flood};
pub use labels::{Class, Label, Strength};
pub use score::{Figures, Outcome, Verdict};

use std::io;
use std::path::Path;

use observer::awareness::Incident;
use population::Population;

/// How large a run is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Keys.
    pub keys: usize,
    /// Days before anything is planted.
    pub training: u64,
    /// Days that count.
    pub days: u64,
}

/// The published size.
pub const PUBLISHED: Size = Size {
    keys: 400,
    training: 3,
    days: 7,
};

/// Seconds since 1970 at which every run begins: Monday, 2026-11-02.
pub const BEGIN: u64 = 1_793_577_600;

/// Runs one seed.
///
/// # Panics
/// When what is generated cannot be read: a fault of the benchmark.
pub fn run(seed: u64, size: Size) -> Outcome {
    let scene = Scene::new(seed, size);
    scene.play(None).expect("nothing is written")
}

/// Runs one seed and writes its traffic to a folder: `akb.pcap`, `requests.jsonl` and `labels.jsonl`, with an
/// `observer.toml` that knows the keys.
///
/// # Errors
/// What the system refuses.
///
/// # Panics
/// As [`run`].
pub fn emit(seed: u64, size: Size, folder: &Path) -> io::Result<Outcome> {
    let scene = Scene::new(seed, size);
    let mut emit = emit::Emit::create(folder)?;
    emit.labels(&scene.labels, &scene.population)?;
    emit::Emit::configure(folder, &scene.population)?;
    scene.play(Some(emit))
}

/// What a seed makes.
struct Scene {
    seed: u64,
    size: Size,
    population: Population,
    labels: Vec<Label>,
}

impl Scene {
    fn new(seed: u64, size: Size) -> Self {
        let population = Population::new(seed, size.keys);
        let labels = labels::plant(seed, size, &population);
        Self {
            seed,
            size,
            population,
            labels,
        }
    }

    fn play(&self, tap: Option<emit::Emit>) -> io::Result<Outcome> {
        let mut wire = wire::Wire::new(&self.population);
        if let Some(emit) = tap {
            wire.tap(emit);
        }
        let mut opened: Vec<Incident> = Vec::new();
        let mut traffic = traffic::Traffic::new(self.seed, &self.population, &self.labels);
        let begun = std::time::Instant::now();
        let end = BEGIN + (self.size.training + self.size.days) * 86_400;
        let mut requests = Vec::new();
        let mut second = BEGIN;
        while second < end {
            traffic.tick(second, &mut requests);
            for request in requests.drain(..) {
                wire.exchange(&request);
            }
            second += traffic::TICK;
            wire.tick(second, &mut opened);
        }
        wire.untap()?;
        Ok(Outcome {
            seed: self.seed,
            size: self.size,
            counts: traffic.counts(),
            labels: self.labels.clone(),
            opened,
            population: self.population.clone(),
            exchanges: wire.exchanges(),
            awareness_nanoseconds: wire.nanoseconds(),
            seconds: begun.elapsed().as_secs_f64(),
        })
    }
}
