//! How a command ends: an exit code, and one line for people.

use std::fmt;

/// Why a command failed: `observer: WHAT: WHY (what to do)`.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    message: String,
}

impl Failure {
    /// Bad usage or input: exit code 2.
    pub fn input(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self {
            code: 2,
            message: format!("{what}: {why}"),
        }
    }

    /// What is said of it, without the command's name.
    pub fn reason(&self) -> &str {
        &self.message
    }

    /// Privilege or kernel support is lacking: exit code 3.
    pub fn support(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self {
            code: 3,
            message: format!("{what}: {why}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "observer: {}", self.message)
    }
}
