//! The configuration: every name of observer.toml with its default, checked as a whole before any of it is used.
//!
//! Invariant: a value of type [`Config`] is valid; an empty file and no file give the defaults.

mod checks;
mod files;
mod response;
mod sections;
#[cfg(test)]
mod tests;
mod values;

pub(super) use files::random;
pub use files::{FileError, draft, load_pepper, load_registry, read_registry};
pub use response::{OnStop, Refuse, Response, ResponseMode};
pub use sections::{
    Api, Capture, CaptureMode, Control, Credential, Http, Identity, Incidents, Ledger, Metrics,
    Privacy, Records, Seller, Statements, Targets, Tls,
};
pub use values::{Bytes, Network, Period};

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::identity::document::{self, Fault};
use crate::identity::{IdentitySettings, TargetPrivacy};

/// Where the configuration is looked for when no file is named.
pub const DEFAULT_PATH: &str = "/etc/observer/observer.toml";
/// A longer file is no configuration.
const FILE_BYTES: u64 = 4 << 20;

/// The effective configuration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[capture]`
    pub capture: Capture,
    /// `[http]`
    pub http: Http,
    /// `[tls]`
    pub tls: Tls,
    /// `[response]`
    pub response: Response,
    /// `[control]`
    pub control: Control,
    /// `[seller]`
    pub seller: Seller,
    /// `[identity]`
    pub identity: Identity,
    /// `[privacy]`
    pub privacy: Privacy,
    /// `[ledger]`
    pub ledger: Ledger,
    /// `[incidents]`
    pub incidents: Incidents,
    /// `[records]`
    pub records: Records,
    /// `[statements]`
    pub statements: Statements,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[[api]]`
    pub api: Vec<Api>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not valid.
    #[error(transparent)]
    Invalid(#[from] Fault),
    /// The text of a file is not valid.
    #[error("{}: {fault}", file.display())]
    InvalidFile {
        /// The file.
        file: PathBuf,
        /// What is wrong in it.
        fault: Fault,
    },
    /// The file could not be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Config {
    /// Reads and checks a text.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = document::read(text)?;
        config.check(text)?;
        Ok(config)
    }

    /// Reads a file; without a name, that at [`DEFAULT_PATH`] if there is one, else the defaults.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        match files::read_bounded(file, FILE_BYTES) {
            Ok(text) => Self::parse(&text).map_err(|error| match error {
                ConfigError::Invalid(fault) => ConfigError::InvalidFile {
                    file: file.to_owned(),
                    fault,
                },
                other => other,
            }),
            Err(source) if path.is_none() && source.kind() == io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(source) => Err(ConfigError::Read {
                file: file.to_owned(),
                source,
            }),
        }
    }

    /// The effective configuration as TOML, defaults included.
    pub fn show(&self) -> String {
        toml::to_string(self).unwrap_or_else(|error| format!("# cannot be shown: {error}\n"))
    }

    /// What attribution needs of it; `local` are this host's own addresses.
    pub fn identity_settings(&self, local: Vec<IpAddr>) -> IdentitySettings {
        IdentitySettings {
            credentials: self
                .identity
                .credential
                .iter()
                .map(|credential| credential.rule().clone())
                .collect(),
            usual_places: self.identity.usual_places,
            trusted_proxies: self
                .http
                .trusted_proxies
                .iter()
                .map(|network| network.0)
                .collect(),
            gateways: self
                .identity
                .gateways
                .iter()
                .map(|network| network.0)
                .collect(),
            local,
        }
    }

    /// What a record may keep of a request target.
    pub fn target_privacy(&self) -> TargetPrivacy {
        match self.privacy.targets {
            Targets::Route => TargetPrivacy::Route,
            Targets::Path => TargetPrivacy::Path,
            Targets::Full => TargetPrivacy::Full,
        }
    }

    /// What no value can tell by itself.
    fn check(&self, text: &str) -> Result<(), Fault> {
        for (number, api) in self.api.iter().enumerate() {
            let earlier = self.api.iter().take(number);
            if earlier
                .clone()
                .any(|other| other.name.get_ref() == api.name.get_ref())
            {
                return Err(Fault::at(
                    text,
                    api.name.span().start,
                    format!("a second [[api]] named `{}`", api.name.get_ref().0),
                ));
            }
            let same = |other: &&Api| {
                other.base_path == api.base_path
                    && (other.hosts.is_empty() && api.hosts.is_empty()
                        || other.hosts.iter().any(|host| api.hosts.contains(host)))
            };
            if let Some(other) = earlier.clone().find(same) {
                let what = format!(
                    "[[api]] `{}` has a host and base_path of `{}`",
                    api.name.get_ref().0,
                    other.name.get_ref().0
                );
                return Err(Fault::at(text, api.name.span().start, what));
            }
        }
        Ok(())
    }
}
