//! Stories of http2jp/hpack-test-case: header blocks as three encoders wrote them, with what they say.
//!
//! Each is read from its beginning, and joined at later blocks. What a reader who joined there can know is found by another way
//! than the decoder's: a walk that takes what the fields are from the story, and only looks where they come from.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;

use super::*;

/// A story of more cases is joined at all of its first ones, and then at so many of the rest.
const EVERY: usize = 60;
const SOME: usize = 10;

#[derive(Deserialize)]
struct Story {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    header_table_size: Option<u32>,
    wire: String,
    headers: Vec<BTreeMap<String, String>>,
}

/// A case with the block that each field's name and value come from.
struct Block {
    limit: Option<u32>,
    bytes: Vec<u8>,
    fields: Vec<Truth>,
}

struct Truth {
    name: Vec<u8>,
    value: Vec<u8>,
    name_from: usize,
    value_from: usize,
}

/// The stories' folder: in `$OBSERVER_CORPUS`, or in the shared corpus beside the repository; `None` where absent.
fn locate() -> Option<PathBuf> {
    let shared = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = env::var_os("OBSERVER_CORPUS").map_or_else(shared, PathBuf::from);
    let folder = corpus.join("hpack");
    if folder.exists() {
        return Some(folder);
    }
    eprintln!(
        "skipped: no stories in the corpus (OBSERVER_CORPUS names the folder that `hpack` is in)"
    );
    None
}

/// All stories, by encoder and number.
fn stories(folder: &Path) -> Vec<(String, Vec<Block>)> {
    let sorted = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let encoders = sorted(folder).into_iter().filter(|path| path.is_dir());
    let files = encoders.flat_map(|encoder| sorted(&encoder));
    files
        .map(|file| {
            let story = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            (file.display().to_string(), walk(story))
        })
        .collect()
}

/// Where the fields of a story come from. The entries are its table, exactly, the newest first.
fn walk(story: Story) -> Vec<Block> {
    let mut entries: VecDeque<(usize, usize, usize)> = VecDeque::new();
    let mut bound = 4096;
    let mut blocks = Vec::new();
    for (now, case) in story.cases.into_iter().enumerate() {
        let bytes = hex(&case.wire);
        let mut rest = &bytes[..];
        let mut fields = Vec::new();
        let mut headers = case.headers.into_iter().flatten();
        while let Some(first) = rest.first() {
            let (kind, bits) = match first {
                0x80.. => ('i', 7),
                0x40.. => ('+', 6),
                0x20.. => ('s', 5),
                _ => ('-', 4),
            };
            let index = number(&mut rest, bits);
            if kind == 's' {
                bound = index;
                evict(&mut entries, bound, 0);
                continue;
            }
            let (name, value) = headers.next().unwrap();
            let from = match index {
                0..=61 => (now, now),
                _ => (entries[index - 62].1, entries[index - 62].2),
            };
            let (name_from, mut value_from) = from;
            if kind != 'i' {
                value_from = now;
                for _ in 0..if index == 0 { 2 } else { 1 } {
                    let length = number(&mut rest, 7);
                    rest = &rest[length..];
                }
            }
            if kind == '+' {
                let size = name.len() + value.len() + 32;
                evict(&mut entries, bound, size);
                if size <= bound {
                    entries.push_front((size, name_from, value_from));
                }
            }
            fields.push(Truth {
                name: name.into_bytes(),
                value: value.into_bytes(),
                name_from,
                value_from,
            });
        }
        assert!(headers.next().is_none());
        blocks.push(Block {
            limit: case.header_table_size,
            bytes,
            fields,
        });
    }
    blocks
}

fn evict(entries: &mut VecDeque<(usize, usize, usize)>, bound: usize, more: usize) {
    while entries.iter().map(|entry| entry.0).sum::<usize>() + more > bound {
        if entries.pop_back().is_none() {
            break;
        }
    }
}

fn number(rest: &mut &[u8], bits: u32) -> usize {
    let full = (1 << bits) - 1;
    let mut value = usize::from(rest[0]) & full;
    *rest = &rest[1..];
    if value == full {
        for place in 0.. {
            let octet = usize::from(rest[0]);
            *rest = &rest[1..];
            value += (octet & 0x7f) << (7 * place);
            if octet < 0x80 {
                break;
            }
        }
    }
    value
}

/// Reads a story from a block on; gives how many fields were not known whole, and how many there were.
fn read(name: &str, story: &[Block], joined: usize) -> (usize, usize) {
    let mut decoder = if joined == 0 {
        Decoder::new()
    } else {
        Decoder::joined()
    };
    let (mut unknown, mut total) = (0, 0);
    for (at, block) in story.iter().enumerate().skip(joined) {
        if let Some(limit) = block.limit {
            decoder.set_limit(limit);
        }
        let mut truths = block.fields.iter();
        let outcome = decoder.decode(&block.bytes, usize::MAX, |field| {
            let truth = truths.next().unwrap();
            let known = |from, part| (joined <= from).then_some(part);
            let expected = (
                known(truth.name_from, &truth.name[..]),
                known(truth.value_from, &truth.value[..]),
            );
            let told = (field.name, field.value);
            assert_eq!(told, expected, "{name}, case {at}, joined at {joined}");
            unknown += usize::from(field.name.is_none() || field.value.is_none());
        });
        let outcome = outcome.unwrap_or_else(|error| panic!("{name}, case {at}: {error}"));
        assert_eq!(outcome.fields as usize, block.fields.len());
        assert!(truths.next().is_none());
        total += block.fields.len();
    }
    (unknown, total)
}

#[test]
fn every_story_is_read_as_it_was_written() {
    let Some(folder) = locate() else { return };
    let stories = stories(&folder);
    assert!(!stories.is_empty());
    for (name, story) in &stories {
        let (unknown, _) = read(name, story, 0);
        assert_eq!(unknown, 0);
    }
}

#[test]
fn whoever_joins_a_story_knows_what_can_be_known() {
    let Some(folder) = locate() else { return };
    let (mut joins, mut whole, mut unknown, mut total) = (0, 0, 0, 0);
    for (name, story) in &stories(&folder) {
        let step = (story.len().saturating_sub(EVERY) / SOME).max(1);
        let late = (EVERY..story.len()).step_by(step);
        whole += usize::from(step == 1);
        for joined in (1..story.len().min(EVERY)).chain(late) {
            let (missed, fields) = read(name, story, joined);
            joins += 1;
            unknown += missed;
            total += fields;
        }
    }
    eprintln!("{joins} joins, {whole} stories at every case: {unknown} of {total} fields unknown");
    assert!(unknown > 0 && unknown * 10 < total);
}
