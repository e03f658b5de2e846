//! The tests of all classes of errors of one subject, as cheap as an exchange without an error can be.
//!
//! Nearly every exchange finds every test at zero and leaves it there: such ones are only counted.

use serde::{Deserialize, Serialize};

use super::beta::Prior;
use super::sequence::Sequence;
use super::{CLASSES, Class};

/// Every class, as bits.
pub const ALL: u8 = (1 << CLASSES) - 1;

/// One test for each [`Class`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Verdicts {
    classes: [Sequence; CLASSES],
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
        for ((one, sequence), own) in Class::ALL.into_iter().zip(&mut self.classes).zip(own) {
            let bit = one.bit();
            if counted & bit == 0 {
                continue;
            }
            if sequence.observe_of(class == Some(one), time, own) {
                proven |= bit;
            }
            if sequence.is_stirred() {
                self.stirred |= bit;
            } else {
                self.stirred &= !bit;
            }
        }
        proven
    }

    /// The test of a class.
    pub fn of(&self, class: Class) -> &Sequence {
        let [client, auth, limited, server] = &self.classes;
        match class {
            Class::Client => client,
            Class::Auth => auth,
            Class::Limited => limited,
            Class::Server => server,
        }
    }

    /// Null rates: what has to be exceeded.
    pub fn nulls(&self) -> [f64; CLASSES] {
        Class::ALL.map(|class| self.of(class).null())
    }

    /// Bits of the classes with an alarm.
    pub fn alarmed(&self) -> u8 {
        self.alarmed
    }

    /// An alarm of a class holds from `now` on, seconds since 1970.
    pub fn alarm(&mut self, class: Class, now: u64) {
        if let Some(sequence) = self.classes.get_mut(class as usize) {
            sequence.alarm(now);
            self.alarmed |= class.bit();
        }
    }

    /// What came so far of a class is explained by somebody else's incident.
    pub fn explain(&mut self, class: Class) {
        if let Some(sequence) = self.classes.get_mut(class as usize) {
            sequence.explain();
            self.stirred &= !(class.bit() * u8::from(!sequence.is_stirred()));
        }
    }

    /// Whether no alarm of a class holds any more. `recent`: errors and exchanges of the trailing window.
    pub fn is_over(&mut self, class: Class, recent: (u32, u32), now: u64) -> bool {
        let Some(sequence) = self.classes.get_mut(class as usize) else {
            return true;
        };
        let over = !sequence.is_alarmed() || sequence.calm(recent, now);
        if over {
            self.alarmed &= !class.bit();
            self.stirred &= !class.bit();
        }
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
            let (alarmed, stirred) = (self.of(class).is_alarmed(), self.of(class).is_stirred());
            self.alarmed |= class.bit() * u8::from(alarmed);
            self.stirred |= class.bit() * u8::from(stirred);
        }
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
