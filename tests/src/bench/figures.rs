//! Figures, and whether they are as good as promised.

use std::fmt;

/// What a figure must be.
#[derive(Clone, Copy)]
pub enum Floor {
    /// Nothing: it informs.
    None,
    /// At least this much.
    AtLeast(f64),
    /// At most this much.
    AtMost(f64),
    /// Exactly this.
    Exactly(f64),
}

impl Floor {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::None => true,
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::Exactly(wanted) => value == wanted,
        }
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::AtLeast(least) => write!(f, ">= {least}"),
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::Exactly(wanted) => write!(f, "= {wanted}"),
        }
    }
}

struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    floor: Floor,
}

/// The figures of one run.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Adds a figure.
    pub fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str, floor: Floor) {
        self.rows.push(Row {
            name: name.into(),
            value,
            unit,
            floor,
        });
    }

    /// Adds the figures of another run.
    pub fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    /// Whether every figure is as it must be.
    pub fn is_met(&self) -> bool {
        self.rows.iter().all(|row| row.floor.is_met(row.value))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            let digits = match row.value.abs() {
                value if value.fract() == 0.0 || value >= 1000.0 => 0,
                value if value >= 100.0 => 1,
                _ => 3,
            };
            let verdict = match (row.floor, row.floor.is_met(row.value)) {
                (Floor::None, _) => "",
                (_, true) => "ok",
                (_, false) => "MISSED",
            };
            writeln!(
                f,
                "{:<52} {:>12.digits$} {:<12} {:<12} {verdict}",
                row.name,
                row.value,
                row.unit,
                row.floor.to_string()
            )?;
        }
        Ok(())
    }
}

/// The middle value; of an even number of values the mean of the two in the middle.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or(f64::NAN);
    if sorted.len().is_multiple_of(2) {
        let lower = sorted.get(middle.wrapping_sub(1)).copied();
        (lower.unwrap_or(f64::NAN) + upper) / 2.0
    } else {
        upper
    }
}
