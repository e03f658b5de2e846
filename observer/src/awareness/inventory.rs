//! What documents declare beside what was answered: paths that nobody asks for, and what is asked for and should not be there.

use std::sync::Arc;

use hashbrown::HashMap;

use super::view::RouteView;
use crate::route::Document;

/// Routes named in a sentence.
const NAMED: usize = 10;

/// How a route of an API with a document stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Declared, and answered with success.
    Used,
    /// Declared, and never answered with success.
    Orphan,
    /// Declared; an operation of it that is deprecated was answered with success.
    Zombie,
    /// Not declared, and answered with success.
    Shadow,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its template.
    pub route: Arc<str>,
    /// How it stands.
    pub standing: Standing,
    /// Successes.
    pub successes: u64,
}

/// One API with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The API.
    pub api: Arc<str>,
    /// Its routes by name: declared ones, and others that were answered with success.
    pub routes: Vec<Route>,
}

/// The inventory of every API with a document.
pub fn inventories(documents: &[Document], seen: &[RouteView]) -> Vec<Inventory> {
    let seen_of = |api: &Arc<str>| -> HashMap<&str, &RouteView> {
        let own = seen.iter().filter(|route| route.api == *api);
        own.map(|route| (&*route.route, route)).collect()
    };
    let inventory = |document: &Document| {
        let mut seen = seen_of(&document.api);
        let mut routes: Vec<Route> = Vec::with_capacity(document.routes.len());
        for (route, deprecated) in &document.routes {
            let found = seen.remove(&**route);
            routes.push(Route {
                route: Arc::clone(route),
                standing: match found {
                    None => Standing::Orphan,
                    Some(seen) if *deprecated && seen.unexpected.deprecated > 0 => Standing::Zombie,
                    Some(_) => Standing::Used,
                },
                successes: found.map_or(0, RouteView::successes),
            });
        }
        routes.extend(seen.into_values().map(|seen| Route {
            route: Arc::clone(&seen.route),
            standing: Standing::Shadow,
            successes: seen.successes(),
        }));
        routes.sort_unstable_by(|one, two| one.route.cmp(&two.route));
        Inventory {
            api: Arc::clone(&document.api),
            routes,
        }
    };
    documents.iter().map(inventory).collect()
}

impl Inventory {
    /// In a sentence; `observed`: seconds for which anything was observed.
    pub fn words(&self, observed: u64) -> String {
        let count = |standing| {
            let routes = self.routes.iter();
            routes.filter(|route| route.standing == standing).count()
        };
        let [used, orphans, zombies, shadows] = Standing::ALL.map(count);
        let mut words = format!(
            "{}: {} routes declared, {} of them seen, {zombies} with deprecated operations in use; {shadows} undeclared in use; observed for {}",
            self.api,
            used + zombies + orphans,
            used + zombies,
            span(observed)
        );
        let mut names = self
            .routes
            .iter()
            .filter(|route| route.standing == Standing::Orphan)
            .map(|route| &*route.route);
        let named: Vec<&str> = names.by_ref().take(NAMED).collect();
        if !named.is_empty() {
            words.push_str("; never seen: ");
            words.push_str(&named.join(", "));
        }
        let more = names.count();
        if more > 0 {
            words.push_str(&format!(" and {more} more"));
        }
        words
    }
}

impl Standing {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Used, Self::Orphan, Self::Zombie, Self::Shadow];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Used => "declared",
            Self::Orphan => "orphan",
            Self::Zombie => "deprecated",
            Self::Shadow => "undeclared",
        }
    }
}

/// A time in days and hours, or in minutes while there is no hour of it.
fn span(seconds: u64) -> String {
    let minutes = seconds / 60;
    match (minutes / 1_440, minutes / 60 % 24) {
        (0, 0) => format!("{minutes}m"),
        (0, hours) => format!("{hours}h{:02}m", minutes % 60),
        (days, hours) => format!("{days}d{hours:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::{Access, Posture, Unexpected};
    use super::*;

    fn seen(route: &str, deprecated: u64) -> RouteView {
        RouteView {
            api: "shop".into(),
            route: route.into(),
            posture: Posture::Required,
            access: Access {
                keyed: 5,
                unkeyed: 2,
                ..Access::default()
            },
            unexpected: Unexpected {
                undeclared: 0,
                deprecated,
            },
        }
    }

    #[test]
    fn declared_and_seen_routes_are_told_apart() {
        let routes = (0..13).map(|number| (format!("/v1/never{number:02}").into(), false));
        let document = Document {
            api: "shop".into(),
            routes: routes
                .chain([
                    ("/v1/old".into(), true),
                    ("/v1/renewed".into(), false),
                    ("/v1/items".into(), true),
                ])
                .collect(),
        };
        let elsewhere = RouteView {
            api: "other".into(),
            ..seen("/v1/never00", 0)
        };
        let seen = [
            seen("/v1/old", 3),
            // What was deprecated once and is no more.
            seen("/v1/renewed", 3),
            seen("/v1/items", 0),
            seen("/v1/debug", 0),
            elsewhere,
        ];
        let inventories = inventories(&[document], &seen);
        let [inventory] = &*inventories else {
            panic!("{inventories:?}");
        };
        let of = |standing| -> Vec<(&str, u64)> {
            let routes = inventory.routes.iter();
            routes
                .filter(|route| route.standing == standing)
                .map(|route| (&*route.route, route.successes))
                .collect()
        };
        assert_eq!(of(Standing::Shadow), [("/v1/debug", 7)]);
        assert_eq!(of(Standing::Zombie), [("/v1/old", 7)]);
        assert_eq!(of(Standing::Used), [("/v1/items", 7), ("/v1/renewed", 7)]);
        assert_eq!(of(Standing::Orphan).len(), 13);
        let words = inventory.words(3 * 86_400 + 7_300);
        assert!(
            words.starts_with("shop: 16 routes declared, 3 of them seen, 1 with deprecated operations in use; 1 undeclared in use; observed for 3d02h; never seen: /v1/never00, "),
            "{words}"
        );
        assert!(words.ends_with("/v1/never09 and 3 more"), "{words}");
    }
}
