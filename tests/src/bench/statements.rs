//! How long a year of a hundred consumers takes to be invoiced, and to be invoiced again.

use std::process::Command;
use std::time::Instant;

use clap::Args;
use observer_tests::bills::Bills;

use crate::figures::{Floor, Table};
use crate::lab::{Failure, observer, output};

/// 2025-01-01 in UTC, in seconds since 1970.
const YEAR: u64 = 20_089 * 86_400;

/// How to measure.
#[derive(Args)]
pub struct Options {
    /// Consumers
    #[arg(long, default_value_t = 100)]
    consumers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { consumers: 100 }
    }
}

/// Measures.
pub fn measure(options: &Options) -> Result<Table, Failure> {
    let mut bills = Bills::new(options.consumers);
    bills.use_up(options.consumers, YEAR - 86_400, 367);
    let binary = observer()?;
    let invoice = || -> Result<(f64, String), Failure> {
        let begun = Instant::now();
        let text = output(
            Command::new(&binary)
                .args([
                    "invoice", "--period", "2025", "--format", "json", "--config",
                ])
                .arg(bills.config()),
        )?;
        Ok((begun.elapsed().as_secs_f64(), text))
    };
    let (first, one) = invoice()?;
    let (again, two) = invoice()?;
    if one != two {
        return Err(Failure::new("statements", "are not the same again"));
    }
    let statements = one.matches("\"number\": ").count();
    let mut table = Table::default();
    table.add(
        format!("statements: closing a year of {}", options.consumers),
        first,
        "s",
        Floor::AtMost(10.0),
    );
    table.add(
        "statements: printing it again",
        again,
        "s",
        Floor::AtMost(10.0),
    );
    table.add("statements:   how many", statements as f64, "", Floor::None);
    Ok(table)
}
