//! Header blocks of one direction, by an encoder of our own: whoever reads all of them gets what was said; whoever joins late,
//! loses some or goes on after a restart gets nothing that was not said, and knows what can be known; and any bytes do no harm.

pub(super) mod encoder;

use arbitrary::{Result, Unstructured};
use observer::http::http2::hpack::Decoder;

use encoder::{Encoder, Form, Said, Since};

/// Blocks of one direction.
const BLOCKS: usize = 24;
/// Fields of one block.
const FIELDS: usize = 12;
/// Bytes that a decoder may own beyond five times the largest block.
const HEAP: usize = 512 << 10;
/// Names that come again and again; the first four may be kept with their values over a restart.
const NAMES: [&[u8]; 9] = [
    b":method",
    b"accept-encoding",
    b"content-type",
    b":authority",
    b":path",
    b"authorization",
    b"cookie",
    b"x-api-key",
    b"",
];
const VALUES: [&[u8]; 6] = [
    b"",
    b"GET",
    b"/",
    b"gzip, deflate",
    b"Bearer 0123456789abcdef",
    b"application/json",
];

/// A block as it was sent.
struct Block {
    /// What is allowed from here on.
    limit: Option<u32>,
    bytes: Vec<u8>,
    fields: Vec<Said>,
    since: Vec<Since>,
}

/// What happens before a block is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    None,
    Lost,
    Restart,
}

/// Writes blocks, or takes any bytes for some, and reads them.
///
/// # Panics
/// When a field is not what was said, or is not known although it could be.
pub fn check(data: &[u8]) {
    // The bytes may end anywhere: what was read until then was checked.
    let _ = case(&mut Unstructured::new(data));
}

fn case(input: &mut Unstructured<'_>) -> Result<()> {
    if input.ratio(1_u8, 4)? {
        return harmless(input);
    }
    let blocks = blocks(input)?;
    read(&blocks, 0, |_| Event::None);
    let joined = input.int_in_range(0..=blocks.len())?;
    read(&blocks, joined, |_| Event::None);
    let events = input.bytes(input.len().min(BLOCKS))?.to_vec();
    read(&blocks, joined, |at| match events.get(at).copied() {
        Some(0..=63) => Event::Lost,
        Some(64..=127) => Event::Restart,
        _ => Event::None,
    });
    Ok(())
}

fn blocks(input: &mut Unstructured<'_>) -> Result<Vec<Block>> {
    let (mut encoder, mut limit) = (Encoder::new(), 4096);
    let mut blocks = Vec::new();
    for _ in 0..input.int_in_range(1..=BLOCKS)? {
        let mut sizes = Vec::new();
        let changed = if input.ratio(1_u8, 8)? {
            limit = match input.int_in_range(0..=3)? {
                0 => input.int_in_range(0..=200)?,
                1 => 16 << 10,
                2 => 1 << 20,
                _ => 4096,
            };
            // The least that was allowed, and then what is taken up (RFC 7541 section 4.2).
            sizes.push(limit.min(encoder.size().1));
            Some(limit)
        } else {
            None
        };
        if input.ratio(1_u8, 8)? {
            sizes.push(input.int_in_range(0..=limit)?);
        }
        let mut fields = Vec::new();
        for _ in 0..input.int_in_range(0..=FIELDS)? {
            fields.push(said(input)?);
        }
        let (bytes, since) = encoder.block(&sizes, &fields);
        blocks.push(Block {
            limit: changed,
            bytes,
            fields,
            since,
        });
    }
    Ok(blocks)
}

fn said(input: &mut Unstructured<'_>) -> Result<Said> {
    let text = |input: &mut Unstructured<'_>, usual: &[&[u8]]| -> Result<Vec<u8>> {
        if input.ratio(3_u8, 4)? {
            return Ok(input.choose(usual)?.to_vec());
        }
        let length = input.int_in_range(0..=40)?.min(input.len());
        let mut text = input.bytes(length)?.to_vec();
        if input.ratio(1_u8, 16)? {
            text.resize(input.int_in_range(0..=70_000)?, b'a');
        }
        Ok(text)
    };
    Ok(Said {
        form: *input.choose(&[
            Form::Indexed,
            Form::Indexed,
            Form::Inserted,
            Form::Plain,
            Form::Never,
        ])?,
        by_index: input.arbitrary()?,
        pick: input.arbitrary()?,
        coded: input.arbitrary()?,
        name: text(input, &NAMES)?,
        value: text(input, &VALUES)?,
    })
}

/// Reads blocks from one on.
fn read(blocks: &[Block], joined: usize, event: impl Fn(usize) -> Event) {
    let mut decoder = if joined == 0 {
        Decoder::new()
    } else {
        Decoder::joined()
    };
    // Blocks that can be known, and those since the last restart, over which not all values are kept.
    let (mut known, mut whole) = (joined, joined);
    // Past what is kept, less may be known than could be.
    let is_small = |block: &Block| block.limit.is_none_or(|limit| limit <= 64 << 10);
    let mut small = blocks.iter().take(joined).all(is_small);
    let mut largest = 0;
    for (at, block) in blocks.iter().enumerate().skip(joined) {
        if let Some(limit) = block.limit {
            decoder.set_limit(limit);
        }
        small &= is_small(block);
        match event(at) {
            Event::None => {}
            Event::Lost => {
                decoder.forget();
                (known, whole) = (at + 1, at + 1);
                continue;
            }
            Event::Restart => {
                let kept = serde_json::to_vec(&decoder).expect("a decoder is written");
                decoder = serde_json::from_slice(&kept).expect("and read");
                whole = at;
            }
        }
        let (mut truth, mut since) = (block.fields.iter(), block.since.iter());
        let outcome = decoder.decode(&block.bytes, usize::MAX, |field| {
            let (said, since) = (truth.next().expect("said"), since.next().expect("said"));
            assert!(field.name.is_none_or(|name| name == said.name));
            assert!(field.value.is_none_or(|value| value == said.value));
            if small {
                assert_eq!(field.name.is_some(), since.name >= known);
                assert!(field.value.is_some() || since.value < whole);
            }
            assert!(field.value.is_none() || since.value >= known);
            if said.form == Form::Never {
                assert!(field.never_indexed);
            }
        });
        let outcome = outcome.unwrap_or_else(|error| panic!("block {at}: {error}"));
        assert_eq!(outcome.fields as usize, block.fields.len());
        assert!(!outcome.truncated && truth.next().is_none());
        largest = block.bytes.len().max(largest);
        let heap = decoder.heap_bytes();
        assert!(heap <= HEAP + 5 * largest, "{heap} bytes on the heap");
    }
}

/// Any bytes: what is handed out stays under its bound.
fn harmless(input: &mut Unstructured<'_>) -> Result<()> {
    let mut decoder = if input.arbitrary()? {
        Decoder::new()
    } else {
        Decoder::joined()
    };
    let (most, mut largest) = (input.int_in_range(0..=4096)?, 0);
    for _ in 0..input.int_in_range(1..=8)? {
        if input.ratio(1_u8, 4)? {
            decoder.set_limit(input.arbitrary()?);
        }
        let length = input.int_in_range(0..=1024)?.min(input.len());
        let block = input.bytes(length)?;
        let (mut handed, mut fields) = (0, 0);
        let outcome = decoder.decode(block, most, |field| {
            let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
            handed += length(field.name) + length(field.value) + 32;
            fields += 1;
        });
        assert!(handed <= most, "{handed} bytes handed out");
        if let Ok(outcome) = outcome {
            assert_eq!(outcome.truncated, outcome.fields > fields);
        }
        largest = block.len().max(largest);
        assert!(decoder.heap_bytes() <= HEAP + 5 * largest);
    }
    Ok(())
}
