//! What is believed of a key or route that nothing is known of yet: what is known of the others.

use std::sync::Arc;

use hashbrown::HashMap;

use super::beta::Prior;
use super::{Awareness, CLASSES, Class};

/// What is believed of a key or route that nothing is known of yet.
#[derive(Clone, Debug)]
pub(super) struct Priors {
    pub(super) keys: [Prior; CLASSES],
    pub(super) plans: HashMap<Arc<str>, [Prior; CLASSES]>,
    pub(super) places: [Prior; CLASSES],
    pub(super) objects: Prior,
}

/// Before anything is known of anybody.
const FIRST: Prior = Prior {
    mean: 0.02,
    strength: 10.0,
};

impl Default for Priors {
    fn default() -> Self {
        Self {
            keys: [FIRST; CLASSES],
            plans: HashMap::new(),
            places: [FIRST; CLASSES],
            objects: Prior {
                mean: 0.5,
                strength: 20.0,
            },
        }
    }
}

impl Priors {
    /// That of the classes of errors, for a key on this plan.
    pub(super) fn of(&self, plan: Option<&Arc<str>>) -> &[Prior; CLASSES] {
        let of_plan = plan.and_then(|plan| self.plans.get(plan));
        of_plan.unwrap_or(&self.keys)
    }
}

impl Awareness {
    /// What is to be believed of those of whom nothing is known, from those of whom something is.
    pub(super) fn learn_priors(&mut self) {
        if !self.minute.is_multiple_of(5) {
            return;
        }
        let mut plans: Vec<_> = self
            .keys
            .iter()
            .filter_map(|(_, key)| key.plan.clone())
            .collect();
        plans.sort_unstable();
        plans.dedup();
        let mut priors = Priors {
            objects: self.priors.objects,
            ..Priors::default()
        };
        let of_keys = |plan: Option<&str>, class: Class, fallback| {
            let rates = self.keys.iter().filter_map(move |(_, key)| {
                let wanted = plan.is_none_or(|plan| key.plan.as_deref() == Some(plan));
                let learned = key.verdicts.of(class).learned();
                (wanted && learned.1 >= 200.0).then_some(learned)
            });
            Prior::of(rates, fallback, 50.0)
        };
        for (class, prior) in Class::ALL.into_iter().zip(&mut priors.keys) {
            *prior = of_keys(None, class, FIRST);
        }
        for plan in plans.into_iter().take(64) {
            let mut of_plan = [FIRST; CLASSES];
            for (class, (prior, global)) in Class::ALL
                .into_iter()
                .zip(of_plan.iter_mut().zip(&priors.keys))
            {
                *prior = of_keys(Some(&plan), class, *global);
            }
            priors.plans.insert(plan, of_plan);
        }
        for (class, prior) in Class::ALL.into_iter().zip(&mut priors.places) {
            let rates = self.places.iter().filter_map(|(_, place)| {
                let learned = place.verdicts.of(class).learned();
                (learned.1 >= 200.0).then_some(learned)
            });
            *prior = Prior::of(rates, FIRST, 50.0);
        }
        let rates = self.keys.iter().filter_map(|(_, key)| {
            let learned = key.unknown_objects.learned();
            (learned.1 >= 200.0).then_some(learned)
        });
        priors.objects = Prior::of(rates, Priors::default().objects, 50.0);
        self.priors = priors;
    }
}
