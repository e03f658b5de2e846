//! Clients that make one request a connection, one connection after the other.
//!
//! They speak TLS by rustls: probes in OpenSSL are run by the server only, as on a host whose clients are elsewhere.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::lab::{Failure, KEY, Lab, SERVER, failed};

/// Clients at the same time.
const CLIENTS: usize = 16;
/// Settings of their namespace with which ports do not run out: a connection that is over keeps its port for a minute else.
const PORTS: [(&str, &str); 2] = [
    ("/proc/sys/net/ipv4/tcp_tw_reuse", "1"),
    ("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535"),
];

/// Connections a second.
pub fn connections(
    lab: &Lab,
    configuration: &ClientConfig,
    port: u16,
    target: &str,
    window: Duration,
) -> Result<f64, Failure> {
    let configuration = Arc::new(configuration.clone());
    lab.client.enter(|| {
        for (path, value) in PORTS {
            fs::write(path, value).map_err(failed(path))?;
        }
        let start = Instant::now();
        let count = thread::scope(|scope| {
            let one = || {
                let mut count = 0;
                while start.elapsed() < window {
                    once(&configuration, port, target).map_err(failed("a client"))?;
                    count += 1;
                }
                Ok(count)
            };
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(one)).collect();
            let counts = clients.into_iter().map(|client| match client.join() {
                Ok(count) => count,
                Err(_) => Err(Failure::new("a client", "panicked")),
            });
            counts.sum::<Result<u32, Failure>>()
        })?;
        Ok(f64::from(count) / start.elapsed().as_secs_f64())
    })
}

/// One connection with one request, until the server closes it.
fn once(
    configuration: &Arc<ClientConfig>,
    port: u16,
    target: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let name = ServerName::try_from("api.example")?;
    let client = ClientConnection::new(Arc::clone(configuration), name)?;
    let stream = TcpStream::connect((SERVER, port))?;
    stream.set_nodelay(true)?;
    let mut tls = StreamOwned::new(client, stream);
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: api.example\r\nX-Api-Key: {KEY}\r\nConnection: close\r\n\r\n"
    );
    tls.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    tls.read_to_end(&mut answer)?;
    if answer.starts_with(b"HTTP/1.1 200") {
        Ok(())
    } else {
        Err("no answer".into())
    }
}
