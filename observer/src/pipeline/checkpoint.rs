//! Connections as they are kept over a restart: parsed state only, never bytes of a head, which may hold keys.
//!
//! Invariant: a state together with every event from its `resume` position on leads to the same exchanges as if nothing
//! had happened. Bytes that were taken before lie before `next` and count as sent again, which changes nothing.

use observer_ebpf::abi::FlowKey;
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use crate::flow::{Flow, Streams};

/// One connection. `C`: [`Connection`], owned or borrowed.
#[derive(Serialize, Deserialize)]
pub struct FlowState<C> {
    key: [u64; FlowKey::SIZE / 8],
    birth: u64,
    last: u64,
    from_start: bool,
    /// Stream offsets of the next bytes of the low and the high end; of a head that is half read, its first byte.
    next: [u64; 2],
    finished: [bool; 2],
    /// Position in the ring from which on its events are to be read again; `None`: only new ones.
    pub resume: Option<u64>,
    connection: C,
}

impl<'a> FlowState<&'a Connection> {
    /// The state of a connection.
    pub(super) fn of(flow: &'a Flow<Connection>, floors: &[u64]) -> Self {
        let bytes = flow.key.to_bytes();
        let mut key = [0; FlowKey::SIZE / 8];
        for (word, part) in key.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_ne_bytes(*part);
        }
        let next = [false, true].map(|high| {
            let half_read = flow.connection.half_read(high);
            half_read.unwrap_or_else(|| flow.streams.next(high))
        });
        Self {
            key,
            birth: flow.birth,
            last: flow.streams.last,
            from_start: flow.streams.from_start,
            next,
            finished: [false, true].map(|high| flow.streams.has_ended(high)),
            resume: resume(flow, floors).map(|(_, position)| position),
            connection: &flow.connection,
        }
    }
}

impl FlowState<Connection> {
    /// The connection's name.
    pub fn key(&self) -> FlowKey {
        let mut bytes = [0; FlowKey::SIZE];
        for (part, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.key) {
            *part = word.to_ne_bytes();
        }
        FlowKey::from_bytes(&bytes)
    }

    /// When the kernel side first saw it.
    pub fn birth(&self) -> u64 {
        self.birth
    }

    /// Its two directions, and what is kept of it.
    pub(super) fn parts(self) -> (Streams, Connection) {
        let streams = Streams::restored(self.last, self.from_start, self.next, self.finished);
        (streams, self.connection)
    }
}

/// The ring of a connection, and the position in it of the first event that something of the connection waits in as bytes.
pub(super) fn resume(flow: &Flow<Connection>, floors: &[u64]) -> Option<(usize, u64)> {
    let since = flow.connection.raw_since()?;
    let ring = flow.key.spread() as usize & floors.len().checked_sub(1)?;
    (since >= *floors.get(ring)?).then_some((ring, since))
}
