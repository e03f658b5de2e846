//! What the kernel cannot read, it cannot stop: such requests end their connections. Those that somebody else uses are left alone.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use observer_tests::caller::Caller;
use observer_tests::daemon::{KEYS, STRANGER, Setup};
use observer_tests::http2::{Kind, NGINX_TLS, Server};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{finish, run, wait_for};
use observer_tests::require::require;
use observer_tests::response::{act, ask, hits, list, wait_for_hits};
use observer_tests::traffic::{Connection, key_field, request};

const ADDRESS: &str = "10.77.0.1:80";
/// From an answer to the end of its connection, at most.
const LATEST: Duration = Duration::from_secs(1);

/// A client of each kind that opens connections in turn, asks once on each, and says what it got and how long it was until the
/// connection ended, in milliseconds.
const VISITS: &str = r#"
const http2 = require('http2'), tls = require('tls');
const [how, port, key, rounds] = process.argv.slice(1);
const options = { host: '10.77.0.1', port, rejectUnauthorized: false };
const since = (begin) => begin ? Number(process.hrtime.bigint() - begin) / 1e6 : -1;
const overTls = (number) => new Promise((done) => {
  let text = '', answered;
  const socket = tls.connect(options, () => socket.write(
    `GET /v1/widgets/${number} HTTP/1.1\r\nHost: api.example\r\nX-API-Key: ${key}\r\n\r\n`));
  socket.on('data', (data) => { text += data; answered ??= process.hrtime.bigint(); });
  socket.on('error', () => {});
  socket.on('close', () => done([text.slice(9, 12) || '0', since(answered)]));
});
const overHttp2 = (number) => new Promise((done) => {
  let status = 0, answered;
  const session = http2.connect(`https://10.77.0.1:${port}`, { rejectUnauthorized: false });
  const stream = session.request({ ':path': `/v1/things/${number}`, 'x-api-key': key });
  stream.on('response', (fields) => { status = fields[':status']; });
  stream.on('end', () => { answered ??= process.hrtime.bigint(); });
  stream.on('error', () => {}).resume().end();
  session.on('error', () => {});
  session.on('close', () => done([status, since(answered)]));
});
(async () => {
  for (let number = 0; number < Number(rounds); number++)
    console.log((await (how == 'h2' ? overHttp2 : overTls)(number)).join(' '));
})();
"#;

/// What keeps secrets of clients out of it.
const SERVERS_ONLY: &str = "[tls]\nexcept = [\"curl\", \"node\"]\n";

/// What came of connections with one request each: the status, and the time to the end.
fn visit(link: &Link, how: &str, port: u16, key: &str, rounds: usize) -> Vec<(u16, Duration)> {
    let mut command = link.client.command("timeout");
    command.args([
        "30",
        "node",
        "-e",
        VISITS,
        how,
        &port.to_string(),
        key,
        &rounds.to_string(),
    ]);
    let said = run(&mut command);
    let visits = said.lines().filter_map(|line| {
        let (status, took) = line.split_once(' ')?;
        let took: f64 = took.parse().ok()?;
        Some((
            status.parse().ok()?,
            Duration::from_secs_f64(took.max(0.0) / 1e3),
        ))
    });
    visits.collect()
}

/// Fails unless every connection ended soon after it had carried a request.
fn assert_short(how: &str, visits: &[(u16, Duration)]) {
    let longest = visits
        .iter()
        .map(|(_, took)| *took)
        .max()
        .unwrap_or_default();
    let mut took: Vec<_> = visits.iter().map(|(_, took)| *took).collect();
    took.sort_unstable();
    println!(
        "{how}: ends after {:?} (median), {longest:?} (longest) of {}",
        took[took.len() / 2],
        took.len()
    );
    assert!(longest < LATEST, "{how}: {visits:?}");
}

/// Sends pieces on a connection of its own, in a segment each, and returns what was answered and how long the end took after that.
fn send(link: &Link, pieces: &[&str]) -> (String, Duration) {
    send_after(link, Duration::from_millis(20), pieces)
}

/// As [`send`], with another pause before each further piece.
fn send_after(link: &Link, pause: Duration, pieces: &[&str]) -> (String, Duration) {
    link.client.inside(|| {
        let mut stream = TcpStream::connect(ADDRESS).expect("connecting");
        stream.set_nodelay(true).expect("no delay");
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a timeout");
        for (number, piece) in pieces.iter().enumerate() {
            if number > 0 {
                // Nothing tells that the segment before is on its way.
                std::thread::sleep(pause);
            }
            stream.write_all(piece.as_bytes()).expect("sending");
        }
        let (mut answer, mut answered) = (Vec::new(), None);
        let mut some = [0; 4096];
        loop {
            match stream.read(&mut some) {
                Ok(count) if count > 0 => {
                    answer.extend_from_slice(&some[..count]);
                    answered.get_or_insert_with(Instant::now);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("the connection lives on");
                }
                _ => break,
            }
        }
        let took = answered.map_or(Duration::ZERO, |answered| answered.elapsed());
        (String::from_utf8_lossy(&answer).into_owned(), took)
    })
}

fn call(link: &Link, key: &str) -> Caller {
    let field = format!("{}\r\n", key_field(key));
    Caller::start(
        &link.client,
        ADDRESS,
        "/v1/widgets",
        &field,
        Duration::from_millis(2),
    )
}

fn assert_untouched(caller: Caller) {
    let got = caller.finish();
    assert!(got.len() > 20, "{}", got.len());
    for (number, got) in got.iter().enumerate() {
        assert_eq!(got.status, Some(200), "{got:?}");
        assert_eq!(got.reused, number > 0, "{got:?}");
    }
}

#[test]
fn a_key_where_the_kernel_does_not_look_ends_its_connection() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let key = KEYS[0].0;
    let other = call(&link, KEYS[1].0);
    other.wait_for(200, 10);
    let action = act(&setup, "acme", "block", 60);
    let served = |mark: &str| {
        nginx
            .edge()
            .iter()
            .filter(|line| line.uri.contains(mark))
            .count()
    };

    let mut ends = Vec::new();
    for _ in 0..10 {
        let target = format!("/v1/widgets/query?api_key={key}");
        let first = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (answer, took) = send(&link, &[&first]);
        ends.push((
            answer
                .get(9..12)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            took,
        ));
    }
    assert_short("a key in a target", &ends);
    wait_for_hits(&setup, &action, "late", 10);
    assert!(served("query") <= 10, "{}", served("query"));

    // In two segments: the key in the second, or cut in two.
    let whole = request("/v1/widgets/split", key);
    let at = whole.find("X-API-Key").expect("a field");
    let mut ends = Vec::new();
    for at in [at, at + 20] {
        let (one, two) = whole.split_at(at);
        for _ in 0..5 {
            let (answer, took) = send(&link, &[one, two]);
            ends.push((
                answer
                    .get(9..12)
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0),
                took,
            ));
        }
    }
    assert_short("a head in two segments", &ends);
    wait_for_hits(&setup, &action, "late", 20);
    assert!(served("split") <= 10, "{}", served("split"));
    assert_eq!(list(&setup)[0]["id"], action["id"], "{}", daemon.log());
    assert_untouched(other);
}

#[test]
fn an_encrypted_request_ends_its_connection() {
    if !require(&["ip", "nsenter", "nginx", "node", "curl", "openssl"]) {
        return;
    }
    let link = Link::new();
    let (nginx, server) = (
        Nginx::start_sealed(&link.server),
        Server::start(&link.server, Kind::Nginx),
    );
    let setup = Setup::new("", SERVERS_ONLY);
    let daemon = setup.start(&link.server);
    let (key, field) = (KEYS[0].0, key_field(KEYS[0].0));
    let (other, blocked) = (
        key_field(KEYS[1].0),
        |line: &observer_tests::nginx::Logged| line.key == key,
    );
    let url = |port: u16, path: &str| format!("https://10.77.0.1:{port}/v1/{path}");
    let ways = [
        ("http/1.1", 8443, "--http1.1", "widgets"),
        ("h2", NGINX_TLS, "--http2", "things"),
    ];
    for (_, port, version, path) in ways {
        let one = url(port, &format!("{path}/1"));
        let first = ask(&link.client, &["-k", version, "-H", &field, &one], b"");
        assert_eq!(first.status, 200, "{first:?}");
    }
    let action = act(&setup, "acme", "block", 60);
    for (how, port, version, path) in ways {
        let logged = || {
            let log = if port == NGINX_TLS {
                server.log(port)
            } else {
                nginx.edge()
            };
            log.iter().filter(|line| blocked(line)).count()
        };
        let (before, late) = (logged(), hits(&setup, &action, "late"));
        let visits = visit(&link, how, port, key, 20);
        assert_eq!(visits.len(), 20, "{how}: {visits:?}");
        assert_short(how, &visits);
        assert!(
            logged() - before <= 20,
            "{how}: {} of 20",
            logged() - before
        );
        wait_for_hits(&setup, &action, "late", late + 15);

        // One that goes on at fifty a second, and one at full speed, while another goes on.
        let others = url(port, &format!("{path}/[1-4000]"));
        let others = ["-k", version, "-H", &other, "-o", "/dev/null", &others];
        std::thread::scope(|scope| {
            let others = scope.spawn(|| ask(&link.client, &others, b""));
            for (rate, count, most) in [("50/s", 40, 2), ("100000/s", 400, 200)] {
                let before = logged();
                let many = url(port, &format!("{path}/[1-{count}]"));
                let mut busy = link.client.command("curl");
                busy.args(["-sk", version, "--rate", rate, "-o", "/dev/null"]);
                busy.args([
                    "-w",
                    "%{num_connects}\n",
                    "--max-time",
                    "10",
                    "-H",
                    &field,
                    &many,
                ]);
                let said = finish(&mut busy, b"");
                let said = String::from_utf8_lossy(&said.stdout).into_owned();
                let connections: usize = said
                    .lines()
                    .filter_map(|line| line.parse::<usize>().ok())
                    .sum();
                let passed = logged() - before;
                println!(
                    "{how}: {passed} of {count} requests at {rate} passed, over {connections} connections"
                );
                assert!(
                    passed <= most * connections,
                    "{how}: {passed} over {connections}"
                );
                assert!(connections > 1, "{how}: {said}");
            }
            let others = others.join().expect("the other client");
            assert_eq!(
                (others.code, others.status),
                (Some(0), 200),
                "{how}: {others:?}\n{}",
                daemon.log()
            );
        });
    }
}
#[test]
fn a_connection_that_others_use_is_left_alone() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let (acme, beta) = (KEYS[0].0, KEYS[1].0);
    let mut both = Connection::open(&link.client, ADDRESS);
    let mut one = Connection::open(&link.client, ADDRESS);
    for (number, key) in [acme, beta, acme, beta].iter().enumerate() {
        assert_eq!(both.get(&format!("/v1/widgets/{number}"), key).0, 200);
    }
    assert_eq!(one.get("/v1/widgets/4", acme).0, 200);
    let action = act(&setup, "beta", "block", 60);
    let mut new = Connection::open(&link.client, ADDRESS);
    assert_eq!(new.get("/v1/widgets/5", acme).0, 200);
    for round in 0..50 {
        for connection in [&mut both, &mut one, &mut new] {
            for key in [beta, acme] {
                let status = connection.get(&format!("/v1/widgets/{round}"), key).0;
                assert_eq!(status, 200, "{round}: {}", daemon.log());
            }
        }
    }
    wait_for_hits(&setup, &action, "shared", 100);
    assert_eq!(hits(&setup, &action, "late"), 0);
    assert_eq!(hits(&setup, &action, "refused"), 0);
    // Alone it is refused.
    let mut alone = Connection::open(&link.client, ADDRESS);
    assert_eq!(alone.get("/v1/widgets/6", beta).0, 403);
}

/// Whoever is shut off names somebody else first: a name that the application refused protects nobody.
#[test]
fn a_name_that_is_refused_does_not_make_a_connection_shared() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let (acme, beta) = (KEYS[0].0, KEYS[1].0);
    // Something is in force, so that the kernel looks at requests.
    let other = call(&link, acme);
    other.wait_for(200, 10);
    act(&setup, "corp", "block", 60);
    let mut prepared = Connection::open(&link.client, ADDRESS);
    assert_eq!(prepared.get("/v1/widgets/prepared", beta).0, 200);
    assert_eq!(prepared.get("/v1/secret", STRANGER).0, 401);
    assert_eq!(prepared.get("/v1/widgets/prepared", beta).0, 200);
    let action = act(&setup, "beta", "block", 60);
    let garbage = request("/v1/secret", STRANGER);
    let blocked = request("/v1/widgets/hidden", beta);
    let mut ends = Vec::new();
    for _ in 0..10 {
        let (answer, took) = send(&link, &[&garbage, &blocked]);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        ends.push((401, took));
    }
    assert_short("a key behind a name that was refused", &ends);
    // Nor does one that waits for its refusal.
    for _ in 0..10 {
        let (answer, _) = send_after(&link, Duration::ZERO, &[&garbage, &blocked]);
        assert!(answer.is_empty() || answer.contains(" 401 ") || answer.contains(" 403 "));
    }
    wait_for_hits(&setup, &action, "late", 5);
    let hidden = nginx
        .edge()
        .iter()
        .filter(|line| line.uri.ends_with("hidden"))
        .count();
    assert!(hidden <= 20, "{hidden}");
    // What was prepared before is of no more use.
    let ended = wait_for("its end", LATEST, || {
        let status = prepared.try_get("/v1/widgets/hidden", beta);
        (status != Some(200)).then_some(status)
    });
    println!("prepared before: {ended:?}");
    let hidden = nginx
        .edge()
        .iter()
        .filter(|line| line.uri.ends_with("hidden"))
        .count();
    assert!(hidden <= 25, "{hidden}\n{}", daemon.log());
    assert_untouched(other);
}
