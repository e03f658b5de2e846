//! A capture of the traffic, replayed, gives the records that the daemon wrote live.

use std::collections::BTreeMap;
use std::time::Duration;

use observer_tests::capture::Capture;
use observer_tests::daemon::{KEYS, STRANGER, Setup};
use observer_tests::namespace::{INTERFACE, Link};
use observer_tests::nginx::Nginx;
use observer_tests::process::wait_for;
use observer_tests::require::require;
use observer_tests::traffic::{curl, curl_with, key_field, pipeline, wrk};
use serde_json::Value;

const EDGE: &str = "http://10.77.0.1/v1";

/// Records as a multiset, without what a replay cannot know or measures at another place.
fn comparable(records: Vec<Value>) -> BTreeMap<String, u64> {
    let mut multiset = BTreeMap::new();
    for mut record in records {
        if let Some(fields) = record.as_object_mut() {
            for field in [
                "time",
                "duration_us",
                "first_byte_us",
                "interface",
                "vantage",
            ] {
                fields.remove(field);
            }
        }
        *multiset.entry(record.to_string()).or_default() += 1;
    }
    multiset
}

#[test]
fn replay_equals_live() {
    if !require(&["ip", "nsenter", "nginx", "curl", "wrk", "tcpdump"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new(&format!("interfaces = [\"{INTERFACE}\"]"), "");
    let daemon = setup.start(&link.server);
    let folder = tempfile::tempdir().expect("making a folder");
    let capture = Capture::start(&link.server, folder.path());

    let client = &link.client;
    let url = |path: &str| format!("{EDGE}/{path}");
    for (key, _) in KEYS.iter().chain([&(STRANGER, ""), &("", "")]) {
        let field = key_field(key);
        curl(client, &["-H", &field, &url("widgets/[1-20]")]);
        curl(
            client,
            &[
                "--compressed",
                "-H",
                &field,
                &url("reports"),
                &url("reports"),
            ],
        );
        for path in [
            "moved",
            "empty",
            "secret",
            "forbidden",
            "nothing",
            "broken",
            "away",
            "early",
        ] {
            curl(client, &["-H", &field, &url(path)]);
        }
    }
    curl(client, &["-I", &url("widgets/[1-4]")]);
    curl(client, &["-g", "http://[fd77::1]/v1/widgets/9"]);
    let body = vec![b'x'; 1 << 20];
    for how in [
        "Expect: 100-continue",
        "Transfer-Encoding: chunked",
        "Expect:",
    ] {
        let arguments = ["-T", "-", "-H", how, &url("uploads/1")];
        assert!(curl_with(client, &arguments, &body).status.success());
    }
    let batch = format!(
        "{}GET /v1/widgets/2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /v1/widgets/1 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50)
    );
    pipeline(client, "10.77.0.1:80", &batch);
    let lua = r#"
        local number = 0
        function request()
          number = number + 1
          local key = keys[number % #keys + 1]
          return wrk.format("GET", "/v1/widgets/" .. number, {["X-API-Key"] = key})
        end"#;
    let load = ["-t1", "-c4", "-d1", "http://10.77.0.1"];
    let mut load = wrk(client, &setup.path("wrk.lua"), lua, &load);
    wait_for("wrk to end", Duration::from_secs(20), || {
        (!load.is_running()).then_some(())
    });

    // The last exchange is in the capture: so is all before it.
    let last = "the-last-one-of-all";
    curl(
        client,
        &["-A", last, "-H", "Connection: close", &url("widgets/1")],
    );
    let file = capture.stop_after(last, "{\"widget\"");
    daemon.assert_complete();
    let live = daemon.stop();
    let replayed = comparable(setup.replay(&file));
    let live = comparable(live);
    let differences: Vec<_> = live
        .iter()
        .filter(|(record, count)| replayed.get(*record) != Some(count))
        .map(|(record, count)| format!("live {count}: {record}"))
        .chain(
            replayed
                .iter()
                .filter(|(record, count)| live.get(*record) != Some(count))
                .map(|(record, count)| format!("replayed {count}: {record}")),
        )
        .collect();
    assert!(
        differences.is_empty(),
        "{} records differ:\n{}",
        differences.len(),
        differences
            .iter()
            .take(40)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
    assert!(live.values().sum::<u64>() > 1_000);
}
