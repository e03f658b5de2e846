//! Every oracle on the seeds of its fuzz target and on damaged copies of them: what the fuzzer looks for at length, for
//! some seconds and always the same.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::fs;
use std::path::Path;

use observer_tests::oracle::ORACLES;

/// Damaged copies of each oracle's seeds.
const MUTATIONS: usize = 2000;
/// Longest case.
const LENGTH: usize = 2048;

/// A generator that needs no more state than its seed (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides.max(1)
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// A seed, or the beginning of one and the end of another, with some bytes changed, put in and taken out.
fn mutation(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.roll(seeds.len())].clone();
    if dice.roll(3) == 0 {
        let other = &seeds[dice.roll(seeds.len())];
        bytes.truncate(dice.roll(bytes.len() + 1));
        bytes.extend(&other[dice.roll(other.len() + 1)..]);
    }
    for _ in 0..dice.roll(8) {
        let (at, value) = (dice.roll(bytes.len() + 1), dice.roll(256) as u8);
        match dice.roll(4) {
            0 => bytes.insert(at, value),
            1 => {
                let piece: Vec<u8> = bytes[at..].iter().take(dice.roll(64)).copied().collect();
                let place = dice.roll(bytes.len() + 1);
                bytes.splice(place..place, piece);
            }
            2 => drop(bytes.drain(at..(at + dice.roll(8)).min(bytes.len()))),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
        }
    }
    bytes.truncate(LENGTH);
    bytes
}

#[test]
fn every_seed_and_its_mutations_pass() {
    for (target, check) in ORACLES {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "no seeds of {target}");
        for seed in &seeds {
            check(seed);
        }
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for number in 0..MUTATIONS {
            let bytes = mutation(&seeds, &mut dice);
            let passes = std::panic::catch_unwind(|| check(&bytes)).is_ok();
            assert!(passes, "{target}, mutation {number}: {bytes:02x?}");
        }
    }
}
