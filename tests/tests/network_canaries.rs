//! A thousand planted keys, on the wire, in files to import and in logs: no command shows a piece of one, whether it succeeds
//! or is used wrongly.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use observer_tests::canary::{Canaries, base64, base64url};
use observer_tests::capture::Capture;
use observer_tests::daemon::{KEYS, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{finish, run, wait_for};
use observer_tests::require::{binary, require};
use observer_tests::traffic::pipeline;
use serde_json::Value;

/// Keys that are planted.
const COUNT: usize = 1000;
/// Of them, those that the registry gets.
const REGISTERED: usize = 360;
/// The last request: once it is counted, all are.
const LAST: &str = "/v1/widgets/last";

const RULES: &str = "[[identity.credential]]\ncookie = \"session\"\n[[identity.credential]]\npath = \"/v1/widgets/{key}/hooks\"\n\
    [[identity.credential]]\nheader = \"x-own-key\"\n[[identity.credential]]\nquery = \"own_key\"\n\
    [[identity.credential]]\njwt_claim = \"client_id\"\n";

/// What a command was told, and what it said to that.
struct Said {
    words: String,
    output: Output,
}

/// Runs commands and keeps what they say.
struct Talk<'a> {
    setup: &'a Setup,
    said: Vec<Said>,
}

impl Talk<'_> {
    /// Runs a command that has to work: `words` begin with what the command is called. Returns what it printed.
    fn ask(&mut self, words: &str, input: &str) -> String {
        let output = self.say(words, input);
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "{words}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a command that is used wrongly, and has to say so.
    fn mistake(&mut self, words: &str, input: &str) {
        let output = self.say(words, input);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words}: {complaint}");
        assert!(!complaint.is_empty(), "{words}");
    }

    fn say(&mut self, words: &str, input: &str) -> Output {
        let list: Vec<&str> = words.split(' ').collect();
        let mut command = Command::new(binary());
        command.args(&list);
        let plain = ["config", "completions", "man"];
        if !plain.contains(&list[0]) {
            command.arg("--config").arg(self.setup.config());
        } else if list[0] == "config" && list.len() == 2 {
            command.arg(self.setup.config());
        }
        let output = finish(&mut command, input.as_bytes());
        self.said.push(Said {
            words: words.to_owned(),
            output: output.clone(),
        });
        output
    }
}

/// The names of all commands, from what `--help` lists.
fn commands(before: &[String], all: &mut BTreeSet<String>) {
    let mut command = Command::new(binary());
    let help = finish(command.args(before).arg("--help"), b"");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let Some((_, list)) = help.split_once("Commands:\n") else {
        all.insert(before.join(" "));
        return;
    };
    for line in list.lines().take_while(|line| !line.is_empty()) {
        let name = line
            .strip_prefix("  ")
            .filter(|rest| !rest.starts_with(' '));
        if let Some(name) = name.and_then(|rest| rest.split(' ').next()) {
            commands(&[before, &[name.to_owned()]].concat(), all);
        }
    }
}

/// Files that gateways and web servers would have, with keys in them: their format, and their text.
fn foreign(keys: &[&str]) -> Vec<(&'static str, String)> {
    let part = |number: usize| &keys[number * keys.len() / 6..(number + 1) * keys.len() / 6];
    let mut kong = "_format_version: \"3.0\"\nconsumers:\n".to_owned();
    for (number, two) in part(0).chunks(2).enumerate() {
        let _ = write!(
            kong,
            "- username: kong-{number}\n  keyauth_credentials:\n  - key: {}\n",
            two[0]
        );
        if let Some(password) = two.get(1) {
            let _ = write!(
                kong,
                "  basicauth_credentials:\n  - username: kong-{number}\n    password: {password}\n"
            );
        }
    }
    let mut csv = "account,app,key_id,key,plan,valid_from,expires\n".to_owned();
    for (number, key) in part(1).iter().enumerate() {
        let _ = writeln!(csv, "csv-{number},web-{number},k-{number},{key},,,");
    }
    let tyk: Vec<String> = part(2)
        .iter()
        .enumerate()
        .map(|(number, key)| format!("\"{key}\": {{\"alias\": \"tyk-{number}\"}}"))
        .collect();
    let mut apisix = "consumers:\n".to_owned();
    for (number, key) in part(3).iter().enumerate() {
        let _ = write!(
            apisix,
            "- username: apisix-{number}\n  plugins:\n    key-auth:\n      key: {key}\n"
        );
    }
    apisix.push_str("#END\n");
    let mut map = "map $http_x_api_key $consumer {\n  default \"\";\n".to_owned();
    for (number, key) in part(4).iter().enumerate() {
        let _ = writeln!(map, "  {key} map-{number};");
    }
    map.push_str("}\n");
    let mut htpasswd = String::new();
    for (number, key) in part(5).iter().enumerate() {
        let _ = writeln!(htpasswd, "ht-{number}:{key}");
    }
    vec![
        ("kong", kong),
        ("csv", csv),
        ("tyk", format!("{{{}}}", tyk.join(",\n"))),
        ("apisix", apisix),
        ("nginx-map", map),
        ("htpasswd", htpasswd),
    ]
}

/// Where a request carries a key: a field, or a target.
fn carried(number: usize, key: &str) -> (String, Option<String>) {
    let jwt = format!(
        "{}.{}.{}",
        base64url("{\"alg\":\"HS256\"}"),
        base64url(&format!(
            "{{\"sub\":\"someone\",\"client_id\":\"mobile\",\"jti\":\"{key}\"}}"
        )),
        base64url(key)
    );
    let field = match number % 32 {
        0 => format!("X-API-Key: {key}"),
        1 => format!("X-Own-Key: {key}"),
        2 => format!("Authorization: Bearer {key}"),
        3 => format!("Authorization: Basic {}", base64(&format!("user:{key}"))),
        4 => format!("Authorization: Bearer {jwt}"),
        5 => format!("Authorization: ApiKey {key}"),
        6 => format!("Authorization: {key}"),
        7 => {
            format!("Authorization: Digest username=\"{key}\", nonce=\"{key}\", response=\"{key}\"")
        }
        8 => format!(
            "Authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/eu-1/s3/aws4_request, \
             SignedHeaders=host, Signature={key}"
        ),
        9 => format!("Authorization: Hawk id=\"{key}\", nonce=\"{key}\", mac=\"{key}\""),
        10 => {
            format!("Authorization: OAuth oauth_consumer_key=\"{key}\", oauth_signature=\"{key}\"")
        }
        11 => format!("Authorization: SharedKey {key}:{key}"),
        12 => format!("Authorization: Signature keyId=\"{key}\",signature=\"{key}\""),
        13 => format!("Authorization: Token token=\"{key}\""),
        14 => format!("Sec-WebSocket-Protocol: bearer, {key}"),
        15 => format!("Signature-Input: sig1=(\"@method\");keyid=\"{key}\""),
        16 => format!("X-Forwarded-Client-Cert: Hash={key};URI=spiffe://{key}/a"),
        17 => format!("X-Key: {key}"),
        18 => format!("DPoP: {jwt}"),
        19 => format!("X-Vault-Token: {key}"),
        20 => format!("Cookie: theme=dark; session={key}; other={key}"),
        21 => format!("Proxy-Authorization: Basic {}", base64(&format!("{key}:x"))),
        22 => format!("X-Amz-Security-Token: {key}"),
        23 => format!("Referer: https://a.example/?api_key={key}"),
        24 => format!("User-Agent: {key}"),
        25 => format!("X-Forwarded-For: {key}"),
        26 => format!("X-Api-Key: {key}\r\nX-API-Key: {key}"),
        _ => {
            let target = match number % 32 {
                27 => format!("/v1/widgets/1?api_key={key}&page=2"),
                28 => format!("/v1/widgets/1?own_key={key}"),
                29 => format!("/v1/widgets/{key}/hooks"),
                30 => format!("/v1/widgets/1?a=b&access_token={key}&x={key}"),
                _ => format!("http://user:{key}@api.example/v1/widgets/1"),
            };
            return (target, None);
        }
    };
    ("/v1/widgets/1".to_owned(), Some(field))
}

/// Every key three times: accepted, refused, and in a head that is broken.
fn send(link: &Link, canaries: &Canaries) {
    let mut requests = String::new();
    for number in 0..COUNT {
        let key = canaries.key(number);
        // Those that are registered stand where they are looked for.
        let place = if number < REGISTERED { 0 } else { number };
        let (target, field) = carried(place, key);
        let field = field.unwrap_or_else(|| "Accept: */*".to_owned());
        for target in [target.as_str(), "/v1/secret"] {
            let _ = write!(
                requests,
                "GET {target} HTTP/1.1\r\nHost: api.example\r\n{field}\r\n\r\n"
            );
        }
        let broken = match number % 4 {
            0 => format!("GET {target} HTTP/1.1\r\nHost: a\r\n{field}\r\n X-Folded: {key}\r\n\r\n"),
            1 => {
                format!("GET {target} HTTP/1.1\r\nHost: {key}@a\r\nContent-Length: x{key}\r\n\r\n")
            }
            2 => format!("{key} {target} HTTP/1.1\r\n{field}\r\n\r\n"),
            _ => format!("GET {target} HTTP/1.1\r\nHost: a\r\n{field}\r\n{key} : {key}\r\n\r\n"),
        };
        // The server closes after a broken one.
        if number % 40 == 39 {
            requests.push_str(&broken);
            pipeline(&link.client, "10.77.0.1:80", &std::mem::take(&mut requests));
        } else if number % 10 == 0 {
            pipeline(&link.client, "10.77.0.1:80", &broken);
        }
    }
    let last = format!(
        "GET {LAST} HTTP/1.1\r\nHost: api.example\r\nX-API-Key: {}\r\nConnection: close\r\n\r\n",
        KEYS[0].0
    );
    pipeline(&link.client, "10.77.0.1:80", &last);
}

/// An access log that has such lines as a server would write of what was sent, others, and lines that are none.
fn log(canaries: &Canaries) -> String {
    let mut date = Command::new("date");
    let now = run(date
        .env("LC_ALL", "C")
        .args(["-u", "+%d/%b/%Y:%H:%M:%S +0000"]));
    let now = now.trim();
    let mut text = String::new();
    for number in REGISTERED..COUNT {
        let key = canaries.key(number);
        let (target, _) = carried(number, key);
        let _ = writeln!(
            text,
            "10.77.0.2 - {key} [{now}] \"GET {target} HTTP/1.1\" 200 5 \"https://a/?key={key}\" \"{key}\""
        );
        if number % 5 == 0 {
            let _ = writeln!(text, "GET {target} is no line: {key}");
        }
    }
    text
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("listing a folder").flatten();
    entries
        .flat_map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "every command is said once, in the order of a working day"
)]
fn no_command_shows_a_piece_of_a_key() {
    if !require(&["ip", "nsenter", "nginx", "tcpdump"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let canaries = Canaries::new(COUNT, 20);
    let sources = tempfile::tempdir().expect("making a folder");
    let source = |name: &str, text: &str| -> String {
        let path = sources.path().join(name);
        fs::write(&path, text).expect("writing a source");
        path.display().to_string()
    };
    let setup = Setup::new("", RULES);
    let mut talk = Talk {
        setup: &setup,
        said: Vec::new(),
    };

    // Registration.
    let keys: Vec<&str> = (0..REGISTERED - 20)
        .map(|number| canaries.key(number))
        .collect();
    for (format, text) in foreign(&keys) {
        let file = source(format, &text);
        talk.ask(&format!("consumers import {format} {file} --dry-run"), "");
        talk.ask(&format!("consumers import {format} {file}"), "");
    }
    for number in REGISTERED - 20..REGISTERED {
        let words = format!("consumers add added-{number} --app web-{number} --key-file -");
        talk.ask(&words, canaries.key(number));
        talk.ask("keys fingerprint", canaries.key(number));
    }
    let capture = Capture::start(&link.server, sources.path());
    let daemon = setup.start(&link.server);
    send(&link, &canaries);
    wait_for("the last request", Duration::from_secs(20), || {
        let labels = [("consumer", KEYS[0].1)];
        let metrics = daemon.metrics();
        (metrics.sum("observer_http_requests_total", &labels) == 1.0).then_some(())
    });
    let capture = capture.stop_after(LAST, LAST);
    let capture = capture.display();

    // What everybody looks at.
    for format in ["table", "json", "csv"] {
        for words in [
            "usage --by consumer,app,key,api,route,method,status,outcome,hour,day",
            "usage --compare",
            "errors --by consumer,app,key,api,route,method,status,outcome,responsible",
            "incidents list --all",
            "posture",
            "posture --keys",
            "posture --tls",
            "posture --inventory",
            "consumers list",
            "consumers show csv-1",
            "consumers lint",
            "consumers strangers",
            "consumers orphans",
            "keys list",
        ] {
            talk.ask(&format!("{words} --format {format}"), "");
        }
        talk.ask(&format!("keys discover {capture} --format {format}"), "");
    }
    talk.ask(&format!("keys discover {capture} --format toml"), "");
    talk.ask("keys discover --for 1s", "");
    talk.ask("incidents list --all --format ocsf", "");
    for format in [
        "kong",
        "tyk",
        "apisix",
        "htpasswd",
        "nginx-map",
        "csv",
        "toml",
    ] {
        talk.ask(&format!("consumers export --format-of {format}"), "");
    }
    for words in [
        "doctor",
        "doctor --json",
        "config check",
        "config show",
        "completions bash",
        "man",
    ] {
        talk.ask(words, "");
    }
    let words = format!("replay {capture} --records - --summary");
    let replayed = talk.ask(&words, "");
    assert!(
        replayed.lines().count() > 2 * COUNT,
        "{}",
        replayed.lines().count()
    );
    talk.ask(&format!("replay {capture} --metrics -"), "");
    let incidents = talk.ask("incidents list --format json", "");
    let incidents: Value = serde_json::from_str(&incidents).expect("the answer is JSON");
    let incidents = incidents["rows"].as_array().expect("rows");
    assert!(!incidents.is_empty());
    for row in incidents {
        let id = row["id"].as_str().expect("an id");
        talk.ask(&format!("incidents show {id}"), "");
        talk.ask(&format!("incidents show {id} --format ocsf"), "");
    }
    let id = incidents[0]["id"].as_str().expect("an id").to_owned();
    talk.ask(&format!("incidents ack {id}"), "");
    talk.ask(&format!("incidents close {id} --suppress 1h"), "");
    talk.ask("login", "");
    talk.ask("top --format json", "");
    talk.ask("top --format table", "");
    // Statements of the month that goes on are drafts.
    let month = run(Command::new("date").args(["-u", "+%Y-%m"]));
    for format in ["table", "json", "csv"] {
        talk.ask(
            &format!("invoice --period {} --format {format}", month.trim()),
            "",
        );
    }
    let strangers = talk.ask("consumers strangers --format json", "");
    let strangers: Value = serde_json::from_str(&strangers).expect("the answer is JSON");
    let strangers = strangers["rows"].as_array().expect("rows");
    assert!(strangers.len() > 200, "{}", strangers.len());
    let stranger = strangers[0]["fingerprint"].as_str().expect("a text");
    talk.ask(&format!("consumers adopt {stranger} --account found"), "");
    talk.ask("keys revoke k-1", "");
    // Somebody who is shut off, with a key for a reason.
    let blocked = talk.ask(
        &format!(
            "block {stranger} --reason leaked:{} --format json",
            canaries.key(29)
        ),
        "",
    );
    let blocked: Value = serde_json::from_str(&blocked).expect("the answer is JSON");
    let action = blocked["actions"][0]["id"].as_str().expect("an id");
    talk.ask("limit 198.51.100.0/24 --rate 10/s --dry-run", "");
    for format in ["table", "json", "csv"] {
        talk.ask(&format!("responses list --all --format {format}"), "");
        talk.ask(&format!("responses log --format {format}"), "");
    }
    talk.ask(&format!("responses show {action}"), "");
    for format in [
        "nginx-map",
        "haproxy-map",
        "kong",
        "tyk",
        "apisix",
        "crowdsec",
    ] {
        talk.ask(&format!("responses export {format}"), "");
    }
    talk.mistake(&format!("responses approve {action}"), "");
    talk.mistake(&format!("responses reject {action}"), "");
    talk.ask(&format!("responses revert {action}"), "");
    talk.ask(&format!("block {stranger}"), "");
    talk.ask(&format!("unblock {stranger}"), "");
    talk.ask("responses clear", "");
    let log = source("access.log", &log(&canaries));
    let records = setup.path("records").display().to_string();
    for format in ["table", "json", "csv"] {
        let words = format!(
            "reconcile --log {log} --log-format nginx-combined --records {records} --format {format}"
        );
        talk.ask(&words, "");
        talk.ask(&format!("{words} --list"), "");
    }

    // What goes wrong.
    let key = |number: usize| canaries.key(number);
    talk.mistake(&format!("consumers show {}", key(1)), "");
    talk.mistake(&format!("consumers adopt {} --account found", key(2)), "");
    talk.mistake(&format!("consumers add {}", key(3)), "");
    talk.mistake(&format!("keys revoke {}", key(4)), "");
    talk.mistake(&format!("keys revoke k1_{}", key(5)), "");
    talk.mistake(&format!("incidents show {}", key(6)), "");
    talk.mistake(&format!("incidents ack {}", key(7)), "");
    talk.mistake(&format!("block {}", key(30)), "");
    talk.mistake(&format!("block k1_{}", key(31)), "");
    talk.mistake(&format!("limit {} --rate 1/s", key(32)), "");
    talk.mistake(&format!("limit a --rate {}", key(33)), "");
    talk.mistake(&format!("unblock {}", key(34)), "");
    talk.mistake(&format!("responses show {}", key(35)), "");
    talk.mistake(&format!("responses approve {}", key(36)), "");
    talk.mistake("keys fingerprint", &format!("{}\n{}\n", key(8), key(9)));
    talk.mistake(
        &format!("consumers add a --app b --key-file /{}", key(9)),
        "",
    );
    for (format, text) in [
        ("kong", format!("consumers:\n- username: [{}\n", key(10))),
        (
            "kong",
            format!("_format_version: '3.0'\nconsumers:\n- {}\n", key(11)),
        ),
        ("tyk", format!("{{\n\"{}\": 7}}", key(12))),
        (
            "apisix",
            format!("consumers:\n- plugins: {{key-auth: {}}}\n", key(13)),
        ),
        ("htpasswd", format!("alice:x\n{}\n", key(14))),
        ("nginx-map", format!("map $http_a $b {{\n \"{}", key(15))),
        ("csv", format!("account,key\na,{},more\n", key(16))),
        ("csv", format!("account,key\na,{0}\nb,{0}\n", key(17))),
        ("csv", format!("account,{}\na,b\n", key(18))),
    ] {
        talk.mistake(&format!("consumers import {format} -"), &text);
    }
    // A key where its fingerprint belongs, or under a name that an operator would think of.
    for (number, line) in [
        format!("fp = \"{}\"", key(19)),
        format!("fp = \"k1_{}\"", key(20)),
        format!("key = \"{}\"", key(21)),
        format!("sha256 = \"{}\"", key(22)),
        format!("id = \"{}\"", key(23)),
        format!("fp = {}", key(24)),
        format!("{} = 1", key(25)),
        format!("scheme = \"{}\"", key(26)),
        format!("state = \"{}\"", key(27)),
    ]
    .iter()
    .enumerate()
    {
        let wrong = setup.path("registry.d/wrong.toml");
        let text = format!(
            "[[account]]\nid = \"wrong\"\n[[account.app]]\nid = \"wrong-app\"\n[[account.app.key]]\n{line}\n"
        );
        let said = "stay in force";
        let before = daemon.log().matches(said).count();
        fs::write(&wrong, text).expect("writing");
        talk.mistake("config check", "");
        talk.mistake("consumers list", "");
        wait_for("the daemon to refuse it", Duration::from_secs(20), || {
            (daemon.log().matches(said).count() > before).then_some(number)
        });
        fs::remove_file(wrong).expect("removing");
    }
    let config = source(
        "observer.toml",
        &format!("[identity]\nkey = \"{}\"\n", key(28)),
    );
    talk.mistake(&format!("config check {config}"), "");

    // What else there is to see.
    let mut shown: Vec<(String, Vec<u8>)> = Vec::new();
    for page in [
        "/metrics",
        "/",
        "/healthz",
        "/runbook",
        "/api/v1/usage",
        "/api/v1/incidents",
        "/api/v1/posture",
        "/api/v1/look?view=all",
        "/api/v1/look?view=consumer&consumer=__unregistered__",
        "/api/v1/history?consumer=__unregistered__",
    ] {
        let (status, text) = daemon.get(page).expect("the daemon answers");
        assert_eq!(status, 200, "{page}");
        shown.push((page.to_owned(), text.into_bytes()));
    }
    let mut left = |when: &str| {
        let found = files(&setup.path(""));
        assert!(found.len() > 5, "{found:?}");
        let read = |file: PathBuf| {
            // A socket cannot be read.
            let bytes = fs::read(&file).unwrap_or_default();
            (format!("{} {when}", file.display()), bytes)
        };
        shown.extend(found.into_iter().map(read));
    };
    left("while it ran");
    daemon.stop();
    left("after it");
    talk.ask("unpin", "");
    let ending = setup.a_day_passes();
    for audience in ["owner", "security", "finance", "consumer:found"] {
        for format in ["html", "md", "json", "csv"] {
            let words = format!(
                "report --audience {audience} --period day --ending {ending} --format {format}"
            );
            let said = talk.ask(&words, "");
            assert!(said.len() > 200, "{words}: {said}");
        }
    }
    let hourly = Setup::with_hourly_records("", "");
    fs::create_dir(hourly.path("records")).expect("making a folder");
    let mut date = Command::new("date");
    let hour = run(date.args(["-u", "+records/records-%Y-%m-%dT%H.jsonl"]));
    fs::copy(&records, hourly.path(hour.trim())).expect("copying");
    let mut hours = Talk {
        setup: &hourly,
        said: Vec::new(),
    };
    for format in ["table", "json", "csv"] {
        let lines = hours.ask(&format!("records --format {format}"), "");
        assert!(lines.lines().count() > 2 * COUNT, "{lines}");
    }
    talk.said.append(&mut hours.said);

    for Said { words, output } in &talk.said {
        // Whoever shows the arguments of a process has shown them already; what it answers must not repeat them.
        shown.push((words.clone(), output.stdout.clone()));
        shown.push((format!("{words}, standard error"), output.stderr.clone()));
    }
    let told: Vec<String> = shown
        .iter()
        .filter_map(|(place, bytes)| {
            let (number, around) = canaries.find(bytes)?;
            Some(format!("key {number} in {place}: {around}"))
        })
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));

    // Every command that there is was asked; `run` is the daemon itself.
    let mut all = BTreeSet::new();
    commands(&[], &mut all);
    assert!(all.len() > 20, "{all:?}");
    for name in all.iter().filter(|name| *name != "run") {
        let asked =
            |said: &Said| said.words == *name || said.words.starts_with(&format!("{name} "));
        assert!(talk.said.iter().any(asked), "{name} was not asked");
    }
}
