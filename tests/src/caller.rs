//! Clients that call without a pause, each with a key and connections of its own, and tell what they got.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::namespace::Namespace;
use crate::process::wait_for;

/// What came of one request.
#[derive(Clone, Debug)]
pub struct Got {
    /// The number in its target.
    pub number: u64,
    /// The status; `None` when the connection ended instead.
    pub status: Option<u16>,
    /// How the connection failed.
    pub failed: Option<ErrorKind>,
    /// Whether the connection had carried a request before.
    pub reused: bool,
    /// The response's fields, as they were sent.
    pub head: String,
    /// The response's content.
    pub content: String,
    /// How long it took.
    pub took: Duration,
    /// When it was over.
    pub at: Instant,
}

impl Got {
    /// Whether it met the end of a connection whose request before was on its way while a command was carried out: `from` is the
    /// number of the first one after the command, which answers only once the ledger has what holds already.
    pub fn is_cut_off(&self, from: u64) -> bool {
        self.number <= from && self.reused && self.failed == Some(ErrorKind::ConnectionReset)
    }
}

/// A client of one key that calls until it is stopped.
#[derive(Debug)]
pub struct Caller {
    asked: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    got: Arc<Mutex<Vec<Got>>>,
    thread: Option<JoinHandle<()>>,
}

impl Caller {
    /// Starts to call `PATH/NUMBER` at this address from a namespace, with these fields, and a pause after each request.
    pub fn start(
        namespace: &Namespace,
        address: &str,
        path: &str,
        fields: &str,
        pause: Duration,
    ) -> Self {
        let (asked, stop, got) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(Vec::new())),
        );
        let thread = {
            let (asked, stop, got) = (Arc::clone(&asked), Arc::clone(&stop), Arc::clone(&got));
            let (address, path, fields) = (address.to_owned(), path.to_owned(), fields.to_owned());
            namespace.inside(move || {
                // A thread that is started here stays in this namespace.
                thread::spawn(move || {
                    let mut connection = None;
                    while !stop.load(Ordering::SeqCst) {
                        let number = asked.fetch_add(1, Ordering::SeqCst);
                        let answer = call(&mut connection, &address, &path, &fields, number);
                        got.lock().expect("nobody panics with it").push(answer);
                        thread::sleep(pause);
                    }
                })
            })
        };
        Self {
            asked,
            stop,
            got,
            thread: Some(thread),
        }
    }

    /// Waits until so many more requests were answered with this status.
    ///
    /// # Panics
    /// When they are not.
    pub fn wait_for(&self, status: u16, count: usize) {
        let from = self.next();
        let what = format!("{count} answers with {status}");
        wait_for(&what, Duration::from_secs(10), || {
            let got = self.got();
            let fitting = got
                .iter()
                .filter(|got| got.number >= from && got.status == Some(status));
            (fitting.count() >= count).then_some(())
        });
    }

    /// The number of the next request: those from it on begin after this.
    pub fn next(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// What came of the requests so far.
    ///
    /// # Panics
    /// When the client panicked.
    pub fn got(&self) -> Vec<Got> {
        self.got.lock().expect("the client runs").clone()
    }

    /// Stops, and returns what came of all requests.
    ///
    /// # Panics
    /// When the client panicked.
    pub fn finish(mut self) -> Vec<Got> {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the client's thread");
        }
        self.got()
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

type Connection = Option<(BufReader<TcpStream>, bool)>;

/// Calls once, over the connection that is open or another one.
fn call(connection: &mut Connection, address: &str, path: &str, fields: &str, number: u64) -> Got {
    let begin = Instant::now();
    let mut got = Got {
        number,
        status: None,
        failed: None,
        reused: connection.is_some(),
        head: String::new(),
        content: String::new(),
        took: Duration::ZERO,
        at: begin,
    };
    let request = format!("GET {path}/{number} HTTP/1.1\r\nHost: api.example\r\n{fields}\r\n");
    let answered = exchange(connection, address, &request, &mut got);
    got.took = begin.elapsed();
    got.at = Instant::now();
    let closes = got.head.to_ascii_lowercase().contains("connection: close");
    got.failed = answered.as_ref().err().map(std::io::Error::kind);
    if answered.is_err() || closes {
        *connection = None;
    }
    got
}

fn exchange(
    connection: &mut Connection,
    address: &str,
    request: &str,
    got: &mut Got,
) -> std::io::Result<()> {
    if connection.is_none() {
        let to = address.parse().map_err(std::io::Error::other)?;
        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        *connection = Some((BufReader::new(stream), false));
    }
    let Some((stream, used)) = connection else {
        return Ok(());
    };
    got.reused = std::mem::replace(used, true);
    stream.get_mut().write_all(request.as_bytes())?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if got.head.is_empty() {
            got.status = line
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok());
        }
        got.head.push_str(&line);
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content)?;
    got.content = String::from_utf8_lossy(&content).into_owned();
    if got.head.to_ascii_lowercase().contains("connection: close") {
        // A clean end, and no reset that would have taken the answer away.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest)?;
        assert!(rest.is_empty(), "nothing follows the answer");
    }
    Ok(())
}
