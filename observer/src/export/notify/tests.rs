use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::webhook::sign;
use super::*;
use crate::awareness::{Evidence, Incident, Kind, Rule, Severity, State, Subject};

fn incident(id: &str, state: State) -> Incident {
    Incident {
        id: id.into(),
        rule: Rule::ErrorRate,
        severity: Severity::Medium,
        subject: Subject::named(Kind::Host, "this host"),
        state,
        first_seen: 1_000_000_000,
        detected_at: 2_000_000_000,
        last_seen: 3_000_000_000,
        statement: "more than usual".to_owned(),
        evidence: Evidence::default(),
        confidence: 1.0,
        completeness: 1.0,
        suppressed_until: 0,
    }
}

/// A request: its head in lower case, and its content.
type Request = (String, String);

/// A server that answers one connection after the other with these statuses.
fn server(statuses: &'static [u16]) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listening");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, received) = channel();
    thread::spawn(move || {
        for status in statuses {
            let (stream, _) = listener.accept().expect("a connection");
            let request = answer(stream, *status);
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (url, received)
}

fn answer(stream: TcpStream, status: u16) -> Request {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        if line.trim().is_empty() {
            break;
        }
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        head.push_str(&line);
    }
    let mut content = vec![0; length];
    reader.read_exact(&mut content).expect("content");
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .expect("answering");
    (head, String::from_utf8(content).expect("text"))
}

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_webhook_gets_every_change_in_order_signed_and_again_when_it_could_not_take_it() {
    let (url, received) = server(&[503, 200, 204]);
    let targets = Targets {
        webhook: Some(url),
        secret: Some(Zeroizing::new(b"secret".to_vec())),
        alertmanager: None,
    };
    let notifier = Notifier::start(&targets);
    notifier.notify(&incident("a1", State::Open));
    notifier.notify(&incident("a1", State::Closed));
    let requests: Vec<Request> = (0..3)
        .map(|_| received.recv_timeout(PATIENCE).expect("a request"))
        .collect();
    let states = requests.iter().map(|(head, content)| {
        let field = |name: &str| {
            let line = head
                .lines()
                .find(|line| line.starts_with(name))
                .expect("a field");
            line.split_once(':').expect("a value").1.trim().to_owned()
        };
        let now = field("x-observer-timestamp").parse().expect("a number");
        assert_eq!(field("x-observer-signature"), sign(b"secret", now, content));
        let content: serde_json::Value = serde_json::from_str(content).expect("JSON");
        assert_eq!(content["statement"], "more than usual");
        content["state"].as_str().expect("a state").to_owned()
    });
    assert_eq!(states.collect::<Vec<_>>(), ["open", "open", "closed"]);
    assert_eq!(notifier.dropped(), [("queue_full", 0), ("not_taken", 0)]);
}

#[test]
fn alertmanager_gets_what_is_open_and_its_end() {
    let (url, received) = server(&[200, 200]);
    let targets = Targets {
        alertmanager: Some(url),
        ..Targets::default()
    };
    let notifier = Notifier::start(&targets);
    notifier.notify(&incident("b1", State::Open));
    let (head, content) = received.recv_timeout(PATIENCE).expect("a request");
    assert!(head.starts_with("post /api/v2/alerts "), "{head}");
    let alerts: serde_json::Value = serde_json::from_str(&content).expect("JSON");
    assert_eq!(alerts[0]["labels"]["rule"], "error_rate");
    assert!(alerts[0].get("endsAt").is_none());
    notifier.notify(&incident("b1", State::Closed));
    let (_, content) = received.recv_timeout(PATIENCE).expect("a request");
    let alerts: serde_json::Value = serde_json::from_str(&content).expect("JSON");
    assert_eq!(alerts[0]["endsAt"], "1970-01-01T00:00:03.000000000Z");
}

#[test]
fn what_is_refused_for_good_is_counted_and_not_sent_again() {
    let (url, received) = server(&[400, 200]);
    let targets = Targets {
        webhook: Some(url),
        ..Targets::default()
    };
    let notifier = Notifier::start(&targets);
    notifier.notify(&incident("c1", State::Open));
    notifier.notify(&incident("c2", State::Open));
    for id in ["c1", "c2"] {
        let (_, content) = received.recv_timeout(PATIENCE).expect("a request");
        assert!(content.contains(id), "{content}");
    }
    assert_eq!(notifier.dropped(), [("queue_full", 0), ("not_taken", 1)]);
}
