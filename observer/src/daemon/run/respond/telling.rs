//! What became of actions: counted from the kernel's tables and from what was found here, written down, and shown.

use std::borrow::Cow;

use observer_ebpf::abi::guard::hit;

use super::Responder;
use crate::export::notify::Notifier;
use crate::pipeline::Pipeline;
use crate::response::{Hits, State, Verb};
use crate::usage::batch::{ActionRow, Batch, EventRow};

impl Responder {
    /// Reads what the kernel side stopped.
    pub(super) fn count(&mut self, pipeline: &mut Pipeline) {
        let book = &mut pipeline.stops_mut().book;
        for (slot, counts) in self.stops.all_hits() {
            let of = |which: usize| counts.get(which).copied().unwrap_or(0);
            let (late, shared) = self.late.get(&slot).copied().unwrap_or_default();
            let hits = Hits {
                refused: of(hit::REFUSED),
                passed: of(hit::PASSED),
                late,
                shared: of(hit::SHARED) + shared,
                packets: of(hit::PACKETS),
            };
            self.total(slot, hits);
            book.record(slot, hits);
        }
        let found = self.late.iter();
        let found: Vec<_> = found.map(|(slot, found)| (*slot, *found)).collect();
        for (slot, (late, shared)) in found {
            let kernel = self.stops.hits(slot);
            if kernel.iter().all(|count| *count == 0) {
                let hits = Hits {
                    late,
                    shared,
                    ..Hits::default()
                };
                book.record(slot, hits);
            }
        }
        self.totals.active = [0; 2];
        for action in book.active() {
            if let Some(count) = self.totals.active.get_mut(verb_index(action.verb)) {
                *count += 1;
            }
        }
    }

    /// Adds to what was stopped by verb since the process began.
    fn total(&mut self, slot: u32, hits: Hits) {
        let Some((id, entry)) = self.applied.get(&slot) else {
            return;
        };
        let verb = usize::from(entry.interval != 0);
        let stopped = hits.refused + hits.packets;
        let before = self.totalled.insert(slot, (id.clone(), stopped));
        let before = before
            .filter(|(known, _)| known == id)
            .map_or(0, |(_, count)| count);
        if let Some(count) = self.totals.dropped.get_mut(verb) {
            *count += stopped.saturating_sub(before);
        }
    }

    /// Writes down what happened, and how actions stand.
    pub fn note(&mut self, pipeline: &mut Pipeline, batch: &mut Batch, notifier: &Notifier) {
        let book = &mut pipeline.stops_mut().book;
        for event in book.take_events() {
            self.changed = true;
            tracing::warn!(
                "response {}: {} {} {} by {}{}",
                event.action,
                event.deed.name(),
                event.verb,
                event.subject,
                event.by,
                if event.reason.is_empty() {
                    String::new()
                } else {
                    format!(": {}", event.reason)
                }
            );
            notifier.notify_response(&event);
            batch.event(EventRow {
                time: event.time,
                action: event.action.to_string(),
                body: serde_json::to_string(&event).unwrap_or_default(),
            });
        }
        let standing = book.active().chain(book.proposed()).chain(book.ended());
        let mut ended = Vec::new();
        for action in standing {
            let over = matches!(action.state, State::Ended(_));
            match self.saved.get(&action.id) {
                Some(saved) if saved == action => continue,
                None if over => continue,
                _ => {}
            }
            batch.action(ActionRow {
                id: action.id.to_string(),
                state: Cow::Owned(action.state.name().to_owned()),
                begun: action.begun / 1_000_000_000,
                body: serde_json::to_string(action).unwrap_or_default(),
            });
            if over {
                ended.push(action.id.clone());
            } else {
                self.saved.insert(action.id.clone(), action.clone());
            }
        }
        for id in ended {
            self.saved.remove(&id);
        }
    }
}

/// What was hit, as told before and as the kernel side has it by now.
pub(super) fn with(told: Hits, counts: [u64; hit::PLACES]) -> Hits {
    let of = |which: usize| counts.get(which).copied().unwrap_or(0);
    Hits {
        refused: told.refused.max(of(hit::REFUSED)),
        passed: told.passed.max(of(hit::PASSED)),
        shared: told.shared.max(of(hit::SHARED)),
        packets: told.packets.max(of(hit::PACKETS)),
        late: told.late,
    }
}

fn verb_index(verb: Verb) -> usize {
    usize::from(verb != Verb::Block)
}
