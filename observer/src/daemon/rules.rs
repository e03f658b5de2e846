//! From configuration files to the rules of the pipeline.

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::config::{Config, load_pepper, load_registry, random};
use super::failure::Failure;
use crate::export::notify::Targets;
use crate::http::Limits;
use crate::identity::{Attributor, Fingerprinter, Pepper, Registry};
use crate::pipeline::{Pipeline, Settings};
use crate::route::{self, Routes};

/// Bytes of an OpenAPI document; the largest published ones have about 10 MiB.
const OPENAPI_BYTES: u64 = 64 << 20;

/// Reads the configuration.
///
/// # Errors
/// When it cannot be read or is not valid.
pub fn load_config(path: Option<&Path>) -> Result<Config, Failure> {
    Config::load(path).map_err(|error| Failure::input("configuration", error))
}

/// Reads the registry that the configuration names.
///
/// # Errors
/// When a file cannot be read or is not valid.
pub fn registry(config: &Config) -> Result<Arc<Registry>, Failure> {
    load_registry(&config.identity.registry)
        .map(Arc::new)
        .map_err(|error| Failure::input("registry", error))
}

/// What fingerprints keys, with the pepper that the configuration names; one is made where there is none.
///
/// # Errors
/// When the pepper cannot be read, made, or trusted.
pub fn fingerprinter(config: &Config) -> Result<Fingerprinter, Failure> {
    load_pepper(&config.identity.pepper_file)
        .map(|pepper| Fingerprinter::new(&pepper))
        .map_err(|error| Failure::input("pepper", error))
}

/// How requests are attributed; `own`: this host's addresses.
pub fn attributor(config: &Config, fingerprinter: Fingerprinter, own: Vec<IpAddr>) -> Attributor {
    Attributor::new(config.identity_settings(own), fingerprinter)
}

/// APIs and routes as configured, nothing learned yet.
///
/// # Errors
/// When an OpenAPI document cannot be read or used.
pub fn routes(config: &Config) -> Result<Routes, Failure> {
    let mut apis = Vec::with_capacity(config.api.len());
    for api in &config.api {
        let openapi = match &api.openapi {
            Some(path) => Some(document(path)?),
            None => None,
        };
        apis.push(route::Api {
            name: api.name.as_ref().0.to_string(),
            hosts: api.hosts.clone(),
            base_path: api.base_path.clone(),
            openapi,
            public: api.public.clone(),
        });
    }
    Routes::new(route::Settings::default(), &apis)
        .map_err(|error| Failure::input("configuration", error))
}

fn document(path: &Path) -> Result<String, Failure> {
    let read = fs::metadata(path).and_then(|metadata| {
        if metadata.len() > OPENAPI_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        fs::read_to_string(path)
    });
    read.map_err(|error| Failure::input(path.display(), error))
}

/// What fingerprints keys for this run alone: no hash of it says anything about a key afterwards.
///
/// # Errors
/// When no random bytes can be had.
pub fn passing_fingerprinter() -> io::Result<Fingerprinter> {
    let mut bytes = random()?;
    Ok(Fingerprinter::new(&Pepper::new(&mut bytes)))
}

/// What fingerprints keys in a replay: without access to the pepper, by one made for this run alone.
///
/// # Errors
/// When no random bytes can be had.
pub fn replay_fingerprinter(config: &Config) -> Result<Fingerprinter, Failure> {
    let refused = match fingerprinter(config) {
        Ok(fingerprinter) => return Ok(fingerprinter),
        Err(refused) => refused,
    };
    let passing = passing_fingerprinter().map_err(|error| Failure::input("random bytes", error))?;
    // Nobody is left to tell when standard error is gone.
    let _ = writeln!(
        io::stderr(),
        "{refused}; fingerprints of this run match no others, and no registered key"
    );
    Ok(passing)
}

/// A pipeline that follows the configuration. `listens`: the configured listener is this process's own.
///
/// # Errors
/// When the registry or an OpenAPI document cannot be used.
pub fn pipeline(
    config: &Config,
    fingerprinter: Fingerprinter,
    own: Vec<IpAddr>,
    listens: bool,
) -> Result<Pipeline, Failure> {
    let defaults = Settings::default();
    let settings = Settings {
        http: Limits {
            head_bytes: config.http.max_head_bytes.0 as usize,
            ..defaults.http
        },
        targets: config.target_privacy(),
        own_listener: listens.then_some(config.metrics.listen),
        ..defaults
    };
    let attributor = attributor(config, fingerprinter, own);
    Ok(Pipeline::new(
        settings,
        attributor,
        registry(config)?,
        routes(config)?,
    ))
}

/// `observer config check`: everything that `run` would read.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(path: Option<&Path>) -> Result<(), Failure> {
    let config = load_config(path)?;
    routes(&config)?;
    let registry = registry(&config)?;
    super::print(&format!(
        "configuration and registry are fine ({} keys)\n",
        registry.keys().len()
    ))
}

/// Who is told of incidents.
///
/// # Errors
/// When the file of the webhook's secret cannot be read.
pub fn targets(config: &Config) -> Result<Targets, Failure> {
    let secret = match &config.incidents.webhook_secret_file {
        Some(path) => {
            let text = fs::read(path).map(Zeroizing::new);
            let text = text.map_err(|error| Failure::input(path.display(), error))?;
            Some(Zeroizing::new(text.trim_ascii().to_vec()))
        }
        None => None,
    };
    Ok(Targets {
        webhook: config.incidents.webhook.clone(),
        secret,
        alertmanager: config.incidents.alertmanager.clone(),
    })
}
