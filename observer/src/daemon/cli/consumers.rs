//! The words of `observer consumers` and of the commands for registered keys.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Format;

/// `observer consumers`.
#[derive(Debug, Subcommand)]
pub enum Consumers {
    /// List accounts
    List(Listing),
    /// Show one account: its apps and keys
    Show {
        /// Id of the account.
        id: String,
        /// What every list takes.
        #[command(flatten)]
        listing: Listing,
    },
    /// Add an account, an app of it, a key of that
    Add(Box<Add>),
    /// Take over consumers and keys from a file of a gateway or a web server
    Import(Import),
    /// Print the registry in another format; keys stand in it as their fingerprints
    Export {
        /// The format
        #[arg(long, value_enum, default_value_t = ExportFormat::Toml)]
        format_of: ExportFormat,
        /// Configuration file [default: /etc/observer/observer.toml if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Say what is weak in the registry, with file and line; 0: nothing, 1: something, 2: it cannot be loaded
    Lint(Lint),
    /// List credentials that were accepted and are not registered
    Strangers(Listing),
    /// List keys that are registered and were never seen
    Orphans(Listing),
    /// Register a credential that was seen, by its fingerprint
    Adopt(Adopt),
}

/// What every list takes.
#[derive(Clone, Debug, Args)]
pub struct Listing {
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `observer consumers add`.
#[derive(Debug, Args)]
pub struct Add {
    /// Id of the account: 1 to 63 of a-z 0-9 . _ -
    pub account: String,
    /// Its name
    #[arg(long)]
    pub name: Option<String>,
    /// Whom to write to
    #[arg(long)]
    pub contact: Option<String>,
    /// Id of its plan
    #[arg(long)]
    pub plan: Option<String>,
    /// Version of the terms of use
    #[arg(long, value_name = "VERSION")]
    pub terms: Option<String>,
    /// The day on which they were accepted, such as 2026-01-14
    #[arg(long, value_name = "DATE", requires = "terms")]
    pub accepted: Option<String>,
    /// Id of an app; it is added where the account has none of this id
    #[arg(long)]
    pub app: Option<String>,
    /// Who runs the app
    #[arg(long, value_enum, requires = "app")]
    pub owner: Option<Owner>,
    /// File with the key, on one line; `-`: standard input. Only its fingerprint is written
    #[arg(long, value_name = "FILE", requires = "app")]
    pub key_file: Option<PathBuf>,
    /// Id of the key [default: made of the account and the fingerprint]
    #[arg(long, value_name = "ID", requires = "key_file")]
    pub key_id: Option<String>,
    /// What the key is recognised by; never the key
    #[arg(long, requires = "key_file")]
    pub hint: Option<String>,
    /// Not meant to be used before: a date (UTC) or a time
    #[arg(long, value_name = "TIME", requires = "key_file")]
    pub valid_from: Option<String>,
    /// Not meant to be used from then on
    #[arg(long, value_name = "TIME", requires = "key_file")]
    pub expires: Option<String>,
    /// Network that the key is expected from; may be repeated
    #[arg(long = "network", value_name = "NET", requires = "key_file")]
    pub networks: Vec<String>,
    /// File of the registry's folder to put a new account into [default: named after the account]
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Who runs an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Owner {
    /// The operator's own organisation
    Internal,
    /// A partner under contract
    Partner,
    /// Anybody who signed up
    Public,
}

/// `observer consumers import`.
#[derive(Debug, Args)]
pub struct Import {
    /// Its format
    #[arg(value_enum)]
    pub format: ForeignFormat,
    /// The file; `-`: standard input
    pub file: PathBuf,
    /// What ids of accounts begin with
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub account_prefix: String,
    /// File of the registry's folder to put new accounts into [default: named after the format]
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    /// Say what would be added, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A format of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ForeignFormat {
    /// Kong's declarative configuration, as decK writes it
    Kong,
    /// Keys of Tyk, as JSON
    Tyk,
    /// Consumers of APISIX: apisix.yaml, or what its Admin API answers
    Apisix,
    /// Users of Basic authentication
    Htpasswd,
    /// A `map` of nginx from a key to a name
    NginxMap,
    /// A table: account,app,key_id,key|sha256|fp,plan,valid_from,expires
    Csv,
}

/// A format to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Kong's declarative configuration
    Kong,
    /// Keys of Tyk
    Tyk,
    /// Consumers of APISIX
    Apisix,
    /// Users of Basic authentication
    Htpasswd,
    /// A `map` of nginx
    NginxMap,
    /// A table
    Csv,
    /// The registry's own, all files as one
    Toml,
}

/// `observer consumers lint`.
#[derive(Debug, Args)]
pub struct Lint {
    /// Days without a request after which a key is not in use
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub unused_days: u32,
    /// Rule to leave out; may be repeated
    #[arg(long = "except", value_name = "RULE", value_delimiter = ',')]
    pub except: Vec<String>,
    /// What every list takes.
    #[command(flatten)]
    pub listing: Listing,
}

/// `observer consumers adopt`.
#[derive(Debug, Args)]
pub struct Adopt {
    /// Its fingerprint, as `observer consumers strangers` prints it
    pub fingerprint: String,
    /// Id of the account; made where there is none
    #[arg(long)]
    pub account: String,
    /// Id of the app [default: the account's only one]
    #[arg(long)]
    pub app: Option<String>,
    /// Id of the key [default: made of the account and the fingerprint]
    #[arg(long, value_name = "ID")]
    pub key_id: Option<String>,
    /// File of the registry's folder to put a new account into [default: named after the account]
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `observer keys list`.
#[derive(Debug, Args)]
pub struct KeyList {
    /// Only those of this account
    #[arg(long, value_name = "ID")]
    pub consumer: Option<String>,
    /// What every list takes.
    #[command(flatten)]
    pub listing: Listing,
}

/// `observer keys revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Id of the key, or its fingerprint
    pub key: String,
    /// Id of the account that it is of
    #[arg(long, value_name = "ID")]
    pub consumer: Option<String>,
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
