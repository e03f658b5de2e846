//! `observer consumers lint`: what is weak in the registry, held against what was seen.

use std::process::ExitCode;
use std::sync::Arc;

use hashbrown::HashMap;
use jiff::tz::TimeZone;

use super::super::cli;
use super::super::config::read_registry;
use super::super::failure::Failure;
use super::super::report::Cell;
use super::super::rules;
use super::sightings::Sightings;
use crate::identity::Registry;
use crate::identity::document::suggestion;
use crate::identity::registry::{Facts, LintRule, lint as findings};
use crate::identity::shown::Shown;
use crate::store::{self, Period, Reader};

const DAY: u64 = 86_400;

/// Prints what is weak: 1 when something is.
///
/// # Errors
/// When the registry does not load, or a rule is unknown.
pub fn lint(arguments: &cli::Lint) -> Result<ExitCode, Failure> {
    for name in &arguments.except {
        if !LintRule::ALL.iter().any(|rule| rule.name() == name) {
            let near = suggestion(name, LintRule::ALL.map(LintRule::name));
            let why = format!("no rule `{}`{near}", Shown(name));
            return Err(Failure::input("--except", why));
        }
    }
    let config = rules::load_config(arguments.listing.config.as_deref())?;
    let files = read_registry(&config.identity.registry)
        .map_err(|error| Failure::input("registry", error))?;
    let documents: Vec<(String, &str)> = files
        .iter()
        .map(|(file, text)| (file.display().to_string(), text.as_str()))
        .collect();
    let (registry, places) = Registry::parse_with_places(&documents)
        .map_err(|error| Failure::input("registry", error))?;
    let seen = Sightings::read_if_any(&config, &registry);
    let early = match (&seen.ledger, seen.since) {
        (Some(ledger), Some(since)) => early(ledger, &registry, since, seen.now)?,
        _ => HashMap::new(),
    };
    let fingerprinter = rules::fingerprinter(&config)?;
    let facts = Facts {
        now: seen.now,
        since: seen.since,
        last: &seen.last(),
        early: &early,
        unused: u64::from(arguments.unused_days) * DAY,
        fingerprinter: &fingerprinter,
    };
    let found = findings(&documents, &registry, &places, &facts);
    let wanted = found.into_iter().filter(|finding| {
        !arguments
            .except
            .iter()
            .any(|name| name == finding.rule.name())
    });
    let rows: Vec<Vec<Cell>> = wanted
        .map(|finding| {
            vec![
                Cell::Text(finding.place.file.into()),
                Cell::Count(finding.place.line as u64),
                Cell::Text(finding.rule.name().to_owned()),
                Cell::Text(finding.subject.to_string()),
                Cell::Text(finding.statement),
            ]
        })
        .collect();
    let code = if rows.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    };
    let columns = vec!["file", "line", "rule", "subject", "statement"];
    seen.report(columns, rows, "nothing is weak")
        .print(arguments.listing.format)?;
    Ok(code)
}

/// Requests that succeeded before an account had accepted terms; all, where it has not. Days are those of the ledger, UTC.
fn early(
    ledger: &Reader,
    registry: &Registry,
    since: u64,
    now: u64,
) -> Result<HashMap<Arc<str>, u64>, Failure> {
    let mut ends: HashMap<u64, Vec<&Arc<str>>> = HashMap::new();
    for account in registry.accounts() {
        let day = account.terms.as_ref().and_then(|terms| terms.accepted);
        let accepted = day
            .and_then(|day| day.to_zoned(TimeZone::UTC).ok())
            .and_then(|day| u64::try_from(day.timestamp().as_second()).ok());
        // Up to the end of the day that goes on.
        let end = accepted.unwrap_or(u64::MAX).min((now / DAY + 1) * DAY);
        if end > since {
            ends.entry(end).or_default().push(&account.id);
        }
    }
    let mut early = HashMap::new();
    for (until, accounts) in ends {
        let period = Period { from: 0, until };
        let rows = store::usage(ledger, period, &["consumer", "outcome"])
            .map_err(|error| Failure::input("ledger", error))?;
        let counts: HashMap<String, u64> = rows
            .into_iter()
            .filter_map(|row| {
                let mut group = row.group.into_iter();
                let consumer = group.next()?;
                (group.next()? == "ok").then_some((consumer, row.sums.requests))
            })
            .collect();
        for account in accounts {
            if let Some(count) = counts.get(&**account) {
                early.insert(Arc::clone(account), *count);
            }
        }
    }
    Ok(early)
}
