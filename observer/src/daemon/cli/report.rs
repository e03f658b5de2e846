//! The words of `observer report`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use jiff::civil::Date;

use crate::identity::registry::is_reserved;

/// `observer report`.
#[derive(Debug, Args)]
pub struct Report {
    /// For whom: owner, security, finance, or consumer:ID, which has that consumer's data only
    #[arg(long, value_name = "WHO")]
    pub audience: Audience,
    /// Over what: a day, a week from Monday on, or a month, whole and over, in UTC
    #[arg(long, value_enum)]
    pub period: Length,
    /// The day after its last, as 2026-12-01 [default: that of the last one that is over]
    #[arg(long, value_name = "DATE")]
    pub ending: Option<Date>,
    /// How to write it
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Write it to this file, which is replaced in one step, or in this folder to one named by audience, period and first day
    /// [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write nothing, and end with 1, where less than this share of the exchanges was seen with certainty, or of the time observed
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub require_completeness: Option<f64>,
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// For whom a report is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Who runs the APIs.
    Owner,
    /// Who keeps them safe.
    Security,
    /// Who bills for them.
    Finance,
    /// A consumer, by its id.
    Consumer(String),
}

/// How long the period of a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Length {
    /// A day
    Day,
    /// Monday to Sunday (ISO 8601)
    Week,
    /// A calendar month
    Month,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    /// One page with everything in it
    #[default]
    Html,
    /// Markdown
    Md,
    /// For programs
    Json,
    /// For spreadsheets (RFC 4180): section, row, column, value
    Csv,
}

impl FromStr for Audience {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("consumer:")) {
            ("owner", _) => Ok(Self::Owner),
            ("security", _) => Ok(Self::Security),
            ("finance", _) => Ok(Self::Finance),
            (_, Some(id)) if is_reserved(id) => {
                Err("what begins with two underscores stands for nobody, who reads no report")
            }
            (_, Some(id)) if !id.is_empty() => Ok(Self::Consumer(id.to_owned())),
            _ => Err("write owner, security, finance or consumer:ID"),
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Security => f.write_str("security"),
            Self::Finance => f.write_str("finance"),
            Self::Consumer(id) => write!(f, "consumer:{id}"),
        }
    }
}

fn share(text: &str) -> Result<f64, &'static str> {
    let share: f64 = text.parse().map_err(|_| "no number")?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err("not within 0 and 1")
    }
}
