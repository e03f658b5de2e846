//! Packets that the observer misses, and nobody else: a call that is not called uncertain is a true one, and what is
//! missing is accounted for.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::conversation::{Dice, Truth, disorder, plan};
use super::packets::Packet;
use super::{Observed, line, observe};
use crate::pipeline::Settings;
use crate::usage::Call;

/// Packets without those that the observer missed.
fn without(packets: &[Packet], one_in: usize, handshake: bool, dice: &mut Dice) -> Vec<Packet> {
    let kept = packets.iter().enumerate().filter(|(at, _)| {
        let lost = dice.roll(one_in) == 0;
        (*at < 3 && !handshake) || !lost
    });
    kept.map(|(_, packet)| packet.clone()).collect()
}

/// A line without the bytes of bodies: the last ones may be lost without anything after them to tell.
fn claims(line: &str) -> String {
    let words = line.split(' ').filter(|word| {
        let bytes = word.split_once('/');
        bytes.is_none_or(|(sent, got)| sent.parse::<u64>().and(got.parse::<u64>()).is_err())
    });
    words.collect::<Vec<_>>().join(" ")
}

fn index(call: &Call) -> Option<usize> {
    call.target.as_deref()?.strip_prefix("/r/")?.parse().ok()
}

/// Every certain call is true, none is told twice, and whatever is not told has left a trace.
fn is_honest(truths: &[Truth], seen: &Observed) {
    let mut told = BTreeSet::new();
    let mut traces = seen.counts.missing_bytes;
    for call in &seen.calls {
        if call.uncertain.is_some() {
            traces += 1;
        }
        if let Some(at) = index(call) {
            let truth = truths
                .get(at)
                .unwrap_or_else(|| panic!("invented: {}", line(call)));
            assert!(told.insert(at), "twice: {}", line(call));
            // Of an uncertain one, who asked and what was answered is true all the same.
            if let Some(status) = call.status {
                assert_eq!(status, truth.status, "{}", line(call));
            }
            let consumer = &*call.consumer;
            assert!(
                consumer == truth.consumer || consumer == "__unknown__",
                "{}",
                line(call)
            );
        } else if call.target.is_some() {
            // A body that was joined in the middle may look like a message; nobody says that it surely is one.
            assert!(call.uncertain.is_some(), "invented: {}", line(call));
        }
        if call.uncertain.is_none() && call.status.is_some() {
            let at = index(call).unwrap_or_else(|| panic!("of nobody: {}", line(call)));
            assert_eq!(claims(&line(call)), claims(&truths[at].line));
        }
        if call.status.is_none() {
            traces += 1;
        }
    }
    if told.len() < truths.len() {
        // The last packets may be lost without anything after them to tell.
        let tail = (0..truths.len()).take_while(|at| told.contains(at)).count();
        let only_the_tail = told.len() == tail;
        assert!(traces > 0 || only_the_tail, "{:?}", seen.lines());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn what_is_certain_is_true(
        plan in plan(8),
        one_in in 2_usize..60,
        handshake in prop::bool::weighted(0.2),
        window in 0_usize..6,
        doubles in 0_usize..2,
        seed in any::<u64>(),
    ) {
        let mut dice = Dice::new(seed);
        let (packets, truths) = plan.packets();
        let arrived = disorder(&packets, window, doubles, &mut dice);
        let seen = without(&arrived, one_in, handshake, &mut dice);
        is_honest(&truths, &observe(&seen, Settings::default()));
    }

    #[test]
    fn one_packet_missing_costs_what_it_held(plan in plan(5), lost in any::<prop::sample::Index>()) {
        let (mut packets, truths) = plan.packets();
        packets.remove(lost.index(packets.len()));
        is_honest(&truths, &observe(&packets, Settings::default()));
    }
}
