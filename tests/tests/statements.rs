//! Statements as the command makes them: of a year of usage, closed once, corrected by credit notes, and never half there.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use observer::usage::money::Money;
use observer_tests::bills::{Bills, files};
use observer_tests::process::{Process, finish, run};
use observer_tests::require::{binary, require};
use serde_json::Value;

/// 2025-01-01 in UTC.
const YEAR: u64 = 20_089 * 86_400;
const DAY: u64 = 86_400;
const ACCOUNTS: usize = 21;

fn command(bills: &Bills, words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .arg("invoice")
        .args(words)
        .arg("--config")
        .arg(bills.config());
    command
}

fn json(bills: &Bills, words: &[&str]) -> Value {
    let text = run(command(bills, words).args(["--format", "json"]));
    serde_json::from_str(&text).expect("the answer is JSON")
}

fn rows(answer: &Value) -> &[Value] {
    answer["rows"].as_array().expect("rows")
}

fn money(value: &Value) -> Money {
    value.as_str().expect("a text").parse().expect("an amount")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_year_is_closed_once_and_is_the_same_from_then_on() {
    if !require(&[]) {
        return;
    }
    let mut bills = Bills::new(ACCOUNTS);
    bills.use_up(ACCOUNTS, YEAR - DAY, 367);
    let first = run(&mut command(
        &bills,
        &["--period", "2025", "--format", "json"],
    ));
    let answer: Value = serde_json::from_str(&first).expect("the answer is JSON");
    assert_eq!(
        rows(&answer).len(),
        ACCOUNTS * 12,
        "everybody, each month, at whatever price"
    );

    // What is charged is what was used, to the request.
    let by = run(Command::new(binary())
        .args([
            "usage",
            "--from",
            "2025-03-01",
            "--to",
            "2025-04-01",
            "--format",
            "json",
            "--config",
        ])
        .arg(bills.config()));
    let usage: Value = serde_json::from_str(&by).expect("the answer is JSON");
    let mut checked = 0;
    for row in rows(&usage) {
        let invoice = rows(&answer).iter().find(|one| {
            one["consumer"] == row["consumer"]
                && one["period"]["name"] == "2025-03"
                && one["period"]["time_zone"] == "UTC"
        });
        if let Some(invoice) = invoice {
            assert_eq!(invoice["usage"]["requests"], row["requests"]);
            assert_eq!(invoice["usage"]["response_bytes"], row["response_bytes"]);
            checked += 1;
        }
    }
    assert!(checked >= 7, "{checked}");

    let mut numbers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in rows(&answer) {
        let sum = |of: &str, field: &str| {
            let amounts = one[of].as_array().expect("a list").iter();
            amounts.fold(Money::ZERO, |sum, line| {
                sum.plus(money(&line[field])).expect("a sum")
            })
        };
        assert_eq!(sum("lines", "amount"), money(&one["net"]), "{one}");
        assert_eq!(sum("taxes", "amount"), money(&one["tax"]), "{one}");
        let total = money(&one["net"]).plus(money(&one["tax"])).expect("a sum");
        assert_eq!(total, money(&one["total"]), "{one}");
        if one["showback"] == true {
            assert_eq!(money(&one["total"]), Money::ZERO, "{one}");
            assert!(one["lines"].as_array().expect("lines").len() >= 2, "{one}");
        }
        let consumer = one["consumer"].as_str().expect("a text");
        numbers
            .entry(consumer)
            .or_default()
            .push(one["number"].as_str().expect("a number"));
    }
    for (consumer, numbers) in numbers {
        let expected: Vec<_> = (1..=12)
            .map(|number| format!("{consumer}-2025-{number:04}"))
            .collect();
        assert_eq!(numbers, expected);
    }
    // In a time zone with a winter and a summer time, a year has as many hours as anywhere.
    let hours = |zone: &str| -> i64 {
        let of = rows(&answer)
            .iter()
            .filter(|one| one["period"]["time_zone"] == zone);
        let seconds = of.map(|one| {
            let second = |field: &str| -> i64 {
                let text = one["period"][field].as_str().expect("a time");
                let date = Command::new("date")
                    .args(["-u", "-d", text, "+%s"])
                    .output()
                    .expect("date");
                String::from_utf8_lossy(&date.stdout)
                    .trim()
                    .parse()
                    .expect("seconds")
            };
            second("until") - second("from")
        });
        seconds.sum::<i64>() / 3_600 / 7
    };
    assert_eq!(
        (hours("Europe/Berlin"), hours("America/New_York")),
        (8_760, 8_760)
    );

    // Neither late usage nor other prices nor another name change what was closed.
    bills.add(0, YEAR + 40 * DAY, 1_000_000);
    bills.plan(&Bills::plans().replace("0.40", "0.80"));
    let kept = files(&bills.path("statements"));
    let again = run(&mut command(
        &bills,
        &["--period", "2025", "--format", "json"],
    ));
    assert_eq!(first, again, "byte by byte");
    assert_eq!(kept, files(&bills.path("statements")));
    for format in ["html", "csv", "focus", "json"] {
        let write = |folder: &str| {
            let out = bills.path(folder);
            let words = ["--period", "2025-06", "--format", format];
            run(command(&bills, &words).arg("--out").arg(&out));
            let written = files(&out).into_iter();
            written
                .map(|(path, bytes)| (path.file_name().map(ToOwned::to_owned), bytes))
                .collect::<Vec<_>>()
        };
        let (one, two) = (write(&format!("{format}-1")), write(&format!("{format}-2")));
        assert_eq!(one.len(), ACCOUNTS, "{format}");
        assert!(one == two, "{format}");
    }

    // A correction takes back what was there, and says why.
    let words = ["--period", "2025-02", "--consumer", "account-000"];
    let corrected = json(
        &bills,
        &[&words[..], &["--correct", "--reason", "late usage"]].concat(),
    );
    let [before, credit, after] = rows(&corrected) else {
        panic!("three documents: {corrected}")
    };
    assert_eq!(
        (&before["kind"], &credit["kind"], &after["kind"]),
        (&"invoice".into(), &"credit_note".into(), &"invoice".into())
    );
    assert_eq!(credit["corrects"], before["number"]);
    assert_eq!(
        (&credit["total"], &credit["reason"]),
        (&before["total"], &"late usage".into())
    );
    assert_eq!(
        (&credit["number"], &after["number"]),
        (
            &"account-000-2025-0013".into(),
            &"account-000-2025-0014".into()
        )
    );
    let requests = |one: &Value| one["usage"]["requests"].as_u64().expect("a count");
    assert_eq!(requests(after), requests(before) + 1_000_000);
    assert_eq!(json(&bills, &words)["rows"], corrected["rows"]);
    let nothing = finish(
        command(&bills, &words).args(["--correct", "--reason", "again"]),
        b"",
    );
    assert_eq!(nothing.status.code(), Some(2), "{}", said(&nothing));
}

#[test]
fn what_is_not_over_or_not_complete_is_not_closed() {
    if !require(&[]) {
        return;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    let mut bills = Bills::new(3);
    bills.use_up(3, now / DAY * DAY - DAY, 2);
    bills.use_up(3, YEAR, 31);
    let month = run(Command::new("date").args(["-u", "+%Y-%m"]));
    let running = json(&bills, &["--period", month.trim()]);
    assert!(
        rows(&running)
            .iter()
            .all(|one| one["kind"] == "draft" && one["number"].is_null())
    );
    let page = run(command(
        &bills,
        &[
            "--period",
            month.trim(),
            "--consumer",
            "account-000",
            "--format",
            "html",
        ],
    )
    .arg("--draft"));
    assert!(
        page.contains("DRAFT") || page.contains("Draft"),
        "it says so"
    );
    let over = json(&bills, &["--period", "2025-01", "--draft"]);
    assert!(
        rows(&over).iter().all(|one| one["kind"] == "draft"),
        "only looked at"
    );
    assert!(!bills.path("statements/2025-01").exists());
    for format in ["ubl", "peppol"] {
        let refused = finish(
            &mut command(
                &bills,
                &[
                    "--period",
                    month.trim(),
                    "--consumer",
                    "account-000",
                    "--format",
                    format,
                ],
            ),
            b"",
        );
        assert_eq!(refused.status.code(), Some(2));
        assert!(said(&refused).contains("draft"), "{}", said(&refused));
    }

    let ledger = rusqlite::Connection::open(bills.path("ledger.sqlite")).expect("the ledger");
    let missed = "INSERT INTO coverage VALUES (60, ?1, 'ring_full', 500), (900, ?1, 'ring_full', 500), (86400, ?1, 'ring_full', 500)";
    ledger.execute(missed, [YEAR]).expect("an entry");
    drop(ledger);
    let words = ["--period", "2025-01", "--require-completeness", "0.999"];
    let refused = finish(&mut command(&bills, &words), b"");
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("not closed"), "{}", said(&refused));
    assert!(
        !bills.path("statements/2025-01").exists(),
        "nothing was closed"
    );
    let closed = json(&bills, &["--period", "2025-01"]);
    for one in rows(&closed) {
        assert!(one["completeness"].as_f64() < Some(0.999), "{one}");
        assert!(one["notes"].to_string().contains("ring full"), "{one}");
    }
    for (words, why) in [
        (&["--period", "2025-13"][..], "billing period"),
        (&["--period", "soon"], "billing period"),
        (
            &["--period", "2025-01", "--consumer", "nobody"],
            "no account",
        ),
        (
            &["--period", "2025-01", "--require-completeness", "2"],
            "no share",
        ),
    ] {
        let output = finish(&mut command(&bills, words), b"");
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(said(&output).contains(why), "{}", said(&output));
    }
}

/// Killed at any moment, nothing is half there, and no number is left out.
#[test]
fn an_interrupted_run_leaves_no_half_file_and_no_gap() {
    if !require(&[]) {
        return;
    }
    let mut bills = Bills::new(ACCOUNTS);
    bills.use_up(ACCOUNTS, YEAR, 365);
    for milliseconds in [5, 20, 40, 80, 160] {
        let mut process = Process::start(
            command(&bills, &["--period", "2025", "--format", "csv"])
                .stdout(std::process::Stdio::null()),
        );
        std::thread::sleep(Duration::from_millis(milliseconds));
        process.kill();
        for (path, bytes) in files(&bills.path("statements")) {
            let name = path.file_name().expect("a name").to_string_lossy();
            if !name.starts_with('.') {
                serde_json::from_slice::<Value>(&bytes).expect("whole, or not there");
            }
        }
    }
    let whole = json(&bills, &["--period", "2025"]);
    let mut last: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in rows(&whole) {
        let text = |field: &str| one[field].as_str().expect("a text").to_owned();
        last.entry(text("consumer"))
            .or_default()
            .push(text("number"));
    }
    assert_eq!(last.len(), ACCOUNTS);
    for (consumer, mut numbers) in last {
        numbers.sort();
        let expected: Vec<_> = (1..=12)
            .map(|number| format!("{consumer}-2025-{number:04}"))
            .collect();
        assert_eq!(numbers, expected);
    }
    let held: Vec<_> = fs::read_dir(bills.path("statements"))
        .expect("the archive")
        .flatten()
        .collect();
    assert_eq!(held.len(), 13, "twelve months and the lock");
}

/// What fails is known before anything is closed, and what would charge an hour twice or give a number twice is refused.
#[test]
fn nothing_is_closed_that_could_not_be_written_or_would_be_wrong() {
    if !require(&[]) {
        return;
    }
    let mut bills = Bills::new(8);
    bills.use_up(8, YEAR, 120);
    let archive = bills.path("statements/2025-02");
    let fails = |bills: &Bills, words: &[&str], why: &str| {
        let output = finish(&mut command(bills, words), b"");
        assert_eq!(
            output.status.code(),
            Some(2),
            "{words:?}: {}",
            said(&output)
        );
        assert!(said(&output).contains(why), "{words:?}: {}", said(&output));
    };
    let config = fs::read_to_string(bills.config()).expect("the configuration");
    let unsold = config.split("[identity]").nth(1).expect("a section");
    fs::write(bills.config(), format!("[identity]{unsold}")).expect("writing");
    fails(
        &bills,
        &[
            "--period",
            "2025-02",
            "--consumer",
            "account-000",
            "--format",
            "ubl",
        ],
        "[seller]",
    );
    fs::write(bills.config(), config).expect("writing");
    fails(
        &bills,
        &["--period", "2025-02", "--format", "html"],
        "--out",
    );
    assert!(!archive.exists(), "nothing was closed");
    // Of a time that nobody observed nothing is charged.
    let open = finish(&mut command(&bills, &["--period", "2024-12"]), b"");
    assert_eq!(open.status.code(), Some(1), "{}", said(&open));
    assert!(
        said(&open).contains("is not closed: nothing is known"),
        "{}",
        said(&open)
    );
    fails(&bills, &["--period", "2100-01"], "has not begun");
    let before = json(&bills, &["--period", "2024-12", "--draft"]);
    assert!(rows(&before).iter().all(|one| one["kind"] == "draft"));
    assert!(
        rows(&before)[0]["notes"]
            .to_string()
            .contains("nothing is known")
    );

    let closed = json(&bills, &["--period", "2025-02"]);
    assert!(rows(&closed).iter().all(|one| one["kind"] == "invoice"));
    let registry = bills.path("registry.d/accounts.toml");
    let text = fs::read_to_string(&registry).expect("the registry");
    // Another time zone: an hour would be in both months, or in none.
    let moved = text.replacen("time_zone = \"UTC\"", "time_zone = \"Asia/Tokyo\"", 1);
    fs::write(&registry, moved).expect("writing");
    fails(
        &bills,
        &["--period", "2025-03", "--consumer", "account-000"],
        "time_zone",
    );
    fs::write(&registry, &text).expect("writing");
    // Who left the registry keeps what was closed.
    let left = text.replacen("account-001", "account-999", 1);
    fs::write(&registry, left).expect("writing");
    let again = json(
        &bills,
        &["--period", "2025-02", "--consumer", "account-001"],
    );
    assert_eq!(rows(&again)[0]["number"], "account-001-2025-0001");
    fs::write(&registry, &text).expect("writing");

    // A correction of a free statement, too, adds up to what is right.
    bills.add(4, YEAR + 33 * DAY, 500);
    for account in ["account-000", "account-004", "account-005"] {
        let number = account[8..].parse().expect("a number");
        bills.add(number, YEAR + 34 * DAY, 5_000);
        let words = ["--period", "2025-02", "--consumer", account];
        let corrected = json(
            &bills,
            &[&words[..], &["--correct", "--reason", "late"]].concat(),
        );
        let [_, _, after] = rows(&corrected) else {
            panic!("three documents: {corrected}")
        };
        let csv = run(command(&bills, &words).args(["--format", "csv"]));
        let mut lines = csv.lines();
        let names: Vec<_> = lines.next().expect("a header").rsplit(',').collect();
        // From the end: texts before it may hold commas.
        let at = names.iter().position(|name| *name == "amount");
        let sum = lines.fold(Money::ZERO, |sum, line| {
            let cell = line.rsplit(',').nth(at.expect("a column")).expect("a cell");
            sum.plus(cell.parse().expect("an amount")).expect("a sum")
        });
        assert_eq!(sum, money(&after["net"]), "{csv}");
    }
    // What was closed without a seller is no invoice, and stands in no invoice's way once it was corrected.
    let config = fs::read_to_string(bills.config()).expect("the configuration");
    let unsold = config.split("[identity]").nth(1).expect("a section");
    fs::write(bills.config(), format!("[identity]{unsold}")).expect("writing");
    let words = ["--period", "2025-03", "--consumer", "account-000"];
    let plain = json(&bills, &words);
    assert!(
        rows(&plain)[0]["lacks"].to_string().contains("seller name"),
        "{plain}"
    );
    fs::write(bills.config(), config).expect("writing");
    fails(
        &bills,
        &[&words[..], &["--format", "ubl"]].concat(),
        "was closed like that",
    );
    run(command(&bills, &words).args(["--correct", "--reason", "a seller"]));
    let out = bills.path("corrected");
    run(command(&bills, &words)
        .args(["--format", "ubl", "--out"])
        .arg(&out));
    let written: Vec<_> = files(&out).into_iter().map(|(path, _)| path).collect();
    assert_eq!(written, [out.join("account-000-2025-0006.xml")]);

    // A file that is lost gives no number twice.
    run(&mut command(&bills, &["--period", "2025-03"]));
    fs::remove_file(archive.join("account-002.json")).expect("removing");
    fails(
        &bills,
        &["--period", "2025-04", "--consumer", "account-002"],
        "backup",
    );
}
