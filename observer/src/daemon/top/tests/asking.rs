//! Asking a daemon over its socket, and not being answered.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use super::*;
use crate::daemon::config::Config;
use crate::daemon::top::client::{Client, failure};
use crate::daemon::top::seen::Deed;

/// Somebody who says these, one after the other, and what they heard.
struct Fake {
    folder: tempfile::TempDir,
    heard: JoinHandle<Vec<String>>,
}

impl Fake {
    fn new(says: Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let heard = thread::spawn(move || {
            let answer = |says: String| {
                let (mut stream, _) = listener.accept().unwrap();
                let (mut heard, mut byte) = (Vec::new(), [0]);
                while stream.read_exact(&mut byte).is_ok() && byte != *b"\n" {
                    heard.push(byte[0]);
                }
                // Whoever asked need not hear all of it.
                let _ = stream.write_all(says.as_bytes());
                String::from_utf8(heard).unwrap()
            };
            says.into_iter().map(answer).collect()
        });
        Self { folder, heard }
    }

    fn client(&self) -> Client {
        client(
            self.folder.path().join("socket"),
            self.folder.path().join("registry.d"),
        )
    }
}

fn client(socket: PathBuf, registry: PathBuf) -> Client {
    let mut config = Config::default();
    config.control.socket = socket;
    config.identity.registry = registry;
    Client::new(&config)
}

fn ok(value: &impl serde::Serialize) -> String {
    format!("ok {}\n", serde_json::to_string(value).unwrap())
}

#[test]
fn a_view_asks_for_what_it_shows() {
    let mut state = state(80, 24);
    press(&mut state, "_\n");
    let need = state.need().unwrap();
    let keys = Frame {
        keys: Some(Vec::new()),
        ..frame()
    };
    let fake = Fake::new(vec![
        ok(&frame()),
        ok(&keys),
        "ok {\"keys\":[{\"key\":\"k\",\"requests\":7}],\"points\":[{}],\"more\":1}\n".to_owned(),
    ]);
    let seen = fake.client().see(&need).unwrap();
    assert_eq!(seen.frame.time, frame().time);
    assert_eq!(seen.history.unwrap().unwrap().keys[0].requests, 7);
    assert!(seen.nobody);
    assert_eq!(
        fake.heard.join().unwrap(),
        [
            r#"look {"view":"incidents"}"#,
            r#"look {"view":"consumer","consumer":"acme"}"#,
            r#"history {"window":"1h","consumer":"acme"}"#,
        ]
    );
}

/// What is missing beside the frame hides nothing of it.
#[test]
fn a_part_that_is_refused_is_said_in_its_place() {
    let mut state = state(80, 24);
    press(&mut state, "_\n");
    let need = state.need().unwrap();
    let fake = Fake::new(vec![
        ok(&frame()),
        "ok {\"time\":1}\n".to_owned(),
        "failed: there is no ledger\n".to_owned(),
    ]);
    let seen = fake.client().see(&need).unwrap();
    assert_eq!(seen.history, Some(Err("there is no ledger".to_owned())));
    assert!(matches!(seen.keys, Some(Err(why)) if why.contains("cannot be read")));
}

#[test]
fn deeds_are_lines() {
    let fake = Fake::new(vec![
        "ok\n".to_owned(),
        "failed: no incident of that id is open\n".to_owned(),
    ]);
    let client = fake.client();
    client
        .tell(&Deed::Acknowledge("4f1c2a".to_owned()))
        .unwrap();
    let refused = client.tell(&Deed::Close("4f1c2a".to_owned())).unwrap_err();
    assert_eq!(refused, "no incident of that id is open");
    assert!(client.tell(&Deed::Close("4f 1c\n".to_owned())).is_err());
    assert_eq!(
        fake.heard.join().unwrap(),
        ["incident ack 4f1c2a", "incident close 4f1c2a"]
    );
}

#[test]
fn an_answer_is_bounded() {
    let endless = format!("ok {}", "x".repeat(9 << 20));
    let fake = Fake::new(vec![endless]);
    let error = fake.client().look(&Look::All).unwrap_err().to_string();
    assert!(error.contains("more than 8388608 bytes"), "{error}");
}

#[test]
fn who_does_not_listen_is_told_how_to_begin() {
    let client = client("/nonexistent/socket".into(), "/nonexistent".into());
    let failure = failure(client.look(&Look::All).unwrap_err());
    assert_eq!(
        (failure.code, failure.to_string().as_str()),
        (
            2,
            "observer: top: nobody listens at /nonexistent/socket (is `observer run` running? systemctl start observer)"
        )
    );
    let denied = crate::daemon::responses::client::Unanswered::NotHeard(
        std::io::ErrorKind::PermissionDenied.into(),
    );
    let failure = super::super::client::failure(denied);
    assert_eq!(
        (failure.code, failure.to_string().as_str()),
        (
            3,
            "observer: top: the daemon hears only root and its own user (repeat it as root: sudo observer top)"
        )
    );
}
