//! Decisions for others, without a kernel: servers take what is exported from a ledger for what it is, and refuse by it.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use observer_tests::daemon::Setup;
use observer_tests::decisions::{SECOND, action, ledger, now};
use observer_tests::process::{Process, finish, run, wait_for};
use observer_tests::require::{find, require};
use serde_json::{Value, json};

fn say(setup: &Setup, words: &[&str]) -> (Output, String, String) {
    let output = finish(&mut setup.command(words), b"");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    (output, said, told)
}

fn export(setup: &Setup, format: &str) -> String {
    let (output, said, _) = say(setup, &["responses", "export", format]);
    assert!(output.status.success(), "{output:?}");
    said
}

/// Of the comments on how an export is used, those that begin so.
fn hints<'t>(text: &'t str, starts: &'t [&str]) -> impl Iterator<Item = &'t str> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("#   "));
    lines.filter(|line| starts.iter().any(|start| line.starts_with(start)))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// The status that this consumer gets from this address.
fn status(port: u16, from: &str, consumer: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args([
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--interface",
        from,
        "-H",
    ])
    .arg(format!("X-Consumer-Username: {consumer}"))
    .arg(format!("http://127.0.0.1:{port}/"));
    run(&mut curl)
}

fn decided(setup: &Setup) {
    let none = json!({});
    ledger(
        setup,
        &[
            action("r-aaaaaaaa", ("consumer", "acme"), "block", &none),
            action("r-bbbbbbbb", ("consumer", "default"), "block", &none),
            action("r-cccccccc", ("consumer", "beta"), "limit 120/h", &none),
            action("r-dddddddd", ("network", "127.0.0.2"), "block", &none),
            action(
                "r-eeeeeeee",
                ("network", "2001:db8::/32"),
                "limit 10/s",
                &none,
            ),
            action(
                "r-ffffffff",
                ("key", "acme-key"),
                "block",
                &json!({"consumer": "acme"}),
            ),
            action(
                "r-gggggggg",
                ("consumer", "corp"),
                "block",
                &json!({"until": now() - SECOND}),
            ),
            action("r-hhhhhhhh", ("consumer", &"x".repeat(63)), "block", &none),
        ],
    );
}

/// Who is decided about is refused there, and nobody else.
fn refuses(port: u16) {
    assert_eq!(status(port, "127.0.0.1", "acme"), "403");
    assert_eq!(status(port, "127.0.0.1", "default"), "403");
    assert_eq!(status(port, "127.0.0.1", "echo"), "200");
    assert_eq!(status(port, "127.0.0.1", "corp"), "200", "its time is over");
    assert_eq!(status(port, "127.0.0.2", "echo"), "403");
    let limited = (0..6).map(|_| status(port, "127.0.0.1", "beta"));
    let limited: Vec<String> = limited.collect();
    assert_eq!(limited.first().map(String::as_str), Some("200"));
    assert!(limited.iter().any(|status| status == "429"), "{limited:?}");
    assert_eq!(status(port, "127.0.0.1", "delta"), "200");
}

fn serve(program: &str, arguments: &[&str], port: u16) -> Process {
    let mut command = Command::new(find(program).expect("the program"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut process = Process::start(&mut command);
    wait_for("the server to listen", Duration::from_secs(10), || {
        assert!(process.is_running(), "{program} ended");
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    process
}

#[test]
fn nginx_refuses_what_is_exported() {
    if !require(&["nginx", "curl"]) {
        return;
    }
    let setup = Setup::new("", "");
    decided(&setup);
    let exported = export(&setup, "nginx-map");
    fs::write(setup.path("blocked.conf"), &exported).expect("writing");
    let http: Vec<&str> = hints(&exported, &["map "]).collect();
    let server: Vec<&str> = hints(&exported, &["if (", "limit_req "]).collect();
    let (folder, port) = (setup.path("").display().to_string(), free_port());
    let config = format!(
        "daemon off;\npid nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n  access_log off;\n\
         map_hash_bucket_size 128;\n{}\ninclude {folder}blocked.conf;\nlimit_req_status 429;\n\
         server {{\nlisten 127.0.0.1:{port};\n{}\nlocation / {{ try_files /index.html =404; root {folder}; }}\n}}\n}}\n",
        http.join("\n"),
        server.join("\n")
    );
    fs::write(setup.path("nginx.conf"), config).expect("writing");
    fs::write(setup.path("index.html"), "yes").expect("writing");
    // Its workers are somebody else.
    fs::set_permissions(setup.path(""), fs::Permissions::from_mode(0o755)).expect("letting it in");
    let conf = format!("{folder}nginx.conf");
    let arguments = ["-e", "stderr", "-p", &folder, "-c", &conf];
    run(Command::new(find("nginx").expect("nginx"))
        .arg("-t")
        .args(arguments));
    let _nginx = serve("nginx", &arguments, port);
    refuses(port);
}

#[test]
fn haproxy_refuses_what_is_exported() {
    if !require(&["haproxy", "curl", "awk"]) {
        return;
    }
    let setup = Setup::new("", "");
    decided(&setup);
    let exported = export(&setup, "haproxy-map");
    let (folder, port) = (setup.path("").display().to_string(), free_port());
    let split = hints(&exported, &["observer responses export haproxy-map | "]).next();
    let split = split
        .and_then(|line| line.split_once(" | "))
        .expect("how to split it")
        .1;
    let mut shell = Command::new("sh");
    shell.args(["-c", split]).current_dir(&folder);
    assert!(finish(&mut shell, exported.as_bytes()).status.success());
    let rules: Vec<String> = hints(&exported, &["http-request", "acl", "stick-table"])
        .map(|line| line.replace("/etc/haproxy/", &folder))
        .collect();
    let config = format!(
        "defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 5s\n\
         frontend api\n  bind 127.0.0.1:{port}\n  {}\n  http-request return status 200\n",
        rules.join("\n  ")
    );
    fs::write(setup.path("haproxy.cfg"), config).expect("writing");
    let conf = format!("{folder}haproxy.cfg");
    run(Command::new(find("haproxy").expect("haproxy")).args(["-c", "-f", &conf]));
    let _haproxy = serve("haproxy", &["-db", "-f", &conf], port);
    refuses(port);
}

/// Scripts call what they say, with each argument whole.
#[test]
fn scripts_are_shell_and_call_what_was_decided() {
    if !require(&["sh"]) {
        return;
    }
    let setup = Setup::new("", "");
    decided(&setup);
    for format in ["kong", "tyk", "apisix"] {
        let script = setup.path(format);
        fs::write(&script, export(&setup, format)).expect("writing");
        run(Command::new("sh").arg("-n").arg(&script));
    }
    // In the place of curl, something that says what it was called with.
    fs::create_dir(setup.path("bin")).expect("a folder");
    let curl = setup.path("bin/curl");
    fs::write(&curl, "#!/bin/sh\nprintf '%s\\n' \"$@\" ''\n").expect("writing");
    fs::set_permissions(&curl, fs::Permissions::from_mode(0o755)).expect("making it a program");
    let mut kong = Command::new("sh");
    kong.arg(setup.path("kong"))
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", setup.path("bin").display()),
        )
        .env("KONG_HEADERS", "/a file");
    let said = run(&mut kong);
    let calls: Vec<Vec<&str>> = said
        .split("\n\n")
        .map(|call| call.lines().collect())
        .collect();
    let acme = |call: &&Vec<&str>| call.last().is_some_and(|url| url.contains("/acme/"));
    let first = calls.iter().find(acme).expect("a call");
    assert_eq!(first[..5], ["-fsS", "-X", "PUT", "-H", "@/a file"]);
    let body: Value = serde_json::from_str(first[8]).expect("JSON");
    assert_eq!(body["name"], "request-termination");
    assert!(
        first[9].starts_with("http://127.0.0.1:8001/consumers/acme/plugins/"),
        "{first:?}"
    );
    let crowdsec: Value = serde_json::from_str(&export(&setup, "crowdsec")).expect("JSON");
    assert_eq!(crowdsec[0]["value"], "127.0.0.2");
    assert_eq!(crowdsec[0]["reason"], "it's \"leaked\"; $(id) (r-dddddddd)");
    let (_, _, told) = say(&setup, &["responses", "export", "crowdsec"]);
    assert!(
        told.contains("6 of 7 decisions cannot be said in this format"),
        "{told}"
    );
}
