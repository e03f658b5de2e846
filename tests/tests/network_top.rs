//! The live view in a terminal, in front of a daemon that observes: what is on the screen is what the daemon counts, and what keys
//! have done is done.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use observer_tests::daemon::{KEYS, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{run, wait_for};
use observer_tests::require::{binary, require};
use observer_tests::traffic::{Connection, curl, key_field};
use rustix::process::Signal;
use serde_json::{Value, json};

const SERVER: &str = "10.77.0.1:80";
const LIMIT: Duration = Duration::from_secs(20);

/// A terminal with the live view on it. Dropping it ends both.
struct Terminal<'a> {
    setup: &'a Setup,
}

impl<'a> Terminal<'a> {
    /// Of this size; `environment` stands before the command.
    fn start(setup: &'a Setup, size: (u16, u16), environment: &str) -> Self {
        let terminal = Self { setup };
        let command = format!(
            "{environment} {} top --interval 0.5 --config {}; echo it ended with $?; exec sleep 600",
            binary().display(),
            setup.config().display()
        );
        let (width, height) = (size.0.to_string(), size.1.to_string());
        terminal.tmux(&["new-session", "-d", "-x", &width, "-y", &height, &command]);
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let socket = self.setup.path("tmux");
        run(Command::new("tmux")
            .args(["-f", "/dev/null", "-S"])
            .arg(socket)
            .args(words)
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8"))
    }

    fn press(&self, keys: &[&str]) {
        for key in keys {
            self.tmux(&["send-keys", "--", key]);
        }
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The line of the screen with this in it, once there is one.
    fn line(&self, text: &str) -> String {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(text, LIMIT, || {
                last = self.screen();
                let line = last.lines().find(|line| line.contains(text))?;
                Some(line.to_owned())
            })
        }));
        assert!(found.is_ok(), "no `{text}` on:\n{last}");
        found.unwrap_or_default()
    }

    /// Waits until all of these stand on the screen, whatever the lines.
    fn says(&self, text: &str) {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(text, LIMIT, || {
                last = self.screen();
                let framed = last.replace('│', " ");
                let words: Vec<&str> = framed.split_whitespace().collect();
                words.join(" ").contains(text).then_some(())
            })
        }));
        assert!(found.is_ok(), "no `{text}` on:\n{last}");
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let _ = Command::new("tmux")
            .arg("-S")
            .arg(self.setup.path("tmux"))
            .arg("kill-server")
            .output();
    }
}

fn frame(setup: &Setup) -> Value {
    let text = run(&mut setup.command(&["top", "--format", "json"]));
    serde_json::from_str(&text).expect("a frame in JSON")
}

#[test]
fn the_screen_shows_what_the_daemon_counts_and_keys_act() {
    if !require(&["ip", "nsenter", "nginx", "curl", "tmux"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let (key, consumer) = KEYS[0];
    let field = key_field(key);
    let ask = |path: &str| {
        let url = format!("http://10.77.0.1{path}");
        curl(&link.client, &["-H", &field, &url]);
    };
    let terminal = Terminal::start(&setup, (80, 24), "");
    terminal.says("no traffic yet: send a request to a service of this host");

    for number in 0..7 {
        ask(&format!("/v1/widgets/{number}"));
    }
    terminal.press(&["/", "acm", "Enter", "s"]);
    terminal.line("by requests, falling, with \"acm\"");
    let counted = || {
        let row = terminal.line(&format!("> {consumer}"));
        let words: Vec<&str> = row.split_whitespace().collect();
        (words.get(3) == Some(&"7")).then_some(())
    };
    wait_for("seven requests on the screen", LIMIT, counted);
    let frame = frame(&setup);
    assert_eq!(frame["consumers"][0]["consumer"], consumer);
    assert_eq!(frame["consumers"][0]["requests"], 7);
    let complete = frame["completeness"].as_f64().expect("a number");
    terminal.says(&format!("complete {:.1}%", complete * 100.0));
    let csv = run(&mut setup.command(&["top", "--format", "csv"]));
    assert!(csv.contains(&format!("\r\n{consumer},")), "{csv}");

    // Down to the exchanges, which come while one looks.
    terminal.press(&["Enter"]);
    let row = terminal.line(&format!("> {consumer}-key"));
    assert!(row.split_whitespace().any(|word| word == "7"), "{row}");
    terminal.press(&["Enter"]);
    terminal.line(&format!("> {consumer} > key {consumer}-key > routes"));
    terminal.line("> /v1/widgets/{id}");
    terminal.press(&["Enter"]);
    terminal.says("waiting for the next exchange");
    ask("/v1/widgets/4711");
    let row = terminal.line("/v1/widgets/4711");
    assert!(row.contains("GET") && row.contains("200"), "{row}");

    // A key is shut off once it was said what that hits.
    terminal.press(&["Escape"]);
    terminal.line(&format!("key {consumer}-key > routes"));
    terminal.press(&["b"]);
    terminal.says("a route cannot be blocked or limited");
    terminal.press(&["Escape"]);
    terminal.line(&format!("> {consumer}-key"));
    terminal.press(&["b"]);
    terminal.says(&format!(
        "Block key {consumer}-key ({consumer}) for 1h? It would hit 8 exchanges of 1 consumer in the last hour."
    ));
    terminal.press(&["y"]);
    terminal.says(&format!("blocked key {consumer}-key ({consumer}) until"));
    let status = || {
        Connection::open(&link.client, SERVER)
            .get("/v1/widgets/1", key)
            .0
    };
    assert_eq!(status(), 403);

    // And let in again.
    terminal.press(&["4"]);
    terminal.line(&format!("key {consumer}-key"));
    terminal.press(&["u"]);
    terminal.says(&format!("End block of key {consumer}-key ({consumer})?"));
    terminal.press(&["y"]);
    terminal.says("undone r-");
    terminal.says("nothing is shut off, limited or proposed");
    assert_eq!(status(), 200);

    // While it is paused, nothing moves.
    terminal.press(&["p", "1"]);
    terminal.line("PAUSED");
    let before = terminal.screen();
    ask("/v1/widgets/1");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(terminal.screen(), before);
    terminal.press(&["p"]);
    terminal.line("live");

    // It misses the daemon, and goes on with the next one.
    daemon.stop();
    terminal.says("nobody listens at");
    terminal.line("no daemon since");
    terminal.line(&format!("> {consumer}"));
    let daemon = setup.start(&link.server);
    terminal.line("live");
    terminal.press(&["q"]);
    terminal.line("it ended with 0");
    drop(daemon);
}

/// A number as the screen writes it, from the JSON: one decimal below a hundred, none from there on.
fn measure(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(number) if number < 99.95 => format!("{number:.1}"),
        Some(number) => count(&json!(number.round() as u64)),
    }
}

/// With commas between thousands.
fn count(value: &Value) -> String {
    let digits = value.as_u64().expect("a count").to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn percent(value: &Value) -> String {
    match value.as_f64() {
        None => "-".to_owned(),
        Some(share) => format!("{:.1}", share * 100.0),
    }
}

/// What a row of a consumer says, name included.
fn consumer_row(row: &Value) -> Vec<String> {
    let class = |at: usize| {
        let (now, usual) = (&row["error_ratio"][at], &row["baseline"][at]);
        format!("{}/{}", percent(now), percent(usual))
    };
    let scores = row["score"].as_array().expect("scores").iter();
    let score = scores.filter_map(Value::as_f64).fold(0.0, f64::max);
    vec![
        row["consumer"].as_str().expect("a name").to_owned(),
        measure(&row["rate"]),
        count(&row["requests"]),
        count(&row["recent"]),
        class(0),
        class(1),
        class(2),
        class(3),
        format!("{score:.2}"),
        percent(&row["completeness"]),
    ]
}

/// What a row of a route says, up to where its errors by class begin.
fn route_row(row: &Value) -> Vec<String> {
    let sum = |of: &Value| match of.as_array() {
        None => Value::Null,
        Some(all) => json!(all.iter().filter_map(Value::as_f64).sum::<f64>()),
    };
    let status = |at: usize| count(&row["status"][at]);
    let (now, usual) = (sum(&row["error_ratio"]), sum(&row["baseline"]));
    vec![
        row["api"].as_str().expect("a name").to_owned(),
        row["route"].as_str().expect("a name").to_owned(),
        measure(&row["rate"]),
        count(&row["requests"]),
        status(1),
        status(2),
        status(3),
        status(4),
        status(5),
        format!("{}/{}", percent(&now), percent(&usual)),
        measure(&row["mean_ms"]),
        measure(&row["p95_ms"]),
        row["posture"].as_str().unwrap_or("-").to_owned(),
    ]
}

/// The words of a row of the screen, without the mark of the one that is selected.
fn words(line: &str) -> Vec<&str> {
    let row = line.trim().trim_start_matches('>');
    row.split_whitespace().collect()
}

#[test]
fn the_screen_says_what_the_json_of_the_same_moment_says() {
    if !require(&["ip", "nsenter", "nginx", "curl", "tmux"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let daemon = setup.start(&link.server);
    let frames: Mutex<Vec<Value>> = Mutex::default();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Traffic that never rests, and everything that the daemon says of it.
        scope.spawn(|| {
            let mut connection = Connection::open(&link.client, SERVER);
            let paths = [
                "/v1/widgets/1",
                "/v1/widgets/2",
                "/v1/missing",
                "/v1/conflict",
                "/v1/away",
            ];
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                let (key, _) = KEYS[number % 4];
                connection.get(paths[number / 4 % paths.len()], key);
                number += 1;
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let (_, text) = daemon.get("/api/v1/look?view=all").expect("a frame");
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                let mut frames = frames.lock().expect("no panic");
                if frames.last() != Some(&frame) {
                    frames.push(frame);
                }
                drop(frames);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            compare(&setup, &frames);
        }));
        over.store(true, Ordering::Relaxed);
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Stops the screen some times, and holds all of it against the frame of its time.
fn compare(setup: &Setup, frames: &Mutex<Vec<Value>>) {
    let terminal = Terminal::start(setup, (200, 40), "");
    terminal.line(&format!("> {}", KEYS[0].1));
    for _ in 0..4 {
        terminal.press(&["p"]);
        let head = terminal.line("PAUSED");
        let mut times = head.split_whitespace();
        let time = times.find(|word| word.ends_with('Z')).expect("a time");
        let moment = time.trim_end_matches('Z');
        let frame = wait_for("the frame of that time", LIMIT, || {
            let frames = frames.lock().expect("no panic");
            let of = |frame: &&Value| {
                let time = frame["time"].as_str();
                time.is_some_and(|time| time.starts_with(moment))
            };
            frames.iter().rev().find(of).cloned()
        });
        let totals = &frame["totals"];
        terminal.line(&format!("{} req/s", measure(&totals["rate"])));
        let classes = ["client", "auth", "limited", "server"].iter().enumerate();
        for (at, class) in classes {
            terminal.line(&format!("{class} {}%", percent(&totals["error_ratio"][at])));
        }
        holds(&terminal, &frame["consumers"], consumer_row);
        terminal.press(&["2"]);
        terminal.line("posture");
        holds(&terminal, &frame["routes"], route_row);
        terminal.press(&["1", "p"]);
        terminal.line("live");
        wait_for("another moment", LIMIT, || {
            (!terminal.screen().contains(moment)).then_some(())
        });
    }
}

/// Every row of the JSON is a line of the screen.
fn holds(terminal: &Terminal<'_>, rows: &Value, row: fn(&Value) -> Vec<String>) {
    let rows = rows.as_array().expect("rows");
    assert!(rows.len() >= 4, "{rows:?}");
    let screen = terminal.screen();
    let lines: Vec<_> = screen.lines().map(words).collect();
    for one in rows {
        let expected = row(one);
        let is_it = |line: &Vec<&str>| {
            line.len() >= expected.len() && expected.iter().eq(&line[..expected.len()])
        };
        let found = lines.iter().any(is_it);
        assert!(found, "no line {expected:?} of {one} on:\n{screen}");
    }
}

#[test]
fn a_terminal_is_left_as_it_was_and_without_colours_has_none() {
    if !require(&["ip", "nsenter", "nginx", "curl", "tmux"]) {
        return;
    }
    let link = Link::new();
    let _nginx = Nginx::start(&link.server);
    let setup = Setup::new("", "");
    let _daemon = setup.start(&link.server);
    curl(&link.client, &["http://10.77.0.1/v1/widgets/1"]);
    let terminal = Terminal::start(&setup, (60, 15), "NO_COLOR=1");
    terminal.line("__unkeyed__");
    let drawn = terminal.tmux(&["capture-pane", "-p", "-e"]);
    let codes = drawn.split("\u{1b}[").skip(1);
    for code in codes.filter_map(|rest| rest.split_once('m').map(|(code, _)| code)) {
        let plain = |number: &str| matches!(number, "" | "0" | "1" | "4" | "7" | "39" | "49");
        assert!(code.split(';').all(plain), "{code:?} in {drawn:?}");
    }
    terminal.tmux(&["resize-window", "-x", "50", "-y", "10"]);
    terminal.line("needs 60x15");
    terminal.tmux(&["resize-window", "-x", "120", "-y", "40"]);
    terminal.line("complete");

    let mut top = Command::new("pgrep");
    let config = format!("top --interval 0.5 --config {}", setup.config().display());
    let found = run(top.args(["-x", "-f", &format!("{} {config}", binary().display())]));
    let pid = found
        .trim()
        .parse()
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("one process"), Signal::TERM).expect("a signal");
    terminal.line("it ended with 0");
    // What was there before is there again, and so is the cursor.
    let modes = terminal.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
    assert_eq!(modes.trim(), "0 1");
}
