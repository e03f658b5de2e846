//! From documents to a registry: merges them and refuses what is there twice or points nowhere.
//!
//! Invariant: everything is checked before anything is returned; there is no half registry.

use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;
use toml::Spanned;

use super::super::document::{self, Fault, suggestion};
use super::super::extract::Scheme;
use super::model::{Document, KeyStanza};
use super::value::{Id, Shown};
use super::{Account, App, ClearIdentity, KeyEntry, Registry};

/// A line of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The document's name.
    pub file: Box<str>,
    /// Line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: line {}", self.file, self.line)
    }
}

/// Why documents are no registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// A document that cannot be read.
    #[error("{place}: {what}")]
    Invalid {
        /// Where.
        place: Place,
        /// What is wrong there.
        what: String,
    },
    /// Something that may be there once.
    #[error("{place}: {what} is already at {first}")]
    Duplicate {
        /// The second one.
        place: Place,
        /// What it is, with its value.
        what: String,
        /// The first one.
        first: Place,
    },
    /// More keys than the registry can number.
    #[error("more than {} keys", u32::MAX)]
    TooMany,
}

/// A place that costs nothing to note: number of the document, byte offset.
type Mark = (usize, usize);

struct Loader<'a, N, T> {
    documents: &'a [(N, T)],
    registry: Registry,
    accounts: HashMap<Arc<str>, Mark>,
    apps: HashMap<Arc<str>, Mark>,
    keys: HashMap<Arc<str>, Mark>,
    plans: HashMap<Arc<str>, Mark>,
    /// By number of the key.
    key_marks: Vec<Mark>,
    wanted_plans: Vec<(Arc<str>, Mark)>,
}

pub(super) fn load<N: AsRef<str>, T: AsRef<str>>(
    documents: &[(N, T)],
) -> Result<Registry, RegistryError> {
    let mut loader = Loader {
        documents,
        registry: Registry::default(),
        accounts: HashMap::new(),
        apps: HashMap::new(),
        keys: HashMap::new(),
        plans: HashMap::new(),
        key_marks: Vec::new(),
        wanted_plans: Vec::new(),
    };
    for (number, (name, text)) in documents.iter().enumerate() {
        let document =
            document::read::<Document>(text.as_ref()).map_err(|Fault { line, what }| {
                RegistryError::Invalid {
                    place: Place {
                        file: name.as_ref().into(),
                        line,
                    },
                    what,
                }
            })?;
        loader.document(number, document)?;
    }
    loader.finish()
}

impl<N: AsRef<str>, T: AsRef<str>> Loader<'_, N, T> {
    fn document(&mut self, number: usize, document: Document) -> Result<(), RegistryError> {
        for plan in document.plan {
            let mark = (number, plan.span().start);
            let plan = plan.into_inner();
            if let Some(price) = plan
                .prices
                .iter()
                .find(|price| !price.tiers.is_sorted_by(|a, b| a.from < b.from))
            {
                return Err(self.invalid(
                    mark,
                    format!(
                        "tiers of meter `{}` in plan `{}` do not ascend",
                        price.meter.0, plan.id
                    ),
                ));
            }
            if let Some(first) = self.plans.insert(Arc::clone(&plan.id), mark) {
                return Err(self.duplicate(mark, first, format!("plan id `{}`", plan.id)));
            }
            self.registry.plans.push(plan);
        }
        for stanza in document.account {
            let (consumer, mark) = shared(stanza.id, number);
            if let Some(first) = self.accounts.insert(Arc::clone(&consumer), mark) {
                return Err(self.duplicate(mark, first, format!("account id `{consumer}`")));
            }
            let plan = stanza.plan.map(|plan| shared(plan, number));
            self.wanted_plans.extend(plan.clone());
            self.registry.accounts.push(Account {
                id: Arc::clone(&consumer),
                name: stanza.name,
                contact: stanza.contact,
                terms: stanza.terms,
                plan: plan.map(|(id, _)| id),
                address: stanza.address,
                country: stanza.country,
                vat_id: stanza.vat_id,
                currency: stanza.currency,
            });
            for stanza in stanza.app {
                let (app, mark) = shared(stanza.id, number);
                if let Some(first) = self.apps.insert(Arc::clone(&app), mark) {
                    return Err(self.duplicate(mark, first, format!("app id `{app}`")));
                }
                self.registry.apps.push(App {
                    id: Arc::clone(&app),
                    consumer: Arc::clone(&consumer),
                    owner: stanza.owner,
                });
                for stanza in stanza.key {
                    self.key(number, &consumer, &app, stanza)?;
                }
            }
        }
        Ok(())
    }

    fn key(
        &mut self,
        number: usize,
        consumer: &Arc<str>,
        app: &Arc<str>,
        stanza: KeyStanza,
    ) -> Result<(), RegistryError> {
        let (key, mark) = shared(stanza.id, number);
        if let Some(first) = self.keys.insert(Arc::clone(&key), mark) {
            return Err(self.duplicate(mark, first, format!("key id `{key}`")));
        }
        let identity = match (stanza.fp, stanza.scheme, stanza.subject, stanza.issuer) {
            (Some(_), None, None, None) => None,
            (None, Some(scheme), Some(subject), issuer)
                if issuer.is_none() || scheme == Scheme::Jwt =>
            {
                Some(ClearIdentity {
                    scheme,
                    issuer: issuer.unwrap_or_default(),
                    subject,
                })
            }
            _ => {
                let what = format!(
                    "key `{key}` needs either `fp`, or `scheme` and `subject` (and `issuer` for a jwt whose tokens have an `iss`)"
                );
                return Err(self.invalid(mark, what));
            }
        };
        if let (Some(from), Some(to)) = (stanza.valid_from, stanza.expires)
            && from >= to
        {
            return Err(self.invalid(
                mark,
                format!("key `{key}` expires ({to}) before it becomes valid ({from})"),
            ));
        }
        let at = u32::try_from(self.registry.keys.len()).map_err(|_| RegistryError::TooMany)?;
        let earlier = match (&stanza.fp, identity) {
            (Some(fingerprint), _) => self
                .registry
                .by_fingerprint
                .insert(*fingerprint, at)
                .map(|earlier| (earlier, format!("fingerprint {fingerprint}"))),
            (None, Some(identity)) => {
                let what = format!(
                    "{} subject `{}`",
                    identity.scheme.name(),
                    Shown(&identity.subject)
                );
                self.registry
                    .by_identity
                    .insert(identity, at)
                    .map(|earlier| (earlier, what))
            }
            (None, None) => None,
        };
        if let Some((earlier, what)) = earlier {
            let first = usize::try_from(earlier)
                .ok()
                .and_then(|earlier| self.key_marks.get(earlier))
                .copied()
                .unwrap_or(mark);
            return Err(self.duplicate(mark, first, what));
        }
        self.key_marks.push(mark);
        self.registry.keys.push(KeyEntry {
            consumer: Arc::clone(consumer),
            app: Arc::clone(app),
            key,
            fingerprint: stanza.fp,
            hint: stanza.hint,
            state: stanza.state,
            valid_from: stanza.valid_from,
            expires: stanza.expires,
            networks: stanza.networks,
            routes: stanza.routes,
        });
        Ok(())
    }

    fn finish(mut self) -> Result<Registry, RegistryError> {
        for (plan, mark) in &self.wanted_plans {
            if !self.plans.contains_key(plan) {
                let near = suggestion(plan, self.plans.keys().map(|id| &**id));
                return Err(self.invalid(*mark, format!("unknown plan `{plan}`{near}")));
            }
        }
        self.registry.keys.shrink_to_fit();
        Ok(self.registry)
    }

    fn place(&self, (number, offset): Mark) -> Place {
        let (file, line) = self.documents.get(number).map_or(("", 0), |(name, text)| {
            (name.as_ref(), Fault::at(text.as_ref(), offset, "").line)
        });
        Place {
            file: file.into(),
            line,
        }
    }

    fn invalid(&self, mark: Mark, what: String) -> RegistryError {
        RegistryError::Invalid {
            place: self.place(mark),
            what,
        }
    }

    fn duplicate(&self, mark: Mark, first: Mark, what: String) -> RegistryError {
        RegistryError::Duplicate {
            place: self.place(mark),
            what,
            first: self.place(first),
        }
    }
}

fn shared(id: Spanned<Id>, number: usize) -> (Arc<str>, Mark) {
    let mark = (number, id.span().start);
    (id.into_inner().0.into(), mark)
}
