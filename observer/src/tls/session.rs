//! One TLS connection: bytes of both directions in, plaintext out.
//!
//! Invariant: what comes out is in order, authenticated and complete, or there is a gap in it. Bias: where keys are not certain,
//! nothing is read, and the reason is said.

use std::sync::Arc;

use observer_ebpf::track::ORIGIN;
use serde::{Deserialize, Serialize, Serializer};

use super::framing::Record;
use super::hello::{Hello, Hellos};
use super::kept::{Kept, Stand};
use super::opening::{Opened, Opening};
use super::protection::HEADER;
use super::reading::{Reading, Step};
use super::search::{Progress, Search};
use super::secrets::{Join, Secrets};
use super::way::{Both, Way};
use super::{Limits, Offer, Outcome, Plain, Side, Terms, Unreadable};
use crate::flow::Seen;

/// One TLS connection, seen from its first byte on. Over a restart is kept where it stands, and none of its secrets.
#[derive(Deserialize)]
#[serde(from = "Option<Kept>")]
pub struct Session {
    live: Option<Box<Live>>,
    /// What a restart left of it, until its secrets are known again.
    kept: Option<Box<Stand>>,
}

impl Serialize for Session {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.keep().serialize(serializer)
    }
}

impl From<Option<Kept>> for Session {
    fn from(kept: Option<Kept>) -> Self {
        match kept {
            None => Self {
                live: None,
                kept: None,
            },
            Some(Kept::Fresh) => Self::new(),
            Some(Kept::Stand(stand)) => Self {
                live: None,
                kept: Some(stand),
            },
        }
    }
}

/// What a session needs and gives.
pub struct Inputs<'a, P> {
    /// Secrets that are known.
    pub secrets: &'a Secrets,
    /// Bounds.
    pub limits: &'a Limits,
    /// Room for a record; any content.
    pub scratch: &'a mut Vec<u8>,
    /// Where plaintext goes.
    pub plain: &'a mut P,
}

struct Live {
    ways: Both<Way>,
    phase: Phase,
    hellos: Hellos,
    /// What the server chose.
    agreed: Option<Hello>,
    /// How the handshake went, until it is asked for.
    outcome: Option<(Outcome, u64)>,
}

enum Phase {
    Opening(Box<Opening>),
    Reading(Box<Reading>),
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A connection of which nothing was seen.
    pub fn new() -> Self {
        Self {
            live: Some(Box::new(Live {
                ways: Both::default(),
                phase: Phase::Opening(Box::default()),
                hellos: Hellos::default(),
                agreed: None,
                outcome: None,
            })),
            kept: None,
        }
    }

    /// What is kept of it over a restart.
    fn keep(&self) -> Option<Kept> {
        match self.live.as_deref() {
            None => self.kept.clone().map(Kept::Stand),
            Some(Live {
                phase: Phase::Opening(_),
                ..
            }) => Some(Kept::Fresh),
            Some(Live {
                phase: Phase::Reading(reading),
                ways,
                ..
            }) if reading.is_settled() => {
                Stand::of(reading, ways).map(|stand| Kept::Stand(Box::new(stand)))
            }
            Some(live) => live.is_untouched().then_some(Kept::Fresh),
        }
    }

    /// Stream offset from which on bytes of one side have to be read again after a restart; `None`: only new ones.
    pub fn half_read(&self, from: Side) -> Option<u64> {
        let live = self.live.as_deref()?;
        let way = live.ways.of(from);
        match &live.phase {
            Phase::Opening(_) => Some(ORIGIN),
            Phase::Reading(reading) if !reading.is_settled() => {
                live.is_untouched().then_some(ORIGIN)
            }
            Phase::Reading(_) => match way.head {
                Some((point, _)) => Some(point.stream),
                None => way.assembly.is_begun().then_some(way.next),
            },
        }
    }

    /// In-order bytes of one side.
    ///
    /// # Errors
    /// When the connection cannot be read, or no further. It is not to be asked again.
    pub fn data<P: Plain>(
        &mut self,
        from: Side,
        seen: Seen,
        bytes: &[u8],
        inputs: &mut Inputs<'_, P>,
    ) -> Result<(), Unreadable> {
        let live = self.live.as_deref_mut().ok_or(Unreadable::Restart)?;
        live.push_hello(from, bytes, seen);
        live.data(from, seen, bytes, inputs)
    }

    /// Bytes of one side that were never seen.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub fn hole<P: Plain>(
        &mut self,
        from: Side,
        seen: Seen,
        length: u64,
        inputs: &mut Inputs<'_, P>,
    ) -> Result<(), Unreadable> {
        let live = self.live.as_deref_mut().ok_or(Unreadable::Restart)?;
        live.hellos.hole(from);
        let Phase::Reading(reading) = &live.phase else {
            return Err(Unreadable::Gap);
        };
        if !reading.may_lose(from) {
            return Err(Unreadable::Gap);
        }
        let way = live.ways.of_mut(from);
        let kept = way.assembly.abandon() as u64;
        let found = way.search.get_or_insert_default().lose(length + kept) as u64;
        let lost = length.saturating_add(kept).saturating_add(found);
        live.ways.lose(from, seen, lost, inputs.plain);
        Ok(())
    }

    /// One side sends nothing more.
    pub fn fin<P: Plain>(&mut self, from: Side, seen: Seen, inputs: &mut Inputs<'_, P>) {
        let Some(live) = self.live.as_deref_mut() else {
            return;
        };
        if matches!(live.phase, Phase::Opening(_)) {
            live.ways.of_mut(from).ended = Some(seen);
            return;
        }
        live.lose_rest(from, seen, inputs.plain);
        let seen = live.ways.seen(from, seen);
        inputs.plain.fin(from, seen);
    }

    /// The connection is given up: what was kept to find the next record is lost.
    pub fn cut<P: Plain>(&mut self, seen: Seen, inputs: &mut Inputs<'_, P>) {
        if let Some(live) = self.live.as_deref_mut() {
            for side in [Side::Client, Side::Server] {
                live.lose_rest(side, seen, inputs.plain);
            }
        }
    }

    /// Secrets were learned: goes on where they are what was waited for.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub fn retry<P: Plain>(&mut self, inputs: &mut Inputs<'_, P>) -> Result<(), Unreadable> {
        if let Some(stand) = &self.kept {
            let Some((reading, ways, lost)) = stand.take_up(inputs.secrets) else {
                return Ok(());
            };
            self.kept = None;
            let live = self.live.insert(Box::new(Live {
                ways,
                phase: Phase::Reading(Box::new(reading)),
                hellos: Hellos::read_before(),
                agreed: None,
                outcome: None,
            }));
            let seen = Seen {
                time: 0,
                acked: None,
            };
            for (side, lost) in [(Side::Client, lost.client), (Side::Server, lost.server)] {
                live.ways.lose(side, seen, lost, inputs.plain);
            }
            return Ok(());
        }
        let live = self.live.as_deref_mut().ok_or(Unreadable::Restart)?;
        let Phase::Opening(opening) = &mut live.phase else {
            return Ok(());
        };
        match opening.advance(inputs.secrets, inputs.scratch)? {
            Some(opened) => live.begin(opened, inputs),
            None => Ok(()),
        }
    }

    /// What a secret that is waited for may be joined by; nothing while the server has not chosen, or where keys are known.
    pub fn joins(&self) -> Vec<Join> {
        if let Some(stand) = &self.kept {
            return stand.joins();
        }
        match self.live.as_deref() {
            Some(Live {
                phase: Phase::Opening(opening),
                ..
            }) => opening.joins(),
            _ => Vec::new(),
        }
    }

    /// What its secrets are found by, whether they were or not.
    pub fn known_by(&self) -> Vec<Join> {
        match self.live.as_deref() {
            Some(Live {
                phase: Phase::Reading(reading),
                ..
            }) => reading.origin().joins(),
            _ => self.joins(),
        }
    }

    /// Whether only a secret is missing.
    pub fn waits(&self) -> bool {
        if self.kept.is_some() {
            return true;
        }
        match self.live.as_deref() {
            Some(Live {
                phase: Phase::Opening(opening),
                ..
            }) => opening.is_chosen(),
            _ => false,
        }
    }

    /// Whether keys are known.
    pub fn is_reading(&self) -> bool {
        let phase = self.live.as_deref().map(|live| &live.phase);
        matches!(phase, Some(Phase::Reading(_)))
    }

    /// How the handshake went, and when the server said so; told once.
    pub fn take_outcome(&mut self) -> Option<(Outcome, u64)> {
        self.live.as_deref_mut()?.outcome.take()
    }

    /// What the client offered, where all of its hello was seen by this process.
    pub fn offer(&self) -> Option<&Arc<Offer>> {
        self.live.as_deref()?.hellos.offer()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let Some(live) = self.live.as_deref() else {
            return 0;
        };
        let phase = match &live.phase {
            Phase::Opening(opening) => size_of::<Opening>() + opening.heap_bytes(),
            Phase::Reading(reading) => reading.heap_bytes(),
        };
        let hello = live.hellos.heap_bytes();
        let ways = live.ways.client.heap_bytes() + live.ways.server.heap_bytes();
        size_of::<Live>() + phase + hello + ways
    }
}

impl Live {
    /// Whether nothing was handed on yet.
    fn is_untouched(&self) -> bool {
        self.ways.client.plain == ORIGIN && self.ways.server.plain == ORIGIN
    }

    /// Reads the hellos for what they say in the clear.
    fn push_hello(&mut self, from: Side, bytes: &[u8], seen: Seen) {
        if let Some(outcome) = self.hellos.push(from, bytes) {
            self.outcome = Some((outcome, seen.time));
            if let Outcome::Agreed(hello) = outcome {
                self.agreed = Some(hello);
            }
        }
    }

    fn data<P: Plain>(
        &mut self,
        from: Side,
        seen: Seen,
        bytes: &[u8],
        inputs: &mut Inputs<'_, P>,
    ) -> Result<(), Unreadable> {
        let mut again: Vec<u8>;
        let mut rest = bytes;
        loop {
            let searching = self.ways.of_mut(from).search.take();
            if let Some(mut search) = searching {
                let Phase::Reading(reading) = &mut self.phase else {
                    return Err(Unreadable::Gap);
                };
                let (keys, next) = reading.keys(from);
                match search.push(rest, keys, next.as_ref(), inputs.scratch) {
                    Progress::Found(found) => {
                        reading.resume(from, found);
                        self.ways.lose(from, seen, found.at as u64, inputs.plain);
                        again = search.into_bytes(found.at);
                        rest = &again;
                    }
                    Progress::Discard(length) => {
                        search.discard(length);
                        self.ways.of_mut(from).search = Some(search);
                        self.ways.lose(from, seen, length as u64, inputs.plain);
                        return Ok(());
                    }
                    Progress::GivenUp => return Err(Unreadable::Gap),
                }
            }
            let Some(lost) = self.records(from, seen, &mut rest, inputs)? else {
                return Ok(());
            };
            let mut search = Search::default();
            search.lose(lost);
            self.ways.of_mut(from).search = Some(Box::new(search));
            self.ways.lose(from, seen, lost, inputs.plain);
        }
    }

    /// Takes records up to the end of the bytes, or to one that does not open: then, how many bytes are lost with it.
    fn records<P: Plain>(
        &mut self,
        from: Side,
        seen: Seen,
        rest: &mut &[u8],
        inputs: &mut Inputs<'_, P>,
    ) -> Result<Option<u64>, Unreadable> {
        loop {
            let way = self.ways.of_mut(from);
            let Ok(raw) = way.assembly.next(rest, seen) else {
                let lost = way.assembly.abandon() as u64;
                let may = matches!(&self.phase, Phase::Reading(reading) if reading.may_lose(from));
                return if may {
                    Ok(Some(lost))
                } else {
                    Err(Unreadable::Malformed)
                };
            };
            let Some(raw) = raw else { return Ok(None) };
            let Some((header, body)) = raw.bytes.split_first_chunk::<HEADER>() else {
                return Err(Unreadable::Malformed);
            };
            let length = raw.bytes.len() as u64;
            let record = Record {
                header: *header,
                body,
                first: raw.first,
                first_length: raw.first_length,
                last: seen,
                end: way.next.saturating_add(length),
            };
            match &mut self.phase {
                Phase::Opening(opening) => {
                    way.next = record.end;
                    let opened = opening.record(
                        from,
                        &record,
                        inputs.secrets,
                        inputs.limits,
                        inputs.scratch,
                    )?;
                    if let Some(opened) = opened {
                        self.begin(opened, inputs)?;
                    }
                }
                Phase::Reading(reading) => {
                    let step = reading.record(
                        from,
                        &record,
                        &mut self.ways,
                        inputs.scratch,
                        inputs.plain,
                    )?;
                    if step == Step::Lost {
                        return Ok(Some(length));
                    }
                    self.ways.of_mut(from).next = record.end;
                }
            }
        }
    }

    /// Keys are known: reads what waited for them.
    fn begin<P: Plain>(
        &mut self,
        opened: Opened,
        inputs: &mut Inputs<'_, P>,
    ) -> Result<(), Unreadable> {
        if let Some(hello) = &mut self.agreed {
            hello.alpn = opened.alpn;
            if let Some((outcome, _)) = &mut self.outcome {
                *outcome = Outcome::Agreed(*hello);
            }
            inputs.plain.agreed(Terms {
                hello: *hello,
                offer: self.hellos.offer().map(Arc::clone),
            });
        }
        let mut reading = Box::new(opened.reading);
        for held in &opened.held {
            let step = reading.record(
                held.from,
                &held.record(),
                &mut self.ways,
                inputs.scratch,
                inputs.plain,
            )?;
            if step == Step::Lost {
                return Err(Unreadable::Gap);
            }
        }
        self.phase = Phase::Reading(reading);
        for side in [Side::Client, Side::Server] {
            if let Some(seen) = self.ways.of_mut(side).ended.take() {
                let seen = self.ways.seen(side, seen);
                inputs.plain.fin(side, seen);
            }
        }
        Ok(())
    }

    /// What was kept to find the next record is lost.
    fn lose_rest(&mut self, from: Side, seen: Seen, plain: &mut impl Plain) {
        let way = self.ways.of_mut(from);
        if let Some(search) = &mut way.search {
            let kept = search.len() as u64;
            search.discard(search.len());
            self.ways.lose(from, seen, kept, plain);
        }
    }
}
