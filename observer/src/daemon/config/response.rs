//! `[response]`: what may be done about whoever misbehaves, who never is, and what those get who are.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::checks;
use crate::identity::registry::network;
use crate::response::{Mode, Settings};

/// `[response]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Response {
    /// What incidents may do by themselves.
    pub mode: ResponseMode,
    /// Networks and consumers that are never acted against.
    #[serde(deserialize_with = "checks::allowed")]
    pub allow: Vec<String>,
    /// What the client of a refused request gets.
    pub refuse: Refuse,
    /// What becomes of actions when the daemon is stopped.
    pub on_stop: OnStop,
}

/// What incidents may do by themselves; commands always act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResponseMode {
    /// Nothing.
    #[default]
    Observe,
    /// Say what they would do.
    Propose,
    /// Do it.
    Act,
}

/// What the client of a refused request gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refuse {
    /// A response that says why, and the end of the connection.
    #[default]
    Answer,
    /// Only the end of the connection.
    Reset,
}

/// What becomes of actions when the daemon is stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnStop {
    /// They stay in force until their time is over.
    #[default]
    Keep,
    /// They end.
    Clear,
}

impl Response {
    /// What decides about actions; `own` are this host's addresses.
    pub fn settings(&self, own: Vec<IpAddr>) -> Settings {
        let mut settings = Settings {
            mode: self.mode.into(),
            own,
            ..Settings::default()
        };
        for entry in &self.allow {
            match network(entry) {
                Ok(network) => settings.networks.push(network),
                Err(_) => settings.consumers.push(entry.as_str().into()),
            }
        }
        settings
    }
}

impl From<ResponseMode> for Mode {
    fn from(mode: ResponseMode) -> Self {
        match mode {
            ResponseMode::Observe => Self::Observe,
            ResponseMode::Propose => Self::Propose,
            ResponseMode::Act => Self::Act,
        }
    }
}
