//! However a conversation passes: what is told of it is true, and nothing of it vanishes.

use super::conversation::{Conversation, conversation};
use super::passing::{self, Observer, Segment};
use super::plan::Choice;
use super::*;

/// Runs so many cases, each with a conversation of its own.
fn each(cases: u64, streams: usize, case: impl Fn(&Conversation, &mut Choice<'_>)) {
    for seed in 1..=cases {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut roll = |sides: usize| dice.roll(sides);
        let mut choice = Choice(&mut roll);
        let count = 1 + choice.of(streams);
        let talk = conversation(count, &mut choice);
        let passes =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&talk, &mut choice)));
        assert!(passes.is_ok(), "seed {seed}");
    }
}

#[test]
fn any_segmentation_gives_exactly_what_there_was() {
    each(300, 40, |talk, choice| {
        let streams = passing::streams(talk);
        for segments in [passing::whole(talk), passing::segments(talk, choice)] {
            let mut observer = Observer::new(&streams);
            segments
                .into_iter()
                .for_each(|segment| observer.see(segment));
            verdict::exact(talk, &observer.close(talk.close));
        }
    });
}
