//! How often something happens, and how sure that is: a Beta distribution that forgets slowly.

use serde::{Deserialize, Serialize};

/// Events among trials. The weight of what was learned shrinks by half within `half_life` of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beta {
    hits: f32,
    misses: f32,
}

/// What is believed before anything is learned: so many events among so many trials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Mean rate.
    pub mean: f64,
    /// Trials that the belief is worth.
    pub strength: f64,
}

/// A rate and its standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Belief {
    /// Posterior mean.
    pub mean: f64,
    /// Posterior standard deviation.
    pub deviation: f64,
}

impl Beta {
    /// Takes what came in a time in which there was traffic, after forgetting what that time is worth.
    /// `keep`: share of the old weight that stays.
    pub fn learn(&mut self, hits: u32, trials: u32, keep: f32) {
        self.hits = self.hits * keep + hits as f32;
        self.misses = self.misses * keep + trials.saturating_sub(hits) as f32;
    }

    /// Trials that what was learned is worth.
    pub fn weight(&self) -> f64 {
        f64::from(self.hits) + f64::from(self.misses)
    }

    /// Share of hits; zero before anything was learned.
    pub fn rate(&self) -> f64 {
        let weight = self.weight();
        if weight > 0.0 {
            f64::from(self.hits) / weight
        } else {
            0.0
        }
    }

    /// What is to be believed, given what was believed before.
    pub fn belief(&self, prior: Prior) -> Belief {
        let a = f64::from(self.hits) + prior.mean * prior.strength;
        let b = f64::from(self.misses) + (1.0 - prior.mean) * prior.strength;
        let n = (a + b).max(1e-9);
        let mean = a / n;
        Belief {
            mean,
            deviation: (mean * (1.0 - mean) / (n + 1.0)).sqrt(),
        }
    }
}

impl Prior {
    /// The prior that rates of many suggest: by the mean and the variance between them, each with the weight that it is
    /// known by (method of moments). `strongest` bounds its strength.
    pub fn of(
        rates: impl Iterator<Item = (f64, f64)> + Clone,
        fallback: Self,
        strongest: f64,
    ) -> Self {
        let (mut count, mut sum) = (0.0, 0.0);
        for (rate, _) in rates.clone() {
            count += 1.0;
            sum += rate;
        }
        if count < 5.0 {
            return fallback;
        }
        let mean = (sum / count).clamp(1e-4, 0.5);
        // Variance between the rates, less what sampling alone explains.
        let mut between = 0.0;
        for (rate, weight) in rates {
            between += (rate - mean).powi(2) - mean * (1.0 - mean) / weight.max(1.0);
        }
        let between = (between / (count - 1.0)).max(0.0);
        let strength = if between > 0.0 {
            mean * (1.0 - mean) / between - 1.0
        } else {
            strongest
        };
        Self {
            mean,
            strength: strength.clamp(2.0, strongest),
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
    fn few_trials_leave_the_prior_in_place_and_many_do_not() {
        let mut beta = Beta::default();
        assert!((beta.belief(PRIOR).mean - 0.02).abs() < 1e-9);
        beta.learn(5, 10, 1.0);
        let few = beta.belief(PRIOR);
        assert!((few.mean - 6.0 / 60.0).abs() < 1e-6, "{few:?}");
        beta.learn(5_000, 10_000, 1.0);
        let many = beta.belief(PRIOR);
        assert!((many.mean - 0.5).abs() < 0.01 && many.deviation < few.deviation);
    }

    #[test]
    fn heterogeneous_rates_make_a_weak_prior() {
        let alike = (0..40).map(|_| (0.02, 10_000.0));
        let apart = (0..40).map(|number| (0.01 * f64::from(number), 10_000.0));
        let of = |rates: Vec<(f64, f64)>| Prior::of(rates.into_iter(), PRIOR, 50.0);
        assert_eq!(of(alike.collect()).strength, 50.0);
        let apart = of(apart.collect());
        assert!(
            apart.strength < 50.0 && (apart.mean - 0.195).abs() < 1e-3,
            "{apart:?}"
        );
        assert_eq!(of(vec![(0.9, 5.0)]), PRIOR, "too few to tell");
    }
}
