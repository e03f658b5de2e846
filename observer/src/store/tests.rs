use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rusqlite::Connection;

use super::{
    Journal, Kept, Mark, Period, Position, Retention, StoreError, Writer, batch, begun, coverage,
    open, open_to_read, sweep, usage,
};
use crate::usage::batch::{CoverageRow, GapRow, LatencyRow, Rows, Sums, WindowRow};

const RETENTION: Retention = Retention {
    minutes: 172_800,
    quarters: 62 * 86_400,
    days: 1826 * 86_400,
    max_bytes: 1 << 40,
};

fn window(start: u64, consumer: &str, requests: u64) -> WindowRow {
    WindowRow {
        start,
        consumer: consumer.into(),
        app: "".into(),
        key: "".into(),
        api: "api".into(),
        route: "/v1".into(),
        method: "GET".into(),
        status: Some(200),
        outcome: "ok".into(),
        sums: Sums {
            requests,
            uncertain: requests / 10,
            request_bytes: requests * 2,
            response_bytes: requests * 3,
            service_us: requests * 5,
        },
    }
}

fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn wait_for_batch(writer: &Writer, number: u64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while writer.status().batch < number {
        assert!(Instant::now() < deadline, "{:?}", writer.status());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn requests(ledger: &Connection, period: Period) -> u64 {
    let rows = usage(ledger, period, &["consumer"]).unwrap();
    rows.iter().map(|row| row.sums.requests).sum()
}

#[test]
fn a_batch_counts_once_however_often_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let minute = now() / 60 * 60;
    let rows = Arc::new(Rows {
        windows: vec![window(minute, "acme", 10), window(minute, "beta", 4)],
        coverage: vec![CoverageRow {
            start: minute,
            reason: "ring_full".into(),
            count: 3,
        }],
        gaps: vec![GapRow {
            start: minute - 600,
            until: minute - 300,
            reason: "a reboot".into(),
        }],
        // What is no sketch is kept out of the way, and breaks nothing.
        latency: vec![LatencyRow {
            start: minute / 3_600 * 3_600,
            api: "api".into(),
            route: "/v1".into(),
            sketch: vec![1, 2, 3],
        }],
        ..Rows::default()
    });
    for process in 0..2 {
        let writer = Writer::start(&path, open(&path, None).ok(), RETENTION).unwrap();
        assert_eq!(writer.status().batch, process * 2);
        assert_eq!(writer.status().seen.is_some(), process > 0);
        for number in [1, 1, 2] {
            writer.write(number, Arc::clone(&rows));
        }
        wait_for_batch(&writer, 2);
        writer.finish();
    }
    let ledger = open_to_read(&path).unwrap();
    // By the minute, the quarter-hour and the day.
    for step in [60, 900, 86_400] {
        let from = minute / step * step;
        let until = from + step;
        assert_eq!(requests(&ledger, Period { from, until }), 28, "{step}");
    }
    let period = Period {
        from: minute - 3_600,
        until: minute + 60,
    };
    let found = coverage(&ledger, period).unwrap();
    assert_eq!(found.reasons.get("ring_full"), Some(&6));
    assert_eq!(found.gaps.len(), 2);
    // 26 of 28 are certain, and 6 more were lost.
    assert!(
        (found.completeness() - 26.0 / 32.0).abs() < 1e-9,
        "{found:?}"
    );
}

#[test]
fn old_windows_go_and_a_full_ledger_loses_the_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let (today, old) = (now() / 86_400 * 86_400, now() - 10 * 86_400);
    let short = Retention {
        minutes: 86_400,
        quarters: 5 * 86_400,
        ..RETENTION
    };
    let writer = Writer::start(&path, open(&path, None).ok(), short).unwrap();
    let windows = vec![window(old / 60 * 60, "acme", 7), window(today, "acme", 1)];
    writer.write(
        1,
        Arc::new(Rows {
            windows,
            ..Rows::default()
        }),
    );
    writer.finish();
    let ledger = open_to_read(&path).unwrap();
    let count = |table: &str| -> u64 {
        let query = format!("SELECT count(*) FROM {table}");
        ledger.query_row(&query, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("minute"), count("quarter"), count("day")), (1, 1, 2));
    // What is asked for of long ago is answered from what is still there.
    let asked = Period {
        from: old,
        until: old + 60,
    };
    let kept = Kept::at(&ledger, &short, now()).unwrap();
    let widened = asked.widened(&kept, now());
    assert_eq!(requests(&ledger, widened), 7);
    assert_eq!(widened.from % 86_400, 0);

    // Who raises the retention does not get back what went under the lower one.
    let raised = asked.widened(&Kept::at(&ledger, &RETENTION, now()).unwrap(), now());
    assert_eq!(raised, widened);

    let tiny = Retention {
        max_bytes: 1,
        ..RETENTION
    };
    let writer = Writer::start(&path, open(&path, None).ok(), tiny).unwrap();
    let windows = vec![window(today, "acme", 1)];
    writer.write(
        2,
        Arc::new(Rows {
            windows,
            ..Rows::default()
        }),
    );
    wait_for_batch(&writer, 2);
    writer.finish();
    assert_eq!((count("minute"), count("quarter"), count("day")), (0, 0, 0));
}

#[test]
fn what_is_uncertain_is_told_apart_by_whether_somebody_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = open(&folder.path().join("ledger"), None).unwrap();
    let day = now() / 86_400 * 86_400 - 2 * 86_400;
    // One in ten is uncertain; the last half-hour makes up a piece of its own.
    let windows = ["acme", "__unknown__", "__unkeyed__", "_"].map(|name| window(day, name, 40));
    let rows = Rows {
        windows: [windows.to_vec(), vec![window(day + 86_400, "acme", 20)]].concat(),
        ..Rows::default()
    };
    batch::write(&mut ledger, &mut HashMap::new(), 1, &rows, now()).unwrap();
    let period = Period {
        from: day,
        until: day + 86_400 + 1_800,
    };
    let found = coverage(&ledger, period).unwrap();
    assert_eq!((found.certain, found.named), (4 * 36 + 18, 4 + 4 + 2));
}

/// Usage of an hour that has only its day left is none of a quarter-hour's, and a day that is not whole is not known.
#[test]
fn what_made_room_is_known_to_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let mut ledger = open(&path, None).unwrap();
    let day = now() / 86_400 * 86_400 - 2 * 86_400;
    let windows = (0..96).map(|quarter| window(day + quarter * 900, "acme", 1));
    let rows = Rows {
        windows: windows.collect(),
        ..Rows::default()
    };
    batch::write(&mut ledger, &mut HashMap::new(), 1, &rows, now()).unwrap();
    assert_eq!(begun(&ledger).unwrap(), Some(day));
    let kept = |ledger: &_| Kept::at(ledger, &RETENTION, now()).unwrap();
    let night = Period {
        from: day + 79_200,
        until: day + 86_400,
    };
    assert_eq!(night.widened(&kept(&ledger), now()), night);

    let room = |ledger: &mut _, at: usize| sweep::make_room(ledger, batch::STEPS[at]).unwrap();
    assert_eq!((room(&mut ledger, 0), room(&mut ledger, 1)), (96, 96));
    let widened = night.widened(&kept(&ledger), now());
    assert_eq!((widened.from, widened.until), (day, day + 86_400));
    assert_eq!(requests(&ledger, widened), 96);
    // That it began at midnight is all that is left to tell of its beginning.
    assert_eq!(begun(&ledger).unwrap(), Some(day));

    // Of the day, what came late.
    assert_eq!(room(&mut ledger, 2), 1);
    let late = Rows {
        windows: vec![window(day, "acme", 1)],
        ..Rows::default()
    };
    batch::write(&mut ledger, &mut HashMap::new(), 2, &late, now()).unwrap();
    assert_eq!(begun(&ledger).unwrap(), Some(day + 86_400));
    let found = coverage(&ledger, widened).unwrap();
    assert_eq!(found.observed(widened, begun(&ledger).unwrap()), 0.0);
}

#[test]
fn a_later_versions_ledger_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let ledger = open(&path, Some("abc")).unwrap();
    assert_eq!(super::id(&ledger).unwrap(), "abc");
    ledger.pragma_update(None, "user_version", 99).unwrap();
    drop(ledger);
    assert!(matches!(
        open(&path, None),
        Err(StoreError::Later { found: 99, .. })
    ));
    assert!(matches!(
        open_to_read(&path),
        Err(StoreError::Later { found: 99, .. })
    ));
}

#[test]
fn a_damaged_ledger_is_known_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    std::fs::write(&path, [7; 4096]).unwrap();
    assert!(open(&path, None).unwrap_err().is_corruption());
    let aside = super::set_aside(&path).unwrap();
    assert_eq!(std::fs::read(aside).unwrap(), [7; 4096]);
    open(&path, None).unwrap();
}

#[test]
fn a_journal_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    assert!(Journal::read(&path).unwrap().is_none());
    let mark = Mark {
        ledger: "abc".into(),
        positions: vec![Position { read: 9, held: 4 }],
        counters: vec![1, 2],
        next_batch: 8,
        ..Mark::default()
    };
    let rows = Rows {
        windows: vec![window(60, "acme", 10)],
        ..Rows::default()
    };
    Journal::write(&path, &mark, &[(7, &rows)], std::iter::empty()).unwrap();
    let journal = Journal::read(&path).unwrap().unwrap();
    assert_eq!(journal.mark, mark);
    assert_eq!(journal.batches, [(7, rows)]);
    assert!(journal.flows.is_empty());
}

proptest! {
    #[test]
    fn any_bytes_are_a_journal_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut text = b"observer journal 1\n".to_vec();
        text.extend(&bytes);
        std::fs::write(&path, text).unwrap();
        // What it says is checked against the ledger and the rings; here, that it holds no more than there was.
        if let Ok(Some(journal)) = Journal::read(&path) {
            prop_assert!(journal.mark.positions.len() + journal.batches.len() <= bytes.len());
        }
    }
}

#[test]
fn hours_and_days_are_columns_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    // A day before yesterday begins: nothing of it is too old by the minute.
    let day = (now() / 86_400 - 1) * 86_400;
    let windows = [
        (day + 60, 1),
        (day + 3_600, 2),
        (day + 7_140, 4),
        (day + 86_400, 8),
    ];
    let rows = Arc::new(Rows {
        windows: windows
            .map(|(start, requests)| window(start, "acme", requests))
            .to_vec(),
        ..Rows::default()
    });
    let writer = Writer::start(&path, Some(open(&path, None).unwrap()), RETENTION).unwrap();
    writer.write(1, rows);
    wait_for_batch(&writer, 1);
    let ledger = open_to_read(&path).unwrap();
    let period = Period {
        from: day,
        until: day + 2 * 86_400,
    };
    let asked = |columns: &[&'static str]| -> Vec<(Vec<String>, u64)> {
        let rows = usage(&ledger, period, columns).unwrap().into_iter();
        rows.map(|row| (row.group, row.sums.requests)).collect()
    };
    let hours = asked(&["hour"]);
    let counts: Vec<u64> = hours.iter().map(|(_, requests)| *requests).collect();
    assert_eq!(counts, [1, 6, 8], "in order of time");
    assert!(hours[1].0[0].ends_with("T01:00:00Z"), "{hours:?}");
    let days = asked(&["consumer", "day"]);
    let counts: Vec<u64> = days.iter().map(|(_, requests)| *requests).collect();
    assert_eq!(counts, [7, 8]);
    assert_eq!(days[0].0, ["acme", &hours[0].0[0][..10]]);
    // Long ago only days are left.
    let writable = rusqlite::Connection::open(&path).unwrap();
    writable
        .execute_batch("DELETE FROM minute; DELETE FROM quarter")
        .unwrap();
    assert!(asked(&["hour"]).is_empty());
    assert_eq!(asked(&["day"]).len(), 2);
    assert_eq!(
        period.before(),
        Period {
            from: day - 2 * 86_400,
            until: day,
        }
    );
}
