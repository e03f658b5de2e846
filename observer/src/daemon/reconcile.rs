//! `observer reconcile`: records of the wire against access logs, and the ledger's totals against reported ones.

mod found;
mod sources;
mod totals;
mod work;

use super::cli;
use super::config::Config;
use super::failure::Failure;
use super::{reading, rules};
use crate::identity::{Attributor, CredentialRule, TargetPrivacy};
use crate::store::{self, Period};
use crate::usage::reconcile::{Gap, Micros, log};
use sources::{Logs, Records};
use work::Work;

const SECOND: Micros = 1_000_000;
/// Exchanges and lines from which it is found out how the two sides differ.
const SAMPLE: usize = 100_000;

/// Reconciles. False: something does not match.
///
/// # Errors
/// When an input cannot be read, or is of no use.
pub fn reconcile(arguments: &cli::Reconcile) -> Result<bool, Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    match (&arguments.log, &arguments.reported) {
        (Some(log), _) => of_log(arguments, &config, log),
        (None, Some(reported)) => totals::of_reported(arguments, &config, reported),
        (None, None) => Err(Failure::input(
            "reconcile",
            "nothing to compare with (name an access log with --log, or totals with --reported)",
        )),
    }
}

fn of_log(
    arguments: &cli::Reconcile,
    config: &Config,
    path: &std::path::Path,
) -> Result<bool, Failure> {
    let format = arguments.log_format.ok_or_else(|| {
        Failure::input(
            "reconcile",
            "what the log looks like is not said (--log-format)",
        )
    })?;
    let _ = reading::ask(&config.control.socket, "commit");
    let mut logs = Logs::open(path, format)?;
    let masked = Masked::new(config)?;
    let logged = logs.sample(SAMPLE, &masked)?;
    let first = logged.iter().map(|(_, _, line)| line.time).min();
    let mut records = Records::open(arguments, config, (first, logs.last()))?;
    let recorded = records.sample(SAMPLE)?;
    if recorded.iter().any(|(_, record)| record.is_route) {
        return Err(Failure::input(
            "records",
            "they keep routes instead of paths, which no log has ([privacy] targets = \"path\")",
        ));
    }
    let mut work = Work::new(arguments, &logs, &logged, &recorded);
    let (from, until) = work.period(arguments, &logs, &records, &logged, &recorded)?;
    let (gaps, completeness, note) = gaps(config, from, until);
    work.notes.extend(note);
    work.run(logs, records, (logged, recorded), &masked, gaps)?;
    if let Some(name) = &arguments.publish {
        work.publish(config, name)?;
    }
    let clean = work.is_clean();
    let registry = rules::registry(config).ok();
    work.report(arguments, from, until, completeness, registry.as_deref())?;
    Ok(clean)
}

/// Paths as records keep them: with credentials in them replaced, where the configuration names such.
pub struct Masked(Option<Attributor>);

impl Masked {
    fn new(config: &Config) -> Result<Self, Failure> {
        let has_paths = config
            .identity
            .credential
            .iter()
            .any(|credential| matches!(credential.rule(), CredentialRule::Path(_)));
        Ok(Self(if has_paths {
            let fingerprinter = rules::replay_fingerprinter(config)?;
            Some(rules::attributor(config, fingerprinter, Vec::new()))
        } else {
            None
        }))
    }

    /// Replaces what is secret in a line's path.
    pub fn mask(&self, line: &mut log::Line) {
        let Some(attributor) = &self.0 else { return };
        if let Some(path) = attributor.redact_target(&line.path, TargetPrivacy::Path) {
            line.path = path.into();
        }
    }
}

/// What the ledger says was missed, and how complete the period is. Without a ledger, nothing is known of that.
fn gaps(config: &Config, from: u64, until: u64) -> (Vec<Gap>, f64, Option<String>) {
    let ask = || {
        let ledger = store::open_to_read(&config.ledger.path).map_err(|error| error.to_string())?;
        let period = Period {
            from: from / 60 * 60,
            until: until.div_ceil(60) * 60,
        };
        let coverage = store::coverage(&ledger, period).map_err(|error| error.to_string())?;
        let losses = store::losses(&ledger, period).map_err(|error| error.to_string())?;
        Ok::<_, String>((coverage, losses))
    };
    match ask() {
        Ok((coverage, losses)) => {
            let micros = |second: u64| Micros::try_from(second).unwrap_or(0) * SECOND;
            let gaps = coverage.gaps.iter().map(|gap| (gap.from, gap.until));
            let gaps = gaps.chain(losses.into_iter().map(|lost| (lost.from, lost.until)));
            let gaps = gaps.map(|(from, until)| (micros(from), micros(until)));
            (gaps.collect(), coverage.completeness(), None)
        }
        Err(why) => (
            Vec::new(),
            1.0,
            Some(format!(
                "what the capture missed is not known without the ledger: {why}"
            )),
        ),
    }
}
