//! Where one direction stands: frames are cut out of it, contents are passed over.
//!
//! Invariant: of a frame that is kept until it is whole, and of a block of fields over several frames, `offset` is the first
//! byte. No byte of a head stays in memory after it was read.

use serde::{Deserialize, Serialize};

use super::super::Moment;
use super::super::head::Partial;
use super::frame::{HEADER, Header, Kind, flag};
use super::hpack::Decoder;

/// What a client says first (RFC 9113 section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a table before anything else is agreed on (RFC 9113 section 6.5.2).
const USUAL_TABLE: u32 = 4096;

/// Where one direction stands.
#[derive(Serialize, Deserialize)]
pub(super) struct Reader {
    /// Stream offset of the next byte; of the first byte of `open`, while there is one.
    pub offset: u64,
    pub state: State,
    /// A frame, or a block, that began in an earlier segment. Not kept over a restart, because it may hold a key: it is read
    /// again from `offset` on.
    #[serde(skip)]
    pub open: Option<Box<Open>>,
    /// What the fields of its heads refer to.
    pub table: Decoder,
    /// Bytes that its receiver allows the table.
    allowed: u32,
    /// A block was too long: the frames that go on with it are passed over.
    pub overlong: bool,
    /// No frame was seen yet on a connection that was joined in the middle.
    pub joined: bool,
}

/// A frame or a block whose end was not seen yet.
pub(super) struct Open {
    pub bytes: Partial,
    /// Of its first byte.
    pub begin: Moment,
    /// Where its next frame begins.
    at: usize,
}

/// What the next byte of a direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// Of [`PREFACE`].
    Preface,
    /// Of a frame's header, or of a frame that is kept until it is whole.
    Frame,
    /// Content of a stream, and padding after it.
    Data {
        stream: u32,
        content: u32,
        padding: u32,
        end: bool,
    },
    /// Of a frame that says nothing.
    Skip { left: u32 },
    /// Unknown, until a frame begins.
    Lost,
    /// Nothing: the side closed.
    Closed,
}

/// How far bytes that begin with a frame go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// So many bytes more are needed to tell.
    Need(usize),
    /// So many bytes are what has to be read at once.
    Done(usize),
    /// A block is longer than the bound. So many bytes of it stand in frames that are begun; `last`: no other follows.
    TooLong { bytes: usize, last: bool },
    /// No such frame may be here.
    Unsound,
}

impl Reader {
    pub fn new(offset: u64, state: State) -> Self {
        let joined = state == State::Lost;
        Self {
            offset,
            state,
            open: None,
            table: if joined {
                Decoder::joined()
            } else {
                Decoder::new()
            },
            allowed: USUAL_TABLE,
            overlong: false,
            joined,
        }
    }

    /// Stream offset right after the bytes that were seen.
    pub fn next(&self) -> u64 {
        let open = self.open.as_ref();
        let open = open.map_or(0, |open| open.bytes.bytes().len() as u64);
        self.offset.saturating_add(open)
    }

    /// Moves on.
    pub fn pass(&mut self, bytes: u64) {
        self.offset = self.offset.saturating_add(bytes);
    }

    /// The receiver allows the table so many bytes. A sender that has not heard of less yet may still use more.
    pub fn allow(&mut self, bytes: u32) {
        if !self.joined {
            self.allowed = self.allowed.max(bytes);
            self.table.set_limit(self.allowed);
        }
    }

    /// What is kept of it is of no use any more, and neither is what its table holds.
    pub fn lose(&mut self, next: u64) {
        self.open = None;
        self.offset = next;
        self.state = State::Lost;
        self.overlong = false;
        self.forget();
    }

    /// Heads may have been lost to which later ones refer, and what the receiver allows.
    pub fn forget(&mut self) {
        self.allowed = u32::MAX;
        self.table.set_limit(self.allowed);
        self.table.forget();
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let open = self.open.as_ref();
        let open = open.map_or(0, |open| size_of::<Open>() + open.bytes.capacity());
        self.table.heap_bytes() + open
    }
}

impl Open {
    pub fn new(begin: Moment) -> Self {
        Self {
            bytes: Partial::default(),
            begin,
            at: 0,
        }
    }

    /// As [`scan`], of what is there.
    pub fn scan(&mut self, most: usize, overlong: bool) -> Scan {
        scan(self.bytes.bytes(), &mut self.at, most, overlong)
    }
}

/// How far bytes that begin with a frame go, of blocks up to `most`. `at`: where to go on looking, zero at first. `overlong`: the
/// rest of a block is expected.
pub(super) fn scan(bytes: &[u8], at: &mut usize, most: usize, overlong: bool) -> Scan {
    let need = |end: usize| match end.checked_sub(bytes.len()) {
        None | Some(0) => Scan::Done(end),
        Some(missing) => Scan::Need(missing),
    };
    let mut stream = None;
    loop {
        let Some(header) = bytes
            .get(*at..)
            .and_then(|rest| rest.first_chunk::<HEADER>())
        else {
            return need(*at + HEADER);
        };
        let header = Header::read(header);
        if !header.is_sound() {
            return Scan::Unsound;
        }
        let end = *at + HEADER + header.length as usize;
        if *at == 0 {
            match header.kind {
                Kind::Headers | Kind::Push => {}
                Kind::Continuation if !overlong => return Scan::Unsound,
                // Where a block goes on nothing else may stand (RFC 9113 section 6.10).
                kind if overlong && kind != Kind::Continuation => return Scan::Unsound,
                Kind::Data => return need(HEADER + usize::from(header.has(flag::PADDED))),
                Kind::GoAway => return need(HEADER + 8),
                Kind::Reset => return need(end),
                Kind::Settings if end > most => return Scan::Unsound,
                Kind::Settings => return need(end),
                _ => return need(HEADER),
            }
        } else {
            let first = bytes.first_chunk::<HEADER>().map(Header::read);
            let begun = *stream.get_or_insert(first.map_or(0, |first| first.stream));
            if header.kind != Kind::Continuation || header.stream != begun {
                return Scan::Unsound;
            }
        }
        let last = header.has(flag::END_HEADERS);
        if end > most {
            return Scan::TooLong { bytes: end, last };
        }
        if bytes.len() < end || last {
            return need(end);
        }
        *at = end;
    }
}

/// Whether bytes that begin a segment begin with a frame: each frame of it is a likely one where it stands, and they end with it,
/// or the one that does not is of the same stream as the one before it.
pub fn begins(bytes: &[u8]) -> bool {
    let (mut at, mut before, mut same) = (0, None, false);
    while let Some(header) = bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<HEADER>())
    {
        let header = Header::read(header);
        if !header.is_likely() || !may_follow(before.as_ref(), &header) {
            return false;
        }
        same = before.is_some_and(|before: Header| before.stream == header.stream);
        before = Some(header);
        at += HEADER + header.length as usize;
    }
    same || (before.is_some() && at == bytes.len())
}

/// Whether a frame may come right after another. What goes on with a block says nothing without its beginning.
fn may_follow(before: Option<&Header>, header: &Header) -> bool {
    let Some(before) = before else {
        return header.kind != Kind::Continuation;
    };
    let same = before.stream == header.stream;
    let goes_on = header.kind == Kind::Continuation;
    match before.kind {
        Kind::Headers | Kind::Push | Kind::Continuation if !before.has(flag::END_HEADERS) => {
            goes_on && same
        }
        Kind::Headers | Kind::Data if before.has(flag::END_STREAM) && same => {
            !matches!(header.kind, Kind::Headers | Kind::Data | Kind::Continuation)
        }
        _ => !goes_on,
    }
}

/// Whether bytes are the first of a server's: its settings (RFC 9113 section 3.4).
pub fn begins_connection(bytes: &[u8]) -> bool {
    let header = bytes.first_chunk::<HEADER>().map(Header::read);
    header.is_some_and(|header| {
        header.kind == Kind::Settings && !header.has(flag::ACK) && header.is_likely()
    })
}

/// The fragments of a block's frames, one after the other, and what its first frame says besides. `None`: they are cut wrong.
pub(super) struct Block<'a> {
    pub first: Header,
    rest: &'a [u8],
}

impl<'a> Block<'a> {
    /// Of frames that [`scan`] found whole.
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        Some(Self {
            first: Header::read(bytes.first_chunk()?),
            rest: bytes,
        })
    }

    /// The next fragment; inside, `None` where padding is longer than its frame.
    pub fn next(&mut self) -> Option<Option<&'a [u8]>> {
        let header = Header::read(self.rest.first_chunk()?);
        let rest = self.rest.get(HEADER..)?;
        let (payload, rest) = rest.split_at_checked(header.length as usize)?;
        self.rest = rest;
        Some(fragment(&header, payload))
    }
}

/// What of a frame's payload belongs to the block (RFC 9113 sections 6.2, 6.6 and 6.10).
fn fragment<'a>(header: &Header, mut payload: &'a [u8]) -> Option<&'a [u8]> {
    let mut padding = 0;
    if header.kind == Kind::Continuation {
        return Some(payload);
    }
    if header.has(flag::PADDED) {
        let (length, rest) = payload.split_first()?;
        (padding, payload) = (usize::from(*length), rest);
    }
    let before = match header.kind {
        Kind::Push => 4,
        _ if header.has(flag::PRIORITY) => 5,
        _ => 0,
    };
    let payload = payload.get(before..)?;
    payload.get(..payload.len().checked_sub(padding)?)
}
