//! Which API and which route a request went to: configured APIs and their OpenAPI documents first, else templates
//! that are learned from what the server answers.
//!
//! Every collection is bounded: what exceeds a bound is [`OTHER`] and counted. Bias: prefers `__other__` to a route
//! that the server does not have. A path earns its template with an answer other than 400, 404, 405 and 501, so a
//! scan of random paths teaches nothing; a learned template keeps its name for errors too. When a node collapses into
//! `{id}`, the routes that it replaces stop counting and `{id}` counts on: no counter is renamed, every sum holds,
//! and [`Routes::collapses`] says that it happened.

mod api;
mod openapi;
mod segment;
mod target;
mod template;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

pub use api::{Api, RouteError};
use api::{Scope, Selector};
pub use openapi::OpenApiError;
use target::{HostName, Target};
pub use template::Learned;
use template::{Bounds, Refusal};

/// The API or route of what fits nowhere or into no bound.
pub const OTHER: &str = "__other__";

/// Bounds of what is learned.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Hosts that become APIs by themselves.
    pub max_hosts: usize,
    /// Templates of one API. An eighth of them may stand for paths that only ever failed.
    pub max_templates_per_host: usize,
    /// Trie nodes of all APIs together.
    pub max_nodes: usize,
    /// Distinct literals under one node before it is asked whether they look alike.
    pub max_children: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_hosts: 100,
            max_templates_per_host: 2_000,
            max_nodes: 20_000,
            max_children: 32,
        }
    }
}

/// Where a request went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// A configured name, a host, or [`OTHER`].
    pub api: Arc<str>,
    /// A template such as `/v1/widgets/{id}`, `*`, or [`OTHER`].
    pub route: Arc<str>,
    /// Whether the route was learned, rather than declared by a document.
    pub learned: bool,
    /// Whether the configuration declares the operation as public.
    pub public: bool,
    /// Whether APIs are configured with hosts, and the host that was asked for is none of them.
    pub stray: bool,
    /// What the document of the API says; `None`: it has none.
    pub standing: Option<Standing>,
}

/// What a document says of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its path is declared.
    Declared,
    /// Its path is declared, and the operation itself is deprecated.
    Deprecated,
    /// Its path is not declared.
    Undeclared,
}

/// What a document declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The API.
    pub api: Arc<str>,
    /// Its routes, and whether some operation of each is deprecated.
    pub routes: Vec<(Arc<str>, bool)>,
}

/// How often each bound refused something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Hosts past `max_hosts`.
    pub hosts: u64,
    /// Templates past `max_templates_per_host`, or past what failures alone may teach.
    pub templates: u64,
    /// Templates past `max_nodes`.
    pub nodes: u64,
    /// Paths deeper or longer than a template may be.
    pub paths: u64,
}

impl Refused {
    /// Reason and count of each, for `pipeline_dropped_total{stage="route"}`.
    pub fn reasons(&self) -> [(&'static str, u64); 4] {
        [
            ("host_bound", self.hosts),
            ("template_bound", self.templates),
            ("node_bound", self.nodes),
            ("path_bound", self.paths),
        ]
    }
}

/// Every API with its routes.
#[derive(Debug)]
pub struct Routes {
    settings: Settings,
    other: Arc<str>,
    asterisk: Arc<str>,
    configured: Vec<Selector>,
    /// `scopes[0]` is [`OTHER`], then the configured ones, then hosts in the order in which they were seen.
    scopes: Vec<Scope>,
    hosts: HashMap<Box<str>, Host>,
    /// Hosts that only ever failed.
    unearned_hosts: usize,
    nodes: usize,
    refused: Refused,
    collapses: u64,
    changes: u64,
    /// The authority of the last request and its scope, where neither path nor status would change that.
    recent: Option<(Box<str>, usize)>,
}

/// What was learned of one API, to be kept over a restart. `L`: [`Learned`], owned or borrowed.
#[derive(Serialize, Deserialize)]
pub struct Saved<L> {
    name: Arc<str>,
    /// Whether the host of that name was ever answered with success; `None` where the name is no host's.
    host: Option<bool>,
    learned: L,
}

#[derive(Clone, Copy, Debug)]
struct Host {
    scope: usize,
    earned: bool,
}

/// What an answer says about the path that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    /// The server has it: 101, 2xx, 304.
    Success,
    /// Something answered that may not know the path: redirects, 401, 403, 429, 5xx.
    Failure,
    /// Nothing: 400, 404, 405, 421, 501, and no answer at all.
    Nothing,
}

impl Evidence {
    fn of(status: Option<u16>) -> Self {
        match status {
            Some(101 | 200..=299 | 304) => Self::Success,
            None | Some(400 | 404 | 405 | 421 | 501 | 0..=199) => Self::Nothing,
            Some(_) => Self::Failure,
        }
    }
}

impl Routes {
    /// Nothing learned yet, and these APIs configured.
    pub fn new(settings: Settings, apis: &[Api]) -> Result<Self, RouteError> {
        let mut routes = Self {
            settings,
            other: OTHER.into(),
            asterisk: "*".into(),
            configured: Vec::new(),
            scopes: Vec::new(),
            hosts: HashMap::new(),
            unearned_hosts: 0,
            nodes: 0,
            refused: Refused::default(),
            collapses: 0,
            changes: 0,
            recent: None,
        };
        routes.scopes.push(Scope::learned(routes.other.clone()));
        for api in apis {
            routes.configure(api)?;
        }
        Ok(routes)
    }

    /// The API and the route of an exchange that ended with this status.
    ///
    /// `host` is the Host field or `:authority`; an absolute-form target overrides it (RFC 9112 section 3.2.2).
    pub fn resolve(
        &mut self,
        method: &str,
        host: Option<&str>,
        target: &str,
        status: Option<u16>,
    ) -> Resolved {
        let evidence = Evidence::of(status);
        let target = Target::of(method, target);
        let authority = target.authority().or(host);
        let path = target.path();
        let recent = self.recent.as_ref().zip(authority);
        let (scope, stray) = match recent.filter(|((known, _), authority)| **known == **authority) {
            // Only where no API is configured: no host is stray.
            Some(((_, scope), _)) => (*scope, false),
            None => {
                let name = HostName::of(authority);
                let found = self.scope(&name, path, evidence);
                self.recent = self.lasting(&name, authority);
                found
            }
        };
        let Some(path) = path else {
            let route = match target {
                Target::Asterisk => self.asterisk.clone(),
                _ => self.other.clone(),
            };
            return Resolved {
                stray,
                ..self.resolved(scope, route, false)
            };
        };
        let declared = self
            .scopes
            .get(scope)
            .and_then(|scope| scope.stands(method, path));
        let (standing, (route, learned)) = match declared {
            Some((standing, Some(route))) => (Some(standing), (route.clone(), false)),
            Some((standing, None)) => (Some(standing), self.learned(scope, path, evidence)),
            None => (None, self.learned(scope, path, evidence)),
        };
        let public = self
            .scopes
            .get(scope)
            .is_some_and(|scope| scope.is_public(method, path));
        Resolved {
            public,
            stray,
            standing,
            ..self.resolved(scope, route, learned)
        }
    }

    /// What the documents of the configured APIs declare.
    pub fn documents(&self) -> Vec<Document> {
        let declaring = self
            .scopes
            .iter()
            .filter(|scope| !scope.declared.is_empty());
        let document = |scope: &Scope| Document {
            api: scope.name.clone(),
            routes: (scope.declared.all().into_iter())
                .map(|(route, deprecated)| (route.clone(), deprecated))
                .collect(),
        };
        declaring.map(document).collect()
    }

    /// How often something was learned: what was saved before still holds while this is the same.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// What was learned.
    pub fn saved(&self) -> impl Iterator<Item = Saved<&Learned>> {
        self.scopes.iter().enumerate().map(|(index, scope)| {
            let host = self.hosts.get(&*scope.name);
            Saved {
                name: scope.name.clone(),
                host: host
                    .filter(|host| host.scope == index)
                    .map(|host| host.earned),
                learned: &scope.learned,
            }
        })
    }

    /// Goes on from what was learned before, for the APIs that there still are.
    pub fn restore(&mut self, saved: impl IntoIterator<Item = Saved<Learned>>) {
        for Saved {
            name,
            host,
            learned,
        } in saved
        {
            let known = self.scopes.iter().position(|scope| scope.name == name);
            let Some(index) = known.or_else(|| host.map(|_| self.scopes.len())) else {
                continue;
            };
            if index == self.scopes.len() {
                self.scopes.push(Scope::learned(name.clone()));
            }
            if let Some(scope) = self.scopes.get_mut(index) {
                self.nodes = self.nodes - scope.learned.nodes() + learned.nodes();
                self.collapses += learned.collapses();
                scope.learned = learned;
            }
            if let Some(earned) = host {
                let scope = index;
                self.hosts.insert((&*name).into(), Host { scope, earned });
                self.unearned_hosts += usize::from(!earned);
            }
        }
    }

    /// How often a bound refused something.
    pub fn refused(&self) -> Refused {
        self.refused
    }

    /// How often a node's literals were replaced by `{id}`: the version of the learned templates.
    pub fn collapses(&self) -> u64 {
        self.collapses
    }

    /// Learned templates and trie nodes held, of all APIs.
    pub fn size(&self) -> (usize, usize) {
        let templates = self
            .scopes
            .iter()
            .map(|scope| scope.learned.templates())
            .sum();
        (templates, self.nodes)
    }

    /// What is neither public nor stray.
    fn resolved(&self, scope: usize, route: Arc<str>, learned: bool) -> Resolved {
        let api = self
            .scopes
            .get(scope)
            .map_or(&self.other, |scope| &scope.name);
        Resolved {
            api: api.clone(),
            route,
            learned,
            public: false,
            stray: false,
            standing: None,
        }
    }

    fn configure(&mut self, api: &Api) -> Result<(), RouteError> {
        if self.scopes.iter().any(|scope| *scope.name == *api.name) {
            return Err(RouteError::Duplicate {
                name: api.name.clone(),
            });
        }
        let scope = Scope::declared(api, self.settings.max_templates_per_host)?;
        self.configured.push(Selector::of(api, self.scopes.len())?);
        self.scopes.push(scope);
        Ok(())
    }

    /// What [`Self::recent`] is to be after a request to this host.
    fn lasting(&self, name: &HostName, authority: Option<&str>) -> Option<(Box<str>, usize)> {
        let host = self.hosts.get(name.as_str()?).filter(|host| host.earned)?;
        let lasts = self.configured.is_empty();
        lasts.then_some((authority?.into(), host.scope))
    }

    /// The scope of a request, and whether its host is stray.
    fn scope(&mut self, host: &HostName, path: Option<&str>, evidence: Evidence) -> (usize, bool) {
        let name = host.as_str();
        let configured = self
            .configured
            .iter()
            .filter_map(|api| api.matches(name, path).map(|rank| (rank, api.scope)))
            .max_by_key(|&(rank, scope)| (rank, std::cmp::Reverse(scope)));
        if let Some((_, scope)) = configured {
            return (scope, false);
        }
        let Some(name) = name else { return (0, false) };
        let mut known = self.configured.iter().filter_map(|api| api.knows(name));
        let stray = known
            .next()
            .is_some_and(|first| !first && !known.any(|known| known));
        (self.host_scope(name, evidence), stray)
    }

    fn host_scope(&mut self, name: &str, evidence: Evidence) -> usize {
        if let Some(known) = self.hosts.get_mut(name) {
            if !known.earned && evidence == Evidence::Success {
                known.earned = true;
                self.unearned_hosts -= 1;
                self.changes += 1;
            }
            return known.scope;
        }
        let earned = evidence == Evidence::Success;
        // An eighth is for hosts that only ever failed: made-up Host fields must not use up the bound.
        let full = self.hosts.len() >= self.settings.max_hosts
            || (!earned && self.unearned_hosts >= (self.settings.max_hosts / 8).max(1));
        if full {
            self.refused.hosts += 1;
            return 0;
        }
        // A host that has the name of a configured API would share its label.
        let scope = match self.scopes.iter().position(|scope| *scope.name == *name) {
            Some(scope) => scope,
            None => {
                self.scopes.push(Scope::learned(name.into()));
                self.scopes.len() - 1
            }
        };
        self.unearned_hosts += usize::from(!earned);
        self.hosts.insert(name.into(), Host { scope, earned });
        self.changes += 1;
        scope
    }

    /// The learned route of a path that is not declared.
    fn learned(&mut self, scope: usize, path: &str, evidence: Evidence) -> (Arc<str>, bool) {
        let Some(scope) = self.scopes.get_mut(scope) else {
            return (self.other.clone(), false);
        };
        let known = scope.learned.find(path);
        match (known, evidence) {
            (Some((route, true)), _)
            | (Some((route, _)), Evidence::Failure | Evidence::Nothing) => {
                return (route.clone(), true);
            }
            (None, Evidence::Nothing) => return (self.other.clone(), false),
            (_, Evidence::Success) | (None, Evidence::Failure) => {}
        }
        let bounds = Bounds {
            templates: self.settings.max_templates_per_host,
            unearned: (self.settings.max_templates_per_host / 8).max(1),
            nodes: self
                .settings
                .max_nodes
                .saturating_sub(self.nodes - scope.learned.nodes()),
            children: self.settings.max_children,
        };
        let before = (scope.learned.nodes(), scope.learned.collapses());
        let learned = scope
            .learned
            .learn(path, evidence == Evidence::Success, &bounds);
        self.nodes = self.nodes - before.0 + scope.learned.nodes();
        self.collapses += scope.learned.collapses() - before.1;
        match learned {
            Ok(route) => {
                self.changes += 1;
                (route, true)
            }
            Err(refusal) => {
                match refusal {
                    Refusal::Templates => self.refused.templates += 1,
                    Refusal::Nodes => self.refused.nodes += 1,
                    Refusal::Path => self.refused.paths += 1,
                }
                (self.other.clone(), false)
            }
        }
    }
}
