//! Connections: segments go in, in-order bytes of both directions come out.
//!
//! Bias: a byte is handed on once, in order, or it is a hole of known length. Nothing is known here of what the bytes
//! mean; the reader of a connection says which of them it can do without.

mod ended;
mod reassembly;
mod table;

pub use ended::Ended;
pub use reassembly::{Bounds, Stream};
pub use table::{Flow, Streams, Table};

/// Where the in-order bytes of a connection go. `high`: which end sent them.
pub trait Reader {
    /// Bytes that follow what came before.
    fn data(&mut self, high: bool, seen: Seen, offset: u64, bytes: &[u8]);
    /// Bytes that were not copied, or never seen.
    fn hole(&mut self, high: bool, seen: Seen, offset: u64, length: u64);
    /// Bytes were sent again with other content before the receiver had acknowledged them.
    fn conflict(&mut self, high: bool);
    /// No more bytes of this direction.
    fn fin(&mut self, high: bool, seen: Seen);
    /// Stream offset before which bytes of this direction are of no use.
    fn needless_until(&self, high: bool) -> Option<u64>;
    /// Whether nothing of this connection is pending.
    fn is_idle(&self) -> bool;
}

/// When bytes were seen, and what their segment acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Nanoseconds, capture clock.
    pub time: u64,
    /// How far the sender had received the other direction.
    pub acked: Option<u64>,
}
