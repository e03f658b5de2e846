//! TLS of a real server and a real client, decrypted from a capture with the client's key log: what nginx counted.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use observer_tests::capture::Capture;
use observer_tests::daemon::{KEYS, STRANGER, Setup};
use observer_tests::namespace::{INTERFACE, Link};
use observer_tests::nginx::Nginx;
use observer_tests::process::{finish, run};
use observer_tests::require::{binary, require};
use observer_tests::tally;
use observer_tests::traffic::{curl, key_field};

const EDGE: &str = "https://10.77.0.1:8443/v1";
/// What clients offer: every suite that can be read, by version.
const OFFERS: [&[&str]; 6] = [
    &["--tls13-ciphers", "TLS_AES_128_GCM_SHA256"],
    &["--tls13-ciphers", "TLS_AES_256_GCM_SHA384"],
    &["--tls13-ciphers", "TLS_CHACHA20_POLY1305_SHA256"],
    &[
        "--tls-max",
        "1.2",
        "--ciphers",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ],
    &["--tls-max", "1.2", "--ciphers", "AES256-GCM-SHA384"],
    &[
        "--tls-max",
        "1.2",
        "--ciphers",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ],
];

/// Runs curl with a key log.
fn ask(link: &Link, keylog: &Path, arguments: &[&str]) {
    let mut command = link.client.command("curl");
    command
        .env("SSLKEYLOGFILE", keylog)
        .args(["-sSk", "-o", "/dev/null", "--max-time", "60"])
        .args(arguments);
    run(&mut command);
}

#[test]
fn what_is_inside_of_tls_is_what_nginx_counted() {
    if !require(&["ip", "nsenter", "nginx", "curl", "openssl", "tcpdump"]) {
        return;
    }
    let link = Link::new();
    let nginx = Nginx::start_sealed(&link.server);
    let setup = Setup::new(&format!("interfaces = [\"{INTERFACE}\"]"), "");
    let folder = tempfile::tempdir().expect("making a folder");
    let capture = Capture::start(&link.server, folder.path());
    let keylog = setup.path("keylog");
    let upload = setup.path("upload");
    fs::write(&upload, vec![b'x'; 1 << 20]).expect("writing a file");
    let url = |path: &str| format!("{EDGE}/{path}");
    for (number, offer) in OFFERS.iter().enumerate() {
        for key in KEYS.iter().map(|(key, _)| *key).chain([STRANGER, ""]) {
            let field = key_field(key);
            let ask = |arguments: &[&str]| {
                ask(
                    &link,
                    &keylog,
                    &[*offer, &["-H", &field], arguments].concat(),
                );
            };
            // One connection each.
            ask(&[&url("widgets/[1-30]")]);
            ask(&[
                &url("moved"),
                &url("empty"),
                &url("secret"),
                &url("forbidden"),
            ]);
            ask(&[
                "--compressed",
                &url("reports"),
                &url("reports"),
                &url("broken"),
            ]);
            let stored = url(&format!("uploads/{number}"));
            let upload = upload.to_str().expect("a path");
            for how in ["Expect:", "Transfer-Encoding: chunked"] {
                ask(&["-T", upload, "-H", how, &stored, "-T", upload, &stored]);
            }
            ask(&["-I", &url("widgets/[1-3]")]);
        }
    }
    // Suites that are not read, and another protocol.
    let cbc = ["--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES256-SHA384"];
    ask(&link, &keylog, &[&cbc[..], &[&url("widgets/1")]].concat());
    // Without TLS, so that it can be found in the capture.
    curl(&link.client, &["http://10.77.0.1:8443/last"]);
    let file = capture.stop_after("GET /last", "HTTP/1.1 400");
    let logged = nginx.edge();

    let with = |keylog: &Path| {
        let arguments = [
            OsStr::new("--summary"),
            OsStr::new("--keylog"),
            keylog.as_os_str(),
        ];
        setup.replay_with(&file, &arguments)
    };
    let (mut records, summary) = with(&keylog);
    assert!(
        summary.contains("connections not read 1 on port 8443: tls_suite"),
        "{summary}"
    );
    let mut expected = tally::of_log(&logged);
    let unread = ["__unkeyed__", "GET", "/v1/widgets/{id}", "200"].map(str::to_owned);
    *expected.get_mut(&unread).expect("asked for") -= 1;
    assert_eq!(tally::of_records(&records), expected, "{summary}");
    let last = records.pop().expect("a record");
    assert_eq!(last["visibility"], "plaintext");
    for record in &records {
        assert_eq!(record["visibility"], "tls", "{record}");
        assert_eq!(record["complete"], true, "{record}");
    }
    let sent = |field: &str| -> u64 {
        let sizes = records.iter().filter_map(|record| record[field].as_u64());
        sizes.sum()
    };
    let uploads = (OFFERS.len() * (KEYS.len() + 2) * 4) as u64;
    assert_eq!(sent("request_body_bytes"), uploads << 20);
    assert!(sent("response_body_bytes") > 0);

    // Without the second half of the key log, connections are missing, and counted.
    let text = fs::read_to_string(&keylog).expect("reading the key log");
    let half = setup.path("half");
    fs::write(&half, &text[..text.len() / 2]).expect("writing a file");
    let (some, summary) = with(&half);
    assert!(some.len() > 100 && some.len() < records.len());
    assert!(some.iter().all(|record| record["complete"] == true));
    assert!(summary.contains(": tls_no_secret"), "{summary}");
    // With secrets that are not theirs, nothing is read.
    let swapped = setup.path("swapped");
    fs::write(&swapped, swap(&text)).expect("writing a file");
    let (none, summary) = with(&swapped);
    assert_eq!(none.len(), 1, "{summary}");
    assert!(summary.contains(": tls_wrong_secret"), "{summary}");
    // What is no key log is refused.
    let error = refused(&file, &upload);
    assert!(error.contains("line 1:"), "{error}");
    let error = refused(&file, &setup.path("nowhere"));
    assert!(
        error.starts_with("observer: ") && error.lines().count() == 1,
        "{error}"
    );
}

/// A key log in which every secret is another one.
fn swap(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let swapped = lines.filter_map(|line| {
        let (rest, secret) = line.rsplit_once(' ')?;
        let secret: String = secret.chars().rev().collect();
        Some(format!("{rest} {secret}\n"))
    });
    swapped.collect()
}

/// What a replay says that cannot be.
fn refused(capture: &Path, keylog: &Path) -> String {
    let mut command = Command::new(binary());
    command
        .arg("replay")
        .arg(capture)
        .arg("--keylog")
        .arg(keylog);
    let output = finish(&mut command, b"");
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8_lossy(&output.stderr).into_owned()
}
