//! A million keys that nobody has: what is known of the others stays, and memory does too.

use std::fs;

use observer::awareness::Awareness;

use super::population::Population;
use super::request::{API, Credential, Request, Way};
use super::wire::Wire;

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// Registered keys that are still known.
    pub registered: usize,
    /// Bytes that the resident set grew by.
    pub grown: u64,
}

/// Sends so many made-up keys, a million a minute, after a thousand registered ones were seen.
///
/// # Panics
/// When the registry is not valid: a fault of the benchmark.
pub fn flood(keys: u32) -> Flood {
    let population = Population::new(7, 1_000);
    let mut wire = Wire::new(&population);
    let mut time = super::BEGIN * 1_000_000_000;
    for client in &population.clients {
        time += 1_000_000;
        wire.exchange(&request(time, client.secret.clone()));
    }
    // The tables of what is not registered are filled, so that what grows from here on is growth.
    for number in 0..20_000 {
        time += 60_000;
        wire.exchange(&request(time, format!("before-{number}")));
    }
    let mut opened = Vec::new();
    wire.tick(time / 1_000_000_000 + 1, &mut opened);
    let before = resident();
    for number in 0..keys {
        time += 60_000;
        wire.exchange(&request(time, format!("made-up-{number}")));
        if number % 100_000 == 0 {
            wire.tick(time / 1_000_000_000 + 1, &mut opened);
        }
    }
    wire.tick(time / 1_000_000_000 + 61, &mut opened);
    Flood {
        registered: registered(wire.awareness()),
        grown: resident().saturating_sub(before),
    }
}

fn registered(awareness: &Awareness) -> usize {
    let view = awareness.view();
    view.keys.iter().filter(|key| key.registered).count()
}

fn request(time: u64, key: String) -> Request {
    Request {
        time,
        client: "10.99.0.1".to_owned(),
        way: Way::Proxy,
        credential: Credential::Key(key),
        host: API,
        method: "GET",
        target: "/v1/list1".to_owned(),
        agent: "sdk/1".to_owned(),
        fields: "",
        port: 8080,
        sent: 0,
        status: 200,
        answer: String::new(),
        received: 100,
        took: 1_000_000,
    }
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1_024
}
