//! Closed statements: a file for each account and period, that is replaced whole and in which nothing that was there changes.
//!
//! Invariant: numbers of an account and year begin at 1 and leave none out: a number is given by the rename that makes its document
//! be there, under a lock.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
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
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            eprintln!("observer: statements: somebody else closes some, waiting");
            flock(&lock, FlockOperation::LockExclusive)
                .map_err(|error| failed(&path)(error.into()))?;
        }
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

    /// Accounts of which something was closed for a period, by name.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub fn accounts(&self, period: &str) -> Result<Vec<String>, ArchiveError> {
        let path = self.folder.join(period);
        let files = match fs::read_dir(&path) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&path)(error)),
        };
        let mut accounts = Vec::new();
        for file in files {
            let name = file.map_err(failed(&path))?.file_name();
            let name = name.to_string_lossy();
            accounts.extend(name.strip_suffix(".json").map(str::to_owned));
        }
        accounts.retain(|account| !account.starts_with('.'));
        accounts.sort_unstable();
        Ok(accounts)
    }

    /// The number after the last that an account has in a year.
    ///
    /// # Errors
    /// When a file is there and cannot be read, or one is missing that has to be there.
    pub fn next_number(&self, year: &str, account: &str) -> Result<u64, ArchiveError> {
        let (mut count, mut last) = (0, 0);
        let folders = match fs::read_dir(&self.folder) {
            Ok(folders) => folders,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(1),
            Err(error) => return Err(failed(&self.folder)(error)),
        };
        for folder in folders {
            let name = folder.map_err(failed(&self.folder))?.file_name();
            let name = name.to_string_lossy();
            if is_month(&name) && name.starts_with(year) {
                for document in self.documents(&name, account)? {
                    let number = document.number.as_deref().unwrap_or_default();
                    let number = number.rsplit('-').next().unwrap_or_default();
                    last = number.parse().unwrap_or(0).max(last);
                    count += 1;
                }
            }
        }
        if count != last {
            return Err(ArchiveError {
                path: self.folder.clone(),
                why: format!(
                    "{account} has {count} statements of {year}, and the last number is {last} (restore what is missing from a backup)"
                ),
                is_privilege: false,
            });
        }
        Ok(last + 1)
    }

    /// Keeps documents of an account and a period, those that were there included and first. Safe from a crash of the host once
    /// [`Archive::settle`] was called: until then it may be as if they had never been closed.
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

    /// Makes everything that was kept outlast a crash of the host.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn settle(&self) -> Result<(), ArchiveError> {
        let folders = fs::read_dir(&self.folder).map_err(failed(&self.folder))?;
        for folder in folders {
            let path = folder.map_err(failed(&self.folder))?.path();
            if path.is_dir() {
                settle(&path).map_err(failed(&path))?;
            }
        }
        settle(&self.folder).map_err(failed(&self.folder))
    }

    fn path(&self, period: &str, account: &str) -> PathBuf {
        self.folder.join(period).join(format!("{account}.json"))
    }
}

/// Makes what was written into a folder outlast a crash of the host.
///
/// # Errors
/// What the system refuses.
pub fn settle(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes a file so that what is there under its name is always whole, also after a crash; that it is there is sure after
/// [`settle`].
///
/// # Errors
/// What the system refuses.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".")
        .suffix(".new")
        .permissions(Permissions::from_mode(0o640))
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Whether a folder is that of a month: `2026-11`.
fn is_month(name: &str) -> bool {
    let digits = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    name.split_once('-')
        .is_some_and(|(year, month)| digits(year, 4) && digits(month, 2))
}
