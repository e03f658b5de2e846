//! Reading configuration and registry again, whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::super::cli;
use super::super::config::Config;
use super::super::failure::Failure;
use super::super::rules;
use super::overrule;
use crate::identity::{Attributor, Fingerprinter, Registry};
use crate::route::Routes;

/// Rules to take over.
pub struct NewRules {
    /// How requests are attributed.
    pub attributor: Attributor,
    /// Whose keys are whose.
    pub registry: Arc<Registry>,
    /// APIs, where they changed: learned routes are forgotten with the old ones.
    pub routes: Option<Routes>,
    /// What fingerprints keys.
    pub fingerprinter: Fingerprinter,
    /// All that was read.
    pub config: Config,
}

/// Reads again what may change while the daemon runs.
pub struct Reloader {
    arguments: cli::Run,
    config: Config,
    own: Vec<IpAddr>,
    seen: Stamp,
}

/// Names, sizes and times of the registry's files.
type Stamp = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

impl Reloader {
    /// Starts from what is in force.
    pub fn new(arguments: cli::Run, config: Config, own: Vec<IpAddr>) -> Self {
        let seen = stamp(&config.identity.registry);
        Self {
            arguments,
            config,
            own,
            seen,
        }
    }

    /// Whether files of the registry changed since the last look.
    pub fn registry_changed(&mut self) -> bool {
        let now = stamp(&self.config.identity.registry);
        if now == self.seen {
            return false;
        }
        self.seen = now;
        true
    }

    /// Reads everything again.
    ///
    /// # Errors
    /// The first thing that is wrong; nothing changes then.
    pub fn load(&mut self) -> Result<NewRules, Failure> {
        let mut config = rules::load_config(self.arguments.config.as_deref())?;
        overrule(&mut config, &self.arguments);
        let registry = rules::registry(&config)?;
        let routes = if config.api == self.config.api {
            None
        } else {
            Some(rules::routes(&config)?)
        };
        let fingerprinter = rules::fingerprinter(&config)?;
        let attributor = rules::attributor(&config, fingerprinter.clone(), self.own.clone());
        if config.capture != self.config.capture
            || config.metrics != self.config.metrics
            || config.records != self.config.records
        {
            tracing::warn!("[capture], [records] and [metrics] take effect at the next start only");
        }
        self.config = config.clone();
        Ok(NewRules {
            attributor,
            registry,
            routes,
            fingerprinter,
            config,
        })
    }
}

fn stamp(folder: &Path) -> Stamp {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let stamps = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        Some((entry.path(), (metadata.len(), metadata.modified().ok())))
    });
    stamps.collect()
}
