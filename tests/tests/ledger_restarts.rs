//! Whatever ends the daemon, the ledger's total is what nginx counted: to the last request, per consumer, route and status.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use observer_tests::daemon::{Daemon, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::run;
use observer_tests::require::{binary, require};
use observer_tests::tally;
use observer_tests::traffic::load_while;
use rustix::process::Signal;

const SERVER: &str = "10.77.0.1:80";
const CONNECTIONS: usize = 8;
/// Between two requests of a connection: a daemon that is killed every few hundred milliseconds has to keep up.
const PAUSE: Duration = Duration::from_millis(1);

/// Numbers that look random and are the same in every run (xorshift, Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Runs traffic while `disturb` does what it does to the daemon, then holds the ledger against nginx's log.
fn exact_after(
    setup: &Setup,
    disturb: impl for<'a> FnOnce(&'a Setup, &'a Link, Daemon<'a>) -> Daemon<'a>,
) {
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let first = setup.start(&link.server);
    let stop = AtomicBool::new(false);
    let daemon = thread::scope(|scope| {
        scope.spawn(|| {
            load_while(&link.client, SERVER, CONNECTIONS, |_| {
                thread::sleep(PAUSE);
                !stop.load(Ordering::Relaxed)
            });
        });
        // Also when it panics: the load would go on for ever.
        let _stop = Stop(&stop);
        let daemon = disturb(setup, &link, first);
        daemon.wait_until_ready();
        daemon
    });
    let wanted = tally::agree(
        || tally::of_usage(&setup.usage("consumer,method,route,status")),
        || tally::answered(tally::of_log(&nginx.edge())),
    );
    let total: u64 = wanted.values().sum();
    assert!(total > 5_000, "only {total} requests");
    let usage = setup.usage("consumer");
    assert_eq!(usage["completeness"], 1.0, "{usage}");
    // The records neither miss nor repeat what the ledger has.
    let records = daemon.stop();
    assert_eq!(records.len() as u64, total);
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn killed_at_any_moment() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    exact_after(
        &Setup::new("ring_bytes = \"256MiB\"", ""),
        |setup, link, mut daemon| {
            let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
            for round in 0..50 {
                // Now and then long enough for a journal and a batch.
                let longest = if round % 5 == 0 { 2_000 } else { 300 };
                thread::sleep(Duration::from_millis(numbers.below(longest)));
                daemon.process.kill();
                thread::sleep(Duration::from_millis(numbers.below(100)));
                daemon = setup.launch(&link.server, &binary());
                // Every other one may be killed while it starts.
                if round % 2 == 0 {
                    daemon.wait_until_ready();
                }
            }
            daemon
        },
    );
}

#[test]
fn stopped_and_started() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    exact_after(
        &Setup::new("ring_bytes = \"256MiB\"", ""),
        |setup, link, mut daemon| {
            for _ in 0..5 {
                thread::sleep(Duration::from_millis(300));
                assert!(daemon.process.stop(Signal::TERM), "{}", daemon.log());
                thread::sleep(Duration::from_millis(200));
                daemon = setup.start(&link.server);
            }
            daemon
        },
    );
}

/// The binary with a higher version of the same length in its place.
fn upgraded(folder: &Path) -> PathBuf {
    let version = env!("CARGO_PKG_VERSION");
    let next = format!("{}9", &version[..version.len() - 1]);
    let mut bytes = fs::read(binary()).expect("reading the binary");
    let mut at = 0;
    while let Some(found) = bytes[at..]
        .windows(version.len())
        .position(|window| window == version.as_bytes())
    {
        bytes[at + found..at + found + version.len()].copy_from_slice(next.as_bytes());
        at += found + version.len();
    }
    let path = folder.join("observer");
    fs::copy(binary(), &path).expect("copying the binary");
    fs::write(&path, bytes).expect("writing the binary");
    let said = run(Command::new(&path).arg("--version"));
    assert!(said.contains(&next), "{said}");
    path
}

#[test]
fn upgraded_to_a_higher_version() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("making a folder");
    let next = upgraded(folder.path());
    exact_after(
        &Setup::new("ring_bytes = \"256MiB\"", ""),
        |setup, link, mut daemon| {
            thread::sleep(Duration::from_millis(500));
            assert!(daemon.process.stop(Signal::TERM), "{}", daemon.log());
            let daemon = setup.launch(&link.server, &next);
            daemon.wait_until_ready();
            thread::sleep(Duration::from_millis(500));
            daemon
        },
    );
}
