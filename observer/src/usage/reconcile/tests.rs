use std::collections::BTreeMap;

use super::log::Line;
use super::*;

const SECOND: Micros = 1_000_000;
const TOLERANCE: Tolerance = Tolerance {
    window: 10 * SECOND,
    slack: SECOND / 10,
    share: 0.01,
};

fn entry(time: Micros, what: &str, status: u16, bytes: u64, line: u64) -> Entry {
    let client = "192.0.2.7".parse().ok();
    Entry {
        time,
        key: key("GET", what, client),
        status,
        bytes: Some(bytes),
        consumer: None,
        what: what.into(),
        client,
        line,
        text: xxh3_64(format!("{} {what} {status} {bytes}", time / SECOND).as_bytes()),
        certain: true,
    }
}

/// Matches two lists, read in turns by their times.
fn matched(wire: Vec<Entry>, log: Vec<Entry>, gaps: Vec<Gap>) -> Vec<Finding> {
    let mut matcher = Matcher::new(TOLERANCE, gaps);
    let mut found = Vec::new();
    let (mut wire, mut log) = (wire.into_iter().peekable(), log.into_iter().peekable());
    loop {
        let from_wire = match (wire.peek(), log.peek()) {
            (Some(_), Some(_)) => matcher.wants_wire(),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        match if from_wire { wire.next() } else { log.next() } {
            Some(entry) if from_wire => matcher.wire(entry),
            Some(entry) => matcher.log(entry),
            None => break,
        }
        matcher.settle(&mut |finding| found.push(finding));
    }
    matcher.finish(&mut |finding| found.push(finding));
    assert_eq!(matcher.held, 0);
    found
}

fn refs<T>(all: &[T]) -> Vec<&T> {
    all.iter().collect()
}

fn counted(found: &[Finding]) -> BTreeMap<Class, usize> {
    let mut counts = BTreeMap::new();
    for finding in found {
        *counts.entry(finding.class).or_default() += 1;
    }
    counts
}

/// A hundred thousand requests of a hundred paths, a hundred a second, some of them the same at the same time.
fn traffic() -> (Vec<Entry>, Vec<Entry>) {
    let mut wire = Vec::new();
    for number in 0..100_000_u64 {
        let time = number as Micros * SECOND / 100;
        let path = format!("/v1/{}", number * 7_919 % 100);
        let status = if number % 37 == 0 { 404 } else { 200 };
        wire.push(entry(time, &path, status, number * 31 % 5_000, number));
    }
    let mut log = wire.clone();
    for line in &mut log {
        line.time += 3_000;
    }
    (wire, log)
}

#[test]
fn both_sides_agree() {
    let (wire, log) = traffic();
    let found = matched(wire, log, Vec::new());
    assert_eq!(counted(&found), BTreeMap::from([(Class::Matched, 100_000)]));
    assert!(found.iter().all(|finding| {
        let line = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.line);
        line(&finding.wire) == line(&finding.log)
    }));
}

#[test]
fn exactly_what_was_altered_is_found() {
    let (wire, mut log) = traffic();
    let twice: Vec<Entry> = log.iter().skip(11).step_by(5_000).cloned().collect();
    for line in log.iter_mut().skip(13).step_by(5_000) {
        line.status = 500;
    }
    for line in log.iter_mut().skip(17).step_by(5_000) {
        line.bytes = line.bytes.map(|bytes| bytes + 9_000);
    }
    for line in log.iter_mut().skip(19).step_by(5_000) {
        line.key ^= 1;
    }
    log.retain(|line| line.line % 5_000 != 23);
    log.extend(twice);
    log.sort_by_key(|line| line.time);
    let found = matched(wire, log, Vec::new());
    let of = |class: Class| {
        let lines = found.iter().filter(|finding| finding.class == class);
        let mut lines: Vec<u64> = lines
            .filter_map(|finding| finding.log.as_ref().or(finding.wire.as_ref()))
            .map(|entry| entry.line)
            .collect();
        lines.sort_unstable();
        lines
    };
    let every = |first: u64| (first..100_000).step_by(5_000).collect::<Vec<_>>();
    assert_eq!(of(Class::DuplicateInLog), every(11));
    assert_eq!(of(Class::StatusMismatch), every(13));
    assert_eq!(of(Class::BytesMismatch), every(17));
    assert_eq!(of(Class::LogOnly), every(19));
    let mut only = every(19);
    only.extend(every(23));
    only.sort_unstable();
    assert_eq!(of(Class::WireOnly), only);
    assert_eq!(of(Class::Matched).len(), 100_000 - 4 * 20);
}

#[test]
fn nothing_is_claimed_in_a_gap_or_of_what_was_not_read() {
    let (mut wire, log) = traffic();
    let (from, until) = (300 * SECOND, 320 * SECOND);
    wire.retain(|exchange| !(from..until).contains(&exchange.time));
    let found = matched(wire.clone(), log.clone(), vec![(from, until)]);
    assert_eq!(
        counted(&found),
        BTreeMap::from([
            (Class::Matched, 98_000),
            (Class::ExplainedByCaptureGap, 2_000)
        ])
    );
    let found = matched(wire, log, Vec::new());
    assert_eq!(counted(&found).get(&Class::LogOnly), Some(&2_000));

    let mut matcher = Matcher::new(TOLERANCE, Vec::new());
    let client = "192.0.2.7".parse().expect("an address");
    matcher.unread(client, SECOND);
    matcher.log(entry(SECOND, "/a", 200, 1, 1));
    matcher.log(entry(SECOND, "/b", 200, 1, 2));
    let mut uncertain = entry(50 * SECOND, "/c", 0, 0, 3);
    uncertain.certain = false;
    matcher.wire(uncertain.clone());
    matcher.log(entry(50 * SECOND, "/c", 200, 5_000, 3));
    uncertain.key = 7;
    matcher.wire(uncertain);
    let mut found = Vec::new();
    matcher.finish(&mut |finding| found.push(finding));
    // One exchange that was not read stands for one line.
    assert_eq!(
        counted(&found),
        BTreeMap::from([
            (Class::Matched, 1),
            (Class::LogOnly, 1),
            (Class::ExplainedByCaptureGap, 2)
        ])
    );
}

#[test]
fn consumers_are_compared_where_both_are_known() {
    let (mut wire, mut log) = (entry(0, "/a", 200, 1, 1), entry(0, "/a", 200, 1, 1));
    let mut class = |of_wire: Option<&str>, of_log: Option<&str>| {
        wire.consumer = of_wire.map(Into::into);
        log.consumer = of_log.map(Into::into);
        matched(vec![wire.clone()], vec![log.clone()], Vec::new())[0].class
    };
    assert_eq!(class(Some("acme"), Some("acme")), Class::Matched);
    assert_eq!(class(Some("acme"), None), Class::Matched);
    assert_eq!(class(Some("acme"), Some("beta")), Class::ConsumerMismatch);
}

#[test]
fn clocks_and_meanings_are_found_out() {
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % below
    };
    let peer = "10.0.0.1".parse().expect("an address");
    let client = "192.0.2.7".parse().expect("an address");
    for (skew, begins, whole, of_peer) in [
        (0, false, false, true),
        (-3_600 * SECOND, true, true, false),
        (700_000, true, false, true),
    ] {
        let (mut records, mut lines) = (Vec::new(), Vec::new());
        for number in 0..2_000_u64 {
            let begin = number as Micros * 10_000;
            let end = begin + next(3_000_000) as Micros;
            let record = Record {
                begin,
                end,
                peer,
                client,
                port: 80,
                method: "GET".into(),
                path: format!("/{}", next(1_500)).into(),
                status: 200,
                head: 200 + number % 7,
                body: next(5_000),
                whole: true,
                consumer: "acme".into(),
                certain: true,
                refused: false,
                is_route: false,
                text: 0,
            };
            lines.push(Line {
                time: (if begins { begin } else { end }) / 1_000 * 1_000 + skew,
                client: Some(if of_peer { peer } else { client }),
                method: record.method.clone(),
                path: record.path.clone(),
                status: 200,
                bytes: Some(record.body + if whole { record.head } else { 0 }),
                consumer: None,
            });
            records.push(record);
        }
        let fit = fit(&refs(&records), &refs(&lines), 1_000);
        assert!(fit.pairs > 300, "{fit:?}");
        assert!((fit.skew - skew).abs() <= 1_000, "{fit:?}");
        assert!(fit.slack < 100_000, "{fit:?}");
        assert_eq!((fit.begin, fit.whole, fit.peer), (begins, whole, of_peer));
    }
}

#[test]
fn servers_are_told_by_their_exchanges() {
    let client = "192.0.2.7".parse().expect("an address");
    let record = |port: u16, number: u64| Record {
        begin: 0,
        end: 0,
        peer: client,
        client,
        port,
        method: "GET".into(),
        path: format!("/{number}").into(),
        status: 200,
        head: 0,
        body: 0,
        whole: true,
        consumer: "acme".into(),
        certain: true,
        refused: false,
        is_route: false,
        text: 0,
    };
    let line = |number: u64| Line {
        time: 0,
        client: Some(client),
        method: "GET".into(),
        path: format!("/{number}").into(),
        status: 200,
        bytes: None,
        consumer: None,
    };
    // Another server of the same paths, and one of some of its own.
    let records: Vec<Record> = (0..1_000)
        .map(|number| record(80, number))
        .chain((200..900).map(|number| record(81, number)))
        .chain((1_000..1_100).map(|number| record(82, number)))
        .collect();
    let lines: Vec<Line> = (0..1_100).map(line).collect();
    assert_eq!(ports(&refs(&records), &refs(&lines[..1_000])), [80]);
    assert_eq!(ports(&refs(&records), &refs(&lines)), [80, 82]);
    assert_eq!(ports(&refs(&records), &[]), [0_u16; 0]);
}
