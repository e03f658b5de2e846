//! One cause, one incident: whether an excess of errors is one key's, one route's, or everybody's.
//!
//! A proof says that somebody has more errors than before, not why. If others have an excess on the same route at the same
//! time, it is the route's; if most of a route's errors are one key's and the others fare as ever, it is the key's.

mod others;
#[cfg(test)]
mod tests;

use others::Others;

use super::incident::{Evidence, Finding, Kind, Subject};
use super::rules::{Rule, Severity};
use super::sequence::Proof;
use super::verdicts::Verdicts;
use super::{Awareness, Class, Recent, SECOND, Seen};

/// Whose sequence gave the proof, or whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Who {
    /// A key by its number.
    Key(u32),
    /// A route by its number.
    Place(u32),
    /// Everybody.
    Host,
}

/// Share of the errors from which on one is to blame for all.
const MOST: f64 = 0.7;
/// Share of the excess from which on one route is to blame for all: what was before is still in the window.
const MOST_OF_EXCESS: f64 = 0.6;

impl Awareness {
    /// Finds out whose fault a proof speaks of, and tells.
    pub(super) fn proven(&mut self, who: Who, class: Class, seen: &Seen) {
        let Some(proof) = self
            .verdicts(who)
            .map(|verdicts| verdicts.of(class).proof())
        else {
            return;
        };
        let cause = self.cause(who, class, seen.time);
        for one in [who, cause] {
            self.alarm(one, class, seen.second);
        }
        self.explain(cause, class);
        if let Some(subject) = self.explained(cause, class) {
            self.affect(who, class, &subject, seen.time);
            return;
        }
        // A key that does not wait is refused for that.
        if class == Class::Limited
            && let Some(subject) = self.subject(cause)
            && self.book.get(Rule::IgnoredRetryAfter, &subject).is_some()
        {
            return;
        }
        let Some(finding) = self.error_finding(cause, who, class, &proof, seen.time) else {
            return;
        };
        let subject = finding.subject.clone();
        self.raise(finding, seen.time);
        self.affect(who, class, &subject, seen.time);
    }

    /// What a cause has done so far is not held against what is wider than it: several keys one after the other are not everybody.
    fn explain(&mut self, cause: Who, class: Class) {
        if let Who::Key(key) = cause {
            let errors = self.keys.get(key).map(|key| key.errors.of(class).ranked());
            for place in errors.unwrap_or_default() {
                if let Some(place) = self.places.get_mut(place) {
                    place.verdicts.explain(class);
                }
            }
        }
        if cause != Who::Host {
            self.host.verdicts.explain(class);
        }
    }

    /// The subject of an open incident that explains errors of this class and cause.
    fn explained(&self, cause: Who, class: Class) -> Option<Subject> {
        let rule = class.rule();
        let mut wider = vec![Subject::named(Kind::Host, HOST)];
        if let Who::Key(key) = cause
            && let Some((place, share)) = self.keys.get(key)?.errors.of(class).top()
            && share >= MOST
        {
            wider.push(self.subject(Who::Place(place))?);
        }
        wider.push(self.subject(cause)?);
        wider
            .into_iter()
            .find(|subject| self.book.get(rule, subject).is_some())
    }

    fn affect(&mut self, who: Who, class: Class, subject: &Subject, now: u64) {
        let numbers = match who {
            Who::Key(key) => vec![key],
            Who::Place(place) => {
                let place = self.places.get(place);
                place
                    .map(|place| place.errors.of(class).ranked())
                    .unwrap_or_default()
            }
            Who::Host => self.host.keys.of(class).ranked(),
        };
        for number in numbers {
            if let Some(key) = self.keys.get(number) {
                let consumer = key.consumer.clone();
                self.book.affect(class.rule(), subject, &consumer, now);
            }
        }
    }

    /// Whose fault it is.
    fn cause(&self, who: Who, class: Class, time: u64) -> Who {
        match who {
            Who::Key(key) => {
                let errors = self.keys.get(key).map(|key| key.errors.of(class));
                let Some((place, share)) = errors.and_then(|errors| errors.top()) else {
                    return who;
                };
                if self.host_is_suspicious(class)
                    && self.others_at_large(key, class, time) == Others::Affected
                {
                    return self.where_most_fails(class, time);
                }
                // A key that fails everywhere is not explained by one of the places.
                if share < 0.4 {
                    return who;
                }
                match self.others(key, place, class, time) {
                    Others::Affected => Who::Place(place),
                    // Nobody else shows whether it works: the provider has to look.
                    Others::Few if class == Class::Server => Who::Place(place),
                    Others::Fine | Others::Few => who,
                }
            }
            Who::Place(place) => {
                let errors = self.places.get(place).map(|place| place.errors.of(class));
                match errors.and_then(|errors| errors.top()) {
                    Some((key, share)) if share >= MOST => self.cause(Who::Key(key), class, time),
                    _ if self.host_is_suspicious(class) => match self.where_most_fails(class, time)
                    {
                        Who::Host => Who::Host,
                        _ => who,
                    },
                    _ => who,
                }
            }
            Who::Host => match self.host.keys.of(class).top() {
                Some((key, share)) if share >= MOST => self.cause(Who::Key(key), class, time),
                _ => self.where_most_fails(class, time),
            },
        }
    }

    /// The route that most of the excess is of, or everything.
    fn where_most_fails(&self, class: Class, time: u64) -> Who {
        let excess = |recent: &Recent, verdicts: &Verdicts| {
            let (hits, trials) = recent.of(class, time);
            // What is believed of a route that is hardly known would hide all of its errors.
            f64::from(hits) - verdicts.of(class).learned().0 * f64::from(trials)
        };
        let most = MOST_OF_EXCESS * excess(&self.host.recent, &self.host.verdicts);
        let places = self.host.places.of(class).ranked();
        let place = places.into_iter().find(|number| {
            let place = self.places.get(*number);
            place.is_some_and(|place| excess(&place.recent, &place.verdicts) >= most)
        });
        place.map_or(Who::Host, Who::Place)
    }

    /// Whether errors are more than usual in all traffic together.
    fn host_is_suspicious(&self, class: Class) -> bool {
        let sequence = self.host.verdicts.of(class);
        sequence.is_alarmed() || sequence.level() >= 0.5
    }

    fn error_finding(
        &self,
        cause: Who,
        who: Who,
        class: Class,
        proof: &Proof,
        time: u64,
    ) -> Option<Finding> {
        let rule = class.rule();
        let subject = self.subject(cause)?;
        let run = proof.run;
        let mut evidence = Evidence {
            seen: f64::from(run.hits),
            of: f64::from(run.trials),
            baseline: proof.baseline,
            deviation: proof.deviation,
            score: proof.ratio,
            limit: proof.limit,
            since: run.since,
            until: time,
            ..Evidence::default()
        };
        let routes = match cause {
            Who::Key(key) => self.keys.get(key)?.errors.of(class).ranked(),
            Who::Place(place) => vec![place],
            Who::Host => self.host.places.of(class).ranked(),
        };
        for place in routes {
            if let Some(Subject { id, .. }) = self.subject(Who::Place(place)) {
                Evidence::name(&mut evidence.routes, &id);
            }
        }
        let by = if cause == who {
            String::new()
        } else {
            format!(" (proven by {})", self.subject(who)?.words())
        };
        let statement = format!(
            "{} {} {} ({} of {}) over {}; baseline {} +- {}; log-likelihood ratio {:.1} > {:.1}{by}",
            subject.words(),
            class.words(),
            percent(f64::from(run.hits) / f64::from(run.trials.max(1))),
            run.hits,
            run.trials,
            span(time.saturating_sub(run.since)),
            percent(proof.baseline),
            percent(proof.deviation),
            proof.ratio,
            proof.limit,
        );
        // What one key alone meets with is no outage.
        let severity = match (rule, cause) {
            (Rule::ProviderErrors, Who::Key(_)) => Severity::Medium,
            (Rule::ErrorRate, Who::Place(_) | Who::Host) => Severity::High,
            _ => rule.severity(),
        };
        Some(Finding {
            severity,
            ..Finding::new(
                rule,
                subject,
                statement,
                evidence,
                1.0 - (-proof.ratio).exp(),
            )
        })
    }

    /// Notes that a sequence has an alarm at `now`, seconds since 1970.
    pub(super) fn alarm(&mut self, who: Who, class: Class, now: u64) {
        if let Some((verdicts, _)) = self.watched_mut(who) {
            verdicts.alarm(class, now);
            self.alarmed.insert((who, class));
        }
    }

    /// Ends alarms of what is usual again.
    pub(super) fn calm(&mut self, now: u64) {
        let time = now * SECOND;
        let mut alarmed: Vec<_> = self.alarmed.iter().copied().collect();
        // In an order of their own: what a replay shows does not change from run to run.
        alarmed.sort_unstable();
        for (who, class) in alarmed {
            // A number that another was given since has no alarm.
            let over = self.watched_mut(who).is_none_or(|(verdicts, recent)| {
                verdicts.is_over(class, recent.of(class, time), now)
            });
            if over {
                self.alarmed.remove(&(who, class));
            }
            match self.subject(who) {
                Some(subject) if over => self.book.settle(class.rule(), &subject),
                Some(subject) => self.book.goes_on(class.rule(), &subject, time),
                None => {}
            }
        }
    }

    pub(super) fn subject(&self, who: Who) -> Option<Subject> {
        Some(match who {
            Who::Key(key) => self.keys.get(key)?.subject(),
            Who::Place(place) => {
                let place = self.places.get(place)?;
                Subject::route(&place.api, &place.route)
            }
            Who::Host => Subject::named(Kind::Host, HOST),
        })
    }

    fn verdicts(&self, who: Who) -> Option<&Verdicts> {
        Some(match who {
            Who::Key(key) => &self.keys.get(key)?.verdicts,
            Who::Place(place) => &self.places.get(place)?.verdicts,
            Who::Host => &self.host.verdicts,
        })
    }

    fn watched_mut(&mut self, who: Who) -> Option<(&mut Verdicts, &Recent)> {
        Some(match who {
            Who::Key(key) => {
                let key = self.keys.get_mut(key)?;
                (&mut key.verdicts, &key.recent)
            }
            Who::Place(place) => {
                let place = self.places.get_mut(place)?;
                (&mut place.verdicts, &place.recent)
            }
            Who::Host => (&mut self.host.verdicts, &self.host.recent),
        })
    }
}

/// The name of everything here.
pub(super) const HOST: &str = "this host";

/// A share in per cent, with two significant digits.
pub(super) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent >= 9.95 || percent == 0.0 {
        format!("{percent:.0} %")
    } else if percent >= 0.095 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.2} %")
    }
}

/// A time in words: nanoseconds in, such as `4m10s` out.
pub(super) fn span(nanoseconds: u64) -> String {
    let seconds = nanoseconds as f64 / SECOND as f64;
    if seconds < 60.0 {
        return format!("{seconds:.1}s");
    }
    let seconds = seconds as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}
