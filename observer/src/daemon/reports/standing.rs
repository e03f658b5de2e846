//! How complete a period is, which every report says first.

use super::figures::Pair;
use super::span::Spans;
use crate::export::reports::{Cell, Section, Table};
use crate::store::{self, Coverage, Gap, Reader};

/// How complete a period is, and the one before.
pub struct Standing {
    now: Coverage,
    before: Coverage,
    /// The first day that the ledger has anything of; `None`: it has nothing.
    begin: Option<u64>,
    spans: Spans,
}

impl Standing {
    /// Reads it. `runs`: a daemon does, so that what is not in the ledger yet soon is.
    ///
    /// # Errors
    /// What SQLite refuses.
    pub fn read(ledger: &Reader, spans: Spans, runs: bool) -> Result<Self, rusqlite::Error> {
        let mut now = store::coverage(ledger, spans.now)?;
        let seen = store::seen(ledger)?.filter(|seen| !runs && *seen < spans.now.until);
        now.gaps.extend(seen.map(|seen| Gap {
            from: seen,
            until: spans.now.until,
            reason: "no daemon runs".to_owned(),
        }));
        Ok(Self {
            now,
            before: store::coverage(ledger, spans.before)?,
            begin: store::begun(ledger)?,
            spans,
        })
    }

    /// Certain exchanges among all that must have been.
    pub fn completeness(&self) -> f64 {
        self.now.completeness()
    }

    /// How complete what somebody used is: now and before.
    pub fn completeness_of(&self, own: &Pair) -> [Cell; 2] {
        [
            own.now.completeness(&self.now),
            own.before.completeness(&self.before),
        ]
    }

    /// Share of the period in which somebody observed.
    pub fn observed(&self) -> f64 {
        self.now.observed(self.spans.now, self.begin)
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
        let before = self.before.observed(self.spans.before, self.begin);
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
                let [now, before] = self.completeness_of(&pair);
                vec![
                    vec![Cell::text("completeness"), now, before],
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
