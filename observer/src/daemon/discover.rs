//! `observer keys discover`: where keys travel, from captures through the same pipeline as a replay, or from the running
//! daemon.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::cli::{self, DiscoverFormat, Format};
use super::config::{Config, Period};
use super::failure::Failure;
use super::playback::{TICK, Viewer, play};
use super::progress::Progress;
use super::report::{Cell, Report};
use super::rules::passing_fingerprinter;
use super::run::looking::{Found, LONGEST};
use super::{reading, rules};
use crate::identity::Discovery;
use crate::identity::discovery::Ranked;
use crate::identity::shown::Shown;
use crate::usage::Call;

/// What the captures were.
#[derive(Default)]
struct Seen {
    exchanges: u64,
    certain: u64,
}

impl Viewer for Seen {
    fn call(&mut self, call: &Call) {
        self.exchanges += 1;
        self.certain += u64::from(call.is_certain());
    }
}

/// Looks for places in captures, or in what the daemon sees, and prints them.
///
/// # Errors
/// When a capture cannot be read, no daemon answers, or standard output cannot be written.
pub fn discover(arguments: &cli::Discover) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let found = if arguments.captures.is_empty() {
        of_daemon(arguments, &config)?
    } else {
        of_captures(arguments, &config)?
    };
    let mut notes = Vec::new();
    if found.left_out > 0 {
        notes.push(format!(
            "{} requests or places were left out: too many APIs, or names at one",
            found.left_out
        ));
    }
    let report = Report {
        from: found.period.0,
        to: found.period.1,
        completeness: found.completeness,
        notes,
        columns: COLUMNS.to_vec(),
        rows: rows(&found.apis),
        nothing: "no place was seen in ten requests of an API",
    };
    match arguments.format {
        DiscoverFormat::Table => {
            report.print(Format::Table)?;
            super::print(&format!("\n{}", stanzas(&found.apis)))
        }
        DiscoverFormat::Json => report.print(Format::Json),
        DiscoverFormat::Csv => report.print(Format::Csv),
        DiscoverFormat::Toml => super::print(&stanzas(&found.apis)),
    }
}

fn of_captures(arguments: &cli::Discover, config: &Config) -> Result<Found, Failure> {
    let hasher = passing_fingerprinter().map_err(|error| Failure::input("random bytes", error))?;
    let mut pipeline = rules::pipeline(config, hasher.clone(), Vec::new(), false)?;
    pipeline.discover(Box::new(Discovery::new(hasher)));
    let mut seen = Seen::default();
    let played = play(&arguments.captures, false, &mut pipeline, &mut seen)?;
    let Some(discovery) = pipeline.end_discovery() else {
        return Ok(Found::default());
    };
    let period = (played.first.unwrap_or(0) / TICK, played.last / TICK);
    let completeness = seen.certain as f64 / seen.exchanges.max(1) as f64;
    Ok(Found::of(&discovery, arguments.top, period, completeness))
}

fn of_daemon(arguments: &cli::Discover, config: &Config) -> Result<Found, Failure> {
    let wrong = || {
        let why = format!(
            "`{}` is no time from 1s to {LONGEST}s (write 30s or 5m)",
            Shown(&arguments.period)
        );
        Failure::input("--for", why)
    };
    let period = Period::parse(&arguments.period).ok_or_else(wrong)?.0;
    if !(1..=LONGEST).contains(&period.as_secs()) {
        return Err(wrong());
    }
    let request = format!("discover {} {}", period.as_secs(), arguments.top);
    let mut progress = Progress::new(true);
    let looked = |so_far: Duration| {
        let left = period.saturating_sub(so_far).as_secs();
        progress.show(|| format!("looking at what the daemon sees: {left} s more"));
    };
    let patience = period + reading::PATIENCE;
    let answer = reading::wait(&config.control.socket, &request, patience, looked);
    progress.done();
    let answer = answer.map_err(|why| Failure::input("the running daemon", why))?;
    serde_json::from_str(&answer).map_err(|error| Failure::input("the running daemon", error))
}

const COLUMNS: [&str; 11] = [
    "api",
    "rank",
    "location",
    "score",
    "requests",
    "share",
    "distinct",
    "length",
    "bits",
    "refused_with",
    "refused_without",
];

fn rows(ranked: &[(Arc<str>, Vec<Ranked>)]) -> Vec<Vec<Cell>> {
    let row = |api: &Arc<str>, rank: u64, place: &Ranked| {
        vec![
            Cell::Text(api.to_string()),
            Cell::Count(rank),
            Cell::Text(place.location.clone()),
            Cell::Number(place.score),
            Cell::Count(place.requests),
            Cell::Number(place.share),
            Cell::Count(place.distinct as u64),
            Cell::Count(place.length as u64),
            Cell::Count(place.bits as u64),
            Cell::Number(place.refused_with),
            match place.refused_without {
                Some(ratio) => Cell::Number(ratio),
                None => Cell::Text("-".to_owned()),
            },
        ]
    };
    let places = |(api, places): &(Arc<str>, Vec<Ranked>)| {
        let best = (1..).zip(places);
        best.map(|(rank, place)| row(api, rank, place))
            .collect::<Vec<_>>()
    };
    ranked.iter().flat_map(places).collect()
}

/// What to configure: a stanza for the best place of each API, each place once.
fn stanzas(ranked: &[(Arc<str>, Vec<Ranked>)]) -> String {
    let mut text = String::new();
    let mut written: Vec<&str> = Vec::new();
    for (api, places) in ranked {
        let api = api.escape_debug();
        // Writing to a string does not fail.
        let _ = match places.first().filter(|place| place.is_proposed()) {
            None => writeln!(text, "# {api}: no place stands out"),
            Some(place) if written.contains(&&*place.location) => {
                writeln!(text, "# {api}: {} too", place.location)
            }
            Some(place) => {
                written.push(&place.location);
                let known = if place.known {
                    " (is looked at without being configured)"
                } else {
                    ""
                };
                writeln!(
                    text,
                    "# {api}: score {:.2}{known}\n{}",
                    place.score,
                    place.stanza()
                )
            }
        };
    }
    text
}
