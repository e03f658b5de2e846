//! HTTP/1 on one connection: any bytes in any pieces do no harm, the pieces do not matter, and what is certain in spite of
//! loss is true.

mod conversation;
mod loss;
mod segmentation;

use std::net::SocketAddr;

use arbitrary::{Result, Unstructured};
use observer::http::{Connection, Exchange, Limits, Moment, RequestHead, Side, Sink};

/// Reads one connection.
///
/// # Panics
/// When one of the properties does not hold.
pub fn check(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let mut input = Unstructured::new(rest);
    // The bytes may end anywhere: what was read until then was checked.
    let _ = match kind % 3 {
        0 => segmentation::check(&mut input),
        1 => loss::check(&mut input),
        _ => harmless(&mut input),
    };
}

const LIMITS: Limits = Limits {
    head_bytes: 512,
    pipeline_depth: 16,
};
/// The longest PROXY header that is waited for, two heads (a buffer that grows doubles), and requests that wait, of which
/// one takes less than 256 bytes (a queue that grows doubles).
const HEAP: usize = 4096 + 2 * 2 * LIMITS.head_bytes + 2 * 256 * (LIMITS.pipeline_depth + 2);

/// What came of a connection.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    exchanges: Vec<Exchange<String>>,
    missing: u64,
    proxied: Vec<Option<SocketAddr>>,
}

impl Sink for Told {
    type Request = String;

    fn request(&mut self, head: &RequestHead<'_>, _: Moment, _: Option<u64>) -> String {
        format!("{} {}", head.method, head.target)
    }

    fn proxied(&mut self, source: Option<SocketAddr>) {
        self.proxied.push(source);
    }

    fn exchange(&mut self, exchange: Exchange<String>) {
        assert!(
            exchange.begin <= exchange.end,
            "ends before it begins: {exchange:?}"
        );
        self.exchanges.push(exchange);
    }

    fn missing(&mut self, bytes: u64) {
        self.missing = self.missing.saturating_add(bytes);
    }
}

/// Anything at all happens to a connection.
fn harmless(input: &mut Unstructured<'_>) -> Result<()> {
    let mut connection = Connection::new(input.arbitrary()?);
    let (mut told, mut sent) = (Told::default(), [0_u64; 2]);
    let mut time = 0;
    while !input.is_empty() {
        let what: u8 = input.arbitrary()?;
        let (side, at) = if what & 1 == 0 {
            (Side::Client, 0)
        } else {
            (Side::Server, 1)
        };
        time += u64::from(what >> 7);
        let acked = match what >> 5 & 3 {
            0 => None,
            1 => Some(sent[1 - at] / 2),
            _ => Some(sent[1 - at]),
        };
        let moment = Moment { time, acked };
        match what >> 1 & 15 {
            0 => connection.fin(side, moment, &LIMITS, &mut told),
            1 => connection.reset(side, moment, &LIMITS, &mut told),
            2 => connection.conflict(side),
            3 | 4 => {
                let length = u64::from(input.arbitrary::<u16>()?);
                connection.hole(side, moment, sent[at], length, &LIMITS, &mut told);
                sent[at] += length;
            }
            5 => {
                // What need not be copied, as far as it goes.
                let until = connection.skip_until(side).unwrap_or(0);
                let length = until.saturating_sub(sent[at]).min(1 << 40);
                connection.hole(side, moment, sent[at], length, &LIMITS, &mut told);
                sent[at] += length;
            }
            _ => {
                let bytes = conversation::piece(input)?;
                connection.data(side, moment, sent[at], &bytes, &LIMITS, &mut told);
                sent[at] += bytes.len() as u64;
            }
        }
        let heap = connection.heap_bytes();
        assert!(heap <= HEAP, "{heap} bytes on the heap");
        assert!(
            !connection.is_idle() || heap == 0,
            "idle with {heap} bytes on the heap"
        );
    }
    over(&mut connection, time, &mut told);
    Ok(())
}

/// Ends a connection, which must then own nothing.
fn over(connection: &mut Connection<String>, time: u64, told: &mut Told) {
    connection.end(time, &LIMITS, told);
    // Whoever is told that it is opaque drops it as it is.
    if connection.is_opaque() {
        return;
    }
    assert!(connection.is_idle(), "over, and something waits");
    let heap = connection.heap_bytes();
    assert!(heap == 0, "over, with {heap} bytes on the heap");
}
