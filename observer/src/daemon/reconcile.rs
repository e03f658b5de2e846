//! `observer reconcile`: records of the wire against access logs, and the ledger's totals against reported ones.

mod sources;
mod totals;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::io::Write;
use std::time::{Duration, Instant};

use super::cli;
use super::config::Config;
use super::failure::Failure;
use super::report::{Cell, Report};
use super::run::control;
use super::{reading, rules};
use crate::identity::{Attributor, CredentialRule, TargetPrivacy};
use crate::store::{self, Period};
use crate::usage::reconcile::{
    Class, Entry, Finding, Fit, Gap, Matcher, Micros, Record, Tolerance, fit, key, log, ports,
};
use sources::{Logged, Logs, Recorded, Records};

const SECOND: Micros = 1_000_000;
/// Exchanges and lines from which it is found out how the two sides differ.
const SAMPLE: usize = 100_000;
/// Seconds that one side may reach beyond the other and still be compared.
const MARGIN: u64 = 60;
/// How often progress is shown.
const SHOWN: Duration = Duration::from_millis(500);

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
    work.report(arguments, from, until, completeness)?;
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

/// The two sides being matched, and what came of it.
struct Work {
    fit: Fit,
    tolerance: Tolerance,
    has_client: bool,
    ports: Vec<u16>,
    /// Microseconds since 1970 that are compared.
    period: (Micros, Micros),
    counts: BTreeMap<Class, u64>,
    findings: Vec<Finding>,
    most: usize,
    outside: [u64; 2],
    notes: Vec<String>,
}

impl Work {
    fn new(
        arguments: &cli::Reconcile,
        logs: &Logs,
        logged: &[Logged],
        recorded: &[Recorded],
    ) -> Self {
        let lines: Vec<log::Line> = logged.iter().map(|(_, _, line)| line.clone()).collect();
        let mut exchanges: Vec<Record> =
            recorded.iter().map(|(_, record)| record.clone()).collect();
        let has_client = lines.iter().any(|line| line.client.is_some());
        let ports = if arguments.server.is_empty() {
            ports(&exchanges, &lines)
        } else {
            arguments.server.clone()
        };
        exchanges.retain(|record| ports.is_empty() || ports.contains(&record.port));
        let fit = fit(&exchanges, &lines, logs.resolution());
        let window = Micros::from(arguments.window.max(1)) * SECOND;
        let mut notes = Vec::new();
        if fit.pairs == 0 {
            notes.push(
                "no request is unmistakable on both sides: the log's clock is taken for the wire's"
                    .to_owned(),
            );
        } else {
            notes.push(format!(
                "the log's clock is {} s ahead; it tells when requests {}, from {} requests",
                fit.skew as f64 / SECOND as f64,
                if fit.begin { "begin" } else { "end" },
                fit.pairs
            ));
        }
        if !ports.is_empty() {
            let names: Vec<String> = ports.iter().map(u16::to_string).collect();
            notes.push(format!(
                "compared with the exchanges of the servers on port {}",
                names.join(", ")
            ));
        }
        Self {
            fit,
            tolerance: Tolerance {
                window,
                slack: fit.slack.min(window),
                share: arguments.tolerance / 100.0,
            },
            has_client,
            ports,
            period: (Micros::MIN, Micros::MAX),
            counts: BTreeMap::new(),
            findings: Vec::new(),
            most: arguments.findings,
            outside: [0; 2],
            notes,
        }
    }

    /// The seconds that are compared: what is asked for, else those that both sides reach.
    fn period(
        &mut self,
        arguments: &cli::Reconcile,
        logs: &Logs,
        records: &Records,
        logged: &[Logged],
        recorded: &[Recorded],
    ) -> Result<(u64, u64), Failure> {
        let second = |micros: Micros| u64::try_from(micros / SECOND).unwrap_or(0);
        let of_log = |time: Micros| second(time - self.fit.skew);
        let of_wire = |record: &Record| {
            second(if self.fit.begin {
                record.begin
            } else {
                record.end
            })
        };
        let first_logged = logged.iter().map(|(_, _, line)| of_log(line.time)).min();
        let first_recorded = recorded.iter().map(|(_, record)| of_wire(record)).min();
        let (Some(first_logged), Some(first_recorded)) = (first_logged, first_recorded) else {
            return Err(Failure::input(
                "reconcile",
                if logged.is_empty() {
                    "no line of the log can be read (is --log-format right?)"
                } else {
                    "there are no records (set [records] path, or name a file with --records)"
                },
            ));
        };
        let now = reading::now();
        let last_logged = logs.last().map_or(now, of_log);
        let last_recorded = records.last().map_or(now, |record| of_wire(&record));
        let margin = MARGIN.max(u64::from(arguments.window));
        let from = match &arguments.from {
            Some(text) => reading::moment(text, now)?,
            None => first_logged.max(first_recorded).saturating_sub(margin),
        };
        let until = match &arguments.to {
            Some(text) => reading::moment(text, now)?,
            None => last_logged.min(last_recorded) + margin,
        };
        if from >= until {
            return Err(Failure::input(
                "reconcile",
                "the log and the records have no time in common",
            ));
        }
        let micros =
            |second: u64| Micros::try_from(second).unwrap_or(Micros::MAX / SECOND) * SECOND;
        self.period = (micros(from), micros(until));
        Ok((from, until))
    }

    fn run(
        &mut self,
        mut logs: Logs,
        mut records: Records,
        (logged, recorded): (Vec<Logged>, Vec<Recorded>),
        masked: &Masked,
        gaps: Vec<Gap>,
    ) -> Result<(), Failure> {
        let mut matcher = Matcher::new(self.tolerance, gaps);
        let (mut logged, mut recorded) = (logged.into_iter(), recorded.into_iter());
        let (mut more_log, mut more_wire) = (true, true);
        let mut progress = Progress::new(&logs);
        while more_log || more_wire {
            if more_wire && (matcher.wants_wire() || !more_log) {
                let next = match recorded.next() {
                    Some(next) => Some(next),
                    None => records.next()?,
                };
                match next {
                    Some((line, record)) => self.take_wire(line, record, &mut matcher),
                    None => more_wire = false,
                }
            } else {
                let next = match logged.next() {
                    Some(next) => Some(next),
                    None => logs.next(masked)?,
                };
                match next {
                    Some(next) => self.take_log(next, &mut matcher),
                    None => more_log = false,
                }
                progress.show(&logs);
            }
            matcher.settle(&mut |finding| self.found(finding));
        }
        matcher.finish(&mut |finding| self.found(finding));
        progress.done();
        self.note_lines(&logs, &records, &matcher);
        Ok(())
    }

    fn take_wire(&mut self, line: u64, record: Record, matcher: &mut Matcher) {
        if !self.ports.is_empty() && !self.ports.contains(&record.port) {
            return;
        }
        if record.method.is_empty() {
            let client = if self.fit.peer {
                record.peer
            } else {
                record.client
            };
            matcher.unread(client, record.end);
            return;
        }
        let entry = record.entry(&self.fit, self.has_client, line);
        if self.is_outside(entry.time) {
            self.outside[0] += 1;
        } else {
            matcher.wire(entry);
        }
    }

    fn take_log(&mut self, (number, text, line): Logged, matcher: &mut Matcher) {
        let time = line.time.saturating_sub(self.fit.skew);
        if self.is_outside(time) {
            self.outside[1] += 1;
            return;
        }
        matcher.log(Entry {
            time,
            key: key(&line.method, &line.path, line.client),
            status: line.status,
            bytes: line.bytes,
            consumer: line.consumer.as_deref().map(Into::into),
            what: format!("{} {}", line.method, line.path).into(),
            client: line.client,
            line: number,
            text,
            certain: true,
        });
    }

    fn is_outside(&self, time: Micros) -> bool {
        let (from, until) = self.period;
        time < from || time >= until
    }

    fn found(&mut self, finding: Finding) {
        *self.counts.entry(finding.class).or_default() += 1;
        if finding.class.is_drift() && self.findings.len() < self.most {
            self.findings.push(finding);
        }
    }

    fn note_lines(&mut self, logs: &Logs, records: &Records, matcher: &Matcher) {
        let notes = &mut self.notes;
        let [wire, log] = self.outside;
        if wire + log > 0 {
            notes.push(format!(
                "outside the period that is compared: {wire} exchanges and {log} lines"
            ));
        }
        if matcher.hurried > 0 {
            notes.push(format!(
                "{} entries were judged early, because too many were held at a time",
                matcher.hurried
            ));
        }
        if records.unreadable > 0 {
            notes.push(format!(
                "records that cannot be read: {}",
                records.unreadable
            ));
        }
        if logs.no_requests > 0 {
            notes.push(format!(
                "lines of the log that tell of no request: {}",
                logs.no_requests
            ));
        }
        if logs.unreadable > 0 {
            let first: Vec<String> = logs.unreadable_lines.iter().map(u64::to_string).collect();
            notes.push(format!(
                "lines of the log that cannot be read: {} (the first: {})",
                logs.unreadable,
                first.join(", ")
            ));
        }
    }

    /// Hands the counts to the running daemon.
    fn publish(&self, config: &Config, name: &str) -> Result<(), Failure> {
        if !control::is_source(name) {
            let why = format_args!(
                "`{}` is no name: 1 to 32 letters, digits and ._-",
                name.escape_debug()
            )
            .to_string();
            return Err(Failure::input("reconcile", why));
        }
        let mut request = format!("reconciled {name}");
        for class in Class::ALL {
            let count = self.counts.get(&class).copied().unwrap_or(0);
            request.push_str(&format!(" {count}"));
        }
        reading::tell(&config.control.socket, &request)
            .map_err(|why| Failure::input("publishing", why))
    }

    fn is_clean(&self) -> bool {
        !self
            .counts
            .iter()
            .any(|(class, count)| class.is_drift() && *count > 0)
    }

    fn report(
        self,
        arguments: &cli::Reconcile,
        from: u64,
        until: u64,
        completeness: f64,
    ) -> Result<(), Failure> {
        let (columns, rows) = if arguments.list {
            listed(&self.findings)
        } else {
            let count = |class: Class| self.counts.get(&class).copied().unwrap_or(0);
            let row = |class: Class| {
                vec![
                    Cell::Text(class.name().to_owned()),
                    Cell::Count(count(class)),
                ]
            };
            (vec!["class", "count"], Class::ALL.map(row).to_vec())
        };
        Report {
            from,
            to: until,
            completeness,
            notes: self.notes,
            columns,
            rows,
            nothing: "nothing was found",
        }
        .print(arguments.format)
    }
}

/// Findings, a row each.
fn listed(findings: &[Finding]) -> (Vec<&'static str>, Vec<Vec<Cell>>) {
    let row = |finding: &Finding| {
        let (wire, log) = (finding.wire.as_ref(), finding.log.as_ref());
        let either = wire.or(log);
        let text = |text: Option<String>| Cell::Text(text.unwrap_or_default());
        let time = either.and_then(|entry| jiff::Timestamp::from_microsecond(entry.time).ok());
        let status = |entry: Option<&Entry>| text(entry.map(|entry| entry.status.to_string()));
        let bytes = |entry: Option<&Entry>| {
            text(
                entry
                    .and_then(|entry| entry.bytes)
                    .map(|bytes| bytes.to_string()),
            )
        };
        let consumer = |entry: Option<&Entry>| {
            text(
                entry
                    .and_then(|entry| entry.consumer.as_deref())
                    .map(str::to_owned),
            )
        };
        vec![
            Cell::Text(finding.class.name().to_owned()),
            text(time.map(|time| time.to_string())),
            text(log.map(|entry| entry.line.to_string())),
            text(
                either
                    .and_then(|entry| entry.client)
                    .map(|client| client.to_string()),
            ),
            text(either.map(|entry| entry.what.to_string())),
            status(wire),
            status(log),
            bytes(wire),
            bytes(log),
            consumer(wire),
            consumer(log),
        ]
    };
    let columns = vec![
        "class",
        "time",
        "line",
        "client",
        "request",
        "wire_status",
        "log_status",
        "wire_bytes",
        "log_bytes",
        "wire_consumer",
        "log_consumer",
    ];
    (columns, findings.iter().map(row).collect())
}

/// How far the log was read, on a terminal.
struct Progress {
    shown: Option<Instant>,
    any: bool,
}

impl Progress {
    fn new(logs: &Logs) -> Self {
        let worth = std::io::stderr().is_terminal() && logs.size() > 0;
        Self {
            shown: worth.then(Instant::now),
            any: false,
        }
    }

    fn show(&mut self, logs: &Logs) {
        // Asked for every line, the clock would cost more than the line.
        let due = |shown: Instant| shown.elapsed() >= SHOWN;
        if !logs.lines().is_multiple_of(4_096) || !self.shown.is_some_and(due) {
            return;
        }
        self.shown = Some(Instant::now());
        self.any = true;
        let percent = logs.bytes() * 100 / logs.size().max(1);
        let _ = write!(
            std::io::stderr(),
            "\r{percent} % of the log, {} lines",
            logs.lines()
        );
    }

    fn done(&self) {
        if self.any {
            let _ = writeln!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
