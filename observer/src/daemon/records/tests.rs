//! Which records are found, and how what they hold is shown.

use clap::Parser;

use super::super::cli::{Cli, Command};
use super::super::report::printable;
use super::*;
use crate::export::records::write_record;
use crate::usage::tests::call;

fn arguments(words: &[&str]) -> cli::Records {
    let words = ["observer", "records"].iter().chain(words);
    match Cli::try_parse_from(words).expect("valid").command {
        Command::Records(arguments) => arguments,
        other => panic!("{other:?}"),
    }
}

fn line() -> Vec<u8> {
    let mut line = Vec::new();
    write_record(&mut line, &call());
    line
}

fn fits(words: &[&str]) -> bool {
    let arguments = arguments(words);
    let line = line();
    let (record, end) = Record::read(&line).expect("a record");
    let period = Period {
        from: end,
        until: end + 1,
    };
    Filter::new(&arguments, period).fits(&record, end)
}

#[test]
fn each_filter_narrows_and_one_given_twice_widens() {
    for words in [
        &[][..],
        &[
            "--consumer",
            "acme",
            "--route",
            "/v1/widgets/{id}",
            "--api",
            "orders",
        ],
        &["--status", "2xx", "--method", "GET", "--outcome", "ok"],
        &["--status", "404", "--status", "200"],
        &["--key", "k-2026-01"],
        &["--key", "k1_4QX7M2ZC5T6JH3WA"],
        &["--client", "192.0.2.2"],
        &["--client", "10.0.0.0/8", "--client", "192.0.2.0/24"],
    ] {
        assert!(fits(words), "{words:?}");
    }
    for words in [
        &["--consumer", "beta"][..],
        &["--route", "/v1/widgets/42"],
        &["--api", "orders", "--consumer", "beta"],
        &["--status", "4xx"],
        &["--status", "none"],
        &["--method", "get"],
        &["--outcome", "not_found"],
        &["--key", "acme"],
        &["--client", "192.0.2.3"],
        &["--client", "2001:db8::/32"],
    ] {
        assert!(!fits(words), "{words:?}");
    }
    for words in [
        ["--status", "4x"],
        ["--status", "40"],
        ["--status", "xx"],
        ["--status", "+04"],
        ["--client", "example"],
        ["--outcome", "fine"],
        ["--limit", "-1"],
    ] {
        let words = ["observer", "records"].iter().chain(&words);
        assert!(Cli::try_parse_from(words).is_err());
    }
}

#[test]
fn an_exchange_belongs_to_the_second_in_which_it_ended() {
    let mut late = call();
    late.begin = 1_795_342_499_999_900_000;
    late.duration = 200_000;
    let mut line = Vec::new();
    write_record(&mut line, &late);
    assert_eq!(Record::read(&line).expect("a record").1, 1_795_342_500);
    for damaged in [
        &b"{}"[..],
        b"",
        b"null",
        b"{\"time\":\"yesterday\",\"duration_us\":1}",
        b"{\"time\":\"1969-12-31T00:00:00Z\",\"duration_us\":1}",
        b"\xff\xfe",
        &line[..line.len() / 2],
    ] {
        assert!(Record::read(damaged).is_none());
    }
}

#[test]
fn files_of_other_hours_are_not_opened() {
    let period = Period {
        from: 100 * HOUR + 60,
        until: 101 * HOUR,
    };
    let held = |hour, next| holds(hour, next, period);
    assert!(held(100, Some(101)) && held(100, None));
    // The hour before may hold what came while the next file could not be begun.
    assert!(held(99, Some(100)));
    assert!(!held(98, Some(99)));
    // Nothing was recorded for days: the file before the gap was being written until its end.
    assert!(held(50, Some(100)) && !held(50, Some(51)));
    // What was told late.
    assert!(held(101, None) && !held(102, None));
}

#[test]
fn what_a_terminal_would_obey_is_shown_and_means_the_same() {
    let hostile = "{\"target\":\"/\u{9b}31m\u{202e}\u{7f}\u{1f512} \u{e9}\"}";
    let shown = printable(hostile);
    assert!(!shown.contains(['\u{9b}', '\u{202e}', '\u{7f}']), "{shown}");
    assert!(shown.contains("\u{1f512} \u{e9}"), "{shown}");
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    assert_eq!(value(&shown), value(hostile));
}

#[test]
fn damage_is_told_in_a_sentence() {
    let damage = Damage {
        file: "records-2026-11-25T07.jsonl".to_owned(),
        lines: 3,
        first: 17,
        end: Some(("unexpected end of file".to_owned(), 20)),
    };
    assert_eq!(
        damage.words(),
        "records-2026-11-25T07.jsonl: 3 lines are no records, the first is line 17; \
         cannot be read after line 20: unexpected end of file"
    );
}
