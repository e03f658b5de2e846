//! The last exchanges of somebody, kept only while somebody asks for them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::export::records::write_record;
use crate::usage::Call;

/// Exchanges of a tap.
const CALLS: usize = 50;
/// Taps at a time; the one that was asked for longest ago makes room.
const TAPS: usize = 8;
/// How long after the last question a tap stays.
const STAYS: Duration = Duration::from_secs(10);

/// Whose exchanges: nothing is everybody's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Consumer.
    pub consumer: Option<String>,
    /// Key, by its id, or by its fingerprint where it is not registered.
    pub key: Option<String>,
    /// API.
    pub api: Option<String>,
    /// Route.
    pub route: Option<String>,
}

/// What is kept for whoever asks.
#[derive(Default)]
pub struct Taps(Vec<Tap>);

struct Tap {
    filter: Filter,
    /// The newest first.
    calls: VecDeque<Call>,
    asked: Instant,
}

impl Filter {
    fn matches(&self, call: &Call) -> bool {
        let is = |wanted: &Option<String>, value: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == value)
        };
        let fingerprint = || Some(call.credential.as_ref()?.fingerprint.as_str());
        is(&self.consumer, Some(&call.consumer))
            && is(&self.key, call.key.as_deref().or_else(fingerprint))
            && is(&self.api, Some(&call.api))
            && is(&self.route, Some(&call.route))
    }
}

impl Taps {
    /// Takes an exchange, where somebody asks for such.
    #[inline]
    pub fn offer(&mut self, call: &Call) {
        for tap in &mut self.0 {
            if tap.filter.matches(call) {
                tap.calls.truncate(CALLS - 1);
                tap.calls.push_front(call.clone());
            }
        }
    }

    /// The last exchanges, since this was asked first.
    pub fn ask(&mut self, filter: Filter) -> Vec<Call> {
        let now = Instant::now();
        if let Some(tap) = self.0.iter_mut().find(|tap| tap.filter == filter) {
            tap.asked = now;
            return tap.calls.iter().cloned().collect();
        }
        if self.0.len() >= TAPS
            && let Some((oldest, _)) = (self.0.iter().enumerate()).min_by_key(|(_, tap)| tap.asked)
        {
            self.0.swap_remove(oldest);
        }
        self.0.push(Tap {
            filter,
            calls: VecDeque::new(),
            asked: now,
        });
        Vec::new()
    }

    /// Forgets what nobody asks for any more.
    pub fn round(&mut self) {
        self.0.retain(|tap| tap.asked.elapsed() < STAYS);
    }
}

/// Records of exchanges, as JSON.
pub fn rows(calls: &[Call]) -> String {
    let mut text = b"{\"rows\":[".to_vec();
    for (index, call) in calls.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        write_record(&mut text, call);
        // The line feed of a line of records.
        text.pop();
    }
    text.extend_from_slice(b"]}");
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::tests::call;

    fn of(consumer: &str) -> Filter {
        Filter {
            consumer: Some(consumer.to_owned()),
            ..Filter::default()
        }
    }

    #[test]
    fn the_last_exchanges_of_whom_is_asked_for() {
        let mut taps = Taps::default();
        taps.offer(&call());
        assert!(taps.ask(of("acme")).is_empty(), "nobody had asked before");
        assert!(taps.ask(of("beta")).is_empty());
        for begin in 0..60 {
            taps.offer(&Call { begin, ..call() });
        }
        let last = taps.ask(of("acme"));
        assert_eq!(last.len(), CALLS);
        assert_eq!(
            (last[0].begin, last[49].begin),
            (59, 10),
            "the newest first"
        );
        assert!(taps.ask(of("beta")).is_empty());
        let text: serde_json::Value = serde_json::from_str(&rows(&last)).unwrap();
        assert_eq!(text["rows"].as_array().map(Vec::len), Some(CALLS));
        assert_eq!(text["rows"][0]["consumer"], "acme");
    }

    #[test]
    fn taps_are_bounded_and_go_when_nobody_asks() {
        let mut taps = Taps::default();
        for number in 0..20 {
            taps.ask(of(&number.to_string()));
        }
        assert_eq!(taps.0.len(), TAPS);
        for tap in &mut taps.0 {
            tap.asked -= STAYS;
        }
        taps.round();
        assert!(taps.0.is_empty());
    }
}
