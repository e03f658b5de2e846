//! A conversation whose ends lose nothing, and an observer that does: whatever it reports as certain is true and told
//! once, and what it does not report has left a trace.

use std::collections::VecDeque;

use arbitrary::{Result, Unstructured};
use observer::http::{Connection, Moment, Side};

use super::conversation::{chunked, content};
use super::{LIMITS, Told, over};

/// Exchanges of one conversation.
const EXCHANGES: usize = 14;

/// An exchange as its ends know it; target and status name it.
struct Truth {
    request: Vec<u8>,
    response: Vec<u8>,
    request_body_bytes: u64,
    response_body_bytes: u64,
}

/// A segment as it passes the observer, at the server's interface.
struct Passed {
    side: Side,
    offset: usize,
    bytes: Vec<u8>,
    acked: usize,
}

pub fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let count = input.int_in_range(1..=EXCHANGES)?;
    let truths: Vec<Truth> = (0..count)
        .map(|index| truth(index, input))
        .collect::<Result<_>>()?;
    // Requests that the client sends before it waits for the responses to all of them.
    let batch = input.int_in_range(1..=4)?;
    let passed = talk(&truths, batch, input);
    let all = observe(&passed, |_| false);
    let certain = judge(&truths, &all);
    assert_eq!(certain, count, "nothing was lost: {:#?}", all.exchanges);
    let losses = input.bytes(input.len())?;
    let lost = |at: usize| {
        losses
            .get(at / 8)
            .is_some_and(|bits| bits >> (at % 8) & 1 != 0)
    };
    judge(&truths, &observe(&passed, lost));
    Ok(())
}

fn truth(index: usize, input: &mut Unstructured<'_>) -> Result<Truth> {
    let [kinds, sent, got] = input.arbitrary::<[u8; 3]>()?;
    let (sent, got) = (usize::from(sent), usize::from(got));
    let (request, request_body_bytes) = match kinds & 3 {
        0 => (
            format!(
                "POST /{index} HTTP/1.1\r\nContent-Length: {sent}\r\n\r\n{}",
                content(sent)
            ),
            sent,
        ),
        1 => (
            format!(
                "POST /{index} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                chunked(sent)
            ),
            sent,
        ),
        _ => {
            let pad = "x".repeat(sent % 16);
            (
                format!("GET /{index} HTTP/1.1\r\nHost: a.example\r\nA: {pad}\r\n\r\n"),
                0,
            )
        }
    };
    let interim = if kinds & 0x38 == 0 {
        "HTTP/1.1 103 Early Hints\r\n\r\n"
    } else {
        ""
    };
    let status = 400 + index;
    let response = if kinds & 4 == 0 {
        format!(
            "{interim}HTTP/1.1 {status} x\r\nContent-Length: {got}\r\n\r\n{}",
            content(got)
        )
    } else {
        format!(
            "{interim}HTTP/1.1 {status} x\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            chunked(got)
        )
    };
    Ok(Truth {
        request: request.into_bytes(),
        response: response.into_bytes(),
        request_body_bytes: request_body_bytes as u64,
        response_body_bytes: got as u64,
    })
}

/// One end: what it has to say, how much of it was sent, and how much of the other's arrived here.
struct End {
    stream: Vec<u8>,
    /// Where each message ends.
    ends: Vec<usize>,
    sent: usize,
    received: usize,
}

impl End {
    fn new<'a>(messages: impl Iterator<Item = &'a Vec<u8>>) -> Self {
        let (mut stream, mut ends) = (Vec::new(), Vec::new());
        for message in messages {
            stream.extend(message);
            ends.push(stream.len());
        }
        Self {
            stream,
            ends,
            sent: 0,
            received: 0,
        }
    }

    /// Whole messages in the first `length` bytes.
    fn whole(&self, length: usize) -> usize {
        self.ends.iter().filter(|end| **end <= length).count()
    }

    /// Where so many messages end.
    fn until(&self, messages: usize) -> usize {
        let last = messages.min(self.ends.len()).checked_sub(1);
        last.and_then(|last| self.ends.get(last))
            .copied()
            .unwrap_or(0)
    }

    /// The next bytes of at most `room`: up to a message's end, or fewer.
    fn say(&mut self, room: usize, cut: u8) -> Vec<u8> {
        let message = self.until(self.whole(self.sent) + 1) - self.sent;
        let length = match cut {
            0..0x80 => message,
            0x80..0xc0 => room,
            0xc0.. => usize::from(cut & 0x3f) * 4 + 1,
        };
        let length = length.min(room);
        let bytes = self.stream.get(self.sent..self.sent + length);
        self.sent += length;
        bytes.unwrap_or_default().to_vec()
    }
}

/// Every segment, in the order in which it passes. Each choice takes a byte; when there are none left, whoever can go on
/// does.
fn talk(truths: &[Truth], batch: usize, input: &mut Unstructured<'_>) -> Vec<Passed> {
    let mut client = End::new(truths.iter().map(|truth| &truth.request));
    let mut server = End::new(truths.iter().map(|truth| &truth.response));
    let (mut passed, mut upward, mut downward) = (Vec::new(), VecDeque::new(), VecDeque::new());
    loop {
        let answered = server.whole(client.received);
        let asks = client.until((answered / batch + 1) * batch) - client.sent;
        let answers = server
            .until(client.whole(server.received))
            .saturating_sub(server.sent);
        let moves = [
            asks > 0,
            answers > 0,
            !upward.is_empty(),
            !downward.is_empty(),
        ];
        let possible: Vec<usize> = (0..4).filter(|at| moves.get(*at) == Some(&true)).collect();
        let [choice, cut] = input.arbitrary().unwrap_or([0, 0]);
        let Some(what) = possible.get(usize::from(choice) % possible.len().max(1)) else {
            return passed;
        };
        match what {
            0 => upward.push_back(Passed {
                side: Side::Client,
                offset: client.sent,
                acked: client.received,
                bytes: client.say(asks, cut),
            }),
            1 => {
                let said = Passed {
                    side: Side::Server,
                    offset: server.sent,
                    acked: server.received,
                    bytes: server.say(answers, cut),
                };
                downward.push_back(said.bytes.len());
                passed.push(said);
            }
            2 => {
                let arrived = upward.pop_front();
                server.received += arrived.as_ref().map_or(0, |segment| segment.bytes.len());
                passed.extend(arrived);
            }
            _ => client.received += downward.pop_front().unwrap_or(0),
        }
    }
}

fn observe(passed: &[Passed], lost: impl Fn(usize) -> bool) -> Told {
    let mut connection = Connection::new(true);
    let (mut told, mut seen) = (Told::default(), [0_u64; 2]);
    for (at, segment) in passed.iter().enumerate() {
        if lost(at) {
            continue;
        }
        let moment = Moment {
            time: at as u64,
            acked: Some(segment.acked as u64),
        };
        let (side, offset) = (segment.side, segment.offset as u64);
        let next = &mut seen[side as usize];
        if offset > *next {
            connection.hole(side, moment, *next, offset - *next, &LIMITS, &mut told);
        }
        *next = offset + segment.bytes.len() as u64;
        connection.data(side, moment, offset, &segment.bytes, &LIMITS, &mut told);
    }
    // The last segments may be missing too; the closes tell of them.
    let time = passed.len() as u64;
    for side in [Side::Client, Side::Server] {
        let moment = Moment { time, acked: None };
        let of_side = passed.iter().rfind(|segment| segment.side == side);
        let end = of_side.map_or(0, |last| (last.offset + last.bytes.len()) as u64);
        let next = seen[side as usize];
        if end > next {
            connection.hole(side, moment, next, end - next, &LIMITS, &mut told);
        }
        connection.fin(side, moment, &LIMITS, &mut told);
    }
    over(&mut connection, time, &mut told);
    told
}

/// How many exchanges are certain.
fn judge(truths: &[Truth], told: &Told) -> usize {
    let mut certain = vec![false; truths.len()];
    let mut doubts = told.missing > 0;
    for exchange in &told.exchanges {
        if exchange.uncertain.is_some() {
            doubts = true;
            continue;
        }
        let number = exchange
            .request
            .as_deref()
            .and_then(|request| request.split_once('/')?.1.parse::<usize>().ok());
        let Some((number, truth)) = number.and_then(|number| Some((number, truths.get(number)?)))
        else {
            panic!("invented: {exchange:#?}");
        };
        let claims = (
            exchange.status,
            exchange.request_body_bytes,
            exchange.response_body_bytes,
            exchange.cut,
            exchange.malformed,
        );
        let expected = (
            Some(400 + number as u16),
            truth.request_body_bytes,
            truth.response_body_bytes,
            None,
            None,
        );
        assert_eq!(claims, expected, "not true: {exchange:#?}");
        assert!(!certain[number], "told twice: {exchange:#?}");
        certain[number] = true;
    }
    let count = certain.iter().filter(|certain| **certain).count();
    assert!(count == truths.len() || doubts, "vanished without a trace");
    count
}
