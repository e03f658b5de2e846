//! HTTP/2 on one connection: a conversation is read as its ends know it, however it passes; what is certain in spite of loss, of
//! joining in the middle and of restarts is true; and any bytes do no harm.

mod asides;
mod conversation;
mod frames;
mod passing;
mod plan;
mod truth;
mod verdict;

use std::net::SocketAddr;

use arbitrary::{Result, Unstructured};
use observer::http::http2::{Connection, Reason};
use observer::http::{
    Cut, Exchange, Limits, Malformed, Moment, RequestHead, Side, Sink, Switch, Uncertain,
};

use super::hpack::encoder;
use conversation::conversation;
use passing::{LIMITS, Observer, Told};
use plan::Choice;

/// Streams of one conversation.
const STREAMS: usize = 24;
/// Bytes on the heap of one connection, at most: two tables, blocks that are half read, and streams.
const HEAP: usize = 2 << 20;

/// Reads one connection.
///
/// # Panics
/// When one of the properties does not hold.
pub fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let mut input = Unstructured::new(rest);
    if kind % 5 == 4 {
        // The bytes may end anywhere: what was read until then was checked.
        let _ = harmless(&mut input);
        return;
    }
    let mut roll = |sides: usize| input.int_in_range(0..=sides - 1).unwrap_or(0);
    let mut choice = Choice(&mut roll);
    let count = 1 + choice.of(STREAMS);
    let talk = conversation(count, &mut choice);
    let streams = passing::streams(&talk);
    // Where a segment begins inside of a frame, its bytes may look like another: with losses, all begin with one.
    let whole = passing::whole(&talk);
    match kind % 5 {
        0 => {
            let mut observer = Observer::new(&streams);
            let segments = passing::segments(&talk, &mut choice);
            segments
                .into_iter()
                .for_each(|segment| observer.see(segment));
            verdict::exact(&talk, &observer.close(talk.close));
        }
        1 => {
            let rarely = 2 + choice.of(30);
            let mut observer = Observer::new(&streams);
            for segment in whole {
                match choice.once_in(rarely) {
                    true => observer.miss(segment, choice.of(3) > 0),
                    false => observer.see(segment),
                }
            }
            verdict::sound(&talk, &observer.close(talk.close));
        }
        2 => {
            let mut observer = Observer::joined(&streams);
            let joined = choice.of(whole.len());
            let seen = whole.into_iter().skip(joined);
            seen.for_each(|segment| observer.see(segment));
            verdict::sound_but_for_the_past(&talk, &observer.close(talk.close));
        }
        _ => {
            let rarely = 2 + choice.of(30);
            let (mut observer, mut next) = (Observer::new(&streams), [0, 0]);
            for segment in passing::segments(&talk, &mut choice) {
                if choice.once_in(rarely) {
                    observer.restart(next);
                }
                next[segment.side] = segment.end;
                observer.see(segment);
            }
            let told = observer.close(talk.close);
            assert_eq!(told.exchanges.len(), talk.truths.len());
            verdict::sound(&talk, &told);
        }
    }
}

/// Any frames, and bytes that are none.
fn harmless(input: &mut Unstructured<'_>) -> Result<()> {
    let mut connection = match input.ratio(1_u8, 3)? {
        true => Connection::joined(),
        false => Connection::new(Switch {
            client: 0,
            server: 0,
            prefaced: true,
        }),
    };
    let (mut told, mut sent, mut time) = (Told::default(), [0_u64; 2], 0);
    while !input.is_empty() {
        let what: u8 = input.arbitrary()?;
        let at = usize::from(what & 1);
        let side = [Side::Client, Side::Server][at];
        time += u64::from(what >> 7) << input.int_in_range(0..=40)?;
        let moment = Moment { time, acked: None };
        let length = input.int_in_range(0..=600)?.min(input.len());
        let bytes = input.bytes(length)?;
        let bytes = match what >> 1 & 15 {
            0 => {
                connection.fin(side, moment, &LIMITS, &mut told);
                continue;
            }
            1 => {
                connection.conflict(side);
                continue;
            }
            2 | 3 => {
                let length = length as u64;
                match what & 32 {
                    0 => connection.hole(side, moment, sent[at], length, &LIMITS, &mut told),
                    _ => connection.lose(side, time, length, &mut told),
                }
                sent[at] += length;
                continue;
            }
            4 | 5 => bytes.to_vec(),
            _ => {
                let (kind, flags) = (input.int_in_range(0..=11)?, input.arbitrary()?);
                let stream = input.int_in_range(0..=9)?;
                frames::frame(kind, flags, stream, bytes)
            }
        };
        connection.data(side, moment, sent[at], &bytes, &LIMITS, &mut told);
        sent[at] += bytes.len() as u64;
        let heap = connection.heap_bytes();
        assert!(heap <= HEAP, "{heap} bytes on the heap");
    }
    connection.end(time, &LIMITS, &mut told);
    assert!(
        connection.is_idle() || connection.is_opaque(),
        "over, and something waits"
    );
    Ok(())
}
