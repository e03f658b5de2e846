//! The dashboards for Grafana: described here in a few words each, written as JSON to observer/dist/grafana.
//!
//! They look and behave alike because none of them says how: colours, legends, units and layout are of [`panel`] and
//! [`board`]. They read what the daemon exports and nothing that has to be recorded first.

mod board;
mod consumer;
mod data_quality;
mod overview;
mod panel;
mod query;
mod route;
mod security;
mod shared;

use std::fs;
use std::path::PathBuf;

use crate::error::Error;
use crate::place::Place;
use crate::step;
use board::Board;

/// Where they lie in the repository.
pub const FOLDER: &str = "observer/dist/grafana";

/// Writes every dashboard.
///
/// # Errors
/// When a file cannot be written.
pub fn write(place: &Place) -> Result<(), Error> {
    let folder = place.source(FOLDER);
    fs::create_dir_all(&folder).map_err(Error::file("making a folder", &folder))?;
    for (name, text) in all() {
        let path = folder.join(name);
        step::say(&format!("writing {}", path.display()));
        fs::write(&path, text).map_err(Error::file("writing a dashboard", &path))?;
    }
    Ok(())
}

/// Compares the files with what would be written.
///
/// # Errors
/// When one is missing, differs, or is no longer written.
pub fn check(place: &Place) -> Result<(), Error> {
    let what = "checking the dashboards (cargo xtask dashboards writes them)";
    step::say("checking the dashboards");
    let folder = place.source(FOLDER);
    let entries = fs::read_dir(&folder).map_err(Error::file("reading the dashboards", &folder))?;
    let mut others: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let mut count = 0;
    for (name, text) in all() {
        let path = folder.join(name);
        others.retain(|other| *other != path);
        if fs::read_to_string(&path).is_ok_and(|committed| committed == text) {
            continue;
        }
        eprintln!("{FOLDER}/{name}: is not what is written");
        count += 1;
    }
    for other in &others {
        eprintln!("{}: is not written", other.display());
    }
    count += others.len();
    if count == 0 {
        Ok(())
    } else {
        Err(Error::Found { what, count })
    }
}

/// Names and contents of the files.
pub fn all() -> Vec<(&'static str, String)> {
    let boards: [Board; 5] = [
        overview::board(),
        consumer::board(),
        route::board(),
        security::board(),
        data_quality::board(),
    ];
    let files = boards.iter().map(|board| (board.file, board.text()));
    files.collect()
}

#[cfg(test)]
mod tests;
