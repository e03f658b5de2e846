//! Files of records and logs, read line by line in bounded memory.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::Masked;
use crate::daemon::cli::{self, LogFormat};
use crate::daemon::config::Config;
use crate::daemon::failure::Failure;
use crate::export::records::names::Entry;
use crate::export::records::read::{self, Next};
use crate::usage::reconcile::{Micros, Record, log, text};

/// Bytes at the end of a file in which its last line is looked for.
const TAIL: u64 = 1 << 16;
/// Hours by which a clock of another zone may be off.
const ZONES: Micros = 15;
/// Numbers of lines that are named.
const NAMED: usize = 10;

/// The number of a line, the hash of its text, and what it says.
pub type Logged = (u64, u64, log::Line);
/// The number of a line, and its record.
pub type Recorded = (u64, Record);

/// Numbered lines of a file, compressed perhaps.
struct Lines {
    input: read::Lines,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, Failure> {
        let place = if path == Path::new("-") {
            Path::new("/dev/stdin")
        } else {
            path
        };
        let input =
            read::Lines::open(place).map_err(|error| Failure::input(path.display(), error))?;
        Ok(Self::of(input))
    }

    fn of(input: read::Lines) -> Self {
        Self {
            input,
            line: Vec::new(),
            number: 0,
            bytes: 0,
        }
    }

    /// The next line without its end; `None` at the end of the file. One that is too long is empty.
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let next = self.input.next(&mut self.line)?;
        match next {
            Next::End => return Ok(None),
            Next::TooLong => self.line.clear(),
            Next::Line | Next::Unended => {}
        }
        self.bytes += self.line.len() as u64 + 1;
        self.number += 1;
        Ok(Some(self.line.trim_ascii_end()))
    }
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix == "gz")
}

/// The last line of a file, if it is one whose end can be looked at.
fn last_line(path: &Path) -> Option<Vec<u8>> {
    if is_compressed(path) {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok().filter(fs::Metadata::is_file)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))
        .ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    let text = tail.trim_ascii_end();
    let begin = memchr::memrchr(b'\n', text).map_or(0, |at| at + 1);
    text.get(begin..).map(<[u8]>::to_vec)
}

/// An access log.
pub struct Logs {
    path: PathBuf,
    format: log::Format,
    lines: Lines,
    /// Bytes of the file; zero where that says nothing of how far it was read.
    size: u64,
    /// Lines that tell of no request.
    pub no_requests: u64,
    /// Lines that cannot be read.
    pub unreadable: u64,
    /// Numbers of the first of them.
    pub unreadable_lines: Vec<u64>,
}

impl Logs {
    /// Opens a log.
    ///
    /// # Errors
    /// When it cannot be read, or lacks a column.
    pub fn open(path: &Path, format: LogFormat) -> Result<Self, Failure> {
        let mut lines = Lines::open(path)?;
        let failed = |error: &dyn std::fmt::Display| Failure::input(path.display(), error);
        let format = match format {
            LogFormat::NginxCombined | LogFormat::ApacheCombined => log::Format::Combined,
            LogFormat::NginxJson => log::Format::NginxJson,
            LogFormat::Haproxy => log::Format::Haproxy,
            LogFormat::Caddy => log::Format::Caddy,
            LogFormat::Envoy => log::Format::Envoy,
            LogFormat::KongJson => log::Format::Kong,
            LogFormat::Csv => {
                let names = lines.next().map_err(|error| failed(&error))?;
                let names = String::from_utf8_lossy(names.unwrap_or_default()).into_owned();
                let columns = log::Columns::parse(&names).map_err(|missing| {
                    let why = format!("line 1 names no column `{missing}`");
                    failed(&why)
                })?;
                log::Format::Csv(columns)
            }
        };
        let metadata = fs::metadata(path).ok();
        Ok(Self {
            path: path.to_owned(),
            format,
            lines,
            size: metadata
                .filter(fs::Metadata::is_file)
                .map_or(0, |it| it.len()),
            no_requests: 0,
            unreadable: 0,
            unreadable_lines: Vec::new(),
        })
    }

    /// Microseconds between two times that the log can tell apart.
    pub fn resolution(&self) -> Micros {
        self.format.resolution()
    }

    /// Bytes of the file; zero where it is none.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How far it was read, in words.
    pub fn words(&self) -> String {
        let percent = self.lines.bytes * 100 / self.size.max(1);
        format!("{percent} % of the log, {} lines", self.lines.number)
    }

    /// Lines that were read.
    pub fn lines(&self) -> u64 {
        self.lines.number
    }

    /// When the last line was written, on the log's clock.
    pub fn last(&self) -> Option<Micros> {
        match self.format.read(&last_line(&self.path)?) {
            log::Read::Request(line) => Some(line.time),
            log::Read::NoRequest | log::Read::Unreadable => None,
        }
    }

    /// The next request that the log tells of.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self, masked: &Masked) -> Result<Option<Logged>, Failure> {
        loop {
            let number = self.lines.number + 1;
            let line = self.lines.next();
            let line = line.map_err(|error| Failure::input(self.path.display(), error))?;
            let Some(line) = line else { return Ok(None) };
            match self.format.read(line) {
                log::Read::Request(mut request) => {
                    masked.mask(&mut request);
                    return Ok(Some((number, text(line), request)));
                }
                log::Read::NoRequest => self.no_requests += 1,
                log::Read::Unreadable => {
                    self.unreadable += 1;
                    if self.unreadable_lines.len() < NAMED {
                        self.unreadable_lines.push(number);
                    }
                }
            }
        }
    }

    /// The first requests.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn sample(&mut self, most: usize, masked: &Masked) -> Result<Vec<Logged>, Failure> {
        let mut sample = Vec::new();
        while sample.len() < most
            && let Some(line) = self.next(masked)?
        {
            sample.push(line);
        }
        Ok(sample)
    }
}

/// Where records are.
enum Place {
    File(PathBuf),
    /// One of a folder, which may be compressed before its turn comes.
    Entry(PathBuf, Entry),
}

/// Records, of one file after the other.
pub struct Records {
    places: Vec<Place>,
    at: usize,
    lines: Option<Lines>,
    /// Lines that are no records.
    pub unreadable: u64,
}

impl Records {
    /// Opens the files of records that are named, or those that the daemon writes, as far as they may be of a log that reaches
    /// from `first` to `last`.
    ///
    /// # Errors
    /// When there are none.
    pub fn open(
        arguments: &cli::Reconcile,
        config: &Config,
        (first, last): (Option<Micros>, Option<Micros>),
    ) -> Result<Self, Failure> {
        let folder = &config.records.path;
        let places = if !arguments.records.is_empty() {
            arguments.records.iter().cloned().map(Place::File).collect()
        } else if folder.as_os_str().is_empty() {
            return Err(Failure::input(
                "records",
                "none are kept (set [records] path, or name a file with --records)",
            ));
        } else {
            let entries =
                read::files(folder).map_err(|error| Failure::input(folder.display(), error))?;
            let hour = |time: Micros| time.div_euclid(3_600_000_000);
            let from = first.map_or(Micros::MIN, |time| hour(time) - ZONES);
            let until = last.map_or(Micros::MAX, |time| hour(time) + ZONES);
            let near = |entry: &Entry| {
                Micros::try_from(entry.name.hour).is_ok_and(|hour| (from..=until).contains(&hour))
            };
            let near = entries.into_iter().filter(near);
            near.map(|entry| Place::Entry(folder.clone(), entry))
                .collect()
        };
        Ok(Self {
            places,
            at: 0,
            lines: None,
            unreadable: 0,
        })
    }

    /// The record that was written last, where that can be seen.
    pub fn last(&self) -> Option<Record> {
        let path = match self.places.last()? {
            Place::File(path) => path,
            Place::Entry(_, entry) => &entry.path,
        };
        Record::parse(&last_line(path)?)
    }

    /// Opens the next file; false when there is none.
    fn turn(&mut self) -> Result<bool, Failure> {
        while self.lines.is_none() {
            let Some(place) = self.places.get(self.at) else {
                return Ok(false);
            };
            self.lines = match place {
                Place::File(path) => Some(Lines::open(path)?),
                Place::Entry(folder, entry) => read::Lines::of(folder, entry)
                    .map_err(|error| Failure::input(entry.path.display(), error))?
                    .map(Lines::of),
            };
            self.at += 1;
        }
        Ok(true)
    }

    /// The next record.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn next(&mut self) -> Result<Option<Recorded>, Failure> {
        while self.turn()? {
            let Some(lines) = &mut self.lines else { break };
            let number = lines.number + 1;
            match lines
                .next()
                .map_err(|error| Failure::input("records", error))?
            {
                Some(line) => match Record::parse(line) {
                    Some(record) if record.refused => {}
                    Some(record) => return Ok(Some((number, record))),
                    None => self.unreadable += 1,
                },
                None => self.lines = None,
            }
        }
        Ok(None)
    }

    /// The first records.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn sample(&mut self, most: usize) -> Result<Vec<Recorded>, Failure> {
        let mut sample = Vec::new();
        while sample.len() < most
            && let Some(record) = self.next()?
        {
            sample.push(record);
        }
        Ok(sample)
    }
}
