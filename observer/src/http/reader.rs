//! Where one direction of a connection stands.

use super::body::Body;
use super::detect::{Start, detect};
use super::head::Partial;
use super::pairing::Position;
use super::{Moment, Side};
use serde::{Deserialize, Serialize};

/// Where one direction stands.
#[derive(Serialize, Deserialize)]
pub(super) struct Reader {
    /// Stream offset of the next byte; of the first byte of `open`, while there is one.
    pub offset: u64,
    pub state: State,
    /// The head being read, when it began in an earlier segment. Not kept over a restart, because it may hold a key: it is
    /// read again from `offset` on.
    #[serde(skip)]
    pub open: Option<Box<Open>>,
    /// No message start was seen yet on a connection joined in the middle.
    pub joined: bool,
}

/// A head whose end was not seen yet.
pub(super) struct Open {
    pub head: Partial,
    /// Of its first byte.
    pub begin: Moment,
}

/// What the next byte of a direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// Part of a head, or its first byte.
    Head,
    /// `touched`: the body's first byte was seen.
    Body { body: Body, touched: bool },
    /// No longer HTTP/1, or perhaps so, until the response decides.
    Tunnel,
    /// Unknown, until a message starts.
    Lost,
    /// Nothing: the side closed.
    Closed,
}

impl Reader {
    pub fn new(from_start: bool) -> Self {
        let state = if from_start { State::Head } else { State::Lost };
        Self {
            offset: 0,
            state,
            open: None,
            joined: !from_start,
        }
    }

    pub fn position(&self) -> Position {
        Position {
            offset: self.offset,
            boundary: self.state == State::Head && self.open.is_none(),
            closed: self.state == State::Closed,
        }
    }

    /// Stream offset right after the bytes that were seen.
    pub fn next(&self) -> u64 {
        self.offset
            + self
                .open
                .as_ref()
                .map_or(0, |open| open.head.bytes().len() as u64)
    }

    /// Forgets the head being read: its first byte's moment and how many bytes of it were seen. `None`: there is
    /// none, or too little of it to say that it was a request.
    pub fn abandon(&mut self, side: Side) -> Option<(Moment, u64)> {
        let open = self.open.take()?;
        let sure = side == Side::Server || detect(open.head.bytes()) == Some(Start::Request);
        sure.then(|| (open.begin, open.head.bytes().len() as u64))
    }
}
