//! `observer incidents`: what awareness found, read from the ledger, and what is done about it.

use std::process::ExitCode;

use super::cli::{self, IncidentFormat};
use super::config::{self, Config};
use super::failure::Failure;
use super::report::{Cell, Report, time};
use super::{reading, rules};
use crate::awareness::Incident;
use crate::export::ocsf;
use crate::identity::shown::Shown;
use crate::store;

const SECOND: u64 = 1_000_000_000;

/// Lists, shows, or does something about incidents.
///
/// # Errors
/// When the ledger cannot be read, there is no such incident, or no daemon to tell.
pub fn incidents(command: &cli::Incidents) -> Result<ExitCode, Failure> {
    match command {
        cli::Incidents::List(arguments) => list(arguments)?,
        cli::Incidents::Show { id, config, format } => return show(id, config.as_deref(), *format),
        cli::Incidents::Ack { id, config } => {
            tell(&rules::load_config(config.as_deref())?, "ack", id, "")?
        }
        cli::Incidents::Close {
            id,
            config,
            suppress,
        } => {
            let config = rules::load_config(config.as_deref())?;
            match suppress {
                None => tell(&config, "close", id, "")?,
                Some(text) => {
                    let period = config::Period::parse(text).ok_or_else(|| {
                        let what = format!("`{}` is no time (write 12h or 7d)", Shown(text));
                        Failure::input("--suppress", what)
                    })?;
                    tell(&config, "suppress", id, &period.0.as_secs().to_string())?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(arguments: &cli::IncidentList) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let reading = reading::open(&config, &arguments.period)?;
    let (incidents, note) = read(&reading)?;
    let wanted = incidents.into_iter().filter(|incident| {
        (arguments.all || incident.state.is_open())
            && arguments
                .rule
                .as_ref()
                .is_none_or(|rule| *rule == incident.rule.name())
    });
    let wanted: Vec<Incident> = wanted.collect();
    let format = match arguments.format {
        IncidentFormat::Ocsf => {
            let findings: Vec<_> = wanted.iter().map(ocsf::finding).collect();
            return super::print(&format!("{:#}\n", serde_json::Value::Array(findings)));
        }
        IncidentFormat::Table => cli::Format::Table,
        IncidentFormat::Json => cli::Format::Json,
        IncidentFormat::Csv => cli::Format::Csv,
    };
    let failed = |error| Failure::input("ledger", error);
    let coverage = store::coverage(&reading.ledger, reading.period).map_err(failed)?;
    let text = |text: &str| Cell::Text(text.to_owned());
    let row = |incident: &Incident| {
        vec![
            text(&incident.id),
            text(incident.severity.name()),
            text(incident.state.name()),
            text(incident.rule.name()),
            text(&incident.subject.id),
            text(incident.subject.consumer.as_deref().unwrap_or("")),
            Cell::Text(time(incident.detected_at / SECOND)),
            text(&incident.statement),
        ]
    };
    let report = Report {
        from: reading.period.from,
        to: reading.period.until,
        completeness: coverage.completeness(),
        notes: reading.note.into_iter().chain(note).collect(),
        columns: vec![
            "id",
            "severity",
            "state",
            "rule",
            "subject",
            "consumer",
            "detected",
            "statement",
        ],
        rows: wanted.iter().map(row).collect(),
        nothing: if arguments.all {
            "no incidents in this time"
        } else {
            "no incident is open"
        },
    };
    report.print(format)
}

fn show(
    id: &str,
    config: Option<&std::path::Path>,
    format: cli::ShowFormat,
) -> Result<ExitCode, Failure> {
    let config = rules::load_config(config)?;
    let period = cli::Period {
        from: "1970-01-01".to_owned(),
        to: None,
    };
    let reading = reading::open(&config, &period)?;
    let (incidents, _) = read(&reading)?;
    let mut matching = incidents
        .iter()
        .filter(|incident| incident.id.starts_with(id));
    let (Some(incident), None) = (matching.next(), matching.next()) else {
        let why = format!("`{}` is the beginning of none, or of several", Shown(id));
        return Err(Failure::input("incident", why));
    };
    let value = match format {
        cli::ShowFormat::Json => ocsf::plain(incident),
        cli::ShowFormat::Ocsf => ocsf::finding(incident),
    };
    super::print(&format!("{value:#}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Incidents of the ledger, and what of it this version cannot read.
fn read(reading: &reading::Reading) -> Result<(Vec<Incident>, Option<String>), Failure> {
    let bodies = store::incidents(&reading.ledger, reading.period)
        .map_err(|error| Failure::input("ledger", error))?;
    let all = bodies.len();
    let known: Vec<Incident> = bodies
        .iter()
        .filter_map(|body| serde_json::from_str(body).ok())
        .collect();
    let unknown = all - known.len();
    let note = (unknown > 0)
        .then(|| format!("{unknown} incidents were written by another version and are not shown"));
    Ok((known, note))
}

/// Tells the running daemon what somebody does about an incident.
fn tell(config: &Config, verb: &str, id: &str, more: &str) -> Result<(), Failure> {
    let valid = !id.is_empty() && id.len() <= 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !valid {
        let why = format!("`{}` is no id (see `observer incidents list`)", Shown(id));
        return Err(Failure::input("incident", why));
    }
    reading::tell(
        &config.control.socket,
        &format!("incident {verb} {id} {more}"),
    )
    .map_err(|why| Failure::input("incident", why))
}
