//! Files of records and logs, read line by line in bounded memory.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::Masked;
use crate::daemon::cli::{self, LogFormat};
use crate::daemon::config::Config;
use crate::daemon::failure::Failure;
use crate::usage::reconcile::{Micros, Record, log, text};

/// Bytes of a line that are read; what is longer is no line of these.
const LINE: u64 = 1 << 20;
/// Bytes at the end of a file in which its last line is looked for.
const TAIL: u64 = 1 << 16;
/// Numbers of lines that are named.
const NAMED: usize = 10;

/// The number of a line, the hash of its text, and what it says.
pub type Logged = (u64, u64, log::Line);
/// The number of a line, and its record.
pub type Recorded = (u64, Record);

/// Lines of a file.
pub struct Lines {
    input: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, Failure> {
        let input: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(BufReader::new(io::stdin()))
        } else {
            let file = File::open(path).map_err(|error| Failure::input(path.display(), error))?;
            Box::new(BufReader::with_capacity(1 << 18, file))
        };
        Ok(Self {
            input,
            line: Vec::new(),
            number: 0,
            bytes: 0,
        })
    }

    /// The next line without its end; `None` at the end of the file. One that is too long is cut.
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let read = (&mut self.input)
            .take(LINE)
            .read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.bytes += read as u64;
        if read as u64 == LINE && self.line.last() != Some(&b'\n') {
            self.bytes += skip_line(&mut self.input)?;
        }
        self.number += 1;
        Ok(Some(self.line.trim_ascii_end()))
    }
}

/// Reads on to the end of the line, and keeps nothing of it.
fn skip_line(input: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = input.fill_buf()?;
        let (length, done) = match memchr::memchr(b'\n', buffer) {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(length);
        skipped += length as u64;
        if done {
            return Ok(skipped);
        }
    }
}

/// The last line of a file, if it is a file.
fn last_line(path: &Path) -> Option<Vec<u8>> {
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

    /// Bytes that were read.
    pub fn bytes(&self) -> u64 {
        self.lines.bytes
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
                log::Read::Unreadable if line.is_empty() => {}
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

/// Records, of one file after the other.
pub struct Records {
    files: Vec<PathBuf>,
    at: usize,
    lines: Option<Lines>,
    /// Lines that are no records.
    pub unreadable: u64,
}

impl Records {
    /// Opens the files of records that are named, or those that the daemon writes.
    ///
    /// # Errors
    /// When there are none.
    pub fn open(arguments: &cli::Reconcile, config: &Config) -> Result<Self, Failure> {
        let files = if !arguments.records.is_empty() {
            arguments.records.clone()
        } else if config.records.path.as_os_str().is_empty() {
            return Err(Failure::input(
                "records",
                "none are kept (set [records] path, or name a file with --records)",
            ));
        } else {
            vec![config.records.path.clone()]
        };
        Ok(Self {
            files,
            at: 0,
            lines: None,
            unreadable: 0,
        })
    }

    /// The record that was written last.
    pub fn last(&self) -> Option<Record> {
        Record::parse(&last_line(self.files.last()?)?)
    }

    /// The next record.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn next(&mut self) -> Result<Option<Recorded>, Failure> {
        loop {
            let Some(path) = self.files.get(self.at) else {
                return Ok(None);
            };
            let lines = match &mut self.lines {
                Some(lines) => lines,
                None => self.lines.insert(Lines::open(path)?),
            };
            let number = lines.number + 1;
            let line = lines.next();
            match line.map_err(|error| Failure::input(path.display(), error))? {
                Some(line) => match Record::parse(line) {
                    Some(record) => return Ok(Some((number, record))),
                    None => self.unreadable += 1,
                },
                None => {
                    self.lines = None;
                    self.at += 1;
                }
            }
        }
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
