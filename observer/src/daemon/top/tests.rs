//! What somebody sees and what their keys do, from frames as a daemon gives them.

mod asking;
mod drawing;
mod opening;
mod questions;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::json;

use super::draw::draw;
use super::place::Tab;
use super::seen::{Gone, History, Need, Seen};
use super::state::{Effect, Event, State};
use super::table::Name;
use crate::export::live::{Frame, Look};

/// A name that would clear the screen, and turn around what is beside it.
const HOSTILE: &str = "e\u{1b}[2J\u{202e}vil\r\n";

fn consumer(name: &str, rate: f64, requests: u64) -> serde_json::Value {
    json!({
        "consumer": name, "requests": requests, "rate": rate, "errors": [1, 0, 0, 0], "recent": 300,
        "error_ratio": [0.31, 0.021, 0.0, 0.001], "baseline": [0.021, 0.02, 0.0, 0.001],
        "score": [1.25, 0.1, 0.0, 0.0], "request_bytes": 1, "response_bytes": 2, "completeness": 0.9999
    })
}

/// What a daemon with three consumers says.
fn frame() -> Frame {
    let time = "2026-11-29T10:15:00.123456789Z";
    serde_json::from_value(json!({
        "time": time, "from": "2026-11-29T09:00:00Z", "trouble": null, "completeness": 1.0, "seconds": 1.0,
        "counts": {"consumers": 3, "routes": 1, "incidents": 2, "actions": 1},
        "totals": {
            "requests": 5_000, "rate": 321.4, "status": [0, 1, 0, 0, 0, 0, 0], "errors": [0, 0, 0, 0], "recent": 900,
            "error_ratio": [0.31, 0.02, 0.0, 0.001], "request_bytes": 0, "response_bytes": 0, "hops": 0,
            "connections": 4, "opaque": 1_200
        },
        "consumers": [
            consumer("acme", 12.34, 1_204), consumer("__unkeyed__", 120.0, 90), consumer(HOSTILE, 0.5, 7)
        ],
        "routes": [{
            "api": "orders", "route": "/v1/widgets/{id}", "requests": 5_000, "rate": 1.5,
            "status": [0, 4_000, 10, 900, 90, 0, 0], "recent": 10, "error_ratio": [0.1, 0.02, 0.0, 0.01],
            "baseline": [0.1, 0.0, 0.0, 0.0], "mean_ms": 12.34, "p95_ms": 104.0, "posture": "required"
        }],
        "incidents": [
            incident("4f1c2a", "high", "acme"), incident("77aa01", "low", "beta"),
        ],
        "actions": [{
            "id": "r-abcdefgh", "slot": 1, "subject": {"kind": "key", "id": "k-2026-01"}, "consumer": "acme", "verb": "block",
            "begun": 1, "until": 1_796_000_000_000_000_000_u64, "reason": "leaked", "by": {"user": "root"}, "state": "active",
            "radius": {"exchanges": 1, "consumers": 1, "known": true},
            "hits": {"refused": 12, "passed": 0, "late": 1, "shared": 0, "packets": 3}, "dry": 0
        }]
    }))
    .unwrap()
}

fn incident(id: &str, severity: &str, consumer: &str) -> serde_json::Value {
    json!({
        "id": id, "severity": severity, "rule": "error_rate", "state": "open", "subject": format!("{consumer}/k"),
        "consumer": consumer, "statement": format!("{consumer}/k 4xx 31 % (22 of 70) over 7.1s; baseline 2.1 %"),
        "first_seen": "2026-11-29T10:00:00Z", "detected_at": "2026-11-29T10:00:00Z", "last_seen": "2026-11-29T10:14:00Z"
    })
}

/// What the last hour of acme was.
fn history() -> History {
    serde_json::from_value(json!({
        "points": [], "completeness": 1.0,
        "keys": [{"app": "mobile", "key": "k-2026-01", "requests": 1_204, "errors": [300, 4, 0, 2], "mean_ms": 3.5}],
        "routes": [{"api": "orders", "route": "/v1/widgets/{id}", "requests": 1_200, "errors": [300, 4, 0, 2], "mean_ms": 3.4}],
        "consumers": [{"consumer": "acme", "requests": 9, "errors": [1, 2, 0, 0], "mean_ms": 2.0}],
    }))
    .unwrap()
}

/// A screen of this size that has seen the frame.
fn state(width: u16, height: u16) -> State {
    let mut state = State::new("host-1".to_owned(), true, (width, height), 1.0);
    let need = state.need().unwrap();
    answer(
        &mut state,
        &need,
        Seen {
            frame: frame(),
            ..Seen::default()
        },
    );
    state
}

fn answer(state: &mut State, need: &Need, seen: Seen) {
    state.apply(Event::Seen(need.view, Ok(Box::new(seen))));
}

/// Presses a key for every character: `\n` is Enter, `<` Esc, `_` an arrow down, `>` one to the right.
fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let code = |c| match c {
        '\n' => KeyCode::Enter,
        '<' => KeyCode::Esc,
        '_' => KeyCode::Down,
        '>' => KeyCode::Right,
        c => KeyCode::Char(c),
    };
    let effects = keys
        .chars()
        .filter_map(|c| state.apply(Event::Key(KeyEvent::new(code(c), KeyModifiers::NONE))));
    effects.collect()
}

fn buffer(state: &State) -> Buffer {
    let (width, height) = state.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(state, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// The lines of the screen.
fn screen(state: &State) -> Vec<String> {
    let buffer = buffer(state);
    let width = usize::from(buffer.area.width);
    let lines = buffer.content.chunks(width);
    lines
        .map(|cells| cells.iter().map(|cell| cell.symbol()).collect::<String>())
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// The only line with this in it.
fn line(state: &State, text: &str) -> String {
    let lines = screen(state);
    let with: Vec<_> = lines.iter().filter(|line| line.contains(text)).collect();
    assert_eq!(with.len(), 1, "{text} in {lines:#?}");
    with[0].clone()
}

fn consumers(state: &State) -> Vec<String> {
    let has = |line: &&String| {
        ["acme", "__unkeyed__", "vil"]
            .iter()
            .any(|name| line.contains(name))
    };
    let lines = screen(state);
    let rows = lines.iter().skip(6).filter(has);
    rows.map(|line| {
        line.trim_start_matches(['>', ' '])
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    })
    .collect()
}

#[test]
fn rows_are_sorted_reversed_and_filtered() {
    let mut state = state(120, 40);
    let hostile = "e\\u{1b}[2J\\u{202e}vil\\r\\n";
    assert_eq!(consumers(&state), ["__unkeyed__", "acme", hostile]);
    press(&mut state, "r");
    assert_eq!(consumers(&state), [hostile, "acme", "__unkeyed__"]);
    press(&mut state, "s");
    assert!(line(&state, "consumers: 3").contains("by requests, falling"));
    assert_eq!(consumers(&state), ["acme", "__unkeyed__", hostile]);
    // The keys of the filter are its text.
    press(&mut state, "/QAC");
    assert_eq!(consumers(&state), [""; 0]);
    assert!(
        screen(&state)
            .iter()
            .any(|line| line.contains("no row has that in it"))
    );
    state.apply(Event::Key(KeyEvent::new(
        KeyCode::Backspace,
        KeyModifiers::NONE,
    )));
    press(&mut state, "<");
    press(&mut state, "/AC\n");
    assert_eq!(consumers(&state), ["acme"]);
    assert!(line(&state, "consumers: 1 of 3").contains("with \"AC\""));
    press(&mut state, "<");
    assert_eq!(consumers(&state).len(), 3);
}

#[test]
fn the_selection_stays_on_its_row_when_rows_move() {
    let mut state = state(80, 24);
    press(&mut state, "_");
    assert_eq!(state.selected(), Some(Name::Consumer("acme".to_owned())));
    let mut newer = frame();
    newer.consumers.as_mut().unwrap()[0].rate = Some(900.0);
    let need = state.need().unwrap();
    answer(
        &mut state,
        &need,
        Seen {
            frame: newer,
            ..Seen::default()
        },
    );
    assert_eq!(consumers(&state)[0], "acme");
    assert_eq!(state.selected(), Some(Name::Consumer("acme".to_owned())));
    assert!(line(&state, "acme ").starts_with("> acme"));
    press(&mut state, "G");
    state.apply(Event::Key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE)));
    assert_eq!(state.selected(), Some(Name::Consumer(HOSTILE.to_owned())));
    press(&mut state, "kj");
    state.apply(Event::Key(KeyEvent::new(
        KeyCode::PageUp,
        KeyModifiers::NONE,
    )));
    assert_eq!(state.selected(), Some(Name::Consumer("acme".to_owned())));
}

#[test]
fn nothing_moves_and_nothing_is_asked_while_paused() {
    let mut state = state(80, 24);
    let need = state.need().unwrap();
    press(&mut state, "p");
    let before = screen(&state);
    assert!(
        before[0].contains("2026-11-29T10:15:00.123Z  PAUSED"),
        "{}",
        before[0]
    );
    // What was on its way comes too late, and nobody misses the daemon.
    let mut newer = frame();
    newer.time = "2026-11-29T10:15:09Z".to_owned();
    answer(
        &mut state,
        &need,
        Seen {
            frame: newer,
            ..Seen::default()
        },
    );
    state.apply(Event::Seen(
        need.view,
        Err(Gone {
            at: 1,
            why: "gone".to_owned(),
        }),
    ));
    state.apply(Event::Waiting(9));
    assert_eq!(screen(&state), before);
    assert_eq!(state.need(), None);
    press(&mut state, "\n");
    assert_eq!(state.need(), None);
    assert!(
        screen(&state)
            .iter()
            .any(|line| line.contains("nothing is asked while paused"))
    );
    press(&mut state, " ");
    assert!(state.hurry && state.need().is_some());
}

#[test]
fn tabs_remember_where_one_was() {
    let mut state = state(80, 24);
    press(&mut state, "_2");
    assert_eq!(state.tab, Tab::Routes);
    press(&mut state, "3_4");
    assert_eq!(state.tab, Tab::Responses);
    state.apply(Event::Key(KeyEvent::new(KeyCode::Tab, KeyModifiers::NONE)));
    assert_eq!(state.selected(), Some(Name::Consumer("acme".to_owned())));
    press(&mut state, "3");
    assert!(matches!(state.selected(), Some(Name::Incident { id, .. }) if id == "77aa01"));
    // Its statement stands below, and Enter goes to whom it is about.
    assert!(
        screen(&state)
            .iter()
            .any(|line| line.contains("(22 of 70)"))
    );
    press(&mut state, "\n");
    assert_eq!(state.path(), ["Incidents", "beta"]);
    press(&mut state, "<");
    assert_eq!(state.path(), ["Incidents"]);
}

#[test]
fn only_q_and_control_c_end_it() {
    let mut state = state(80, 24);
    assert_eq!(press(&mut state, "q"), [Effect::Quit]);
    assert_eq!(press(&mut state, "?q"), []);
    assert_eq!(press(&mut state, "/q"), []);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(state.apply(Event::Key(control_c)), Some(Effect::Quit));
}
