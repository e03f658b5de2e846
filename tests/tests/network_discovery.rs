//! The running daemon finds out where keys travel, from what it sees while somebody asks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use observer_tests::daemon::Setup;
use observer_tests::namespace::Link;
use observer_tests::nginx;
use observer_tests::process::{Process, finish, run, wait_for};
use observer_tests::require::require;
use observer_tests::traffic::Connection;
use serde_json::Value;

/// A field of its own that keys stand in; without one, everything is refused.
const CONFIG: &str = r#"
  keepalive_requests 1000000;
  server {
    listen 80;
    location / {
      if ($http_x_acme_auth = "") { return 401 "no"; }
      return 200 "yes";
    }
  }
"#;

#[test]
fn the_daemon_tells_where_keys_travel() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let folder = tempfile::tempdir().expect("making a folder");
    let _nginx = Process::start(&mut nginx::command(&link.server, folder.path(), CONFIG));
    wait_for("nginx", Duration::from_secs(10), || {
        let connect = || std::net::TcpStream::connect("127.0.0.1:80").ok();
        link.server.inside(connect).map(drop)
    });
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let over = AtomicBool::new(false);
    let report = thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = Connection::open(&link.client, "10.77.0.1:80");
            for number in 0_u64.. {
                let auth = match number % 10 {
                    0 => String::new(),
                    key => format!("X-Acme-Auth: {:032x}\r\n", key.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                };
                let request = format!(
                    "GET /v1/things/{} HTTP/1.1\r\nHost: api.example\r\nX-Request-Id: {:032x}\r\n{auth}\r\n",
                    number % 50,
                    (u128::from(number) + 1).wrapping_mul(0xda94_2042_e4dd_58b5_9e37_79b9_7f4a_7c15)
                );
                connection.send(request.as_bytes());
                let (_, length) = connection.head();
                connection.read(length);
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let words = ["--for", "2s", "--format", "json"];
        let mut command = setup.command(&["keys", "discover"]);
        let first = scope.spawn(move || run(command.args(words)));
        wait_for("the daemon to look", Duration::from_secs(2), || {
            daemon.log().contains("where keys travel").then_some(())
        });
        // Who asks while it looks for somebody else is told so.
        let second = finish(&mut setup.command(&["keys", "discover"]), b"");
        assert_eq!(second.status.code(), Some(2));
        let second = second.stderr;
        let second = String::from_utf8_lossy(&second).into_owned();
        assert!(
            second.contains("somebody else is looking already"),
            "{second}"
        );
        let report = first.join().expect("the first");
        over.store(true, Ordering::Relaxed);
        report
    });
    let report: Value = serde_json::from_str(&report).expect("the answer is JSON");
    assert_eq!(report["completeness"], 1.0, "{report}");
    let first = &report["rows"][0];
    assert_eq!(first["location"], "header:x-acme-auth", "{report:#}");
    assert!(first["requests"].as_u64() > Some(100), "{report:#}");
    assert_eq!(first["refused_without"], 1.0, "{report:#}");
    daemon.stop();
    // Nobody is there to ask.
    let output = finish(&mut setup.command(&["keys", "discover"]), b"");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("is `observer run` running"), "{said}");
}
