//! How far records were written when the journal was: what came after is written again by the next process.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How far a file of records was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsMark {
    /// The file.
    pub path: PathBuf,
    /// Its device and inode: another file of that name is left alone.
    pub file: (u64, u64),
    /// Its length up to the end of its last whole line. Bytes.
    pub length: u64,
}

impl RecordsMark {
    /// The mark of a file that ends with so many bytes of an unfinished line.
    ///
    /// # Errors
    /// When the system does not tell of the file.
    pub fn of(path: PathBuf, file: &File, torn: usize) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            path,
            file: identity(&metadata),
            length: metadata.len().saturating_sub(torn as u64),
        })
    }

    /// Whether this is the file at a path.
    pub fn is_at(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|metadata| identity(&metadata) == self.file)
    }
}

/// Device and inode.
pub fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Cuts a file of records back to where it was marked: what came after is written again. One that the journal knows, and that
/// did not get its name before the process ended, gets it now.
///
/// # Errors
/// What the system refuses.
pub fn cut_back(mark: &RecordsMark) -> io::Result<()> {
    let begun = begun(&mark.path);
    if !mark.path.exists() && mark.is_at(&begun) {
        fs::rename(&begun, &mark.path)?;
    }
    let file = match OpenOptions::new().write(true).open(&mark.path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if identity(&metadata) == mark.file && metadata.len() > mark.length {
        file.set_len(mark.length)?;
    }
    Ok(())
}

/// What a file is called until a journal holds its begin.
fn begun(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}
