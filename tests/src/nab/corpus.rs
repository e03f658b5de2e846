//! The labelled series of the benchmark, as numenta/NAB publishes them. Prefers an error to a file read by half.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// One series with its labels.
pub struct File {
    /// Seconds since 1970, and the value, in the order of the file. A few files repeat or go back in time.
    pub rows: Vec<(u64, f64)>,
    /// First and last second of each labelled window, both within.
    pub windows: Vec<(u64, u64)>,
}

/// The benchmark's folder: in `$OBSERVER_CORPUS`, or in the shared corpus beside the repository; `None` where absent.
pub fn locate() -> Option<PathBuf> {
    let shared = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let corpus = env::var_os("OBSERVER_CORPUS").map_or_else(shared, PathBuf::from);
    let folder = corpus.join("nab");
    folder
        .join("labels/combined_windows.json")
        .exists()
        .then_some(folder)
}

/// All labelled series, by name.
pub fn read(folder: &Path) -> io::Result<Vec<File>> {
    let labels = fs::read_to_string(folder.join("labels/combined_windows.json"))?;
    let labels: BTreeMap<String, Vec<(String, String)>> = serde_json::from_str(&labels)?;
    labels
        .into_iter()
        .map(|(name, windows)| {
            let text = fs::read_to_string(folder.join("data").join(&name))?;
            Ok(File {
                rows: text.lines().skip(1).map(row).collect::<io::Result<_>>()?,
                windows: windows
                    .iter()
                    .map(|(first, last)| Ok((seconds(first)?, seconds(last)?)))
                    .collect::<io::Result<_>>()?,
            })
        })
        .collect()
}

/// `2014-07-01 00:30:00,8127`.
fn row(line: &str) -> io::Result<(u64, f64)> {
    let (time, value) = line.split_once(',').ok_or_else(|| invalid(line))?;
    let value = value.trim().parse().map_err(|_| invalid(line))?;
    Ok((seconds(time)?, value))
}

/// Seconds since 1970 of `2014-07-01 00:30:00`, to which labels add `.000000`.
fn seconds(text: &str) -> io::Result<u64> {
    let number = |from: usize, to: usize| -> io::Result<u64> {
        let digits = text.get(from..to).ok_or_else(|| invalid(text))?;
        digits.parse().map_err(|_| invalid(text))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(invalid(text));
    }
    // Years are counted from March, so that the day that comes and goes is a year's last.
    let (years, months) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day;
    let since_1970 = days - 719_469;
    Ok(((since_1970 * 24 + number(11, 13)?) * 60 + number(14, 16)?) * 60 + number(17, 19)?)
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("not of the benchmark: {text}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_since_1970() {
        for (text, expected) in [
            ("1970-01-01 00:00:00", 0),
            ("2000-02-29 12:00:00", 951_825_600),
            ("2014-07-01 00:30:00.000000", 1_404_174_600),
        ] {
            assert_eq!(seconds(text).unwrap(), expected, "{text}");
        }
        assert!(seconds("2014-07-01").is_err());
    }
}
