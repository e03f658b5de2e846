//! What a browser, a scraper and an attacker get.

mod access;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;

use super::super::metrics::registry;
use super::super::tests::{build, state};
use super::*;

/// Notes what it was asked to change.
#[derive(Default)]
struct Notes(Mutex<Vec<(String, Change)>>);

impl Desk for Notes {
    fn change(&self, by: &str, change: Change) -> Answered {
        super::super::lock(&self.0).push((by.to_owned(), change));
        Box::pin(async { Ok("{\"actions\":[]}".to_owned()) })
    }
}

/// A listener, and what stands behind it.
struct Listening {
    address: SocketAddr,
    site: Site,
    notes: Arc<Notes>,
    _runtime: tokio::runtime::Runtime,
}

/// Status, fields and content of an answer.
struct Got {
    status: u16,
    head: String,
    content: Vec<u8>,
}

impl Got {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.content).unwrap()
    }
}

fn listen(state: Arc<State>) -> Listening {
    let view = crate::awareness::View {
        places: Some(Vec::new()),
        ..Default::default()
    };
    state.set_awareness(view);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let notes = Arc::new(Notes::default());
    let desk: Arc<dyn Desk> = notes.clone();
    let site = Site {
        registry: registry(state.clone(), build()).unwrap(),
        live: Arc::new(Live::new(state.clone())),
        history: Arc::new(History::new(None, state.clone())),
        hosts: Arc::new(Hosts::new("web-1", &["observer.example".to_owned()])),
        sessions: Arc::default(),
        desk: Some(desk),
        state,
    };
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(serve(listener, site.clone(), std::future::pending()));
    Listening {
        address,
        site,
        notes,
        _runtime: runtime,
    }
}

impl Listening {
    fn send(&self, request: &str) -> Got {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        Got {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_ascii_lowercase(),
            content: answer[end + 4..].to_vec(),
        }
    }

    fn get_as(&self, host: &str, path: &str, fields: &str) -> Got {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}Connection: close\r\n\r\n"
        ))
    }

    fn get(&self, path: &str) -> Got {
        self.get_as(&self.address.to_string(), path, "")
    }

    fn post(&self, path: &str, fields: &str, body: &str) -> Got {
        let (address, length) = (self.address, body.len());
        let host = if fields.contains("Host:") {
            String::new()
        } else {
            format!("Host: {address}\r\n")
        };
        self.send(&format!(
            "POST {path} HTTP/1.1\r\n{host}{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    }

    /// The field that a signed-in page sends.
    fn sign_in(&self) -> String {
        let ticket = self.site.sessions.ticket("root").unwrap();
        let body = format!("{{\"ticket\":\"{}\"}}", ticket.reveal());
        let got = self.post("/api/v1/session", "", &body);
        assert_eq!(got.status, 200, "{}", got.text());
        let token = got.json()["token"].as_str().unwrap().to_owned();
        format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n")
    }
}

#[test]
fn the_listener_answers_what_the_contract_says() {
    let listening = listen(state());
    let unready = listening.get("/healthz");
    assert_eq!((unready.status, unready.text()), (503, "starting\n"));
    let metrics = listening.get("/metrics");
    assert!(
        metrics
            .head
            .contains("content-type: text/plain; version=0.0.4")
    );
    assert!(metrics.text().contains("observer_build_info"));
    assert_eq!(listening.get("/nothing").status, 404);
    assert_eq!(listening.get("/runbook").status, 200);

    let usage = listening.get("/api/v1/usage").json();
    assert_eq!(usage["from"], "2026-11-22T10:15:00.000000000Z");
    assert_eq!(usage["to"], "2026-11-22T10:15:30.000000000Z");
    assert_eq!(usage["completeness"], 1.0);
    let rows = usage["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "no total row");
    let acme = rows.iter().find(|row| row["consumer"] == "acme").unwrap();
    assert_eq!((&acme["requests"], &acme["errors"]), (&2.into(), &1.into()));

    listening.site.state.set_readiness(Ok(()));
    let ready = listening.get("/healthz");
    assert_eq!((ready.status, ready.text()), (200, "ok\n"));
}

/// Every file of the page is sent, and everything that one of them names is there.
#[test]
fn the_page_is_whole_and_small_and_may_load_nothing_from_elsewhere() {
    let listening = listen(state());
    let (mut seen, mut wanted) = (Vec::new(), vec!["/".to_owned()]);
    let mut bytes = 0;
    while let Some(path) = wanted.pop() {
        if seen.contains(&path) {
            continue;
        }
        let got = listening.get_as(
            &listening.address.to_string(),
            &path,
            "Accept-Encoding: gzip\r\n",
        );
        assert_eq!(got.status, 200, "{path}");
        assert!(
            got.head.contains("script-src 'self'") && !got.head.contains("unsafe"),
            "{path}"
        );
        assert!(
            got.head.contains("x-content-type-options: nosniff"),
            "{path}"
        );
        bytes += got.head.len() + got.content.len();
        let text = listening.get(&path);
        let text = text.text();
        for name in names(text, &path) {
            wanted.push(name);
        }
        if !path.contains("uPlot") {
            let elsewhere = text.match_indices("//").any(|(at, _)| {
                let before = &text[..at];
                before.ends_with("http:") || before.ends_with("https:")
            });
            let namespace = text.contains("http://www.w3.org/");
            assert!(
                !elsewhere || namespace || text.contains("http://127.0.0.1"),
                "{path} names another site"
            );
            assert!(!text.contains("innerHTML"), "{path}");
        }
        seen.push(path);
    }
    assert!(seen.len() >= 12, "{seen:?}");
    assert!(bytes < 150_000, "{bytes} bytes");
}

/// What a file of the page loads: other modules, styles and scripts.
fn names(text: &str, path: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (begin, end) in [
        ("from \"", '"'),
        ("from '", '\''),
        ("src=\"", '"'),
        ("href=\"", '"'),
    ] {
        for rest in text.split(begin).skip(1) {
            let Some(name) = rest.split(end).next().filter(|name| !name.contains(' ')) else {
                continue;
            };
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if let Some(name) = name.strip_prefix("./") {
                names.push(format!("{folder}/{name}"));
            } else if let Some(name) = name.strip_prefix("../") {
                let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
                names.push(format!("{above}/{name}"));
            } else if name.starts_with("/page/") {
                names.push(name.to_owned());
            }
        }
    }
    names
}

#[test]
fn a_file_that_is_known_is_not_sent_again() {
    let listening = listen(state());
    let first = listening.get("/page/page.css");
    let tag = first
        .head
        .split("etag: ")
        .nth(1)
        .unwrap()
        .split("\r\n")
        .next()
        .unwrap()
        .to_owned();
    let host = listening.address.to_string();
    let again = listening.get_as(
        &host,
        "/page/page.css",
        &format!("If-None-Match: {tag}\r\n"),
    );
    assert_eq!((again.status, again.content.len()), (304, 0));
    for path in [
        "/page/",
        "/page/../Cargo.toml",
        "/page/%2e%2e/observer.toml",
        "/page//etc/passwd",
    ] {
        assert_ne!(listening.get(path).status, 200, "{path}");
    }
}

#[test]
fn every_view_is_a_frame_and_other_words_are_none() {
    let listening = listen(state());
    for view in [
        "overview",
        "consumers",
        "routes",
        "consumer&consumer=acme",
        "route&api=orders&route=/v1/widgets/%7Bid%7D",
        "incidents",
        "quality",
        "all",
    ] {
        let got = listening.get(&format!("/api/v1/look?view={view}"));
        assert_eq!(got.status, 200, "{view}: {}", got.text());
        assert_eq!(got.json()["totals"]["requests"], 4, "{view}");
    }
    let one = listening
        .get("/api/v1/look?view=consumer&consumer=acme")
        .json();
    assert_eq!(one["consumers"][0]["requests"], 2);
    assert_eq!(one["consumers"].as_array().map(Vec::len), Some(1));
    let got = listening.get("/api/v1/look");
    let told = got.text();
    assert!(
        told.contains("no such view: overview, consumers, routes"),
        "{told}"
    );
    for words in [
        "",
        "?view=nothing",
        "?view=consumer",
        "?view=overview&view=all&x=1",
    ] {
        assert_eq!(
            listening.get(&format!("/api/v1/look{words}")).status,
            400,
            "{words}"
        );
        assert_eq!(
            listening.get(&format!("/api/v1/live{words}")).status,
            400,
            "{words}"
        );
    }
    let history = listening.get("/api/v1/history?window=1h");
    assert_eq!(
        (history.status, history.text()),
        (404, "there is no ledger\n")
    );
    assert_eq!(listening.get("/api/v1/history?window=2h").status, 400);
    assert_eq!(listening.get("/api/v1/incidents/4f1c").status, 404);
}

#[test]
fn a_stream_says_what_a_look_says_and_streams_leave_room_for_scrapes() {
    let listening = listen(state());
    let look = listening.get("/api/v1/look?view=overview");
    let open = || {
        let mut stream = TcpStream::connect(listening.address).unwrap();
        let host = listening.address;
        write!(
            stream,
            "GET /api/v1/live?view=overview HTTP/1.1\r\nHost: {host}\r\n\r\n"
        )
        .unwrap();
        let mut lines = BufReader::new(stream);
        let mut status = String::new();
        lines.read_line(&mut status).unwrap();
        (status, lines)
    };
    let streams: Vec<_> = (0..STREAMS).map(|_| open()).collect();
    assert!(streams.iter().all(|(status, _)| status.contains(" 200 ")));
    let (status, _) = open();
    assert!(status.contains(" 503 "), "{status}");
    assert_eq!(listening.get("/metrics").status, 200);
    let (_, mut lines) = streams.into_iter().next().unwrap();
    let mut line = String::new();
    while !line.starts_with("data: ") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0);
    }
    assert_eq!(line.strip_prefix("data: ").unwrap().trim_end(), look.text());
}
