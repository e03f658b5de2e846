//! The tests of all classes of errors of one subject, as cheap as an exchange without an error can be.
//!
//! Nearly every exchange finds every test at zero and leaves it there: such ones are only counted.

use serde::{Deserialize, Serialize};

use super::beta::Prior;
use super::sequence::Sequence;
use super::{ByClass, CLASSES, Class};

/// Every class, as bits.
pub const ALL: u8 = (1 << CLASSES) - 1;

/// One test for each [`Class`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Verdicts {
    classes: ByClass<Sequence>,
    /// Exchanges that are counted but not yet told to the tests.
    #[serde(skip)]
    quiet: u32,
    /// Bits of the tests that are not at zero.
    #[serde(skip)]
    stirred: u8,
    /// Bits of the tests with an alarm.
    #[serde(skip)]
    alarmed: u8,
}

impl Verdicts {
    /// Takes an exchange of this class at `time` (nanoseconds since 1970), for the tests whose bits are in `counted`. `own`: the
    /// null rates of the caller. Returns the bits of the tests that it completes a proof of.
    #[inline]
    pub fn observe(
        &mut self,
        class: Option<Class>,
        counted: u8,
        time: u64,
        own: impl FnOnce() -> [f64; CLASSES],
    ) -> u8 {
        if class.is_none() && counted == ALL && self.stirred == 0 {
            self.quiet += 1;
            return 0;
        }
        self.step(class, counted, time, own())
    }

    fn step(&mut self, class: Option<Class>, counted: u8, time: u64, own: [f64; CLASSES]) -> u8 {
        let mut proven = 0;
        for ((one, sequence), own) in Class::ALL.into_iter().zip(self.classes.iter_mut()).zip(own) {
            let bit = one.bit();
            if counted & bit == 0 {
                continue;
            }
            if sequence.observe_of(class == Some(one), time, own) {
                proven |= bit;
            }
            set(&mut self.stirred, bit, sequence.is_stirred());
        }
        proven
    }

    /// The test of a class.
    pub fn of(&self, class: Class) -> &Sequence {
        self.classes.of(class)
    }

    /// The null rates of this caller, for the tests of others. That the provider fails is no habit of anybody's: zero.
    pub fn habits(&self) -> [f64; CLASSES] {
        Class::ALL.map(|class| match class {
            Class::Server => 0.0,
            class => self.of(class).null(),
        })
    }

    /// Bits of the classes with an alarm.
    pub fn alarmed(&self) -> u8 {
        self.alarmed
    }

    /// An alarm of a class holds from `now` on, seconds since 1970.
    pub fn alarm(&mut self, class: Class, now: u64) {
        self.classes.of_mut(class).alarm(now);
        self.note(class);
    }

    /// What came so far of a class is explained by somebody else's incident.
    pub fn explain(&mut self, class: Class) {
        self.classes.of_mut(class).explain();
        self.note(class);
    }

    /// Whether no alarm of a class holds any more. `recent`: errors and exchanges of the trailing window.
    pub fn is_over(&mut self, class: Class, recent: (u32, u32), now: u64) -> bool {
        let sequence = self.classes.of_mut(class);
        let over = !sequence.is_alarmed() || sequence.calm(recent, now);
        self.note(class);
        over
    }

    /// Works out the tests for what comes next, with these priors and odds.
    pub fn settle(&mut self, priors: &[Prior; CLASSES], odds: f64) {
        let quiet = std::mem::take(&mut self.quiet);
        for (sequence, prior) in self.classes.iter_mut().zip(priors) {
            sequence.count(quiet);
            sequence.settle(*prior, odds);
        }
    }

    /// Finds the bits again after a restart.
    pub fn restored(&mut self) {
        for class in Class::ALL {
            self.note(class);
        }
    }

    /// Brings the bits of a class up to date with its test.
    fn note(&mut self, class: Class) {
        let sequence = self.classes.of(class);
        set(&mut self.alarmed, class.bit(), sequence.is_alarmed());
        set(&mut self.stirred, class.bit(), sequence.is_stirred());
    }
}

fn set(bits: &mut u8, bit: u8, on: bool) {
    if on {
        *bits |= bit;
    } else {
        *bits &= !bit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: Prior = Prior {
        mean: 0.02,
        strength: 50.0,
    };

    #[test]
    fn quiet_exchanges_are_learned_as_those_that_are_tested() {
        let (mut one, mut other) = (Verdicts::default(), Sequence::default());
        other.settle(PRIOR, 1e9);
        one.settle(&[PRIOR; CLASSES], 1e9);
        for number in 0..5_000 {
            let class = (number % 60 == 0).then_some(Class::Client);
            let proven = one.observe(class, ALL, number, || [0.0; CLASSES]);
            let alone = other.observe(class.is_some(), number);
            assert_eq!(proven != 0, alone);
            if number % 100 == 0 {
                one.settle(&[PRIOR; CLASSES], 1e9);
                other.settle(PRIOR, 1e9);
                assert_eq!(one.of(Class::Client).learned(), other.learned());
            }
        }
    }

    #[test]
    fn an_alarm_holds_until_it_is_over() {
        let mut verdicts = Verdicts::default();
        verdicts.settle(&[PRIOR; CLASSES], 1e9);
        let proven = (0..100).find(|number| {
            verdicts.observe(Some(Class::Server), ALL, *number, || [0.0; CLASSES])
                == Class::Server.bit()
        });
        assert!(proven.is_some_and(|exchanges| exchanges < 12), "{proven:?}");
        let mut explained = verdicts.clone();
        explained.explain(Class::Server);
        assert_eq!(explained.observe(None, ALL, 100, || [0.0; CLASSES]), 0);
        assert!(!explained.of(Class::Server).is_stirred(), "begun anew");
        verdicts.alarm(Class::Server, 100);
        assert_eq!(verdicts.alarmed(), Class::Server.bit());
        assert!(!verdicts.is_over(Class::Server, (50, 100), 1_000));
        assert!(verdicts.is_over(Class::Server, (1, 100), 1_000));
        assert_eq!(verdicts.alarmed(), 0);
    }
}
