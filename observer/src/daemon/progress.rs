//! How far work is that takes longer, on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Work that is done before is not worth a word.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is said anew.
const PAUSE: Duration = Duration::from_millis(500);

/// A line on standard error that changes.
pub struct Progress {
    /// When it is due; `None`: nobody looks.
    due: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// Work begins. `wanted`: there is something to be said of it.
    pub fn new(wanted: bool) -> Self {
        let looked_at = wanted && io::stderr().is_terminal();
        Self {
            due: looked_at.then(|| Instant::now() + PATIENCE),
            shown: false,
        }
    }

    /// Says how far it is, if that is due.
    pub fn show(&mut self, words: impl FnOnce() -> String) {
        if self.due.is_some_and(|due| Instant::now() >= due) {
            self.due = Some(Instant::now() + PAUSE);
            self.shown = true;
            // Nobody is left to tell when standard error is gone.
            let _ = write!(io::stderr(), "\r\x1b[K{}", words());
        }
    }

    /// The work is done: the line goes.
    pub fn done(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
