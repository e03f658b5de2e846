//! How complete a period is, which every report says first.

use super::figures::Pair;
use super::span::Spans;
use crate::export::reports::{Cell, Section, Table};
use crate::store::{self, Coverage, Gap, Period, Reader};

const DAY: u64 = 86_400;

/// How complete a period is, and the one before.
pub struct Standing {
    now: Coverage,
    before: Coverage,
    /// The first day that the ledger has anything of; `None`: it has nothing.
    begin: Option<u64>,
    spans: Spans,
}

impl Standing {
    /// Reads it.
    ///
    /// # Errors
    /// What SQLite refuses.
    pub fn read(ledger: &Reader, spans: Spans) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            now: store::coverage(ledger, spans.now)?,
            before: store::coverage(ledger, spans.before)?,
            begin: store::first(ledger, DAY)?,
            spans,
        })
    }

    /// Certain exchanges among all that must have been.
    pub fn completeness(&self) -> f64 {
        self.now.completeness()
    }

    /// Of all exchanges that must have been, those of which something was seen: now and before.
    pub fn seen(&self) -> (f64, f64) {
        (self.now.seen(), self.before.seen())
    }

    /// Share of the period in which somebody observed.
    pub fn observed(&self) -> f64 {
        observed(self.spans.now, &self.now.gaps, self.begin)
    }

    /// Whether nothing is missing. `own`: what of somebody's exchanges was seen with certainty.
    pub fn is_complete(&self, own: f64) -> bool {
        own >= 1.0 && self.observed() >= 1.0
    }

    /// The section that says so. `own`: of one consumer's exchanges alone, without anybody else's numbers.
    pub fn section(&self, own: Option<Pair>) -> Section {
        let mut section = Section::new("completeness", "How complete this is");
        match self.begin {
            None => {
                section =
                    section.says("The ledger has nothing: nobody observed, or it was made anew.")
            }
            Some(begin) if begin > self.spans.now.from => {
                let day = crate::export::plain::time(begin);
                section = section.says(format!(
                    "The ledger begins on {}: nothing is known of the days before.",
                    day.get(..10).unwrap_or(&day)
                ));
            }
            Some(begin) if begin > self.spans.before.from => {
                section = section.says(
                    "The ledger begins within the period before: figures of before are too low.",
                );
            }
            Some(_) => {}
        }
        let before = observed(self.spans.before, &self.before.gaps, self.begin);
        let mut rows = match own {
            None => vec![
                vec![
                    Cell::text("completeness"),
                    Cell::ratio(self.now.completeness()),
                    Cell::ratio(self.before.completeness()),
                ],
                row("certain exchanges", self.now.certain, self.before.certain),
            ],
            Some(pair) => {
                let (now, before) = self.seen();
                vec![
                    vec![
                        Cell::text("completeness"),
                        pair.now.completeness(now),
                        pair.before.completeness(before),
                    ],
                    row(
                        "uncertain exchanges",
                        pair.now.uncertain,
                        pair.before.uncertain,
                    ),
                ]
            }
        };
        rows.push(vec![
            Cell::text("observed, of the time"),
            Cell::ratio(self.observed()),
            Cell::ratio(before),
        ]);
        if own.is_none() {
            let mut reasons: Vec<&String> = self.now.reasons.keys().collect();
            reasons.extend(self.before.reasons.keys());
            reasons.sort_unstable();
            reasons.dedup();
            let count = |coverage: &Coverage, reason| coverage.reasons.get(reason).copied();
            rows.extend(reasons.into_iter().map(|reason| {
                row(
                    &format!("missed: {}", reason.replace('_', " ")),
                    count(&self.now, reason).unwrap_or_default(),
                    count(&self.before, reason).unwrap_or_default(),
                )
            }));
        } else {
            let reasons: Vec<String> = self
                .now
                .reasons
                .keys()
                .map(|one| one.replace('_', " "))
                .collect();
            if !reasons.is_empty() {
                section = section.says(format!(
                    "Why something was missed on this host, whosoever it was: {}.",
                    reasons.join(", ")
                ));
            }
        }
        let table = Table {
            caption: "What was seen, beside the period before".to_owned(),
            columns: vec!["measure", "now", "before"],
            rows,
        };
        section.shows(table, "")
    }

    /// Times in which nothing was observed; `None` where there are none.
    pub fn gaps(&self) -> Option<Section> {
        let row = |gap: &Gap| {
            vec![
                Cell::Time(gap.from),
                Cell::Time(gap.until),
                Cell::Count(gap.until.saturating_sub(gap.from)),
                Cell::text(&gap.reason),
            ]
        };
        let rows: Vec<_> = self.now.gaps.iter().map(row).collect();
        let table = Table {
            caption: "Gaps of this period".to_owned(),
            columns: vec!["from", "to", "seconds", "reason"],
            rows,
        };
        let section = Section::new("gaps", "Times in which nothing was observed");
        (!table.rows.is_empty()).then(|| section.shows(table, ""))
    }
}

fn row(measure: &str, now: u64, before: u64) -> Vec<Cell> {
    vec![Cell::text(measure), Cell::Count(now), Cell::Count(before)]
}

/// Share of a period that lies in no gap and not before the ledger's first day.
fn observed(period: Period, gaps: &[Gap], begin: Option<u64>) -> f64 {
    let length = period.until.saturating_sub(period.from);
    let Some(begin) = begin else {
        return 0.0;
    };
    // Gaps may overlap: what is before `at` has been looked at.
    let mut at = period.from.max(begin.min(period.until));
    let mut missing = at - period.from;
    let mut gaps: Vec<&Gap> = gaps.iter().collect();
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

#[cfg(test)]
mod tests {
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
        let share = |gaps: &[Gap], begin| observed(period, gaps, begin);
        assert_eq!(share(&[], Some(0)), 1.0);
        assert_eq!(share(&[], None), 0.0);
        assert_eq!(share(&[], Some(1_500)), 0.5);
        assert_eq!(share(&[], Some(5_000)), 0.0);
        assert_eq!(share(&[gap(900, 1_100), gap(1_050, 1_200)], Some(0)), 0.8);
        assert_eq!(share(&[gap(1_050, 1_200), gap(0, 9_000)], Some(1_100)), 0.0);
        assert_eq!(share(&[gap(1_300, 1_200)], Some(0)), 1.0);
    }
}
