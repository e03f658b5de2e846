//! Orders to the daemon as its commands give them, what it says of actions, and what stands in the kernel because of them.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use aya::programs::{SchedClassifier, TcAttachType};
use serde_json::{Value, json};

use crate::daemon::Setup;
use crate::namespace::Namespace;
use crate::process::{finish, wait_for};

/// Where the daemon pins what stays in the kernel.
const PINS: &str = "/sys/fs/bpf/observer";

/// Has the daemon do something, and returns what it answers.
///
/// # Errors
/// What it says when it does not.
///
/// # Panics
/// When it does not answer.
pub fn order(setup: &Setup, order: &Value) -> Result<Value, String> {
    let mut stream = UnixStream::connect(setup.path("observer.sock")).expect("the control socket");
    stream
        .write_all(format!("respond {order}\n").as_bytes())
        .expect("asking");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer");
    match answer.trim().strip_prefix("ok ") {
        Some(answer) => Ok(serde_json::from_str(answer).expect("an answer in JSON")),
        None => Err(answer),
    }
}

/// What shuts somebody off or limits them, as the daemon is asked for it.
pub fn acting(target: &str, verb: &str, seconds: u64) -> Value {
    json!({"act": {"target": target, "kind": null, "verb": verb, "seconds": seconds, "reason": "a test", "dry_run": false}})
}

/// Shuts somebody off or limits them, and returns the action.
///
/// # Panics
/// When the daemon does not do it.
pub fn act(setup: &Setup, target: &str, verb: &str, seconds: u64) -> Value {
    done(setup, &acting(target, verb, seconds))
}

/// Ends what is done about somebody, and returns the action.
///
/// # Panics
/// When the daemon does not do it.
pub fn undo(setup: &Setup, target: &str) -> Value {
    done(setup, &json!({"undo": {"target": target, "kind": null}}))
}

/// Does something that is about one action, and returns it.
///
/// # Panics
/// When the daemon does not do it.
pub fn done(setup: &Setup, what: &Value) -> Value {
    let answer = order(setup, what).expect("it is done");
    answer["actions"][0].clone()
}

/// Actions in force, proposed, and over, the latest first.
///
/// # Panics
/// When the daemon does not tell.
pub fn list(setup: &Setup) -> Vec<Value> {
    let mut answer = order(setup, &json!("list")).expect("a list");
    let actions = answer["actions"].as_array_mut().expect("actions");
    std::mem::take(actions)
}

/// What came of an action, by the name of the count.
///
/// # Panics
/// When the daemon knows no such action.
pub fn hits(setup: &Setup, action: &Value, which: &str) -> u64 {
    let all = list(setup);
    let found = all.iter().find(|known| known["id"] == action["id"]);
    let found = found.expect("the action");
    found["hits"][which].as_u64().expect("a count")
}

/// Waits until an action has hit so many.
///
/// # Panics
/// When it does not.
pub fn wait_for_hits(setup: &Setup, action: &Value, which: &str, least: u64) -> u64 {
    wait_for(&format!("{least} {which}"), Duration::from_secs(10), || {
        let count = hits(setup, action, which);
        (count >= least).then_some(count)
    })
}

/// The programs at the interfaces of a namespace that stop traffic.
///
/// # Panics
/// When the kernel does not tell.
pub fn programs(namespace: &Namespace) -> Vec<String> {
    let links = namespace.ip(&["-d", "-o", "link", "show"]);
    let mut found = Vec::new();
    for link in links.lines() {
        let name = link.split(": ").nth(1).unwrap_or_default();
        let name = name.split('@').next().unwrap_or_default();
        if link.contains("prog/xdp") {
            found.push(format!("{name} XDP"));
        }
        let (_, classifiers) = namespace
            .inside(|| SchedClassifier::query_tcx(name, TcAttachType::Ingress))
            .expect("the programs of an interface");
        for program in classifiers {
            let program = program.name_as_str().unwrap_or_default().to_owned();
            if program.starts_with("observer_guard") {
                found.push(format!("{name} {program}"));
            }
        }
    }
    found
}

/// Links that are pinned for a namespace and stop traffic.
///
/// # Panics
/// When there is no such namespace.
pub fn pinned(namespace: &Namespace) -> Vec<String> {
    let file = fs::metadata(format!("/run/netns/{}", namespace.name())).expect("a namespace");
    let network = format!("-{}-v", file.ino());
    let folders = fs::read_dir(PINS).into_iter().flatten().flatten();
    let folders = folders.filter(|folder| folder.file_name().to_string_lossy().contains(&network));
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten());
    let names = files.flatten().map(|file| file.file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.ends_with("-guard") || name.ends_with("-shield"))
        .collect()
}

/// What a client got.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The exit code of curl.
    pub code: Option<i32>,
    /// The status; zero: none.
    pub status: u16,
    /// Content, and the head where it was asked for.
    pub text: String,
    /// What curl says about it.
    pub said: String,
}

/// Asks once by curl, with these arguments and this standard input, for five seconds at most.
pub fn ask(namespace: &Namespace, arguments: &[&str], input: &[u8]) -> Answered {
    let mut command = namespace.command("curl");
    command
        .args(["-sS", "--max-time", "5", "-w", "\n%{http_code}"])
        .args(arguments);
    let output = finish(&mut command, input);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (text, status) = text.rsplit_once('\n').unwrap_or_default();
    Answered {
        code: output.status.code(),
        status: status.parse().unwrap_or(0),
        text: text.to_owned(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
