//! Names of the hourly files: `records-2026-11-25T07.jsonl`, and `records-2026-11-25T07_0001.jsonl` for what follows in that hour.
//!
//! Sorted by name they are in order of time. A file whose begin is not safe yet ends in `.new`, a compressed one in `.gz`.

use std::cmp::Ordering;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::line::rfc3339;

/// What every name begins with.
const PREFIX: &str = "records-";
/// What every name of a plain file ends with.
const PLAIN: &str = ".jsonl";
/// The last part of an hour.
pub const LAST_PART: u16 = 9_999;
/// Seconds of an hour.
pub const HOUR: u64 = 3_600;

/// Which of the files it is, whatever its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Its hour: hours since 1970 in UTC.
    pub hour: u64,
    /// Its place among those of the hour, from zero.
    pub part: u16,
}

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Lines.
    Plain,
    /// Lines of a file whose begin no journal holds yet.
    Begun,
    /// Lines, compressed (RFC 1952).
    Compressed,
    /// A compressed file that was left half written.
    Unfinished,
}

/// A file in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub name: Name,
    /// In which form.
    pub form: Form,
    /// Where.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
}

const FORMS: [(Form, &str); 4] = [
    (Form::Plain, ""),
    (Form::Begun, ".new"),
    (Form::Compressed, ".gz"),
    (Form::Unfinished, ".gz.new"),
];

impl Name {
    /// The file in a form.
    pub fn path(self, folder: &Path, form: Form) -> PathBuf {
        let suffix = FORMS.iter().find(|(known, _)| *known == form);
        let suffix = suffix.map_or("", |(_, suffix)| suffix);
        folder.join(format!("{self}{suffix}"))
    }

    /// Reads a file's name; `None` for every other file.
    pub fn parse(text: &str) -> Option<(Self, Form)> {
        let (stem, suffix) = text.strip_prefix(PREFIX)?.split_once(PLAIN)?;
        let (form, _) = FORMS.iter().find(|(_, known)| *known == suffix)?;
        let (hour, part) = match stem.split_once('_') {
            Some((hour, part)) => (hour, part.parse().ok()?),
            None => (stem, 0),
        };
        let time = format!("{hour}:00:00Z").parse::<jiff::Timestamp>().ok()?;
        let name = Self {
            hour: u64::try_from(time.as_second()).ok()? / HOUR,
            part,
        };
        // Only as they are written here: one file has one name.
        (name.path(Path::new(""), *form).to_str() == Some(text)).then_some((name, *form))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 30];
        let time = rfc3339(self.hour.saturating_mul(HOUR * 1_000_000_000), &mut text);
        f.write_str(PREFIX)?;
        f.write_str(time.get(..13).unwrap_or_default())?;
        if self.part > 0 {
            write!(f, "_{:04}", self.part)?;
        }
        f.write_str(PLAIN)
    }
}

/// The files of a folder, by name. What is not one of ours is left out. While a file is being compressed it may stand there
/// in two forms.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = look(folder)?;
    // A file that changes its form while the folder is read may be passed over in both (readdir(3)). It changes once: what
    // the first look missed the second one sees.
    entries.extend(look(folder)?);
    entries.sort_by(Entry::in_order);
    entries.dedup_by_key(|entry| (entry.name, entry.form));
    Ok(entries)
}

fn look(folder: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Some((name, form)) = entry.file_name().to_str().and_then(Name::parse) else {
            continue;
        };
        // One that went meanwhile is none.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_file() {
            entries.push(Entry {
                name,
                form,
                path: entry.path(),
                bytes: metadata.len(),
            });
        }
    }
    Ok(entries)
}

impl Entry {
    fn in_order(&self, other: &Self) -> Ordering {
        (self.name, self.form).cmp(&(other.name, other.form))
    }
}
