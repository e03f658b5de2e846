//! Consumers and keys in the files of others: gateways, web servers, tables. Read into drafts of a registry, and written from them.
//!
//! Invariant: a key becomes its fingerprint as soon as it is read; no message repeats one. Bias: what cannot be matched with a
//! request (a digest, a reference to a vault) is told of and left out, never guessed.

mod apisix;
mod collect;
mod htpasswd;
mod kong;
mod nginx;
mod table;
#[cfg(test)]
mod tests;
mod tyk;

use std::fmt;

use serde::Deserialize;
use serde::de::Deserializer;
use zeroize::Zeroizing;

use super::fingerprint::Fingerprinter;
use super::registry::AccountDraft;
use collect::Collector;

/// Keys, users and accounts of one file at most.
const ENTRIES: usize = 1_000_000;
/// Remarks of one file that are kept; the rest is counted.
const REMARKS: usize = 1_000;

/// A format of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Declarative configuration of Kong (decK), `_format_version` 3.0, as YAML or JSON.
    Kong,
    /// Keys of Tyk as JSON: an object of sessions by key, or a list of sessions.
    Tyk,
    /// Consumers of APISIX: `apisix.yaml`, or what its Admin API answers.
    Apisix,
    /// Users of Basic authentication, one a line (Apache htpasswd(1)).
    Htpasswd,
    /// `map` blocks of nginx from a key to a name.
    NginxMap,
    /// A table with the columns `account,app,key_id,key|sha256|fp,plan,valid_from,expires` (RFC 4180).
    Csv,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ForeignError {
    /// Line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for ForeignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl ForeignError {
    fn new(line: impl Into<Option<usize>>, what: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            what: what.into(),
        }
    }
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Accounts, in the order of the file.
    pub accounts: Vec<AccountDraft>,
    /// What was left out and why, a sentence each with its place.
    pub remarks: Vec<String>,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// The file.
    pub text: String,
    /// What the format cannot say, a sentence each.
    pub remarks: Vec<String>,
}

/// Reads a file. `prefix`: what ids of accounts begin with.
///
/// # Errors
/// When it is not of the format, or larger than the bounds.
pub fn import(
    format: Format,
    text: &str,
    fingerprinter: &Fingerprinter,
    prefix: &str,
) -> Result<Imported, ForeignError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut collector = Collector::new(fingerprinter, prefix);
    match format {
        Format::Kong => kong::import(text, &mut collector)?,
        Format::Tyk => tyk::import(text, &mut collector)?,
        Format::Apisix => apisix::import(text, &mut collector)?,
        Format::Htpasswd => htpasswd::import(text, &mut collector)?,
        Format::NginxMap => nginx::import(text, &mut collector)?,
        Format::Csv => table::import(text, &mut collector)?,
    }
    Ok(collector.finish())
}

/// Writes a file. Keys stand in it as their fingerprints, which no gateway can check. Keys that are not in use at `now` (seconds
/// since 1970) are left out where the format cannot say so: to a gateway they would be good ones.
pub fn export(format: Format, accounts: &[AccountDraft], now: i64) -> Exported {
    match format {
        Format::Kong => kong::export(accounts, now),
        Format::Tyk => tyk::export(accounts),
        Format::Apisix => apisix::export(accounts, now),
        Format::Htpasswd => htpasswd::export(accounts, now),
        Format::NginxMap => nginx::export(accounts, now),
        Format::Csv => table::export(accounts),
    }
}

/// A value that may be a key. Overwritten with zeros when dropped.
#[derive(Default)]
struct Hidden(Zeroizing<String>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A list that may be `null`, as gateways write those that are empty.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Option::<Vec<T>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// What is wrong with a JSON text. The message of a wrong type would repeat the value.
fn json_error(error: &serde_json::Error) -> ForeignError {
    ForeignError::new(error.line().max(1), plain(&error.to_string()))
}

/// What is wrong with a YAML text.
fn yaml_error(error: &serde_norway::Error) -> ForeignError {
    let line = error.location().map(|place| place.line());
    ForeignError::new(line, plain(&error.to_string()))
}

/// A message of a reader without the value that it may repeat: from the first quote to the last, all is left out.
fn plain(message: &str) -> String {
    let quotes = ['"', '`'];
    let words = match (message.find(quotes), message.rfind(quotes)) {
        (Some(first), Some(last)) => {
            let [before, after] = [message.get(..first), message.get(last + 1..)];
            format!("{}...{}", before.unwrap_or(""), after.unwrap_or(""))
        }
        _ => message.to_owned(),
    };
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    words.chars().take(200).map(printable).collect()
}

/// Values in use, and how many were left out since they are not.
fn in_use(accounts: &[AccountDraft], now: i64) -> (Vec<AccountDraft>, Vec<String>) {
    let mut accounts = accounts.to_vec();
    let mut out = 0;
    for app in accounts.iter_mut().flat_map(|account| &mut account.apps) {
        let before = app.keys.len();
        app.keys.retain(|key| key.is_in_use(now));
        out += before - app.keys.len();
    }
    let remark = (out > 0).then(|| {
        format!("{out} keys were left out: they are suspended, revoked or expired, which this format cannot say")
    });
    (accounts, remark.into_iter().collect())
}

/// A remark of how many keys a format cannot express.
fn unspoken(count: usize, why: &str, remarks: &mut Vec<String>) {
    if count > 0 {
        remarks.push(format!("{count} keys were left out: {why}"));
    }
}
