//! Reading TOML so that whoever wrote it learns the line and the nearest valid name.
//!
//! Invariant: an error never repeats the source text around it, only the name or value that is wrong, and of those nothing that
//! could be a key.

#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::shown::{Shown, without_keys};

/// What is wrong with a document, and on which line (from 1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Fault {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there, in words.
    pub what: String,
}

impl Fault {
    /// A fault at a byte offset of the document.
    pub fn at(text: &str, offset: usize, what: impl Into<String>) -> Self {
        let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
        Self {
            line: 1 + memchr::memchr_iter(b'\n', before).count(),
            what: what.into(),
        }
    }
}

/// Reads a document into `T`.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        Fault::at(text, span.start, explain(text, error.message(), &span))
    })
}

/// `(did you mean `NAME`?)` with a space in front, or nothing when no name is near.
pub fn suggestion<'a>(wrong: &str, valid: impl IntoIterator<Item = &'a str>) -> String {
    let near = valid
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .min_by_key(|(far, _)| *far);
    match near {
        Some((far, name)) if far <= 1 + name.len() / 3 => format!(" (did you mean `{name}`?)"),
        _ => String::new(),
    }
}

/// Words for a reader's message: serde's two messages about unknown names get their place and the nearest name.
fn explain(text: &str, message: &str, span: &Range<usize>) -> String {
    let message = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(", ");
    let unknown = ["unknown field ", "unknown variant "]
        .iter()
        .find_map(|kind| message.strip_prefix(kind));
    // The form is fixed by serde::de::Error::unknown_field: unknown field `a`, expected one of `b`, `c`.
    let Some((wrong, valid)) = unknown.and_then(|rest| rest.split_once(", ")) else {
        return without_keys(&message);
    };
    let wrong = wrong.trim_matches('`');
    let shown = Shown(wrong);
    let valid: Vec<&str> = valid.split('`').skip(1).step_by(2).collect();
    let mut near = suggestion(wrong, valid.iter().copied());
    if near.is_empty() {
        near = format!(
            " (valid: {})",
            valid
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    if message.starts_with("unknown variant") {
        return format!("unknown value `{shown}`{near}");
    }
    let table = DeTable::parse(text)
        .ok()
        .and_then(|table| path_to(table.get_ref(), span.start))
        .unwrap_or_default();
    let place = if table.is_empty() {
        String::new()
    } else {
        format!(" in [{}]", table.join("."))
    };
    format!("unknown name `{shown}`{place}{near}")
}

/// Names of the tables that lead to the key which starts at this offset.
fn path_to(table: &DeTable<'_>, offset: usize) -> Option<Vec<String>> {
    table.iter().find_map(|(key, value)| {
        if key.span().start == offset {
            return Some(Vec::new());
        }
        let mut path = path_in(value, offset)?;
        path.insert(0, key.get_ref().to_string());
        Some(path)
    })
}

fn path_in(value: &Spanned<DeValue<'_>>, offset: usize) -> Option<Vec<String>> {
    match value.get_ref() {
        DeValue::Table(table) => path_to(table, offset),
        DeValue::Array(array) => array.iter().find_map(|value| path_in(value, offset)),
        _ => None,
    }
}
