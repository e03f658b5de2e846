//! Under a flood the daemon stays within its bounds, says what it did not read, to the segment, and is exact again afterwards.

use std::fs;
use std::time::{Duration, Instant};

use observer_tests::daemon::{Daemon, Setup};
use observer_tests::flood::{self, Sent};
use observer_tests::namespace::{INTERFACE, Link};
use observer_tests::nginx::Nginx;
use observer_tests::process::wait_for;
use observer_tests::require::require;
use observer_tests::tally;
use observer_tests::traffic::load;

/// Share of a core that the daemon gets: a fraction of what the flood needs.
const CPU_LIMIT: f64 = 0.05;
/// How long the flood lasts, about; `OBSERVER_FLOOD_SECONDS` makes it longer.
const SECONDS: u64 = 15;
/// How often the capture is sent in a second where nothing slows it down.
const TIMES_A_SECOND: u64 = 20;
const LIMIT: Duration = Duration::from_secs(60);

/// CPU time of all threads of a process.
fn cpu_time(daemon: &Daemon<'_>) -> Duration {
    let folder = format!("/proc/{}/task", daemon.process.pid().as_raw_nonzero());
    let tasks = fs::read_dir(folder).into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Anonymous memory of a process in KiB.
fn memory(daemon: &Daemon<'_>) -> u64 {
    let file = format!("/proc/{}/status", daemon.process.pid().as_raw_nonzero());
    let status = fs::read_to_string(file).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(u64::MAX)
}

fn sum(daemon: &Daemon<'_>, family: &str, labels: &[(&str, &str)]) -> u64 {
    daemon.metrics().sum(family, labels) as u64
}

#[test]
fn a_flood_is_accounted_for() {
    if !require(&["ip", "nsenter", "nginx", "tcpreplay"]) {
        return;
    }
    let seconds = std::env::var("OBSERVER_FLOOD_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(SECONDS);
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let capture_settings =
        format!("interfaces = [\"{INTERFACE}\"]\ncpu_limit = {CPU_LIMIT}\nring_bytes = \"8MiB\"");
    let setup = Setup::new(&capture_settings, "");
    let capture = setup.path("flood.pcap");
    let once = flood::write(&capture);
    let daemon = setup.start(&link.server);

    let (begun, before) = (Instant::now(), cpu_time(&daemon));
    let times = seconds * TIMES_A_SECOND;
    let mut flood = flood::send(&link.client, "cli0", &capture, times);
    let (mut most, mut shed) = (0, false);
    wait_for(
        "the flood to end",
        Duration::from_secs(20 * seconds),
        || {
            most = most.max(memory(&daemon));
            shed |= daemon.metrics().sum("observer_shedding_ratio", &[]) > 0.0;
            (!flood.is_running()).then_some(())
        },
    );
    let share = (cpu_time(&daemon) - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    let sent = Sent {
        packets: once.packets * times,
        exchanges: once.exchanges * times,
        segments: once.segments * times,
        bytes: once.bytes * times,
    };
    eprintln!(
        "{} exchanges/s sent, {share:.3} of a core used, {} MiB",
        sent.exchanges as f64 / begun.elapsed().as_secs_f64(),
        most / 1024
    );
    assert!(share < CPU_LIMIT * 1.3, "{share} of a core");
    assert!(most < 128 << 10, "{most} KiB");
    assert!(shed, "nothing was shed");

    // Everything that was sent came by, and every segment and every exchange has its place.
    let direction = [("interface", INTERFACE), ("direction", "ingress")];
    wait_for("every segment to be accounted for", LIMIT, || {
        let packets = sum(&daemon, "observer_capture_packets_total", &direction);
        let segments = sum(&daemon, "observer_segments_total", &[]);
        let bytes = sum(&daemon, "observer_segment_bytes_total", &[]);
        (packets >= sent.packets && segments == sent.segments && bytes == sent.bytes).then_some(())
    });
    let (counted, lost) = wait_for("every exchange to be accounted for", LIMIT, || {
        let (counted, lost) = tally::counted_and_lost(&setup.usage("consumer"));
        (counted + lost >= sent.exchanges).then_some((counted, lost))
    });
    assert_eq!(counted + lost, sent.exchanges);
    assert!(
        lost > sent.exchanges / 4,
        "only {lost} of {} lost",
        sent.exchanges
    );

    // It recovers by itself.
    wait_for("shedding to end", Duration::from_secs(10), || {
        (daemon.metrics().sum("observer_shedding_ratio", &[]) == 0.0).then_some(())
    });
    let lost_so_far = daemon
        .metrics()
        .sum("observer_capture_lost_events_total", &[]);
    load(&link.client, "10.77.0.1:80", 4, 500);
    let registered = [("consumer", "acme")];
    wait_for(
        "the requests after the flood",
        Duration::from_secs(10),
        || (sum(&daemon, "observer_http_requests_total", &registered) == 400).then_some(()),
    );
    wait_for("nginx to log every request", LIMIT, || {
        (nginx.edge().len() == 2_000).then_some(())
    });
    assert_eq!(
        daemon
            .metrics()
            .sum("observer_capture_lost_events_total", &[]),
        lost_so_far
    );
    let records = daemon.stop();
    let after = records
        .iter()
        .filter(|record| record["server"] == "10.77.0.1:80");
    assert_eq!(
        after.filter(|record| record["complete"] == true).count(),
        2_000
    );
}
