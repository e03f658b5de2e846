//! TLS connections sealed here, by a key schedule of our own, and read by a session: without loss all plaintext comes out, in
//! order and at its offset; with loss, what comes out is some of it, in order; and whatever bytes come, memory is bounded.

mod conversation;
mod sealing;

use arbitrary::{Result, Unstructured};
use observer::flow::Seen;
use observer::tls::secrets::{Bounds, Secrets};
use observer::tls::{Inputs, Limits, Plain, Session, Side, Terms};
use observer_ebpf::track::ORIGIN;

use conversation::{Conversation, Piece};

/// Bytes that a session may own: what waits for its secret, a record of either side, and what a search keeps.
const MEMORY: usize = (64 << 10) + 6 * (20 << 10) + (64 << 10);
/// Bounds of what waits.
const LIMITS: Limits = Limits {
    waiting_bytes: 64 << 10,
    waiting_time: u64::MAX,
};

/// Seals a conversation, or takes any bytes for one, and reads it.
///
/// # Panics
/// When something comes out that was not put in, or, without loss, something does not.
pub fn check(data: &[u8]) {
    let _ = case(&mut Unstructured::new(data));
}

fn case(input: &mut Unstructured<'_>) -> Result<()> {
    if input.ratio(1_u8, 4)? {
        return any_bytes(input);
    }
    let conversation = Conversation::of(input)?;
    let whole = read(&conversation, |_| false);
    assert_eq!(whole.error, None, "nothing was lost");
    for (way, truth) in whole.ways.iter().zip(&conversation.truth) {
        assert!(!way.torn, "a gap where nothing was lost");
        assert_eq!(way.places, [truth.len()], "not all came out");
    }
    let losses = input.bytes(input.len().min(64))?.to_vec();
    read(&conversation, |at| {
        let bits = losses.get(at / 8 % losses.len().max(1));
        bits.is_some_and(|bits| bits >> (at % 8) & 1 != 0)
    });
    Ok(())
}

/// Where what comes out is held against what was put in.
struct Reader<'a> {
    truth: &'a [Vec<u8>; 2],
    ways: [Way; 2],
    needless: [Option<u64>; 2],
    agreed: bool,
    error: Option<&'static str>,
}

/// One side as far as it was read.
struct Way {
    /// Bytes of the truth that may be accounted for; after a gap that is not sure.
    places: Vec<usize>,
    /// There was a gap, and nothing since.
    torn: bool,
    /// There was one before.
    scarred: bool,
    /// Offset of the next byte.
    offset: u64,
}

fn index(side: Side) -> usize {
    usize::from(side == Side::Server)
}

impl Plain for Reader<'_> {
    fn agreed(&mut self, _: Terms) {
        assert!(!self.agreed, "agreed on twice");
        self.agreed = true;
    }

    fn data(&mut self, from: Side, seen: Seen, offset: u64, bytes: &[u8]) {
        assert!(self.agreed, "read before anything was agreed on");
        self.moved(from, offset, bytes.len() as u64);
        let other = &self.ways[1 - index(from)];
        if let Some(acked) = seen.acked
            && !other.scarred
        {
            assert!(acked <= other.offset, "more was acknowledged than was sent");
        }
        let truth = &self.truth[index(from)];
        let way = &mut self.ways[index(from)];
        let least = way.places.iter().copied().min().unwrap_or_default();
        let from_places = if std::mem::take(&mut way.torn) {
            (least..truth.len()).collect()
        } else {
            std::mem::take(&mut way.places)
        };
        let fits = |place: &usize| {
            truth
                .get(*place..)
                .is_some_and(|rest| rest.starts_with(bytes))
        };
        let fitting = from_places.into_iter().filter(fits);
        way.places = fitting.map(|place| place + bytes.len()).collect();
        assert!(
            !way.places.is_empty(),
            "{bytes:02x?} of {from:?} was not sent there"
        );
    }

    fn content(&mut self, from: Side, _: Seen, offset: u64, length: u64) {
        self.moved(from, offset, length);
        let way = &mut self.ways[index(from)];
        let until = self.needless[index(from)].unwrap_or(0);
        assert!(offset + length <= until, "passed over what is asked for");
        if !way.torn {
            for place in &mut way.places {
                *place += length as usize;
            }
        }
    }

    fn gap(&mut self, from: Side, _: Seen, offset: u64, length: u64) {
        self.moved(from, offset, length);
        let way = &mut self.ways[index(from)];
        (way.torn, way.scarred) = (true, true);
    }

    fn fin(&mut self, _: Side, _: Seen) {}

    fn half_read(&self, _: Side) -> Option<u64> {
        None
    }

    fn needless_until(&self, from: Side) -> Option<u64> {
        self.needless[index(from)]
    }
}

impl Reader<'_> {
    fn moved(&mut self, from: Side, offset: u64, length: u64) {
        let way = &mut self.ways[index(from)];
        assert_eq!(offset, way.offset, "offsets follow each other");
        way.offset += length;
    }
}

/// Shows a conversation to a session, but for the pieces that are lost.
fn read(conversation: &Conversation, lost: impl Fn(usize) -> bool) -> Reader<'_> {
    let mut reader = Reader {
        truth: &conversation.truth,
        ways: [0; 2].map(|_| Way {
            offset: ORIGIN,
            places: vec![0],
            torn: false,
            scarred: false,
        }),
        needless: conversation.needless,
        agreed: false,
        error: None,
    };
    let mut secrets = Secrets::new(Bounds {
        connections: 4,
        lifetime: u64::MAX,
    });
    let (mut session, mut scratch) = (Session::new(), Vec::new());
    let mut sent = [0_u64; 2];
    for (number, Piece { from, bytes }) in conversation.pieces.iter().enumerate() {
        let learns = number == conversation.secrets_after;
        if learns {
            for material in &conversation.secrets {
                secrets.learn(material.clone(), 0);
            }
        }
        let seen = Seen {
            time: number as u64,
            acked: Some(ORIGIN + sent[1 - index(*from)]),
        };
        sent[index(*from)] += bytes.len() as u64;
        let mut inputs = Inputs {
            secrets: &secrets,
            limits: &LIMITS,
            scratch: &mut scratch,
            plain: &mut reader,
        };
        let mut result = if learns {
            session.retry(&mut inputs)
        } else {
            Ok(())
        };
        if result.is_ok() {
            result = if number >= conversation.certain && lost(number) {
                session.hole(*from, seen, bytes.len() as u64, &mut inputs)
            } else {
                session.data(*from, seen, bytes, &mut inputs)
            };
        }
        let heap = session.heap_bytes();
        assert!(heap <= MEMORY, "{heap} bytes on the heap");
        if let Err(reason) = result {
            reader.error = Some(reason.name().unwrap_or("refused"));
            break;
        }
    }
    reader
}

/// Any bytes in any pieces, after a hello that they may go on from.
fn any_bytes(input: &mut Unstructured<'_>) -> Result<()> {
    let mut conversation = Conversation::of(input)?;
    let keep = input.int_in_range(0..=conversation.pieces.len())?;
    conversation.pieces.truncate(keep);
    for _ in 0..input.int_in_range(1..=12)? {
        let from = if input.arbitrary()? {
            Side::Client
        } else {
            Side::Server
        };
        let length = input.arbitrary_len::<u8>()?.min(400);
        let mut bytes = input.bytes(length)?.to_vec();
        if input.arbitrary()? {
            let kind = input.int_in_range(20..=23)?;
            let mut record = vec![kind, 3, 3];
            record.extend((bytes.len() as u16).to_be_bytes());
            record.append(&mut bytes);
            bytes = record;
        }
        conversation.pieces.push(Piece { from, bytes });
    }
    read(&conversation, |_| false);
    Ok(())
}
