//! What can only be told by the minute: volumes, sizes, networks in turn; and what the minutes teach.

use super::cause::{HOST, Who, percent};
use super::incident::{Evidence, Finding, Kind, Subject};
use super::key::Key;
use super::place::{SLOW_SCORE, Slow};
use super::rules::Rule;
use super::size::{BYTES, Large, MICROSECONDS};
use super::volume::{Minute, Residual};
use super::{Awareness, Class, MINUTE, SECOND, in_a_row, odds, per_day};

/// Minutes without observing after which nothing of them is judged.
const GAP: u64 = 30;
/// Keys that show what is common to all.
const COMMON: usize = 20;
/// Minutes in a row of a common surge before it is told.
const SURGE: u8 = 3;
/// Below this share of certain exchanges, fewer requests may be the observer's own loss.
const COMPLETE: f64 = 0.99;
/// Evaluations between two false alarms of all volumes: minutes of a day, days of a key.
const EACH: f64 = 1_440.0 * 150.0;
/// The same for sizes, of which minutes with requests are fewer.
const SIZE_EACH: f64 = 1_440.0 * 2_000.0;

impl Awareness {
    /// Closes every minute before `now`.
    pub(super) fn close_minutes(&mut self, now: u64) {
        if now > self.minute + GAP {
            // Nobody looked: what came then is not what came then.
            self.skip(now);
        }
        while self.minute < now {
            let minute = self.minute;
            self.close_minute(minute);
            self.minute += 1;
        }
    }

    fn skip(&mut self, now: u64) {
        self.minute = now;
        self.host.requests = 0;
        for (_, key) in self.keys.iter_mut() {
            key.minute = Default::default();
        }
    }

    fn close_minute(&mut self, minute: u64) {
        let time = (minute + 1) * MINUTE * SECOND;
        self.learn_priors();
        let common = self.common(minute);
        self.close_host(minute, common, time);
        let (volume, size) = (self.tails.volume.limit(), self.tails.size.limit());
        let slow = self.tails.service.limit();
        let (mut findings, mut drifts) = (Vec::new(), Vec::new());
        let (mut hugging, mut costly) = (Vec::new(), Vec::new());
        for (number, key) in self.keys.iter_mut() {
            if key.minute.requests == 0 && minute.saturating_sub(key.last) > 7 * 24 * 60 {
                continue;
            }
            if key.is_due(minute) {
                let priors = self.priors.of(key.plan.as_ref());
                key.settle(priors, self.priors.objects, minute);
            }
            let came = std::mem::take(&mut key.minute);
            if !key.id.is_empty() {
                let planned = key.plan.as_ref().and_then(|plan| self.limits.get(plan));
                let hugs = key.close_limit(&came, planned.copied());
                hugging.extend(hugs.map(|hugs| (number, hugs)));
            }
            // All that have no key are anybody: how many they are says nothing of one of them.
            let found = if key.id.is_empty() {
                Minute::default()
            } else {
                key.volume
                    .close(minute, f64::from(came.requests), common, volume)
            };
            if let Some(score) = found.score.filter(|_| found.is_usual()) {
                self.tails.volume.learn(score);
            }
            for class in Class::ALL {
                if let Some(rates) = key.verdicts.of(class).drifted() {
                    drifts.push((number, class, rates));
                }
            }
            let (off, responses) =
                key.responses
                    .close(came.requests, came.response_bytes, size, BYTES);
            if let Some(score) = off.filter(|_| responses.is_none()) {
                self.tails.size.learn(score);
            }
            let (_, contents) = key
                .requests
                .close(came.requests, came.request_bytes, size, BYTES);
            let served = &came.served;
            let counted = !key.habits.service.is_suspicious();
            let place = served.place().and_then(|place| self.places.get(place));
            if place.is_some_and(|place| !served.is_explained(place, counted)) {
                let service = &mut key.habits.service;
                let (off, long) =
                    service.close(served.requests, served.microseconds, slow, MICROSECONDS);
                if let Some(score) = off.filter(|_| long.is_none()) {
                    self.tails.service.learn(score);
                }
                costly.extend(
                    long.filter(|_| found.above.is_none())
                        .map(|long| (number, long)),
                );
            }
            if !found.is_usual() || responses.is_some() || contents.is_some() {
                findings.push((number, found, responses, contents));
            }
        }
        for (number, found, responses, contents) in findings {
            self.tell_key(number, found, responses, contents, time);
        }
        for (number, long) in costly {
            self.tell_service(number, &long, time);
        }
        for (number, hugs) in hugging {
            self.tell_hugging(number, &hugs, time);
        }
        for (number, class, rates) in drifts {
            self.alarm(Who::Key(number), class, time / SECOND);
            self.tell_drift(number, class, rates, time);
        }
        self.tell_newcomers(time);
        let mut slow = Vec::new();
        for (number, place) in self.places.iter_mut() {
            if place.is_due(minute) {
                place.settle(&self.priors.places, minute);
            }
            if let Some(found) = place.close(minute * MINUTE) {
                slow.push((number, found));
            }
        }
        for (number, found) in slow {
            self.tell_slow(number, &found, time);
        }
        let host = &mut self.host;
        let odds = odds(per_day(host.exchanges, host.born, minute));
        host.verdicts.settle(&self.priors.places, odds);
        if minute.is_multiple_of(10) {
            self.tails.volume.fit(EACH);
            self.tails.size.fit(SIZE_EACH);
            self.tails.service.fit(SIZE_EACH);
        }
        self.end_volumes(minute);
    }

    /// How many times as much as expected comes of all keys alike: the median of those that ask often.
    fn common(&self, minute: u64) -> f64 {
        let ratio = |(_, key): (u32, &Key)| {
            let (seen, expected) = key.volume.lately(minute, f64::from(key.minute.requests))?;
            (expected >= 5.0).then(|| seen / expected)
        };
        let mut ratios: Vec<f64> = self.keys.iter().filter_map(ratio).collect();
        if ratios.len() < COMMON {
            return 1.0;
        }
        let middle = ratios.len() / 2;
        let (_, median, _) = ratios.select_nth_unstable_by(middle, f64::total_cmp);
        let median = median.clamp(0.1, 10.0);
        if (0.8..1.25).contains(&median) {
            1.0
        } else {
            median
        }
    }

    fn close_host(&mut self, minute: u64, common: f64, time: u64) {
        let host = &mut self.host;
        if host.born == 0 {
            host.born = minute;
        }
        let requests = std::mem::take(&mut host.requests);
        let expected = host.volume.expected(minute);
        host.volume
            .close(minute, f64::from(requests), 1.0, f64::MAX);
        host.surging = in_a_row(host.surging, common >= 1.8);
        host.vanishing = in_a_row(host.vanishing, common <= 0.25);
        let (rule, words) = if host.surging >= SURGE {
            (Rule::VolumeSurge, "more")
        } else if host.vanishing >= SURGE && self.completeness >= COMPLETE {
            (Rule::Silence, "fewer")
        } else {
            return;
        };
        let expected = expected.unwrap_or(0.0);
        let statement = format!(
            "{HOST}: {requests} requests in 1m where {expected:.0} are usual; every other key asks {common:.1} times as often, {words} than at this time of other days"
        );
        let finding = Finding::new(
            rule,
            Subject::named(Kind::Host, HOST),
            statement,
            Evidence {
                seen: f64::from(requests),
                baseline: expected,
                score: common,
                since: time - MINUTE * SECOND,
                until: time,
                ..Evidence::default()
            },
            0.9,
        );
        self.raise(finding, time);
    }

    fn tell_key(
        &mut self,
        number: u32,
        found: Minute,
        responses: Option<Large>,
        contents: Option<Large>,
        time: u64,
    ) {
        let Some(subject) = self.subject(Who::Key(number)) else {
            return;
        };
        if let Some(large) = responses {
            let finding = larger(
                Rule::Exfiltration,
                &subject,
                "responses",
                &large,
                self.tails.size.limit(),
                time,
            );
            if !self.leaked(Some(number), "fetches far larger responses", &finding, time) {
                self.raise(finding, time);
            }
        }
        if let Some(large) = contents {
            let finding = larger(
                Rule::UploadVolume,
                &subject,
                "requests",
                &large,
                self.tails.size.limit(),
                time,
            );
            self.raise(finding, time);
        }
        if let Some(above) = found.above
            // Of what fetches more and larger, the size says more; of what one network does with many keys, the network.
            && self.book.get(Rule::Exfiltration, &subject).is_none()
            && !self.is_blamed(number, time)
        {
            let finding = residual(
                Rule::VolumeSurge,
                &subject,
                &above,
                self.tails.volume.limit(),
                time,
            );
            if !self.leaked(Some(number), "asks far more often", &finding, time) {
                self.raise(finding, time);
            }
        }
        if let Some(below) = found.below
            && self.completeness >= COMPLETE
            && !self.was_replaced(number, &below, time)
        {
            let finding = residual(
                Rule::Silence,
                &subject,
                &below,
                self.tails.volume.limit(),
                time,
            );
            // A host that nobody reaches is one incident.
            let host = Subject::named(Kind::Host, HOST);
            if self.book.get(Rule::Silence, &host).is_some() {
                if let Some(consumer) = &subject.consumer {
                    self.book.affect(Rule::Silence, &host, consumer, time);
                }
            } else {
                self.raise(finding, time);
            }
        }
    }

    /// Whether another key of the same consumer asks for what this one does not any more.
    fn was_replaced(&self, number: u32, below: &Residual, time: u64) -> bool {
        let Some(key) = self.keys.get(number) else {
            return false;
        };
        let others = self
            .keys
            .iter()
            .filter(|(other, one)| *other != number && one.consumer == key.consumer);
        let requests: u64 = others.map(|(_, one)| one.recent.requests(time)).sum();
        // A fifth of what is missing, in five minutes: what comes now may be less than usual besides.
        requests as f64 * below.minutes as f64 / 5.0 >= 0.2 * below.expected
    }

    /// Tells that requests to a route take long.
    fn tell_slow(&mut self, number: u32, slow: &Slow, time: u64) {
        let Some(subject) = self.subject(Who::Place(number)) else {
            return;
        };
        let rule = Rule::Latency;
        if slow.score == 0.0 && self.book.get(rule, &subject).is_none() {
            return;
        }
        let key = slow.most.and_then(|key| self.subject(Who::Key(key)));
        if key.is_some_and(|key| self.book.get(Rule::ResourceConsumption, &key).is_some()) {
            if let Some(place) = self.places.get_mut(number) {
                place.excuse();
            }
            return;
        }
        let milliseconds = |microseconds: f64| microseconds / 1_000.0;
        let statement = format!(
            "{}: requests took {:.1} ms in the mean of {} where {:.1} to {:.1} ms are usual; score {:.2} > {SLOW_SCORE}",
            subject.words(),
            milliseconds(slow.took),
            slow.requests,
            milliseconds(slow.usual.0),
            milliseconds(slow.usual.1),
            slow.score
        );
        let finding = Finding::new(
            rule,
            subject,
            statement,
            Evidence {
                seen: slow.took,
                baseline: slow.usual.0,
                deviation: slow.usual.1 - slow.usual.0,
                score: slow.score,
                limit: SLOW_SCORE,
                since: time - MINUTE * SECOND,
                until: time,
                ..Evidence::default()
            },
            0.9,
        );
        self.raise(finding, time);
    }

    /// Tells that what is usual for a key was moved.
    fn tell_drift(&mut self, number: u32, class: Class, (fast, slow): (f64, f64), time: u64) {
        let Some(subject) = self.subject(Who::Key(number)) else {
            return;
        };
        let rule = class.rule();
        let statement = format!(
            "{}: {} went slowly from {} over the last week to {} over the last day",
            subject.words(),
            class.words(),
            percent(slow),
            percent(fast)
        );
        let finding = Finding::new(
            rule,
            subject,
            statement,
            Evidence {
                seen: fast,
                of: 1.0,
                baseline: slow,
                since: time.saturating_sub(24 * 3600 * SECOND),
                until: time,
                ..Evidence::default()
            },
            0.9,
        );
        self.raise(finding, time);
    }

    /// Ends incidents of volume of which the last minutes say nothing any more.
    fn end_volumes(&mut self, minute: u64) {
        let now = (minute + 1) * MINUTE * SECOND;
        let over: Vec<(Rule, Subject)> = self
            .book
            .open()
            .filter(|incident| {
                incident.rule.family() == super::Family::Volume
                    && now.saturating_sub(incident.last_seen) > 10 * MINUTE * SECOND
            })
            .map(|incident| (incident.rule, incident.subject.clone()))
            .collect();
        for (rule, subject) in over {
            self.book.settle(rule, &subject);
        }
    }

    /// Every ten seconds: what is over.
    pub(super) fn look(&mut self, now: u64) {
        self.calm(now);
        self.book.tick(now * SECOND);
    }
}

fn residual(rule: Rule, subject: &Subject, found: &Residual, limit: f64, time: u64) -> Finding {
    let statement = format!(
        "{}: {:.0} requests in {}m where {:.0} are usual at this time; {:.1} spreads off, limit {limit:.1}",
        subject.words(),
        found.seen,
        found.minutes,
        found.expected,
        found.score.abs()
    );
    Finding::new(
        rule,
        subject.clone(),
        statement,
        Evidence {
            seen: found.seen,
            baseline: found.expected,
            score: found.score.abs(),
            limit,
            since: time.saturating_sub(found.minutes as u64 * MINUTE * SECOND),
            until: time,
            ..Evidence::default()
        },
        0.99,
    )
}

fn larger(
    rule: Rule,
    subject: &Subject,
    what: &str,
    large: &Large,
    limit: f64,
    time: u64,
) -> Finding {
    let mean = large.sum / f64::from(large.requests.max(1));
    let statement = format!(
        "{}: {what} of {mean:.0} bytes where {:.0} are usual, {:.0} bytes in {} requests; {:.1} spreads off, limit {limit:.1}",
        subject.words(),
        large.usual,
        large.sum,
        large.requests,
        large.score
    );
    Finding::new(
        rule,
        subject.clone(),
        statement,
        Evidence {
            seen: large.sum,
            baseline: large.usual * f64::from(large.requests),
            score: large.score,
            limit,
            since: time.saturating_sub(5 * MINUTE * SECOND),
            until: time,
            ..Evidence::default()
        },
        0.99,
    )
}
