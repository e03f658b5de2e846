//! Records: one line of JSON for each exchange, appended to a file, to hourly files of a folder, or to standard output.
//!
//! Lines are whole or absent: what the file refuses waits in a bounded buffer, and what does not fit there is counted
//! as lost. A failing disk never stops the observation.

mod folder;
mod keeper;
mod line;
mod mark;
pub mod names;
pub mod read;

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::usage::Call;
use folder::Folder;

pub use folder::Settings;
pub use line::{rfc3339, write_record};
pub use mark::{RecordsMark, cut_back};

/// Written out as soon as so much waits. Bytes.
const FLUSH_BYTES: usize = 256 * 1024;
/// The most that waits for a file that takes nothing. Bytes.
const MAX_WAITING: usize = 8 * 1024 * 1024;
/// Time after which what waits is written. Nanoseconds.
const FLUSH_NANOSECONDS: u64 = 1_000_000_000;

/// Where records go, and why it cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {path} for records: {source}")]
pub struct RecordsError {
    /// The file.
    path: PathBuf,
    /// What the system says.
    source: io::Error,
}

/// A file, a folder or standard output, with what waits for it.
#[derive(Debug)]
pub struct RecordSink {
    output: Output,
    waiting: Vec<u8>,
    /// From here on what waits belongs to the file of this hour, which is begun with the next mark.
    turn: Option<(usize, u64)>,
    /// Bytes of an unfinished line at the end of the file.
    torn: usize,
    flushed: u64,
    written: u64,
    /// As many were written when the last second ended.
    before: u64,
    lost: u64,
    errors: u64,
}

#[derive(Debug)]
enum Output {
    File(PathBuf, File),
    Folder(Box<Folder>),
    Stdout,
}

impl RecordSink {
    /// Opens the file (made with mode 0640, appended to), or standard output for `-`.
    pub fn open(path: &Path) -> Result<Self, RecordsError> {
        Ok(Self::new(if path == Path::new("-") {
            Output::Stdout
        } else {
            Output::File(path.to_owned(), append(path)?)
        }))
    }

    /// Opens a folder of hourly files, and goes on with the marked one. A folder that cannot be used is tried again every
    /// second. `now`: nanoseconds since 1970 in UTC.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn folder(
        settings: Settings,
        mark: Option<&RecordsMark>,
        now: u64,
    ) -> Result<Self, RecordsError> {
        let path = settings.path.clone();
        let folder =
            Folder::open(settings, mark, now).map_err(|source| RecordsError { path, source })?;
        Ok(Self::new(Output::Folder(Box::new(folder))))
    }

    fn new(output: Output) -> Self {
        Self {
            output,
            waiting: Vec::with_capacity(FLUSH_BYTES + 4096),
            turn: None,
            torn: 0,
            flushed: 0,
            written: 0,
            before: 0,
            lost: 0,
            errors: 0,
        }
    }

    /// Takes one record.
    pub fn write(&mut self, call: &Call) {
        let before = self.waiting.len();
        if before >= MAX_WAITING {
            self.lost += 1;
            return;
        }
        if let (Output::Folder(folder), None) = (&self.output, self.turn) {
            self.turn = folder.turns_at(call.end()).map(|hour| (before, hour));
        }
        write_record(&mut self.waiting, call);
        self.written += 1;
        // Past the mark only now and then: a file that takes nothing is not asked for every record.
        if self.waiting.len() / FLUSH_BYTES > before / FLUSH_BYTES {
            self.flush();
        }
    }

    /// Writes what has waited for a second. To be called at least every second; `now`: nanoseconds since 1970 in UTC.
    pub fn tick(&mut self, now: u64) {
        if now.saturating_sub(self.flushed) >= FLUSH_NANOSECONDS || now < self.flushed {
            self.flushed = now;
            let wrote = std::mem::replace(&mut self.before, self.written) != self.written;
            if let Output::Folder(folder) = &mut self.output {
                self.errors += u64::from(folder.tick(now, wrote).is_err());
            }
            self.flush();
        }
    }

    /// Writes what waits, up to where another file begins. What cannot be written waits on.
    pub fn flush(&mut self) {
        let ready = self.turn.map_or(self.waiting.len(), |(turn, _)| turn);
        let ready = self.waiting.get(..ready).unwrap_or_default();
        let (taken, result) = match &mut self.output {
            Output::File(_, file) => write_out(ready, file),
            Output::Folder(folder) => match folder.file() {
                Some(file) => write_out(ready, file),
                None => (0, Ok(())),
            },
            Output::Stdout => {
                let mut stdout = io::stdout().lock();
                let (taken, result) = write_out(ready, &mut stdout);
                (taken, result.and_then(|()| stdout.flush()))
            }
        };
        let written = ready.get(..taken).unwrap_or_default();
        self.torn = match memchr::memrchr(b'\n', written) {
            Some(end) => taken - end - 1,
            None => self.torn + taken,
        };
        self.waiting.drain(..taken);
        if let Some((turn, _)) = &mut self.turn {
            *turn -= taken;
        }
        self.errors += u64::from(result.is_err());
    }

    /// Opens the file anew after it was moved away. When that fails the old one stays in use.
    pub fn reopen(&mut self) -> Result<(), RecordsError> {
        let fresh = match &mut self.output {
            Output::Stdout => return Ok(()),
            Output::File(path, _) => Some(append(path)?),
            Output::Folder(_) => None,
        };
        self.flush();
        match (&mut self.output, fresh) {
            (Output::File(_, file), Some(fresh)) => *file = fresh,
            (Output::Folder(folder), _) => {
                let reopened = folder.reopen().map_err(|source| RecordsError {
                    path: folder.path().to_owned(),
                    source,
                })?;
                if !reopened {
                    return Ok(());
                }
            }
            _ => {}
        }
        // The old file takes nothing any more: the rest of its last line would be no line in the new one.
        if std::mem::take(&mut self.torn) > 0 {
            let rest =
                memchr::memchr(b'\n', &self.waiting).map_or(self.waiting.len(), |end| end + 1);
            self.waiting.drain(..rest);
            if let Some((turn, _)) = &mut self.turn {
                *turn = turn.saturating_sub(rest);
            }
            self.written -= 1;
            self.lost += 1;
        }
        Ok(())
    }

    /// Whether another file is to be begun, so that a mark is wanted soon.
    pub fn turns(&self) -> bool {
        self.turn.is_some()
    }

    /// Writes what waits, begins another file where its time has come, and says how far the file goes. `None` for standard
    /// output, and while no file can be opened. `now`: nanoseconds since 1970 in UTC.
    pub fn mark(&mut self, now: u64) -> Option<RecordsMark> {
        self.flush();
        self.turn_over(now);
        let mark = match &self.output {
            Output::File(path, file) => RecordsMark::of(path.clone(), file, self.torn).ok(),
            Output::Folder(folder) => folder.mark(self.torn),
            Output::Stdout => None,
        };
        self.errors += u64::from(mark.is_none() && !matches!(self.output, Output::Stdout));
        mark
    }

    /// Says that a journal holds what [`Self::mark`] returned last.
    pub fn committed(&mut self) {
        if let Output::Folder(folder) = &mut self.output {
            self.errors += u64::from(folder.committed().is_err());
        }
    }

    /// Begins another file, where the one before has taken all that belongs to it.
    fn turn_over(&mut self, now: u64) {
        let Output::Folder(folder) = &mut self.output else {
            return;
        };
        let hour = match self.turn {
            Some((_, hour)) => Some(hour),
            None => folder.is_due(now),
        };
        let Some(hour) = hour else { return };
        let taken = self
            .turn
            .take()
            .map_or(self.waiting.len(), |(turn, _)| turn)
            == 0;
        if self.torn == 0 && taken {
            self.errors += u64::from(folder.begin(hour).is_err());
        } else {
            folder.wait();
        }
        // Where none could be begun, what was meant for it goes into the one before.
        self.flush();
    }

    /// Records taken.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Records that found no room.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes that failed.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Reason and count, for `pipeline_dropped_total{stage="records"}`.
    pub fn dropped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let closed = match &self.output {
            Output::Folder(folder) => Some(folder.dropped()),
            _ => None,
        };
        [("full", self.lost), ("write_failed", self.errors)]
            .into_iter()
            .chain(closed.into_iter().flatten())
    }
}

impl Drop for RecordSink {
    fn drop(&mut self) {
        self.turn = None;
        self.flush();
    }
}

fn append(path: &Path) -> Result<File, RecordsError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
        .map_err(|source| RecordsError {
            path: path.to_owned(),
            source,
        })
}

/// Writes until everything or an error; how much was taken stands before the result.
fn write_out(waiting: &[u8], output: &mut impl Write) -> (usize, io::Result<()>) {
    let mut taken = 0;
    loop {
        let rest = waiting.get(taken..).unwrap_or_default();
        if rest.is_empty() {
            return (taken, Ok(()));
        }
        match output.write(rest) {
            Ok(0) => return (taken, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => taken += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (taken, Err(error)),
        }
    }
}
