//! What has to be safe before events are released from the rings: windows, connections, and the file of records.
//!
//! Invariant: events are released only once the journal holds what they led to; a batch is handed to the ledger only once it
//! stands in the journal as it is; the ledger takes a batch once. So whatever ends the process, the next one goes on exactly
//! where the journal stands, and nothing is counted twice or missed.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use observer_ebpf::abi::{EventHeader, FlowKey};

use crate::export::records::RecordSink;
use crate::kernel::monotonic_now;
use crate::kernel::ring::Ring;
use crate::pipeline::Pipeline;
use crate::store::{Journal, Mark, Position, Status, StoreError, Writer};
use crate::usage::batch::{Batch, GapRow, Rows};

/// How often the journal is written while events come.
const JOURNAL: Duration = Duration::from_secs(1);
/// How often a batch is handed to the ledger.
const SEAL: Duration = Duration::from_secs(5);
/// The journal may take this share of the time, however many connections it holds.
const SHARE: u32 = 20;
/// Batches that wait for the ledger; past it the open one grows on, within its own bounds.
const SEALED: usize = 2;
/// Share of a ring that a half-read head may hold back; what waits longer becomes a gap if the process is killed.
const HELD: u64 = 8;

/// The books.
pub struct Books {
    batch: Batch,
    sealed: VecDeque<(u64, Arc<Rows>)>,
    writer: Writer,
    /// Where the journal lies; `None` where nothing is pinned, so that it would be of no use.
    journal: Option<PathBuf>,
    mark: Mark,
    written: Instant,
    sealed_at: Instant,
    cost: Duration,
    trouble: bool,
    /// Changes of the learned routes that the ledger has.
    routes: Option<u64>,
    resuming: Resuming,
}

/// Events that were read before and are read again, because something waits in them as bytes.
#[derive(Debug, Default)]
pub struct Resuming {
    /// Position of each ring up to which all else was taken.
    read: Vec<u64>,
    /// Positions from which on the events of these connections count.
    flows: HashMap<(FlowKey, u64), u64>,
}

impl Resuming {
    /// Whether some ring still hands out what was read before.
    fn is_pending(&self, rings: &[Ring]) -> bool {
        let read = self.read.iter().zip(rings);
        read.into_iter().any(|(read, ring)| ring.position() < *read)
    }

    /// Whether an event counts.
    pub fn counts(&self, ring: usize, at: u64, event: &[u8]) -> bool {
        if self.read.get(ring).is_none_or(|read| at >= *read) {
            return true;
        }
        EventHeader::decode(event).is_ok_and(|(header, _)| {
            self.flows
                .get(&(header.flow, header.birth))
                .is_some_and(|resume| at >= *resume)
        })
    }
}

impl Books {
    /// Opens the books. `next_batch`: number of the first batch.
    pub fn new(
        writer: Writer,
        journal: Option<PathBuf>,
        ledger: String,
        pins: PathBuf,
        next_batch: u64,
    ) -> Self {
        let now = Instant::now();
        Self {
            batch: Batch::default(),
            sealed: VecDeque::new(),
            writer,
            journal,
            mark: Mark {
                ledger,
                pins,
                next_batch,
                ..Mark::default()
            },
            written: now,
            sealed_at: now,
            cost: Duration::ZERO,
            trouble: false,
            routes: None,
            resuming: Resuming::default(),
        }
    }

    /// Takes over what the process before left: its batches, its connections, and how far it had read the rings. Without
    /// `positions_hold`, only the batches.
    pub fn resume(
        &mut self,
        journal: Journal,
        rings: &mut [Ring],
        pipeline: &mut Pipeline,
        positions_hold: bool,
    ) {
        let written = self.writer.status().batch;
        for (number, rows) in journal.batches {
            self.mark.next_batch = self.mark.next_batch.max(number + 1);
            if number > written {
                let rows = Arc::new(rows);
                self.writer.write(number, Arc::clone(&rows));
                self.sealed.push_back((number, rows));
            }
        }
        if !positions_hold {
            return;
        }
        self.resuming.read = journal.mark.positions.iter().map(|at| at.read).collect();
        for (ring, position) in rings.iter_mut().zip(&journal.mark.positions) {
            ring.seek(position.held);
        }
        for flow in journal.flows {
            if let Some(resume) = flow.resume {
                self.resuming
                    .flows
                    .insert((flow.key(), flow.birth()), resume);
            }
            pipeline.restore(flow, monotonic_now());
        }
        self.mark.counters = journal.mark.counters;
    }

    /// Notes a time in which nothing was observed, seconds since 1970 in UTC.
    pub fn gap(&mut self, start: u64, until: u64, reason: &'static str) {
        if start < until {
            tracing::warn!("not observed for {} s: {reason}", until - start);
            let reason = reason.into();
            self.batch.gap(GapRow {
                start,
                until,
                reason,
            });
        }
    }

    /// The kernel side's counters as they were accounted for.
    pub fn counters(&mut self) -> &mut Vec<u64> {
        &mut self.mark.counters
    }

    /// Where exchanges are added, and which of the events that are read now count.
    pub fn parts(&mut self) -> (&mut Batch, &Resuming) {
        (&mut self.batch, &self.resuming)
    }

    /// How the ledger is doing.
    pub fn status(&self) -> Status {
        self.writer.status()
    }

    /// Batches that wait for the ledger.
    pub fn waiting(&self) -> usize {
        self.sealed.len()
    }

    /// Whether it is time to write the journal: regularly, before a ring fills up, and where another file of records begins.
    pub fn is_due(&self, rings: &[Ring], records: Option<&RecordSink>) -> bool {
        let since = self.written.elapsed();
        // The journal of before stands until everything that it speaks of was read again.
        if self.resuming.is_pending(rings) {
            return false;
        }
        let filling = rings.iter().any(|ring| ring.filled() > ring.size() / 4);
        let turning = records.is_some_and(RecordSink::turns);
        (since >= JOURNAL && since >= self.cost * SHARE)
            || ((filling || turning) && since >= self.cost)
    }

    /// Makes everything that was read so far safe, and releases it. With `seal`, hands it to the ledger too. Returns the number
    /// of the last batch that was handed over.
    pub fn commit(
        &mut self,
        rings: &mut [Ring],
        pipeline: &Pipeline,
        mut records: Option<&mut RecordSink>,
        seal: bool,
        now: u64,
    ) -> u64 {
        let begun = Instant::now();
        let taken = self.writer.status().batch;
        if self.resuming.is_pending(rings) {
            return taken;
        }
        self.resuming = Resuming::default();
        self.sealed.retain(|(number, _)| *number > taken);
        let seal = seal || self.sealed_at.elapsed() >= SEAL;
        let mut open = self.batch.rows();
        let routes = pipeline.routes();
        if seal && self.routes != Some(routes.changes()) {
            open.routes = postcard::to_allocvec(&routes.saved().collect::<Vec<_>>()).ok();
        }
        let open = Arc::new(open);
        let closes = seal && self.sealed.len() < SEALED && !open.is_empty();
        let number = self.mark.next_batch;
        self.mark.next_batch += u64::from(closes);
        self.mark.time = now;
        self.mark.records = records.as_mut().and_then(|records| records.mark(now));
        let safe = self.write(rings, pipeline, number, &open);
        match &safe {
            Ok(()) => {
                self.trouble = false;
                if let Some(records) = records {
                    records.committed();
                }
            }
            Err(error) if !self.trouble => {
                self.trouble = true;
                tracing::error!(
                    "journal: {error}; a crash would lose what came since the last one"
                );
            }
            Err(_) => {}
        }
        for (ring, position) in rings.iter_mut().zip(&self.mark.positions) {
            // Without a journal, seeing what comes is worth more than seeing again what was.
            if safe.is_ok() || ring.filled() > ring.size() / 2 {
                ring.release(position.held);
            }
        }
        if closes {
            self.sealed.push_back((number, Arc::clone(&open)));
            self.writer.write(number, open);
            self.batch = Batch::default();
            self.routes = Some(routes.changes());
            self.sealed_at = Instant::now();
        }
        self.written = Instant::now();
        self.cost = begun.elapsed();
        self.sealed.back().map_or(taken, |(number, _)| *number)
    }

    /// Waits until the ledger has everything, where it takes anything.
    pub fn finish(self) {
        self.writer.finish();
    }

    fn write(
        &mut self,
        rings: &[Ring],
        pipeline: &Pipeline,
        number: u64,
        open: &Rows,
    ) -> Result<(), StoreError> {
        let floors: Vec<u64> = rings
            .iter()
            .map(|ring| ring.position().saturating_sub(ring.size() / HELD))
            .collect();
        let mut held: Vec<u64> = rings.iter().map(Ring::position).collect();
        for (shard, resume) in pipeline.resumes(&floors) {
            if let Some(held) = held.get_mut(shard) {
                *held = resume.min(*held);
            }
        }
        self.mark.positions = rings
            .iter()
            .zip(held)
            .map(|(ring, held)| Position {
                read: ring.position(),
                held,
            })
            .collect();
        let Some(path) = &self.journal else {
            return Ok(());
        };
        let mut batches: Vec<(u64, &Rows)> = self
            .sealed
            .iter()
            .map(|(number, rows)| (*number, &**rows))
            .collect();
        batches.push((number, open));
        Journal::write(path, &self.mark, &batches, pipeline.states(&floors))
    }
}
