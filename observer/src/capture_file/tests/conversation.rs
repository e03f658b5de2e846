//! Conversations made of generated exchanges, and the packets that they may come in.

use observer_ebpf::wire::tcp;
use proptest::prelude::*;

use super::CONSUMERS;
use super::packets::{Line, Packet};

/// A generator that needs no more state than its seed (xorshift64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides.max(1)
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        // Content that looks like messages wherever a segment may begin.
        let lure = b"GET /lure HTTP/1.1\r\nHost: lure\r\n\r\nHTTP/1.1 299 Lure\r\nContent-Length: 0\r\n\r\n";
        let from = self.roll(lure.len());
        lure.iter()
            .copied()
            .cycle()
            .skip(from)
            .take(length)
            .collect()
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Asks {
    Get,
    Head,
    Sized(usize),
    Chunked(usize),
    Expect(usize),
}

#[derive(Clone, Copy, Debug)]
pub enum Answers {
    Sized(usize),
    Chunked(usize),
    Empty,
    Unmodified,
    Hinted(usize),
}

/// What passes in one exchange.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub asks: Asks,
    pub answers: Answers,
    pub consumer: Option<usize>,
    /// Sent before the response to the one before was.
    pub pipelined: bool,
}

/// A whole conversation and how it is cut into packets.
#[derive(Clone, Debug)]
pub struct Plan {
    pub kinds: Vec<Kind>,
    pub numbers: [u32; 2],
    pub seed: u64,
    /// The most payload bytes of a packet.
    pub segment: usize,
    /// How both ends part: FIN from the client, from the server, or not seen.
    pub ending: usize,
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0_usize..300, 2 => 300_usize..9000, 1 => 30_000_usize..120_000]
}

fn kind() -> impl Strategy<Value = Kind> {
    let asks = prop_oneof![
        4 => Just(Asks::Get),
        1 => Just(Asks::Head),
        2 => size().prop_map(Asks::Sized),
        2 => size().prop_map(Asks::Chunked),
        1 => size().prop_map(Asks::Expect),
    ];
    let answers = prop_oneof![
        4 => size().prop_map(Answers::Sized),
        2 => size().prop_map(Answers::Chunked),
        1 => Just(Answers::Empty),
        1 => Just(Answers::Unmodified),
        1 => size().prop_map(Answers::Hinted),
    ];
    let consumer = prop::option::weighted(0.8, 0..CONSUMERS.len());
    (asks, answers, consumer, any::<bool>()).prop_map(|(asks, answers, consumer, pipelined)| Kind {
        asks,
        answers,
        consumer,
        pipelined,
    })
}

pub fn plan(exchanges: usize) -> impl Strategy<Value = Plan> {
    let segment = prop_oneof![
        2 => 1_usize..40,
        4 => 200_usize..1460,
        1 => Just(65_000_usize),
    ];
    let number = prop_oneof![any::<u32>(), (u32::MAX - 3000)..=u32::MAX];
    let numbers = (number.clone(), number).prop_map(|(one, two)| [one, two]);
    (
        prop::collection::vec(kind(), 1..=exchanges),
        numbers,
        any::<u64>(),
        segment,
        0_usize..3,
    )
        .prop_map(|(kinds, numbers, seed, segment, ending)| Plan {
            kinds,
            numbers,
            seed,
            segment,
            ending,
        })
}

/// What one exchange is in truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    pub status: u16,
    pub consumer: &'static str,
    pub line: String,
}

fn chunked(content: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let (chunk, more) = rest.split_at((dice.roll(rest.len()) + 1).max(rest.len() / 3));
        rest = more;
        let extension = if dice.roll(3) == 0 { ";a=\"b\"" } else { "" };
        bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).into_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n");
    if dice.roll(3) == 0 {
        bytes.extend(b"Trailer: x\r\n");
    }
    bytes.extend(b"\r\n");
    bytes
}

impl Plan {
    /// The status that the exchange of an index has, and no other near it.
    fn status(index: usize, kind: &Kind) -> u16 {
        match kind.answers {
            Answers::Empty => 204,
            Answers::Unmodified => 304,
            _ => 400 + (index % 150) as u16,
        }
    }

    /// What each side writes, in the order of cause and effect.
    fn writes(&self, dice: &mut Dice) -> (Vec<(bool, Vec<u8>)>, Vec<Truth>) {
        let mut writes: Vec<(bool, Vec<u8>)> = Vec::new();
        let mut truths = Vec::new();
        let mut answers: Vec<Vec<u8>> = Vec::new();
        for (index, kind) in self.kinds.iter().enumerate() {
            // Who expects 100-continue waits for it.
            let alone = |kind: &Kind| matches!(kind.asks, Asks::Expect(_));
            let before = index
                .checked_sub(1)
                .and_then(|before| self.kinds.get(before));
            if !kind.pipelined || alone(kind) || before.is_some_and(alone) {
                writes.extend(answers.drain(..).map(|answer| (false, answer)));
            }
            let key = match kind.consumer {
                Some(consumer) => format!("X-Api-Key: key-{}\r\n", CONSUMERS[consumer]),
                None => String::new(),
            };
            let head = |method: &str, fields: &str| {
                format!("{method} /r/{index} HTTP/1.1\r\nHost: api.example\r\n{key}{fields}\r\n")
                    .into_bytes()
            };
            let (method, sent) = match kind.asks {
                Asks::Get => {
                    writes.push((true, head("GET", "")));
                    ("GET", 0)
                }
                Asks::Head => {
                    writes.push((true, head("HEAD", "")));
                    ("HEAD", 0)
                }
                Asks::Sized(size) => {
                    let mut bytes = head("POST", &format!("Content-Length: {size}\r\n"));
                    bytes.extend(dice.bytes(size));
                    writes.push((true, bytes));
                    ("POST", size)
                }
                Asks::Chunked(size) => {
                    let mut bytes = head("PUT", "Transfer-Encoding: chunked\r\n");
                    let content = dice.bytes(size);
                    bytes.extend(chunked(&content, dice));
                    writes.push((true, bytes));
                    ("PUT", size)
                }
                Asks::Expect(size) => {
                    let fields = format!("Content-Length: {size}\r\nExpect: 100-continue\r\n");
                    writes.push((true, head("POST", &fields)));
                    writes.push((false, b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()));
                    writes.push((true, dice.bytes(size)));
                    ("POST", size)
                }
            };
            let status = Self::status(index, kind);
            let (answer, got) = answer(status, kind, dice);
            answers.push(answer);
            let consumer = kind.consumer.map_or("__unkeyed__", |at| CONSUMERS[at]);
            let outcome =
                crate::usage::Outcome::of(Some(status), None, None, kind.consumer.is_some());
            truths.push(Truth {
                status,
                consumer,
                line: format!("{method} /r/{index} {status} {consumer} {sent}/{got} {outcome:?}"),
            });
        }
        writes.extend(answers.drain(..).map(|answer| (false, answer)));
        writes.retain(|(_, bytes)| !bytes.is_empty());
        (writes, truths)
    }

    /// The packets in the order in which they were first sent, and what they tell. A packet acknowledges everything that
    /// its sender had received.
    pub fn packets(&self) -> (Vec<Packet>, Vec<Truth>) {
        let mut dice = Dice::new(self.seed);
        let (writes, truths) = self.writes(&mut dice);
        let mut line = Line::open(40_000, self.numbers);
        for (from_client, bytes) in &writes {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                // Bodies that are long need no cut at every byte.
                let most = self.segment.max(rest.len() / 40).min(65_000);
                let (now, later) = rest.split_at((1 + dice.roll(most)).min(rest.len()));
                line.push(*from_client, tcp::ACK, now);
                rest = later;
            }
            if dice.roll(2) == 0 {
                line.push(!from_client, tcp::ACK, &[]);
            }
        }
        match self.ending {
            0 => _ = line.fin(true).fin(false),
            1 => _ = line.fin(false).fin(true),
            _ => {}
        }
        (line.sent, truths)
    }
}

/// The response of this status to a request of that kind, and the bytes of its content.
fn answer(status: u16, kind: &Kind, dice: &mut Dice) -> (Vec<u8>, usize) {
    let head =
        |fields: &str| format!("HTTP/1.1 {status} X\r\nServer: s\r\n{fields}\r\n").into_bytes();
    let bodiless = matches!(kind.asks, Asks::Head);
    match kind.answers {
        Answers::Empty => (head(""), 0),
        Answers::Unmodified => (head("Content-Length: 77\r\n"), 0),
        Answers::Sized(size) | Answers::Hinted(size) => {
            let mut bytes = match kind.answers {
                Answers::Hinted(_) => b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec(),
                _ => Vec::new(),
            };
            bytes.extend(head(&format!("Content-Length: {size}\r\n")));
            if bodiless {
                return (bytes, 0);
            }
            bytes.extend(dice.bytes(size));
            (bytes, size)
        }
        Answers::Chunked(size) => {
            let mut bytes = head("Transfer-Encoding: chunked\r\n");
            if bodiless {
                return (bytes, 0);
            }
            let content = dice.bytes(size);
            bytes.extend(chunked(&content, dice));
            (bytes, size)
        }
    }
}

/// Packets as they may arrive: those of one end in another order inside a window, and some of them twice. Nobody
/// acknowledges what has not arrived, so only packets that follow one another from the same end change places.
pub fn disorder(packets: &[Packet], window: usize, doubles: usize, dice: &mut Dice) -> Vec<Packet> {
    let mut out: Vec<Packet> = Vec::new();
    for run in packets.chunk_by(|one, two| {
        let plain = |packet: &Packet| packet.flags & (tcp::SYN | tcp::RST) == 0;
        one.from_client == two.from_client && plain(one) && plain(two)
    }) {
        let mut places: Vec<(usize, &Packet)> = run
            .iter()
            .enumerate()
            .map(|(at, packet)| (at + dice.roll(window + 1), packet))
            .collect();
        places.sort_by_key(|(place, _)| *place);
        out.extend(places.into_iter().map(|(_, packet)| packet.clone()));
        for _ in 0..doubles {
            // A copy of something before, which its receiver drops.
            let back = dice.roll(window.max(1) * 2) + 1;
            if let Some(again) = out.len().checked_sub(back).and_then(|at| out.get(at)) {
                out.push(again.clone());
            }
        }
    }
    out
}
