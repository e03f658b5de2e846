//! A browser that opens the daemon's page: Chromium, driven by a script below `tests/browser`.
//!
//! The script says a line when it wants something to happen and waits for a line that says it did. It ends by itself, with 0
//! when all that it expects was there.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::namespace::Namespace;
use crate::require::target;

/// What a script needs.
pub const PROGRAMS: [&str; 2] = ["node", "chromium"];

/// A script that runs.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Where packages from npm are.
pub fn packages() -> PathBuf {
    target().join("xtask/node/node_modules")
}

impl Browser {
    /// Starts a script in a namespace.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(namespace: &Namespace, script: &str, arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("browser")
            .join(script);
        let mut child = namespace
            .command("node")
            .arg(script)
            .args(arguments)
            .env("NODE_PATH", packages())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting node");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self {
            child,
            input,
            output,
        }
    }

    /// The next thing that the script wants; `None` once it has ended.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn wants(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self
            .output
            .read_line(&mut line)
            .expect("reading what a script wants");
        (read > 0).then(|| line.trim().to_owned())
    }

    /// Says that it is there.
    ///
    /// # Panics
    /// When the script has ended.
    pub fn has(&mut self, what: &str) {
        writeln!(self.input, "{what}").expect("a script that listens");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When something was not as the script expects.
    pub fn finish(mut self) {
        let status = self.child.wait().expect("waiting for a script");
        assert!(status.success(), "the browser's script: {status}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
