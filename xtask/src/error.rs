//! Why a step failed; the text reads `WHAT: WHY (what to do)`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program could not be started.
    #[error("{what}: `{program}` cannot be started: {source} (is it installed and on PATH?)")]
    Start {
        what: String,
        program: String,
        source: io::Error,
    },
    /// A program said no.
    #[error("{what}: `{command}` ended with {status} (its own words stand above)")]
    Ended {
        what: String,
        command: String,
        status: ExitStatus,
    },
    /// A file or folder could not be read or written.
    #[error("{what}: {}: {source}", path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// Only root may do this.
    #[error("{what} needs root: repeat it as  {repeat}")]
    Privilege { what: &'static str, repeat: String },
    /// Something is missing that this program does not install by itself.
    #[error("{what}: {why} ({remedy})")]
    Lacking {
        what: &'static str,
        why: String,
        remedy: String,
    },
    /// A check ran and found something.
    #[error("{what}: {count} found (listed above)")]
    Found { what: &'static str, count: usize },
}

impl Error {
    /// For `map_err` on file operations: `what` was done to `path`.
    pub fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { what, path, source }
    }

    /// The exit code: 3 for lacking privilege, otherwise 1.
    pub fn code(&self) -> u8 {
        match self {
            Self::Privilege { .. } => 3,
            _ => 1,
        }
    }
}
