//! Two network namespaces joined by a veth pair: nginx and the observer in one, clients in the other.
//!
//! Invariant: everything that was started ends with the value that stands for it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::Process;

/// The server's address.
pub const SERVER: &str = "10.77.0.1";
const CLIENT: &str = "10.77.0.2";
/// Where the observer listens, in the server's namespace.
pub const LISTENER: &str = "127.0.0.1:9464";
/// Where nginx tells what it counted, in the server's namespace and on an interface that is not observed.
const STATUS: &str = "127.0.0.1:8099";
/// The key that clients send.
pub const KEY: &str = "sk_live_5f2b8d17c3a94e60";
/// How long anything may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Failure {
    what: String,
    why: String,
}

impl Failure {
    /// A failure of something, with the reason.
    pub fn new(what: impl Into<String>, why: impl ToString) -> Self {
        Self {
            what: what.into(),
            why: why.to_string(),
        }
    }
}

/// What to say when something fails.
pub fn failed<E: ToString>(what: impl Into<String>) -> impl FnOnce(E) -> Failure {
    move |error| Failure::new(what, error)
}

/// The observer's binary: `OBSERVER_BIN`.
pub fn observer() -> Result<PathBuf, Failure> {
    std::env::var_os("OBSERVER_BIN")
        .map(PathBuf::from)
        .ok_or_else(|| {
            Failure::new(
                "OBSERVER_BIN",
                "not set: run this through `cargo xtask bench`",
            )
        })
}

/// Runs a command to its end and returns what it printed.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let name = format!("{command:?}");
    let output = command.output().map_err(failed(&name))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Failure::new(name, String::from_utf8_lossy(&output.stderr)))
    }
}

fn ip(arguments: &str) -> Result<String, Failure> {
    output(Command::new("ip").args(arguments.split_ascii_whitespace()))
}

/// A network namespace of `ip netns`.
pub struct Namespace {
    name: String,
}

impl Namespace {
    fn new(name: String) -> Result<Self, Failure> {
        ip(&format!("netns add {name}"))?;
        ip(&format!("-n {name} link set lo up"))?;
        Ok(Self { name })
    }

    /// Does something inside; processes started there stay there. (`ip netns exec` would hide bpffs.)
    pub fn enter<T: Send>(
        &self,
        deed: impl FnOnce() -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let path = Path::new("/run/netns").join(&self.name);
        let file = fs::File::open(&path).map_err(failed(path.display().to_string()))?;
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(
                    std::os::fd::AsFd::as_fd(&file),
                    Some(LinkNameSpaceType::Network),
                )
                .map_err(failed("entering a network namespace"))?;
                deed()
            });
            inside
                .join()
                .unwrap_or_else(|_| Err(Failure::new("a measurement", "panicked")))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&format!("netns del {}", self.name));
    }
}

/// The two namespaces and a folder.
pub struct Lab {
    /// Where nginx and the observer run.
    pub server: Namespace,
    /// Where clients run.
    pub client: Namespace,
    /// For files.
    pub folder: tempfile::TempDir,
    interface: String,
}

impl Lab {
    /// Makes them.
    pub fn new() -> Result<Self, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Err(Failure::new(
                "network namespaces",
                "need root (sudo cargo xtask bench)",
            ));
        }
        let id = std::process::id();
        let server = Namespace::new(format!("bench-server-{id}"))?;
        let client = Namespace::new(format!("bench-client-{id}"))?;
        ip(&format!(
            "link add bench0 netns {} type veth peer name bench0 netns {}",
            server.name, client.name
        ))?;
        for (namespace, address) in [(&server, SERVER), (&client, CLIENT)] {
            let name = &namespace.name;
            ip(&format!("-n {name} address add {address}/24 dev bench0"))?;
            ip(&format!("-n {name} link set bench0 up"))?;
        }
        let folder = tempfile::tempdir().map_err(failed("a temporary folder"))?;
        Ok(Self {
            server,
            client,
            folder,
            interface: "bench0".to_owned(),
        })
    }

    /// nginx answering a small JSON from memory on some ports.
    pub fn nginx(&self, workers: u32, connections: u32, ports: &[u16]) -> Result<Process, Failure> {
        let listen: String = ports
            .iter()
            .map(|port| format!("listen {port} reuseport backlog=4096;\n"))
            .collect();
        self.nginx_with(workers, connections, &listen)
    }

    /// As [`Self::nginx`], with directives of its server that say where and how it listens.
    pub fn nginx_with(
        &self,
        workers: u32,
        connections: u32,
        listen: &str,
    ) -> Result<Process, Failure> {
        let folder = self.folder.path().display();
        let text = format!(
            "daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes {workers};\n\
             events {{ worker_connections {connections}; }}\n\
             http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;\n\
             client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;\n\
             uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n\
             server {{ listen {STATUS}; location / {{ stub_status; }} }}\n\
             server {{ {listen} default_type application/json;\n\
             location / {{ return 200 '{{\"id\":42,\"name\":\"widget\",\"price\":\"9.90\",\"stock\":17}}\\n'; }} }} }}\n"
        );
        let path = self.folder.path().join("nginx.conf");
        fs::write(&path, text).map_err(failed("nginx.conf"))?;
        let nginx = self.server.enter(|| {
            Process::start(
                Command::new("nginx")
                    .arg("-c")
                    .arg(&path)
                    .stderr(Stdio::null()),
            )
        })?;
        self.wait_for("nginx", || self.answered().map(|_| ()))?;
        Ok(nginx)
    }

    /// What nginx counted so far: accepted requests, this one's own included.
    pub fn answered(&self) -> Result<u64, Failure> {
        let text = self.get(STATUS, "/")?;
        let line = text
            .lines()
            .skip_while(|line| !line.starts_with("server accepts"))
            .nth(1);
        line.and_then(|line| line.split_ascii_whitespace().nth(2)?.parse().ok())
            .ok_or_else(|| Failure::new("nginx's status", text))
    }

    /// Starts the observer and waits until it is ready.
    pub fn observe(&self) -> Result<Process, Failure> {
        let config = self.configuration()?;
        let log = fs::File::create(self.folder.path().join("observer.log"))
            .map_err(failed("observer.log"))?;
        let binary = observer()?;
        let process = self.server.enter(|| {
            Process::start(
                Command::new(binary)
                    .args(["run", "--listen", LISTENER, "--interface", &self.interface])
                    .arg("--config")
                    .arg(config)
                    .stderr(log),
            )
        })?;
        self.wait_for("the observer", || {
            self.get(LISTENER, "/healthz").map(|_| ())
        })
        .map_err(|failure| {
            let log = fs::read_to_string(self.folder.path().join("observer.log"));
            Failure::new(failure.to_string(), log.unwrap_or_default())
        })?;
        Ok(process)
    }

    /// Removes what stays in the kernel when the observer stops: what runs next runs without it.
    pub fn unpin(&self) {
        if let Ok(binary) = observer() {
            let _ = Command::new(binary)
                .args(["unpin", "--config"])
                .arg(self.folder.path().join("observer.toml"))
                .output();
        }
    }

    /// A configuration with one registered key, where there is none yet.
    fn configuration(&self) -> Result<PathBuf, Failure> {
        let path = self.folder.path().join("observer.toml");
        if path.exists() {
            return Ok(path);
        }
        configuration(self.folder.path(), &[KEY.to_owned()])
    }

    /// The observer's metrics.
    pub fn metrics(&self) -> Result<Metrics, Failure> {
        self.get(LISTENER, "/metrics").map(Metrics)
    }

    /// The observer's metrics once they have stood still for a while.
    pub fn settled_metrics(&self) -> Result<Metrics, Failure> {
        let mut before = self.metrics()?;
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(600));
            let now = self.metrics()?;
            if now.sum("observer_http_requests_total") == before.sum("observer_http_requests_total")
            {
                return Ok(now);
            }
            before = now;
        }
        Err(Failure::new("the observer's counters", "never stood still"))
    }

    fn get(&self, address: &str, path: &str) -> Result<String, Failure> {
        self.server.enter(|| {
            let mut stream = TcpStream::connect(address).map_err(failed(address))?;
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
            stream
                .write_all(request.as_bytes())
                .map_err(failed(address))?;
            let mut answer = String::new();
            stream
                .read_to_string(&mut answer)
                .map_err(failed(address))?;
            if answer.starts_with("HTTP/1.1 200") {
                Ok(answer)
            } else {
                Err(Failure::new(format!("{address}{path}"), answer))
            }
        })
    }

    fn wait_for(
        &self,
        name: &str,
        mut ready: impl FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            match ready() {
                Ok(()) => return Ok(()),
                Err(failure) if start.elapsed() > PATIENCE => {
                    return Err(Failure::new(format!("{name} is not ready"), failure));
                }
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.unpin();
    }
}

/// Writes a configuration and a registry with some keys, one account each; returns the configuration's path.
pub fn configuration(folder: &Path, keys: &[String]) -> Result<PathBuf, Failure> {
    let path = folder.join("observer.toml");
    let registry = folder.join("registry.d");
    fs::create_dir_all(&registry).map_err(failed("registry.d"))?;
    let text = format!(
        "[identity]\nregistry = {registry:?}\npepper_file = {:?}\n[ledger]\npath = {:?}\n[control]\nsocket = {:?}\n",
        folder.join("pepper"),
        folder.join("ledger.sqlite"),
        folder.join("observer.sock")
    );
    fs::write(&path, text).map_err(failed("observer.toml"))?;
    let mut accounts = String::new();
    for (number, key) in keys.iter().enumerate() {
        let fingerprint = fingerprint(&path, key)?;
        accounts.push_str(&format!(
            "[[account]]\nid = \"account-{number}\"\nname = \"Account {number}\"\n[[account.app]]\nid = \"app-{number}\"\n\
             [[account.app.key]]\nid = \"key-{number}\"\nfp = \"{fingerprint}\"\n"
        ));
    }
    fs::write(registry.join("accounts.toml"), accounts).map_err(failed("accounts.toml"))?;
    Ok(path)
}

fn fingerprint(config: &Path, key: &str) -> Result<String, Failure> {
    let mut child = Command::new(observer()?)
        .args(["keys", "fingerprint", "--config"])
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed("observer keys fingerprint"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(key.as_bytes())
            .map_err(failed("observer keys fingerprint"))?;
    }
    let output = child
        .wait_with_output()
        .map_err(failed("observer keys fingerprint"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Metrics in Prometheus' text format.
pub struct Metrics(String);

impl Metrics {
    /// The series of a family: labels as they stand, and value.
    pub fn series<'a>(&'a self, family: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(family)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            (labels.is_empty() || labels.starts_with('{'))
                .then(|| Some((labels, value.parse().ok()?)))?
        })
    }

    /// The sum of a family's series.
    pub fn sum(&self, family: &str) -> f64 {
        // Not `sum()`: that of nothing is -0.
        let values = self.series(family).map(|(_, value)| value);
        values.fold(0.0, |sum, value| sum + value)
    }
}

impl From<String> for Metrics {
    fn from(text: String) -> Self {
        Self(text)
    }
}
