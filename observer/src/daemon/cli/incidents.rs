//! The words of `observer incidents`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Period;

/// `observer incidents`.
#[derive(Debug, Subcommand)]
pub enum Incidents {
    /// List those that are open
    List(IncidentList),
    /// Print all that is known of one
    Show {
        /// Its id, or the beginning of it.
        id: String,
        /// Configuration file [default: /etc/observer/observer.toml if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: ShowFormat,
    },
    /// Say that somebody knows of one
    Ack {
        /// Its id.
        id: String,
        /// Configuration file [default: /etc/observer/observer.toml if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// End one
    Close {
        /// Its id.
        id: String,
        /// Configuration file [default: /etc/observer/observer.toml if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Do not open it again for so long, such as 12h or 7d
        #[arg(long, value_name = "TIME")]
        suppress: Option<String>,
    },
}

/// `observer incidents list`.
#[derive(Debug, Args)]
pub struct IncidentList {
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// With `--all`, when they were detected.
    #[command(flatten)]
    pub period: Period,
    /// Also those that are over
    #[arg(long)]
    pub all: bool,
    /// Only those of this rule
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: IncidentFormat,
}

/// How `observer incidents list` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum IncidentFormat {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
    /// For spreadsheets (RFC 4180)
    Csv,
    /// Detection Findings of the Open Cybersecurity Schema Framework
    Ocsf,
}

/// How `observer incidents show` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ShowFormat {
    /// In the names of this program
    #[default]
    Json,
    /// A Detection Finding of the Open Cybersecurity Schema Framework
    Ocsf,
}
