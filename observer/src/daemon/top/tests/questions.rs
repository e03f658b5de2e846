//! Before something is done: who is asked about, and what is shown and told.

use super::*;
use crate::daemon::responses::order::{Answer, Order};
use crate::daemon::top::seen::{Deed, Told};
use crate::response::{Radius, SubjectKind};

/// What the daemon is told first.
fn told(effects: &[Effect]) -> (u64, &Deed) {
    match effects {
        [Effect::Tell(number, deed)] => (*number, deed),
        other => panic!("{other:?}"),
    }
}

fn hears(state: &mut State, number: u64, outcome: Result<Answer, String>) {
    state.apply(Event::Told(Told { number, outcome }));
}

fn radius() -> Answer {
    Answer {
        radius: Some(Radius {
            exchanges: 1_204,
            consumers: 1,
            known: true,
        }),
        notes: vec!["others share\u{1b}[2J its connection".to_owned()],
        ..Answer::default()
    }
}

fn text(state: &State) -> String {
    let lines = screen(state);
    let lines = lines.iter().map(|line| line.replace(['│', '─'], " "));
    let words = lines.flat_map(|line| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Opens the keys of acme.
fn keys_of_acme() -> State {
    let mut state = state(120, 40);
    press(&mut state, "_\n");
    let need = state.need().unwrap();
    answer(
        &mut state,
        &need,
        Seen {
            frame: frame(),
            history: Some(Ok(history())),
            ..Seen::default()
        },
    );
    state
}

#[test]
fn nobody_is_shut_off_before_it_is_known_what_that_hits() {
    let mut state = keys_of_acme();
    let effects = press(&mut state, "b");
    let (number, deed) = told(&effects);
    let Deed::Respond(Order::Act {
        target,
        kind,
        seconds,
        dry_run,
        ..
    }) = deed
    else {
        panic!("{deed:?}");
    };
    assert_eq!(
        (&**target, *kind, *seconds, *dry_run),
        ("k-2026-01", Some(SubjectKind::Key), 3_600, true)
    );
    // Too early.
    assert_eq!(press(&mut state, "y"), []);
    assert!(text(&state).contains("Asking the daemon what it would hit."));
    hears(&mut state, number, Ok(radius()));
    let shown = text(&state);
    assert!(
        shown.contains("Block key k-2026-01 (acme) for 1h? It would hit 1,204 exchanges of 1 consumer in the last hour."),
        "{shown}"
    );
    assert!(shown.contains("others share\\u{1b}[2J its connection"));

    // Longer: what was said before says nothing of that.
    let effects = press(&mut state, "+");
    let (newer, _) = told(&effects);
    assert_eq!(press(&mut state, "y"), []);
    hears(&mut state, number, Ok(radius()));
    assert_eq!(press(&mut state, "y"), []);
    hears(&mut state, newer, Ok(radius()));
    let effects = press(&mut state, "y");
    let (number, deed) = told(&effects);
    assert!(
        matches!(
            deed,
            Deed::Respond(Order::Act {
                seconds: 21_600,
                dry_run: false,
                ..
            })
        ),
        "{deed:?}"
    );
    let done = Answer {
        actions: frame().actions.unwrap(),
        ..Answer::default()
    };
    hears(&mut state, number, Ok(done));
    assert!(text(&state).contains("blocked key k-2026-01 (acme) until"));
    assert!(state.hurry);
}

#[test]
fn anything_but_y_does_nothing() {
    for key in ["n", "q", "\n", "<", "Y", "b"] {
        let mut state = keys_of_acme();
        let effects = press(&mut state, "b");
        hears(&mut state, told(&effects).0, Ok(radius()));
        assert_eq!(press(&mut state, key), [], "{key}");
        assert!(text(&state).contains("nothing was done"), "{key}");
        assert_eq!(press(&mut state, "y"), [], "{key}");
    }
    // What cannot be done is not done either.
    let mut state = keys_of_acme();
    let effects = press(&mut state, "b");
    hears(
        &mut state,
        told(&effects).0,
        Err("acme is on the allowlist".to_owned()),
    );
    assert!(text(&state).contains("It cannot be done: acme is on the allowlist"));
    assert_eq!(press(&mut state, "y"), []);
}

#[test]
fn a_limit_has_a_rate_that_is_written() {
    let mut state = state(80, 24);
    press(&mut state, "_");
    let effects = press(&mut state, "l");
    let (_, deed) = told(&effects);
    let verb = |deed: &Deed| match deed {
        Deed::Respond(Order::Act { verb, kind, .. }) => (verb.to_string(), *kind),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        verb(deed),
        ("limit 10/s".to_owned(), Some(SubjectKind::Consumer))
    );
    let effects = press(&mut state, "60");
    assert_eq!(effects, []);
    assert!(text(&state).contains("That is no rate"));
    let effects = press(&mut state, "/m");
    let (number, deed) = told(&effects);
    assert_eq!(verb(deed).0, "limit 60/m");
    hears(&mut state, number, Ok(radius()));
    assert!(text(&state).contains("Limit consumer acme to 60/m for 1h?"));
    let effects = press(&mut state, "y");
    assert_eq!(verb(told(&effects).1).0, "limit 60/m");
}

#[test]
fn names_of_nobody_and_routes_cannot_be_shut_off() {
    let mut state = state(120, 24);
    assert_eq!(press(&mut state, "b"), []);
    assert!(text(&state).contains("__unkeyed__ is no account"));
    assert_eq!(press(&mut state, "2l"), []);
    assert!(text(&state).contains("a route cannot be blocked or limited"));
    assert_eq!(press(&mut state, "3b"), []);
    assert!(text(&state).contains("an incident cannot be blocked"));
    assert_eq!(press(&mut state, "4b"), []);
    assert!(text(&state).contains("an action is selected, which u ends"));
    assert_eq!(press(&mut state, "1ax"), []);
    assert!(text(&state).contains("no incident is selected"));
}

#[test]
fn what_was_done_is_ended_once_somebody_says_yes() {
    let mut state = state(120, 24);
    assert_eq!(press(&mut state, "4u"), []);
    assert!(text(&state).contains("End block of key k-2026-01 (acme)?"));
    let effects = press(&mut state, "y");
    let (number, deed) = told(&effects);
    let id = "r-abcdefgh".to_owned();
    assert_eq!(
        *deed,
        Deed::Respond(Order::Undo {
            target: id,
            kind: None
        })
    );
    hears(&mut state, number, Ok(Answer::default()));
    assert!(text(&state).contains("nothing was in force or proposed"));
    let effects = press(&mut state, "1_uy");
    let (_, deed) = told(&effects);
    let target = "acme".to_owned();
    assert_eq!(
        *deed,
        Deed::Respond(Order::Undo {
            target,
            kind: Some(SubjectKind::Consumer)
        })
    );
}

#[test]
fn incidents_are_acknowledged_and_closed() {
    let mut state = state(120, 24);
    let effects = press(&mut state, "3a");
    let (number, deed) = told(&effects);
    assert_eq!(*deed, Deed::Acknowledge("4f1c2a".to_owned()));
    hears(&mut state, number, Ok(Answer::default()));
    assert!(text(&state).contains("acknowledged incident 4f1c2a"));
    assert_eq!(press(&mut state, "x"), []);
    let effects = press(&mut state, "y");
    let (number, deed) = told(&effects);
    assert_eq!(*deed, Deed::Close("4f1c2a".to_owned()));
    hears(
        &mut state,
        number,
        Err("no incident of that id is open".to_owned()),
    );
    assert!(text(&state).contains("not done: no incident of that id is open"));
}

/// A credential that nobody registered is known by its fingerprint.
#[test]
fn a_fingerprint_is_a_credential() {
    let mut state = state(120, 40);
    press(&mut state, "_\n");
    let need = state.need().unwrap();
    let mut history = history();
    history.keys[0].key = Some("k1_4QX7M2ZC5T6JH3WA".to_owned());
    answer(
        &mut state,
        &need,
        Seen {
            frame: frame(),
            history: Some(Ok(history)),
            ..Seen::default()
        },
    );
    let effects = press(&mut state, "b");
    let (_, deed) = told(&effects);
    assert!(
        matches!(
            deed,
            Deed::Respond(Order::Act {
                kind: Some(SubjectKind::Credential),
                ..
            })
        ),
        "{deed:?}"
    );
}

/// A screen with a proposal besides what is in force.
fn with_proposal() -> State {
    let mut frame = frame();
    let mut proposal = frame.actions.as_ref().unwrap()[0].clone();
    proposal.id = "r-bcdefgh2".parse().unwrap();
    proposal.state = crate::response::State::Proposed;
    (proposal.begun, proposal.until) = (1_000_000_000, 1_801_000_000_000);
    (proposal.radius.exchanges, proposal.dry) = (1_204, 1);
    frame.actions.as_mut().unwrap().push(proposal);
    let mut state = State::new("host-1".to_owned(), true, (120, 40), 1.0);
    let need = state.need().unwrap();
    let seen = Seen {
        frame,
        ..Seen::default()
    };
    answer(&mut state, &need, seen);
    press(&mut state, "4");
    state
}

#[test]
fn a_proposal_is_put_in_force_only_once_it_was_shown_what_it_hits() {
    let mut state = with_proposal();
    press(&mut state, "_");
    assert_eq!(press(&mut state, "a"), []);
    let shown = text(&state);
    assert!(
        shown.contains(
            "Put in force: block of key k-2026-01 (acme) for 30m 00s (leaked)? While it was proposed it would have \
             refused 1 request. In the hour before it would have hit 1,204 exchanges of 1 consumer."
        ),
        "{shown}"
    );
    let effects = press(&mut state, "y");
    let (number, deed) = told(&effects);
    let id = "r-bcdefgh2".parse().unwrap();
    assert_eq!(*deed, Deed::Respond(Order::Approve { id }));
    let done = Answer {
        actions: frame().actions.unwrap(),
        ..Answer::default()
    };
    hears(&mut state, number, Ok(done));
    assert!(text(&state).contains("blocked key k-2026-01 (acme) until"));
}

#[test]
fn a_proposal_that_nobody_wants_is_rejected_and_nothing_else_is() {
    let mut state = with_proposal();
    // What is in force is no proposal.
    for key in ["a", "x"] {
        assert_eq!(press(&mut state, key), []);
        assert!(text(&state).contains("no proposal is selected"), "{key}");
        assert_eq!(press(&mut state, "y"), []);
    }
    press(&mut state, "_x");
    assert!(text(&state).contains("Reject: block of key k-2026-01 (acme)"));
    let effects = press(&mut state, "y");
    let id = "r-bcdefgh2".parse().unwrap();
    assert_eq!(*told(&effects).1, Deed::Respond(Order::Reject { id }));
}
