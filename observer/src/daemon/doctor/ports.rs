//! Listening ports of this host, and which of them a running daemon cannot read.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::kernel::owners;

/// A listening port.
#[derive(Debug, Serialize)]
pub struct Port {
    /// Its number.
    pub port: u16,
    /// Name of the process that listens, if it can be seen.
    pub process: Option<Arc<str>>,
    /// What of it cannot be read.
    pub blind: Option<String>,
}

/// What a daemon could not read, by port: reason and number of connections.
pub type Opaque = BTreeMap<u16, Vec<(String, u64)>>;

const TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes of the metrics page that are read.
const PAGE_BYTES: u64 = 16 << 20;
const METRIC: &str = "observer_opaque_connections_total{";

/// Every listening TCP port of this network namespace.
pub fn listening(opaque: &Opaque) -> Vec<Port> {
    let ports = owners::listening().into_iter();
    let ports = ports.map(|(port, process)| Port {
        port,
        process,
        blind: opaque.get(&port).map(|reasons| {
            let reasons: Vec<String> = reasons
                .iter()
                .map(|(reason, count)| format!("{count} connections not read: {reason}"))
                .collect();
            reasons.join(", ")
        }),
    });
    ports.collect()
}

/// What the daemon on this address could not read; `None` when none answers.
pub fn ask_daemon(listen: SocketAddr) -> Option<Opaque> {
    let address = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::new(address, listen.port()), TIMEOUT).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut page = String::new();
    stream.take(PAGE_BYTES).read_to_string(&mut page).ok()?;
    page.contains("observer_build_info").then(|| parse(&page))
}

fn parse(page: &str) -> Opaque {
    let mut opaque = Opaque::new();
    for line in page.lines() {
        let Some((labels, value)) = line
            .strip_prefix(METRIC)
            .and_then(|rest| rest.split_once("} "))
        else {
            continue;
        };
        let label = |name: &str| {
            let (_, rest) = labels.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let port = label("port").and_then(|port| port.parse().ok());
        let (Some(port), Some(reason), Ok(count)) =
            (port, label("reason"), value.trim().parse::<f64>())
        else {
            continue;
        };
        opaque
            .entry(port)
            .or_default()
            .push((reason.to_owned(), count as u64));
    }
    opaque
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blind_ports_are_read_from_the_metrics() {
        let page = concat!(
            "# TYPE x counter\n",
            r#"observer_opaque_connections_total{port="443",process="java",reason="tls"} 12"#,
            "\nother 1\n"
        );
        assert_eq!(
            parse(page),
            Opaque::from([(443, vec![("tls".to_owned(), 12)])])
        );
    }
}
