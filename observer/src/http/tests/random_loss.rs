//! Conversations between a client and a server of which the observer misses segments at random: whatever it reports as
//! certain is true, and what it misses is accounted for.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

/// When the client sends its next request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    /// After the whole response.
    InTurns,
    /// So many at once, and the next ones after all their responses.
    Batches(usize),
    /// Whenever it likes.
    Streams,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub bytes: Vec<u8>,
    pub content: u64,
}

/// A segment as it passes the observer.
#[derive(Clone, Debug)]
struct Segment {
    side: Side,
    offset: u64,
    bytes: Vec<u8>,
    acked: u64,
}

/// A generator that needs no more state than its seed (xorshift64).
pub(crate) struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
}

/// Request and response `index`: each names it, in the target and in the status.
pub(crate) fn exchange(index: usize, dice: &mut Dice) -> (Message, Message) {
    let pad = "x".repeat(dice.roll(10));
    let body = "HTTP/1.1 200 OK\r\n\r\n".repeat(dice.roll(8));
    let (request, sent) = match dice.roll(5) {
        0 => (
            post(
                &format!("/{index}"),
                &format!("Content-Length: {}\r\n", body.len()),
                &body,
            ),
            body.len(),
        ),
        1 => (
            post(
                &format!("/{index}"),
                "Transfer-Encoding: chunked\r\n",
                "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            ),
            5,
        ),
        _ => (
            format!("GET /{index} HTTP/1.1\r\nHost: a.example\r\nA: {pad}\r\n\r\n"),
            0,
        ),
    };
    let body = get("/none").repeat(dice.roll(4)) + &OK.repeat(dice.roll(4));
    let mut response = if dice.roll(9) == 0 {
        "HTTP/1.1 103 Early Hints\r\n\r\n".to_owned()
    } else {
        String::new()
    };
    response += &format!("HTTP/1.1 {} x\r\n", 400 + index);
    let got = match dice.roll(4) {
        0 => {
            response +=
                "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n1;e=f\r\ne\r\n0\r\nT: x\r\n\r\n";
            5
        }
        _ => {
            response += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
            body.len()
        }
    };
    let message = |text: String, content: usize| Message {
        bytes: text.into_bytes(),
        content: content as u64,
    };
    (message(request, sent), message(response, got))
}

/// What one end still has to send: `sent` bytes of `stream` are on their way, and may go on up to `allowed`.
#[derive(Default)]
struct End {
    stream: Vec<u8>,
    /// Where each message ends.
    ends: Vec<usize>,
    sent: usize,
    received: usize,
    flight: VecDeque<usize>,
}

impl End {
    fn new(messages: impl Iterator<Item = Message>) -> Self {
        let mut end = Self::default();
        for message in messages {
            end.stream.extend(message.bytes);
            end.ends.push(end.stream.len());
        }
        end
    }

    /// Whole messages in the first `length` bytes.
    fn whole(&self, length: usize) -> usize {
        self.ends.iter().filter(|end| **end <= length).count()
    }

    fn until(&self, messages: usize) -> usize {
        if messages == 0 {
            0
        } else {
            self.ends[messages.min(self.ends.len()) - 1]
        }
    }
}

/// Every segment as it passes the server's interface, in order.
fn conversation(client: Client, exchanges: &[(Message, Message)], dice: &mut Dice) -> Vec<Segment> {
    let mut ends = [
        End::new(exchanges.iter().map(|(q, _)| q.clone())),
        End::new(exchanges.iter().map(|(_, r)| r.clone())),
    ];
    let mut passed = Vec::new();
    let (mut waiting, segment_bytes) = (VecDeque::new(), 1 + dice.roll(300));
    while ends[0].received < ends[1].stream.len() {
        let responses = ends[1].whole(ends[0].received);
        let allowed = match client {
            Client::InTurns => responses + 1,
            Client::Batches(size) => (responses / size + 1) * size,
            Client::Streams => exchanges.len(),
        };
        let allowed = [
            ends[0].until(allowed),
            ends[1].until(ends[0].whole(ends[1].received)),
        ];
        match dice.roll(4) {
            // One end sends. The server's segments pass the observer at once, the client's when they arrive.
            side @ (0 | 1) if ends[side].sent < allowed[side] => {
                let end = &mut ends[side];
                let room = allowed[side] - end.sent;
                // A message is a write of its own more often than not.
                let message = end.ends[end.whole(end.sent)] - end.sent;
                let length = match dice.roll(4) {
                    0 => room.min(segment_bytes),
                    _ => room.min(message),
                };
                let segment = Segment {
                    side: if side == 0 {
                        Side::Client
                    } else {
                        Side::Server
                    },
                    offset: end.sent as u64,
                    bytes: end.stream[end.sent..end.sent + length].to_vec(),
                    acked: end.received as u64,
                };
                end.sent += length;
                if side == 0 {
                    waiting.push_back(segment);
                } else {
                    end.flight.push_back(length);
                    passed.push(segment);
                }
            }
            2 => {
                if let Some(segment) = waiting.pop_front() {
                    ends[1].received += segment.bytes.len();
                    passed.push(segment);
                }
            }
            3 => {
                if let Some(length) = ends[1].flight.pop_front() {
                    ends[0].received += length;
                }
            }
            _ => {}
        }
    }
    passed
}

/// How the observer sees it.
#[derive(Clone, Copy, Debug)]
struct View {
    /// One segment in so many is lost; 0: none.
    loss: usize,
    /// A loss is followed by others.
    bursts: bool,
    /// Holes are told at once, not only when the same side goes on.
    eager: bool,
    /// Segments before this one were not seen, nor known of.
    joined: usize,
}

fn observe(passed: &[Segment], view: View, dice: &mut Dice) -> Seen {
    let joined = view.joined > 0;
    let mut connection = Connection::new(!joined);
    let mut seen = Seen::default();
    // Where each side's stream begins for the observer, and how far it told of it.
    let mut base = [None; 2];
    let mut told = [0u64; 2];
    let mut burst = 0;
    for (time, segment) in passed.iter().enumerate().skip(view.joined) {
        let side = segment.side as usize;
        for (side, offset) in [(side, segment.offset), (1 - side, segment.acked)] {
            base[side].get_or_insert(if joined { offset } else { 0 });
        }
        let (Some(from), Some(other)) = (base[side], base[1 - side]) else {
            continue;
        };
        let moment = Moment {
            time: time as u64,
            acked: segment.acked.checked_sub(other),
        };
        if view.loss > 0 && dice.roll(view.loss) == 0 && view.bursts {
            burst = dice.roll(5);
        }
        let lost = burst > 0 || view.loss > 0 && !view.bursts && dice.roll(view.loss) == 0;
        burst = usize::saturating_sub(burst, 1);
        let offset = segment.offset - from;
        let end = offset + segment.bytes.len() as u64;
        let hole = if lost && view.eager { end } else { offset };
        if (!lost || view.eager) && hole > told[side] {
            connection.hole(
                segment.side,
                moment,
                told[side],
                hole - told[side],
                &LIMITS,
                &mut seen,
            );
            told[side] = hole;
        }
        if !lost {
            connection.data(
                segment.side,
                moment,
                offset,
                &segment.bytes,
                &LIMITS,
                &mut seen,
            );
            told[side] = end;
        }
    }
    // The last segments may be missing too; the closes tell of them.
    let moment = Moment {
        time: passed.len() as u64,
        acked: None,
    };
    for side in [Side::Client, Side::Server] {
        let length: u64 = passed
            .iter()
            .filter(|segment| segment.side == side)
            .map(|segment| segment.bytes.len() as u64)
            .sum();
        let end = length - base[side as usize].unwrap_or(length);
        if end > told[side as usize] {
            connection.hole(
                side,
                moment,
                told[side as usize],
                end - told[side as usize],
                &LIMITS,
                &mut seen,
            );
        }
        connection.fin(side, moment, &LIMITS, &mut seen);
    }
    connection.end(moment.time, &LIMITS, &mut seen);
    assert!(connection.is_idle());
    assert_eq!(connection.heap_bytes(), 0);
    seen
}

/// How many exchanges are certain. Fails on one that is not true, and on one that vanished without a trace.
fn check(exchanges: &[(Message, Message)], seen: &Seen) -> Result<usize, String> {
    let mut certain = vec![false; exchanges.len()];
    let mut doubts = seen.missing > 0;
    for exchange in &seen.exchanges {
        if exchange.uncertain.is_some() {
            doubts = true;
            continue;
        }
        let id = exchange
            .request
            .as_deref()
            .and_then(|request| request.split('/').nth(1)?.parse::<usize>().ok());
        let Some((request, response)) = id.and_then(|id| exchanges.get(id)) else {
            return Err(format!("no request of ours: {}", line(exchange)));
        };
        let id = id.unwrap_or_default();
        let truth = (
            Some(400 + id as u16),
            request.content,
            response.content,
            None,
            None,
        );
        let told = (
            exchange.status,
            exchange.request_body_bytes,
            exchange.response_body_bytes,
            exchange.cut,
            exchange.malformed,
        );
        if told != truth || certain[id] {
            return Err(format!("{} is not {truth:?}", line(exchange)));
        }
        certain[id] = true;
    }
    let count = certain.iter().filter(|seen| **seen).count();
    if count < exchanges.len() && !doubts {
        Err("vanished".to_owned())
    } else {
        Ok(count)
    }
}

fn run(seed: u64, client: Client, view: View) -> Result<(usize, usize), String> {
    let mut dice = Dice(seed | 1);
    let exchanges: Vec<_> = (0..1 + dice.roll(25))
        .map(|index| exchange(index, &mut dice))
        .collect();
    let passed = conversation(client, &exchanges, &mut dice);
    let joined = view.joined % passed.len().max(1);
    let seen = observe(&passed, View { joined, ..view }, &mut dice);
    let vanished = joined > 0;
    match check(&exchanges, &seen) {
        // Of what happened before it joined nobody accounts.
        Err(reason) if vanished && reason == "vanished" => Ok((0, 0)),
        Err(reason) => Err(format!(
            "{reason}\n{}",
            seen.exchanges
                .iter()
                .map(line)
                .collect::<Vec<_>>()
                .join("\n")
        )),
        Ok(certain) => Ok((certain, exchanges.len())),
    }
}

pub(crate) fn client() -> impl Strategy<Value = Client> {
    prop_oneof![
        Just(Client::InTurns),
        (2usize..6).prop_map(Client::Batches),
        Just(Client::Streams)
    ]
}

proptest! {
    #[test]
    fn what_is_certain_is_true(
        seed: u64,
        client in client(),
        loss in prop_oneof![Just(3usize), Just(6), Just(15)],
        bursts: bool,
        eager: bool,
    ) {
        run(seed, client, View { loss, bursts, eager, joined: 0 }).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn without_loss_everything_is_certain(seed: u64, client in client()) {
        let view = View { loss: 0, bursts: false, eager: false, joined: 0 };
        let (certain, all) = run(seed, client, view).map_err(TestCaseError::fail)?;
        prop_assert_eq!(certain, all);
    }

    #[test]
    fn what_is_certain_is_true_when_joined(seed: u64, client in client(), loss in 0usize..9, joined in 1usize..20) {
        run(seed, client, View { loss, bursts: false, eager: true, joined }).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn a_little_loss_costs_little() {
    let view = View {
        loss: 100,
        bursts: false,
        eager: false,
        joined: 0,
    };
    let (mut certain, mut all) = (0, 0);
    for seed in 1..200u64 {
        let (seen, sent) = run(
            seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            Client::InTurns,
            view,
        )
        .unwrap();
        (certain, all) = (certain + seen, all + sent);
    }
    assert!(certain * 100 > all * 95, "{certain} of {all}");
}
