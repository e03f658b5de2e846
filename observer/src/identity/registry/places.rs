//! Where in the documents of a registry something stands.
//!
//! Invariant: lines are counted only where one is told; until then a place is the number of a document and an offset.

use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;

use super::super::document::Fault;

/// A line of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The document's name.
    pub file: Box<str>,
    /// Line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: line {}", self.file, self.line)
    }
}

/// A place that costs nothing to note: number of the document, byte offset.
pub(super) type Mark = (usize, usize);

/// Where accounts, apps and keys stand.
#[derive(Debug, Default)]
pub struct Places {
    pub(super) accounts: HashMap<Arc<str>, Mark>,
    pub(super) apps: HashMap<Arc<str>, Mark>,
    /// With the number of the key.
    pub(super) keys: HashMap<Arc<str>, (Mark, u32)>,
    /// By number of the key.
    pub(super) key_marks: Vec<Mark>,
}

impl Places {
    /// The number of the document that has an account, and the byte at which its id stands.
    pub fn account(&self, id: &str) -> Option<(usize, usize)> {
        self.accounts.get(id).copied()
    }

    /// As [`Self::account`], of an app.
    pub fn app(&self, id: &str) -> Option<(usize, usize)> {
        self.apps.get(id).copied()
    }

    /// As [`Self::account`], of a key.
    pub fn key(&self, id: &str) -> Option<(usize, usize)> {
        self.keys.get(id).map(|(mark, _)| *mark)
    }

    /// The line of one of these places.
    pub fn place<N: AsRef<str>, T: AsRef<str>>(
        &self,
        documents: &[(N, T)],
        (number, offset): (usize, usize),
    ) -> Place {
        place(documents, (number, offset))
    }

    /// The number of a key among [`Registry::keys`].
    pub fn number(&self, id: &str) -> Option<usize> {
        let (_, number) = self.keys.get(id)?;
        usize::try_from(*number).ok()
    }
}

pub(super) fn place<N: AsRef<str>, T: AsRef<str>>(
    documents: &[(N, T)],
    (number, offset): Mark,
) -> Place {
    let (file, line) = documents.get(number).map_or(("", 0), |(name, text)| {
        (name.as_ref(), Fault::at(text.as_ref(), offset, "").line)
    });
    Place {
        file: file.into(),
        line,
    }
}
