//! Holding what went over the wire against what somebody else wrote down: an access log line by line, or totals.
//!
//! Two streams of entries, each roughly in the order of time, are matched within a window of time; who matches nobody is
//! told of with a class. Bias: nothing is claimed where the capture says itself that it missed something.
//!
//! Invariant: only entries of the last seconds are held, and only so many.

mod align;
mod fit;
pub mod log;
pub mod totals;
mod wire;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

pub use fit::{Fit, fit, ports};
pub use wire::Record;

/// Microseconds since 1970 in UTC.
pub type Micros = i64;

/// What came of an entry, or of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Both sides tell the same.
    Matched,
    /// The log has no line for it.
    WireOnly,
    /// The wire has no exchange for it.
    LogOnly,
    /// Both have it, with another status.
    StatusMismatch,
    /// Both have it, with another length of the response.
    BytesMismatch,
    /// Both have it, for another consumer.
    ConsumerMismatch,
    /// The log has the same line once more, and the wire does not.
    DuplicateInLog,
    /// One side lacks it, where the capture says that it missed something.
    ExplainedByCaptureGap,
}

/// One request, as one side tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When, on the wire's clock once the skew is known.
    pub time: Micros,
    /// Hash of what both sides tell alike: method, path and client.
    pub key: u128,
    /// Status; zero where no response was sent.
    pub status: u16,
    /// Bytes of the response, where they are told.
    pub bytes: Option<u64>,
    /// The consumer, where one is told that the registry knows.
    pub consumer: Option<Arc<str>>,
    /// Method and path.
    pub what: Box<str>,
    /// The client, where it is told.
    pub client: Option<IpAddr>,
    /// Number of the line in its file, from 1.
    pub line: u64,
    /// Hash of the line: the same line twice.
    pub text: u64,
    /// Of the wire: all of it was read with certainty.
    pub certain: bool,
}

/// What the log and the wire may differ in.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Microseconds by which the two sides may tell different times.
    pub window: Micros,
    /// Microseconds within which they nearly always agree.
    pub slack: Micros,
    /// Share of a length that may differ.
    pub share: f64,
}

/// What the capture says that it missed, microseconds since 1970 in UTC from and until.
pub type Gap = (Micros, Micros);

/// One entry or pair that is told of.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What came of it.
    pub class: Class,
    /// The exchange on the wire.
    pub wire: Option<Entry>,
    /// The line of the log.
    pub log: Option<Entry>,
}

/// Bytes by which lengths may differ whatever their share: framing of chunks, which some logs count.
pub const FRAMING: u64 = 64;

/// Entries held at a time.
const HELD: usize = 4_000_000;
/// Clients of whom requests were not read at a time.
const CLIENTS: usize = 100_000;

/// Entries of one key that wait.
#[derive(Debug, Default)]
struct Bucket {
    wire: Vec<(Micros, Entry)>,
    log: Vec<(Micros, Entry)>,
}

/// Matches two streams.
#[derive(Debug)]
pub struct Matcher {
    tolerance: Tolerance,
    gaps: Vec<Gap>,
    buckets: HashMap<u128, Bucket>,
    /// Keys with something to settle, by when that came.
    due: VecDeque<(Micros, u128)>,
    /// Exchanges whose request was not read, by client: each explains a line.
    unread: HashMap<IpAddr, VecDeque<Micros>>,
    /// The latest time of the wire and of the log.
    progress: [Micros; 2],
    held: usize,
    /// Entries that were settled before their time, because too many were held.
    pub hurried: u64,
}

impl Class {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Matched,
        Self::WireOnly,
        Self::LogOnly,
        Self::StatusMismatch,
        Self::BytesMismatch,
        Self::ConsumerMismatch,
        Self::DuplicateInLog,
        Self::ExplainedByCaptureGap,
    ];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::WireOnly => "wire_only",
            Self::LogOnly => "log_only",
            Self::StatusMismatch => "status_mismatch",
            Self::BytesMismatch => "bytes_mismatch",
            Self::ConsumerMismatch => "consumer_mismatch",
            Self::DuplicateInLog => "duplicate_in_log",
            Self::ExplainedByCaptureGap => "explained_by_capture_gap",
        }
    }

    /// Whether the two sides contradict each other.
    pub const fn is_drift(self) -> bool {
        !matches!(self, Self::Matched | Self::ExplainedByCaptureGap)
    }
}

impl Matcher {
    /// A matcher that has seen nothing.
    pub fn new(tolerance: Tolerance, mut gaps: Vec<Gap>) -> Self {
        gaps.sort_unstable();
        Self {
            tolerance,
            gaps,
            buckets: HashMap::new(),
            due: VecDeque::new(),
            unread: HashMap::new(),
            progress: [Micros::MIN; 2],
            held: 0,
            hurried: 0,
        }
    }

    /// Whether the wire's next entry is to be read, rather than the log's: the one that is behind.
    pub fn wants_wire(&self) -> bool {
        let [wire, log] = self.progress;
        wire <= log
    }

    /// Takes an exchange.
    pub fn wire(&mut self, entry: Entry) {
        self.take(0, entry);
    }

    /// Takes a line of the log.
    pub fn log(&mut self, entry: Entry) {
        self.take(1, entry);
    }

    /// Takes an exchange whose request was not read.
    pub fn unread(&mut self, client: IpAddr, time: Micros) {
        // Those long before stand for no line that is still to come.
        let old = time.saturating_sub(4 * self.tolerance.window);
        if self.unread.len() >= CLIENTS {
            self.unread
                .retain(|_, times| times.back().is_some_and(|last| *last >= old));
        }
        if self.unread.len() < CLIENTS || self.unread.contains_key(&client) {
            let times = self.unread.entry(client).or_default();
            while times.front().is_some_and(|first| *first < old) {
                times.pop_front();
            }
            times.push_back(time);
        }
    }

    fn take(&mut self, side: usize, entry: Entry) {
        let Some(progress) = self.progress.get_mut(side) else {
            return;
        };
        *progress = (*progress).max(entry.time);
        let now = *progress;
        let key = entry.key;
        let bucket = self.buckets.entry(key).or_default();
        if bucket.wire.is_empty() && bucket.log.is_empty() {
            self.due.push_back((now, key));
        }
        let entries = if side == 0 {
            &mut bucket.wire
        } else {
            &mut bucket.log
        };
        entries.push((now, entry));
        self.held += 1;
    }

    /// Settles what can be settled: both sides have gone on for long enough.
    pub fn settle(&mut self, out: &mut impl FnMut(Finding)) {
        let [wire, log] = self.progress;
        // Two windows: whoever may be the partner of a partner is there.
        let until = wire.min(log).saturating_sub(2 * self.tolerance.window);
        while let Some((first, _)) = self.due.front() {
            let crowded = self.held > HELD;
            if *first > until && !crowded {
                break;
            }
            let Some((_, key)) = self.due.pop_front() else {
                break;
            };
            let before = self.held;
            self.settle_key(key, if crowded { Micros::MAX } else { until }, out);
            if crowded {
                self.hurried += (before - self.held) as u64;
            }
        }
    }

    /// Settles everything: there is no more to come.
    pub fn finish(&mut self, out: &mut impl FnMut(Finding)) {
        while let Some((_, key)) = self.due.pop_front() {
            self.settle_key(key, Micros::MAX, out);
        }
    }

    fn settle_key(&mut self, key: u128, until: Micros, out: &mut impl FnMut(Finding)) {
        let Some(mut bucket) = self.buckets.remove(&key) else {
            return;
        };
        let before = bucket.wire.len() + bucket.log.len();
        let aligned = align::align(
            std::mem::take(&mut bucket.wire),
            std::mem::take(&mut bucket.log),
            &self.tolerance,
        );
        let mut texts: HashSet<u64> = if aligned.log.is_empty() {
            HashSet::new()
        } else {
            aligned.pairs.iter().map(|pair| pair.log.1.text).collect()
        };
        for pair in aligned.pairs {
            // What came late stays until what may come with it has come.
            if pair.wire.0.max(pair.log.0) > until {
                bucket.wire.push(pair.wire);
                bucket.log.push(pair.log);
                continue;
            }
            let class = align::class(&pair.wire.1, &pair.log.1, &self.tolerance);
            out(Finding {
                class,
                wire: Some(pair.wire.1),
                log: Some(pair.log.1),
            });
        }
        for (came, entry) in aligned.wire {
            if came > until {
                bucket.wire.push((came, entry));
                continue;
            }
            let class = if !entry.certain || self.is_in_gap(entry.time) {
                Class::ExplainedByCaptureGap
            } else {
                Class::WireOnly
            };
            out(Finding {
                class,
                wire: Some(entry),
                log: None,
            });
        }
        for (came, entry) in aligned.log {
            if came > until {
                bucket.log.push((came, entry));
                continue;
            }
            let class = if !texts.insert(entry.text) {
                Class::DuplicateInLog
            } else if self.is_in_gap(entry.time) || self.is_unread(&entry) {
                Class::ExplainedByCaptureGap
            } else {
                Class::LogOnly
            };
            out(Finding {
                class,
                wire: None,
                log: Some(entry),
            });
        }
        let left = bucket.wire.len() + bucket.log.len();
        self.held -= before - left;
        if left > 0 {
            // Not for every entry that comes: a busy key is put in order once a window.
            let next = until.saturating_add(self.tolerance.window);
            self.due.push_back((next, key));
            self.buckets.insert(key, bucket);
        }
    }

    fn is_in_gap(&self, time: Micros) -> bool {
        let window = self.tolerance.window;
        self.gaps
            .iter()
            .take_while(|(from, _)| from.saturating_sub(window) <= time)
            .any(|(_, until)| until.saturating_add(window) >= time)
    }

    /// Whether an exchange whose request was not read stands for this line; it then stands for no other.
    fn is_unread(&mut self, entry: &Entry) -> bool {
        let window = self.tolerance.window;
        let Some(times) = entry.client.and_then(|client| self.unread.get_mut(&client)) else {
            return false;
        };
        let near = times
            .iter()
            .position(|time| (time - entry.time).abs() <= window);
        near.and_then(|at| times.remove(at)).is_some()
    }
}

/// The hash of what both sides tell alike.
pub fn key(method: &str, path: &str, client: Option<IpAddr>) -> u128 {
    let mut text = Vec::with_capacity(method.len() + path.len() + 20);
    text.extend_from_slice(method.as_bytes());
    text.push(0);
    text.extend_from_slice(path.as_bytes());
    text.push(0);
    match client.map(|client| client.to_canonical()) {
        Some(IpAddr::V4(address)) => text.extend_from_slice(&address.octets()),
        Some(IpAddr::V6(address)) => text.extend_from_slice(&address.octets()),
        None => {}
    }
    xxh3_128(&text)
}

/// The hash of a line.
pub fn text(line: &[u8]) -> u64 {
    xxh3_64(line)
}

#[cfg(test)]
mod tests;
