//! From documents to a registry: merges them and refuses what is there twice or points nowhere.
//!
//! Invariant: everything is checked before anything is returned; there is no half registry.

use std::sync::Arc;

use hashbrown::HashMap;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use toml::Spanned;

use super::super::document::{self, Fault, suggestion};
use super::super::extract::Scheme;
use super::super::money::Currency;
use super::model::{Document, KeyStanza};
use super::places::{Mark, Place, Places, place};
use super::plan::PlanFault;
use super::value::{self, Id};
use super::{Account, App, ClearIdentity, Handle, KeyEntry, Plan, Registry, Terms};

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

/// Bytes of a part at least. A reader of TOML holds some twenty times as many while it reads.
const PART: usize = 1 << 20;

/// Reads a document, a large one in parts that begin with an account or a plan: it then takes a tenth of the memory. Each with
/// the byte at which it begins. Where a part cannot be read by itself (a string over several lines may hold what looks like
/// the beginning of one), the document is read as a whole, and says what is wrong with it.
fn parts(text: &str) -> Result<Vec<(usize, Document)>, Fault> {
    let mut parts = Vec::new();
    let mut start = 0;
    // An array that begins as a value cannot go on in tables; only as a whole is that told.
    let head = text
        .find("\n[")
        .map_or(text, |end| text.get(..end).unwrap_or(text));
    if text.len() > PART && head.contains('=') && !head.starts_with('[') {
        return whole(text);
    }
    while text.len() - start > PART {
        let Some(end) = boundary(text, start + PART) else {
            break;
        };
        let part = text.get(start..end).unwrap_or_default();
        match document::read(part) {
            Ok(document) => parts.push((start, document)),
            Err(_) => return whole(text),
        }
        start = end;
    }
    match document::read(text.get(start..).unwrap_or_default()) {
        Ok(document) => {
            parts.push((start, document));
            Ok(parts)
        }
        Err(_) => whole(text),
    }
}

fn whole(text: &str) -> Result<Vec<(usize, Document)>, Fault> {
    document::read(text).map(|document| vec![(0, document)])
}

/// A line at or after `from` that begins an account or a plan.
fn boundary(text: &str, from: usize) -> Option<usize> {
    let rest = text.as_bytes().get(from..)?;
    let found = memchr::memmem::find_iter(rest, b"\n[[").find(|at| {
        let line = rest.get(at + 1..).unwrap_or_default();
        line.starts_with(b"[[account]]") || line.starts_with(b"[[plan]]")
    });
    found.map(|at| from + at + 1)
}

/// A plan that an account has to find.
struct Wanted {
    plan: Arc<str>,
    mark: Mark,
    account: Arc<str>,
    currency: Option<(Currency, Mark)>,
}

struct Loader<'a, N, T> {
    documents: &'a [(N, T)],
    registry: Registry,
    places: Places,
    /// With the number of the plan.
    plans: HashMap<Arc<str>, (Mark, usize)>,
    wanted: Vec<Wanted>,
}

pub(super) fn load<N: AsRef<str>, T: AsRef<str>>(
    documents: &[(N, T)],
) -> Result<(Registry, Places), RegistryError> {
    let mut loader = Loader {
        documents,
        registry: Registry::default(),
        places: Places::default(),
        plans: HashMap::new(),
        wanted: Vec::new(),
    };
    for (number, (name, text)) in documents.iter().enumerate() {
        let parts =
            parts(text.as_ref()).map_err(|Fault { line, what }| RegistryError::Invalid {
                place: Place {
                    file: name.as_ref().into(),
                    line,
                },
                what,
            })?;
        for (offset, part) in parts {
            loader.document((number, offset), part)?;
        }
    }
    loader.finish()
}

impl<N: AsRef<str>, T: AsRef<str>> Loader<'_, N, T> {
    /// Takes a part of a document, which begins at `start`.
    fn document(&mut self, start: Mark, document: Document) -> Result<(), RegistryError> {
        for plan in document.plan {
            let mark = (start.0, start.1 + plan.span().start);
            let plan = plan.into_inner().plan();
            let plan = plan.map_err(|fault| self.plan_fault(start, fault))?;
            let entry = (mark, self.registry.plans.len());
            if let Some((first, _)) = self.plans.insert(Arc::clone(&plan.id), entry) {
                return Err(self.duplicate(mark, first, format!("plan id `{}`", plan.id)));
            }
            self.registry.plans.push(plan);
        }
        for stanza in document.account {
            let (consumer, mark) = shared(stanza.id, start);
            if let Some(first) = self.places.accounts.insert(Arc::clone(&consumer), mark) {
                return Err(self.duplicate(mark, first, format!("account id `{consumer}`")));
            }
            let currency = stanza.currency.map(|currency| {
                let mark = (start.0, start.1 + currency.span().start);
                (currency.into_inner(), mark)
            });
            let plan = stanza.plan.map(|plan| shared(plan, start));
            self.wanted.extend(plan.clone().map(|(plan, mark)| Wanted {
                plan,
                mark,
                account: Arc::clone(&consumer),
                currency,
            }));
            let time_zone = stanza.time_zone.map(|name| {
                let mark = (start.0, start.1 + name.span().start);
                value::time_zone(name.get_ref()).map_err(|what| self.invalid(mark, what))
            });
            let at =
                u32::try_from(self.registry.accounts.len()).map_err(|_| RegistryError::TooMany)?;
            self.registry.by_account.insert(Arc::clone(&consumer), at);
            self.registry.accounts.push(Account {
                id: Arc::clone(&consumer),
                name: stanza.name,
                contact: stanza.contact,
                terms: stanza.terms,
                plan: plan.map(|(id, _)| id),
                address: stanza.address,
                country: stanza.country,
                vat_id: stanza.vat_id,
                vat: stanza.vat,
                currency: currency.map(|(currency, _)| currency),
                time_zone: time_zone.transpose()?,
            });
            for stanza in stanza.app {
                let (app, mark) = shared(stanza.id, start);
                if let Some(first) = self.places.apps.insert(Arc::clone(&app), mark) {
                    return Err(self.duplicate(mark, first, format!("app id `{app}`")));
                }
                self.registry.apps.push(App {
                    id: Arc::clone(&app),
                    consumer: Arc::clone(&consumer),
                    owner: stanza.owner,
                });
                for stanza in stanza.key {
                    self.key(start, &consumer, &app, stanza)?;
                }
            }
        }
        Ok(())
    }

    fn key(
        &mut self,
        start: Mark,
        consumer: &Arc<str>,
        app: &Arc<str>,
        stanza: KeyStanza,
    ) -> Result<(), RegistryError> {
        let (key, mark) = shared(stanza.id, start);
        let at = u32::try_from(self.registry.keys.len()).map_err(|_| RegistryError::TooMany)?;
        if let Some((first, _)) = self.places.keys.insert(Arc::clone(&key), (mark, at)) {
            return Err(self.duplicate(mark, first, format!("key id `{key}`")));
        }
        let handle = match (stanza.fp, stanza.scheme, stanza.subject, stanza.issuer) {
            (Some(fingerprint), None, None, None) => Handle::Fingerprint(fingerprint),
            (None, Some(scheme), Some(subject), issuer)
                if issuer.is_none() || scheme == Scheme::Jwt =>
            {
                Handle::Identity(Arc::new(ClearIdentity {
                    scheme,
                    issuer: issuer.unwrap_or_default(),
                    subject,
                }))
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
        let earlier = match &handle {
            Handle::Fingerprint(fingerprint) => {
                self.registry.by_fingerprint.insert(*fingerprint, at)
            }
            Handle::Identity(identity) => {
                self.registry.by_identity.insert(Arc::clone(identity), at)
            }
        };
        if let Some(earlier) = earlier {
            let first = usize::try_from(earlier)
                .ok()
                .and_then(|earlier| self.places.key_marks.get(earlier))
                .copied()
                .unwrap_or(mark);
            return Err(self.duplicate(mark, first, handle.words()));
        }
        self.places.key_marks.push(mark);
        self.registry.keys.push(KeyEntry {
            consumer: Arc::clone(consumer),
            app: Arc::clone(app),
            key,
            handle,
            hint: stanza.hint,
            state: stanza.state,
            valid_from: stanza.valid_from,
            expires: stanza.expires,
            agreed: None,
            networks: stanza.networks,
            routes: stanza.routes,
        });
        Ok(())
    }

    fn finish(mut self) -> Result<(Registry, Places), RegistryError> {
        for wanted in &self.wanted {
            self.find(wanted)?;
        }
        self.registry.keys.shrink_to_fit();
        self.agree();
        Ok((self.registry, self.places))
    }

    /// That the plan of an account is there, and in the account's currency.
    fn find(&self, wanted: &Wanted) -> Result<(), RegistryError> {
        let Wanted { plan, account, .. } = wanted;
        let Some((_, number)) = self.plans.get(plan) else {
            let near = suggestion(plan, self.plans.keys().map(|id| &**id));
            return Err(self.invalid(wanted.mark, format!("unknown plan `{plan}`{near}")));
        };
        let plan = self.registry.plans.get(*number);
        let priced = plan.and_then(Plan::currency);
        match (wanted.currency, priced) {
            (Some((own, mark)), Some(priced)) if own != priced => Err(self.invalid(
                mark,
                format!(
                    "account `{account}` is invoiced in {own}, and its plan `{}` is in {priced}",
                    wanted.plan
                ),
            )),
            _ => Ok(()),
        }
    }

    fn plan_fault(&self, (number, start): Mark, fault: PlanFault) -> RegistryError {
        match fault {
            PlanFault::Invalid(at, what) => self.invalid((number, start + at), what),
            PlanFault::Twice { at, first, what } => {
                self.duplicate((number, start + at), (number, start + first), what)
            }
        }
    }

    /// Notes from when on each key is used under terms that were accepted.
    fn agree(&mut self) {
        let plans: HashMap<&str, &Plan> = self
            .registry
            .plans
            .iter()
            .map(|plan| (&*plan.id, plan))
            .collect();
        let accounts = self.registry.accounts.iter().filter_map(|account| {
            let plan = account
                .plan
                .as_ref()
                .and_then(|plan| plans.get(&**plan).copied());
            let asked = plan.and_then(|plan| plan.terms.as_deref());
            Some((
                Arc::clone(&account.id),
                agreed(account.terms.as_ref(), asked)?,
            ))
        });
        let accounts: HashMap<Arc<str>, Timestamp> = accounts.collect();
        if accounts.is_empty() {
            return;
        }
        for key in &mut self.registry.keys {
            key.agreed = accounts.get(&key.consumer).copied();
        }
    }

    fn place(&self, mark: Mark) -> Place {
        place(self.documents, mark)
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

/// From when on an account's use is under accepted terms; `None` when that was never in question. `asked`: the version that
/// its plan asks for.
fn agreed(terms: Option<&Terms>, asked: Option<&str>) -> Option<Timestamp> {
    let accepted = terms
        .filter(|terms| asked.is_none_or(|asked| *terms.version == *asked))
        .and_then(|terms| terms.accepted)
        .and_then(|day| day.to_zoned(TimeZone::UTC).ok())
        .map(|day| day.timestamp());
    accepted.or(asked.map(|_| Timestamp::MAX))
}

fn shared(id: Spanned<Id>, (number, start): Mark) -> (Arc<str>, Mark) {
    let mark = (number, start + id.span().start);
    (id.into_inner().0.into(), mark)
}
