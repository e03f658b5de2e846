//! The folder of records under what happens to disks: full, moved away by hand, removed. What was seen is never in danger.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use observer_tests::daemon::{Daemon, Setup};
use observer_tests::disk::SmallDisk;
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{run, wait_for};
use observer_tests::require::require;
use observer_tests::tally::{self, Tally};
use observer_tests::traffic::load;
use rustix::process::Signal;
use serde_json::Value;

const SERVER: &str = "10.77.0.1:80";
const LIMIT: Duration = Duration::from_secs(20);

/// What `observer records` prints: it asks the daemon for what it has not written.
fn printed(setup: &Setup) -> Tally {
    let text = run(&mut setup.command(&["records", "--format", "json"]));
    let lines = text.lines().map(serde_json::from_str::<Value>);
    let records: Vec<Value> = lines.collect::<Result<_, _>>().expect("records");
    tally::of_records(&records)
}

fn dropped(daemon: &Daemon<'_>, reason: &str) -> f64 {
    let labels = [("stage", "records"), ("reason", reason)];
    daemon
        .metrics()
        .sum("observer_pipeline_dropped_total", &labels)
}

#[test]
fn a_full_disk_holds_nothing_up_and_costs_nothing_that_fits_in_memory() {
    if !require(&["ip", "nsenter", "nginx", "mount", "zcat"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::with_hourly_records("", "");
    let disk = SmallDisk::mount(setup.path("records"));
    let daemon = setup.start(&link.server);
    load(&link.client, SERVER, 4, 500);
    disk.fill();
    load(&link.client, SERVER, 4, 500);
    wait_for("writes to fail", LIMIT, || {
        (dropped(&daemon, "write_failed") > 0.0).then_some(())
    });
    // The ledger has everything meanwhile, and the daemon is well.
    let logged = || tally::answered(tally::of_log(&nginx.edge()));
    tally::agree(
        || tally::of_usage(&setup.usage("consumer,method,route,status")),
        logged,
    );
    assert_eq!(daemon.get("/healthz").expect("an answer").0, 200);
    disk.empty();
    tally::agree(|| printed(&setup), logged);
    assert_eq!(dropped(&daemon, "full"), 0.0);
    assert_eq!(tally::of_records(&daemon.stop()), logged());
}

#[test]
fn what_is_moved_away_or_removed_by_hand_is_begun_anew() {
    if !require(&["ip", "nsenter", "nginx", "zcat"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let setup = Setup::with_hourly_records("", "");
    let daemon = setup.start(&link.server);
    let logged = || tally::answered(tally::of_log(&nginx.edge()));
    load(&link.client, SERVER, 4, 100);
    tally::agree(|| printed(&setup), logged);
    let mode = |path: &std::path::Path| {
        let metadata = fs::metadata(path).expect("there");
        metadata.permissions().mode() & 0o777
    };
    let folder = setup.path("records");
    let files = fs::read_dir(&folder).expect("listing").flatten();
    let file = files.map(|file| file.path()).max().expect("a file");
    assert_eq!((mode(&folder), mode(&file)), (0o750, 0o640));
    // Rotated by hand, as with a single file.
    fs::rename(&file, setup.path("rotated")).expect("moving");
    daemon.process.signal(Signal::HUP);
    wait_for("a new file", LIMIT, || file.exists().then_some(()));
    assert_eq!(printed(&setup), Tally::new());
    load(&link.client, SERVER, 4, 100);
    // All of it removed: the next file makes it again.
    fs::remove_dir_all(&folder).expect("removing");
    daemon.process.signal(Signal::HUP);
    wait_for("a new folder", LIMIT, || file.exists().then_some(()));
    load(&link.client, SERVER, 4, 100);
    wait_for("records", LIMIT, || {
        let told: u64 = printed(&setup).values().sum();
        (told >= 400).then_some(())
    });
    tally::agree(
        || tally::of_usage(&setup.usage("consumer,method,route,status")),
        logged,
    );
}
