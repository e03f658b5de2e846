//! The words of commands that read what happened: errors, and exchanges one by one.

use std::path::PathBuf;

use clap::Args;

use super::super::records::{Client, Status};
use super::{Format, Period};
use crate::usage::Outcome;

/// `observer errors`.
#[derive(Debug, Args)]
pub struct Errors {
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to read, as every reading command takes it.
    #[command(flatten)]
    pub period: Period,
    /// What to group by, in this order
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "consumer,outcome"
    )]
    pub by: Vec<ErrorColumn>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What errors can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ErrorColumn {
    /// Account, or what stands for none
    Consumer,
    /// App
    App,
    /// Key
    Key,
    /// API
    Api,
    /// Route
    Route,
    /// Method
    Method,
    /// Status of the response
    Status,
    /// Outcome
    Outcome,
    /// Who has to act: consumer or provider
    Responsible,
}

/// `observer records`. Of a filter that is given several times one has to fit; of different filters all have to.
#[derive(Debug, Args)]
pub struct Records {
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// When exchanges ended, as every reading command takes it.
    #[command(flatten)]
    pub period: Period,
    /// Only of this consumer; each of these may be repeated
    #[arg(long, value_name = "ID")]
    pub consumer: Vec<String>,
    /// Only of this route
    #[arg(long, value_name = "ROUTE")]
    pub route: Vec<String>,
    /// Only of this API
    #[arg(long, value_name = "NAME")]
    pub api: Vec<String>,
    /// Only with this status: 404, 4xx, or none where no response came
    #[arg(long, value_name = "STATUS")]
    pub status: Vec<Status>,
    /// Only with this method
    #[arg(long, value_name = "METHOD")]
    pub method: Vec<String>,
    /// Only with this outcome, such as not_found
    #[arg(long, value_name = "OUTCOME", hide_possible_values = true,
          value_parser = clap::builder::PossibleValuesParser::new(Outcome::ALL.map(Outcome::as_str)))]
    pub outcome: Vec<String>,
    /// Only with this key: its id or its fingerprint
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
    /// Only of this client: an address or a network
    #[arg(long, value_name = "NETWORK")]
    pub client: Vec<Client>,
    /// Stop after so many
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<u64>,
    /// How to print; json: the lines as they stand in the files
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}
