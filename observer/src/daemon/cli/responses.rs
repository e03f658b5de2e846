//! The words of `observer block`, `limit`, `unblock` and `responses`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Format, Period};
use crate::response::SubjectKind;

/// What every one of these commands takes.
#[derive(Clone, Debug, Args)]
pub struct Asked {
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What is to be done, about whom and for how long.
#[derive(Debug, Args)]
pub struct Act {
    /// Id of a key, an app or an account, a fingerprint, or a network such as 192.0.2.0/24
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// What TARGET is, where more than one thing has the name
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    /// How long: 1s to 24h
    #[arg(long = "for", value_name = "TIME", default_value = "1h")]
    pub period: String,
    /// Why; words in it that could be keys are cut
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// Only say what it would hit
    #[arg(long)]
    pub dry_run: bool,
    /// What all of them take.
    #[command(flatten)]
    pub asked: Asked,
}

/// `observer block`.
#[derive(Debug, Args)]
pub struct Block {
    /// What is to be done.
    #[command(flatten)]
    pub act: Act,
}

/// `observer limit`.
#[derive(Debug, Args)]
pub struct Limit {
    /// What is to be done.
    #[command(flatten)]
    pub act: Act,
    /// How many requests get through: 10/s, 600/m or 1000/h
    #[arg(long, value_name = "RATE")]
    pub rate: String,
}

/// `observer unblock`.
#[derive(Debug, Args)]
pub struct Unblock {
    /// Id of the action (r-...), or what `block` and `limit` take
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// What TARGET is, where more than one thing has the name
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    /// What all of them take.
    #[command(flatten)]
    pub asked: Asked,
}

/// `observer responses`.
#[derive(Debug, Subcommand)]
pub enum Responses {
    /// List what is in force, and what incidents propose
    List(ResponseList),
    /// Print all that is known of one, and what was done about it
    Show(One),
    /// Print the audit log: what was done, by whom and why
    Log(ResponseLog),
    /// Put a proposal in force
    Approve(One),
    /// Do not want a proposal
    Reject(One),
    /// End one that is in force, or take a proposal back
    Revert(One),
    /// End all of them at once
    Clear(Asked),
    /// Print what is in force as configuration or calls for a gateway, to look at: nothing is carried out
    Export(Export),
}

/// `observer responses list`.
#[derive(Debug, Args)]
pub struct ResponseList {
    /// Also those that are over, by when they began
    #[arg(long)]
    pub all: bool,
    /// With `--all`, when they began.
    #[command(flatten)]
    pub period: Period,
    /// What all of them take.
    #[command(flatten)]
    pub asked: Asked,
}

/// `observer responses log`.
#[derive(Debug, Args)]
pub struct ResponseLog {
    /// When it was done.
    #[command(flatten)]
    pub period: Period,
    /// What all of them take.
    #[command(flatten)]
    pub asked: Asked,
}

/// A command about one action.
#[derive(Debug, Args)]
pub struct One {
    /// Its id: r-...
    pub id: String,
    /// What all of them take.
    #[command(flatten)]
    pub asked: Asked,
}

/// `observer responses export`.
#[derive(Debug, Args)]
pub struct Export {
    /// For whom
    #[arg(value_enum, value_name = "FORMAT")]
    pub to: ResponseFormat,
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What decisions can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ResponseFormat {
    /// `geo`, `map` and `limit_req_zone` of nginx
    NginxMap,
    /// Map files of HAProxy
    HaproxyMap,
    /// Calls of Kong's Admin API, as a shell script
    Kong,
    /// Calls of Tyk's Gateway API, as a shell script
    Tyk,
    /// Calls of APISIX's Admin API, as a shell script
    Apisix,
    /// Decisions for `cscli decisions import`
    Crowdsec,
}

/// What a target may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// An account
    Consumer,
    /// An app
    App,
    /// A key
    Key,
    /// A credential, by its fingerprint
    Credential,
    /// A network
    Network,
}

impl From<Kind> for SubjectKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Consumer => Self::Consumer,
            Kind::App => Self::App,
            Kind::Key => Self::Key,
            Kind::Credential => Self::Credential,
            Kind::Network => Self::Network,
        }
    }
}
