//! nginx at saturation while nothing is shut off, and while ten thousand keys are; and how soon a key is.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use clap::Args;
use observer::identity::{Fingerprinter, Pepper};

use crate::figures::{Floor, Table, median};
use crate::lab::{Failure, KEY, Lab, SERVER, configuration, failed};
use crate::{throughput, turns};

const PORT: u16 = 8080;
/// The account whose keys are shut off.
const MANY: &str = "many";

/// How to measure.
#[derive(Args)]
pub struct Options {
    /// Pairs of runs
    #[arg(long, default_value_t = 7)]
    pairs: u32,
    /// Seconds of a run
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Keys that are shut off
    #[arg(long, default_value_t = 10_000)]
    keys: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pairs: 7,
            seconds: 3,
            keys: 10_000,
        }
    }
}

/// Measures.
pub fn measure(options: &Options) -> Result<Table, Failure> {
    let lab = Lab::new()?;
    let _nginx = lab.nginx(1, 1024, &[PORT])?;
    let folder = lab.folder.path();
    configuration(folder, &[KEY.to_owned()])?;
    register(&lab, options.keys)?;
    let observer = lab.observe()?;
    // Each has to be accepted once: then the kernel side knows how it is spelled.
    serve(&lab, options.keys)?;
    lab.settled_metrics()?;
    let rate = || throughput::load(&lab, options.seconds);
    rate()?;
    let mut delays = Vec::new();
    let (ratio, _) = turns::compare(
        "response",
        "requests/s",
        options.pairs,
        rate,
        || {
            let begin = Instant::now();
            respond(&lab, &act(MANY))?;
            delays.push(begin.elapsed().as_secs_f64() * 1000.0);
            if refused(&lab, 0)? != 403 {
                return Err(Failure::new("a key that is shut off", "was served"));
            }
            let rate = rate()?;
            respond(&lab, "{\"undo\":{\"target\":\"many\",\"kind\":null}}")?;
            Ok(rate)
        },
        |rate| *rate,
    )?;
    if refused(&lab, 0)? != 200 {
        return Err(Failure::new(
            "a key that is shut off no more",
            "was refused",
        ));
    }
    let attached = turns::with_statistics(|| {
        respond(&lab, &act(MANY))?;
        let before = lab.metrics()?;
        rate()?;
        let after = lab.metrics()?;
        let of = |metrics: &crate::lab::Metrics, family: &str| {
            let mut series = metrics.series(family);
            series
                .find(|(labels, _)| labels.contains("observer_guard"))
                .map_or(0.0, |(_, value)| value)
        };
        let seconds = "observer_bpf_run_seconds_total";
        let runs = "observer_bpf_runs_total";
        let runs = of(&after, runs) - of(&before, runs);
        let nanoseconds = (of(&after, seconds) - of(&before, seconds)) * 1e9;
        respond(&lab, "\"clear\"")?;
        Ok(nanoseconds / runs)
    })?;
    drop(observer);
    let mut table = Table::default();
    table.add(
        format!("response: with {} keys shut off / with none", options.keys),
        ratio,
        "",
        Floor::AtLeast(0.95),
    );
    table.add(
        "response: from the command to its effect",
        median(&delays),
        "ms",
        Floor::AtMost(100.0),
    );
    table.add(
        "response:   the guard's run for a packet",
        attached,
        "ns",
        Floor::None,
    );
    Ok(table)
}

fn key(number: u32) -> String {
    format!("sk_bench_{number:05}_7c1d2e3f")
}

fn act(target: &str) -> String {
    format!(
        "{{\"act\":{{\"target\":\"{target}\",\"kind\":\"consumer\",\"verb\":\"block\",\"seconds\":3600,\
         \"reason\":\"bench\",\"dry_run\":false}}}}"
    )
}

/// One account with all those keys.
fn register(lab: &Lab, keys: u32) -> Result<(), Failure> {
    let folder = lab.folder.path();
    let mut pepper: [u8; 32] = fs::read(folder.join("pepper"))
        .map_err(failed("pepper"))?
        .try_into()
        .map_err(|_| Failure::new("pepper", "is no pepper"))?;
    let fingerprinter = Fingerprinter::new(&Pepper::new(&mut pepper));
    let mut account = format!("[[account]]\nid = \"{MANY}\"\n[[account.app]]\nid = \"many-app\"\n");
    for number in 0..keys {
        let fingerprint = fingerprinter.fingerprint(key(number).as_bytes());
        account.push_str(&format!(
            "[[account.app.key]]\nid = \"many-{number}\"\nfp = \"{fingerprint}\"\n"
        ));
    }
    fs::write(folder.join("registry.d/many.toml"), account).map_err(failed("many.toml"))
}

/// Has each key served once.
fn serve(lab: &Lab, keys: u32) -> Result<(), Failure> {
    lab.client.enter(|| {
        let stream = TcpStream::connect((SERVER, PORT)).map_err(failed(SERVER))?;
        let mut stream = BufReader::new(stream);
        for number in 0..keys {
            let status = ask(&mut stream, &key(number))?;
            if status != 200 {
                return Err(Failure::new("nginx", format!("answered {status}")));
            }
        }
        Ok(())
    })
}

/// The status that a key gets on a connection of its own.
fn refused(lab: &Lab, number: u32) -> Result<u16, Failure> {
    lab.client.enter(|| {
        let stream = TcpStream::connect((SERVER, PORT)).map_err(failed(SERVER))?;
        ask(&mut BufReader::new(stream), &key(number))
    })
}

fn ask(stream: &mut BufReader<TcpStream>, key: &str) -> Result<u16, Failure> {
    let request = format!("GET /v1/widgets/42 HTTP/1.1\r\nHost: bench\r\nX-Api-Key: {key}\r\n\r\n");
    let io = |error: std::io::Error| Failure::new("a client", error);
    stream.get_mut().write_all(request.as_bytes()).map_err(io)?;
    let (mut status, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).map_err(io)? == 0 {
            return Err(Failure::new("a client", "was left without an answer"));
        }
        let lower = line.to_ascii_lowercase();
        if lower.starts_with("http/") {
            status = line
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .unwrap_or(0);
        } else if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        } else if line.trim().is_empty() {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length]).map_err(io)?;
    Ok(status)
}

/// Has the daemon do something.
fn respond(lab: &Lab, order: &str) -> Result<(), Failure> {
    let socket = lab.folder.path().join("observer.sock");
    let io = |error: std::io::Error| Failure::new("the control socket", error);
    let mut stream = UnixStream::connect(socket).map_err(io)?;
    stream
        .write_all(format!("respond {order}\n").as_bytes())
        .map_err(io)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(io)?;
    if answer.starts_with("ok") {
        Ok(())
    } else {
        Err(Failure::new("the daemon", answer))
    }
}
