//! Reading files of records back, line by line, in bounded memory.
//!
//! A file that is damaged gives what can be read before the damage; a line that is damaged costs only itself.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::names::{Entry, Form, list};

/// The longest line that is read. The longest record there can be is a target of the longest head, every byte of it escaped.
/// Bytes.
pub const MAX_LINE: usize = 8 * 1024 * 1024;
const BUFFER: usize = 256 * 1024;

/// What the next line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A line, without its line feed.
    Line,
    /// A line that does not end: that of a file which is being written, or was cut off.
    Unended,
    /// A line longer than any record; it was passed over.
    TooLong,
    /// There is none.
    End,
}

/// A file of records, plain or compressed as its name says.
pub struct Lines(Box<dyn BufRead>);

/// The files of a folder that can be read, by name: of one that is just being compressed only one form.
///
/// # Errors
/// When the folder cannot be read.
pub fn files(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = list(folder)?;
    entries.retain(|entry| entry.form != Form::Unfinished);
    entries.dedup_by_key(|entry| entry.name);
    Ok(entries)
}

impl Lines {
    /// Opens a file of a folder, in the form that it has by now: `None` when it went meanwhile.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn of(folder: &Path, entry: &Entry) -> io::Result<Option<Self>> {
        for form in [entry.form, Form::Plain, Form::Compressed] {
            match Self::open(&entry.name.path(folder, form)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                opened => return opened.map(Some),
            }
        }
        Ok(None)
    }

    /// Opens a file.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = BufReader::with_capacity(BUFFER, File::open(path)?);
        let compressed = path.extension().is_some_and(|suffix| suffix == "gz");
        Ok(Self(if compressed {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        }))
    }

    /// Reads the next line into `line`.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Next> {
        line.clear();
        let read = (&mut self.0)
            .take(MAX_LINE as u64)
            .read_until(b'\n', line)?;
        if line.last() == Some(&b'\n') {
            line.pop();
            return Ok(Next::Line);
        }
        Ok(match read {
            0 => Next::End,
            MAX_LINE => {
                self.0.skip_until(b'\n')?;
                Next::TooLong
            }
            _ => Next::Unended,
        })
    }
}
