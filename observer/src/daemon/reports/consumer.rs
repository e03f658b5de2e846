//! What a consumer reads: its own usage, and nothing of anybody else.
//!
//! Invariant: everything is made of figures and events that were reduced to this consumer first. Only who has to act on its
//! errors is judged by what others met with, of whom nothing is told.

use super::figures::{self, Figures};
use super::parts::{self, TOP, place};
use super::{Source, events::Events};
use crate::export::reports::{Cell, Section};

/// Its sections; `own` and `events` are the consumer's alone.
///
/// # Errors
/// What SQLite refuses.
pub fn sections(
    source: &Source,
    consumer: &str,
    own: &Figures,
    events: &Events,
) -> Result<Vec<Section>, rusqlite::Error> {
    let spans = source.spans;
    let steps = |period| figures::steps(&source.ledger, period, source.hours, Some(consumer));
    let routes = own.ranked(|line| line.route());
    let keys = own.ranked(|line| (line.app(), line.key()));
    let moved: Vec<_> = routes
        .iter()
        .map(|(name, pair)| (place(*name), "route", *pair))
        .chain(
            keys.iter()
                .map(|((app, key), pair)| (format!("{app}/{key}"), "key", *pair)),
        )
        .collect();
    let pair = |name: &(&str, &str)| vec![Cell::text(name.0), Cell::text(name.1)];
    Ok(vec![
        parts::totals(&own.total()),
        parts::course(
            &steps(spans.now)?,
            &steps(spans.before)?,
            spans,
            source.hours,
        ),
        parts::responsibility(&source.figures, own),
        parts::most(
            Section::new("routes", "Routes"),
            &["api", "route"],
            &routes,
            pair,
            TOP,
        ),
        parts::most(
            Section::new("keys", "Keys"),
            &["app", "key"],
            &keys,
            pair,
            usize::MAX,
        ),
        parts::movers(&moved),
        parts::newcomers(&moved),
        events.incidents(),
        events.responses(false),
    ])
}
