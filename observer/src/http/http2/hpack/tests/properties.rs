//! Whatever is said in whatever way: it is read as it was said, and whoever misses some of it reads nothing else.

use std::ops::Range;

use proptest::collection::vec;
use proptest::prelude::*;

use super::encoder::{Encoder, Form, Said, Since};
use super::*;

/// What one end says in a block: what its peer allows from here on, a size that it takes up, and fields.
type Saying = (Option<u32>, Option<u32>, Vec<Said>);

/// A block as it was sent.
struct Block {
    limit: Option<u32>,
    bytes: Vec<u8>,
    fields: Vec<Said>,
    since: Vec<Since>,
}

fn said() -> impl Strategy<Value = Said> {
    let form = prop_oneof![
        4 => Just(Form::Indexed),
        2 => Just(Form::Inserted),
        1 => Just(Form::Plain),
        1 => Just(Form::Never),
    ];
    let name = prop_oneof![
        6 => prop::sample::select(vec![":method", ":path", "cookie", "x-api-key", "te", ""])
            .prop_map(|name| name.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
    ];
    let value = prop_oneof![
        6 => prop::sample::select(vec!["GET", "/", "", "0123456789abcdef", "trailers", "a=b; c=d"])
            .prop_map(|value| value.as_bytes().to_vec()),
        2 => vec(any::<u8>(), 0..60),
        1 => (any::<u8>(), 0..5000_usize).prop_map(|(octet, length)| vec![octet; length]),
    ];
    let way = (form, any::<bool>(), any::<u8>(), any::<[bool; 2]>());
    (way, name, value).prop_map(|((form, by_index, pick, coded), name, value)| Said {
        form,
        by_index,
        pick,
        coded,
        name,
        value,
    })
}

fn saying(limits: Range<u32>) -> impl Strategy<Value = Saying> {
    let rarely = |limits: Range<u32>| proptest::option::weighted(0.1, limits);
    (rarely(limits.clone()), rarely(limits), vec(said(), 0..8))
}

fn blocks(sayings: Vec<Saying>) -> Vec<Block> {
    let (mut encoder, mut limit) = (Encoder::new(), 4096);
    let mut block = |(allowed, size, fields): Saying| {
        let mut sizes = Vec::new();
        if let Some(allowed) = allowed {
            limit = allowed;
            sizes.push(limit.min(encoder.size().1));
        }
        sizes.extend(size.map(|size| size.min(limit)));
        let (bytes, since) = encoder.block(&sizes, &fields);
        Block {
            limit: allowed,
            bytes,
            fields,
            since,
        }
    };
    sayings.into_iter().map(&mut block).collect()
}

/// Reads a block, of which all that is known has to be true. `known`: the first block that was read since nothing was known.
fn read(decoder: &mut Decoder, block: &Block, known: usize, all: bool) {
    if let Some(limit) = block.limit {
        decoder.set_limit(limit);
    }
    let told = decode(decoder, &block.bytes).unwrap();
    assert_eq!(told.len(), block.fields.len());
    for ((told, said), since) in told.iter().zip(&block.fields).zip(&block.since) {
        let (name, value) = told;
        assert!(name.as_ref().is_none_or(|name| *name == said.name));
        assert!(value.as_ref().is_none_or(|value| *value == said.value));
        if all {
            assert_eq!(name.is_some(), since.name >= known);
            assert_eq!(value.is_some(), since.value >= known);
        }
    }
}

proptest! {
    #[test]
    fn what_is_said_is_read(sayings in vec(saying(0..10_000), 1..20)) {
        let mut decoder = Decoder::new();
        for block in blocks(sayings) {
            read(&mut decoder, &block, 0, true);
            prop_assert!(decoder.is_certain());
        }
    }

    /// One who joins late, and misses some: what can be known is, and nothing is wrong.
    #[test]
    fn what_is_missed_is_unknown(
        sayings in vec((saying(0..10_000), proptest::bool::weighted(0.1)), 1..20),
        joined in 0..5_usize,
    ) {
        let (sayings, lost): (Vec<_>, Vec<_>) = sayings.into_iter().unzip();
        let (mut decoder, mut known) = (Decoder::joined(), joined);
        for (at, block) in blocks(sayings).iter().enumerate().skip(joined) {
            if lost[at] {
                if let Some(limit) = block.limit {
                    decoder.set_limit(limit);
                }
                decoder.forget();
                known = at + 1;
            } else {
                read(&mut decoder, block, known, true);
            }
        }
    }

    /// Tables of more than is kept.
    #[test]
    fn in_a_large_table_nothing_is_wrong(mut sayings in vec(saying(4096..1 << 20), 10..60)) {
        sayings[0].0 = Some(1 << 20);
        sayings[0].1 = Some(1 << 20);
        let mut decoder = Decoder::new();
        for block in blocks(sayings) {
            read(&mut decoder, &block, 0, false);
            prop_assert!(decoder.table.bytes() <= 64 << 10);
        }
    }

    /// After a restart all names are the same, and values either the same or unknown; none that may be a secret is in a file.
    #[test]
    fn a_restart_loses_only_values(
        mut sayings in vec(saying(0..10_000), 2..12),
        secrets in vec("[A-Z]{8}", 12..=12),
        joined: bool,
    ) {
        let restart = sayings.len() / 2;
        let mut decoder = if joined { Decoder::joined() } else { Decoder::new() };
        for ((_, _, fields), secret) in sayings.iter_mut().zip(&secrets) {
            fields.push(Said {
                form: Form::Inserted,
                by_index: false,
                pick: 0,
                coded: [false; 2],
                name: b"x-any-field".to_vec(),
                value: secret.as_bytes().to_vec(),
            });
        }
        let mut blocks = blocks(sayings);
        let after = blocks.split_off(restart);
        for block in &blocks {
            read(&mut decoder, block, 0, !joined);
        }
        let file = postcard::to_stdvec(&decoder).unwrap();
        for secret in &secrets {
            prop_assert!(!file.windows(8).any(|bytes| bytes == secret.as_bytes()));
        }
        let mut again: Decoder = postcard::from_bytes(&file).unwrap();
        prop_assert_eq!(again.table.len(), decoder.table.len());
        prop_assert_eq!(again.table.bytes(), decoder.table.bytes());
        for block in &after {
            if let Some(limit) = block.limit {
                decoder.set_limit(limit);
                again.set_limit(limit);
            }
            let (whole, told) = (decode(&mut decoder, &block.bytes), decode(&mut again, &block.bytes));
            let (whole, told) = (whole.unwrap(), told.unwrap());
            prop_assert_eq!(whole.len(), told.len());
            for (whole, told) in whole.into_iter().zip(told) {
                prop_assert_eq!(&told.0, &whole.0);
                prop_assert!(told.1.is_none() || told.1 == whole.1);
            }
        }
    }

    #[test]
    fn any_bytes_do_no_harm(
        blocks in vec(vec(any::<u8>(), 0..300), 1..8),
        limit in proptest::option::of(any::<u32>()),
        joined: bool,
        most in 0..2000_usize,
    ) {
        let mut decoder = if joined { Decoder::joined() } else { Decoder::new() };
        if let Some(limit) = limit {
            decoder.set_limit(limit);
        }
        for block in blocks {
            let mut handed = 0;
            let result = decoder.decode(&block, most, |field| {
                handed += 32;
                handed += field.name.map_or(0, <[u8]>::len) + field.value.map_or(0, <[u8]>::len);
            });
            prop_assert!(handed <= most);
            prop_assert!(result.is_ok() || decoder.table.len() == 0);
            prop_assert!(decoder.table.bytes() <= 64 << 10);
        }
    }
}
