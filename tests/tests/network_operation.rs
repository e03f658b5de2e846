//! What an operator does: reload, rotate, look at health, metrics and ports, and start it wrong.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use observer_tests::certificate;
use observer_tests::daemon::{Daemon, KEYS, STRANGER, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{Process, finish, run, wait_for};
use observer_tests::require::{binary, require};
use observer_tests::traffic::{Connection, curl, key_field, load, request};
use rustix::process::Signal;
use serde_json::Value;

const SERVER: &str = "10.77.0.1:80";
const LIMIT: Duration = Duration::from_secs(10);

fn requests(daemon: &Daemon<'_>, consumer: &str) -> f64 {
    let labels = [("consumer", consumer)];
    daemon
        .metrics()
        .sum("observer_http_requests_total", &labels)
}

fn wait_for_requests(daemon: &Daemon<'_>, consumer: &str, count: f64) {
    wait_for(&format!("{count} requests of {consumer}"), LIMIT, || {
        (requests(daemon, consumer) == count).then_some(())
    });
}

fn wait_for_log(daemon: &Daemon<'_>, text: &str) {
    wait_for(&format!("the log to say {text}"), LIMIT, || {
        daemon.log().contains(text).then_some(())
    });
}

fn account(setup: &Setup, id: &str) -> String {
    format!(
        "[[account]]\nid = \"{id}\"\n[[account.app]]\nid = \"app\"\n[[account.app.key]]\nid = \"key\"\nfp = \"{}\"\n",
        setup.fingerprint(STRANGER)
    )
}

#[test]
fn registry_and_configuration_are_taken_over_whole_or_not_at_all() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let field = key_field(STRANGER);
    let ask = || {
        let url = "http://10.77.0.1/v1/widgets/1";
        curl(&link.client, &["-H", &field, url, url]);
    };
    ask();
    wait_for_requests(&daemon, "__unregistered__", 2.0);

    // A file in the folder is enough.
    fs::write(
        setup.path("registry.d/new.toml"),
        account(&setup, "newcomer"),
    )
    .expect("writing");
    wait_for_log(&daemon, "read again (6 keys)");
    ask();
    wait_for_requests(&daemon, "newcomer", 2.0);

    // A broken one changes nothing, and says so.
    fs::write(setup.path("registry.d/new.toml"), "[[account]]\nid = 7\n").expect("writing");
    wait_for_log(&daemon, "stay in force");
    ask();
    wait_for_requests(&daemon, "newcomer", 4.0);

    // Nor does a broken configuration.
    let configuration = fs::read_to_string(setup.config()).expect("reading");
    fs::write(
        setup.path("registry.d/new.toml"),
        account(&setup, "renamed"),
    )
    .expect("writing");
    fs::write(setup.config(), format!("{configuration}\n[nonsense]\n")).expect("writing");
    daemon.process.signal(Signal::HUP);
    wait_for_log(&daemon, "nonsense");
    ask();
    wait_for_requests(&daemon, "newcomer", 6.0);
    fs::write(setup.config(), configuration).expect("writing");
    daemon.process.signal(Signal::HUP);
    wait_for("the new name", LIMIT, || {
        ask();
        (requests(&daemon, "renamed") > 0.0).then_some(())
    });
}

#[test]
fn records_are_rotated_without_loss() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let (records, rotated) = (setup.path("records"), setup.path("records.1"));
    std::thread::scope(|scope| {
        let traffic = scope.spawn(|| load(&link.client, SERVER, 4, 2_000));
        wait_for("some records", LIMIT, || {
            (fs::metadata(&records).ok()?.len() > 0).then_some(())
        });
        fs::rename(&records, &rotated).expect("rotating");
        daemon.process.signal(Signal::HUP);
        wait_for("a new file", LIMIT, || records.exists().then_some(()));
        traffic.join().expect("the traffic");
    });
    let after = daemon.stop().len();
    let before = fs::read_to_string(&rotated)
        .expect("reading")
        .lines()
        .count();
    assert!(before > 0 && after > 0, "{before} and {after}");
    assert_eq!(before + after, 8_000);
}

#[test]
fn tls_is_told_to_be_opaque() {
    if !require(&["ip", "nsenter", "openssl", "curl"]) {
        return;
    }
    let link = Link::new();
    let setup = Setup::new("", "[tls]\nenabled = false\n");
    let folder = tempfile::tempdir().expect("making a folder");
    let (key, certificate) = certificate::make(folder.path());
    let mut server = link.server.command("openssl");
    server
        .args(["s_server", "-accept", "8443", "-www", "-key"])
        .arg(&key)
        .arg("-cert")
        .arg(&certificate)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _server = Process::start(&mut server);
    let daemon = setup.start(&link.server);
    wait_for("the TLS server", LIMIT, || {
        let mut curl = link.client.command("curl");
        curl.args(["-sk", "-o", "/dev/null", "https://10.77.0.1:8443/"]);
        curl.status()
            .is_ok_and(|status| status.success())
            .then_some(())
    });
    let labels = [("port", "8443"), ("reason", "tls")];
    wait_for("an opaque connection", LIMIT, || {
        let metrics = daemon.metrics();
        (metrics.sum("observer_opaque_connections_total", &labels) >= 1.0).then_some(())
    });
    let mut doctor = link.server.command(&binary().display().to_string());
    let output = finish(
        doctor
            .args(["doctor", "--json", "--config"])
            .arg(setup.config()),
        b"",
    );
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let ports = report["ports"].as_array().expect("ports");
    let port = ports
        .iter()
        .find(|port| port["port"] == 8443)
        .expect("the port");
    assert!(
        port["blind"]
            .as_str()
            .is_some_and(|why| why.contains("tls")),
        "{port}"
    );
}

#[test]
fn a_scrape_is_clean_and_not_counted() {
    if !require(&["ip", "nsenter", "nginx", "curl", "promtool"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    load(&link.client, SERVER, 2, 10);
    for path in ["secret", "nothing", "broken", "limited", "relayed/1"] {
        curl(&link.client, &[&format!("http://10.77.0.1/v1/{path}")]);
    }
    wait_for("every request", LIMIT, || {
        let counted = daemon.metrics().sum("observer_http_requests_total", &[]);
        (counted == 25.0).then_some(())
    });
    let (status, page) = daemon.get("/metrics").expect("the page");
    assert_eq!(status, 200);
    let judged = finish(
        Command::new("promtool").args(["check", "metrics"]),
        page.as_bytes(),
    );
    assert!(judged.status.success(), "{judged:?}");
    assert!(
        judged.stdout.is_empty() && judged.stderr.is_empty(),
        "{judged:?}"
    );
    // All the scrapes of this test are none of the host's usage.
    assert_eq!(
        daemon.metrics().sum("observer_http_requests_total", &[]),
        25.0
    );
}

#[test]
fn connections_that_break_off_leave_records() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let server = link
        .server
        .inside(|| TcpListener::bind("10.77.0.1:8090").expect("listening"));
    let ask = |target: &str| {
        let mut connection = Connection::open(&link.client, "10.77.0.1:8090");
        connection.send(request(target, KEYS[0].0).as_bytes());
        let (mut stream, _) = server.accept().expect("accepting");
        let mut head = [0; 1024];
        assert!(stream.read(&mut head).expect("reading") > 0);
        (connection, stream)
    };
    // The server goes in the middle of its response; then before it; then the client goes.
    let (connection, mut stream) = ask("/half");
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        .expect("answering");
    drop(stream);
    drop(connection);
    let (connection, stream) = ask("/none");
    drop(stream);
    drop(connection);
    let (connection, stream) = ask("/left");
    drop(connection);
    drop(stream);
    wait_for_requests(&daemon, "acme", 3.0);
    let failures = |outcome: &str| {
        let labels = [("consumer", "acme"), ("outcome", outcome)];
        daemon
            .metrics()
            .sum("observer_http_failures_total", &labels)
    };
    for outcome in ["server_reset", "no_response", "client_abort"] {
        assert_eq!(failures(outcome), 1.0, "{outcome}");
    }
    let records = daemon.stop();
    let outcome = |target: &str| {
        let record = records.iter().find(|record| record["target"] == target);
        record.map(|record| record["outcome"].clone())
    };
    assert_eq!(outcome("/half"), Some("server_reset".into()));
    assert_eq!(outcome("/none"), Some("no_response".into()));
    assert_eq!(outcome("/left"), Some("client_abort".into()));
}

#[test]
fn a_start_that_cannot_work_says_why() {
    if !require(&["setpriv"]) {
        return;
    }
    let setup = Setup::new("", "");
    let copy = std::env::temp_dir().join(format!("observer-{}", std::process::id()));
    // Not by this process: a child of another test would hold the file open to write, and nobody could run it.
    run(Command::new("cp").arg(binary()).arg(&copy));
    let output = finish(
        Command::new("setpriv")
            .args([
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "--inh-caps=-all",
            ])
            .arg(&copy)
            .arg("run"),
        b"",
    );
    fs::remove_file(&copy).expect("removing the copy");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("sudo observer run"), "{said}");

    fs::write(setup.config(), "[capture]\ninterface = [\"lo\"]\n").expect("writing");
    let mut command = Command::new(binary());
    let output = finish(command.args(["run", "--config"]).arg(setup.config()), b"");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("line 2") || said.contains(":2"), "{said}");
    assert!(said.contains("`interfaces`"), "{said}");
}
