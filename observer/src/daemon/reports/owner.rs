//! What the owner of the APIs reads: all of it, in short.

use super::super::errors;
use super::parts::{self, TOP, place};
use super::{Source, figures};
use crate::export::reports::{Cell, Section};
use crate::usage::{UNKEYED, UNKNOWN, UNREGISTERED};

/// Its sections.
///
/// # Errors
/// What SQLite refuses.
pub fn sections(source: &Source) -> Result<Vec<Section>, rusqlite::Error> {
    let (figures, spans) = (&source.figures, source.spans);
    let steps = |period| figures::steps(&source.ledger, period, source.hours, None);
    let judged = figures.judged();
    let mut owed = parts::responsibility(figures, figures);
    let told = judged.iter().filter(|(_, one)| one.errors > 0);
    owed.text
        .extend(told.map(|(class, judgement)| errors::words(*class, judgement)));

    let consumers = figures.ranked(|line| line.consumer());
    let routes = figures.ranked(|line| line.route());
    let groups: Vec<_> = consumers
        .iter()
        .map(|(name, pair)| ((*name).to_owned(), "consumer", *pair))
        .chain(
            routes
                .iter()
                .map(|(name, pair)| (place(*name), "route", *pair)),
        )
        .collect();
    let slowest = {
        let mut routes: Vec<_> = routes
            .iter()
            .filter(|(_, pair)| pair.now.requests > 0)
            .collect();
        routes.sort_by_key(|(_, pair)| {
            std::cmp::Reverse(pair.now.service_us / pair.now.requests.max(1))
        });
        let row = |(name, pair): &&(_, figures::Pair)| {
            vec![
                Cell::Text(place(*name)),
                pair.now.mean(),
                pair.before.mean(),
                Cell::Count(pair.now.requests),
                Cell::Count(pair.before.requests),
            ]
        };
        let rows = routes.iter().take(TOP).map(row).collect();
        let columns: [&'static str; 5] = [
            "route",
            "mean_ms",
            "mean_ms_before",
            "requests",
            "requests_before",
        ];
        let table = parts::table("Mean time of service, the slowest first", &[&columns], rows);
        Section::new("latency", "How long it took").shows(table, "There were no requests.")
    };
    let name = |name: &&str| vec![Cell::text(name)];
    let way = |name: &(&str, &str)| vec![Cell::text(name.0), Cell::text(name.1)];
    Ok(vec![
        parts::totals(&figures.total()),
        parts::course(
            &steps(spans.now)?,
            &steps(spans.before)?,
            spans,
            source.hours,
        ),
        owed,
        nobody(source),
        parts::most(
            Section::new("consumers", "Consumers"),
            &["consumer"],
            &consumers,
            name,
            TOP,
        ),
        parts::most(
            Section::new("routes", "Routes"),
            &["api", "route"],
            &routes,
            way,
            TOP,
        ),
        parts::movers(&groups),
        parts::newcomers(&groups),
        slowest,
        source.events.rules(),
        source.events.incidents(),
        source.events.responses(true),
    ])
}

/// Requests that are nobody's: without a key, with one that is not registered, or unread.
pub fn nobody(source: &Source) -> Section {
    let groups = source.figures.by(|line| line.consumer());
    let all = source.figures.total();
    let kinds = [
        (UNKEYED, "without a key"),
        (UNREGISTERED, "with a key that is not registered"),
        (UNKNOWN, "not read with certainty"),
    ];
    let row = |(consumer, words): (&str, &str)| {
        let pair = groups.get(consumer).copied().unwrap_or_default();
        let (now, before) = (pair.now, pair.before);
        let mut row = vec![Cell::text(consumer), Cell::text(words)];
        row.extend(parts::beside(now.requests, before.requests));
        row.extend([
            Cell::share(now.requests, all.now.requests),
            Cell::share(before.requests, all.before.requests),
            Cell::Bytes(now.response_bytes),
            Cell::Bytes(before.response_bytes),
        ]);
        row
    };
    let columns: [&[&'static str]; 3] = [
        &["consumer", "what"],
        &parts::COUNTED,
        &[
            "share",
            "share_before",
            "response_bytes",
            "response_bytes_before",
        ],
    ];
    let table = parts::table(
        "Requests that no registered consumer is known to have made",
        &columns,
        kinds.map(row).to_vec(),
    );
    Section::new("nobody", "Nobody's").shows(table, "")
}
