//! A proxy in front of the service, on one host: each request is counted once, the leg between the two apart.

use std::collections::BTreeMap;
use std::time::Duration;

use observer_tests::daemon::{KEYS, STRANGER, Setup};
use observer_tests::haproxy::Haproxy;
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::wait_for;
use observer_tests::require::require;
use observer_tests::tally::{self, Tally};
use observer_tests::traffic::{curl, key_field, load};

/// By status, as text.
type ByStatus = BTreeMap<String, u64>;

fn by_status(tally: &Tally) -> ByStatus {
    let mut counts = ByStatus::new();
    for ([_, _, _, status], count) in tally {
        *counts.entry(status.clone()).or_default() += count;
    }
    counts
}

#[test]
fn proxy_in_front() {
    if !require(&["ip", "nsenter", "nginx", "haproxy", "curl"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start(&link.server);
    let _haproxy = Haproxy::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);

    // From another host, and from this one.
    for (namespace, base) in [
        (&link.client, "http://10.77.0.1:8000/v1"),
        (&link.client, "http://[fd77::1]:8000/v1"),
        (&link.server, "http://10.77.0.1:8000/v1"),
        (&link.server, "http://127.0.0.1:8000/v1"),
    ] {
        for (key, _) in KEYS.iter().chain([&(STRANGER, ""), &("", "")]) {
            let field = key_field(key);
            for number in 1..=6 {
                let url = format!("{base}/widgets/{number}");
                curl(namespace, &["-g", "-H", &field, &url, &url]);
            }
            curl(
                namespace,
                &["-g", "-H", &field, &format!("{base}/forbidden")],
            );
        }
    }
    load(&link.client, "10.77.0.1:8000", 4, 1_000);

    let wanted = tally::agree(
        || tally::of_metrics(&daemon.metrics()),
        || tally::of_log(&nginx.backend()),
    );
    // The leg between them, by status.
    let hops = wait_for("the hops", Duration::from_secs(10), || {
        let mut hops = ByStatus::new();
        for sample in daemon.metrics().family("observer_http_hop_requests_total") {
            *hops.entry(sample.label("status").to_owned()).or_default() += sample.value as u64;
        }
        (hops == by_status(&wanted)).then_some(hops)
    });
    assert!(hops.contains_key("200") && hops.contains_key("403"));

    // What never reaches the service is the edge's alone.
    curl(&link.client, &["http://10.77.0.1:8000/v1/gone"]);
    wait_for(
        "the answer of the proxy itself",
        Duration::from_secs(10),
        || {
            let labels = [("status", "503"), ("consumer", "__unkeyed__")];
            let metrics = daemon.metrics();
            (metrics.sum("observer_http_requests_total", &labels) == 1.0).then_some(())
        },
    );
    daemon.assert_complete();

    let records = daemon.stop();
    let vantage = |name: &str| {
        let seen = records.iter().filter(|record| record["vantage"] == name);
        seen.count()
    };
    // Seven keys, thirteen requests each, over two addresses.
    assert_eq!(vantage("local"), 2 * 7 * 13);
    assert_eq!(vantage("edge"), 2 * 7 * 13 + 4 * 1_000 + 1);
    assert_eq!(vantage("hop"), 4 * 7 * 13 + 4 * 1_000);
}
