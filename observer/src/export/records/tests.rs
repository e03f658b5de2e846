//! What a reader of the folder finds: every record once, in files of their hour, whatever happened in between.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::names::{Form, Name, list};
use super::read::{Lines, MAX_LINE, Next, files};
use super::{RecordSink, RecordsMark, Settings, cut_back};
use crate::usage::Call;
use crate::usage::tests::call;

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;
/// 2026-11-25T07:00:00Z, which is past by the clock of whoever runs this, or the keeper would remove it.
const SEVEN: u64 = 1_795_590_000 * SECOND;

fn settings(folder: &Path) -> Settings {
    Settings {
        path: folder.join("records"),
        keep: Duration::from_secs(u64::MAX / SECOND),
        max_bytes: 1 << 30,
        file_bytes: 1 << 20,
        share: 64.0,
    }
}

/// The record of this number, of an exchange that ended at this time.
fn record(number: usize, end: u64) -> Call {
    let mut call = call();
    call.begin = end - call.duration;
    call.target = Some(format!("/{number}").into());
    call
}

/// The numbers of the records in a file.
fn numbers(path: &Path) -> Vec<usize> {
    numbers_of(Lines::open(path).expect("opened"))
}

fn numbers_of(mut lines: Lines) -> Vec<usize> {
    let (mut line, mut numbers) = (Vec::new(), Vec::new());
    while lines.next(&mut line).expect("read") == Next::Line {
        let record: serde_json::Value = serde_json::from_slice(&line).expect("a record");
        let target = record["target"].as_str().expect("a target");
        numbers.push(target[1..].parse().expect("a number"));
    }
    numbers
}

/// Name and numbers of each file.
fn contents(folder: &Path) -> Vec<(String, Vec<usize>)> {
    let entries = files(folder).expect("listed");
    let contents = entries.iter().filter_map(|entry| {
        let lines = Lines::of(folder, entry).expect("opened")?;
        Some((entry.name.to_string(), numbers_of(lines)))
    });
    contents.collect()
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[test]
fn names_are_in_order_of_time_and_read_back() {
    let mut texts = Vec::new();
    for (hour, part) in [(498_775, 0), (498_775, 1), (498_775, 9_999), (498_776, 0)] {
        let name = Name { hour, part };
        for form in [Form::Plain, Form::Begun, Form::Compressed, Form::Unfinished] {
            let path = name.path(Path::new("/x"), form);
            let text = path.file_name().expect("a name").to_str().expect("text");
            assert_eq!(Name::parse(text), Some((name, form)), "{text}");
        }
        texts.push(name.to_string());
    }
    assert_eq!(texts[0], "records-2026-11-25T07.jsonl");
    assert_eq!(texts[1], "records-2026-11-25T07_0001.jsonl");
    assert!(texts.is_sorted(), "{texts:?}");
    for foreign in [
        "records-2026-11-25T07.jsonl.bak",
        "records-2026-11-25T7.jsonl",
        "records-2026-11-25T07_1.jsonl",
        "records-2026-11-25T07_0000.jsonl",
        "records-2026-11-25T24.jsonl",
        "records-1969-11-25T07.jsonl",
        "records-.jsonl",
        "records.jsonl",
        "notes",
    ] {
        assert_eq!(Name::parse(foreign), None, "{foreign}");
    }
}

#[test]
fn a_file_is_listed_whatever_form_it_is_taking() {
    let folder = tempfile::tempdir().expect("a folder");
    let names: Vec<Name> = (0..2_000).map(|part| Name { hour: 1, part }).collect();
    let path = |name: Name, form| name.path(folder.path(), form);
    for name in &names {
        fs::write(path(*name, Form::Plain), "").expect("written");
    }
    thread::scope(|scope| {
        let keeper = scope.spawn(|| {
            for name in &names {
                fs::write(path(*name, Form::Unfinished), "").expect("written");
                fs::rename(path(*name, Form::Unfinished), path(*name, Form::Compressed))
                    .expect("renamed");
                fs::remove_file(path(*name, Form::Plain)).expect("removed");
            }
        });
        while !keeper.is_finished() {
            let listed: Vec<Name> = files(folder.path())
                .expect("listed")
                .iter()
                .map(|entry| entry.name)
                .collect();
            assert_eq!(listed, names);
        }
    });
}

#[test]
fn an_exchange_stands_in_the_file_of_the_hour_in_which_it_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let path = settings.path.clone();
    let mut sink = RecordSink::folder(settings, None, SEVEN).expect("opened");
    sink.mark(SEVEN).expect("a mark");
    sink.committed();
    sink.write(&record(0, SEVEN + 10 * SECOND));
    sink.write(&record(1, SEVEN + HOUR - 1));
    sink.write(&record(2, SEVEN + HOUR));
    assert!(sink.turns());
    // One that is told late stands where the file is.
    sink.write(&record(3, SEVEN + HOUR - 5));
    sink.flush();
    // Nothing of the next hour is there before the journal can be written.
    assert_eq!(contents(&path).len(), 1);
    let mark = sink.mark(SEVEN + HOUR).expect("a mark");
    assert!(mark.path.ends_with("records-2026-11-25T08.jsonl"));
    assert!(path.join("records-2026-11-25T07.jsonl").exists());
    assert!(path.join("records-2026-11-25T08.jsonl.new").exists());
    sink.committed();
    wait_for("the closed file to be compressed", || {
        !path.join("records-2026-11-25T07.jsonl").exists()
    });
    assert_eq!(
        contents(&path),
        [
            ("records-2026-11-25T07.jsonl".to_owned(), vec![0, 1]),
            ("records-2026-11-25T08.jsonl".to_owned(), vec![2, 3]),
        ]
    );
    // An hour without a record begins a file too, so that what is old can go.
    sink.tick(SEVEN + 2 * HOUR);
    sink.tick(SEVEN + 2 * HOUR + 11 * SECOND);
    sink.mark(SEVEN + 2 * HOUR + 11 * SECOND).expect("a mark");
    sink.committed();
    assert!(path.join("records-2026-11-25T09.jsonl").exists());
    assert_eq!(mode(&path), 0o750);
    for entry in list(&path).expect("listed") {
        assert_eq!(mode(&entry.path), 0o640, "{}", entry.path.display());
    }
    // The clock was set back: a file of the hour that it is now, beside the one that there is.
    sink.mark(SEVEN + 60 * SECOND).expect("a mark");
    sink.committed();
    assert!(path.join("records-2026-11-25T07_0001.jsonl").exists());
}

#[test]
fn a_long_file_is_followed_by_another_of_the_same_hour() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        file_bytes: 2_000,
        ..settings(folder.path())
    };
    let path = settings.path.clone();
    let mut sink = RecordSink::folder(settings, None, SEVEN).expect("opened");
    for number in 0..40 {
        sink.write(&record(number, SEVEN + SECOND));
        sink.mark(SEVEN + SECOND);
        sink.committed();
    }
    drop(sink);
    let contents = contents(&path);
    assert!(contents.len() >= 5, "{contents:?}");
    assert_eq!(contents[1].0, "records-2026-11-25T07_0001.jsonl");
    let all: Vec<usize> = contents.into_iter().flat_map(|(_, all)| all).collect();
    assert_eq!(all, (0..40).collect::<Vec<_>>());
}

/// What a process does, and what ends it.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many records.
    Write(usize),
    /// Time passes. Seconds.
    Pass(u64),
    /// The journal is written, and what follows it is done.
    Commit,
    /// It is killed.
    Kill,
    /// It is killed with what was marked, but not in the journal.
    KillBeforeJournal,
    /// It is killed with the mark in the journal, before anything else.
    KillAfterJournal,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_usize..20).prop_map(Step::Write),
        2 => (1_u64..3_000).prop_map(Step::Pass),
        4 => Just(Step::Commit),
        1 => Just(Step::Kill),
        1 => Just(Step::KillBeforeJournal),
        1 => Just(Step::KillAfterJournal),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However it ends: what is read after a restart is what the journal stands for, and what comes again is there once.
    #[test]
    fn no_record_is_missed_or_repeated(steps in steps()) {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings { file_bytes: 8_000, ..settings(folder.path()) };
        let path = settings.path.clone();
        let mut now = SEVEN;
        let mut journal: (Option<RecordsMark>, usize) = (None, 0);
        let start = |journal: &(Option<RecordsMark>, usize), now| {
            if let Some(mark) = &journal.0 {
                cut_back(mark).expect("cut");
            }
            RecordSink::folder(settings.clone(), journal.0.as_ref(), now).expect("opened")
        };
        let mut sink = start(&journal, now);
        // As the daemon does before it reads anything.
        journal = (sink.mark(now), 0);
        sink.committed();
        let mut next = 0;
        for step in steps {
            let mut killed = true;
            match step {
                Step::Write(count) => {
                    for _ in 0..count {
                        sink.write(&record(next, now));
                        next += 1;
                    }
                    sink.tick(now);
                    killed = false;
                }
                Step::Pass(seconds) => {
                    now += seconds * SECOND;
                    sink.tick(now);
                    killed = false;
                }
                Step::Commit => {
                    journal = (sink.mark(now), next);
                    sink.committed();
                    killed = false;
                }
                Step::Kill => sink.flush(),
                Step::KillBeforeJournal => drop(sink.mark(now)),
                Step::KillAfterJournal => journal = (sink.mark(now), next),
            }
            if killed {
                drop(sink);
                next = journal.1;
                sink = start(&journal, now);
                let read = contents(&path).into_iter().flat_map(|(_, numbers)| numbers);
                prop_assert_eq!(read.collect::<Vec<_>>(), (0..next).collect::<Vec<_>>());
                journal = (sink.mark(now), next);
                sink.committed();
            }
        }
        sink.mark(now);
        sink.committed();
        drop(sink);
        let read = contents(&path).into_iter().flat_map(|(_, numbers)| numbers);
        prop_assert_eq!(read.collect::<Vec<_>>(), (0..next).collect::<Vec<_>>());
    }
}

#[test]
fn a_folder_that_cannot_be_used_costs_records_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let path = settings.path.clone();
    // In the place of the folder stands a file: not even root can go past it.
    fs::write(&path, "").expect("written");
    let mut sink = RecordSink::folder(settings, None, SEVEN).expect("opened");
    for number in 0..30_000 {
        sink.write(&record(number, SEVEN + SECOND));
    }
    sink.tick(SEVEN + SECOND);
    assert_eq!(sink.mark(SEVEN + SECOND), None);
    sink.committed();
    assert!(sink.lost() > 0 && sink.errors() > 0);
    // Once it can be made, what waited is written.
    fs::remove_file(&path).expect("removed");
    sink.tick(SEVEN + 2 * SECOND);
    sink.mark(SEVEN + 2 * SECOND).expect("a mark");
    sink.committed();
    let kept = sink.written();
    let read: usize = contents(&path).iter().map(|(_, all)| all.len()).sum();
    assert_eq!(read as u64, kept);
    // Somebody removes all of it: the next hour makes it again.
    fs::remove_dir_all(&path).expect("removed");
    sink.write(&record(0, SEVEN + HOUR));
    sink.mark(SEVEN + HOUR).expect("a mark");
    sink.committed();
    assert_eq!(
        contents(&path),
        [("records-2026-11-25T08.jsonl".to_owned(), vec![0])]
    );
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let path = settings.path.clone();
    let mut sink = RecordSink::folder(settings, None, SEVEN).expect("opened");
    sink.mark(SEVEN);
    sink.committed();
    sink.write(&record(0, SEVEN));
    let (file, away) = (
        path.join("records-2026-11-25T07.jsonl"),
        folder.path().join("away"),
    );
    sink.reopen().expect("reopened");
    fs::rename(&file, &away).expect("renamed");
    sink.write(&record(1, SEVEN));
    sink.reopen().expect("reopened");
    sink.write(&record(2, SEVEN));
    sink.flush();
    assert_eq!((numbers(&away), numbers(&file)), (vec![0, 1], vec![2]));
}

fn fill(path: PathBuf, bytes: usize) {
    fs::write(path, vec![b'\n'; bytes]).expect("written");
}

#[test]
fn what_is_too_old_or_too_much_goes_the_oldest_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos() as u64;
    let settings = Settings {
        keep: Duration::from_secs(10 * 3_600),
        max_bytes: 100_000,
        file_bytes: 10_000,
        ..settings(folder.path())
    };
    let path = settings.path.clone();
    fs::create_dir(&path).expect("made");
    let hour = now / HOUR;
    let file = |ago: u64, form: Form| {
        Name {
            hour: hour - ago,
            part: 0,
        }
        .path(&path, form)
    };
    fill(file(12, Form::Plain), 10);
    fill(file(11, Form::Compressed), 10);
    fill(file(8, Form::Compressed), 40_000);
    fill(file(7, Form::Compressed), 40_000);
    fill(file(6, Form::Compressed), 40_000);
    fill(file(5, Form::Unfinished), 40_000);
    fill(path.join("notes"), 200_000);
    let mut sink = RecordSink::folder(settings, None, now).expect("opened");
    sink.mark(now);
    sink.committed();
    let left = || {
        let entries = list(&path).expect("listed");
        entries
            .into_iter()
            .map(|entry| entry.path)
            .collect::<Vec<_>>()
    };
    let wanted = [
        file(7, Form::Compressed),
        file(6, Form::Compressed),
        file(0, Form::Plain),
    ];
    wait_for("old files to go", || left() == wanted);
    assert!(path.join("notes").exists());
    let removed = |(reason, count)| (reason == "file_removed_early").then_some(count);
    wait_for("it to be counted", || {
        sink.dropped().find_map(removed) == Some(1)
    });
}

#[test]
fn a_compressed_file_that_is_whole_is_not_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let path = settings.path.clone();
    let mut sink = RecordSink::folder(settings.clone(), None, SEVEN).expect("opened");
    sink.write(&record(0, SEVEN));
    sink.mark(SEVEN);
    sink.committed();
    sink.write(&record(1, SEVEN + HOUR));
    sink.mark(SEVEN + HOUR);
    let plain = path.join("records-2026-11-25T07.jsonl");
    let lines = fs::read(&plain).expect("read");
    sink.committed();
    wait_for("the closed file to be compressed", || !plain.exists());
    let mark = sink.mark(SEVEN + HOUR);
    drop(sink);
    let compressed = path.join("records-2026-11-25T07.jsonl.gz");
    let before = fs::metadata(&compressed).expect("there").modified().ok();
    // Killed before the original went; and another one, before its copy was whole.
    fs::write(&plain, lines).expect("written");
    let sink = RecordSink::folder(settings.clone(), mark.as_ref(), SEVEN + HOUR).expect("opened");
    wait_for("the original to go", || !plain.exists());
    assert_eq!(
        fs::metadata(&compressed).expect("there").modified().ok(),
        before
    );
    drop(sink);
    let whole = fs::read(&compressed).expect("read");
    fs::write(&compressed, &whole[..whole.len() / 2]).expect("written");
    let mut unended = Lines::open(&compressed).expect("opened");
    assert!(unended.next(&mut Vec::new()).is_err(), "cut off");
}

#[test]
fn a_line_that_was_cut_off_or_is_endless_costs_only_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = settings(folder.path());
    let path = settings.path.clone();
    fs::create_dir(&path).expect("made");
    let file = path.join("records-2026-11-25T07.jsonl");
    let mut text = vec![b'x'; MAX_LINE + 10];
    text.extend_from_slice(b"\ny\nz");
    fs::write(&file, &text).expect("written");
    let mut sink = RecordSink::folder(settings, None, SEVEN).expect("opened");
    sink.write(&record(0, SEVEN));
    drop(sink);
    let mut lines = Lines::open(&file).expect("opened");
    let mut line = Vec::new();
    let mut read = || lines.next(&mut line).expect("read");
    let found = [read(), read(), read(), read(), read()];
    let wanted = [Next::TooLong, Next::Line, Next::Line, Next::Line, Next::End];
    assert_eq!(found, wanted);
}
