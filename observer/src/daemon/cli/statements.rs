//! The words of `observer invoice`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `observer invoice`.
#[derive(Debug, Args)]
pub struct Invoice {
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A month such as 2026-11, or a year such as 2026 for its twelve, in each account's time zone
    #[arg(long, value_name = "PERIOD")]
    pub period: String,
    /// Only this account
    #[arg(long, value_name = "ID")]
    pub consumer: Option<String>,
    /// How to write
    #[arg(long, value_enum, default_value_t)]
    pub format: InvoiceFormat,
    /// Write into this folder, a file for each statement, instead of printing
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Close nothing: what is not closed yet is only looked at
    #[arg(long)]
    pub draft: bool,
    /// Take what was closed back with a credit note, and close the period anew with what the ledger has now
    #[arg(
        long,
        requires = "consumer",
        requires = "reason",
        conflicts_with = "draft"
    )]
    pub correct: bool,
    /// Why it is corrected; it stands on the credit note
    #[arg(long, value_name = "TEXT", requires = "correct")]
    pub reason: Option<String>,
    /// Close nothing of which less was seen with certainty, up to 1; 1: there was something
    #[arg(long, value_name = "SHARE")]
    pub require_completeness: Option<f64>,
}

/// Formats of statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum InvoiceFormat {
    /// A line for each statement
    #[default]
    Table,
    /// All that they say
    Json,
    /// A row for each line of a statement
    Csv,
    /// A page to look at and to print
    Html,
    /// An invoice as UBL 2.1
    Ubl,
    /// The same by the rules of Peppol BIS Billing 3.0
    Peppol,
    /// Cost and usage as FOCUS 1.2
    Focus,
}

impl InvoiceFormat {
    /// The end of a file's name.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv | Self::Focus => "csv",
            Self::Table | Self::Html => "html",
            Self::Ubl | Self::Peppol => "xml",
        }
    }

    /// Whether one document holds several statements.
    pub const fn holds_many(self) -> bool {
        matches!(self, Self::Table | Self::Json | Self::Csv | Self::Focus)
    }
}
