//! Shutting off from the command line, without a kernel: what stands in the ledger is listed and exported, servers take what is
//! exported for what it is, and orders go to whoever listens at the control socket.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use observer::store;
use observer_tests::daemon::Setup;
use observer_tests::process::{Process, finish, run, wait_for};
use observer_tests::require::{find, require};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

const SECOND: u64 = 1_000_000_000;

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_nanos() as u64
}

/// An action in force, as the daemon writes it; `more` takes the place of what is here.
fn action(id: &str, subject: (&str, &str), verb: &str, more: &Value) -> Value {
    let mut action = json!({
        "id": id, "slot": 1, "subject": {"kind": subject.0, "id": subject.1}, "consumer": null, "verb": verb,
        "begun": now() - 60 * SECOND, "until": now() + 3_540 * SECOND, "reason": "it's \"leaked\"; $(id)",
        "by": {"user": "root"}, "state": "active",
        "radius": {"exchanges": 1204, "consumers": 1, "known": true},
        "hits": {"refused": 7, "passed": 0, "late": 1, "shared": 0, "packets": 12}, "dry": 0,
    });
    for (name, value) in more.as_object().expect("fields") {
        action[name] = value.clone();
    }
    action
}

/// A ledger as a daemon leaves it that was killed, with these.
fn ledger(setup: &Setup, actions: &[Value]) {
    let path = setup.path("ledger.sqlite");
    drop(store::open(&path, None).expect("making a ledger"));
    let ledger = Connection::open(&path).expect("opening it");
    for action in actions {
        let state = action["state"].as_str().unwrap_or("ended");
        let begun = action["begun"].as_u64().expect("a time");
        let row = params![action["id"].as_str(), state, begun, action.to_string()];
        ledger
            .execute("INSERT INTO action VALUES (?1, ?2, ?3, ?4)", row)
            .expect("an action");
        let event = json!({
            "time": begun, "action": action["id"], "deed": "began", "by": "root", "subject": "key k", "verb": action["verb"],
            "until": action["until"], "reason": action["reason"], "radius": action["radius"], "hits": action["hits"],
        });
        let row = params![begun, action["id"].as_str(), event.to_string()];
        ledger
            .execute(
                "INSERT INTO action_event (time, action, body) VALUES (?1, ?2, ?3)",
                row,
            )
            .expect("an event");
    }
}

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

#[test]
fn the_ledger_tells_what_is_in_force_where_no_daemon_runs() {
    if !require(&[]) {
        return;
    }
    let setup = Setup::new("", "");
    let shared = json!({"hits": {"refused": 7, "passed": 0, "late": 1, "shared": 3, "packets": 12}, "consumer": "acme"});
    let ended = json!({"state": {"ended": {"undone": {"by": "root"}}}});
    ledger(
        &setup,
        &[
            action("r-aaaaaaaa", ("key", "acme-key"), "block", &shared),
            action("r-bbbbbbbb", ("consumer", "beta"), "limit 10/s", &ended),
            action(
                "r-cccccccc",
                ("consumer", "corp"),
                "block",
                &json!({"until": now() - SECOND}),
            ),
        ],
    );
    let (output, said, told) = say(&setup, &["responses", "--format", "json"]);
    assert!(output.status.success());
    assert!(
        told.starts_with("observer: responses list: the daemon is not running"),
        "{told}"
    );
    let answer: Value = serde_json::from_str(&said).expect("JSON");
    let rows = answer["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 1, "{answer}");
    assert_eq!(rows[0]["id"], "r-aaaaaaaa");
    assert_eq!(rows[0]["subject"], "key acme-key");
    assert_eq!(rows[0]["note"], "not_enforceable_shared");
    assert!(
        answer["notes"]
            .to_string()
            .contains("observer responses export")
    );

    let (_, said, _) = say(&setup, &["responses", "list", "--all", "--format", "csv"]);
    let states: Vec<&str> = said
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(1))
        .collect();
    assert_eq!(states.len(), 3, "{said}");
    for state in ["active", "undone", "expired"] {
        assert!(states.contains(&state), "{said}");
    }

    let (_, said, _) = say(&setup, &["responses", "show", "r-bbbbbbbb"]);
    for part in [
        "state     undone\n",
        "verb      limit 10/s\n",
        "hit 1,204 exchanges of 1 consumer",
        "  began     by root",
    ] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    let (_, said, told) = say(&setup, &["responses", "log", "--format", "json"]);
    let log: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(log["rows"].as_array().map(Vec::len), Some(3), "{told}");
    assert_eq!(log["rows"][0]["deed"], "began");
    let (output, _, told) = say(&setup, &["responses", "show", "r-zzzzzzzz"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told.contains("there is no `r-zzzzzzzz`"), "{told}");
}

/// Something that answers as the daemon does, once, and says what it heard.
fn daemon(socket: &Path, answer: &'static str) -> thread::JoinHandle<String> {
    let listener = UnixListener::bind(socket).expect("listening");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody");
        let mut line = String::new();
        BufReader::new(&stream)
            .read_line(&mut line)
            .expect("a line");
        stream.write_all(answer.as_bytes()).expect("answering");
        line
    })
}

#[test]
fn orders_go_to_the_daemon_and_keys_go_nowhere() {
    if !require(&[]) {
        return;
    }
    let setup = Setup::new("", "");
    let socket = setup.path("observer.sock");
    let (output, _, told) = say(&setup, &["block", "acme"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        told.starts_with("observer: block: no daemon answers") && told.lines().count() == 1,
        "{told}"
    );

    let said = r#"ok {"actions":[{"id":"r-abcdefgh","slot":1,"subject":{"kind":"key","id":"k-2026-01"},"consumer":"acme","verb":"block","begun":0,"until":1795975451000000000,"reason":"","by":{"user":"root"},"state":"active","radius":{"exchanges":1204,"consumers":1,"known":true},"hits":{"refused":0,"passed":0,"late":0,"shared":0,"packets":0},"dry":0}],"radius":null,"notes":["its connections were closed"]}
"#;
    let heard = daemon(&socket, said);
    let words = [
        "block",
        "k-2026-01",
        "--kind",
        "key",
        "--for",
        "30m",
        "--reason",
        "sk_live_7d1f0a9c55e2 is on a forum",
    ];
    let (output, said, _) = say(&setup, &words);
    assert!(output.status.success());
    assert_eq!(
        said,
        "blocked key k-2026-01 (acme) until 2026-11-29T18:04:11Z as r-abcdefgh: hit 1,204 exchanges of 1 consumer in the last hour\nits connections were closed\n"
    );
    let line = heard.join().expect("what was heard");
    let order: Value =
        serde_json::from_str(line.strip_prefix("respond ").expect("an order")).expect("JSON");
    assert_eq!(
        order,
        json!({"act": {"target": "k-2026-01", "kind": "key", "verb": "block", "seconds": 1800, "reason": "sk_l… is on a forum", "dry_run": false}})
    );
    fs::remove_file(&socket).expect("another one");

    let heard = daemon(
        &socket,
        "failed: the consumer acme is never acted against ([response] allow)\n",
    );
    let (output, _, told) = say(&setup, &["limit", "acme", "--rate", "10/s"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        told,
        "observer: limit: the consumer acme is never acted against ([response] allow)\n"
    );
    assert!(
        heard
            .join()
            .expect("what was heard")
            .contains(r#""verb":"limit 10/s""#)
    );
    fs::remove_file(&socket).expect("another one");

    let heard = daemon(
        &socket,
        "ok {\"actions\":[],\"radius\":{\"exchanges\":3,\"consumers\":2,\"known\":true},\"notes\":[]}\n",
    );
    let (_, said, _) = say(&setup, &["block", "192.0.2.0/24", "--dry-run"]);
    assert_eq!(
        said,
        "not blocked, a dry run: 192.0.2.0/24 for 1h: hit 3 exchanges of 2 consumers in the last hour\n"
    );
    assert!(
        heard
            .join()
            .expect("what was heard")
            .contains(r#""dry_run":true"#)
    );
}
