//! However a conversation passes: what is told of it is true, and nothing of it vanishes.

use super::conversation::conversation;
use super::passing::{self, Observer, Segment};
use super::plan::Choice;
use super::truth::{Conversation, Truth};
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
    let case = |talk: &Conversation, choice: &mut Choice<'_>| {
        let streams = passing::streams(talk);
        for segments in [passing::whole(talk), passing::segments(talk, choice)] {
            let mut observer = Observer::new(&streams);
            segments
                .into_iter()
                .for_each(|segment| observer.see(segment));
            verdict::exact(talk, &observer.close(talk.close));
        }
    };
    each(200, 40, case);
    each(6, 400, case);
}

#[test]
fn content_that_is_not_seen_is_content() {
    each(100, 20, |talk, choice| {
        let streams = passing::streams(talk);
        let mut observer = Observer::new(&streams);
        for (segment, piece) in passing::whole(talk).into_iter().zip(&talk.pieces) {
            let mut hole = segment;
            hole.begin += piece.content.start + choice.of(piece.content.len() + 1);
            hole.end = segment.begin + piece.content.end;
            hole.end -= choice.of(hole.end - hole.begin + 1);
            if hole.begin >= hole.end || choice.of(3) == 0 {
                observer.see(segment);
                continue;
            }
            for (begin, end) in [(segment.begin, hole.begin), (hole.end, segment.end)] {
                if end == segment.end {
                    observer.miss(hole, true);
                }
                observer.see(Segment {
                    begin,
                    end,
                    ..segment
                });
            }
        }
        let told = observer.close(talk.close);
        assert_eq!((told.gaps, told.missing), (0, 0));
        let certain = verdict::sound(talk, &told);
        let expected = (0..)
            .zip(&talk.truths)
            .filter(|(_, truth)| truth.uncertain.is_none());
        assert_eq!(certain, expected.map(|(at, _)| at).collect::<Vec<_>>());
    });
}

#[test]
fn what_is_certain_in_spite_of_loss_is_true() {
    let certain = std::cell::Cell::new([0, 0]);
    each(800, 30, |talk, choice| {
        let streams = passing::streams(talk);
        let segments = match choice.of(2) {
            0 => passing::whole(talk),
            _ => passing::segments(talk, choice),
        };
        let (rarely, measured) = (2 + choice.of(60), choice.of(3));
        let mut observer = Observer::new(&streams);
        for segment in segments {
            if choice.once_in(rarely) {
                observer.miss(segment, measured == 0 || measured == 1 && choice.of(2) == 0);
            } else {
                observer.see(segment);
            }
        }
        let told = verdict::sound(talk, &observer.close(talk.close)).len();
        let [before, all] = certain.get();
        certain.set([before + told, all + talk.truths.len()]);
    });
    let [certain, all] = certain.get();
    assert!(certain * 4 > all, "{certain} of {all} are certain");
}

#[test]
fn whoever_joins_in_the_middle_tells_what_is_true_and_all_that_can_be_known() {
    each(500, 30, |talk, choice| {
        let streams = passing::streams(talk);
        let mut observer = Observer::joined(&streams);
        for segment in passing::segments(talk, choice)
            .into_iter()
            .skip(choice.of(60))
        {
            observer.see(segment);
        }
        verdict::sound_but_for_the_past(talk, &observer.close(talk.close));
        // In whole frames, reading begins with the first.
        let at = choice.of(talk.pieces.len());
        let mut observer = Observer::joined(&streams);
        for segment in passing::whole(talk).into_iter().skip(at) {
            observer.see(segment);
        }
        let all = observer.close(talk.close);
        let told = verdict::sound_but_for_the_past(talk, &all);
        for number in knowable(talk, at) {
            let truth = &talk.truths[number];
            let said = all
                .exchanges
                .iter()
                .find(|said| said.status == truth.status);
            assert!(
                told.contains(&number),
                "could be known: {truth:#?}, {said:#?}"
            );
        }
    });
}

/// Numbers of the exchanges of which everything can be known from that piece on.
fn knowable(talk: &Conversation, joined: usize) -> Vec<usize> {
    let since = [0, 1].map(|side| {
        let seen = talk
            .pieces
            .iter()
            .skip(joined)
            .filter(|piece| piece.side == side);
        // What is no known frame is not taken for a beginning.
        let read = seen.skip_while(|piece| !super::super::begins(&piece.bytes));
        read.filter_map(|piece| piece.block)
            .next()
            .unwrap_or(usize::MAX)
    });
    let known = |truth: &Truth| {
        let [asked, said] = truth.since;
        truth.uncertain.is_none() && truth.status.is_some() && asked >= since[0] && said >= since[1]
    };
    let numbered = (0..).zip(&talk.truths);
    numbered
        .filter(|(_, truth)| known(truth))
        .map(|(at, _)| at)
        .collect()
}

#[test]
fn a_restart_anywhere_loses_no_exchange_and_makes_none_wrong() {
    each(200, 30, |talk, choice| {
        let streams = passing::streams(talk);
        let segments = passing::segments(talk, choice);
        let rarely = 2 + choice.of(40);
        let mut observer = Observer::new(&streams);
        let mut next = [0, 0];
        for segment in segments {
            if choice.once_in(rarely) {
                observer.restart(next);
            }
            next[segment.side] = segment.end;
            observer.see(segment);
        }
        let told = observer.close(talk.close);
        assert_eq!(told.gaps, 0);
        assert_eq!(told.exchanges.len(), talk.truths.len());
        verdict::sound(talk, &told);
        let values =
            |exchange: &&Exchange<String>| exchange.uncertain == Some(Uncertain::HeaderTable);
        let doubts = told
            .exchanges
            .iter()
            .filter(|exchange| exchange.uncertain.is_some());
        let cut_off = talk
            .truths
            .iter()
            .filter(|truth| truth.uncertain.is_some())
            .count();
        assert!(doubts.filter(|exchange| !values(exchange)).count() <= cut_off);
    });
}
