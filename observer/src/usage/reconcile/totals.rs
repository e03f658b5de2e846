//! Usage that somebody reports or invoices, held against the ledger's.

use std::str::FromStr;

use super::log::time;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meter {
    /// Exchanges.
    Requests,
    /// Bytes of requests' bodies.
    RequestBytes,
    /// Bytes of responses' bodies.
    ResponseBytes,
}

/// One total as it is reported.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// Whose.
    pub consumer: Box<str>,
    /// Of what.
    pub meter: Meter,
    /// Seconds since 1970 in UTC.
    pub from: u64,
    /// Seconds since 1970 in UTC, not included.
    pub to: u64,
    /// How much.
    pub quantity: f64,
}

/// How a reported total stands to the ledger's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// They agree.
    Matched,
    /// More is reported, and the capture says that it missed at least as much.
    ExplainedByCaptureGap,
    /// More is reported than went over the wire.
    ReportedMore,
    /// Less is reported than went over the wire.
    ReportedLess,
    /// Nothing is reported of what went over the wire.
    Unreported,
}

/// Why reported usage cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct ReportedError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub why: &'static str,
}

/// Rows of a report.
const ROWS: usize = 1_000_000;

impl Meter {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Requests, Self::RequestBytes, Self::ResponseBytes];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::RequestBytes => "request_bytes",
            Self::ResponseBytes => "response_bytes",
        }
    }
}

impl FromStr for Meter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|meter| meter.name() == text);
        known.ok_or("no meter: requests, request_bytes or response_bytes")
    }
}

impl Standing {
    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::ExplainedByCaptureGap => "explained_by_capture_gap",
            Self::ReportedMore => "reported_more",
            Self::ReportedLess => "reported_less",
            Self::Unreported => "unreported",
        }
    }

    /// Whether the two sides contradict each other.
    pub const fn is_drift(self) -> bool {
        !matches!(self, Self::Matched | Self::ExplainedByCaptureGap)
    }

    /// `reported` and `seen` of one meter, of a period of which `completeness` was seen, up to a share of `tolerance`.
    pub fn of(reported: f64, seen: f64, completeness: f64, tolerance: f64) -> Self {
        let allowed = tolerance * reported.max(seen);
        if (reported - seen).abs() <= allowed {
            Self::Matched
        } else if reported < seen {
            Self::ReportedLess
        } else if completeness > 0.0 && reported <= seen / completeness + allowed {
            Self::ExplainedByCaptureGap
        } else {
            Self::ReportedMore
        }
    }
}

/// Reads `consumer,meter,from,to,qty` (RFC 4180) with that line first. Times are RFC 3339, dates, or seconds since 1970.
///
/// # Errors
/// The first line that cannot be read: what is added up cannot do without one.
pub fn parse(text: &str) -> Result<Vec<Reported>, ReportedError> {
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let failed = |why| ReportedError {
            line: number + 1,
            why,
        };
        let cells = super::log::cells(line.as_bytes()).unwrap_or_default();
        let cells: Vec<&str> = cells.iter().collect();
        let [consumer, meter, from, to, quantity] = cells.as_slice() else {
            if line.trim().is_empty() {
                continue;
            }
            return Err(failed("has not five columns: consumer,meter,from,to,qty"));
        };
        if number == 0 && *consumer == "consumer" {
            continue;
        }
        let moment = |text: &str| {
            let date = || time::rfc3339(&format!("{text}T00:00:00Z"));
            let micros = time::rfc3339(text).or_else(date);
            let second = micros.map(|micros| micros / 1_000_000);
            second
                .and_then(|second| u64::try_from(second).ok())
                .or_else(|| text.parse().ok())
                .ok_or(failed("has a time that is none"))
        };
        let quantity: f64 = quantity
            .parse()
            .map_err(|_| failed("has a quantity that is no number"))?;
        if !quantity.is_finite() || quantity < 0.0 {
            return Err(failed("has a quantity that is no quantity"));
        }
        let row = Reported {
            consumer: (*consumer).into(),
            meter: meter.parse().map_err(failed)?,
            from: moment(from)?,
            to: moment(to)?,
            quantity,
        };
        if row.from >= row.to {
            return Err(failed("has a period that ends before it begins"));
        }
        if rows.len() >= ROWS {
            return Err(failed("is one too many: a million rows are taken"));
        }
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_agree_within_tolerance_and_what_was_missed() {
        let of = |reported, completeness| Standing::of(reported, 1_000.0, completeness, 0.001);
        assert_eq!(of(1_000.0, 1.0), Standing::Matched);
        assert_eq!(of(1_001.0, 1.0), Standing::Matched);
        assert_eq!(of(1_010.0, 1.0), Standing::ReportedMore);
        assert_eq!(of(1_010.0, 0.99), Standing::ExplainedByCaptureGap);
        assert_eq!(of(990.0, 0.99), Standing::ReportedLess);
        assert_eq!(of(990.0, 0.0), Standing::ReportedLess);
        assert_eq!(of(1_010.0, 0.0), Standing::ReportedMore);
    }

    #[test]
    fn reported_usage_is_read_or_refused_with_its_line() {
        let rows = parse(
            "consumer,meter,from,to,qty\r\nacme,requests,2026-11-01,2026-12-01,42\r\n\r\n\"be,ta\",response_bytes,1,2,1.5\n",
        )
        .expect("rows");
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (&*rows[0].consumer, rows[0].to - rows[0].from),
            ("acme", 30 * 86_400)
        );
        assert_eq!((&*rows[1].consumer, rows[1].quantity), ("be,ta", 1.5));
        for (text, line) in [
            ("acme,requests,1,2", 1),
            ("consumer,meter,from,to,qty\nacme,calls,1,2,3", 2),
            ("acme,requests,2,1,3", 1),
            ("acme,requests,x,2,3", 1),
            ("acme,requests,1,2,NaN", 1),
            ("acme,requests,1,2,-1", 1),
        ] {
            assert_eq!(parse(text).expect_err(text).line, line, "{text}");
        }
    }
}
