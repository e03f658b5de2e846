//! What it costs the daemon that many people look: its CPU time with fifty open pages and with none, and its memory for each.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::figures::{Floor, Table, median};
use crate::lab::{Failure, LISTENER, Lab, SERVER, configuration, failed};
use crate::process::Process;

const PORT: u16 = 8080;
/// Views of the pages, in turn.
const VIEWS: [&str; 5] = [
    "overview",
    "consumers",
    "routes",
    "consumer&consumer=account-7",
    "quality",
];

/// How to measure.
#[derive(Args)]
pub struct Options {
    /// Pairs of runs
    #[arg(long, default_value_t = 5)]
    pairs: u32,
    /// Seconds of a run
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Open pages
    #[arg(long, default_value_t = 50)]
    pages: usize,
    /// Consumers with traffic
    #[arg(long, default_value_t = 200)]
    consumers: usize,
    /// Routes with traffic
    #[arg(long, default_value_t = 500)]
    routes: usize,
    /// Requests a second meanwhile
    #[arg(long, default_value_t = 500)]
    rate: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pairs: 5,
            seconds: 10,
            pages: 50,
            consumers: 200,
            routes: 500,
            rate: 500,
        }
    }
}

/// Measures.
pub fn measure(options: &Options) -> Result<Table, Failure> {
    let lab = Lab::new()?;
    let _nginx = lab.nginx(1, 1024, &[PORT])?;
    let keys: Vec<String> = (0..options.consumers).map(key).collect();
    let config = configuration(lab.folder.path(), &keys)?;
    declare(&lab, &config, options.routes)?;
    let observer = lab.observe()?;
    let stop = AtomicBool::new(false);
    let (costs, memory, bytes) = thread::scope(|scope| {
        let load = scope.spawn(|| load(&lab, options, &stop));
        let measured = compare(&lab, options, &observer);
        stop.store(true, Ordering::Relaxed);
        let load = load.join();
        load.unwrap_or_else(|_| Err(Failure::new("a client", "panicked")))?;
        measured
    })?;
    let metrics = lab.settled_metrics()?;
    let seen = metrics.sum("observer_http_requests_total");
    drop(observer);
    let mut table = Table::default();
    let pages = options.pages;
    table.add(
        format!("looking: CPU that {pages} open pages take, of a core"),
        median(&costs) * 100.0,
        "%",
        Floor::AtMost(2.0),
    );
    table.add(
        "looking: memory for a page",
        memory,
        "KiB",
        Floor::AtMost(200.0),
    );
    table.add(
        "looking:   sent to a page a second",
        bytes,
        "KiB",
        Floor::None,
    );
    table.add("looking:   requests meanwhile", seen, "", Floor::None);
    Ok(table)
}

fn key(number: usize) -> String {
    format!("sk_bench_{number:05}_7c1d2e3f")
}

/// Has a document declare all routes: words in a path would be learned as one.
fn declare(lab: &Lab, config: &std::path::Path, routes: usize) -> Result<(), Failure> {
    let document = lab.folder.path().join("bench.yaml");
    let mut text = "openapi: 3.0.3\ninfo: {title: bench, version: '1'}\npaths:\n".to_owned();
    for route in 0..routes {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "  /v1/route-{route}/items/{{id}}: {{get: {{responses: {{'200': {{description: ok}}}}}}}}"
        );
    }
    fs::write(&document, text).map_err(failed("bench.yaml"))?;
    let mut text = fs::read_to_string(config).map_err(failed("observer.toml"))?;
    let _ = write!(
        text,
        "[[api]]\nname = \"bench\"\nhosts = [\"bench\"]\nopenapi = {document:?}\n"
    );
    fs::write(config, text).map_err(failed("observer.toml"))
}

/// Ten routes for each consumer, all routes among them, at a steady rate.
fn load(lab: &Lab, options: &Options, stop: &AtomicBool) -> Result<(), Failure> {
    lab.client.enter(|| {
        let stream = TcpStream::connect((SERVER, PORT)).map_err(failed(SERVER))?;
        let mut stream = BufReader::new(stream);
        let (begin, mut sent) = (Instant::now(), 0_u32);
        while !stop.load(Ordering::Relaxed) {
            let due = begin + Duration::from_secs(1) * sent / options.rate;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let number = sent as usize;
            let consumer = number % options.consumers;
            let route = (consumer * 10 + number / options.consumers % 10) % options.routes;
            let key = key(consumer);
            let request = format!(
                "GET /v1/route-{route}/items/{number} HTTP/1.1\r\nHost: bench\r\nX-Api-Key: {key}\r\n\r\n"
            );
            answer(&mut stream, &request).map_err(failed("a client"))?;
            sent += 1;
        }
        Ok(())
    })
}

fn answer(stream: &mut BufReader<TcpStream>, request: &str) -> std::io::Result<()> {
    stream.get_mut().write_all(request.as_bytes())?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        } else if line.trim().is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length])
}

/// Cores that pages take beside none, by pairs of runs; KiB of memory for a page, and KiB a second that one is sent.
fn compare(
    lab: &Lab,
    options: &Options,
    observer: &Process,
) -> Result<(Vec<f64>, f64, f64), Failure> {
    // Every consumer and route has been seen.
    let all = u64::from(options.rate) * 5;
    while lab.metrics()?.sum("observer_http_requests_total") < all as f64 {
        thread::sleep(Duration::from_millis(200));
    }
    let seconds = Duration::from_secs(options.seconds.into());
    let (mut costs, mut memory, mut sent) = (Vec::new(), 0.0, 0.0);
    for pair in 0..options.pairs {
        let mut cores = [0.0; 2];
        for turn in 0..2 {
            let with = (turn + pair) % 2 == 1;
            let pages = if with { options.pages } else { 0 };
            let before = observer.status("RssAnon")?;
            let (took, bytes) = look(lab, pages, seconds, observer)?;
            cores[usize::from(with)] = took.0;
            if with {
                memory = (took.1.saturating_sub(before)) as f64 / pages.max(1) as f64;
                sent = bytes as f64 / 1024.0 / pages.max(1) as f64 / seconds.as_secs_f64();
            }
        }
        let [without, with] = cores;
        eprintln!(
            "looking: pair {}: {:.2} % of a core without, {:.2} % with",
            pair + 1,
            without * 100.0,
            with * 100.0
        );
        costs.push(with - without);
    }
    Ok((costs, memory, sent))
}

/// Opens pages for so long. Returns the cores that the daemon took meanwhile, its memory at the end, and the bytes that were sent.
fn look(
    lab: &Lab,
    pages: usize,
    seconds: Duration,
    observer: &Process,
) -> Result<((f64, u64), u64), Failure> {
    let bytes = AtomicU64::new(0);
    let streams: Vec<TcpStream> = (0..pages)
        .map(|page| lab.server.enter(|| open(VIEWS[page % VIEWS.len()])))
        .collect::<Result<_, _>>()?;
    thread::scope(|scope| {
        for mut stream in streams.iter().filter_map(|stream| stream.try_clone().ok()) {
            let bytes = &bytes;
            scope.spawn(move || {
                let mut piece = [0; 65_536];
                while let Ok(count @ 1..) = stream.read(&mut piece) {
                    bytes.fetch_add(count as u64, Ordering::Relaxed);
                }
            });
        }
        // The first frame is part of opening a page.
        thread::sleep(Duration::from_secs(2));
        let first = bytes.load(Ordering::Relaxed);
        let before = observer.cpu_time()?;
        thread::sleep(seconds);
        let took = observer.cpu_time()? - before;
        let memory = observer.status("RssAnon")?;
        let sent = bytes.load(Ordering::Relaxed) - first;
        for stream in &streams {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        Ok(((took as f64 / 1e9 / seconds.as_secs_f64(), memory), sent))
    })
}

fn open(view: &str) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(LISTENER).map_err(failed(LISTENER))?;
    write!(
        stream,
        "GET /api/v1/live?view={view} HTTP/1.1\r\nHost: {LISTENER}\r\n\r\n"
    )
    .map_err(failed(LISTENER))?;
    Ok(stream)
}
