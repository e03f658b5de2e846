//! The ledger: exact usage in SQLite, and the journal that makes it exact.
//!
//! A batch of windows reaches the ledger once and only once, whatever ends the process in between: it stands in the journal,
//! together with the ring positions that it was read up to, before it is handed to the writer, and the ledger notes its
//! number in the transaction that takes it.

pub mod archive;
mod batch;
mod journal;
mod kept;
mod read;
mod schema;
mod series;
mod sweep;
mod writer;

#[cfg(test)]
mod tests;

pub use journal::{Journal, Mark, Position};
pub use kept::Kept;
pub use read::{
    Coverage, Gap, Period, UsageRow, action_events, actions, baselines, coverage, incident,
    incidents, losses, routes, spellings, standing, usage,
};
pub use schema::{Retention, id, open, open_to_read, set_aside};
pub use series::{Filter, Usage, begun, first, parts, seen, series};
pub use writer::{Status, Writer};

use std::io;
use std::path::PathBuf;

/// A ledger that is opened to read.
pub type Reader = rusqlite::Connection;

/// What went wrong with the ledger or its journal.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused something.
    #[error("{path}: {source}")]
    Database {
        /// The ledger's file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The ledger was written by a later version.
    #[error("{path}: was written by a later version (schema {found}, this one knows {known})")]
    Later {
        /// The ledger's file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this version knows.
        known: u32,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A journal is not what this version writes.
    #[error("{path}: is no journal of this version: {source}")]
    Journal {
        /// The file.
        path: PathBuf,
        /// Where it differs.
        source: postcard::Error,
    },
}

impl StoreError {
    /// Whether the file itself is damaged, so that only another one helps.
    pub fn is_corruption(&self) -> bool {
        matches!(
            self,
            Self::Database { source, .. } if matches!(
                source.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
            )
        )
    }
}
