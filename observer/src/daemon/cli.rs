//! The command line: its words, and nothing of what they do.

mod consumers;
mod incidents;
mod reading;
mod report;
mod responses;
mod statements;
mod top;

pub use consumers::{
    Add, Adopt, Consumers, ExportFormat, ForeignFormat, Import, KeyList, Lint, Listing, Owner,
    Revoke,
};

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use incidents::{IncidentFormat, IncidentList, Incidents, ShowFormat};
pub use reading::{ErrorColumn, Errors, Records};
pub use report::{Audience, Length, Report, ReportFormat};
pub use responses::{
    Act, Asked, Block, Export, Limit, One, ResponseFormat, ResponseList, ResponseLog, Responses,
    Unblock,
};
pub use statements::{Invoice, InvoiceFormat};
pub use top::Top;

/// Attributes this host's HTTP traffic to API keys, seen from the kernel.
#[derive(Debug, Parser)]
#[command(
    name = "observer",
    version,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Observe this host until stopped; needs root or the unit's capabilities
    Run(Run),
    /// Read capture files (pcap, pcapng) through the same pipeline; needs no privilege
    Replay(Replay),
    /// Say what this host supports, what will be used and why, and which ports cannot be read
    Doctor(Doctor),
    /// Say who used what: reads the ledger, and what the running daemon has not written to it yet
    Usage(Usage),
    /// Say what went wrong and who is responsible, beside the period before
    Errors(Errors),
    /// Say what every consumer used in a month and what that costs; closes a month that is over; 1: some were refused
    Invoice(Invoice),
    /// Print exchanges one by one, from the folder of records
    Records(Records),
    /// List what is not as usual, say that it is known, or end it
    Incidents {
        /// What to do with them.
        #[command(subcommand)]
        command: Incidents,
    },
    /// Write a report on a day, a week or a month for whom it concerns; 1: it was not complete enough to be written
    Report(Report),
    /// Shut off a key, an app, an account, a credential or a network for some time
    Block(Block),
    /// Let only so many requests of a key, an app, an account, a credential or a network through
    Limit(Limit),
    /// End what `block`, `limit` or an incident began
    Unblock(Unblock),
    /// List what is shut off or limited, decide about what incidents propose, end it, or take it elsewhere
    #[command(args_conflicts_with_subcommands = true)]
    Responses {
        /// What to do with them [default: list]
        #[command(subcommand)]
        command: Option<Responses>,
        /// What `list` takes.
        #[command(flatten)]
        list: ResponseList,
    },
    /// Show what the running daemon sees, live: consumers, routes, incidents and responses; keys act on them
    Top(Top),
    /// Say which routes ask for keys, and which keys are in use; 1: a route answers without, and is not declared public
    Posture(Posture),
    /// Hold the wire against an access log, or the ledger against reported totals; 1: something does not match
    Reconcile(Reconcile),
    /// Print a link that opens the page signed in: with it, the page can shut off, limit and acknowledge; good once, for a minute
    Login {
        /// Configuration file [default: /etc/observer/observer.toml if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Remove every pinned map and program of a stopped daemon from the kernel
    Unpin {
        /// Configuration file [default: /etc/observer/observer.toml if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Work with the registry: who may call, with which keys, under which terms
    Consumers {
        /// What to do with it.
        #[command(subcommand)]
        command: Consumers,
    },
    /// Work with API keys
    Keys {
        /// What to do with them.
        #[command(subcommand)]
        command: Keys,
    },
    /// Work with the configuration
    Config {
        /// What to do with it.
        #[command(subcommand)]
        command: Config,
    },
    /// Print shell completions
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

/// `observer run`.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Interface to watch, instead of those of the configuration; may be repeated
    #[arg(long = "interface", value_name = "IF")]
    pub interfaces: Vec<String>,
    /// Address for metrics and page
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Append one line of JSON per exchange to this file; `-`: standard output
    #[arg(long, value_name = "FILE")]
    pub records: Option<PathBuf>,
    /// Show what the kernel programs log
    #[arg(long)]
    pub kernel_log: bool,
}

/// `observer replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Capture files, read one after the other as one capture
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// Decrypt TLS with the secrets in this file, which servers and clients write in the format of NSS (SSLKEYLOGFILE)
    #[arg(long, value_name = "FILE")]
    pub keylog: Option<PathBuf>,
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write one line of JSON per exchange to this file; `-`: standard output
    #[arg(long, value_name = "FILE")]
    pub records: Option<PathBuf>,
    /// Write the metrics to this file at the end; `-`: standard output
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// Print what was seen and what could not be read
    #[arg(long)]
    pub summary: bool,
    /// Then show the page of what was replayed on this address, until interrupted
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// And answer `observer top` on this socket: its configuration names it as `[control] socket`
    #[arg(long, value_name = "FILE", requires = "listen")]
    pub socket: Option<PathBuf>,
}

/// `observer doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `observer usage`.
#[derive(Debug, Args)]
pub struct Usage {
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to read, as every reading command takes it.
    #[command(flatten)]
    pub period: Period,
    /// What to group by, in this order
    #[arg(long, value_enum, value_delimiter = ',', default_value = "consumer")]
    pub by: Vec<Column>,
    /// Beside the period before, of the same length
    #[arg(long)]
    pub compare: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `observer posture`.
#[derive(Debug, Args)]
pub struct Posture {
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Keys instead of routes
    #[arg(long)]
    pub keys: bool,
    /// Ports that speak TLS instead of routes: versions that were agreed on, and what of it is weak
    #[arg(long, conflicts_with = "keys")]
    pub tls: bool,
    /// Routes beside what the OpenAPI documents declare: seen, deprecated or undeclared in use, never seen
    #[arg(long, conflicts_with_all = ["keys", "tls"])]
    pub inventory: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `observer reconcile`.
#[derive(Debug, Args)]
pub struct Reconcile {
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Access log to compare with; `-`: standard input
    #[arg(long, value_name = "FILE", requires = "log_format")]
    pub log: Option<PathBuf>,
    /// What the log looks like
    #[arg(long, value_enum, value_name = "NAME")]
    pub log_format: Option<LogFormat>,
    /// Totals to compare with the ledger: consumer,meter,from,to,qty
    #[arg(long, value_name = "FILE", conflicts_with = "log")]
    pub reported: Option<PathBuf>,
    /// Records of the wire, in the order of time; may be repeated [default: those of the configuration]
    #[arg(long, value_name = "FILE")]
    pub records: Vec<PathBuf>,
    /// Beginning of what is compared, in the ways of the other commands [default: as far as both sides reach]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// End of what is compared
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Seconds by which the two sides may tell different times, once their clocks are aligned
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub window: u32,
    /// Percent by which lengths and totals may differ
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = percent)]
    pub tolerance: f64,
    /// Port of the server that wrote the log; may be repeated [default: those whose exchanges stand in it]
    #[arg(long, value_name = "PORT")]
    pub server: Vec<u16>,
    /// Show the counts as metrics of the running daemon, under this name: letters, digits and ._-
    #[arg(long, value_name = "NAME", requires = "log")]
    pub publish: Option<String>,
    /// Print what does not match, a row each, instead of counts
    #[arg(long)]
    pub list: bool,
    /// The most of them that are listed
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    pub findings: usize,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// What an access log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// nginx's `combined`
    NginxCombined,
    /// One JSON object a line, with the names of nginx's variables
    NginxJson,
    /// Apache's `common` or `combined`
    ApacheCombined,
    /// HAProxy's `option httplog`
    Haproxy,
    /// Caddy's JSON
    Caddy,
    /// Envoy's JSON
    Envoy,
    /// Kong's `file-log`
    KongJson,
    /// Columns by name: time, method, target, status, client, bytes, consumer
    Csv,
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .trim_end_matches('%')
        .parse()
        .map_err(|_| "no number".to_owned())?;
    if (0.0..=100.0).contains(&number) {
        Ok(number)
    } else {
        Err("not within 0 and 100".to_owned())
    }
}

/// The period that a reading command covers.
#[derive(Debug, Args)]
pub struct Period {
    /// Its beginning: a date (UTC), a time such as 2026-11-22T10:00:00Z, or how long ago, such as 24h or 7d
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub from: String,
    /// Its end, in the same ways [default: now]
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
}

/// What usage can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Column {
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
    /// Hour, in UTC
    Hour,
    /// Day, in UTC
    Day,
}

/// How reading commands print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
    /// For spreadsheets (RFC 4180)
    Csv,
}

/// `observer keys`.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Read one key from standard input and print its fingerprint
    Fingerprint {
        /// Configuration file [default: /etc/observer/observer.toml if it exists]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Find out where each API's keys travel, and print what to configure
    Discover(Discover),
    /// List registered keys
    List(KeyList),
    /// Mark a key as revoked in the registry; what still accepts it becomes an incident
    Revoke(Revoke),
}

/// `observer keys discover`.
#[derive(Debug, Args)]
pub struct Discover {
    /// Capture files, read one after the other as one capture; /dev/stdin: what tcpdump -w - writes [default: what the
    /// running daemon sees from now on]
    #[arg(value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// How long the running daemon is to look, such as 30s or 5m; an hour at most
    #[arg(
        long = "for",
        value_name = "TIME",
        default_value = "1m",
        conflicts_with = "captures"
    )]
    pub period: String,
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The most places that are listed of an API
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    pub top: usize,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: DiscoverFormat,
}

/// How `observer keys discover` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DiscoverFormat {
    /// For people, and what to configure after it
    #[default]
    Table,
    /// For programs
    Json,
    /// For spreadsheets (RFC 4180)
    Csv,
    /// Only what to configure
    Toml,
}

/// `observer config`.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Check the configuration and the registry; 0: fine, 2: not
    Check {
        /// Configuration file [default: /etc/observer/observer.toml if it exists]
        #[arg(value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print the configuration in force, defaults included
    Show {
        /// Configuration file [default: /etc/observer/observer.toml if it exists]
        #[arg(value_name = "FILE")]
        config: Option<PathBuf>,
    },
}
