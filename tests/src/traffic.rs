//! Clients: curl, wrk, and sockets of our own where those cannot do it.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use crate::daemon::KEYS;
use crate::namespace::Namespace;
use crate::nginx::Item;
use crate::process::{Process, finish, run};

/// Runs curl in a namespace, quietly; what it gets is thrown away.
///
/// # Panics
/// When it reports an error.
pub fn curl(namespace: &Namespace, arguments: &[&str]) {
    run(&mut curl_command(namespace, arguments));
}

/// Runs curl with this standard input, whatever comes of it.
pub fn curl_with(namespace: &Namespace, arguments: &[&str], input: &[u8]) -> Output {
    finish(&mut curl_command(namespace, arguments), input)
}

fn curl_command(namespace: &Namespace, arguments: &[&str]) -> Command {
    let mut command = namespace.command("curl");
    command
        .args(["-sS", "-o", "/dev/null", "--max-time", "60"])
        .args(arguments);
    command
}

/// The field that carries a key.
pub fn key_field(key: &str) -> String {
    format!("X-API-Key: {key}")
}

/// Starts wrk in a namespace: `script` is its Lua, after the keys as a table `keys`.
pub fn wrk(
    namespace: &Namespace,
    script: &std::path::Path,
    lua: &str,
    arguments: &[&str],
) -> Process {
    let mut text = String::from("keys = {");
    for (key, _) in KEYS {
        let _ = write!(text, "\"{key}\",");
    }
    let _ = writeln!(text, "}}\n{lua}");
    let _ = std::fs::write(script, text);
    let mut command = namespace.command("wrk");
    command
        .arg("-s")
        .arg(script)
        .args(arguments)
        .stdout(std::process::Stdio::null());
    Process::start(&mut command)
}

/// A connection that is kept, from one namespace to another.
#[derive(Debug)]
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Opens it.
    ///
    /// # Panics
    /// When it is refused.
    pub fn open(namespace: &Namespace, address: &str) -> Self {
        let stream = namespace.inside(|| TcpStream::connect(address).expect("connecting"));
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("setting a timeout");
        stream.set_nodelay(true).expect("setting no delay");
        Self(BufReader::new(stream))
    }

    /// Sends bytes in a segment of their own, if they fit one.
    ///
    /// # Panics
    /// When the connection is gone.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("sending");
    }

    /// Reads this many bytes.
    ///
    /// # Panics
    /// When they do not come.
    pub fn read(&mut self, count: u64) {
        let read = std::io::copy(&mut (&mut self.0).take(count), &mut std::io::sink());
        assert_eq!(read.expect("reading"), count);
    }

    /// Reads a response's head, and returns its status and the length of its content.
    ///
    /// # Panics
    /// When it is none, or says no length.
    pub fn head(&mut self) -> (u16, u64) {
        let (mut status, mut length) = (None, None);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("reading");
            match line.trim_end().split_once([' ', ':']) {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().ok();
                }
                Some(("HTTP/1.1", rest)) => {
                    status = rest.get(..3).and_then(|text| text.parse().ok())
                }
                Some(_) => {}
            }
        }
        (status.expect("a status"), length.expect("a length"))
    }

    /// Asks for a target and reads the answer, and returns its status and the length of its content.
    pub fn get(&mut self, target: &str, key: &str) -> (u16, u64) {
        self.send(request(target, key).as_bytes());
        let (status, length) = self.head();
        self.read(length);
        (status, length)
    }

    /// Asks for a target; the status of the answer, or nothing where the connection has ended.
    pub fn try_get(&mut self, target: &str, key: &str) -> Option<u16> {
        self.0
            .get_mut()
            .write_all(request(target, key).as_bytes())
            .ok()?;
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            } else if let Some(rest) = lower.strip_prefix("http/1.1 ") {
                status = rest.get(..3).and_then(|text| text.parse().ok());
            } else if line.trim().is_empty() {
                break;
            }
        }
        std::io::copy(&mut (&mut self.0).take(length), &mut std::io::sink()).ok()?;
        status
    }

    /// Asks for an item of [`Item`].
    ///
    /// # Panics
    /// When the answer is another item's.
    pub fn item(&mut self, number: u64) {
        let item = Item::of(number);
        let key = KEYS.get(item.key).map_or("", |(key, _)| key);
        let answer = self.get(&format!("/v1/items/{number}"), key);
        assert_eq!(answer, (item.status, item.length));
    }
}

/// A request with a key and no content.
pub fn request(target: &str, key: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: 10.77.0.1\r\nX-API-Key: {key}\r\n\r\n")
}

/// Keeps `connections` busy with `each` requests for widgets on each, with every key in turn.
///
/// Unlike wrk it ends without giving anything up, so that both ends of a proxy saw the same requests.
pub fn load(namespace: &Namespace, address: &str, connections: usize, each: usize) {
    load_while(namespace, address, connections, |number| number < each);
}

/// As [`load`], for as long as `more` says so of the number of the next request on a connection.
pub fn load_while(
    namespace: &Namespace,
    address: &str,
    connections: usize,
    more: impl Fn(usize) -> bool + Sync,
) {
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut connection = Connection::open(namespace, address);
                let numbers = (0..).take_while(|number| more(*number));
                for ((key, _), number) in KEYS.iter().cycle().zip(numbers) {
                    let (status, _) = connection.get(&format!("/v1/widgets/{number}"), key);
                    assert_eq!(status, 200);
                }
            });
        }
    });
}

/// Sends requests on one connection without waiting for answers, closes its end and reads all answers.
///
/// # Panics
/// When the server does not answer until it closes.
pub fn pipeline(namespace: &Namespace, address: &str, requests: &str) -> Vec<u8> {
    namespace.inside(|| {
        let mut stream = TcpStream::connect(address).expect("connecting");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("setting a timeout");
        stream.write_all(requests.as_bytes()).expect("sending");
        let mut answers = Vec::new();
        stream.read_to_end(&mut answers).expect("reading");
        answers
    })
}
