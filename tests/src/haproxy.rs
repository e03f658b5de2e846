//! HAProxy in front of the nginx of the same host.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::namespace::Namespace;
use crate::process::{Process, wait_for};

/// Port of the frontend; `/v1/gone` goes to a backend that is not there.
pub const PORT: u16 = 8000;

const CONFIG: &str = "
global
  maxconn 500
defaults
  mode http
  timeout connect 2s
  timeout client 20s
  timeout server 20s
frontend edge
  bind :::8000 v4v6
  use_backend gone if { path /v1/gone }
  default_backend nginx
backend nginx
  option forwardfor
  http-reuse always
  server one 127.0.0.1:8080
backend gone
  retries 0
  server none 127.0.0.1:9
";

/// A running HAProxy.
#[derive(Debug)]
pub struct Haproxy {
    _process: Process,
    _folder: TempDir,
}

impl Haproxy {
    /// Starts it.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(namespace: &Namespace) -> Self {
        let folder = TempDir::new().expect("making a folder");
        let config = folder.path().join("haproxy.cfg");
        fs::write(&config, CONFIG).expect("writing the configuration of HAProxy");
        let mut command = namespace.command("/usr/sbin/haproxy");
        command
            .args(["-db", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut process = Process::start(&mut command);
        wait_for("HAProxy to listen", Duration::from_secs(10), || {
            assert!(process.is_running(), "HAProxy ended");
            namespace.inside(|| std::net::TcpStream::connect(("127.0.0.1", PORT)).ok())
        });
        Self {
            _process: process,
            _folder: folder,
        }
    }
}
