//! TLS is read on after its server was restarted or upgraded and after the daemon was killed, and left alone where that is asked
//! for.

use std::time::Duration;

use observer_tests::daemon::{Daemon, KEYS, Setup};
use observer_tests::https::{Kind, Server, python_client, servers_only, upgrade};
use observer_tests::metrics::Sample;
use observer_tests::namespace::Link;
use observer_tests::process::{Process, wait_for};
use observer_tests::require::require;
use observer_tests::traffic::{curl, key_field};

/// Requests of a client, on a connection that it keeps.
const REQUESTS: usize = 40_000;
/// Requests that a daemon counts before it is killed, at least.
const PAUSE: u32 = 2_000;

/// Whether a sample tells of connections that were not read.
fn is_opaque(sample: &Sample) -> bool {
    sample.name == "observer_opaque_connections_total" && sample.value > 0.0
}

/// Asks nginx once, on a connection of its own.
fn ask_once(link: &Link) {
    let url = format!("https://10.77.0.1:{}/v1/things/1", Kind::Nginx.port());
    let field = key_field(KEYS[1].0);
    curl(&link.client, &["-k", "--http1.1", "-H", &field, &url]);
}

#[test]
fn a_server_that_is_restarted_or_upgraded_is_read_again() {
    if !require(&["ip", "nsenter", "nginx", "curl", "openssl"]) {
        return;
    }
    let link = Link::new();
    let setup = Setup::new("", &servers_only());
    let daemon = setup.start(&link.server);
    let libraries = tempfile::tempdir().expect("making a folder");
    upgrade(libraries.path());
    let place = libraries.path().display().to_string();
    let probed = || {
        let log = daemon.log();
        log.lines().filter(|line| line.contains(&place)).count()
    };
    let mut asked = 0;
    let mut versions = 1;
    for upgrades in [false, false, true, true] {
        if upgrades {
            // In place, under a server that has the old one open.
            upgrade(libraries.path());
            versions += 1;
        }
        let mut server = Server::start_with(&link.server, Kind::Nginx, Some(libraries.path()));
        // A new library takes some milliseconds, on a busy machine a tenth of a second; a known one nothing.
        wait_for("a probe", Duration::from_secs(5), || {
            (probed() == versions).then_some(())
        });
        for _ in 0..5 {
            ask_once(&link);
            asked += 1;
        }
        server.process().stop(rustix::process::Signal::TERM);
    }
    wait_for("every exchange", Duration::from_secs(20), || {
        let labels = [("consumer", KEYS[1].1), ("status", "200")];
        let seen = daemon
            .metrics()
            .sum("observer_http_requests_total", &labels);
        (seen == f64::from(asked)).then_some(())
    });
    let opaque: Vec<Sample> = daemon.metrics().0.into_iter().filter(is_opaque).collect();
    assert!(opaque.is_empty(), "{opaque:?}");
    let runs = daemon.metrics().sum("observer_tls_probe_runs_total", &[]);
    assert!(runs > f64::from(asked), "{runs}");
}

#[test]
fn a_restart_of_the_daemon_loses_nothing() {
    if !require(&["ip", "nsenter", "nginx", "python3", "openssl"]) {
        return;
    }
    let link = Link::new();
    let setup = Setup::new("ring_bytes = \"256MiB\"\ncpu_limit = 2.0", &servers_only());
    let server = Server::start(&link.server, Kind::Nginx);
    let mut daemon = setup.start(&link.server);
    let key = KEYS[2].0;
    let mut clients: Vec<Process> = ["TLSv1_2", "TLSv1_3"]
        .iter()
        .flat_map(|version| [version; 2])
        .map(|version| {
            let folder = setup.path("");
            let mut client = python_client(
                &link.client,
                &folder,
                Kind::Nginx.port(),
                key,
                (REQUESTS, version),
            );
            Process::start(&mut client)
        })
        .collect();
    let seen = |daemon: &Daemon<'_>| daemon.metrics().sum("observer_http_requests_total", &[]);
    let mut kills = 0;
    while clients.iter_mut().any(Process::is_running) {
        // In the midst of it, each time.
        wait_for("some requests", Duration::from_secs(20), || {
            let over = clients.iter_mut().all(|client| !client.is_running());
            (over || seen(&daemon) >= f64::from(PAUSE)).then_some(())
        });
        daemon.process.kill();
        daemon = setup.start(&link.server);
        kills += 1;
    }
    assert!(kills > 3, "{kills}");
    let asked = server.counts().get(key).copied();
    assert_eq!(asked, Some(4 * REQUESTS as u64));
    wait_for("every exchange", Duration::from_secs(20), || {
        let usage = daemon_usage(&setup);
        (usage == asked).then_some(())
    });
    let opaque: Vec<Sample> = daemon.metrics().0.into_iter().filter(is_opaque).collect();
    assert!(opaque.is_empty(), "{opaque:?}");
    let records = daemon.stop();
    let certain = records
        .iter()
        .filter(|record| record["complete"] == true && record["consumer"] == KEYS[2].1);
    assert_eq!(certain.count(), 4 * REQUESTS);
}

/// What the ledger has of the consumer that asks.
fn daemon_usage(setup: &Setup) -> Option<u64> {
    let usage = setup.usage("consumer");
    let rows = usage["rows"].as_array()?;
    let row = rows.iter().find(|row| row["consumer"] == KEYS[2].1)?;
    row["requests"].as_u64()
}

#[test]
fn what_is_left_alone_is_opaque() {
    if !require(&["ip", "nsenter", "nginx", "curl", "openssl"]) {
        return;
    }
    for settings in [
        "enabled = false",
        "except = [\"nginx\", \"curl\"]",
        "ports = [443]",
    ] {
        let link = Link::new();
        let setup = Setup::new("", &format!("[tls]\n{settings}\n"));
        let daemon = setup.start(&link.server);
        let _server = Server::start(&link.server, Kind::Nginx);
        ask_once(&link);
        let port = Kind::Nginx.port().to_string();
        wait_for(
            &format!("{settings}: an opaque connection"),
            Duration::from_secs(20),
            || {
                let labels = [("port", port.as_str())];
                let opaque = daemon
                    .metrics()
                    .sum("observer_opaque_connections_total", &labels);
                (opaque == 1.0).then_some(())
            },
        );
        let handshakes = daemon
            .metrics()
            .sum("observer_tls_handshakes_total", &[("result", "opaque")]);
        assert_eq!(handshakes, 1.0, "{settings}");
        assert!(daemon.stop().is_empty(), "{settings}");
    }
}
