//! What finance reads: who used how much of what, and what of it nobody pays for.

use std::collections::{BTreeMap, HashSet};

use super::figures::Pair;
use super::parts;
use super::{Source, owner};
use crate::export::reports::{Cell, Section};

/// Its sections.
pub fn sections(source: &Source) -> Vec<Section> {
    let registry = &source.registry;
    let plan = |consumer: &str| {
        let account = registry.account(consumer);
        account.map(|account| account.plan.as_deref().unwrap_or_default().to_owned())
    };
    let consumers = source.figures.ranked(|line| line.consumer());
    let row = |(consumer, pair): &(&str, Pair)| {
        let (now, before) = (pair.now, pair.before);
        let plan = plan(consumer).map_or(Cell::Nothing, Cell::Text);
        let mut row = vec![Cell::text(consumer), plan];
        row.extend(parts::beside(now.requests, before.requests));
        row.extend([Cell::Count(now.failed()), Cell::Count(before.failed())]);
        row.extend(source.standing.completeness_of(pair));
        row
    };
    let columns: [&[&'static str]; 3] = [
        &["consumer", "plan"],
        &parts::COUNTED,
        &[
            "errors",
            "errors_before",
            "completeness",
            "completeness_before",
        ],
    ];
    let used = parts::table(
        "Requests of every consumer, and how complete their number is",
        &columns,
        consumers.iter().map(row).collect(),
    );
    let row = |(consumer, pair): &(&str, Pair)| {
        let mut row = vec![Cell::text(consumer)];
        row.extend(volumes(pair));
        row
    };
    let volume = parts::table(
        "Bytes and time of every consumer",
        &[&["consumer"], &VOLUMES],
        consumers.iter().map(row).collect(),
    );
    let mut plans: BTreeMap<String, (u64, Pair)> = BTreeMap::new();
    for (consumer, pair) in &consumers {
        // Who is no account has no plan, and stands below.
        if let Some(plan) = plan(consumer) {
            let sums = plans.entry(plan).or_default();
            sums.0 += u64::from(pair.now.requests > 0);
            sums.1.add(pair);
        }
    }
    let row = |(plan, (accounts, pair)): (String, (u64, Pair))| {
        let name = if plan.is_empty() {
            "no plan".to_owned()
        } else {
            plan
        };
        let mut row = vec![Cell::Text(name), Cell::Count(accounts)];
        row.extend(parts::beside(pair.now.requests, pair.before.requests));
        row.extend(volumes(&pair));
        row
    };
    let plans = parts::table(
        "Usage by plan",
        &[&["plan", "accounts"], &parts::COUNTED, &VOLUMES],
        plans.into_iter().map(row).collect(),
    );
    let now = consumers.iter().filter(|(_, pair)| pair.now.requests > 0);
    let active: HashSet<&str> = now.map(|(name, _)| *name).collect();
    let idle = registry
        .accounts()
        .iter()
        .filter(|account| !active.contains(&*account.id))
        .map(|account| {
            let plan = account.plan.as_deref().map_or(Cell::Nothing, Cell::text);
            vec![Cell::text(&account.id), plan]
        });
    let idle = parts::table(
        "Accounts that used nothing in this time",
        &[&["consumer", "plan"]],
        idle.collect(),
    );
    let mut unpaid = owner::nobody(source);
    unpaid.heading = "Nobody pays for";
    vec![
        parts::totals(&source.figures.total()),
        Section::new("usage", "Usage by consumer")
            .says("What it comes to in money stands in invoices: see observer invoice.")
            .shows(used, "Nothing was used."),
        Section::new("volume", "Volume by consumer").shows(volume, "Nothing was used."),
        Section::new("plans", "Usage by plan").shows(plans, "No account used anything."),
        unpaid,
        Section::new("idle", "Accounts that are not in use")
            .shows(idle, "Every account was in use."),
    ]
}

/// Meters beside requests.
const VOLUMES: [&str; 8] = [
    "request_bytes",
    "request_bytes_before",
    "response_bytes",
    "response_bytes_before",
    "response_bytes_change",
    "service_ms",
    "service_ms_before",
    "service_ms_change",
];

fn volumes(pair: &Pair) -> Vec<Cell> {
    let Pair { now, before } = pair;
    let mut cells = vec![
        Cell::Bytes(now.request_bytes),
        Cell::Bytes(before.request_bytes),
    ];
    cells.extend(parts::bytes(now.response_bytes, before.response_bytes));
    cells.extend([
        Cell::mean(now.service_us, 1),
        Cell::mean(before.service_us, 1),
        Cell::change(now.service_us, before.service_us),
    ]);
    cells
}
