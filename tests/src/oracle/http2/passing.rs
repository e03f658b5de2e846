//! A conversation as it passes an observer: in segments, of which some are missed, and with restarts in between.

use std::collections::VecDeque;

use super::plan::Choice;
use super::truth::{Close, Conversation};
use super::{Connection, Exchange, Limits, Moment, RequestHead, Side, Sink, SocketAddr, Switch};

pub const LIMITS: Limits = Limits {
    head_bytes: 8192,
    pipeline_depth: 400,
};

/// Some bytes of one side.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub side: usize,
    pub begin: usize,
    pub end: usize,
}

/// What came of a connection. A request is written down as the conversation does.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub exchanges: Vec<Exchange<String>>,
    pub missing: u64,
    pub gaps: u64,
}

/// One who sees segments pass.
pub struct Observer<'c> {
    pub connection: Connection<String>,
    pub told: Told,
    streams: &'c [Vec<u8>; 2],
    time: u64,
}

impl Sink for Told {
    type Request = String;

    fn request(&mut self, head: &RequestHead<'_>, _: Moment, _: Option<u64>) -> String {
        let mut text = format!("{} {}", head.method, head.target);
        for field in head.fields {
            text += &format!("\n{}: {}", field.name, String::from_utf8_lossy(field.value));
        }
        text
    }

    fn proxied(&mut self, _: Option<SocketAddr>) {}

    fn exchange(&mut self, exchange: Exchange<String>) {
        assert!(
            exchange.begin <= exchange.end,
            "ends before it begins: {exchange:?}"
        );
        self.exchanges.push(exchange);
    }

    fn missing(&mut self, bytes: u64) {
        self.missing = self.missing.saturating_add(bytes);
        self.gaps += 1;
    }
}

impl Segment {
    fn side(self) -> Side {
        [Side::Client, Side::Server][self.side]
    }
}

impl<'c> Observer<'c> {
    pub fn new(streams: &'c [Vec<u8>; 2]) -> Self {
        let begin = Switch {
            client: 0,
            server: 0,
            prefaced: false,
        };
        Self::of(Connection::new(begin), streams)
    }

    pub fn joined(streams: &'c [Vec<u8>; 2]) -> Self {
        Self::of(Connection::joined(), streams)
    }

    fn of(connection: Connection<String>, streams: &'c [Vec<u8>; 2]) -> Self {
        Self {
            connection,
            told: Told::default(),
            streams,
            time: 0,
        }
    }

    fn moment(&mut self) -> Moment {
        self.time += 1;
        Moment {
            time: self.time,
            acked: None,
        }
    }

    pub fn see(&mut self, segment: Segment) {
        let Segment { side, begin, end } = segment;
        let (moment, bytes) = (self.moment(), &self.streams[side][begin..end]);
        let offset = begin as u64;
        self.connection.data(
            segment.side(),
            moment,
            offset,
            bytes,
            &LIMITS,
            &mut self.told,
        );
        let heap = self.connection.heap_bytes();
        assert!(heap <= super::HEAP, "{heap} bytes on the heap");
    }

    /// A segment passes unseen; its length is known, or it is not.
    pub fn miss(&mut self, segment: Segment, measured: bool) {
        let (moment, side) = (self.moment(), segment.side());
        let length = (segment.end - segment.begin) as u64;
        let (connection, told) = (&mut self.connection, &mut self.told);
        if measured {
            connection.hole(side, moment, segment.begin as u64, length, &LIMITS, told);
        } else {
            connection.lose(side, moment.time, length, told);
        }
    }

    /// The connection is written down, and read again; so are the bytes of what was half read. `next`: how far each side was seen.
    pub fn restart(&mut self, next: [usize; 2]) {
        let half_read = [Side::Client, Side::Server].map(|side| self.connection.half_read(side));
        let kept = serde_json::to_vec(&self.connection).expect("a connection is written");
        self.connection = serde_json::from_slice(&kept).expect("and read");
        for (side, (begin, end)) in half_read.into_iter().zip(next).enumerate() {
            if let Some(begin) = begin {
                let begin = begin as usize;
                self.see(Segment { side, begin, end });
            }
        }
    }

    pub fn close(mut self, close: Close) -> Told {
        let moment = self.moment();
        let (connection, told) = (&mut self.connection, &mut self.told);
        let order = match close {
            Close::Server => [Side::Server, Side::Client],
            _ => [Side::Client, Side::Server],
        };
        match close {
            Close::Server | Close::Client => {
                for side in order {
                    connection.fin(side, moment, &LIMITS, told);
                }
            }
            Close::ServerReset => connection.reset(Side::Server, moment, &LIMITS, told),
            Close::ClientReset => connection.reset(Side::Client, moment, &LIMITS, told),
            Close::Unseen => {}
        }
        connection.end(self.time, &LIMITS, told);
        assert!(connection.is_idle(), "over, and something waits");
        self.told
    }
}

/// All that each side says.
pub fn streams(conversation: &Conversation) -> [Vec<u8>; 2] {
    let mut streams = [Vec::new(), Vec::new()];
    for piece in &conversation.pieces {
        streams[piece.side].extend(&piece.bytes);
    }
    streams
}

/// The pieces as segments.
pub fn whole(conversation: &Conversation) -> Vec<Segment> {
    let mut next = [0, 0];
    let segment = |piece: &super::truth::Piece| {
        let begin = next[piece.side];
        next[piece.side] += piece.bytes.len();
        Segment {
            side: piece.side,
            begin,
            end: next[piece.side],
        }
    };
    conversation.pieces.iter().map(segment).collect()
}

/// Any segments, in any order that the conversation allows: nothing passes before what it comes after.
pub fn segments(conversation: &Conversation, choice: &mut Choice<'_>) -> Vec<Segment> {
    // Of each side, where pieces begin, and how much of the other side comes before.
    let mut sides = [VecDeque::new(), VecDeque::new()];
    for (segment, piece) in whole(conversation).into_iter().zip(&conversation.pieces) {
        sides[segment.side].push_back((segment, piece.after));
    }
    let most = 1 + choice.of(3000);
    let on_bounds = choice.of(2) == 0;
    let (mut next, mut passed) = ([0, 0], Vec::new());
    loop {
        // How far each side may go now.
        let until = [0, 1].map(|side: usize| {
            let may = sides[side]
                .iter()
                .take_while(|(_, after)| *after <= next[1 - side]);
            may.last().map_or(next[side], |(piece, _)| piece.end)
        });
        let able: Vec<usize> = (0..2).filter(|side| until[*side] > next[*side]).collect();
        if able.is_empty() {
            assert!(
                sides.iter().all(VecDeque::is_empty),
                "a side waits for ever"
            );
            return passed;
        }
        let side = choice.one(&able);
        let begin = next[side];
        let room = (until[side] - begin).min(most);
        let mut end = begin + 1 + choice.of(room);
        if on_bounds && choice.of(4) != 3 {
            let bound = sides[side].iter().map(|(piece, _)| piece.end);
            end = bound
                .take_while(|bound| *bound <= begin + room)
                .last()
                .unwrap_or(end);
        }
        passed.push(Segment { side, begin, end });
        next[side] = end;
        while sides[side]
            .front()
            .is_some_and(|(piece, _)| piece.end <= end)
        {
            sides[side].pop_front();
        }
    }
}
