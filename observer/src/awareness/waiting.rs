//! Keys that were told to wait and do not: requests that begin before the time is over that Retry-After gave (RFC 9110 section
//! 10.2.3).
//!
//! Held against a key is what shows that it was meant: a request for the route that it had been refused on, or one that is
//! refused again. What it had sent before it could know of the refusal is not.

use super::cause::{HOST, Who, span};
use super::events::event;
use super::incident::{Kind, Subject};
use super::rules::Rule;
use super::{Awareness, SECOND, Seen};
use crate::usage::Call;
use crate::usage::window::Window;

/// Requests within five minutes before it is told.
const IGNORED: u64 = 10;
/// Nanoseconds of a slot of the five minutes, and how many there are.
const SLOT: u64 = 60 * SECOND;
const SLOTS: usize = 5;

/// What a key was told last, and how often it did not wait. Times are nanoseconds since 1970.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// When the refusal came.
    told: u64,
    /// Until when it has to wait.
    until: u64,
    /// The route that was refused.
    place: u32,
    /// The server could not, rather than would not.
    unavailable: bool,
    ignored: Window<1, SLOTS>,
}

/// Requests that did not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Within five minutes.
    requests: u64,
    /// Nanoseconds from the refusal to the last of them, and to the end of the time to wait.
    after: u64,
    delay: u64,
    unavailable: bool,
}

impl Waiting {
    /// Nobody has to wait.
    pub fn new() -> Self {
        Self {
            told: 0,
            until: 0,
            place: 0,
            unavailable: false,
            ignored: Window::new(SLOT),
        }
    }

    /// Takes a request to a route. Returns how many did not wait, where this one did not and they are many.
    pub fn observe(&mut self, call: &Call, place: u32) -> Option<Ignored> {
        let told_again = call.traits.retry_after > 0;
        let waits = self.told < call.begin && call.begin < self.until;
        let ignores = waits && (told_again || place == self.place);
        let found = ignores.then(|| {
            self.ignored.add(call.begin, [1]);
            let [requests] = self.ignored.sums(call.begin);
            Ignored {
                requests,
                after: call.begin - self.told,
                delay: self.until - self.told,
                unavailable: self.unavailable,
            }
        });
        if told_again {
            let delay = u64::from(call.traits.retry_after) * SECOND;
            self.told = call.begin + call.first_byte.unwrap_or(call.duration);
            // Servers count in whole seconds.
            self.until = self.told + delay - SECOND.min(delay / 2);
            (self.place, self.unavailable) = (place, call.status == Some(503));
        }
        found.filter(|ignored| ignored.requests >= IGNORED)
    }
}

impl Awareness {
    /// Tells of a key that does not wait.
    pub(super) fn tell_ignored(&mut self, ignored: Ignored, call: &Call, seen: &Seen) {
        let Some(subject) = seen.key.and_then(|key| self.subject(Who::Key(key))) else {
            return;
        };
        // While the provider fails everybody tries again: that is one incident, and not theirs.
        let fails = |subject: &Subject| self.book.get(Rule::ProviderErrors, subject).is_some();
        if ignored.unavailable
            && (fails(&Subject::named(Kind::Host, HOST))
                || fails(&Subject::route(&call.api, &call.route)))
        {
            return;
        }
        let statement = format!(
            "{}: asked again {} times within 5m before the time was over that Retry-After gave; at last {} after a refusal, where {} had to pass",
            subject.words(),
            ignored.requests,
            span(ignored.after),
            span(ignored.delay)
        );
        // That it is refused so often comes of that.
        self.book.settle(Rule::RateLimitPressure, &subject);
        let mut finding = event(Rule::IgnoredRetryAfter, subject, statement, call, seen);
        finding.evidence.seen = ignored.requests as f64;
        finding.evidence.limit = IGNORED as f64;
        finding.evidence.since = seen.time.saturating_sub(SLOTS as u64 * SLOT);
        self.raise(finding, seen.time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Registry;
    use crate::usage::tests::call;
    use crate::usage::{Outcome, UNREGISTERED};

    /// A request `at` so many milliseconds, with this status and time to wait.
    fn request(at: u64, status: u16, retry_after: u32) -> Call {
        let mut request = call();
        request.begin += at * 1_000_000;
        request.status = Some(status);
        request.outcome = Outcome::of(Some(status), None, None, true);
        request.traits.retry_after = retry_after;
        request
    }

    fn told(calls: impl IntoIterator<Item = Call>) -> Vec<(Rule, String)> {
        let mut awareness = Awareness::new(&Registry::default());
        // Who was never accepted is blamed for nothing.
        awareness.observe(&request(0, 200, 0));
        for call in calls {
            awareness.observe(&call);
        }
        let open = awareness.open();
        open.map(|incident| (incident.rule, incident.statement.clone()))
            .collect()
    }

    #[test]
    fn who_asks_again_ten_times_before_the_time_is_over_is_told() {
        let hammer = |count: u64| (0..count).map(|number| request(1_000 + number * 500, 429, 30));
        assert!(
            told(hammer(10))
                .iter()
                .all(|(rule, _)| *rule != Rule::IgnoredRetryAfter)
        );
        let statement = "acme/k-2026-01: asked again 10 times within 5m before the time was over that Retry-After gave; at last 0.5s after a refusal, where 29.0s had to pass";
        let found = told(hammer(11));
        assert_eq!(found, [(Rule::IgnoredRetryAfter, statement.to_owned())]);
    }

    #[test]
    fn who_waits_or_could_not_know_is_not() {
        let patient = (0..40).map(|number| request(1_000 + number * 30_000, 429, 30));
        let found = told(patient);
        assert!(
            found
                .iter()
                .all(|(rule, _)| *rule == Rule::RateLimitPressure),
            "{found:?}"
        );
        // Forty at a time, each of them before the first refusal came.
        let together = (0..40).map(|_| request(1_000, 503, 30));
        let found = told(together);
        assert!(
            found
                .iter()
                .all(|(rule, _)| *rule != Rule::IgnoredRetryAfter),
            "{found:?}"
        );
        // One route refuses, the others answer.
        let elsewhere = (0..40).map(|number| Call {
            route: "/v1/status".into(),
            ..request(1_100 + number * 100, 200, 0)
        });
        assert_eq!(
            told([request(1_000, 429, 30)].into_iter().chain(elsewhere)),
            []
        );
    }

    #[test]
    fn while_the_provider_fails_and_for_strangers_it_is_silent() {
        let failing = (0..60).map(|number| request(1_000 + number * 500, 503, 30));
        let found = told(failing);
        assert!(matches!(&*found, [(Rule::ProviderErrors, _)]), "{found:?}");
        let stranger = (0..60).map(|number| Call {
            consumer: UNREGISTERED.into(),
            key: None,
            ..request(1_000 + number * 500, 429, 30)
        });
        assert_eq!(told(stranger), []);
    }
}
