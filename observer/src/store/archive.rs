//! Closed statements: a file for each account and period, that is replaced whole and in which nothing that was there changes.
//!
//! Invariant: numbers of an account and year begin at 1 and leave none out: a number is given by the rename that makes its document
//! be there, under a lock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::usage::statement::Statement;

/// Bytes of a file at most: a statement has a few KiB.
const SIZE: u64 = 64 << 20;

/// What went wrong with the archive.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub struct ArchiveError {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub why: String,
    /// Whether it is for lack of privilege.
    pub is_privilege: bool,
}

/// A folder of closed statements.
pub struct Archive {
    folder: PathBuf,
    /// Held while statements are closed.
    lock: Option<File>,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.to_owned();
    move |error| ArchiveError {
        path,
        is_privilege: error.kind() == ErrorKind::PermissionDenied,
        why: error.to_string(),
    }
}

impl Archive {
    /// To read. There need not be one.
    pub fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            lock: None,
        }
    }

    /// To close statements; makes the folder. Waits for whoever else closes some.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn open(folder: &Path) -> Result<Self, ArchiveError> {
        let make = |folder: &Path| {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o750)
                .create(folder)
        };
        make(folder).map_err(failed(folder))?;
        let path = folder.join(".lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(&path)
            .map_err(failed(&path))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed(&path)(error.into()))?;
        Ok(Self {
            folder: folder.to_owned(),
            lock: Some(lock),
        })
    }

    /// What was closed for an account and a period, in order: an invoice, and what corrected it.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn documents(&self, period: &str, account: &str) -> Result<Vec<Statement>, ArchiveError> {
        let path = self.path(period, account);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&path)(error)),
        };
        let mut text = String::new();
        file.take(SIZE)
            .read_to_string(&mut text)
            .map_err(failed(&path))?;
        serde_json::from_str(&text).map_err(|error| ArchiveError {
            path,
            why: format!("is no archive of statements: {error} (restore it from a backup)"),
            is_privilege: false,
        })
    }

    /// The number after the last that an account has in a year.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn next_number(&self, year: &str, account: &str) -> Result<u64, ArchiveError> {
        let mut count = 0;
        let folders = match fs::read_dir(&self.folder) {
            Ok(folders) => folders,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(1),
            Err(error) => return Err(failed(&self.folder)(error)),
        };
        for folder in folders {
            let name = folder.map_err(failed(&self.folder))?.file_name();
            let name = name.to_string_lossy();
            if name.split('-').next() == Some(year) {
                count += self.documents(&name, account)?.len() as u64;
            }
        }
        Ok(count + 1)
    }

    /// Keeps documents of an account and a period, those that were there included and first.
    ///
    /// # Errors
    /// What the system refuses; then nothing has changed.
    pub fn keep(
        &self,
        period: &str,
        account: &str,
        documents: &[Statement],
    ) -> Result<(), ArchiveError> {
        let path = self.path(period, account);
        if self.lock.is_none() {
            return Err(ArchiveError {
                path,
                why: "was opened to read".to_owned(),
                is_privilege: false,
            });
        }
        let text = serde_json::to_string_pretty(documents).map_err(|error| ArchiveError {
            path: path.clone(),
            why: error.to_string(),
            is_privilege: false,
        })?;
        let folder = self.folder.join(period);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(&folder)
            .map_err(failed(&folder))?;
        write_whole(&path, text.as_bytes()).map_err(failed(&path))
    }

    fn path(&self, period: &str, account: &str) -> PathBuf {
        self.folder.join(period).join(format!("{account}.json"))
    }
}

/// Writes a file so that what is there under its name is always whole, also after a crash.
///
/// # Errors
/// What the system refuses.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    let beside = folder.join(name);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // What cannot be removed is left beside it, and is nothing that is read.
        let _ = fs::remove_file(&beside);
    }
    written
}
