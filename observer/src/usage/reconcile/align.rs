//! Entries of one key, put beside each other: what agrees best first, then what agrees in less.

use hashbrown::HashSet;

use super::{Class, Entry, FRAMING, Micros, Tolerance};

/// An entry and when it came.
type Came = (Micros, Entry);

/// Two entries that are the same request.
pub(super) struct Pair {
    pub wire: Came,
    pub log: Came,
}

/// What belongs together, and what is left of both sides.
pub(super) struct Aligned {
    pub pairs: Vec<Pair>,
    pub wire: Vec<Came>,
    pub log: Vec<Came>,
}

/// How much has to agree.
#[derive(Clone, Copy)]
enum Agreement {
    All,
    Status,
    Nothing,
}

/// Pairs entries in the order of time. Those that agree in everything and nearly in time go first, so that one that is
/// missing does not shift all others.
pub(super) fn align(wire: Vec<Came>, log: Vec<Came>, tolerance: &Tolerance) -> Aligned {
    let mut aligned = Aligned {
        pairs: Vec::with_capacity(wire.len().min(log.len())),
        wire,
        log,
    };
    aligned.wire.sort_by_key(|(_, entry)| entry.time);
    aligned.log.sort_by_key(|(_, entry)| entry.time);
    let (slack, window) = (tolerance.slack, tolerance.window);
    // A line that stands there twice takes no other line's exchange before that has had its turn.
    let mut texts = HashSet::with_capacity(aligned.log.len());
    let (first, again) = std::mem::take(&mut aligned.log)
        .into_iter()
        .partition(|(_, line)| texts.insert(line.text));
    aligned.log = first;
    aligned.pass(Agreement::All, slack, tolerance);
    aligned.log.extend::<Vec<Came>>(again);
    aligned.log.sort_by_key(|(_, entry)| entry.time);
    for (agreement, distance) in [
        (Agreement::All, slack),
        (Agreement::All, window),
        (Agreement::Status, window),
        (Agreement::Nothing, window),
    ] {
        if aligned.wire.is_empty() || aligned.log.is_empty() {
            break;
        }
        aligned.pass(agreement, distance, tolerance);
    }
    aligned
}

impl Aligned {
    fn pass(&mut self, agreement: Agreement, distance: Micros, tolerance: &Tolerance) {
        let mut left = Vec::new();
        let mut lines = std::mem::take(&mut self.log)
            .into_iter()
            .map(Some)
            .collect::<Vec<_>>();
        // Lines before this one are too early for every exchange to come.
        let mut first = 0;
        for wire in std::mem::take(&mut self.wire) {
            let too_early = |line: &Option<Came>| {
                line.as_ref()
                    .is_none_or(|(_, line)| line.time < wire.1.time - distance)
            };
            while lines.get(first).is_some_and(too_early) {
                first += 1;
            }
            let candidates = lines.get(first..).unwrap_or_default().iter();
            let found = candidates
                .take_while(|line| {
                    line.as_ref()
                        .is_none_or(|(_, line)| line.time <= wire.1.time + distance)
                })
                .position(|line| {
                    line.as_ref()
                        .is_some_and(|(_, line)| agrees(&wire.1, line, agreement, tolerance))
                });
            match found.and_then(|at| lines.get_mut(first + at)?.take()) {
                Some(log) => self.pairs.push(Pair { wire, log }),
                None => left.push(wire),
            }
        }
        self.wire = left;
        self.log = lines.into_iter().flatten().collect();
    }
}

fn agrees(wire: &Entry, log: &Entry, agreement: Agreement, tolerance: &Tolerance) -> bool {
    match agreement {
        Agreement::All => {
            same_status(wire, log) && same_bytes(wire, log, tolerance) && same_consumer(wire, log)
        }
        Agreement::Status => same_status(wire, log),
        Agreement::Nothing => true,
    }
}

/// What is to be said of a pair.
pub(super) fn class(wire: &Entry, log: &Entry, tolerance: &Tolerance) -> Class {
    if !wire.certain {
        // Of what was not read with certainty nothing is claimed.
        Class::Matched
    } else if !same_status(wire, log) {
        Class::StatusMismatch
    } else if !same_consumer(wire, log) {
        Class::ConsumerMismatch
    } else if !same_bytes(wire, log, tolerance) {
        Class::BytesMismatch
    } else {
        Class::Matched
    }
}

/// Without a response, servers write what they think of it: nginx 499 or 444, HAProxy -1, others 0 or 408.
fn same_status(wire: &Entry, log: &Entry) -> bool {
    wire.status == log.status
        || (wire.status == 0 && matches!(log.status, 0 | 400 | 408 | 444 | 499))
}

fn same_consumer(wire: &Entry, log: &Entry) -> bool {
    match (&wire.consumer, &log.consumer) {
        (Some(wire), Some(log)) => wire == log,
        _ => true,
    }
}

fn same_bytes(wire: &Entry, log: &Entry, tolerance: &Tolerance) -> bool {
    let (Some(wire), Some(log)) = (wire.bytes, log.bytes) else {
        return true;
    };
    let allowed = ((wire.max(log) as f64) * tolerance.share) as u64;
    wire.abs_diff(log) <= allowed.max(FRAMING)
}
