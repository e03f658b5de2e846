//! What every reading command does first: ask the running daemon to write what it has, open the ledger, find the period.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::cli;
use super::config::{self, Config};
use super::failure::Failure;
use super::report;
use super::run::retention;
use crate::awareness::{Awareness, View};
use crate::identity::Registry;
use crate::identity::shown::Shown;
use crate::store::{self, Kept, Period};

/// How long the daemon may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// Seconds after which a period is not added to any more: exchanges that end late, and what the daemon has not written.
pub const LATE: u64 = 120;
/// How often somebody who waits for it is told so.
const MEANWHILE: Duration = Duration::from_millis(500);

/// The ledger, and the period that is asked for as the ledger can answer it.
pub struct Reading {
    /// The ledger.
    pub ledger: store::Reader,
    /// The period.
    pub period: Period,
    /// Why what the daemon has in memory is not in it.
    pub note: Option<String>,
}

/// Prepares to read.
///
/// # Errors
/// When there is no ledger, or the period is none.
pub fn open(config: &Config, asked: &cli::Period) -> Result<Reading, Failure> {
    let runs = runs(config);
    let note = ask(&config.control.socket, "commit").err();
    let ledger = ledger(config)?;
    let now = now();
    let failed = |error| Failure::input("ledger", error);
    let kept = Kept::at(&ledger, &retention(config), now).map_err(failed)?;
    let period = period(asked, now)?.widened(&kept, now);
    let unknown = unknown(&ledger, period, runs).map_err(failed)?;
    let note = join(note, unknown);
    Ok(Reading {
        ledger,
        period,
        note,
    })
}

/// Whether a daemon answers.
pub fn runs(config: &Config) -> bool {
    UnixStream::connect(&config.control.socket).is_ok()
}

/// Of which time of a period the ledger knows nothing: before it was begun, and since a daemon wrote to it that does not run now.
fn unknown(
    ledger: &store::Reader,
    period: Period,
    runs: bool,
) -> Result<Option<String>, rusqlite::Error> {
    let Some(begun) = store::begun(ledger)? else {
        return Ok(Some("nothing was observed yet".to_owned()));
    };
    let before = (begun > period.from).then(|| {
        format!(
            "nothing is known of the time before {}",
            report::time(begun)
        )
    });
    let seen = store::seen(ledger)?.filter(|seen| !runs && seen + LATE < period.until);
    let after = seen.map(|seen| {
        format!(
            "nothing is known of the time after {}: no daemon runs",
            report::time(seen)
        )
    });
    Ok(join(before, after))
}

fn join(one: Option<String>, two: Option<String>) -> Option<String> {
    match (one, two) {
        (Some(one), Some(two)) => Some(format!("{one}; {two}")),
        (one, two) => one.or(two),
    }
}

/// The period that is asked for.
///
/// # Errors
/// When it is none.
pub fn period(asked: &cli::Period, now: u64) -> Result<Period, Failure> {
    let from = moment(&asked.from, now)?;
    let until = match &asked.to {
        Some(to) => moment(to, now)?,
        None => now + 1,
    };
    if from >= until {
        return Err(Failure::input(
            "period",
            "its beginning is not before its end",
        ));
    }
    Ok(Period { from, until })
}

/// What the ledger knows of what is usual, and of how complete that is.
pub struct Known {
    /// The ledger.
    pub ledger: store::Reader,
    /// Awareness as its baselines have it.
    pub view: View,
    /// Since when, and until when: seconds since 1970 in UTC.
    pub from: u64,
    /// Now.
    pub now: u64,
    /// Certain exchanges among all that must have been.
    pub completeness: f64,
    /// Why what the daemon has in memory is not in it.
    pub note: Option<String>,
}

impl Known {
    /// Reads it, with what the running daemon has.
    ///
    /// # Errors
    /// When there is no ledger, or it cannot be read.
    pub fn read(config: &Config, registry: &Registry) -> Result<Self, Failure> {
        let note = ask(&config.control.socket, "commit all").err();
        let ledger = ledger(config)?;
        let failed = |error| Failure::input("ledger", error);
        let now = now();
        let mut awareness = Awareness::new(registry);
        awareness.restore(store::baselines(&ledger).map_err(failed)?, Vec::new(), now);
        let view = awareness.view();
        let from = if view.since == 0 { now } else { view.since };
        let coverage = store::coverage(&ledger, Period { from, until: now }).map_err(failed)?;
        Ok(Self {
            ledger,
            view,
            from,
            now,
            completeness: coverage.completeness(),
            note,
        })
    }
}

/// Opens the ledger.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn ledger(config: &Config) -> Result<store::Reader, Failure> {
    store::open_to_read(&config.ledger.path).map_err(|error| {
        Failure::input(
            "ledger",
            format_args!(
                "{error} (it is made by the first `observer run`; root and its user may read it)"
            ),
        )
    })
}

/// Asks the running daemon, if there is one, to write what it has seen. `request`: how much of it.
///
/// # Errors
/// Why it did not.
pub fn ask(socket: &Path, request: &str) -> Result<(), String> {
    if UnixStream::connect(socket).is_err() {
        return Ok(());
    }
    tell(socket, request)
        .map_err(|why| format!("what the daemon saw last is not in these figures: {why}"))
}

/// Tells the running daemon something, and waits until it has done it.
///
/// # Errors
/// Why it did not, or that there is none.
pub fn tell(socket: &Path, request: &str) -> Result<(), String> {
    wait(socket, request, PATIENCE, |_| {}).map(drop)
}

/// Tells the running daemon something, and waits so long until it has done it; `meanwhile` is called now and then, with the time
/// that has passed. Returns what it says to that.
///
/// # Errors
/// As [`tell`].
pub fn wait(
    socket: &Path,
    request: &str,
    patience: Duration,
    mut meanwhile: impl FnMut(Duration),
) -> Result<String, String> {
    let mut ask = || {
        let begin = Instant::now();
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(MEANWHILE))?;
        writeln!(stream, "{request}")?;
        let (mut reader, mut answer) = (BufReader::new(&stream), Vec::new());
        loop {
            match reader.read_until(b'\n', &mut answer) {
                Ok(_) => return Ok(String::from_utf8_lossy(&answer).into_owned()),
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock && begin.elapsed() < patience =>
                {
                    meanwhile(begin.elapsed());
                }
                Err(error) => return Err(error),
            }
        }
    };
    match ask() {
        Ok(answer) => match answer.trim().strip_prefix("ok") {
            Some(more) => Ok(more.trim().to_owned()),
            None => Err(answer.trim().trim_start_matches("failed: ").to_owned()),
        },
        Err(error) => Err(format!(
            "{error} (is `observer run` running, and are you root or its user?)"
        )),
    }
}

/// A time, or the beginning of a day in UTC.
pub fn timestamp(text: &str) -> Option<Timestamp> {
    let day = || {
        let day = text.parse::<Date>().ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(day)
}

/// A date, a time, or how long ago.
///
/// # Errors
/// When the text is none of these.
pub fn moment(text: &str, now: u64) -> Result<u64, Failure> {
    let ago = config::Period::parse(text).map(|period| now.saturating_sub(period.0.as_secs()));
    let absolute = || u64::try_from(timestamp(text)?.as_second()).ok();
    ago.or_else(absolute).ok_or_else(|| {
        Failure::input(
            "period",
            format_args!(
                "`{}` is no time (write 2026-11-22, 2026-11-22T10:00:00Z, or how long ago: 24h, 7d)",
                Shown(text)
            ),
        )
    })
}

/// Seconds since 1970 in UTC.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
