//! `observer records`: exchanges one by one, from the hourly files, plain and compressed alike.
//!
//! Files are read in order, one line at a time, and those of other hours are not opened. What is damaged is counted and named
//! at the end; it never hides what is whole.

mod filter;
mod print;
mod record;

#[cfg(test)]
mod tests;

pub use filter::{Client, Status};

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use super::cli;
use super::failure::Failure;
use super::progress::Progress;
use super::{reading, rules};
use crate::export::records::names::{Entry, HOUR};
use crate::export::records::read::{Lines, Next, files};
use crate::store::Period;
use filter::Filter;
use print::Printer;
use record::Record;

/// Damaged files that are named.
const NAMED: usize = 20;

/// Reads and prints.
///
/// # Errors
/// When there is no folder, or the period is none.
pub fn records(arguments: &cli::Records) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let folder = &config.records.path;
    if folder.as_os_str().is_empty() {
        let why = "the configuration names no folder for them (set path in its section [records])";
        return Err(Failure::input("records", why));
    }
    let note = reading::ask(&config.control.socket, "commit").err();
    let period = reading::period(&arguments.period, reading::now())?;
    let entries = files(folder).map_err(|error| {
        let what = "it is made by `observer run`; root and its user may read it";
        Failure::input(folder.display(), format_args!("{error} ({what})"))
    })?;
    let filter = Filter::new(arguments, period);
    let mut printer = Printer::new(arguments.format, period);
    let mut run = Run {
        folder,
        left: arguments.limit.unwrap_or(u64::MAX),
        progress: Progress::new(!io::stdout().is_terminal()),
        damage: Vec::new(),
    };
    let result = run.all(&entries, &filter, &mut printer);
    match result.and_then(|()| printer.finish()) {
        // A reader that went away is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        Err(error) => return Err(Failure::input("standard output", error)),
        Ok(()) => {}
    }
    run.tell(note);
    Ok(())
}

/// What is damaged in one file.
#[derive(Debug, PartialEq, Eq)]
struct Damage {
    file: String,
    /// Lines that are no records.
    lines: u64,
    /// The first of them, from one.
    first: u64,
    /// Why the rest of it cannot be read, and after how many lines.
    end: Option<(String, u64)>,
}

struct Run<'a> {
    folder: &'a Path,
    left: u64,
    progress: Progress,
    damage: Vec<Damage>,
}

impl Run<'_> {
    /// # Errors
    /// When standard output cannot be written.
    fn all(
        &mut self,
        entries: &[Entry],
        filter: &Filter<'_>,
        printer: &mut Printer,
    ) -> io::Result<()> {
        for (at, entry) in entries.iter().enumerate() {
            let next = entries.get(at + 1).map(|next| next.name.hour);
            if !holds(entry.name.hour, next, filter.period()) {
                continue;
            }
            if self.left == 0 {
                break;
            }
            self.progress
                .show(|| format!("reading file {} of {}", at + 1, entries.len()));
            let last = next.is_none();
            let damage = self.file(entry, last, filter, printer)?;
            self.damage.extend(damage);
        }
        self.progress.done();
        Ok(())
    }

    fn file(
        &mut self,
        entry: &Entry,
        last: bool,
        filter: &Filter<'_>,
        printer: &mut Printer,
    ) -> io::Result<Option<Damage>> {
        let mut damage = Damage {
            file: entry.name.to_string(),
            lines: 0,
            first: 0,
            end: None,
        };
        let mut lines = match Lines::of(self.folder, entry) {
            Ok(Some(lines)) => lines,
            Ok(None) => return Ok(None),
            Err(error) => {
                damage.end = Some((error.to_string(), 0));
                return Ok(Some(damage));
            }
        };
        let (mut line, mut number) = (Vec::new(), 0);
        while self.left > 0 {
            let record = match lines.next(&mut line) {
                Ok(Next::End) => break,
                // The file that is being written.
                Ok(Next::Unended) if last => break,
                Ok(Next::Line) => Record::read(&line),
                Ok(Next::Unended | Next::TooLong) => None,
                Err(error) => {
                    damage.end = Some((error.to_string(), number));
                    break;
                }
            };
            number += 1;
            match record {
                Some((record, end)) if filter.fits(&record, end) => {
                    printer.record(&line, &record)?;
                    self.left -= 1;
                }
                Some(_) => {}
                None => {
                    damage.lines += 1;
                    if damage.first == 0 {
                        damage.first = number;
                    }
                }
            }
        }
        let whole = damage.lines == 0 && damage.end.is_none();
        Ok((!whole).then_some(damage))
    }

    /// Says on standard error what could not be read.
    fn tell(&self, note: Option<String>) {
        let mut text = note.map_or_else(String::new, |note| format!("observer: records: {note}\n"));
        for damage in self.damage.iter().take(NAMED) {
            text.push_str(&format!("observer: records: {}\n", damage.words()));
        }
        if let Some(more) = self.damage.len().checked_sub(NAMED + 1) {
            text.push_str(&format!(
                "observer: records: {} more files are damaged\n",
                more + 1
            ));
        }
        // Nobody is left to tell when standard error is gone.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

impl Damage {
    fn words(&self) -> String {
        let mut text = format!("{}: ", self.file);
        if self.lines > 0 {
            let (lines, first) = (self.lines, self.first);
            text.push_str(&format!(
                "{lines} lines are no records, the first is line {first}"
            ));
        }
        if let Some((why, after)) = &self.end {
            let comma = if self.lines > 0 { "; " } else { "" };
            text.push_str(&format!("{comma}cannot be read after line {after}: {why}"));
        }
        text
    }
}

/// Whether a file can hold exchanges that ended in a period: those of its hour, of an hour before that were told late, and all
/// until the next file was begun. Hours since 1970.
fn holds(hour: u64, next: Option<u64>, period: Period) -> bool {
    let begins_after = hour * HOUR >= period.until.saturating_add(HOUR);
    let ends_before = next.is_some_and(|next| (next + 1) * HOUR <= period.from);
    !begins_after && !ends_before
}
