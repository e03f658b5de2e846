//! The paths of an OpenAPI 3 document as templates (OpenAPI 3.1.1, section 4.8.8).
//!
//! Concrete segments win over templated ones ("Path Templating Matching"). Operations' own `servers` are not read:
//! those of the document and of the path item are. Of an operation, whether it is deprecated is read, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::segment::{MAX_DEPTH, segments};

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenApiError {
    /// Not JSON.
    #[error("not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Not YAML.
    #[error("not valid YAML: {0}")]
    Yaml(#[from] serde_norway::Error),
    /// Swagger 2, or no version at all.
    #[error("version {found:?} (expected OpenAPI 3)")]
    Version {
        /// What the document says.
        found: String,
    },
    /// A path that cannot be a template.
    #[error("path {path:?}: {reason}")]
    Path {
        /// The path as written.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More paths than one API may have templates.
    #[error("{found} paths (at most {bound})")]
    TooMany {
        /// Paths with each of their servers.
        found: usize,
        /// The bound.
        bound: usize,
    },
}

/// Declared templates. Empty by default.
#[derive(Debug, Default)]
pub(super) struct Paths {
    root: Node,
    count: usize,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, Node>,
    /// Segments that are templated in part, such as `{id}.json` or `{id}:cancel`; longest literal part first.
    partial: Vec<(Pattern, Node)>,
    whole: Option<Box<Node>>,
    declared: Option<Declared>,
}

/// What the document says of one path.
#[derive(Debug)]
pub(super) struct Declared {
    pub route: Arc<str>,
    /// Bits of [`METHODS`].
    deprecated: u16,
}

/// Methods that a path may have operations for (OpenAPI 3.2, section 4.9.1).
const METHODS: [&str; 9] = [
    "GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "QUERY",
];

/// Literal parts around the expressions of a segment.
#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    parts: Vec<Box<str>>,
}

#[derive(Deserialize)]
struct Document {
    openapi: Option<Scalar>,
    swagger: Option<Scalar>,
    #[serde(default)]
    servers: Vec<Server>,
    #[serde(default)]
    paths: BTreeMap<String, Item>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(f64),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Object {
        #[serde(default)]
        servers: Vec<Server>,
        /// By its method; other fields of the item are among them.
        #[serde(flatten)]
        operations: BTreeMap<String, Operation>,
    },
    /// An empty item, or the value of an extension (`x-`).
    Extension(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Operation {
    Marked { deprecated: bool },
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Server {
    url: String,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
}

#[derive(Deserialize)]
struct Variable {
    default: String,
}

impl Paths {
    /// Reads a document. `base_path` (no final slash) goes before servers' paths that do not lie below it.
    pub(super) fn parse(text: &str, base_path: &str, bound: usize) -> Result<Self, OpenApiError> {
        let document: Document = if text.trim_start().starts_with('{') {
            serde_json::from_str(text)?
        } else {
            serde_norway::from_str(text)?
        };
        let version = match (document.openapi, document.swagger) {
            (Some(Scalar::Text(version)), _) | (None, Some(Scalar::Text(version))) => version,
            (Some(Scalar::Number(version)), _) | (None, Some(Scalar::Number(version))) => {
                version.to_string()
            }
            (None, None) => String::new(),
        };
        if version != "3" && !version.starts_with("3.") {
            return Err(OpenApiError::Version { found: version });
        }
        let everywhere = prefixes(&document.servers, base_path);
        let mut paths = Self::default();
        for (path, item) in &document.paths {
            let (servers, deprecated) = match item {
                Item::Object {
                    servers,
                    operations,
                } => (servers.as_slice(), deprecated(operations)),
                Item::Extension(_) => (&[][..], 0),
            };
            if path.starts_with("x-") {
                continue;
            }
            let own = prefixes(servers, base_path);
            for prefix in if servers.is_empty() {
                &everywhere
            } else {
                &own
            } {
                paths.insert(prefix, path, deprecated)?;
            }
        }
        if paths.count > bound {
            return Err(OpenApiError::TooMany {
                found: paths.count,
                bound,
            });
        }
        Ok(paths)
    }

    /// Whether nothing is declared.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Every declared template, in an order of its own, and whether some operation of it is deprecated.
    pub(super) fn all(&self) -> Vec<(&Arc<str>, bool)> {
        let mut all = Vec::with_capacity(self.count);
        let mut nodes = vec![&self.root];
        while let Some(node) = nodes.pop() {
            let declared = node.declared.iter();
            all.extend(declared.map(|declared| (&declared.route, declared.deprecated != 0)));
            nodes.extend(node.literals.values());
            nodes.extend(node.partial.iter().map(|(_, node)| node));
            nodes.extend(node.whole.as_deref());
        }
        all.sort_unstable();
        all
    }

    /// What is declared of this path.
    pub(super) fn find(&self, path: &str) -> Option<&Declared> {
        let mut names = [""; MAX_DEPTH];
        let mut depth = 0;
        for name in segments(path) {
            *names.get_mut(depth)? = name;
            depth += 1;
        }
        self.root.find(names.get(..depth)?)
    }

    fn insert(&mut self, prefix: &str, path: &str, deprecated: u16) -> Result<(), OpenApiError> {
        let error = |reason| OpenApiError::Path {
            path: path.to_owned(),
            reason,
        };
        if !path.starts_with('/') {
            return Err(error("does not start with /"));
        }
        let template = encode(&format!("{prefix}{path}"));
        if segments(&template).count() > MAX_DEPTH {
            return Err(error("has more than 16 segments"));
        }
        let mut node = &mut self.root;
        for name in segments(&template) {
            let pattern =
                Pattern::of(name).ok_or_else(|| error("has a brace without its counterpart"))?;
            node = match pattern {
                None => node.literals.entry_ref(name).or_default(),
                Some(pattern) if pattern.is_whole() => node.whole.get_or_insert_default(),
                Some(pattern) => node.partial(pattern),
            };
        }
        // Paths that differ in their variables' names alone are the same (section 4.8.8.2): the first one stays.
        if node.declared.is_none() {
            node.declared = Some(Declared {
                route: template.as_str().into(),
                deprecated,
            });
            self.count += 1;
        }
        Ok(())
    }
}

impl Node {
    fn find(&self, names: &[&str]) -> Option<&Declared> {
        let Some((name, rest)) = names.split_first() else {
            return self.declared.as_ref();
        };
        let literal = self.literals.get(*name).and_then(|child| child.find(rest));
        literal
            .or_else(|| {
                let mut fitting = self
                    .partial
                    .iter()
                    .filter(|(pattern, _)| pattern.matches(name));
                fitting.find_map(|(_, child)| child.find(rest))
            })
            .or_else(|| {
                let child = self.whole.as_deref().filter(|_| !name.is_empty())?;
                child.find(rest)
            })
    }

    fn partial(&mut self, pattern: Pattern) -> &mut Self {
        let place = self.partial.iter().position(|(known, _)| *known == pattern);
        let place = place.unwrap_or_else(|| {
            let longer =
                |known: &(Pattern, Self)| known.0.literal_bytes() >= pattern.literal_bytes();
            let place = self
                .partial
                .iter()
                .take_while(|known| longer(known))
                .count();
            self.partial.insert(place, (pattern, Self::default()));
            place
        });
        &mut self.partial[place].1
    }
}

impl Pattern {
    /// `None` for an unbalanced brace, `Some(None)` for a literal.
    fn of(segment: &str) -> Option<Option<Self>> {
        let mut parts = Vec::new();
        let mut rest = segment;
        while let Some((literal, expression)) = rest.split_once('{') {
            let (_, after) = expression.split_once('}')?;
            if literal.contains('}') {
                return None;
            }
            parts.push(literal.into());
            rest = after;
        }
        if rest.contains('}') {
            return None;
        }
        if parts.is_empty() {
            return Some(None);
        }
        parts.push(rest.into());
        Some(Some(Self { parts }))
    }

    fn is_whole(&self) -> bool {
        self.parts.len() == 2 && self.literal_bytes() == 0
    }

    fn literal_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// Whether the literal parts stand in this order with something between them.
    fn matches(&self, name: &str) -> bool {
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return false;
        };
        let Some(mut rest) = name.strip_prefix(&**first) else {
            return false;
        };
        for part in middle {
            let found = rest
                .char_indices()
                .nth(1)
                .and_then(|(one, _)| Some(one + rest.get(one..)?.find(&**part)?));
            match found.and_then(|at| rest.get(at + part.len()..)) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.len() > last.len() && rest.ends_with(&**last)
    }
}

impl Declared {
    /// Whether the operation of a method is deprecated.
    pub(super) fn is_deprecated(&self, method: &str) -> bool {
        self.deprecated != 0 && self.deprecated & bit(method) != 0
    }
}

/// The bit of a method; none of one that has no operations.
fn bit(method: &str) -> u16 {
    let place = METHODS.iter().position(|known| *known == method);
    place.map_or(0, |place| 1 << place)
}

/// Bits of the methods whose operations are deprecated.
fn deprecated(operations: &BTreeMap<String, Operation>) -> u16 {
    let marked = operations
        .iter()
        .filter(|(_, operation)| matches!(operation, Operation::Marked { deprecated: true }));
    marked.fold(0, |bits, (method, _)| {
        bits | bit(&method.to_ascii_uppercase())
    })
}

/// Paths of the servers' URLs, without final slash, below `base_path`.
fn prefixes(servers: &[Server], base_path: &str) -> Vec<String> {
    let mut prefixes: Vec<String> = servers
        .iter()
        .map(|server| server.prefix(base_path))
        .collect();
    if prefixes.is_empty() {
        prefixes.push(base_path.to_owned());
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}

impl Server {
    fn prefix(&self, base_path: &str) -> String {
        let mut url = self.url.clone();
        for (name, variable) in &self.variables {
            url = url.replace(&format!("{{{name}}}"), &variable.default);
        }
        let path = match url.split_once("://") {
            Some((_, rest)) => rest
                .find('/')
                .and_then(|slash| rest.get(slash..))
                .unwrap_or_default(),
            None => url.as_str(),
        };
        let path = path
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .trim_matches('/');
        let path = if path.is_empty() {
            String::new()
        } else {
            format!("/{path}")
        };
        let below = path
            .strip_prefix(base_path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if below {
            path
        } else {
            format!("{base_path}{path}")
        }
    }
}

/// Writes what cannot stand in a request target as it is sent (RFC 3986 section 2.1).
fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
