//! What passes through WebSockets belongs to who opened them; and connections of QUIC are told of, though nobody reads them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use observer_tests::certificate;
use observer_tests::daemon::{KEYS, Setup};
use observer_tests::namespace::{Link, Namespace};
use observer_tests::process::{Process, run, wait_for};
use observer_tests::require::{interpreter, require_with_modules};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);
/// Where the echo listens in the clear and over TLS.
const PORTS: [u16; 2] = [9200, 9201];
const QUIC: u16 = 4433;
/// Bytes of the messages that a client sends: each form of a length, and more than a frame of TCP.
const MESSAGES: [u64; 7] = [0, 1, 125, 126, 65_535, 65_536, 1_000_000];

const ECHO: &str = r#"
import asyncio, ssl, sys
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

async def echo(socket):
    try:
        while True:
            await socket.send(await socket.recv())
    except ConnectionClosed:
        pass

async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    how = dict(compression=None, max_size=None)
    async with serve(echo, '0.0.0.0', 9200, **how), serve(echo, '0.0.0.0', 9201, ssl=context, **how):
        await asyncio.Future()

asyncio.run(main())
"#;

const CLIENT: &str = r#"
import asyncio, ssl, sys
from websockets.asyncio.client import connect

port, key, code, pings, *sizes = sys.argv[1:]

async def main():
    context = None
    if port == '9201':
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = ('wss' if context else 'ws') + '://10.77.0.1:' + port + '/v1/stream'
    fields = {'X-API-Key': key}
    async with connect(address, ssl=context, additional_headers=fields, compression=None, max_size=None) as socket:
        for size in sizes:
            await socket.send(b'x' * int(size))
            await socket.recv()
        for _ in range(int(pings)):
            await (await socket.ping())
        await socket.close(int(code))

asyncio.run(main())
"#;

const QUIC_SERVER: &str = r#"
import asyncio, sys
from aioquic.asyncio import serve
from aioquic.quic.configuration import QuicConfiguration

async def main():
    configuration = QuicConfiguration(is_client=False, alpn_protocols=['h3'])
    configuration.load_cert_chain(sys.argv[1], sys.argv[2])
    await serve('0.0.0.0', 4433, configuration=configuration)
    await asyncio.Future()

asyncio.run(main())
"#;

const QUIC_CLIENT: &str = r#"
import asyncio, ssl
from aioquic.asyncio.client import connect
from aioquic.quic.configuration import QuicConfiguration

async def main():
    for _ in range(3):
        configuration = QuicConfiguration(is_client=True, alpn_protocols=['h3'], verify_mode=ssl.CERT_NONE)
        async with connect('10.77.0.1', 4433, configuration=configuration) as client:
            await client.ping()

asyncio.run(main())
"#;

fn python(namespace: &Namespace, script: &str, arguments: &[&str]) -> Command {
    let mut python = namespace.command(&interpreter().display().to_string());
    python.args(["-c", script]).args(arguments);
    python
}

/// A certificate and its key.
fn certificate(folder: &Path) -> [String; 2] {
    let (key, certificate) = certificate::make(folder);
    [certificate, key].map(|path| path.display().to_string())
}

/// Bytes of a frame with so many bytes in it (RFC 6455 section 5.2).
fn frame(payload: u64, masked: bool) -> u64 {
    let length = match payload {
        0..=125 => 0,
        126..=65_535 => 2,
        _ => 8,
    };
    2 + length + if masked { 4 } else { 0 } + payload
}

/// Frames and bytes of one side: messages, so many pings or pongs of four bytes, and the end.
fn sent(pings: u64, masked: bool) -> (u64, u64) {
    let messages: u64 = MESSAGES.iter().map(|size| frame(*size, masked)).sum();
    let frames = MESSAGES.len() as u64 + pings + 1;
    (
        frames,
        messages + pings * frame(4, masked) + frame(2, masked),
    )
}

#[test]
fn frames_belong_to_who_opened_the_socket() {
    if !require_with_modules(&["ip", "nsenter", "openssl"], &["websockets"]) {
        return;
    }
    let link = Link::new();
    let setup = Setup::new("", "");
    let folder = tempfile::tempdir().expect("a folder");
    let files = certificate(folder.path());
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let _echo = Process::start(&mut python(&link.server, ECHO, &files));
    let daemon = setup.start(&link.server);
    for port in PORTS {
        let port = port.to_string();
        wait_for("the echo", LIMIT, || {
            let mut probe = link.server.command("bash");
            let open = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
            let tried = probe.args(["-c", &open]).stderr(Stdio::null()).status();
            tried.is_ok_and(|status| status.success()).then_some(())
        });
    }
    let sizes: Vec<String> = MESSAGES.iter().map(u64::to_string).collect();
    let sizes: Vec<&str> = sizes.iter().map(String::as_str).collect();
    let codes = [1000_u64, 4001];
    for port in PORTS {
        for ((key, _), code) in KEYS.iter().zip(codes) {
            let (port, code) = (port.to_string(), code.to_string());
            let arguments = [&[&port, *key, &code, "3"], &sizes[..]].concat();
            run(&mut python(&link.client, CLIENT, &arguments));
        }
    }
    wait_for("every socket", LIMIT, || {
        let labels = [("status", "101")];
        let seen = daemon
            .metrics()
            .sum("observer_http_requests_total", &labels);
        (seen == 4.0).then_some(())
    });
    daemon.assert_complete();
    let records = daemon.stop();
    let sockets: Vec<&Value> = records
        .iter()
        .filter(|record| record["target"] == "/v1/stream")
        .collect();
    assert_eq!(sockets.len(), 4, "{records:#?}");
    for (record, (place, (_, consumer))) in sockets
        .iter()
        .zip((0..).zip(KEYS.iter().take(2).chain(KEYS.iter().take(2))))
    {
        let visibility = if place < 2 { "plaintext" } else { "tls" };
        let (asked, answered) = (sent(3, true), sent(3, false));
        assert_eq!(
            (
                &record["visibility"],
                &record["consumer"],
                &record["outcome"]
            ),
            (&visibility.into(), &(*consumer).into(), &"ok".into())
        );
        assert_eq!(
            record["websocket"],
            serde_json::json!({
                "request_frames": asked.0,
                "response_frames": answered.0,
                "close": codes[place % 2],
            })
        );
        assert_eq!(
            (
                &record["request_body_bytes"],
                &record["response_body_bytes"]
            ),
            (&asked.1.into(), &answered.1.into())
        );
    }
}

#[test]
fn connections_of_quic_are_counted() {
    if !require_with_modules(&["ip", "nsenter", "openssl"], &["aioquic"]) {
        return;
    }
    let link = Link::new();
    let setup = Setup::new("", "");
    let folder = tempfile::tempdir().expect("a folder");
    let files = certificate(folder.path());
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let daemon = setup.start(&link.server);
    let _server = Process::start(&mut python(&link.server, QUIC_SERVER, &files));
    wait_for("the server", LIMIT, || {
        let mut sockets = link.server.command("cat");
        let output = sockets.arg("/proc/net/udp").output().ok()?;
        let port = format!(":{QUIC:04X} ");
        String::from_utf8_lossy(&output.stdout)
            .contains(&port)
            .then_some(())
    });
    run(&mut python(&link.client, QUIC_CLIENT, &[]));
    wait_for("three connections", LIMIT, || {
        let port = QUIC.to_string();
        let labels = [("port", &*port), ("process", "python"), ("reason", "quic")];
        let metrics = daemon.metrics();
        let seen = metrics.sum("observer_opaque_connections_total", &labels);
        (seen == 3.0).then_some(())
    });
}
