//! Where keys travel is found out from traffic: of twenty APIs, after a thousand requests each, for nineteen at least.

use std::process::Command;

use observer_tests::daemon::Setup;
use observer_tests::discovery::{REQUESTS, expected, write};
use observer_tests::process::finish;
use observer_tests::require::binary;
use serde_json::Value;

/// APIs of twenty whose place has to come first.
const FOUND: usize = 19;

/// Runs `observer keys discover` on a capture.
fn discover(setup: &Setup, capture: &str, format: &str) -> String {
    let config = setup.config();
    let mut command = Command::new(binary());
    command
        .args(["keys", "discover", capture, "--format", format, "--config"])
        .arg(config);
    let output = finish(&mut command, b"");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_place_of_keys_comes_first() {
    let setup = Setup::new("", "");
    for seed in [1, 2, 3] {
        let capture = setup.path("discovery.pcap");
        write(&capture, seed);
        let capture = capture.display().to_string();
        let report: Value =
            serde_json::from_str(&discover(&setup, &capture, "json")).unwrap_or_default();
        assert_eq!(report["completeness"], 1.0, "{report}");
        let rows = report["rows"].as_array().cloned().unwrap_or_default();
        let first = |api: &str| {
            let first = rows
                .iter()
                .find(|row| row["api"] == api && row["rank"] == 1);
            first
                .and_then(|row| row["location"].as_str())
                .unwrap_or("nothing")
                .to_owned()
        };
        let missed: Vec<String> = expected()
            .iter()
            .filter(|(api, location)| first(api) != *location)
            .map(|(api, location)| format!("{api}: {} and not {location}", first(api)))
            .collect();
        let all = expected().len();
        println!(
            "seed {seed}: {} of {all} found; {missed:?}",
            all - missed.len()
        );
        assert!(all - missed.len() >= FOUND, "{missed:?}\n{report:#}");
        for row in &rows {
            assert!(
                row["requests"]
                    .as_u64()
                    .is_some_and(|count| count <= REQUESTS as u64),
                "{row}"
            );
        }
    }
}

#[test]
fn what_is_proposed_is_a_configuration() {
    let setup = Setup::new("", "");
    let capture = setup.path("discovery.pcap");
    write(&capture, 4);
    let stanzas = discover(&setup, &capture.display().to_string(), "toml");
    let config = setup.path("proposed.toml");
    std::fs::write(&config, format!("[identity]\n{stanzas}")).unwrap_or_default();
    let mut check = Command::new(binary());
    check.args(["config", "show"]).arg(&config);
    let output = finish(&mut check, b"");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{stanzas}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for line in [
        "header = \"x-acme-auth\"",
        "query = \"k\"",
        "cookie = \"sid\"",
        "path = \"/bot{key}\"",
    ] {
        assert!(shown.contains(line), "no {line} in {shown}");
    }
}
