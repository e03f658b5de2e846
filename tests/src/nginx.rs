//! nginx as the observed service, and what it counted itself.
//!
//! One edge server, and a backend that it is a proxy for: each writes a log of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::certificate;
use crate::namespace::Namespace;
use crate::process::{Process, wait_for};

/// Bytes of `/v1/download`.
pub const DOWNLOAD: u64 = 1 << 30;

const CONFIG: &str = r#"
  default_type application/json;
  keepalive_requests 10000000;
  client_max_body_size 0;
  sendfile on;
  limit_req_zone $uri zone=calls:1m rate=1r/m;
  limit_req_status 429;
  # The answer to an item depends on its number: the status on the last digit, the length on the one before it.
  map $uri $padding {
    "~0\d$" ""; "~1\d$" "x"; "~2\d$" "xx"; "~3\d$" "xxx"; "~4\d$" "xxxx"; "~5\d$" "xxxxx";
    "~6\d$" "xxxxxx"; "~7\d$" "xxxxxxx"; "~8\d$" "xxxxxxxx"; "~9\d$" "xxxxxxxxx";
  }
  server {
    listen 80;
    listen [::]:80;
    access_log edge.log counted;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    location /v1/widgets/ { return 200 '{"widget":"$uri"}'; }
    location = /v1/download { alias big; }
    location = /v1/reports { alias report; gzip on; gzip_types *; gzip_min_length 1; }
    location /v1/uploads/ { root stored; dav_methods PUT DELETE; create_full_put_path on; }
    location /v1/relayed/ { proxy_pass http://127.0.0.1:8080; }
    location = /v1/early { return 202; }
    location = /v1/moved { return 301 /v1/widgets/1; }
    location = /v1/empty { return 204; }
    location = /v1/secret { return 401; }
    location = /v1/forbidden { return 403; }
    location = /v1/conflict { return 409; }
    location = /v1/small { client_max_body_size 1k; root stored; dav_methods PUT; }
    location = /v1/limited { limit_req zone=calls; alias report; }
    location = /v1/broken { return 500; }
    location = /v1/unreachable { proxy_pass http://127.0.0.1:9; }
    location = /v1/away { return 503; }
    location = /v1/slow { proxy_pass http://127.0.0.1:8081; }
    # The answer to a thing of /v2/ depends on its number: the status is its first three digits. A text of our own keeps
    # the connection.
    location ~ ^/v2/[a-z]+/401\d+$ { return 401; }
    location ~ ^/v2/[a-z]+/404\d+$ { return 404; }
    location ~ ^/v2/[a-z]+/500\d+$ { return 500 "broken"; }
    location ~ ^/v2/[a-z]+/\d+$ { return 200 '{"thing":"$uri"}'; }
    location ~ ^/v1/items/\d+[0-4]$ { return 200 "$uri $padding"; }
    location ~ ^/v1/items/\d+[56]$ { return 201 "$uri $padding"; }
    location ~ ^/v1/items/\d+7$ { return 403 "$uri $padding"; }
    location ~ ^/v1/items/\d+8$ { return 409 "$uri $padding"; }
    location ~ ^/v1/items/\d+9$ { return 503 "$uri $padding"; }
  }
  server {
    listen 127.0.0.1:8080;
    access_log backend.log counted;
    location /v1/relayed/ { root stored; dav_methods PUT; create_full_put_path on; }
    location /v1/widgets/ { return 200 '{"widget":"$uri"}'; }
    location = /v1/forbidden { return 403; }
  }
"#;

/// One port a kind of TLS: what is in use today, and what should not be any more.
const TLS_CONFIG: &str = r#"
  ssl_certificate cert.pem;
  ssl_certificate_key key.pem;
  server { listen 8443 ssl; ssl_protocols TLSv1.2 TLSv1.3; return 200 "today"; }
  server { listen 8444 ssl; ssl_protocols TLSv1; ssl_ciphers ALL:@SECLEVEL=0; return 200 "obsolete"; }
  server { listen 8445 ssl; ssl_protocols TLSv1.3; ssl_ecdh_curve secp384r1; return 200 "asked twice"; }
"#;

/// What of the edge server is asked for over TLS.
const SEALED_CONFIG: &str = r#"
  ssl_certificate cert.pem;
  ssl_certificate_key key.pem;
  ssl_early_data on;
  keepalive_requests 10000000;
  client_max_body_size 0;
  server {
    listen 8443 ssl;
    ssl_protocols TLSv1.2 TLSv1.3;
    access_log edge.log counted;
    location /v1/widgets/ { return 200 '{"widget":"$uri"}'; }
    location = /v1/reports { alias report; gzip on; gzip_types *; gzip_min_length 1; }
    location /v1/uploads/ { root stored; dav_methods PUT DELETE; create_full_put_path on; }
    location = /v1/moved { return 301 /v1/widgets/1; }
    location = /v1/empty { return 204; }
    location = /v1/secret { return 401; }
    location = /v1/forbidden { return 403; }
    location = /v1/broken { return 500; }
  }
"#;

/// What stands around what a server is to do: everything that it writes is below its folder.
const FRAME: &str = r#"
daemon off;
user root;
worker_processes 2;
pid nginx.pid;
error_log error.log;
events { worker_connections 1024; }
http {
  access_log off;
  log_format counted escape=json '{"method":"$request_method","uri":"$request_uri","status":"$status","sent":$bytes_sent,"body":$body_bytes_sent,"key":"$http_x_api_key"}';
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
"#;

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    _process: Process,
    folder: TempDir,
}

/// One line of a log of its.
#[derive(Clone, Debug)]
pub struct Logged {
    /// The method.
    pub method: String,
    /// The target as it was sent.
    pub uri: String,
    /// The status; `None` when nothing of a response was sent.
    pub status: Option<u16>,
    /// Bytes of the response after its head.
    pub body: u64,
    /// The key that came with it.
    pub key: String,
}

/// The one true exchange of `/v1/items/NUMBER`: whose key asks for it, and what nginx answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Index into [`crate::daemon::KEYS`].
    pub key: usize,
    /// The status.
    pub status: u16,
    /// Bytes of the content.
    pub length: u64,
}

impl Item {
    /// Of a number with two digits at least.
    pub fn of(number: u64) -> Self {
        Self {
            key: usize::try_from(number / 100 % 5).unwrap_or(0),
            status: match number % 10 {
                0..=4 => 200,
                5 | 6 => 201,
                7 => 403,
                8 => 409,
                _ => 503,
            },
            length: format!("/v1/items/{number} ").len() as u64 + number / 10 % 10,
        }
    }

    /// The number in a target.
    pub fn number(target: &str) -> Option<u64> {
        target.strip_prefix("/v1/items/")?.parse().ok()
    }
}

impl Logged {
    /// Whether the client gave up before anything was sent.
    pub fn is_unanswered(&self) -> bool {
        self.status.is_none()
    }
}

impl Nginx {
    /// Starts it as an edge server and a backend.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(namespace: &Namespace) -> Self {
        let folder = TempDir::new().expect("making a folder");
        let nginx_folder = folder.path();
        let report = "{\"line\": \"of a report\"}\n".repeat(10_000);
        fs::write(nginx_folder.join("report"), report).expect("writing a file of nginx");
        fs::create_dir(nginx_folder.join("stored")).expect("making a folder");
        File::create(nginx_folder.join("big"))
            .and_then(|file| file.set_len(DOWNLOAD))
            .expect("making the download");
        Self::launch(namespace, folder, CONFIG, 8080)
    }

    /// Starts it with TLS: on port 8443 versions 1.2 and 1.3, on 8444 version 1.0, and on 8445 version 1.3 with a group that
    /// clients do not offer a key for at first.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_tls(namespace: &Namespace) -> Self {
        let folder = TempDir::new().expect("making a folder");
        certificate::make(folder.path());
        Self::launch(namespace, folder, TLS_CONFIG, 8443)
    }

    /// Starts it with TLS 1.2 and 1.3 on port 8443, with a log of what it is asked inside.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_sealed(namespace: &Namespace) -> Self {
        let folder = TempDir::new().expect("making a folder");
        certificate::make(folder.path());
        let report = "{\"line\": \"of a report\"}\n".repeat(10_000);
        fs::write(folder.path().join("report"), report).expect("writing a file of nginx");
        fs::create_dir(folder.path().join("stored")).expect("making a folder");
        Self::launch(namespace, folder, SEALED_CONFIG, 8443)
    }

    fn launch(namespace: &Namespace, folder: TempDir, config: &str, port: u16) -> Self {
        let nginx_folder = folder.path();
        let mut command = command(namespace, nginx_folder, config);
        let mut process = Process::start(&mut command);
        let errors = || fs::read_to_string(nginx_folder.join("error.log")).unwrap_or_default();
        wait_for("nginx to listen", Duration::from_secs(10), || {
            assert!(process.is_running(), "nginx: {}", errors());
            namespace.inside(|| std::net::TcpStream::connect(("127.0.0.1", port)).ok())
        });
        Self {
            _process: process,
            folder,
        }
    }

    /// What the edge server answered or gave up so far.
    pub fn edge(&self) -> Vec<Logged> {
        self.log("edge.log")
    }

    /// What the backend answered so far.
    pub fn backend(&self) -> Vec<Logged> {
        self.log("backend.log")
    }

    /// A file of its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self, name: &str) -> Vec<Logged> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().filter_map(logged).collect()
    }
}

/// What starts nginx in a folder. `http`: lines of that section of its configuration.
///
/// # Panics
/// When its configuration cannot be written.
pub fn command(namespace: &Namespace, folder: &Path, http: &str) -> Command {
    let config = format!("{FRAME}{http}}}\n");
    fs::write(folder.join("nginx.conf"), config).expect("writing a file of nginx");
    let mut command = namespace.command("/usr/sbin/nginx");
    command
        .arg("-p")
        .arg(folder)
        .args(["-c", "nginx.conf"])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Reads a line; one that is not yet whole is none.
fn logged(line: &str) -> Option<Logged> {
    let value: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let number = |name: &str| value.get(name)?.as_u64();
    let status = text("status")?.parse().ok()?;
    Some(Logged {
        method: text("method")?,
        uri: text("uri")?,
        status: (number("sent")? > 0).then_some(status),
        body: number("body")?,
        key: text("key")?,
    })
}
