//! TLS is read again after its server was restarted or upgraded, and left alone where that is asked for.

use std::time::Duration;

use observer_tests::daemon::{KEYS, Setup};
use observer_tests::https::{Kind, Server, servers_only, upgrade};
use observer_tests::metrics::Sample;
use observer_tests::namespace::Link;
use observer_tests::process::wait_for;
use observer_tests::require::require;
use observer_tests::traffic::{curl, key_field};

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
    let mut asked = 0;
    for upgrades in [false, false, true, true] {
        if upgrades {
            // In place, under a server that has the old one open.
            upgrade(libraries.path());
        }
        let mut server = Server::start_with(&link.server, Kind::Nginx, Some(libraries.path()));
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
