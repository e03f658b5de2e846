//! What both ends of a conversation know, and what of it an observer may.

use std::ops::Range;

use super::plan::Fields;

/// Names whose values may stay unknown without a doubt.
pub const HARMLESS: [&str; 8] = [
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",
    "date",
    "priority",
    "te",
    "user-agent",
];

/// What both ends said.
pub struct Conversation {
    pub pieces: Vec<Piece>,
    /// In the order of the streams.
    pub truths: Vec<Truth>,
    pub close: Close,
}

/// A frame, or a block over several, in the order in which they may pass.
pub struct Piece {
    /// 0: the client's, 1: the server's.
    pub side: usize,
    pub bytes: Vec<u8>,
    /// Where content stands in it, whose octets nobody has to see.
    pub content: Range<usize>,
    /// How many bytes of the other side come before it.
    pub after: usize,
    /// Which of its side's blocks it is.
    pub block: Option<usize>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The server closes first.
    Server,
    /// The client closes first.
    Client,
    ServerReset,
    ClientReset,
    /// Nobody sees how.
    Unseen,
}

/// An exchange as its ends know it.
#[derive(Clone, Debug)]
pub struct Truth {
    pub id: u32,
    /// Method and target, and a line for each field.
    pub request: String,
    /// The final status that came.
    pub status: Option<u16>,
    /// The one that the server means to give.
    pub answer: u16,
    /// Octets of each side's content.
    pub content: [u64; 2],
    /// Of gRPC: its status, and each side's messages.
    pub call: Option<(Option<u32>, [u64; 2])>,
    pub cut: Option<&'static str>,
    pub reason: Option<&'static str>,
    pub malformed: Option<&'static str>,
    pub uncertain: Option<&'static str>,
    /// Of each side, the number of the block from which on one must have read to know it all.
    pub since: [usize; 2],
}

/// As a sink writes it down: of the fields, those that are no pseudo-fields, and the host.
pub fn request(fields: &Fields) -> String {
    let value = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    };
    let target = value(":path").or(value(":authority")).unwrap_or_default();
    let mut text = format!("{} {target}", value(":method").unwrap_or_default());
    let regular = fields.iter().filter(|(name, _)| !name.starts_with(':'));
    for (name, value) in regular {
        text += &format!("\n{name}: {value}");
    }
    if let (None, Some(authority)) = (value("host"), value(":authority")) {
        text += &format!("\nhost: {authority}");
    }
    text
}
