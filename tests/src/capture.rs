//! tcpdump at the server's end of a link.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use crate::namespace::{INTERFACE, Namespace};
use crate::process::{Process, wait_for};

const LIMIT: Duration = Duration::from_secs(10);

/// A capture being written.
#[derive(Debug)]
pub struct Capture {
    process: Process,
    file: PathBuf,
    said: PathBuf,
}

impl Capture {
    /// Begins to write one into a folder.
    ///
    /// # Panics
    /// When tcpdump does not start.
    pub fn start(server: &Namespace, folder: &Path) -> Self {
        let (file, said) = (folder.join("capture.pcap"), folder.join("tcpdump.log"));
        let mut command = server.command("tcpdump");
        command
            .args(["-i", INTERFACE, "-s", "0", "-B", "65536", "-U", "-w"])
            .arg(&file)
            .args(["--immediate-mode", "-Z", "root", "tcp"])
            .stdin(Stdio::null())
            .stderr(File::create(&said).expect("making a file"));
        let process = Process::start(&mut command);
        wait_for("tcpdump to listen", LIMIT, || {
            (fs::metadata(&file).ok()?.len() > 0).then_some(())
        });
        Self {
            process,
            file,
            said,
        }
    }

    /// Ends it once the last exchange stands in it: what was asked, and after that what was answered.
    ///
    /// # Panics
    /// When that does not come, or packets were dropped.
    pub fn stop_after(mut self, asked: &str, answered: &str) -> PathBuf {
        wait_for("tcpdump to write", LIMIT, || {
            let written = fs::read(&self.file).ok()?;
            let begin = find(&written, asked.as_bytes())?;
            find(written.get(begin..)?, answered.as_bytes()).map(drop)
        });
        assert!(self.process.stop(Signal::INT));
        let said = fs::read_to_string(&self.said).unwrap_or_default();
        assert!(said.contains("\n0 packets dropped by kernel"), "{said}");
        self.file
    }
}

/// Where these bytes stand, the last time.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .rposition(|window| window == wanted)
}
