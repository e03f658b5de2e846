//! The ledger's tables, their versions, and how a file is opened.
//!
//! Usage stands three times, by the minute, the quarter-hour and the day, each written in the same transaction: a late
//! exchange changes all three, and nothing has to be rolled up later. Quarter-hours, because billing zones are not all whole
//! hours.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::StoreError;

/// The newest schema.
const VERSION: u32 = 3;
/// From the schema before to each schema; the first makes the file.
const MIGRATIONS: [&str; VERSION as usize] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
];
/// How long a command waits for the writer where it must.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long what is kept. Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Minutes.
    pub minutes: u64,
    /// Quarter-hours.
    pub quarters: u64,
    /// Days.
    pub days: u64,
    /// Bytes of the file past which the oldest minutes, then quarter-hours, then days go early.
    pub max_bytes: u64,
}

impl Retention {
    /// Everything, for ever.
    pub const ALL: Self = Self {
        minutes: u64::MAX >> 2,
        quarters: u64::MAX >> 2,
        days: u64::MAX >> 2,
        max_bytes: u64::MAX >> 2,
    };
}

/// Opens the ledger to write, made where there is none, brought up to this version's schema. `id`: that of a new one.
///
/// # Errors
/// When the file cannot be opened, is damaged, or is a later version's.
pub fn open(path: &Path, id: Option<&str>) -> Result<Connection, StoreError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| StoreError::File {
            path: folder.to_owned(),
            source,
        })?;
    }
    prepare(path, id).map_err(|error| match error {
        Refusal::Sqlite(source) => StoreError::Database {
            path: path.to_owned(),
            source,
        },
        Refusal::Later(found) => StoreError::Later {
            path: path.to_owned(),
            found,
            known: VERSION,
        },
    })
}

/// Opens the ledger to read only, beside a writer.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::Database {
        path: path.to_owned(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    let found = version(&connection).map_err(failed)?;
    if found > VERSION {
        return Err(StoreError::Later {
            path: path.to_owned(),
            found,
            known: VERSION,
        });
    }
    Ok(connection)
}

/// The ledger's id: what is pinned in the kernel carries it.
///
/// # Errors
/// What SQLite refuses.
pub fn id(connection: &Connection) -> Result<String, rusqlite::Error> {
    connection.query_row("SELECT value FROM meta WHERE name = 'id'", [], |row| {
        row.get(0)
    })
}

/// Moves a damaged file aside, with what belongs to it, and says where to.
///
/// # Errors
/// What the system refuses.
pub fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let aside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let to = aside(&format!(".damaged-{now}"));
    for (suffix, required) in [("", true), ("-wal", false), ("-shm", false)] {
        let mut target = to.as_os_str().to_owned();
        target.push(suffix);
        match fs::rename(aside(suffix), &target) {
            Err(source) if required => {
                return Err(StoreError::File {
                    path: path.to_owned(),
                    source,
                });
            }
            _ => {}
        }
    }
    Ok(to)
}

enum Refusal {
    Sqlite(rusqlite::Error),
    Later(u32),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(path: &Path, id: Option<&str>) -> Result<Connection, Refusal> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // Freed pages go back to the file system when old windows are deleted.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    // Readers read on while a batch is written; a batch that was cut off by a power cut is one that never was.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let found = version(&connection)?;
    if found > VERSION {
        return Err(Refusal::Later(found));
    }
    for (migration, to) in MIGRATIONS.iter().zip(1..).skip(found as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", to)?;
        transaction.commit()?;
    }
    let known: Option<String> = connection
        .query_row("SELECT value FROM meta WHERE name = 'id'", [], |row| {
            row.get(0)
        })
        .optional()?;
    if known.is_none() {
        connection.execute(
            "INSERT INTO meta VALUES ('id', coalesce(?1, lower(hex(randomblob(8))))), ('batch', 0)",
            params![id],
        )?;
    }
    Ok(connection)
}

fn version(connection: &Connection) -> Result<u32, rusqlite::Error> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
