//! `observer report`: what a day, a week or a month was like, for whom it concerns.
//!
//! What is read stands here and below; how it is written is [`crate::export::reports`]'s. A report of one consumer is made of
//! what was reduced to that consumer first.

mod consumer;
mod events;
mod figures;
mod finance;
mod owner;
mod parts;
mod place;
mod security;
mod span;
mod standing;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::Arc;

use super::cli::{self, Audience, Length, ReportFormat};
use super::config::Config;
use super::failure::Failure;
use super::progress::Progress;
use super::{reading, rules};
use crate::awareness::View;
use crate::export::Reconciliation;
use crate::export::plain;
use crate::export::reports::{self, Cell, Report, Span};
use crate::identity::Registry;
use crate::identity::shown::Shown;
use crate::store::{Period, Reader};

use events::Events;
use figures::Figures;
use span::Spans;
use standing::Standing;

/// Everything that sections are made of.
struct Source {
    ledger: Reader,
    registry: Arc<Registry>,
    spans: Spans,
    /// Whether what is drawn goes by hours, not days.
    hours: bool,
    figures: Figures,
    standing: Standing,
    events: Events,
    /// What the running daemon was told came of holding the wire against logs.
    reconciled: Vec<Reconciliation>,
}

/// Reads and writes. False: it was not complete enough to be written.
///
/// # Errors
/// When the ledger cannot be read, there is no such period or consumer, or the file cannot be written.
pub fn report(arguments: &cli::Report) -> Result<bool, Failure> {
    let mut progress = Progress::new(true);
    let config = rules::load_config(arguments.config.as_deref())?;
    let registry = rules::registry(&config)?;
    let now = reading::now();
    let spans = span::spans(arguments.period, arguments.ending, now)?;
    progress.show(|| "asking the daemon for what it has not written".to_owned());
    let known = match arguments.audience {
        // What is known of keys and routes is written with this.
        Audience::Security => Some(reading::Known::read(&config, &registry)?),
        _ => None,
    };
    let (ledger, view, note) = match known {
        Some(known) => (known.ledger, Some(known.view), known.note),
        None => {
            let note = reading::ask(&config.control.socket, "commit").err();
            (reading::ledger(&config)?, None, note)
        }
    };
    progress.show(|| "reading the ledger".to_owned());
    let failed = |error: rusqlite::Error| Failure::input("ledger", error);
    let reconciled = match arguments.audience {
        Audience::Security => reconciled(&config),
        _ => Vec::new(),
    };
    let source = Source {
        reconciled,
        figures: Figures::read(&ledger, spans).map_err(failed)?,
        standing: Standing::read(&ledger, spans, reading::runs(&config)).map_err(failed)?,
        events: Events::read(&ledger, spans).map_err(failed)?,
        hours: arguments.period == Length::Day,
        ledger,
        registry,
        spans,
    };
    progress.show(|| "putting the report together".to_owned());
    let report = put_together(&source, arguments, view.as_ref(), note, now)?;
    let short = arguments.require_completeness.is_some_and(|least| {
        let lacks = |cell: &Cell| !matches!(cell, Cell::Ratio(share) if *share >= least);
        lacks(&report.completeness) || lacks(&report.observed)
    });
    if short {
        progress.done();
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(
            io::stderr(),
            "observer: report: not written: {} (leave --require-completeness out, or ask for less)",
            report.standing()
        );
        return Ok(false);
    }
    let text = match arguments.format {
        ReportFormat::Html => {
            reports::html(&report).map_err(|error| Failure::input("report", error))?
        }
        ReportFormat::Md => reports::markdown(&report),
        ReportFormat::Json => reports::json(&report),
        ReportFormat::Csv => reports::csv(&report),
    };
    progress.done();
    match &arguments.out {
        None => super::print(&text)?,
        Some(out) => {
            let first = plain::time(report.period.from);
            let first = first.get(..10).unwrap_or(&first);
            let (period, ending) = (arguments.period.name(), arguments.format.ending());
            let file = place::named(out, &report.audience, period, first, ending);
            place::put(&file, &text).map_err(|error| Failure::input(file.display(), error))?;
        }
    }
    Ok(true)
}

/// What the running daemon knows of reconciliations; without one, nothing.
fn reconciled(config: &Config) -> Vec<Reconciliation> {
    let socket = &config.control.socket;
    let told = reading::wait(socket, "reconciliations", reading::PATIENCE, |_| {});
    told.ok()
        .and_then(|told| serde_json::from_str(&told).ok())
        .unwrap_or_default()
}

/// The report of what was read.
fn put_together(
    source: &Source,
    arguments: &cli::Report,
    view: Option<&View>,
    note: Option<String>,
    now: u64,
) -> Result<Report, Failure> {
    let failed = |error: rusqlite::Error| Failure::input("ledger", error);
    let mut completeness = Cell::ratio(source.standing.completeness());
    let (first, mut sections) = match &arguments.audience {
        Audience::Consumer(id) => {
            let own = source.figures.of(id);
            if own.lines.is_empty() && source.registry.account(id).is_none() {
                let why = format!(
                    "`{}` is no consumer of the registry, and used nothing in this time",
                    Shown(id)
                );
                return Err(Failure::input("--audience", why));
            }
            let total = own.total();
            [completeness, _] = source.standing.completeness_of(&total);
            let events = source.events.of(id);
            let sections = consumer::sections(source, id, &own, &events).map_err(failed)?;
            (source.standing.section(Some(total)), sections)
        }
        audience => {
            let sections = match audience {
                Audience::Finance => finance::sections(source),
                Audience::Security => security::sections(source, view.unwrap_or(&View::default())),
                _ => owner::sections(source).map_err(failed)?,
            };
            (source.standing.section(None), sections)
        }
    };
    let mut whole = vec![first];
    if let (Some(note), Some(first)) = (note, whole.first_mut()) {
        first.text.push(note);
    }
    whole.extend(source.standing.gaps());
    whole.append(&mut sections);
    let complete = matches!(completeness, Cell::Ratio(share) if source.standing.is_complete(share));
    Ok(Report {
        title: title(&arguments.audience, arguments.period, source.spans.now),
        audience: arguments.audience.to_string(),
        period: span_of(source.spans.now),
        before: span_of(source.spans.before),
        written: now,
        completeness,
        observed: Cell::ratio(source.standing.observed()),
        complete,
        sections: whole,
    })
}

fn title(audience: &Audience, length: Length, period: Period) -> String {
    let whose = match audience {
        Audience::Owner => "API usage".to_owned(),
        Audience::Security => "API security".to_owned(),
        Audience::Finance => "Billable API usage".to_owned(),
        Audience::Consumer(id) => format!("API usage of {id}"),
    };
    let first = plain::time(period.from);
    let part = |end| first.get(..end).unwrap_or(&first);
    match length {
        Length::Day => format!("{whose} on {}", part(10)),
        Length::Week => format!("{whose} in the week from {}", part(10)),
        Length::Month => format!("{whose} in the month {}", part(7)),
    }
}

impl ReportFormat {
    /// What names of files end with.
    const fn ending(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Md => "md",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

fn span_of(period: Period) -> Span {
    Span {
        from: period.from,
        until: period.until,
    }
}
