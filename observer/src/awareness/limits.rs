//! Keys that stay just under their limit: as many requests a minute as are allowed, hardly more or fewer, for half an hour.
//!
//! The limit is what the server says of it (a quota with its window), else what the registry's plan says, else what it let pass
//! in minutes in which it refused, once three of them agree. Where none is known nothing is told. Callers of their own accord
//! vary: by the square root of what they ask for, at the very least.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::cause::Who;
use super::incident::{Evidence, Finding};
use super::key::Minute;
use super::rules::Rule;
use super::{Awareness, MINUTE, SECOND};
use crate::identity::Registry;
use crate::identity::registry::{Limit as Planned, Meter, Per};

/// Share of the limit that is close to it.
const CLOSE: f32 = 0.95;
/// Deviation of a minute's requests that is little: a share of the limit, and what a minute's bounds cut off.
const STEADY: (f32, f32) = (0.05, 0.6);
/// Minutes in a row.
const MINUTES: u16 = 30;
/// Minutes with refusals that have to agree on a limit, and by how much of it they may differ.
const AGREED: u8 = 3;
const AGREE: f32 = 0.1;
/// Share of a minute's requests that are refused where there are too many.
const REFUSED: f32 = 0.05;
/// Requests a minute below which a limit leaves too few of them to judge.
const LEAST: f32 = 4.0;

/// The limit of one key, and how long it has stayed under it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Limit {
    /// Requests a minute, and how that is known.
    most: f32,
    known: Known,
    #[serde(skip)]
    run: Run,
}

/// How a limit is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Known {
    /// So many minutes with refusals agreed on it.
    Refused(u8),
    /// The plan says so.
    Planned,
    /// The server says so.
    Said,
}

impl Default for Known {
    fn default() -> Self {
        Self::Refused(0)
    }
}

/// Minutes in a row near the limit, hardly ever refused.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    minutes: u16,
    sum: f32,
    squares: f32,
}

/// Half an hour or more just under a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hugging {
    /// Requests a minute, and their deviation.
    mean: f32,
    deviation: f32,
    /// Requests a minute that are allowed.
    most: f32,
    known: Known,
    minutes: u16,
}

impl Limit {
    /// Takes a minute that is over. `planned`: requests a minute that the plan allows.
    pub fn close(&mut self, minute: &Minute, planned: Option<f32>) -> Option<Hugging> {
        let passed = minute.requests.saturating_sub(minute.limited) as f32;
        self.learn(minute, passed, planned);
        let most = self.most;
        let known = !matches!(self.known, Known::Refused(minutes) if minutes < AGREED);
        let near = passed >= 0.9 * most - 1.0 && passed <= most + 1.0;
        // One refusal among many is what staying close costs.
        if !known || most < LEAST || !near || refuses(minute) {
            self.run = Run::default();
            return None;
        }
        let run = &mut self.run;
        run.minutes += 1;
        run.sum += passed;
        run.squares += passed * passed;
        if run.minutes < MINUTES {
            return None;
        }
        let count = f32::from(run.minutes);
        let mean = run.sum / count;
        let deviation = (run.squares / count - mean * mean).max(0.0).sqrt();
        let found = Hugging {
            mean,
            deviation,
            most,
            known: self.known,
            minutes: run.minutes,
        };
        // What is long past says little of now.
        if run.minutes >= 2 * MINUTES {
            *run = Run {
                minutes: run.minutes / 2,
                sum: run.sum / 2.0,
                squares: run.squares / 2.0,
            };
        }
        let (share, more) = STEADY;
        let hugs = mean >= CLOSE * most && mean <= 1.01 * most && deviation <= share * most + more;
        hugs.then_some(found)
    }

    fn learn(&mut self, minute: &Minute, passed: f32, planned: Option<f32>) {
        if minute.hourly > 0 {
            (self.most, self.known) = (minute.hourly as f32 / 60.0, Known::Said);
        } else if self.known == Known::Said {
            // It need not say so every time.
        } else if let Some(planned) = planned {
            (self.most, self.known) = (planned, Known::Planned);
        } else {
            self.infer(minute, passed);
        }
    }

    /// Concludes from refusals what is allowed.
    fn infer(&mut self, minute: &Minute, passed: f32) {
        let minutes = match self.known {
            Known::Refused(minutes) => minutes,
            Known::Planned | Known::Said => 0,
        };
        let refuses = refuses(minute);
        let agrees = (passed - self.most).abs() <= AGREE * self.most;
        if refuses && minutes > 0 && agrees {
            let weight = 1.0 / f32::from(minutes.min(7) + 1);
            self.most += weight * (passed - self.most);
            self.known = Known::Refused(minutes.saturating_add(1));
        } else if refuses {
            (self.most, self.known) = (passed, Known::Refused(1));
        } else if passed > (1.0 + AGREE) * self.most + 1.0 {
            // More than that is allowed.
            (self.most, self.known) = (0.0, Known::Refused(0));
        }
    }
}

impl Awareness {
    /// Tells of a key that stays just under its limit.
    pub(super) fn tell_hugging(&mut self, number: u32, hugging: &Hugging, time: u64) {
        let Some(subject) = self.subject(Who::Key(number)) else {
            return;
        };
        let says = match hugging.known {
            Known::Said => "as the server says",
            Known::Planned => "by its plan",
            Known::Refused(_) => "as refusals showed",
        };
        let statement = format!(
            "{}: {:.1} requests a minute for {}m, deviation {:.1}, where {:.1} are allowed {says}",
            subject.words(),
            hugging.mean,
            hugging.minutes,
            hugging.deviation,
            hugging.most,
        );
        let finding = Finding::new(
            Rule::LimitHugging,
            subject,
            statement,
            Evidence {
                seen: f64::from(hugging.mean),
                baseline: f64::from(hugging.most),
                deviation: f64::from(hugging.deviation),
                score: f64::from(hugging.mean / hugging.most),
                limit: f64::from(CLOSE),
                since: time.saturating_sub(u64::from(hugging.minutes) * MINUTE * SECOND),
                until: time,
                ..Evidence::default()
            },
            0.9,
        );
        self.raise(finding, time);
    }
}

/// What the plans of a registry allow, in requests a minute: the tightest limit of each.
pub fn of_plans(registry: &Registry) -> HashMap<Arc<str>, f32> {
    let plans = registry.plans().iter();
    let tightest = |limits: &[Planned]| {
        let limits = limits.iter().filter(|limit| limit.meter == Meter::Requests);
        let minutely = limits.map(|limit| limit.max as f32 * 60.0 / seconds(limit.per));
        minutely.min_by(f32::total_cmp)
    };
    plans
        .filter_map(|plan| Some((Arc::clone(&plan.id), tightest(&plan.limits)?)))
        .collect()
}

/// Whether too many came in a minute.
fn refuses(minute: &Minute) -> bool {
    minute.limited > 0 && minute.limited as f32 > REFUSED * minute.requests as f32
}

fn seconds(per: Per) -> f32 {
    match per {
        Per::Second => 1.0,
        Per::Minute => 60.0,
        Per::Hour => 3_600.0,
        Per::Day => 86_400.0,
        Per::Month => 30.0 * 86_400.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(requests: u32, limited: u32, hourly: u32) -> Minute {
        Minute {
            requests,
            limited,
            hourly,
            ..Minute::default()
        }
    }

    /// The first minute at which it is told, of so many requests in each.
    fn told(limit: &mut Limit, counts: impl IntoIterator<Item = u32>) -> Option<(usize, Hugging)> {
        let mut counts = counts.into_iter().enumerate();
        counts.find_map(|(at, count)| Some((at, limit.close(&minute(count, 0, 0), None)?)))
    }

    #[test]
    fn half_an_hour_just_under_what_the_server_says_is_told() {
        let mut limit = Limit::default();
        limit.close(&minute(3, 0, 3_600), None);
        let (at, found) = told(&mut limit, (0..60).map(|minute| 57 + minute % 3)).expect("told");
        assert_eq!((at, found.most, found.known), (29, 60.0, Known::Said));
        assert!(
            (found.mean - 58.0).abs() < 0.1 && found.deviation < 1.0,
            "{found:?}"
        );
    }

    #[test]
    fn steady_far_below_and_wild_at_the_limit_is_not() {
        let said = || {
            let mut limit = Limit::default();
            limit.close(&minute(3, 0, 3_600), None);
            limit
        };
        assert_eq!(told(&mut said(), [48; 200]), None);
        // As wide as chance makes it.
        let wild = (0..200_u32).map(|minute| 50 + minute * 7 % 18);
        assert_eq!(told(&mut said(), wild), None);
        // In one minute of twenty it is too much, and told as such.
        let mut limit = said();
        let refused =
            (0..200).find_map(|at| limit.close(&minute(60, 6 * u32::from(at % 20 == 0), 0), None));
        assert_eq!(refused, None);
    }

    #[test]
    fn without_a_limit_nothing_is_told() {
        let mut limit = Limit::default();
        assert_eq!(told(&mut limit, [60; 200]), None);
        // Refusals that agree on nothing.
        for requests in [100, 10, 55, 100, 10, 55] {
            limit.close(&minute(requests, 10, 0), None);
        }
        assert_eq!(told(&mut limit, [57; 200]), None);
    }

    #[test]
    fn refusals_show_a_limit_until_more_than_it_passes() {
        let mut limit = Limit::default();
        for requests in [90, 80, 100] {
            limit.close(&minute(requests, requests - 60, 0), None);
        }
        let (at, found) = told(&mut limit, [59; 60]).expect("told");
        assert_eq!((at, found.known), (29, Known::Refused(3)));
        limit.close(&minute(70, 0, 0), None);
        assert_eq!(told(&mut limit, [59; 60]), None);
    }

    #[test]
    fn what_the_plan_allows_counts_where_the_server_says_nothing() {
        let mut limit = Limit::default();
        let found = (0..60).find_map(|_| limit.close(&minute(118, 0, 0), Some(120.0)));
        assert_eq!(found.map(|found| found.known), Some(Known::Planned));
        let document = "[[plan]]\nid = \"gold\"\nlimits = [{ meter = \"requests\", per = \"minute\", max = 600 }, { meter = \"requests\", per = \"hour\", max = 6000 }, { meter = \"response_bytes\", per = \"hour\", max = 1 }]\n";
        let registry = Registry::parse(&[("plans.toml", document)]).expect("valid");
        let limits = of_plans(&registry);
        assert_eq!(limits.get("gold"), Some(&100.0));
    }
}
