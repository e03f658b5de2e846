//! Every kind of link, and links that come later: what nginx counted there is what the daemon counted.

use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use observer_tests::daemon::{Daemon, Setup};
use observer_tests::namespace::{INTERFACE, Link};
use observer_tests::nginx::Nginx;
use observer_tests::process::{Process, wait_for};
use observer_tests::require::require;
use observer_tests::tally;
use observer_tests::traffic::{curl, load};

const LIMIT: Duration = Duration::from_secs(10);

/// Requests of every size over a link, and what both sides counted of them.
fn exact(link: &Link, nginx: &Nginx, daemon: &Daemon<'_>, address: &str) {
    load(&link.client, &format!("{address}:80"), 4, 50);
    for path in ["reports", "download", "nothing", "moved"] {
        curl(&link.client, &[&format!("http://{address}/v1/{path}")]);
    }
    tally::agree(
        || tally::of_metrics(&daemon.metrics()),
        || tally::of_log(&nginx.edge()),
    );
    daemon.assert_complete();
}

fn with_mode(mode: &str, mtu: Option<&str>) {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    if let Some(mtu) = mtu {
        link.server.ip(&["link", "set", INTERFACE, "mtu", mtu]);
        link.client.ip(&["link", "set", "cli0", "mtu", mtu]);
    }
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new(
        &format!("mode = \"{mode}\"\ninterfaces = [\"{INTERFACE}\"]"),
        "",
    );
    let daemon = setup.start(&link.server);
    let said = format!("{INTERFACE}: ingress by {mode} ");
    assert!(daemon.log().contains(&said), "{}", daemon.log());
    exact(&link, &nginx, &daemon, "10.77.0.1");
}

#[test]
fn native_xdp() {
    with_mode("xdp", None);
}

#[test]
fn native_xdp_with_frames_of_several_buffers() {
    with_mode("xdp", Some("9000"));
}

#[test]
fn generic_xdp() {
    with_mode("xdp-generic", None);
}

#[test]
fn link_that_comes_later() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    link.join(
        "late0",
        "cli1",
        ["10.78.0.1", "fd78::1"],
        ["10.78.0.2", "fd78::2"],
    );
    wait_for("the new link to be observed", LIMIT, || {
        let log = daemon.log();
        log.contains("late0: observed from now on").then_some(())
    });
    exact(&link, &nginx, &daemon, "10.78.0.1");
}

/// One end of a link without Ethernet headers: its packets go to the other end by UDP.
fn tunnel(link: &Link, server: bool) -> Process {
    let (namespace, own, other, address) = if server {
        (&link.server, "10.77.0.1", "10.77.0.2", "10.79.0.1/24")
    } else {
        (&link.client, "10.77.0.2", "10.77.0.1", "10.79.0.2/24")
    };
    let mut command = namespace.command("socat");
    command
        .arg(format!("TUN:{address},tun-name=tun0,iff-no-pi,up"))
        .arg(format!("UDP-DATAGRAM:{other}:9990,bind={own}:9990"))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    Process::start(&mut command)
}

#[test]
fn link_without_ethernet_headers() {
    if !require(&["ip", "nsenter", "nginx", "curl", "socat"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("interfaces = [\"tun0\"]", "");
    let _ends = [true, false].map(|server| tunnel(&link, server));
    // Asked for nothing: what gives up would be answered later, when requests are counted.
    let address = SocketAddr::from(([10, 79, 0, 1], 80));
    wait_for("the tunnel", LIMIT, || {
        let second = Duration::from_secs(1);
        let connect = || TcpStream::connect_timeout(&address, second).ok();
        link.client.inside(connect).map(drop)
    });
    let before = nginx.edge().len();
    let daemon = setup.start(&link.server);
    assert!(
        daemon
            .log()
            .contains("tun0: ingress by tcx (no Ethernet header)")
    );
    load(&link.client, "10.79.0.1:80", 4, 50);
    wait_for("every request", LIMIT, || {
        let counted = daemon.metrics().sum("observer_http_requests_total", &[]);
        (counted as usize == nginx.edge().len() - before).then_some(())
    });
    daemon.assert_complete();
}

/// IP fragments are counted, not put together.
#[test]
fn fragments_are_counted() {
    if !require(&["ip", "nsenter", "nginx", "python3"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    // An IPv4 header that says more fragments follow, protocol TCP; the kernel fills in checksum and source.
    let script = "import socket\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)\n\
        head = bytes([0x45,0,0,60, 0,1,0x20,0, 64,6,0,0, 10,77,0,2, 10,77,0,1])\n\
        for _ in range(5): s.sendto(head + bytes(40), ('10.77.0.1', 0))\n";
    let mut command: Command = link.client.command("python3");
    assert!(
        command
            .args(["-c", script])
            .status()
            .is_ok_and(|status| status.success())
    );
    let fragments = [("reason", "ip_fragment")];
    wait_for("the fragments", LIMIT, || {
        let counted = daemon
            .metrics()
            .sum("observer_capture_lost_events_total", &fragments);
        (counted == 5.0).then_some(())
    });
}
