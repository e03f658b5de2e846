//! What one network does within five minutes: paths it looks for, credentials it tries, keys it uses.
//!
//! Nothing here depends on whose name a request bears: that is what makes it safe to act on.

use super::Recent;

/// Seconds after which half of what was counted apart is forgotten.
const HALF: u64 = 150;
/// Different things counted in each half.
const COUNTED: usize = 32;

/// One network.
#[derive(Debug, Default)]
pub struct Source {
    /// Seconds since 1970.
    pub last: u64,
    /// Seconds since 1970.
    pub born: u64,
    /// Requests; as [`super::Class::Client`] those that were answered with what a guess is answered with (404, 405, 501), as
    /// [`super::Class::Auth`] those with a credential that were refused.
    pub recent: Recent,
    /// Paths that are not there.
    pub paths: Distinct,
    /// Paths of scanners.
    pub probes: Distinct,
    /// Methods that routes do not have.
    pub methods: Distinct,
    /// Keys that were refused and are not registered.
    pub keys: Distinct,
    /// Users that were refused.
    pub users: Distinct,
    /// Consumers whose keys were accepted.
    pub consumers: Distinct,
    /// Consumers at the same time that are usual.
    pub usual: f32,
}

/// How many different ones came within the last five minutes.
#[derive(Debug, Default)]
pub struct Distinct {
    young: Vec<u32>,
    old: Vec<u32>,
    turned: u64,
}

impl Distinct {
    /// Takes one at `now`, seconds since 1970. Returns how many there are, when this one is new.
    pub fn add(&mut self, one: u32, now: u64) -> Option<usize> {
        self.turn(now);
        if self.young.contains(&one) {
            return None;
        }
        if self.young.len() >= COUNTED {
            return None;
        }
        self.young.push(one);
        (!self.old.contains(&one)).then(|| self.count())
    }

    /// How many there are at `now`.
    pub fn at(&mut self, now: u64) -> usize {
        self.turn(now);
        self.count()
    }

    fn turn(&mut self, now: u64) {
        let age = now.saturating_sub(self.turned);
        if age < HALF {
            return;
        }
        self.old = if age < 2 * HALF {
            std::mem::take(&mut self.young)
        } else {
            Vec::new()
        };
        self.young.clear();
        self.turned = now;
    }

    fn count(&self) -> usize {
        let again = self
            .old
            .iter()
            .filter(|one| self.young.contains(one))
            .count();
        self.young.len() + self.old.len() - again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_ones_are_counted_for_five_minutes_at_most() {
        let mut distinct = Distinct::default();
        for second in 0..100 {
            distinct.add((second % 12) as u32, 1_000 + second);
        }
        assert_eq!(distinct.at(1_100), 12);
        assert_eq!(distinct.add(3, 1_200), None, "known from before");
        assert_eq!(distinct.add(77, 1_200), Some(13));
        assert_eq!(distinct.at(1_360), 2);
        assert_eq!(distinct.at(2_000), 0);
        for one in 0..1_000 {
            distinct.add(one, 2_001);
        }
        assert_eq!(distinct.at(2_001), COUNTED);
    }
}
