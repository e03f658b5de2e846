//! The two sides read in turns and matched, and what came of it.

use std::collections::BTreeMap;

use super::sources::{Logged, Logs, Recorded, Records};
use super::{Masked, SECOND};
use crate::daemon::config::Config;
use crate::daemon::failure::Failure;
use crate::daemon::progress::Progress;
use crate::daemon::run::control;
use crate::daemon::{cli, reading};
use crate::identity::shown::Shown;
use crate::usage::reconcile::{
    Class, Entry, Finding, Fit, Gap, Matcher, Micros, Record, Tolerance, fit, key, log, ports,
};

/// Seconds that one side may reach beyond the other and still be compared.
const MARGIN: u64 = 60;

/// The two sides being matched, and what came of it.
pub(super) struct Work {
    fit: Fit,
    tolerance: Tolerance,
    has_client: bool,
    ports: Vec<u16>,
    /// Microseconds since 1970 that are compared.
    period: (Micros, Micros),
    pub(super) counts: BTreeMap<Class, u64>,
    pub(super) findings: Vec<Finding>,
    most: usize,
    outside: [u64; 2],
    pub(super) notes: Vec<String>,
}

impl Work {
    pub(super) fn new(
        arguments: &cli::Reconcile,
        logs: &Logs,
        logged: &[Logged],
        recorded: &[Recorded],
    ) -> Self {
        let lines: Vec<&log::Line> = logged.iter().map(|(_, _, line)| line).collect();
        let mut exchanges: Vec<&Record> = recorded.iter().map(|(_, record)| record).collect();
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
    pub(super) fn period(
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

    pub(super) fn run(
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
        let mut progress = Progress::new(logs.size() > 0);
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
                // Asked for every line, the clock would cost more than the line.
                if logs.lines().is_multiple_of(4_096) {
                    progress.show(|| logs.words());
                }
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
    pub(super) fn publish(&self, config: &Config, name: &str) -> Result<(), Failure> {
        if !control::is_source(name) {
            let why = format!(
                "`{}` is no name: 1 to 32 letters, digits and ._-",
                Shown(name)
            );
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

    pub(super) fn is_clean(&self) -> bool {
        !self
            .counts
            .iter()
            .any(|(class, count)| class.is_drift() && *count > 0)
    }
}
