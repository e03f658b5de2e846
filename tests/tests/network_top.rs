//! The live view in a terminal, in front of a daemon that observes: what is on the screen is what the daemon counts, and what keys
//! have done is done.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot go on stops with what went wrong"
)]

use std::process::Command;
use std::time::Duration;

use observer_tests::daemon::{KEYS, Setup};
use observer_tests::namespace::Link;
use observer_tests::nginx::Nginx;
use observer_tests::process::{run, wait_for};
use observer_tests::require::{binary, require};
use observer_tests::traffic::{Connection, curl, key_field};
use rustix::process::Signal;
use serde_json::Value;

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
