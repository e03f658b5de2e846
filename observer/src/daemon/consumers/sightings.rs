//! What the ledger knows of credentials: baselines of those in use, and whether a key was ever counted.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::super::config::Config;
use super::super::failure::Failure;
use super::super::reading::{self, Known};
use super::super::report::{Cell, Report};
use crate::awareness::KeyView;
use crate::identity::Registry;
use crate::store::{self, Period};

/// What was seen of credentials, up to now.
pub struct Sightings {
    /// Seconds since 1970 in UTC at which the first was seen; `None`: nothing is known.
    pub since: Option<u64>,
    /// The time.
    pub now: u64,
    /// Certain exchanges among all that must have been.
    pub completeness: f64,
    /// What else is to be said of it, a sentence each.
    pub notes: Vec<String>,
    /// Credentials with a baseline.
    pub views: Vec<KeyView>,
    /// The ledger.
    pub ledger: Option<store::Reader>,
}

impl Sightings {
    /// Reads them.
    ///
    /// # Errors
    /// When there is no ledger.
    pub fn read(config: &Config, registry: &Registry) -> Result<Self, Failure> {
        let known = Known::read(config, registry)?;
        Ok(Self {
            since: (known.view.since != 0).then_some(known.view.since),
            now: known.now,
            completeness: known.completeness,
            notes: known.note.into_iter().collect(),
            views: known.view.keys,
            ledger: Some(known.ledger),
        })
    }

    /// Reads them where there is a ledger; without, says that nothing is known.
    pub fn read_if_any(config: &Config, registry: &Registry) -> Self {
        Self::read(config, registry).unwrap_or_else(|_| Self {
            since: None,
            now: reading::now(),
            completeness: 1.0,
            notes: vec![
                "there is no ledger that can be read here: nothing is known of use".to_owned(),
            ],
            views: Vec::new(),
            ledger: None,
        })
    }

    /// Ids of registered keys that were ever counted, for as long as the ledger keeps usage.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn counted(&self) -> Result<HashSet<String>, Failure> {
        let Some(ledger) = &self.ledger else {
            return Ok(HashSet::new());
        };
        let all = Period {
            from: 0,
            until: (self.now / 86_400 + 1) * 86_400,
        };
        let rows =
            store::usage(ledger, all, &["key"]).map_err(|error| Failure::input("ledger", error))?;
        let ids = rows
            .into_iter()
            .filter_map(|row| row.group.into_iter().next());
        Ok(ids.collect())
    }

    /// What is known of registered keys, by id.
    pub fn registered(&self) -> HashMap<&str, &KeyView> {
        let registered = self.views.iter().filter(|view| view.registered);
        registered.map(|view| (&*view.key, view)).collect()
    }

    /// Last use by id of the key.
    pub fn last(&self) -> HashMap<Arc<str>, u64> {
        let registered = self.views.iter().filter(|view| view.registered);
        registered
            .map(|view| (Arc::clone(&view.key), view.last))
            .collect()
    }

    /// An answer over this time.
    pub fn report(
        &self,
        columns: Vec<&'static str>,
        rows: Vec<Vec<Cell>>,
        nothing: &'static str,
    ) -> Report {
        Report {
            from: self.since.unwrap_or(self.now),
            to: self.now,
            completeness: self.completeness,
            notes: self.notes.clone(),
            columns,
            rows,
            nothing,
        }
    }
}
