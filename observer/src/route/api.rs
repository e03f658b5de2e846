//! Configured APIs: which requests are theirs, what they declare, and what was learned below them.

use std::sync::Arc;

use super::target::HostName;
use super::template::Learned;
use super::{OpenApiError, Standing, openapi, segment};

/// One `[[api]]` of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Api {
    /// Name in records and labels.
    pub name: String,
    /// Exact host names, or `*.example` for every name below `example`. Empty: every host.
    pub hosts: Vec<String>,
    /// Path under which the API stands, such as `/v1`. Empty: the root.
    pub base_path: String,
    /// Text of an OpenAPI 3 document, JSON or YAML.
    pub openapi: Option<String>,
    /// Operations that need no credential: `GET /v1/status`, or a path for every method. `{x}` is any one segment.
    pub public: Vec<String>,
}

/// Why an `[[api]]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Two APIs of one name would share their counters.
    #[error("api {name:?} is configured twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A host that is no host name.
    #[error("api {api:?}: {host:?} is no host name (expected a name, an address, or *.name)")]
    Host {
        /// Name of the API.
        api: String,
        /// The value.
        host: String,
    },
    /// A path that does not start with a slash.
    #[error("api {api:?}: path {path:?} does not start with /")]
    Path {
        /// Name of the API.
        api: String,
        /// The value.
        path: String,
    },
    /// A document that cannot be used.
    #[error("api {api:?}: OpenAPI document: {source}")]
    OpenApi {
        /// Name of the API.
        api: String,
        /// What is wrong with it.
        source: OpenApiError,
    },
}

/// One API with its routes.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) name: Arc<str>,
    pub(super) declared: openapi::Paths,
    public: Vec<Public>,
    pub(super) learned: Learned,
}

#[derive(Debug)]
struct Public {
    method: Option<Box<str>>,
    path: Box<str>,
}

/// Which requests go to a configured API.
#[derive(Debug)]
pub(super) struct Selector {
    hosts: Vec<HostPattern>,
    base_path: Box<str>,
    pub(super) scope: usize,
}

#[derive(Debug)]
enum HostPattern {
    Exact(Box<str>),
    /// With its leading dot.
    Below(Box<str>),
}

impl Api {
    /// Without its final slash.
    fn base_path(&self) -> Result<&str, RouteError> {
        let path = self.base_path.trim_end_matches('/');
        if path.is_empty() || path.starts_with('/') {
            Ok(path)
        } else {
            Err(self.path_error(&self.base_path))
        }
    }

    fn path_error(&self, path: &str) -> RouteError {
        RouteError::Path {
            api: self.name.clone(),
            path: path.to_owned(),
        }
    }
}

impl Scope {
    /// With the document and the public operations of this API.
    pub(super) fn declared(api: &Api, max_templates: usize) -> Result<Self, RouteError> {
        let mut scope = Self::learned(api.name.as_str().into());
        for operation in &api.public {
            let (method, path) = match operation.split_once(' ') {
                Some((method, path)) => (Some(method.trim().into()), path.trim()),
                None => (None, operation.as_str()),
            };
            if !path.starts_with('/') {
                return Err(api.path_error(path));
            }
            scope.public.push(Public {
                method,
                path: path.into(),
            });
        }
        if let Some(text) = &api.openapi {
            scope.declared =
                openapi::Paths::parse(text, api.base_path()?, max_templates).map_err(|source| {
                    RouteError::OpenApi {
                        api: api.name.clone(),
                        source,
                    }
                })?;
        }
        Ok(scope)
    }

    pub(super) fn learned(name: Arc<str>) -> Self {
        Self {
            name,
            declared: openapi::Paths::default(),
            public: Vec::new(),
            learned: Learned::default(),
        }
    }

    /// What the document says of an operation, and its declared route. `None`: there is no document.
    pub(super) fn stands(&self, method: &str, path: &str) -> Option<(Standing, Option<&Arc<str>>)> {
        if self.declared.is_empty() {
            return None;
        }
        Some(match self.declared.find(path) {
            Some(declared) if declared.is_deprecated(method) => {
                (Standing::Deprecated, Some(&declared.route))
            }
            Some(declared) => (Standing::Declared, Some(&declared.route)),
            None => (Standing::Undeclared, None),
        })
    }

    pub(super) fn is_public(&self, method: &str, path: &str) -> bool {
        self.public.iter().any(|public| {
            public
                .method
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
                && segment::matches(&public.path, path)
        })
    }
}

impl Selector {
    pub(super) fn of(api: &Api, scope: usize) -> Result<Self, RouteError> {
        let host_error = |host: &str| RouteError::Host {
            api: api.name.clone(),
            host: host.to_owned(),
        };
        let mut hosts = Vec::with_capacity(api.hosts.len());
        for host in &api.hosts {
            let below = host.strip_prefix("*.");
            let name = HostName::of(Some(below.unwrap_or(host)));
            let name = name.as_str().ok_or_else(|| host_error(host))?;
            hosts.push(match below {
                Some(_) => HostPattern::Below(format!(".{name}").into()),
                None => HostPattern::Exact(name.into()),
            });
        }
        Ok(Self {
            hosts,
            base_path: api.base_path()?.into(),
            scope,
        })
    }

    /// Whether a host is one of its own; `None`: it names none.
    pub(super) fn knows(&self, host: &str) -> Option<bool> {
        let own = || {
            let mut patterns = self.hosts.iter();
            patterns.any(|pattern| pattern.matches(host).is_some())
        };
        (!self.hosts.is_empty()).then(own)
    }

    /// How specifically this API matches: host first (exact, below, any), then length of the base path.
    pub(super) fn matches(&self, host: Option<&str>, path: Option<&str>) -> Option<(u8, usize)> {
        let rank = if self.hosts.is_empty() {
            0
        } else {
            let host = host?;
            self.hosts
                .iter()
                .filter_map(|pattern| pattern.matches(host))
                .max()?
        };
        let base = &*self.base_path;
        let below = match path {
            Some(path) => path
                .strip_prefix(base)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            None => base.is_empty(),
        };
        below.then_some((rank, base.len()))
    }
}

impl HostPattern {
    fn matches(&self, host: &str) -> Option<u8> {
        match self {
            Self::Exact(name) => (**name == *host).then_some(2),
            Self::Below(suffix) => {
                (host.len() > suffix.len() && host.ends_with(&**suffix)).then_some(1)
            }
        }
    }
}
