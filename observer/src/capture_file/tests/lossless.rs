//! Whatever the segmentation, the order inside a window and the copies: the calls are the true ones.

use proptest::prelude::*;

use super::conversation::{Dice, Plan, disorder, plan};
use super::{Observed, observe};
use crate::pipeline::Settings;

fn is_true(plan: &Plan, seen: &Observed) {
    let (_, truths) = plan.packets();
    let mut lines = seen.lines();
    // Exchanges end in the order of their responses, but for a request body that is still under way.
    lines.sort();
    let mut expected: Vec<String> = truths.into_iter().map(|truth| truth.line).collect();
    expected.sort();
    assert_eq!(lines, expected);
    assert_eq!(seen.counts.missing_bytes, 0);
    assert_eq!(seen.counts.conflicts, 0);
    assert!(seen.counts.dropped.is_empty(), "{:?}", seen.counts.dropped);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_segmentation_gives_the_true_calls(plan in plan(8)) {
        let (packets, _) = plan.packets();
        is_true(&plan, &observe(&packets, Settings::default()));
    }

    #[test]
    fn disorder_and_copies_give_the_true_calls(
        plan in plan(8),
        window in 0_usize..12,
        doubles in 0_usize..4,
        seed in any::<u64>(),
    ) {
        let (packets, _) = plan.packets();
        let arrived = disorder(&packets, window, doubles, &mut Dice::new(seed));
        is_true(&plan, &observe(&arrived, Settings::default()));
    }

    #[test]
    fn every_packet_at_two_interfaces_gives_the_true_calls(plan in plan(6)) {
        let (packets, _) = plan.packets();
        let twice: Vec<_> = packets
            .iter()
            .flat_map(|packet| {
                let mut again = packet.clone();
                again.interface = 2;
                [packet.clone(), again]
            })
            .collect();
        is_true(&plan, &observe(&twice, Settings::default()));
    }
}
