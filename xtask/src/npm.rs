//! What drives a browser in the tests, from npm, in the build folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::step;

/// Packages, with the version that was tried, and what they are for.
const TESTS: &[(&str, &str, &str)] = &[
    (
        "playwright-core",
        "1.65.1",
        "drives the browser that opens the page",
    ),
    (
        "axe-core",
        "4.14.1",
        "judges whether everybody can use the page",
    ),
    ("uplot", "1.6.32", "what the page's copy is held against"),
];

/// Installs what is missing of it.
///
/// # Errors
/// When npm fails.
pub fn install(own: &Path) -> Result<(), Error> {
    let folder = own.join("node");
    let missing: Vec<_> = TESTS
        .iter()
        .filter(|(name, version, _)| !is_there(&folder, name, version))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    for (name, version, reason) in &missing {
        step::say(&format!("installing {name}@{version}: {reason}"));
    }
    fs::create_dir_all(&folder)
        .map_err(Error::file("making a folder for packages of npm", &folder))?;
    let packages = TESTS
        .iter()
        .map(|(name, version, _)| format!("{name}@{version}"));
    step::run(
        "installing packages from npm",
        Command::new("npm")
            .args([
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
            ])
            .arg("--prefix")
            .arg(&folder)
            .args(packages),
    )
}

fn is_there(folder: &Path, name: &str, version: &str) -> bool {
    let file = folder.join("node_modules").join(name).join("package.json");
    fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("\"version\": \"{version}\"")))
}
