//! Frames: what their first nine octets say (RFC 9113 section 4.1), and whether they can be what they say.

use serde::{Deserialize, Serialize};

/// Octets before a frame's payload.
pub const HEADER: usize = 9;
/// Octets of a payload before anything else is agreed on (RFC 9113 section 4.2).
const USUAL: u32 = 1 << 14;

/// Bits of [`Header::flags`] (RFC 9113 section 6).
pub mod flag {
    /// Of SETTINGS and PING.
    pub const ACK: u8 = 1;
    /// Of DATA and HEADERS: the sender's last of this stream.
    pub const END_STREAM: u8 = 1;
    /// The block of fields ends here.
    pub const END_HEADERS: u8 = 4;
    /// The first octet of the payload says how many of its last are padding.
    pub const PADDED: u8 = 8;
    /// Five octets stand before the block.
    pub const PRIORITY: u8 = 32;
}

/// What a frame is (RFC 9113 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Content.
    Data,
    /// The beginning of a head or of trailers.
    Headers,
    /// Deprecated.
    Priority,
    /// The end of a stream.
    Reset,
    /// What a side allows.
    Settings,
    /// The beginning of the head of a request that nobody sent.
    Push,
    /// A measurement.
    Ping,
    /// The end of the connection.
    GoAway,
    /// Flow control.
    WindowUpdate,
    /// The rest of a head.
    Continuation,
    /// Something of an extension: it is passed over (RFC 9113 section 5.5).
    Unknown,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Octets of its payload.
    pub length: u32,
    /// What it is.
    pub kind: Kind,
    /// See [`flag`].
    pub flags: u8,
    /// Its stream; zero is the connection.
    pub stream: u32,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::Data,
        Self::Headers,
        Self::Priority,
        Self::Reset,
        Self::Settings,
        Self::Push,
        Self::Ping,
        Self::GoAway,
        Self::WindowUpdate,
        Self::Continuation,
        Self::Unknown,
    ];

    fn of(number: u8) -> Self {
        let known = Self::ALL.get(usize::from(number));
        known.copied().unwrap_or(Self::Unknown)
    }

    /// The name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Headers => "headers",
            Self::Priority => "priority",
            Self::Reset => "rst_stream",
            Self::Settings => "settings",
            Self::Push => "push_promise",
            Self::Ping => "ping",
            Self::GoAway => "goaway",
            Self::WindowUpdate => "window_update",
            Self::Continuation => "continuation",
            Self::Unknown => "unknown",
        }
    }
}

impl Header {
    /// Reads one.
    pub fn read(octets: &[u8; HEADER]) -> Self {
        let [high, middle, low, kind, flags, first, second, third, fourth] = *octets;
        Self {
            length: u32::from_be_bytes([0, high, middle, low]),
            kind: Kind::of(kind),
            flags,
            // The bit before it is reserved, and ignored.
            stream: u32::from_be_bytes([first, second, third, fourth]) & (u32::MAX >> 1),
        }
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether it has the length that its kind has to have, and belongs to a stream where it has to, and nowhere else
    /// (RFC 9113 section 6). Anything else ends the connection.
    pub fn is_sound(&self) -> bool {
        let (length, own) = (self.length, self.stream == 0);
        let padding = u32::from(self.has(flag::PADDED));
        match self.kind {
            Kind::Data => !own && length >= padding,
            Kind::Headers => {
                !own && length >= padding + if self.has(flag::PRIORITY) { 5 } else { 0 }
            }
            Kind::Priority => !own && length == 5,
            Kind::Reset => !own && length == 4,
            Kind::Settings if self.has(flag::ACK) => own && length == 0,
            Kind::Settings => own && length.is_multiple_of(6),
            Kind::Push => !own && length >= 4 + padding,
            Kind::Ping => own && length == 8,
            Kind::GoAway => own && length >= 8,
            Kind::WindowUpdate => length == 4,
            Kind::Continuation => !own,
            Kind::Unknown => true,
        }
    }

    /// Whether bytes that may be anything are likely such a header: its kind is known, and it has no flag that its kind does not
    /// have.
    pub fn is_likely(&self) -> bool {
        let flags = match self.kind {
            // As what lies across zeros that are something else's. Nobody has to send it.
            Kind::Data if self.length == 0 && !self.has(flag::END_STREAM) => return false,
            Kind::Data => flag::END_STREAM | flag::PADDED,
            Kind::Headers => flag::END_STREAM | flag::END_HEADERS | flag::PADDED | flag::PRIORITY,
            Kind::Settings | Kind::Ping => flag::ACK,
            Kind::Push => flag::END_HEADERS | flag::PADDED,
            Kind::Continuation => flag::END_HEADERS,
            Kind::Priority | Kind::Reset | Kind::GoAway | Kind::WindowUpdate => 0,
            Kind::Unknown => return false,
        };
        self.flags & !flags == 0 && self.length <= USUAL && self.is_sound()
    }
}
