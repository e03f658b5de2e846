//! The daemon under test, with a configuration, a registry and a pepper of its own.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::metrics::Metrics;
use crate::namespace::Namespace;
use crate::process::{Process, finish, run, wait_for};
use crate::require::binary;

/// The registered keys and who they belong to.
pub const KEYS: [(&str, &str); 5] = [
    ("sk_live_acme_7d1f0a9c55e2", "acme"),
    ("sk_live_beta_0b3c9e2277aa", "beta"),
    ("sk_live_corp_61ab44d0f19e", "corp"),
    ("sk_live_delta_f00c7712abed", "delta"),
    ("sk_live_echo_93ce10b8d2f4", "echo"),
];
/// A key that the registry does not have.
pub const STRANGER: &str = "sk_live_nobody_2c2c2c2c2c2c";

/// Seconds of a day.
const DAY: u64 = 86_400;
const LISTEN: &str = "127.0.0.1:9464";

/// A folder with everything that the daemon reads.
#[derive(Debug)]
pub struct Setup {
    folder: TempDir,
    /// Whether records go to the folder of the configuration, and not to a file that the command line names.
    hourly: bool,
}

impl Setup {
    /// Writes the configuration: `capture` are lines of its section, `more` is added at the end.
    pub fn new(capture: &str, more: &str) -> Self {
        Self::with_ledger(capture, more, "ledger.sqlite")
    }

    /// As [`Self::new`], with the ledger at another place below the folder.
    pub fn with_ledger(capture: &str, more: &str, ledger: &str) -> Self {
        let folder = TempDir::new().expect("making a folder");
        let setup = Self {
            folder,
            hourly: false,
        };
        let place = |name: &str| setup.path(name).display().to_string();
        let text = format!(
            "[capture]\n{capture}\n[identity]\nregistry = \"{}\"\npepper_file = \"{}\"\n{more}\n\
             [ledger]\npath = \"{}\"\n[control]\nsocket = \"{}\"\n[statements]\npath = \"{}\"\n\
             [metrics]\nlisten = \"{LISTEN}\"\n",
            place("registry.d"),
            place("pepper"),
            place(ledger),
            place("observer.sock"),
            place("statements"),
        );
        fs::write(setup.config(), text).expect("writing the configuration");
        fs::create_dir(setup.path("registry.d")).expect("making the registry's folder");
        let registry: String = KEYS
            .iter()
            .map(|(key, consumer)| {
                account(consumer, &format!("fp = \"{}\"", setup.fingerprint(key)))
            })
            .collect();
        fs::write(setup.path("registry.d/keys.toml"), registry).expect("writing the registry");
        setup
    }

    /// As [`Self::new`], with a folder for hourly files of records; `lines` are more of its section.
    pub fn with_hourly_records(capture: &str, lines: &str) -> Self {
        let mut setup = Self::new(capture, "");
        let text = fs::read_to_string(setup.config()).expect("reading the configuration");
        let place = setup.path("records").display().to_string();
        let text = format!("{text}[records]\npath = \"{place}\"\n{lines}\n");
        fs::write(setup.config(), text).expect("writing the configuration");
        setup.hourly = true;
        setup
    }

    /// The files of records, by name, with their lines.
    ///
    /// # Panics
    /// When one cannot be read.
    pub fn record_files(&self) -> Vec<(String, Vec<Value>)> {
        let files = fs::read_dir(self.path("records")).expect("listing the records");
        let mut files: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
        files.sort();
        let name = |file: &Path| file.file_name().map(|name| name.display().to_string());
        let files = files.iter().map(|file| {
            let text = run(Command::new("zcat").arg("-f").arg(file));
            (name(file).expect("a name"), parse_lines(&text))
        });
        files.collect()
    }

    /// Registers one more key, which `lines` describe: `CONSUMER-key` of `CONSUMER-app`.
    ///
    /// # Panics
    /// When the registry cannot be written.
    pub fn register(&self, consumer: &str, lines: &str) {
        let file = self.path(&format!("registry.d/{consumer}.toml"));
        fs::write(file, account(consumer, lines)).expect("writing the registry");
    }

    /// A file of this folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.path("observer.toml")
    }

    /// The fingerprint of a key, as the command prints it.
    ///
    /// # Panics
    /// When the command fails.
    pub fn fingerprint(&self, key: &str) -> String {
        let mut command = Command::new(binary());
        command
            .args(["keys", "fingerprint", "--config"])
            .arg(self.config());
        let output = finish(&mut command, key.as_bytes());
        assert!(output.status.success(), "keys fingerprint: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Starts the daemon in a namespace and waits until it is ready.
    pub fn start<'a>(&'a self, namespace: &'a Namespace) -> Daemon<'a> {
        let daemon = self.launch(namespace, &binary());
        daemon.wait_until_ready();
        daemon
    }

    /// Starts this binary as the daemon and waits for nothing. What it says is added to what those before it said.
    pub fn launch<'a>(&'a self, namespace: &'a Namespace, binary: &Path) -> Daemon<'a> {
        let log = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path("stderr"))
            .expect("opening the log");
        let mut command = namespace.command(&binary.display().to_string());
        command
            .args(["run", "--config"])
            .arg(self.config())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stderr(log);
        if !self.hourly {
            command.arg("--records").arg(self.path("records"));
        }
        Daemon {
            process: Process::start(&mut command),
            namespace,
            setup: self,
        }
    }

    /// What the ledger has, in groups of these columns, with what the running daemon still holds.
    ///
    /// # Panics
    /// When the command fails.
    pub fn usage(&self, by: &str) -> Value {
        let text = run(Command::new(binary())
            .args(["usage", "--format", "json", "--by", by, "--config"])
            .arg(self.config()));
        serde_json::from_str(&text).expect("the answer is JSON")
    }

    /// Makes what happened today something of yesterday, as it is read tomorrow, in a ledger that was begun before. Returns the day
    /// after it.
    ///
    /// # Panics
    /// When the ledger cannot be written.
    pub fn a_day_passes(&self) -> String {
        let ledger = Connection::open(self.path("ledger.sqlite")).expect("opening the ledger");
        let today: u64 = ledger
            .query_row("SELECT max(start) FROM day", [], |row| row.get(0))
            .expect("a day");
        ledger
        .execute_batch(&format!(
            "INSERT INTO day SELECT start - 9 * {DAY}, dimension, 0, 0, 0, 0, 0 FROM day LIMIT 1;
             UPDATE minute SET start = start - {DAY}; UPDATE quarter SET start = start - {DAY}; UPDATE day SET start = start - {DAY};
             UPDATE coverage SET start = start - {DAY}; UPDATE gap SET start = start - {DAY}, until = until - {DAY};
             UPDATE incident SET detected = detected - {DAY},
             body = json_set(body, '$.detected_at', json_extract(body, '$.detected_at') - {DAY}000000000);"
        ))
        .expect("passing a day");
        let date = run(Command::new("date").args(["-u", "+%F", "-d", &format!("@{today}")]));
        date.trim().to_owned()
    }

    /// The command with these words, and this configuration.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(words).arg("--config").arg(self.config());
        command
    }

    /// The rows of `observer incidents list` with these arguments.
    ///
    /// # Panics
    /// When the command fails.
    pub fn incidents(&self, arguments: &[&str]) -> Vec<Value> {
        let mut command = self.command(&["incidents", "list", "--format", "json"]);
        let text = run(command.args(arguments));
        let mut list: Value = serde_json::from_str(&text).expect("the answer is JSON");
        let rows = list["rows"].as_array_mut().expect("rows");
        std::mem::take(rows)
    }

    /// What `observer incidents show` says of one.
    ///
    /// # Panics
    /// When the command fails.
    pub fn incident(&self, id: &str) -> Value {
        let text = run(&mut self.command(&["incidents", "show", id]));
        serde_json::from_str(&text).expect("the answer is JSON")
    }

    /// Replays captures with this configuration and returns the records.
    pub fn replay(&self, capture: &Path) -> Vec<Value> {
        self.replay_with(capture, &[]).0
    }

    /// As [`Self::replay`], with more arguments; returns what was printed, too.
    pub fn replay_with(&self, capture: &Path, arguments: &[&OsStr]) -> (Vec<Value>, String) {
        let records = self.path("replayed");
        let _ = fs::remove_file(&records);
        let printed = run(Command::new(binary())
            .arg("replay")
            .arg(capture)
            .arg("--config")
            .arg(self.config())
            .arg("--records")
            .arg(&records)
            .args(arguments));
        (lines(&records), printed)
    }
}

/// An account with one app and one key.
fn account(consumer: &str, key: &str) -> String {
    format!(
        "[[account]]\nid = \"{consumer}\"\n[[account.app]]\nid = \"{consumer}-app\"\n\
         [[account.app.key]]\nid = \"{consumer}-key\"\n{key}\n"
    )
}

impl Drop for Setup {
    /// Removes what stays in the kernel when a daemon stops.
    fn drop(&mut self) {
        let _ = Command::new(binary())
            .args(["unpin", "--config"])
            .arg(self.config())
            .output();
    }
}

/// A running daemon. Dropping it kills it.
#[derive(Debug)]
pub struct Daemon<'a> {
    /// The process.
    pub process: Process,
    namespace: &'a Namespace,
    setup: &'a Setup,
}

impl Daemon<'_> {
    /// Waits until it observes.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn wait_until_ready(&self) {
        wait_for("the daemon to be ready", Duration::from_secs(20), || {
            assert!(self.process.is_alive(), "{}", self.log());
            (self.get("/healthz")?.0 == 200).then_some(())
        });
    }

    /// Status and content of a page of the listener; `None` while it does not answer.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        self.namespace.inside(|| {
            let mut stream = TcpStream::connect(LISTEN).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
            write!(
                stream,
                "GET {path} HTTP/1.1\r\nHost: {LISTEN}\r\nConnection: close\r\n\r\n"
            )
            .ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            let (head, body) = answer.split_once("\r\n\r\n")?;
            let status = head.split(' ').nth(1)?.parse().ok()?;
            Some((status, body.to_owned()))
        })
    }

    /// The metrics.
    ///
    /// # Panics
    /// When the daemon does not answer.
    pub fn metrics(&self) -> Metrics {
        let (status, page) = self.get("/metrics").expect("the daemon answers");
        assert_eq!(status, 200, "{page}");
        Metrics::parse(&page)
    }

    /// What it wrote to standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(self.setup.path("stderr")).unwrap_or_default()
    }

    /// Stops it as an operator would and returns its records.
    ///
    /// # Panics
    /// When it does not stop cleanly.
    pub fn stop(mut self) -> Vec<Value> {
        assert!(self.process.stop(Signal::TERM), "{}", self.log());
        if self.setup.hourly {
            let files = self.setup.record_files().into_iter();
            return files.flat_map(|(_, lines)| lines).collect();
        }
        lines(&self.setup.path("records"))
    }

    /// Fails unless everything was seen: nothing lost, nothing missing, completeness 1.
    ///
    /// # Panics
    /// When something was not seen.
    pub fn assert_complete(&self) {
        let metrics = self.metrics();
        let trouble: Vec<_> = metrics
            .0
            .iter()
            .filter(|sample| match sample.name.as_str() {
                "observer_capture_lost_events_total"
                | "observer_capture_missing_bytes_total"
                | "observer_pipeline_dropped_total"
                | "observer_series_overflow_total" => sample.value != 0.0,
                "observer_capture_completeness_ratio" => sample.value != 1.0,
                _ => false,
            })
            .collect();
        if trouble.is_empty() {
            return;
        }
        let records = fs::read_to_string(self.setup.path("records")).unwrap_or_default();
        let uncertain: Vec<_> = records
            .lines()
            .filter(|line| line.contains("\"complete\":false"))
            .take(10)
            .collect();
        panic!("not everything was seen: {trouble:#?}, such as {uncertain:#?}");
    }
}

/// The lines of a file of JSON.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
    parse_lines(&text)
}

fn parse_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("no record: {line}: {error}"))
        })
        .collect()
}
