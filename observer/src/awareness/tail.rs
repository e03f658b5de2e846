//! How far out is too far: the tail of standardised residuals of all subjects, fitted as it comes.
//!
//! Peaks over threshold (Siffer et al. 2017): what exceeds a high quantile follows a generalised Pareto distribution, so
//! the limit for one false alarm in so many evaluations is worked out from data rather than from a Gaussian that nothing
//! here follows.

use serde::{Deserialize, Serialize};

/// Exceedances kept.
const KEPT: usize = 4_096;
/// Share of residuals above the threshold.
const SHARE: f64 = 0.01;
/// Fewer exceedances fit nothing.
const ENOUGH: usize = 100;
/// No limit is lower, and none higher: a fit may go wrong.
const LIMITS: (f64, f64) = (5.5, 9.0);

/// The tail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tail {
    threshold: f64,
    excesses: Vec<f32>,
    next: usize,
    limit: f64,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            threshold: 2.5,
            excesses: Vec::new(),
            next: 0,
            limit: 7.0,
        }
    }
}

impl Tail {
    /// Takes a residual that is no alarm.
    pub fn learn(&mut self, residual: f64) {
        // Stochastic approximation of the quantile (Robbins and Monro 1951).
        let above = residual > self.threshold;
        self.threshold += 0.002 * if above { 1.0 - SHARE } else { -SHARE };
        self.threshold = self.threshold.clamp(1.5, 8.0);
        if above {
            let excess = (residual - self.threshold).max(0.0) as f32;
            match self.excesses.get_mut(self.next) {
                Some(old) => *old = excess,
                None => self.excesses.push(excess),
            }
            self.next = (self.next + 1) % KEPT;
        }
    }

    /// Works out the limit that a residual exceeds once in `each` evaluations.
    pub fn fit(&mut self, each: f64) {
        if self.excesses.len() >= ENOUGH {
            self.limit = self.beyond(each).clamp(LIMITS.0, LIMITS.1);
        }
    }

    fn beyond(&self, each: f64) -> f64 {
        let count = self.excesses.len() as f64;
        let mean = self.excesses.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
        let variance = self
            .excesses
            .iter()
            .map(|x| (f64::from(*x) - mean).powi(2))
            .sum::<f64>()
            / count;
        // Method of moments (Hosking and Wallis 1987); the shape is kept where it is trustworthy.
        let shape = (0.5 * (1.0 - mean * mean / variance.max(1e-9))).clamp(-0.2, 0.3);
        let scale = mean * (1.0 - shape);
        let rare = SHARE * each;
        let beyond = if shape.abs() < 1e-6 {
            scale * rare.ln()
        } else {
            scale / shape * (rare.powf(shape) - 1.0)
        };
        self.threshold + beyond
    }

    /// The limit.
    pub fn limit(&self) -> f64 {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Standard exponential variates from a linear congruential generator.
    fn exponential(seed: &mut u64) -> f64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        -(((*seed >> 11) as f64 + 1.0) / (1_u64 << 53) as f64).ln()
    }

    #[test]
    fn the_limit_of_a_known_tail_is_found() {
        let (mut tail, mut seed) = (Tail::default(), 7);
        for _ in 0..200_000 {
            tail.learn(exponential(&mut seed));
        }
        tail.fit(100_000.0);
        // The quantile of an exponential distribution is ln(100,000).
        let beyond = tail.beyond(100_000.0);
        assert!((beyond - 11.5).abs() < 2.0, "{beyond}");
    }
}
