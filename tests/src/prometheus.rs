//! Debian's Prometheus and Alertmanager with the files that the package ships, and the receiver of what they tell.
//!
//! Prometheus gets a configuration of its own, with the intervals of a test; the rules and Alertmanager's configuration are
//! the shipped ones, unchanged.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::namespace::Namespace;
use crate::process::{Process, finish, wait_for};

const PROMETHEUS: &str = "127.0.0.1:9090";
const ALERTMANAGER: &str = "127.0.0.1:9093";
/// What the shipped configuration of Alertmanager tells.
const RECEIVER: &str = "127.0.0.1:9095";

/// As often as Prometheus can.
const CONFIG: &str = "
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [RULES]
alerting: {alertmanagers: [{static_configs: [{targets: ['ALERTMANAGER']}]}]}
scrape_configs:
- job_name: observer
  static_configs: [{targets: ['127.0.0.1:9464']}]
";

/// A file of the folder that the package ships for Prometheus.
pub fn shipped(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../observer/dist/prometheus");
    folder.join(name).canonicalize().expect("a shipped file")
}

/// A running Prometheus and the Alertmanager that it tells.
#[derive(Debug)]
pub struct Prometheus<'a> {
    namespace: &'a Namespace,
    _prometheus: Process,
    _alertmanager: Process,
    _folder: TempDir,
}

impl<'a> Prometheus<'a> {
    /// Starts both beside the daemon of this namespace.
    ///
    /// # Panics
    /// When one does not start.
    pub fn start(namespace: &'a Namespace) -> Self {
        let folder = TempDir::new().expect("making a folder");
        let config = folder.path().join("prometheus.yml");
        let rules = shipped("observer.rules.yml").display().to_string();
        let text = CONFIG
            .replace("RULES", &rules)
            .replace("ALERTMANAGER", ALERTMANAGER);
        fs::write(&config, text).expect("writing the configuration of Prometheus");
        // Without the address of a cluster it looks for one.
        let mut alertmanager = namespace.command("prometheus-alertmanager");
        alertmanager
            .arg("--config.file")
            .arg(shipped("alertmanager.yml"))
            .arg("--storage.path")
            .arg(folder.path().join("alertmanager"))
            .args(["--web.listen-address", ALERTMANAGER])
            .args(["--cluster.listen-address", ""]);
        let mut prometheus = namespace.command("prometheus");
        prometheus
            .arg("--config.file")
            .arg(config)
            .arg("--storage.tsdb.path")
            .arg(folder.path().join("prometheus"))
            .args(["--web.listen-address", PROMETHEUS]);
        let alertmanager = serve(namespace, alertmanager, folder.path(), ALERTMANAGER);
        let prometheus = serve(namespace, prometheus, folder.path(), PROMETHEUS);
        Self {
            namespace,
            _prometheus: prometheus,
            _alertmanager: alertmanager,
            _folder: folder,
        }
    }

    /// The value of an expression that has one series; `None` while it has none.
    ///
    /// # Panics
    /// When the answer is no JSON.
    pub fn value(&self, expression: &str) -> Option<f64> {
        let mut command = self.namespace.command("promtool");
        command
            .args(["query", "instant", "-o", "json"])
            .arg(format!("http://{PROMETHEUS}"))
            .arg(expression);
        let output = finish(&mut command, b"");
        if !output.status.success() {
            return None;
        }
        let answer: Value = serde_json::from_slice(&output.stdout).expect("an answer in JSON");
        answer[0]["value"][1].as_str()?.parse().ok()
    }

    /// The data that the API answers with, asked for `/api/v1/` and this.
    ///
    /// # Errors
    /// What Prometheus says is wrong with the question, or warns of.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let parameters: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        let answer = self.namespace.inside(|| {
            let mut stream = TcpStream::connect(PROMETHEUS).expect("connecting");
            stream
                .set_read_timeout(Some(Duration::from_secs(30)))
                .expect("setting a timeout");
            // In the older version the content is in one piece.
            write!(
                stream,
                "GET /api/v1/{path}?{} HTTP/1.0\r\nHost: {PROMETHEUS}\r\n\r\n",
                parameters.join("&")
            )
            .expect("asking");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            answer
        });
        let (_, content) = answer.split_once("\r\n\r\n").expect("a head");
        let mut answer: Value = serde_json::from_str(content).expect("an answer in JSON");
        match (&answer["status"], &answer["warnings"]) {
            (Value::String(status), Value::Null) if status == "success" => {
                Ok(answer["data"].take())
            }
            _ => Err(answer.to_string()),
        }
    }
}

/// As it stands in a query (RFC 3986 section 2.1).
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Starts a server and waits until it listens.
fn serve(namespace: &Namespace, mut command: Command, folder: &Path, address: &str) -> Process {
    let path = folder.join(address);
    let log = File::create(&path).expect("making a log");
    let mut process = Process::start(command.stdin(Stdio::null()).stderr(log));
    wait_for(address, Duration::from_secs(30), || {
        let said = || fs::read_to_string(&path).unwrap_or_default();
        assert!(process.is_running(), "{address}: {}", said());
        namespace.inside(|| TcpStream::connect(address).ok())
    });
    process
}

/// Where Alertmanager's notifications arrive.
#[derive(Debug)]
pub struct Receiver(TcpListener);

/// One notification.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Whom it is for: the path of the receiver's address.
    pub path: String,
    /// Its alerts, as Alertmanager tells them.
    pub alerts: Vec<Value>,
}

impl Receiver {
    /// Listens where the shipped configuration says.
    ///
    /// # Panics
    /// When the address is taken.
    pub fn listen(namespace: &Namespace) -> Self {
        let listener = namespace.inside(|| TcpListener::bind(RECEIVER).expect("listening"));
        listener
            .set_nonblocking(true)
            .expect("setting the listener");
        Self(listener)
    }

    /// The next notification, acknowledged; `None` while there is none.
    ///
    /// # Panics
    /// When it is none of Alertmanager's.
    pub fn next(&self) -> Option<Notification> {
        let mut stream = match self.0.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("accepting: {error}"),
        };
        stream.set_nonblocking(false).expect("setting the stream");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("setting a timeout");
        let (head, body) = read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .expect("acknowledging");
        let mut told: Value = serde_json::from_slice(&body).expect("a notification in JSON");
        Some(Notification {
            path: head.split(' ').nth(1).unwrap_or_default().to_owned(),
            alerts: told["alerts"].as_array_mut().map(std::mem::take)?,
        })
    }
}

/// Head and content of a request.
///
/// # Panics
/// When it breaks off or tells no length.
pub fn read_request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).expect("reading a notification");
        assert_ne!(count, 0, "a notification breaks off");
        bytes.extend_from_slice(&buffer[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        });
        let body = end + 4;
        if bytes.len() - body >= length.expect("the length of a notification") {
            return (head, bytes.split_off(body));
        }
    }
}
