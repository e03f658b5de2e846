//! What stands on the screen, on small and large ones.

use ratatui::style::{Color, Modifier};

use super::*;

#[test]
fn at_80_columns_the_most_important_ones_are_shown() {
    let state = state(80, 24);
    let lines = screen(&state);
    assert_eq!(lines[0], "observer  host-1  2026-11-29T10:15:00.123Z  live");
    assert_eq!(
        lines[1],
        "321 req/s  5 min errors: client 31.0%  auth 2.0%  limited 0.0%  server 0.1%"
    );
    assert_eq!(
        lines[2],
        "complete 100.0%  incidents: 1 high, 1 low  opaque connections: 1,200"
    );
    assert_eq!(
        lines[3],
        "[1 Consumers]  2 Routes   3 Incidents   4 Responses"
    );
    assert_eq!(lines[4], "consumers: 3, by req/s, falling");
    let columns: Vec<_> = lines[5].split_whitespace().collect();
    assert_eq!(
        columns.join(" "),
        "consumer req/s 5 min client auth limited server score"
    );
    let row: Vec<_> = lines[7].split_whitespace().collect();
    assert_eq!(
        row[..5],
        ["acme", "12.3", "300", "31.0/2.1", "2.1/2.0"],
        "{}",
        lines[7]
    );
    assert!(lines[23].starts_with("Enter keys  b block") && lines[23].ends_with("? help  q quit"));
}

#[test]
fn at_120_columns_the_others_come() {
    let mut state = state(120, 40);
    let lines = screen(&state);
    let columns: Vec<_> = lines[5].split_whitespace().collect();
    assert_eq!(
        columns.join(" "),
        "consumer req/s requests 5 min client auth limited server score complete"
    );
    let row: Vec<_> = lines[7].split_whitespace().collect();
    assert_eq!(
        row,
        [
            "acme", "12.3", "1,204", "300", "31.0/2.1", "2.1/2.0", "0.0/0.0", "0.1/0.1", "1.25",
            "99.9"
        ]
    );
    press(&mut state, "2");
    let row = line(&state, "> orders");
    let row: Vec<_> = row.split_whitespace().collect();
    assert_eq!(
        row[..13],
        [
            ">",
            "orders",
            "/v1/widgets/{id}",
            "1.5",
            "5,000",
            "4,000",
            "10",
            "900",
            "90",
            "0",
            "13.0/10.0",
            "12.3",
            "104"
        ]
    );
    press(&mut state, "4");
    let row = line(&state, "> r-abcdefgh");
    for text in ["active", "block", "key k-2026-01 (acme)", "12", "leaked"] {
        assert!(row.contains(text), "{row}");
    }
}

#[test]
fn a_column_that_is_sorted_by_is_shown() {
    let mut state = state(60, 24);
    assert!(!screen(&state)[6].contains("complete"));
    press(&mut state, "ssssssss");
    assert!(
        screen(&state)
            .iter()
            .any(|line| line.contains("consumer") && line.contains("complete"))
    );
}

#[test]
fn everything_fits_on_the_smallest_screen_and_nothing_on_a_smaller_one() {
    let mut state = state(60, 15);
    for keys in ["1", "2", "3", "4", "1_\n", "?", "<", "b"] {
        press(&mut state, keys);
        let lines = screen(&state);
        assert!(!lines[14].is_empty(), "{keys}: {lines:#?}");
    }
    state.apply(Event::Resize(59, 15));
    assert_eq!(screen(&state)[0], "needs 60x15");
    state.apply(Event::Resize(80, 24));
    assert!(screen(&state)[0].starts_with("observer"));
}

/// However much there is to say, and however suddenly the terminal shrinks, there is a screen.
#[test]
fn nothing_is_drawn_where_there_is_no_screen() {
    let mut seen = frame();
    seen.totals.rate = Some(1e18);
    seen.totals.opaque = u64::MAX;
    seen.totals.error_ratio = [1e9; 4];
    seen.counts.incidents = usize::MAX;
    seen.trouble = Some("why ".repeat(200));
    for (width, height) in [(60, 15), (61, 16), (80, 24), (200, 60)] {
        let mut state = state(width, height);
        let need = state.need().unwrap();
        answer(
            &mut state,
            &need,
            Seen {
                frame: seen.clone(),
                ..Seen::default()
            },
        );
        for keys in ["1", "3", "1_\n", "b", "?"] {
            press(&mut state, keys);
            state.said = Some("done ".repeat(200));
            assert_eq!(screen(&state).len(), usize::from(height));
            for smaller in [(width, height - 1), (width - 1, height), (1, 1)] {
                let backend = TestBackend::new(smaller.0, smaller.1);
                let mut terminal = Terminal::new(backend).unwrap();
                terminal.draw(|frame| draw(&state, frame)).unwrap();
            }
        }
    }
}

#[test]
fn hostile_names_steer_nothing() {
    let mut seen = frame();
    seen.trouble = Some(HOSTILE.to_owned());
    let mut incident = incident("4f1c2a", HOSTILE, HOSTILE);
    incident["rule"] = HOSTILE.into();
    seen.incidents = Some(vec![incident]);
    let mut routes = seen.routes.take().unwrap();
    routes[0].api = HOSTILE.into();
    routes[0].route = HOSTILE.into();
    routes[0].posture = Some(HOSTILE.to_owned());
    seen.routes = Some(routes);
    let mut state = State::new(HOSTILE.to_owned(), true, (160, 40), 1.0);
    let need = state.need().unwrap();
    answer(
        &mut state,
        &need,
        Seen {
            frame: seen,
            ..Seen::default()
        },
    );
    for keys in ["__", "\n", "<3", "\n", "<2", "\n", "b", "4", "/\u{202e}"] {
        press(&mut state, keys);
        for line in screen(&state) {
            let steers = |c: char| {
                c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(!line.contains(steers), "{keys:?}: {line:?}");
        }
    }
}

#[test]
fn without_colours_there_are_none() {
    let styles = |colour: bool| {
        let mut state = state(80, 24);
        state.colour = colour;
        let mut all = Vec::new();
        for keys in ["1", "2", "3", "4", "1_", "b"] {
            press(&mut state, keys);
            all.extend(
                buffer(&state)
                    .content
                    .into_iter()
                    .map(|cell| (cell.fg, cell.bg, cell.modifier)),
            );
        }
        state.apply(Event::Seen(
            0,
            Err(Gone {
                at: 1,
                why: "gone".to_owned(),
            }),
        ));
        all.extend(
            buffer(&state)
                .content
                .into_iter()
                .map(|cell| (cell.fg, cell.bg, cell.modifier)),
        );
        all
    };
    let plain = Modifier::BOLD | Modifier::REVERSED | Modifier::UNDERLINED;
    for (front, back, modifier) in styles(false) {
        assert_eq!((front, back), (Color::Reset, Color::Reset));
        assert!(plain.contains(modifier), "{modifier:?}");
    }
    assert!(styles(true).iter().any(|(front, ..)| *front == Color::Red));
}

#[test]
fn a_daemon_that_is_gone_is_missed_and_what_it_said_stays() {
    let mut state = state(80, 24);
    let gone = |state: &mut State, at: u64, why: &str| {
        let need = state.need().unwrap();
        let why = why.to_owned();
        state.apply(Event::Seen(need.view, Err(Gone { at, why })));
    };
    gone(&mut state, 3_661, "nobody listens at /run/observer/control");
    gone(&mut state, 3_700, "nobody listens at /run/observer/control");
    let lines = screen(&state);
    assert!(
        lines[0].ends_with("no daemon since 01:01:01"),
        "{}",
        lines[0]
    );
    assert!(
        lines[3].starts_with("no daemon since 01:01:01: nobody listens at /run/observer/control")
    );
    assert!(lines.join(" ").contains("(systemctl start observer)"));
    line(&state, "> __unkeyed__");
    let need = state.need().unwrap();
    answer(
        &mut state,
        &need,
        Seen {
            frame: frame(),
            ..Seen::default()
        },
    );
    assert!(screen(&state)[0].ends_with("live"));
    state.apply(Event::Waiting(3));
    assert!(screen(&state)[0].ends_with("waiting for 3 s"));
}

#[test]
fn what_is_missing_is_said() {
    let mut state = state(120, 24);
    let need = state.need().unwrap();
    let quiet = Frame {
        consumers: Some(Vec::new()),
        routes: Some(Vec::new()),
        ..frame()
    };
    answer(
        &mut state,
        &need,
        Seen {
            frame: quiet,
            nobody: true,
            ..Seen::default()
        },
    );
    let text = screen(&state).join("\n");
    assert!(
        text.contains("no traffic yet: send a request to a service of this host"),
        "{text}"
    );
    assert!(
        text.contains("register one: observer consumers add"),
        "{text}"
    );
    let need = state.need().unwrap();
    let seen = Frame {
        trouble: Some("no program is attached".to_owned()),
        ..frame()
    };
    answer(
        &mut state,
        &need,
        Seen {
            frame: seen,
            ..Seen::default()
        },
    );
    line(&state, "traffic is not observed: no program is attached");
    press(&mut state, "_\n");
    let need = state.need().unwrap();
    let why = Some(Err("there is no ledger".to_owned()));
    answer(
        &mut state,
        &need,
        Seen {
            frame: frame(),
            history: why,
            ..Seen::default()
        },
    );
    assert!(
        screen(&state)
            .join("\n")
            .contains("not known: there is no ledger")
    );
}
