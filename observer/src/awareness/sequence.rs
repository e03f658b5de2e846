//! Whether something happens more often than it did: a sequential test, run on every exchange.
//!
//! Two likelihood ratios are summed up and never fall below zero (CUSUM, Page 1954): against a rate three times as high,
//! and against one so high that few exchanges prove it. The null rate carries how uncertain the baseline is, so that little
//! data makes a careful test. By Lorden's bound no test with as few false alarms is faster than ln(ARL)/KL exchanges.
//!
//! Invariant: what is suspicious is not learned from, and a slow anchor bounds how far a slow drift can move the baseline.

use serde::{Deserialize, Serialize};

use super::beta::{Belief, Beta, Prior};

/// What the baseline and its anchor keep of their weight over a minute with traffic: half of it for a day and for a week.
const KEEP: [f32; 2] = [0.999_518_8, 0.999_931_2];
/// The null rate is this many standard deviations above the mean.
const DEVIATIONS: f64 = 3.0;
/// And this much, so that a rate of nothing can be tested at all.
const FLOOR: f64 = 0.003;
/// Share of the limit above which nothing is learned.
const SUSPICIOUS: f32 = 0.25;
/// Seconds of the window that says whether an alarm is over.
const WINDOW: u64 = 300;
/// How many times its anchor, and how much more, a baseline may be.
const DRIFT: f64 = 2.0;
const DRIFT_FLOOR: f64 = 0.02;
/// Exchanges that a baseline that has drifted is made of.
const KNOWN: f64 = 500.0;
/// Seconds after which what set off an alarm is accepted as how things are.
const ACCEPTED: u64 = 24 * 3600;

/// One kind of event of one subject.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sequence {
    baseline: Beta,
    anchor: Beta,
    scores: [f32; 2],
    /// Since the scores were last zero.
    run: Run,
    /// Since the last [`Sequence::settle`].
    pending: (u32, u32),
    /// Seconds; zero while there is no alarm.
    alarmed: u64,
    #[serde(skip)]
    design: Design,
}

/// What a test decides by, worked out once a minute.
#[derive(Clone, Copy, Debug, Default)]
struct Design {
    /// What a hit and a miss add, for either rate.
    steps: [(f32, f32); 2],
    limit: f32,
    null: f32,
    alternative: f32,
    belief: (f32, f32),
}

/// Events since the test became suspicious.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Nanoseconds since 1970.
    pub since: u64,
    /// Events.
    pub hits: u32,
    /// Exchanges.
    pub trials: u32,
}

/// Why a test gave an alarm, in the numbers that it decided by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// The events.
    pub run: Run,
    /// Mean of the baseline.
    pub baseline: f64,
    /// Its standard deviation.
    pub deviation: f64,
    /// Natural logarithm of the likelihood ratio.
    pub ratio: f64,
    /// What it had to exceed.
    pub limit: f64,
}

impl Sequence {
    /// Takes one exchange that ended at `time` (nanoseconds since 1970). True when it completes a proof.
    #[inline]
    pub fn observe(&mut self, hit: bool, time: u64) -> bool {
        self.pending.1 += 1;
        if hit {
            self.pending.0 += 1;
        } else if self.scores == [0.0; 2] {
            return false;
        }
        self.step(hit, time)
    }

    /// As [`Sequence::observe`], of a caller whose own null rate is `own`: who always had more such events proves nothing by
    /// having them again.
    #[inline]
    pub fn observe_of(&mut self, hit: bool, time: u64, own: f64) -> bool {
        if own <= 1.2 * f64::from(self.design.null) {
            return self.observe(hit, time);
        }
        self.pending.1 += 1;
        self.pending.0 += u32::from(hit);
        if !hit && self.scores == [0.0; 2] {
            return false;
        }
        let usual = std::mem::replace(&mut self.design.steps, steps(own).1);
        let proven = self.step(hit, time);
        self.design.steps = usual;
        proven
    }

    /// The rate that has to be exceeded.
    pub fn null(&self) -> f64 {
        f64::from(self.design.null)
    }

    fn step(&mut self, hit: bool, time: u64) -> bool {
        if self.scores == [0.0; 2] {
            self.run = Run {
                since: time,
                ..Run::default()
            };
        }
        if time < self.run.since {
            // Exchanges of several connections are told of a little out of order. One without an event that was before the
            // first one with it would have found the test at zero.
            if !hit {
                return false;
            }
            self.run.since = time;
        }
        self.run.trials = self.run.trials.saturating_add(1);
        self.run.hits = self.run.hits.saturating_add(u32::from(hit));
        for (score, (up, down)) in self.scores.iter_mut().zip(self.design.steps) {
            *score = (*score + if hit { up } else { down }).max(0.0);
        }
        let proven = self.design.limit > 0.0 && self.score() > self.design.limit;
        // Past the limit it proves nothing more, and should not take hours to come back.
        for score in &mut self.scores {
            *score = score.min(2.0 * self.design.limit);
        }
        proven && self.alarmed == 0
    }

    /// Counts exchanges without an event that found the test at zero.
    pub fn count(&mut self, trials: u32) {
        self.pending.1 += trials;
    }

    /// Whether the test is not at zero.
    pub fn is_stirred(&self) -> bool {
        self.scores != [0.0; 2]
    }

    /// Begins anew: what came so far is explained.
    pub fn explain(&mut self) {
        if self.alarmed == 0 {
            self.scores = [0.0; 2];
        }
    }

    /// Confirms an alarm at `now`, seconds since 1970: the baseline rests until [`Sequence::calm`].
    pub fn alarm(&mut self, now: u64) {
        self.alarmed = now.max(1);
    }

    /// Whether an alarm holds.
    pub fn is_alarmed(&self) -> bool {
        self.alarmed != 0
    }

    /// The numbers of the test.
    pub fn proof(&self) -> Proof {
        Proof {
            run: self.run,
            baseline: f64::from(self.design.belief.0),
            deviation: f64::from(self.design.belief.1),
            ratio: f64::from(self.score()),
            limit: f64::from(self.design.limit),
        }
    }

    /// Where the test stands: 1 is an alarm.
    pub fn level(&self) -> f64 {
        if self.design.limit > 0.0 {
            f64::from(self.score() / self.design.limit)
        } else {
            0.0
        }
    }

    /// Where the baseline and its anchor are, when they are farther apart than anything usual: it was moved slowly.
    pub fn drifted(&self) -> Option<(f64, f64)> {
        let [weight, anchor] = [self.baseline.weight(), self.anchor.weight()];
        let (fast, slow) = (self.baseline.rate(), self.anchor.rate());
        let apart = fast > DRIFT * slow + DRIFT_FLOOR;
        (apart && self.alarmed == 0 && weight >= KNOWN && anchor >= 2.0 * KNOWN)
            .then_some((fast, slow))
    }

    /// Mean of what is believed to be usual.
    pub fn baseline(&self) -> f64 {
        f64::from(self.design.belief.0)
    }

    /// Share of events and the weight that it is known by, for the priors of others.
    pub fn learned(&self) -> (f64, f64) {
        (self.baseline.rate(), self.baseline.weight())
    }

    /// Whether what came lately is usual again: ends an alarm. `recent`: events and exchanges of the trailing window.
    /// Returns whether an alarm has ended.
    pub fn calm(&mut self, recent: (u32, u32), now: u64) -> bool {
        // The window still holds what was before.
        if self.alarmed == 0 || now < self.alarmed + WINDOW {
            return false;
        }
        let (hits, trials) = recent;
        let rate = f64::from(hits) / f64::from(trials.max(1));
        // Half way between usual and proven, so that an alarm does not come and go.
        let usual = f64::from(self.design.null * self.design.alternative).sqrt();
        let over = rate <= usual;
        let accepted = now.saturating_sub(self.alarmed) > ACCEPTED;
        if over || accepted {
            self.alarmed = 0;
            self.scores = [0.0; 2];
            if accepted && !over {
                self.baseline = Beta::default();
                self.anchor = Beta::default();
                self.baseline.learn(hits, trials, 0.0);
                self.anchor.learn(hits, trials, 0.0);
            }
        }
        over || accepted
    }

    /// Ends an alarm that is older than so many seconds.
    pub fn expire(&mut self, now: u64, seconds: u64) {
        if self.alarmed != 0 && now.saturating_sub(self.alarmed) > seconds {
            self.alarmed = 0;
            self.scores = [0.0; 2];
        }
    }

    /// Learns what came in the last minute, unless it is suspicious, and works out the test for the next.
    /// `odds`: exchanges a day times days between false alarms.
    pub fn settle(&mut self, prior: Prior, odds: f64) {
        let (hits, trials) = std::mem::take(&mut self.pending);
        let suspicious = self.alarmed != 0
            || self
                .scores
                .iter()
                .any(|score| *score > SUSPICIOUS * self.design.limit);
        if trials > 0 && !(suspicious && self.design.limit > 0.0) {
            let [fast, slow] = KEEP;
            self.baseline.learn(hits, trials, fast);
            self.anchor.learn(hits, trials, slow);
        }
        self.design = Design::of(self.baseline.belief(prior), self.anchor.belief(prior), odds);
    }

    fn score(&self) -> f32 {
        self.scores.into_iter().fold(0.0, f32::max)
    }
}

impl Design {
    fn of(usual: Belief, anchor: Belief, odds: f64) -> Self {
        // However slowly it comes: more than twice what the anchor knows is not usual.
        let mean = usual.mean.min(DRIFT * anchor.mean + DRIFT_FLOOR);
        let null = (mean + DEVIATIONS * usual.deviation + FLOOR).min(0.9);
        let (alternatives, steps) = steps(null);
        Self {
            steps,
            limit: odds.max(1_000.0).ln() as f32,
            null: null as f32,
            alternative: alternatives.into_iter().fold(1.0, f64::min) as f32,
            belief: (mean as f32, usual.deviation as f32),
        }
    }
}

/// The two alternatives to a null rate, and what a hit and a miss add for either.
fn steps(null: f64) -> ([f64; 2], [(f32, f32); 2]) {
    let room = 1.0 - null;
    let far = |rate: f64| rate.min(null + 0.8 * room);
    let alternatives = [
        far((3.0 * null).max(null + 0.05)),
        far((10.0 * null).max(0.3)),
    ];
    let steps = alternatives.map(|rate| {
        let up = (rate / null).ln();
        let down = ((1.0 - rate) / (1.0 - null)).ln();
        (up as f32, down as f32)
    });
    (alternatives, steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: Prior = Prior {
        mean: 0.02,
        strength: 50.0,
    };
    /// Ten requests a second, and 2,000 days for each of four classes and two rates.
    const ODDS: f64 = 864_000.0 * 16_000.0;

    /// A sequence that has learned `rate` from `minutes` of 600 exchanges.
    fn taught(rate: f64, minutes: u32) -> Sequence {
        let mut sequence = Sequence::default();
        sequence.settle(PRIOR, ODDS);
        for _ in 0..minutes {
            sequence.pending = ((600.0 * rate) as u32, 600);
            sequence.settle(PRIOR, ODDS);
        }
        sequence
    }

    /// Exchanges until the proof, when every `each`-th is a hit.
    fn until_proven(sequence: &mut Sequence, each: u32, most: u32) -> Option<u32> {
        (1..=most).find(|number| sequence.observe(number % each == 0, u64::from(*number)))
    }

    #[test]
    fn a_step_is_proven_within_a_few_dozen_exchanges_and_the_usual_never() {
        let mut sequence = taught(0.02, 600);
        assert_eq!(until_proven(&mut sequence, 50, 100_000), None);
        let took = until_proven(&mut sequence, 3, 1_000).expect("a proof");
        assert!(took < 60, "{took} exchanges");
        let proof = sequence.proof();
        assert!(proof.ratio > proof.limit && proof.run.hits * 4 > proof.run.trials);
        assert!((proof.baseline - 0.02).abs() < 0.001, "{proof:?}");
    }

    #[test]
    fn what_was_before_the_first_event_says_nothing_of_it() {
        let mut ordered = taught(0.02, 600);
        ordered.observe(false, 10);
        for time in [20, 25, 30] {
            ordered.observe(true, time);
        }
        let mut late = taught(0.02, 600);
        for (hit, time) in [(true, 25), (false, 10), (true, 30), (true, 20)] {
            late.observe(hit, time);
        }
        assert_eq!(late.proof(), ordered.proof());
        assert_eq!(late.proof().run.since, 20);
        assert_eq!(late.pending, ordered.pending);
    }

    #[test]
    fn suspicious_traffic_is_not_learned() {
        let mut sequence = taught(0.02, 600);
        let before = sequence.baseline();
        until_proven(&mut sequence, 3, 1_000).expect("a proof");
        sequence.alarm(1);
        sequence.pending = (300, 600);
        sequence.settle(PRIOR, ODDS);
        assert!((sequence.baseline() - before).abs() < 1e-9);
        assert!(!sequence.calm((10, 600), 200), "too early to say");
        assert!(!sequence.calm((200, 600), 301), "still three in ten");
        assert!(sequence.calm((10, 600), 302));
        assert_eq!(sequence.level(), 0.0);
    }

    #[test]
    fn a_slow_drift_is_proven_in_the_end() {
        let mut sequence = taught(0.02, 7 * 24 * 60);
        // One per cent more of what it was with every hour: three times as much in five days.
        let mut rate = 0.02;
        let proven = (0..30 * 24).any(|_| {
            rate = (rate * 1.01_f64).min(0.5);
            let each = (1.0 / rate) as u32;
            (0..60_u64).any(|minute| {
                let proven = (0..600).any(|number| sequence.observe(number % each == 0, minute));
                sequence.settle(PRIOR, ODDS);
                proven || sequence.drifted().is_some()
            })
        });
        assert!(proven && rate < 0.35, "a drift to {rate} was learned");
    }
}
