//! Templates learned from paths: a trie whose nodes replace literals that look alike by `{id}`.
//!
//! Every template was asked for and answered; the number of templates and of nodes is bounded by [`Bounds`].
//! A collapse is never undone.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap};
use serde::{Deserialize, Serialize};

use super::segment::{self, Kind, MAX_DEPTH, segments};

/// Longest template. A longer one is no label.
const MAX_TEMPLATE: usize = 256;

/// How much one trie may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) templates: usize,
    /// Templates of paths that only ever failed.
    pub(super) unearned: usize,
    pub(super) nodes: usize,
    /// Literals under one node before they are compared.
    pub(super) children: usize,
}

/// The bound that refused a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Templates,
    Nodes,
    Path,
}

/// Templates of one API, with what is known of each.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Learned {
    root: Node,
    templates: usize,
    unearned: usize,
    nodes: usize,
    collapses: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Node {
    literals: HashMap<Box<str>, Node>,
    typed: [Option<Box<Node>>; 3],
    route: Option<Arc<str>>,
    /// This very route was answered with success.
    earned: bool,
    /// This route or one below it was.
    proven: bool,
    /// Proven literals that are no locales.
    fanout: usize,
    collapsed: bool,
}

/// Where a segment leads from a node.
enum Step {
    /// Index into [`Node::typed`].
    Typed(usize),
    Literal,
    Refused,
}

/// Index into [`Node::typed`].
const ID: usize = 0;
const PLACEHOLDERS: [&str; 3] = ["{id}", "{date}", "{email}"];

fn slot(kind: Kind) -> Option<usize> {
    match kind {
        Kind::Literal => None,
        Kind::Id => Some(ID),
        Kind::Date => Some(1),
        Kind::Email => Some(2),
    }
}

impl Learned {
    /// The template of this path, and whether it was ever answered with success.
    pub(super) fn find(&self, path: &str) -> Option<(&Arc<str>, bool)> {
        let mut node = &self.root;
        for (depth, name) in segments(path).enumerate() {
            if depth >= MAX_DEPTH {
                return None;
            }
            node = match slot(segment::kind(name)) {
                Some(slot) => node.typed.get(slot)?.as_deref()?,
                None => match node.literals.get(name) {
                    Some(child) => child,
                    None if node.collapsed => node.typed.get(ID)?.as_deref()?,
                    None => return None,
                },
            };
        }
        node.route.as_ref().map(|route| (route, node.earned))
    }

    /// Takes up this path; `success` is whether it was answered so.
    pub(super) fn learn(
        &mut self,
        path: &str,
        success: bool,
        bounds: &Bounds,
    ) -> Result<Arc<str>, Refusal> {
        let depth = segments(path).take(MAX_DEPTH + 1).count();
        let unusable = path.len() > 4 * MAX_TEMPLATE
            || depth > MAX_DEPTH
            || segments(path).any(|name| matches!(name, "." | ".."));
        if unusable {
            return Err(Refusal::Path);
        }
        if self.find(path).is_none() {
            if self.templates >= bounds.templates || (!success && self.unearned >= bounds.unearned)
            {
                return Err(Refusal::Templates);
            }
            if self.nodes + depth > bounds.nodes {
                return Err(Refusal::Nodes);
            }
        }
        self.insert(path, success, bounds)
    }

    pub(super) fn templates(&self) -> usize {
        self.templates
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes
    }

    pub(super) fn collapses(&self) -> u64 {
        self.collapses
    }

    fn insert(&mut self, path: &str, success: bool, bounds: &Bounds) -> Result<Arc<str>, Refusal> {
        let mut template = String::with_capacity(path.len());
        let mut node = &mut self.root;
        let mut collapsed = false;
        let mut created = 0;
        for name in segments(path) {
            node.proven |= success;
            let step = match slot(segment::kind(name)) {
                Some(slot) => Step::Typed(slot),
                None if node.literals.contains_key(name) && !success => Step::Literal,
                None if node.collapsed && !node.literals.contains_key(name) => Step::Typed(ID),
                // What only fails may not crowd out what exists, nor make it collapse.
                None if !success && node.literals.len() >= bounds.children => Step::Refused,
                None if success && node.admit(name, &template, bounds.children) => {
                    collapsed = true;
                    if node.literals.contains_key(name) {
                        Step::Literal
                    } else {
                        Step::Typed(ID)
                    }
                }
                None => Step::Literal,
            };
            template.push('/');
            node = match step {
                Step::Refused => {
                    self.nodes += created;
                    return Err(Refusal::Templates);
                }
                Step::Typed(slot) => {
                    let (Some(child), Some(name)) =
                        (node.typed.get_mut(slot), PLACEHOLDERS.get(slot))
                    else {
                        return Err(Refusal::Templates);
                    };
                    template.push_str(name);
                    created += usize::from(child.is_none());
                    child.get_or_insert_default()
                }
                Step::Literal => {
                    template.push_str(name);
                    created += usize::from(!node.literals.contains_key(name));
                    node.literals.entry_ref(name).or_default()
                }
            };
        }
        node.proven |= success;
        if template.len() > MAX_TEMPLATE {
            // Its nodes stay: they are counted, and too few to matter.
            self.nodes += created;
            return Err(Refusal::Path);
        }
        let route = match &node.route {
            Some(route) => {
                self.unearned -= usize::from(success && !node.earned);
                route.clone()
            }
            None => {
                self.templates += 1;
                self.unearned += usize::from(!success);
                node.route.insert(template.as_str().into()).clone()
            }
        };
        node.earned |= success;
        self.nodes += created;
        if collapsed {
            self.collapses += 1;
            self.recount();
        }
        Ok(route)
    }

    fn recount(&mut self) {
        (self.nodes, self.templates, self.unearned) = (0, 0, 0);
        let mut pending = vec![&self.root];
        while let Some(node) = pending.pop() {
            pending.extend(node.literals.values());
            pending.extend(node.typed.iter().flatten().map(Box::as_ref));
            self.nodes += 1;
            self.templates += usize::from(node.route.is_some());
            self.unearned += usize::from(node.route.is_some() && !node.earned);
        }
        self.nodes -= 1;
    }
}

impl Node {
    /// Counts a literal that is about to be proven; says whether that made the node collapse.
    fn admit(&mut self, name: &str, prefix: &str, children: usize) -> bool {
        let known = self.literals.get(name).is_some_and(|child| child.proven);
        if known || segment::is_locale(name) {
            return false;
        }
        self.fanout += 1;
        let excess = self.fanout.saturating_sub(children);
        // Compared once past the bound and then at every further multiple; eightfold, they need not look alike.
        if excess == 0 || !(excess - 1).is_multiple_of(children.max(1)) {
            return false;
        }
        self.collapse(prefix, excess > children.saturating_mul(7))
    }

    /// Moves the literals that have the most common shape into `{id}`. Three quarters have to have it, unless forced.
    fn collapse(&mut self, prefix: &str, forced: bool) -> bool {
        let hasher = DefaultHashBuilder::default();
        let mut shapes: HashMap<u64, usize> = HashMap::new();
        let candidates = |node: &Self| {
            node.literals
                .iter()
                .filter(|(name, child)| child.proven && !segment::is_locale(name))
                .map(|(_, child)| child.shape(&hasher))
                .collect::<Vec<_>>()
        };
        for shape in candidates(self) {
            *shapes.entry(shape).or_default() += 1;
        }
        let all: usize = shapes.values().sum();
        let Some((&common, &alike)) = shapes
            .iter()
            .max_by_key(|(shape, count)| (**count, **shape))
        else {
            return false;
        };
        if alike * 4 < all * 3 && !forced {
            return false;
        }
        let mut id = self
            .typed
            .get_mut(ID)
            .and_then(Option::take)
            .unwrap_or_default();
        self.literals.retain(|name, child| {
            if segment::is_locale(name) {
                return true;
            }
            let goes = !child.proven || forced || child.shape(&hasher) == common;
            if goes && child.proven {
                id.absorb(std::mem::take(child));
            }
            !goes
        });
        id.rename(&mut format!("{prefix}/{{id}}"));
        self.typed = match std::mem::take(&mut self.typed) {
            [_, date, email] => [Some(id), date, email],
        };
        self.fanout = self.proven_names();
        self.collapsed = true;
        true
    }

    /// What children of resources have in common: whether the node answers, and the names below it.
    fn shape(&self, hasher: &DefaultHashBuilder) -> u64 {
        let names = self
            .literals
            .iter()
            .filter(|(_, child)| child.proven)
            .map(|(name, _)| hasher.hash_one(name));
        let mut state = hasher.build_hasher();
        self.earned.hash(&mut state);
        for child in &self.typed {
            child
                .as_ref()
                .is_some_and(|child| child.proven)
                .hash(&mut state);
        }
        // A sum does not depend on the order of the map.
        names.fold(0u64, u64::wrapping_add).hash(&mut state);
        state.finish()
    }

    /// Takes over everything of another node.
    fn absorb(&mut self, other: Self) {
        self.route = self.route.take().or(other.route);
        self.earned |= other.earned;
        self.proven |= other.proven;
        self.collapsed |= other.collapsed;
        for (name, child) in other.literals {
            self.literals.entry(name).or_default().absorb(child);
        }
        for (mine, theirs) in self.typed.iter_mut().zip(other.typed) {
            if let Some(theirs) = theirs {
                mine.get_or_insert_default().absorb(*theirs);
            }
        }
        self.fanout = self.proven_names();
    }

    fn proven_names(&self) -> usize {
        self.literals
            .iter()
            .filter(|(name, child)| child.proven && !segment::is_locale(name))
            .count()
    }

    /// Writes the templates of this node and below anew. Depth is bounded by [`MAX_DEPTH`].
    fn rename(&mut self, template: &mut String) {
        if self.route.as_deref().is_some_and(|route| route != template) {
            self.route = Some(template.as_str().into());
        }
        let length = template.len();
        let typed = self.typed.iter_mut().zip(PLACEHOLDERS);
        let typed = typed.filter_map(|(child, name)| Some((name, child.as_deref_mut()?)));
        let literals = self
            .literals
            .iter_mut()
            .map(|(name, child)| (&**name, child));
        for (name, child) in literals.chain(typed) {
            template.push('/');
            template.push_str(name);
            child.rename(template);
            template.truncate(length);
        }
    }
}
