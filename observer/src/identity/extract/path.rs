//! Patterns for keys that stand in a path, such as `/bot{key}/` or `/webhooks/{id}/{key}`.
//!
//! Invariant: matching walks the path once; a pattern has no backtracking to be abused.

use std::fmt;
use std::ops::Range;

const PATTERN_BYTES: usize = 512;

/// Segments of a path of which one holds a key. A path matches when it begins with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: Box<str>,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Any,
    Key { before: Box<str>, after: Box<str> },
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Patterns describe whole paths.
    #[error("path pattern `{0}` does not start with /")]
    NoSlash(Box<str>),
    /// One key a pattern.
    #[error("path pattern `{0}` needs {{key}} exactly once")]
    NotOneKey(Box<str>),
    /// Braces that are no placeholder.
    #[error("segment `{0}` of a path pattern is neither text, {{name}}, nor text around {{key}}")]
    Segment(Box<str>),
    /// Longer than any path that is meant.
    #[error("a path pattern has at most {PATTERN_BYTES} bytes")]
    TooLong,
}

impl PathPattern {
    /// Reads a pattern. `{key}` holds the key, any other `{name}` one whole segment.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| PatternError::NoSlash(text.into()))?;
        // "/bot{key}/": what follows the last slash is anything, so an empty last segment says nothing.
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let segments = rest
            .split('/')
            .map(segment)
            .collect::<Result<Vec<_>, _>>()?;
        if segments
            .iter()
            .filter(|segment| matches!(segment, Segment::Key { .. }))
            .count()
            != 1
        {
            return Err(PatternError::NotOneKey(text.into()));
        }
        Ok(Self {
            text: text.into(),
            segments,
        })
    }

    /// The range of the key in a path.
    pub fn find(&self, path: &str) -> Option<Range<usize>> {
        let mut at = 1;
        let mut actual = path.strip_prefix('/')?.split('/');
        let mut key = None;
        for segment in &self.segments {
            let text = actual.next()?;
            match segment {
                Segment::Literal(literal) if **literal == *text => {}
                Segment::Any if !text.is_empty() => {}
                Segment::Key { before, after } => {
                    let inner = text.strip_prefix(&**before)?.strip_suffix(&**after)?;
                    if inner.is_empty() {
                        return None;
                    }
                    let start = at + before.len();
                    key = Some(start..start + inner.len());
                }
                Segment::Literal(_) | Segment::Any => return None,
            }
            at += text.len() + 1;
        }
        key
    }
}

fn segment(text: &str) -> Result<Segment, PatternError> {
    if let Some((before, after)) = text.split_once("{key}") {
        if [before, after].iter().any(|part| part.contains(['{', '}'])) {
            return Err(PatternError::Segment(text.into()));
        }
        return Ok(Segment::Key {
            before: before.into(),
            after: after.into(),
        });
    }
    if text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .is_some_and(|name| !name.is_empty() && !name.contains(['{', '}']))
    {
        return Ok(Segment::Any);
    }
    if text.contains(['{', '}']) {
        return Err(PatternError::Segment(text.into()));
    }
    Ok(Segment::Literal(text.into()))
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
