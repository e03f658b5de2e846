//! Whatever ends the daemon, the ledger's total is what nginx counted: to the last request, per consumer, route and status.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use aya::programs::{SchedClassifier, TcAttachType};
use observer_tests::daemon::{Daemon, Setup};
use observer_tests::disk::SmallDisk;
use observer_tests::frames::Random;
use observer_tests::namespace::{INTERFACE, Link};
use observer_tests::nginx::Nginx;
use observer_tests::process::{run, wait_for};
use observer_tests::require::{binary, require};
use observer_tests::tally;
use observer_tests::traffic::{load, load_while};
use rustix::process::Signal;

const SERVER: &str = "10.77.0.1:80";
const CONNECTIONS: usize = 8;
const LIMIT: Duration = Duration::from_secs(30);
/// Between two requests of a connection: a daemon that is killed every few hundred milliseconds has to keep up.
const PAUSE: Duration = Duration::from_millis(1);

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
    assert_eq!(tally::of_records(&records), wanted);
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn wait_for_trouble(daemon: &Daemon<'_>) {
    wait_for(
        "health to tell of the ledger",
        Duration::from_secs(20),
        || {
            let (status, why) = daemon.get("/healthz")?;
            (status == 503 && why.contains("ledger")).then_some(())
        },
    );
}

#[test]
fn disk_full_and_emptied() {
    if !require(&["ip", "nsenter", "nginx", "mount"]) {
        return;
    }
    let setup = Setup::with_ledger("ring_bytes = \"256MiB\"", "", "disk/ledger.sqlite");
    let disk = SmallDisk::mount(setup.path("disk"));
    exact_after(&setup, |setup, link, mut daemon| {
        disk.fill();
        wait_for_trouble(&daemon);
        let metrics = daemon.metrics();
        let failed = [("result", "failed")];
        assert!(metrics.sum("observer_ledger_batches_total", &failed) > 0.0);
        // Even killed, it loses nothing that it could not write.
        daemon.process.kill();
        daemon = setup.launch(&link.server, &binary());
        wait_for_trouble(&daemon);
        disk.empty();
        daemon
    });
}

#[test]
fn damaged_ledger_is_set_aside() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    load(&link.client, SERVER, 1, 10);
    setup.usage("consumer");
    daemon.stop();
    for name in ["ledger.sqlite-wal", "ledger.sqlite-shm"] {
        let _ = fs::remove_file(setup.path(name));
    }
    fs::write(setup.path("ledger.sqlite"), [0xa5; 8192]).expect("damaging the ledger");
    let daemon = setup.start(&link.server);
    assert!(daemon.log().contains("set aside"), "{}", daemon.log());
    load(&link.client, SERVER, 1, 10);
    let usage = setup.usage("route");
    assert_eq!(usage["rows"][0]["requests"], 10, "{usage}");
    let aside = fs::read_dir(setup.path("")).expect("listing the folder");
    let damaged = aside
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().contains(".damaged-"))
        .expect("the damaged file is kept");
    assert_eq!(fs::read(damaged.path()).expect("reading it"), [0xa5; 8192]);
}

#[test]
fn unpin_leaves_nothing() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    load(&link.client, SERVER, 1, 10);
    let unpin = || {
        Command::new(binary())
            .args(["unpin", "--config"])
            .arg(setup.config())
            .output()
            .expect("running observer unpin")
    };
    // Not under a running daemon.
    assert_eq!(unpin().status.code(), Some(2));
    let attached = || {
        link.server.inside(|| {
            SchedClassifier::query_tcx(INTERFACE, TcAttachType::Ingress)
                .expect("asking what is attached")
                .1
                .len()
        })
    };
    daemon.stop();
    assert_eq!(attached(), 1);
    assert!(unpin().status.success());
    assert_eq!(attached(), 0);
    assert!(!setup.path("observer.journal").exists());
    // As after a reboot: what passed meanwhile was not seen, and the answer says so.
    thread::sleep(Duration::from_secs(1));
    let _daemon = setup.start(&link.server);
    let usage = setup.usage("consumer");
    let notes = usage["notes"].to_string();
    assert!(notes.contains("not observed from"), "{usage}");
}

#[test]
fn ring_that_holds_ten_seconds() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    exact_after(
        &Setup::new("ring_bytes = \"256MiB\"", ""),
        |setup, link, mut daemon| {
            assert!(daemon.process.stop(Signal::TERM), "{}", daemon.log());
            thread::sleep(Duration::from_secs(10));
            setup.start(&link.server)
        },
    );
}

/// A ring that does not hold what comes: what is missing is what the ledger says was lost.
#[test]
fn ring_that_overflows() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::new("ring_bytes = \"1MiB\"", "");
    let daemon = setup.start(&link.server);
    load(&link.client, SERVER, CONNECTIONS, 100);
    // On a busy machine so small a ring may overflow here too.
    let before = wait_for("the first requests to be accounted for", LIMIT, || {
        let (counted, lost) = tally::counted_and_lost(&setup.usage("consumer"));
        (counted + lost == (CONNECTIONS * 100) as u64).then_some(counted)
    });
    daemon.stop();
    load(&link.client, SERVER, CONNECTIONS, 2_000);
    let daemon = setup.start(&link.server);
    load(&link.client, SERVER, CONNECTIONS, 100);
    let sent = (CONNECTIONS * 2_200) as u64;
    wait_for("nginx to log every request", LIMIT, || {
        (nginx.edge().len() as u64 == sent).then_some(())
    });
    // Of connections whose end was lost too, it takes a moment to know that nothing more will come.
    let (counted, lost) = wait_for("every request to be accounted for", LIMIT, || {
        let (counted, lost) = tally::counted_and_lost(&setup.usage("consumer"));
        (counted + lost >= sent).then_some((counted, lost))
    });
    assert!(lost > 1_000, "only {lost}");
    assert_eq!(counted + lost, sent);
    assert_eq!(
        daemon.metrics().sum("observer_http_requests_total", &[]) as u64 + lost,
        // What came before the stop was counted by the process before.
        sent - before
    );
}

#[test]
fn killed_at_any_moment() {
    if !require(&["ip", "nsenter", "nginx"]) {
        return;
    }
    exact_after(
        &Setup::new("ring_bytes = \"256MiB\"", ""),
        |setup, link, mut daemon| {
            let mut numbers = Random(0);
            for round in 0..50 {
                // Now and then long enough for a journal and a batch.
                let longest = if round % 5 == 0 { 2_000 } else { 300 };
                thread::sleep(Duration::from_millis(numbers.below(longest) as u64));
                daemon.process.kill();
                thread::sleep(Duration::from_millis(numbers.below(100) as u64));
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

/// Records in a folder, in files so small that one is begun with every journal that is written.
#[test]
fn killed_while_files_of_records_change() {
    if !require(&["ip", "nsenter", "nginx", "zcat"]) {
        return;
    }
    let setup = Setup::with_hourly_records("ring_bytes = \"256MiB\"", "file_bytes = \"64KiB\"");
    exact_after(&setup, |setup, link, mut daemon| {
        let mut numbers = Random(7);
        for round in 0..25 {
            let longest = if round % 2 == 0 { 2_500 } else { 300 };
            thread::sleep(Duration::from_millis(numbers.below(longest) as u64));
            daemon.process.kill();
            thread::sleep(Duration::from_millis(numbers.below(100) as u64));
            daemon = setup.launch(&link.server, &binary());
            daemon.wait_until_ready();
        }
        daemon
    });
    let files = setup.record_files();
    let compressed = files
        .iter()
        .filter(|(name, _)| name.ends_with(".gz"))
        .count();
    // How many there are depends on how fast the machine is; the last ones may still wait for their turn.
    let enough = files.len() >= 5 && compressed * 2 >= files.len();
    assert!(enough, "{compressed} of {}", files.len());
    let told: usize = files.iter().map(|(_, lines)| lines.len()).sum();
    let printed = run(&mut setup.command(&["records", "--format", "json"]));
    assert_eq!(printed.lines().count(), told);
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
    let written = folder.join("written");
    fs::write(&written, bytes).expect("writing the binary");
    // Not by this process: a child of another test would hold the file open to write, and nobody could run it.
    run(Command::new("install")
        .arg("-m755")
        .arg(&written)
        .arg(&path));
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
