//! The journal: what a restart needs, replaced as a whole by a rename.
//!
//! It lies beside the control socket, in memory: it outlives the process, which is what it is for, and a reboot takes it along
//! with the rings that it speaks of. Holds parsed state only, never bytes of a head.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::export::records::RecordsMark;
use crate::pipeline::{Connection, FlowState};
use crate::usage::batch::Rows;

/// What the file begins with; the number changes with every change of what follows.
const MAGIC: &[u8] = b"observer journal 4\n";

/// How far a ring was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Every event before it led to what the journal holds.
    pub read: u64,
    /// From here on events are still needed: something waits in them as bytes.
    pub held: u64,
}

/// The moment that a journal stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Id of the ledger that the batches belong to.
    pub ledger: String,
    /// What is pinned in the kernel: folder of the maps that the positions speak of.
    pub pins: PathBuf,
    /// Of each ring.
    pub positions: Vec<Position>,
    /// The kernel side's counters as they were accounted for.
    pub counters: Vec<u64>,
    /// Of the file of records, where there is one.
    pub records: Option<RecordsMark>,
    /// Number of the next batch.
    pub next_batch: u64,
    /// Nanoseconds since 1970 in UTC.
    pub time: u64,
}

/// What was read back.
pub struct Journal {
    /// The moment.
    pub mark: Mark,
    /// Batches that the ledger may not have, with their numbers.
    pub batches: Vec<(u64, Rows)>,
    /// Connections.
    pub flows: Vec<FlowState<Connection>>,
}

impl Journal {
    /// Replaces the journal. The old one stands until the new one is whole.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write<'a>(
        path: &Path,
        mark: &Mark,
        batches: &[(u64, &Rows)],
        flows: impl Iterator<Item = FlowState<&'a Connection>>,
    ) -> Result<(), StoreError> {
        let fresh = path.with_extension("new");
        let written = create(&fresh).and_then(|file| {
            let mut writer = BufWriter::with_capacity(1 << 16, file);
            writer.write_all(MAGIC)?;
            put(mark, &mut writer)?;
            put(&batches, &mut writer)?;
            for flow in flows {
                put(&flow, &mut writer)?;
            }
            writer.flush()?;
            fs::rename(&fresh, path)
        });
        written.map_err(|source| StoreError::File {
            path: path.to_owned(),
            source,
        })
    }

    /// Reads the journal; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is another version's.
    pub fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(StoreError::File {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        Self::decode(&bytes)
            .map(Some)
            .map_err(|source| StoreError::Journal {
                path: path.to_owned(),
                source,
            })
    }

    fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or(postcard::Error::DeserializeBadVarint)?;
        let (mark, rest) = postcard::take_from_bytes(rest)?;
        let (batches, mut rest) = postcard::take_from_bytes(rest)?;
        let mut flows = Vec::new();
        while !rest.is_empty() {
            let (flow, after) = postcard::take_from_bytes(rest)?;
            flows.push(flow);
            rest = after;
        }
        Ok(Self {
            mark,
            batches,
            flows,
        })
    }

    /// Removes the journal.
    ///
    /// # Errors
    /// When there is one and it cannot be removed.
    pub fn remove(path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

fn put(value: &impl Serialize, writer: &mut impl Write) -> io::Result<()> {
    postcard::to_io(value, writer)
        .map(drop)
        .map_err(io::Error::other)
}
