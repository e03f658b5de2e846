//! What the commands ask the ledger.
//!
//! A period is put together from the largest steps that lie inside it; where the small ones of long ago are gone, it is
//! widened to the steps that are still there, and the answer says to which.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::Kept;
use super::batch::STEPS;
use crate::route::{Learned, Saved};
use crate::usage::batch::{BaselineRow, SpellingRow, Sums};

/// A half-open period, seconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its first second.
    pub from: u64,
    /// The second after its last.
    pub until: u64,
}

/// Usage of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// The values of the columns that were grouped by.
    pub group: Vec<String>,
    /// What was used.
    pub sums: Sums,
}

/// What is known of how complete a period is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Exchanges that were counted with certainty.
    pub certain: u64,
    /// Exchanges that are not certain, but are counted to somebody who has a name.
    pub named: u64,
    /// By reason: exchanges that are not certain, exchanges that were lost, and what bounds what else was missed.
    pub reasons: BTreeMap<String, u64>,
    /// Times in which nothing was observed.
    pub gaps: Vec<Gap>,
}

/// A time in which nothing was observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its beginning, seconds since 1970 in UTC.
    pub from: u64,
    /// Its end.
    pub until: u64,
    /// Why.
    pub reason: String,
}

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;
/// Columns of time, and their steps in seconds.
const TIMES: [(&str, u64); 2] = [("hour", HOUR), ("day", DAY)];

/// Reasons that count exchanges of which some part is not certain.
const UNCERTAIN: [&str; 5] = [
    "gap",
    "pairing_broken",
    "joined_in_the_middle",
    "pipeline_bound",
    "conflict",
];
/// Reasons that count exchanges of which nothing was seen. The others count bytes, packets or connections.
const LOST: [&str; 2] = ["ring_full", "shed"];

impl Coverage {
    /// Certain exchanges among all that must have been; 1 when there were none.
    pub fn completeness(&self) -> f64 {
        share(self.certain, self.count(&UNCERTAIN) + self.count(&LOST))
    }

    /// Of all exchanges that must have been, those that were counted to somebody, for certain or not. Of the others, as of those that
    /// were lost, nobody knows whose they were.
    fn attributed(&self) -> f64 {
        let nobodys = self.count(&UNCERTAIN).saturating_sub(self.named);
        let uncertain = self.count(&UNCERTAIN) - nobodys;
        share(self.certain + uncertain, nobodys + self.count(&LOST))
    }

    /// How complete is what is known of somebody: so many requests, of which so many are not certain. Of what is nobody's everybody
    /// bears a share.
    pub fn of(&self, requests: u64, uncertain: u64) -> f64 {
        let own = match requests {
            0 => 1.0,
            requests => requests.saturating_sub(uncertain) as f64 / requests as f64,
        };
        own * self.attributed()
    }

    /// Share of a period that lies in no gap and not before `begin`, when anything was kept first.
    pub fn observed(&self, period: Period, begin: Option<u64>) -> f64 {
        let length = period.until.saturating_sub(period.from);
        let Some(begin) = begin else {
            return 0.0;
        };
        // Gaps may overlap: what is before `at` has been looked at.
        let mut at = period.from.max(begin.min(period.until));
        let mut missing = at - period.from;
        let mut gaps: Vec<&Gap> = self.gaps.iter().collect();
        gaps.sort_by_key(|gap| gap.from);
        for gap in gaps {
            let from = gap.from.max(at);
            let until = gap.until.min(period.until);
            if from < until {
                missing += until - from;
                at = until;
            }
        }
        if length == 0 {
            return 1.0;
        }
        (length - missing.min(length)) as f64 / length as f64
    }

    fn count(&self, reasons: &[&str]) -> u64 {
        reasons
            .iter()
            .filter_map(|reason| self.reasons.get(*reason))
            .sum()
    }
}

fn share(part: u64, rest: u64) -> f64 {
    if part + rest == 0 {
        1.0
    } else {
        part as f64 / (part + rest) as f64
    }
}

impl Period {
    /// The smallest period that holds this one and that the ledger can still answer.
    pub fn widened(self, kept: &Kept, now: u64) -> Self {
        let step = |at: u64| {
            if at >= kept.minutes {
                60
            } else if at >= kept.quarters {
                900
            } else {
                DAY
            }
        };
        // What makes up the end begins before it: the minutes of its quarter-hour, the quarter-hours of its day.
        let end = self.until.min(now);
        let last = match (step(end / 900 * 900), step(end / DAY * DAY)) {
            (60, 60 | 900) => 60,
            (900, 900) => 900,
            _ => DAY,
        };
        let first = step(self.from);
        Self {
            from: self.from / first * first,
            until: self.until.div_ceil(last) * last,
        }
    }

    /// The period of the same length before it.
    pub fn before(self) -> Self {
        Self {
            from: self.from.saturating_sub(self.until - self.from),
            until: self.from,
        }
    }

    /// Pieces of the period by table: whole days, then quarter-hours around them, then minutes around those; none with a step
    /// of more than `longest` seconds.
    fn pieces(self, longest: u64) -> Vec<(&'static str, u64, Self)> {
        let mut pieces = Vec::new();
        let mut rest = vec![self];
        let tables = STEPS.into_iter().rev();
        for (table, step) in tables.filter(|(_, step)| *step <= longest) {
            let mut left = Vec::new();
            for period in rest {
                let from = period.from.div_ceil(step) * step;
                let until = period.until / step * step;
                if from < until {
                    pieces.push((table, step, Self { from, until }));
                    left.push(Self {
                        from: period.from,
                        until: from,
                    });
                    left.push(Self {
                        from: until,
                        until: period.until,
                    });
                } else {
                    left.push(period);
                }
            }
            rest = left;
            rest.retain(|period| period.from < period.until);
        }
        pieces
    }
}

/// Routes that were learned, as they were saved last. What cannot be read any more is none.
///
/// # Errors
/// What SQLite refuses.
pub fn routes(ledger: &Connection) -> Result<Vec<Saved<Learned>>, rusqlite::Error> {
    let saved: Option<Vec<u8>> = ledger
        .query_row("SELECT value FROM meta WHERE name = 'routes'", [], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(saved
        .and_then(|saved| postcard::from_bytes(&saved).ok())
        .unwrap_or_default())
}

/// Usage of a period in groups; `columns` are names of the dimension table, or `hour` or `day` (in UTC). By the hour there is
/// only what is kept by shorter steps than the day.
///
/// # Errors
/// What SQLite refuses.
pub fn usage(
    ledger: &Connection,
    period: Period,
    columns: &[&'static str],
) -> Result<Vec<UsageRow>, rusqlite::Error> {
    let longest = if columns.contains(&"hour") { HOUR } else { DAY };
    let pieces = period.pieces(longest);
    let time = TIMES.iter().find(|(name, _)| columns.contains(name));
    let step = time.map_or(u64::MAX >> 1, |(_, step)| *step);
    if pieces.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<String> = pieces
        .iter()
        .map(|(table, _, Period { from, until })| {
            format!(
                "SELECT dimension, start / {step} * {step} time, sum(requests) r, sum(uncertain) u, sum(request_bytes) q, sum(response_bytes) s,
                 sum(service_us) t FROM {table} WHERE start >= {from} AND start < {until}
                 GROUP BY dimension, time"
            )
        })
        .collect();
    let names = columns
        .iter()
        .map(
            |column| match TIMES.iter().any(|(name, _)| name == column) {
                true => "time".to_owned(),
                false => format!("d.{column}"),
            },
        )
        .collect::<Vec<_>>()
        .join(", ");
    let grouped = if columns.is_empty() {
        String::new()
    } else {
        let time = time.map_or("", |_| "time, ");
        format!("GROUP BY {names} ORDER BY {time}1 DESC, {names}")
    };
    let comma = if columns.is_empty() { "" } else { "," };
    let query = format!(
        "SELECT sum(r), sum(u), sum(q), sum(s), sum(t){comma} {names} FROM ({}) JOIN dimension d ON d.id = dimension {grouped}",
        parts.join(" UNION ALL ")
    );
    let mut statement = ledger.prepare(&query)?;
    let rows = statement.query_map([], |row| {
        let number = |index| {
            row.get::<_, Option<u64>>(index)
                .map(Option::unwrap_or_default)
        };
        let mut group = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let at = 5 + index;
            group.push(match *column {
                "status" => match row.get::<_, u16>(at)? {
                    0 => "none".to_owned(),
                    status => status.to_string(),
                },
                "hour" => moment(row.get(at)?),
                "day" => moment(row.get(at)?).chars().take(10).collect(),
                _ => row.get(at)?,
            });
        }
        Ok(UsageRow {
            group,
            sums: Sums {
                requests: number(0)?,
                uncertain: number(1)?,
                request_bytes: number(2)?,
                response_bytes: number(3)?,
                service_us: number(4)?,
            },
        })
    })?;
    rows.collect()
}

/// A second since 1970 in UTC as RFC 3339.
fn moment(second: i64) -> String {
    jiff::Timestamp::from_second(second)
        .map_or_else(|_| second.to_string(), |time| time.to_string())
}

/// How complete a period is.
///
/// # Errors
/// What SQLite refuses.
pub fn coverage(ledger: &Connection, period: Period) -> Result<Coverage, rusqlite::Error> {
    let mut coverage = Coverage::default();
    let mut statement = ledger.prepare(
        "SELECT reason, sum(count) FROM coverage WHERE step = ?1 AND start >= ?2 AND start < ?3 GROUP BY reason",
    )?;
    for (table, step, Period { from, until }) in period.pieces(DAY) {
        // Names are looked up of what is uncertain only: that is little of what a period has.
        let query = format!(
            "SELECT sum(max(requests - uncertain, 0)), sum(CASE WHEN uncertain = 0 THEN 0
             WHEN (SELECT substr(consumer, 1, 2) FROM dimension WHERE id = {table}.dimension) = '__' THEN 0
             ELSE uncertain END) FROM {table} WHERE start >= ?1 AND start < ?2"
        );
        let (certain, named) = ledger.query_row(&query, params![from, until], |row| {
            let number = |at| row.get::<_, Option<u64>>(at).map(Option::unwrap_or_default);
            Ok((number(0)?, number(1)?))
        })?;
        coverage.certain += certain;
        coverage.named += named;
        let rows = statement.query_map(params![step, from, until], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?))
        })?;
        for row in rows {
            let (reason, count) = row?;
            *coverage.reasons.entry(reason).or_default() += count;
        }
    }
    let mut statement = ledger.prepare(
        "SELECT start, until, reason FROM gap WHERE start < ?2 AND until > ?1 ORDER BY start",
    )?;
    let gaps = statement.query_map(params![period.from, period.until], |row| {
        Ok(Gap {
            from: row.get(0)?,
            until: row.get(1)?,
            reason: row.get(2)?,
        })
    })?;
    coverage.gaps = gaps.collect::<Result<_, _>>()?;
    Ok(coverage)
}

/// Minutes, or quarter-hours where those are all that is kept, of which the capture says that it missed exchanges.
///
/// # Errors
/// What SQLite refuses.
pub fn losses(ledger: &Connection, period: Period) -> Result<Vec<Period>, rusqlite::Error> {
    let mut statement = ledger.prepare(
        "SELECT DISTINCT start FROM coverage WHERE step = ?1 AND start >= ?2 AND start < ?3
         AND reason NOT IN (SELECT value FROM json_each(?4))",
    )?;
    // Exchanges that are not certain have records that say so; connections that cannot be read were never anybody's.
    let told = serde_json::json!([UNCERTAIN.as_slice(), &["opaque_connections"]].concat());
    let mut losses = Vec::new();
    for (_, step, Period { from, until }) in period.pieces(DAY) {
        let rows = statement.query_map(params![step, from, until, told.to_string()], |row| {
            row.get::<_, u64>(0)
        })?;
        for start in rows {
            let from = start?;
            losses.push(Period {
                from,
                until: from + step,
            });
        }
    }
    Ok(losses)
}

/// Incidents that were detected in a period, and those that are open, as JSON, the newest first.
///
/// # Errors
/// What SQLite refuses.
pub fn incidents(ledger: &Connection, period: Period) -> Result<Vec<String>, rusqlite::Error> {
    let mut query = ledger.prepare(
        "SELECT body FROM incident WHERE (detected >= ?1 AND detected < ?2) OR state IN ('open', 'ack')
         ORDER BY detected DESC, id",
    )?;
    query
        .query_map(params![period.from, period.until], |row| row.get(0))?
        .collect()
}

/// An incident of this id, as JSON.
///
/// # Errors
/// What SQLite refuses.
pub fn incident(ledger: &Connection, id: &str) -> Result<Option<String>, rusqlite::Error> {
    let mut query = ledger.prepare("SELECT body FROM incident WHERE id = ?1")?;
    query.query_row([id], |row| row.get(0)).optional()
}

/// Incidents that a daemon goes on from, as JSON: those that are open, and those of which nobody wants to hear.
///
/// # Errors
/// What SQLite refuses.
pub fn standing(ledger: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    let mut query = ledger.prepare(
        "SELECT body FROM incident WHERE state IN ('open', 'ack', 'suppressed') ORDER BY detected DESC, id",
    )?;
    query.query_map([], |row| row.get(0))?.collect()
}

/// Every baseline.
///
/// # Errors
/// What SQLite refuses.
pub fn baselines(ledger: &Connection) -> Result<Vec<BaselineRow>, rusqlite::Error> {
    let mut query = ledger.prepare("SELECT name, state FROM baseline")?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok(BaselineRow {
            name: row.get(0)?,
            state: row.get(1)?,
        })
    };
    query.query_map([], row)?.collect()
}

/// Actions against somebody, the latest first, each as JSON: those in force or proposed, or all of a period and those.
///
/// # Errors
/// What SQLite refuses.
pub fn actions(ledger: &Connection, since: Option<u64>) -> Result<Vec<String>, rusqlite::Error> {
    let mut query = ledger.prepare(
        "SELECT body FROM action WHERE state IN ('active', 'proposed') OR begun >= ?1 ORDER BY begun DESC, id",
    )?;
    let since = since.unwrap_or(i64::MAX as u64);
    query.query_map([since], |row| row.get(0))?.collect()
}

/// The log of what was done about actions since a time (nanoseconds since 1970), in order, each line as JSON.
///
/// # Errors
/// What SQLite refuses.
pub fn action_events(ledger: &Connection, since: u64) -> Result<Vec<String>, rusqlite::Error> {
    let mut query =
        ledger.prepare("SELECT body FROM action_event WHERE time >= ?1 ORDER BY number")?;
    query.query_map([since], |row| row.get(0))?.collect()
}

/// Every spelling of a credential.
///
/// # Errors
/// What SQLite refuses.
pub fn spellings(ledger: &Connection) -> Result<Vec<SpellingRow>, rusqlite::Error> {
    let mut query = ledger.prepare("SELECT hash, fingerprint, location, seen FROM spelling")?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok(SpellingRow {
            hash: row.get::<_, i64>(0)?.cast_unsigned(),
            fingerprint: row.get(1)?,
            location: row.get(2)?,
            seen: row.get(3)?,
        })
    };
    query.query_map([], row)?.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gaps_and_the_time_before_the_ledger_count_once() {
        let period = Period {
            from: 1_000,
            until: 2_000,
        };
        let gap = |from, until| Gap {
            from,
            until,
            reason: String::new(),
        };
        let share = |gaps: &[Gap], begin| {
            let gaps = gaps.to_vec();
            let coverage = Coverage {
                gaps,
                ..Coverage::default()
            };
            coverage.observed(period, begin)
        };
        assert_eq!(share(&[], Some(0)), 1.0);
        assert_eq!(share(&[], None), 0.0);
        assert_eq!(share(&[], Some(1_500)), 0.5);
        assert_eq!(share(&[], Some(5_000)), 0.0);
        assert_eq!(share(&[gap(900, 1_100), gap(1_050, 1_200)], Some(0)), 0.8);
        assert_eq!(share(&[gap(1_050, 1_200), gap(0, 9_000)], Some(1_100)), 0.0);
        assert_eq!(share(&[gap(1_300, 1_200)], Some(0)), 1.0);
    }

    /// What nobody's name stands on is nobody's completeness but everybody's.
    #[test]
    fn what_is_uncertain_and_nobody_s_counts_as_lost() {
        let reasons = [("joined_in_the_middle", 100), ("ring_full", 50)];
        let reasons = reasons.map(|(reason, count)| (reason.to_owned(), count));
        let attributed = |named| {
            let coverage = Coverage {
                certain: 850,
                named,
                reasons: reasons.clone().into(),
                gaps: Vec::new(),
            };
            coverage.attributed()
        };
        assert_eq!(attributed(100), 0.95);
        assert_eq!(attributed(40), 0.89);
    }

    /// The quarter-hours of a day that is swept cannot make up the end of a period, though the end itself is kept.
    #[test]
    fn an_end_is_kept_only_where_what_makes_it_up_is() {
        let kept = |now: u64| Kept {
            minutes: now - 2 * DAY,
            quarters: now - 62 * DAY,
        };
        let until = 100 * DAY + 23 * HOUR;
        let asked = Period {
            from: 70 * DAY,
            until,
        };
        let whole = |now: u64| asked.widened(&kept(now), now).until;
        assert_eq!(whole(until + 61 * DAY), until);
        // Past midnight of the last day, and not past the end.
        assert_eq!(whole(100 * DAY + 62 * DAY + HOUR), 101 * DAY);
    }

    proptest! {
        /// Every minute of a period lies in one piece, and nothing else does.
        #[test]
        fn pieces_make_up_the_period(from in 0_u64..500_000, minutes in 0_u64..10_000) {
            let period = Period { from: from * 60, until: (from + minutes) * 60 };
            let mut pieces = period.pieces(DAY);
            pieces.sort_by_key(|(_, _, piece)| piece.from);
            let mut at = period.from;
            for (_, step, piece) in pieces {
                prop_assert_eq!(piece.from, at);
                prop_assert!(piece.from < piece.until);
                prop_assert_eq!((piece.from % step, piece.until % step), (0, 0));
                at = piece.until;
            }
            prop_assert_eq!(at, period.until);
        }
    }
}
