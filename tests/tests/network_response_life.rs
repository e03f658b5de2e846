//! What is in force ends when it is to, whatever becomes of the daemon, and leaves nothing behind.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::time::{Duration, Instant};

use observer_tests::caller::{Caller, Got};
use observer_tests::daemon::{KEYS, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::wait_for;
use observer_tests::require::require;
use observer_tests::response::{act, list, order, pinned, programs};
use observer_tests::traffic::key_field;
use rustix::process::Signal;
use serde_json::json;

fn call(link: &Link, key: &str) -> Caller {
    let field = format!("{}\r\n", key_field(key));
    let pause = Duration::from_millis(2);
    Caller::start(&link.client, "10.77.0.1:80", "/v1/widgets", &field, pause)
}

/// Requests of these numbers that nginx got.
fn passed(nginx: &Nginx, key: &str, from: u64, until: u64) -> Vec<u64> {
    let lines = nginx.edge();
    let of_key = lines.iter().filter(|line| line.key == key);
    let numbers = of_key.filter_map(|line| line.uri.rsplit('/').next()?.parse().ok());
    numbers
        .filter(|number| (from..until).contains(number))
        .collect()
}

fn nothing_stands(link: &Link) -> Option<()> {
    let nothing = programs(&link.server).is_empty() && pinned(&link.server).is_empty();
    nothing.then_some(())
}

#[test]
fn the_deadline_holds_when_the_daemon_is_gone() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let mut daemon = setup.start(&link.server);
    let key = KEYS[0].0;
    let callers = [call(&link, key), call(&link, KEYS[1].0)];
    for caller in &callers {
        caller.wait_for(200, 10);
    }
    let begin = Instant::now();
    act(&setup, "acme", "block", 3);
    let (from, took) = (callers[0].next(), begin.elapsed());
    daemon.process.kill();
    callers[0].wait_for(403, 20);
    callers[0].wait_for(200, 50);
    let [blocked, other] = callers.map(Caller::finish);
    assert!(other.iter().all(|got| got.status == Some(200)));
    let after: Vec<&Got> = blocked.iter().filter(|got| got.number >= from).collect();
    let last = after.iter().rposition(|got| got.status != Some(200));
    let last = after[last.expect("refused ones")];
    for got in &after {
        if got.is_cut_off(from) {
            continue;
        }
        let expected = if got.number <= last.number { 403 } else { 200 };
        assert_eq!(got.status, Some(expected), "{got:?}");
    }
    let held = last.at - begin;
    println!("a block of 3 s began within {took:?} and ended after {held:?}, without a daemon");
    assert!((2.0..4.0).contains(&held.as_secs_f64()), "{held:?}");
    assert_eq!(passed(&nginx, key, from, last.number), Vec::<u64>::new());
}

/// What is in force stays so through this end of the daemon and its next start.
fn restarted(end: impl Fn(&mut observer_tests::daemon::Daemon<'_>)) {
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let mut daemon = setup.start(&link.server);
    let key = KEYS[0].0;
    let (blocked, other) = (call(&link, key), call(&link, KEYS[1].0));
    for caller in [&blocked, &other] {
        caller.wait_for(200, 10);
    }
    let action = act(&setup, "acme", "block", 60);
    let from = blocked.next();
    blocked.wait_for(403, 20);
    end(&mut daemon);
    blocked.wait_for(403, 20);
    let daemon = setup.start(&link.server);
    blocked.wait_for(403, 100);
    let known = list(&setup);
    assert_eq!(
        (&known[0]["id"], &known[0]["state"]),
        (&action["id"], &json!("active"))
    );
    let until = blocked.next();
    for got in blocked.finish() {
        if got.is_cut_off(from) {
            continue;
        }
        let expected = if got.number < from { 200 } else { 403 };
        // While the command is at work, either may be.
        assert!(
            got.status == Some(expected) || (got.number < from && got.status == Some(403)),
            "{got:?}\n{}",
            daemon.log()
        );
    }
    for got in other.finish() {
        assert_eq!(got.status, Some(200), "{got:?}");
    }
    assert_eq!(passed(&nginx, key, from, until), Vec::<u64>::new());
    // The daemon that is there now can end it.
    order(&setup, &json!("clear")).expect("clearing");
    let again = call(&link, key);
    again.wait_for(200, 10);
    nothing_stands(&link).expect("nothing");
}

#[test]
fn what_is_in_force_stays_through_a_restart() {
    if require(&["ip", "nsenter", "nginx"]) {
        restarted(|daemon| assert!(daemon.process.stop(Signal::TERM), "{}", daemon.log()));
    }
}

#[test]
fn what_is_in_force_stays_through_a_crash() {
    if require(&["ip", "nsenter", "nginx"]) {
        restarted(|daemon| daemon.process.kill());
    }
}

#[test]
fn nothing_stays() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "[response]\non_stop = \"clear\"");
    let mut daemon = setup.start(&link.server);
    let caller = call(&link, KEYS[0].0);
    caller.wait_for(200, 10);
    nothing_stands(&link).expect("nothing before");

    act(&setup, "acme", "block", 60);
    act(&setup, "10.99.0.0/16", "block", 60);
    caller.wait_for(403, 10);
    let standing = programs(&link.server);
    for wanted in ["obs0 observer_guard", "lo observer_guard", "obs0 XDP"] {
        assert!(
            standing.iter().any(|program| program == wanted),
            "{standing:?}"
        );
    }
    assert!(
        pinned(&link.server).len() >= 3,
        "{:?}",
        pinned(&link.server)
    );
    order(&setup, &json!("clear")).expect("clearing");
    nothing_stands(&link).expect("nothing after `clear`");
    caller.wait_for(200, 10);

    act(&setup, "acme", "block", 1);
    caller.wait_for(403, 10);
    wait_for("it to be over", Duration::from_secs(5), || {
        nothing_stands(&link)
    });
    caller.wait_for(200, 10);
    assert!(
        list(&setup)
            .iter()
            .all(|action| action["state"] != "active")
    );

    act(&setup, "acme", "block", 60);
    act(&setup, "10.99.0.0/16", "block", 60);
    caller.wait_for(403, 10);
    assert!(daemon.process.stop(Signal::TERM), "{}", daemon.log());
    nothing_stands(&link).expect("nothing after a stop");
    caller.wait_for(200, 10);
}

/// A slot that was another's before the daemon went away.
#[test]
fn what_is_over_while_no_daemon_runs_holds_nobody() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let mut daemon = setup.start(&link.server);
    let callers = [0, 1].map(|number: usize| call(&link, KEYS[number].0));
    for caller in &callers {
        caller.wait_for(200, 10);
    }
    act(&setup, "acme", "block", 2);
    callers[0].wait_for(403, 10);
    daemon.process.kill();
    callers[0].wait_for(200, 10);
    let daemon = setup.start(&link.server);
    let from = callers[0].next();
    act(&setup, "beta", "block", 60);
    callers[1].wait_for(403, 100);
    let [over, _] = callers.map(Caller::finish);
    for got in over.iter().filter(|got| got.number >= from) {
        assert_eq!(got.status, Some(200), "{got:?}\n{}", daemon.log());
    }
}

/// However traffic is seen, it can be stopped.
#[test]
fn requests_are_refused_behind_generic_xdp() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("mode = \"xdp-generic\"", "");
    let _daemon = setup.start(&link.server);
    let caller = call(&link, KEYS[0].0);
    caller.wait_for(200, 10);
    act(&setup, "acme", "block", 60);
    let from = caller.next();
    caller.wait_for(403, 50);
    assert_eq!(passed(&nginx, KEYS[0].0, from, u64::MAX), Vec::<u64>::new());
}
