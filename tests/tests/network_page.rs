//! The page, opened by a real browser against a daemon with real traffic.

use std::fs;
use std::path::Path;
use std::time::Duration;

use observer_tests::browser::{self, Browser, PROGRAMS};
use observer_tests::daemon::{Daemon, KEYS, STRANGER, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{run, wait_for};
use observer_tests::require::require;
use observer_tests::traffic::{curl, curl_with, key_field};
use rustix::process::Signal;

const BASE: &str = "http://10.77.0.1/v1";
const GONE: &str = "sk_live_gone_a1b2c3d4e5f6";
const SOON: Duration = Duration::from_secs(10);

/// Requests of everybody: registered, unregistered, without a key, refused, and with what somebody hopes is taken for markup.
fn traffic(link: &Link) {
    for (key, _) in KEYS {
        for number in 0..5 {
            curl(
                &link.client,
                &["-H", &key_field(key), &format!("{BASE}/widgets/{number}")],
            );
        }
        curl(
            &link.client,
            &["-H", &key_field(key), &format!("{BASE}/missing")],
        );
    }
    let hostile = "Host: <img src=x onerror=alert(1)>";
    curl(
        &link.client,
        &["-H", &key_field(STRANGER), &format!("{BASE}/broken")],
    );
    curl(
        &link.client,
        &[
            "-H",
            hostile,
            &format!("{BASE}/widgets/<script>alert(1)</script>"),
        ],
    );
    curl(
        &link.client,
        &[&format!("{BASE}/widgets/7?api_key={}", KEYS[0].0)],
    );
}

fn requests(daemon: &Daemon<'_>) -> f64 {
    daemon.metrics().sum("observer_http_requests_total", &[])
}

/// The status that a consumer gets.
fn status(link: &Link, key: &str) -> String {
    let arguments = [
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-H",
        &key_field(key),
    ];
    let url = format!("{BASE}/widgets/1");
    let output = curl_with(&link.client, &[&arguments[..], &[&url]].concat(), b"");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn the_page_shows_what_there_is_to_see_to_everybody() {
    if !require(&["ip", "nsenter", "nginx", "curl", PROGRAMS[0], PROGRAMS[1]]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let revoked = format!("fp = \"{}\"\nstate = \"revoked\"", setup.fingerprint(GONE));
    setup.register("gone", &revoked);
    let mut daemon = Some(setup.start(&link.server));
    traffic(&link);
    let running = daemon.as_ref().expect("a daemon");
    wait_for("the traffic", SOON, || {
        (requests(running) >= 33.0).then_some(())
    });
    // What the ledger has is shown, too.
    setup.usage("consumer");

    let mut browser = Browser::start(&link.server, "page.cjs", &["http://127.0.0.1:9464"]);
    while let Some(wanted) = browser.wants() {
        let answer = match wanted.as_str() {
            "incident" => {
                curl(
                    &link.client,
                    &["-H", &key_field(GONE), &format!("{BASE}/widgets/1")],
                );
                "done".to_owned()
            }
            "traffic" => {
                let running = daemon.as_ref().expect("a daemon");
                let before = requests(running);
                traffic(&link);
                wait_for("the traffic", SOON, || {
                    (requests(running) >= before + 33.0).then_some(())
                });
                "done".to_owned()
            }
            "login" => run(&mut setup.command(&["login"])).trim().to_owned(),
            "beta?" => status(&link, KEYS[1].0),
            // Every request that was made has been counted.
            "quiet" => {
                let running = daemon.as_ref().expect("a daemon");
                wait_for("the counters", SOON, || {
                    let before = requests(running);
                    std::thread::sleep(Duration::from_millis(500));
                    (requests(running) == before).then_some(())
                });
                "done".to_owned()
            }
            "stop" => {
                let mut stopped = daemon.take().expect("a daemon");
                assert!(stopped.process.stop(Signal::TERM), "{}", stopped.log());
                "done".to_owned()
            }
            "start" => {
                daemon = Some(setup.start(&link.server));
                "done".to_owned()
            }
            other => panic!("{other} is wanted"),
        };
        browser.has(&answer);
    }
    browser.finish();
}

/// The library that draws is the one that was published.
#[test]
fn the_library_that_draws_is_the_published_one() {
    if !require(&["npm"]) {
        return;
    }
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../observer/dist/page");
    let published = browser::packages().join("uplot");
    for (ours, theirs) in [
        ("uPlot.iife.min.js", "dist/uPlot.iife.min.js"),
        ("uPlot.min.css", "dist/uPlot.min.css"),
        ("uPlot.LICENSE", "LICENSE"),
    ] {
        let ours = fs::read(shipped.join(ours)).expect("a file of the page");
        let theirs = fs::read(published.join(theirs)).expect("a file of the package");
        assert!(ours == theirs, "differs from {}", published.display());
    }
}
