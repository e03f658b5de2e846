//! Who is shut off or limited, as the server and the clients see it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use observer_tests::caller::Caller;
use observer_tests::daemon::Setup;
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::wait_for;
use observer_tests::require::require;
use observer_tests::traffic::key_field;
use serde_json::{Value, json};

/// Has the daemon do something, and returns what it answers.
fn respond(setup: &Setup, order: &Value) -> Value {
    let mut stream = UnixStream::connect(setup.path("observer.sock")).expect("the control socket");
    stream
        .write_all(format!("respond {order}\n").as_bytes())
        .expect("asking");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer");
    let answer = answer
        .trim()
        .strip_prefix("ok ")
        .unwrap_or_else(|| panic!("{answer}"));
    serde_json::from_str(answer).expect("an answer in JSON")
}

fn block(target: &str, verb: &str, seconds: u64) -> Value {
    json!({"act": {"target": target, "kind": null, "verb": verb, "seconds": seconds, "reason": "a test", "dry_run": false}})
}

fn undo(target: &str) -> Value {
    json!({"undo": {"target": target, "kind": null}})
}

#[test]
fn a_key_that_is_shut_off_never_reaches_the_server() {
    if !require(&["ip", "nsenter", "nginx", "curl"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let keys: Vec<String> = (0..20)
        .map(|number| format!("sk_test_{number}_4b7c19"))
        .collect();
    for (number, key) in keys.iter().enumerate() {
        setup.register(
            &format!("user{number}"),
            &format!("fp = \"{}\"", setup.fingerprint(key)),
        );
    }
    let daemon = setup.start(&link.server);
    let callers: Vec<Caller> = keys
        .iter()
        .map(|key| {
            let field = format!("{}\r\n", key_field(key));
            Caller::start(
                &link.client,
                "10.77.0.1:80",
                "/v1/widgets",
                &field,
                Duration::from_millis(2),
            )
        })
        .collect();
    wait_for("all to be served", Duration::from_secs(10), || {
        callers
            .iter()
            .all(|caller| caller.got().len() > 20)
            .then_some(())
    });
    let before = callers[7].next();
    let begin = Instant::now();
    respond(&setup, &block("user7-key", "block", 60));
    let took = begin.elapsed();
    let from = callers[7].next();
    assert!(took < Duration::from_secs(2), "{took:?}");
    wait_for("refusals", Duration::from_secs(10), || {
        (callers[7].next() > from + 50).then_some(())
    });
    let undoing = callers[7].next();
    respond(&setup, &undo("user7-key"));
    let until = callers[7].next();
    wait_for("service again", Duration::from_secs(10), || {
        (callers[7].next() > until + 50).then_some(())
    });
    for (number, caller) in callers.into_iter().enumerate() {
        for got in caller.finish() {
            // While a command is at work, either may be.
            let either = (before.saturating_sub(1)..from).contains(&got.number)
                || (undoing.saturating_sub(1)..until).contains(&got.number);
            if number == 7 && either {
                continue;
            }
            let refused = number == 7 && (from..until).contains(&got.number);
            let expected = if refused { 403 } else { 200 };
            assert_eq!(
                got.status,
                Some(expected),
                "{number}: {got:?}\n{}",
                daemon.log()
            );
            if refused {
                let content: Value = serde_json::from_str(&got.content).expect("problem details");
                assert_eq!(content["status"], 403);
            }
        }
    }
    let logged = nginx.edge();
    let served = |number: u64| {
        let uri = format!("/v1/widgets/{number}");
        logged
            .iter()
            .any(|line| line.key == keys[7] && line.uri == uri)
    };
    let passed: Vec<u64> = (from..undoing.saturating_sub(1))
        .filter(|number| served(*number))
        .collect();
    assert!(passed.is_empty(), "{passed:?} were served");
}
