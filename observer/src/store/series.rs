//! Usage of a subject over time, and in parts: what plots and the tables beside them are made of.

#[cfg(test)]
mod tests;

use rusqlite::{Connection, OptionalExtension, ToSql, params_from_iter};

use super::batch::STEPS;
use super::{Period, kept};
use crate::usage::batch::Sums;

/// Whose usage is asked for; nothing: everybody's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Consumer.
    pub consumer: Option<String>,
    /// Key, by its id.
    pub key: Option<String>,
    /// API.
    pub api: Option<String>,
    /// Route.
    pub route: Option<String>,
}

/// Usage, with the errors in it: client, auth, limited, server, as [`crate::usage::ErrorClass::ALL`] has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What was used.
    pub sums: Sums,
    /// Errors by class.
    pub errors: [u64; 4],
    /// Requests that were answered and are no tunnel, and their microseconds.
    pub timed: (u64, u64),
}

/// Seconds of a day.
const DAY: u64 = 86_400;
/// Most parts of a kind that are told apart; the least used are left out.
const PARTS: usize = 1_000;

/// Requests by class of error, from status and outcome, as `usage::counters` tells classes: failures first, and no failure where it
/// was the observer that lost the response.
const ERRORS: &str = "
    sum(CASE WHEN NOT failed AND d.status BETWEEN 400 AND 499 AND d.status NOT IN (401, 403, 429) THEN requests ELSE 0 END),
    sum(CASE WHEN NOT failed AND d.status IN (401, 403) THEN requests ELSE 0 END),
    sum(CASE WHEN NOT failed AND d.status = 429 THEN requests ELSE 0 END),
    sum(CASE WHEN d.outcome = 'no_response' THEN max(requests - uncertain, 0)
             WHEN failed OR d.status >= 500 THEN requests ELSE 0 END)";
const SUMS: &str =
    "sum(requests), sum(uncertain), sum(request_bytes), sum(response_bytes), sum(service_us)";
/// As the sketches of service times leave out what has none: no response, and the lifetime of a tunnel.
const TIMED: &str = "sum(CASE WHEN d.status NOT IN (0, 101) THEN requests ELSE 0 END),
    sum(CASE WHEN d.status NOT IN (0, 101) THEN service_us ELSE 0 END)";

/// Usage of a period by steps of time: the first second of each, and what was used in it. Steps without usage are left out.
/// `step` is in seconds; the period begins and ends with one.
///
/// # Errors
/// What SQLite refuses.
pub fn series(
    ledger: &Connection,
    period: Period,
    step: u64,
    filter: &Filter,
) -> Result<Vec<(u64, Usage)>, rusqlite::Error> {
    let time = format!("start / {step} * {step}");
    let order = format!("GROUP BY {time} ORDER BY {time}");
    let mut points = Vec::new();
    read(
        ledger,
        period,
        step,
        filter,
        (&time, &order),
        |row, usage| {
            points.push((row.get(0)?, usage));
            Ok(())
        },
    )?;
    Ok(points)
}

/// Usage of a period in parts by these columns of the dimension table, the most used first. `step` says as for [`series`] which
/// table is read.
///
/// # Errors
/// What SQLite refuses.
pub fn parts(
    ledger: &Connection,
    period: Period,
    step: u64,
    filter: &Filter,
    columns: &[&'static str],
) -> Result<Vec<(Vec<String>, Usage)>, rusqlite::Error> {
    let names: Vec<String> = columns.iter().map(|name| format!("d.{name}")).collect();
    let names = names.join(", ");
    let order = format!("GROUP BY {names} ORDER BY sum(requests) DESC, {names} LIMIT {PARTS}");
    let group = format!("json_array({names})");
    let mut parts = Vec::new();
    read(
        ledger,
        period,
        step,
        filter,
        (&group, &order),
        |row, usage| {
            let names: Vec<serde_json::Value> =
                serde_json::from_str(&row.get::<_, String>(0)?).unwrap_or_default();
            let text = |name: serde_json::Value| match name {
                serde_json::Value::String(text) => text,
                number => number.to_string(),
            };
            parts.push((names.into_iter().map(text).collect(), usage));
            Ok(())
        },
    )?;
    Ok(parts)
}

/// The first second of the first step that is whole of those that [`series`] reads for `step`.
///
/// # Errors
/// What SQLite refuses.
pub fn first(ledger: &Connection, step: u64) -> Result<Option<u64>, rusqlite::Error> {
    let (table, step) = table(step);
    let query = format!("SELECT min(start) FROM {table}");
    let first: Option<u64> = ledger.query_row(&query, [], |row| row.get(0))?;
    let whole = kept::whole_since(ledger, step)?;
    Ok(first.map(|first| first.max(whole)))
}

/// When anything was kept first, as closely as that is known: to the minute of late, to the day of long ago.
///
/// # Errors
/// What SQLite refuses.
pub fn begun(ledger: &Connection) -> Result<Option<u64>, rusqlite::Error> {
    let Some(day) = first(ledger, DAY)? else {
        return Ok(None);
    };
    for step in [60, 900] {
        // Where shorter steps of that day were deleted, the first of the others says nothing of its beginning.
        if kept::whole_since(ledger, step)? > day {
            continue;
        }
        let closer = first(ledger, step)?.filter(|at| at / DAY * DAY == day);
        if closer.is_some() {
            return Ok(closer);
        }
    }
    Ok(Some(day))
}

/// The last second up to which the ledger has what was seen.
///
/// # Errors
/// What SQLite refuses.
pub fn seen(ledger: &Connection) -> Result<Option<u64>, rusqlite::Error> {
    let query = "SELECT value FROM meta WHERE name = 'seen'";
    ledger.query_row(query, [], |row| row.get(0)).optional()
}

/// The table that holds steps of this length, or shorter ones, and the length of its own.
fn table(step: u64) -> (&'static str, u64) {
    let [minute, quarter, day] = STEPS;
    match step {
        ..900 => minute,
        900..86_400 => quarter,
        _ => day,
    }
}

fn read(
    ledger: &Connection,
    period: Period,
    step: u64,
    filter: &Filter,
    (group, order): (&str, &str),
    mut take: impl FnMut(&rusqlite::Row<'_>, Usage) -> Result<(), rusqlite::Error>,
) -> Result<(), rusqlite::Error> {
    let (table, _) = table(step);
    let mut wanted = String::new();
    let mut values: Vec<&dyn ToSql> = vec![&period.from, &period.until];
    for (column, value) in [
        ("consumer", &filter.consumer),
        ("key", &filter.key),
        ("api", &filter.api),
        ("route", &filter.route),
    ] {
        if let Some(value) = value {
            values.push(value);
            wanted.push_str(&format!(" AND d.{column} = ?{}", values.len()));
        }
    }
    let mut statement = ledger.prepare_cached(&format!(
        "SELECT {group}, {SUMS}, {ERRORS}, {TIMED} FROM {table} JOIN
         (SELECT *, outcome IN ('malformed', 'client_abort', 'server_reset', 'no_response') failed FROM dimension) d
         ON d.id = dimension WHERE start >= ?1 AND start < ?2{wanted} {order}"
    ))?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let usage = Usage {
            sums: Sums {
                requests: row.get(1)?,
                uncertain: row.get(2)?,
                request_bytes: row.get(3)?,
                response_bytes: row.get(4)?,
                service_us: row.get(5)?,
            },
            errors: [row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?],
            timed: (row.get(10)?, row.get(11)?),
        };
        take(row, usage)?;
    }
    Ok(())
}
