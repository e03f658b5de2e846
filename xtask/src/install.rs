//! Puts the daemon on this host: binary, unit, configuration, user, service.
//!
//! Repeating it upgrades. What an operator may have changed, the configuration and the registry, is never replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compile;
use crate::dashboards;
use crate::error::Error;
use crate::place::Place;
use crate::step;
use crate::toolchain::Kind;

const BINARY: &str = "usr/bin/observer";
const UNITS: &str = "etc/systemd/system";
/// The daemon's unit, and templates of reports, which nobody is made to want.
const UNIT_FILES: [&str; 3] = [
    "observer.service",
    "observer-report@.service",
    "observer-report@.timer",
];
/// What Prometheus and Alertmanager may be given.
const PROMETHEUS: &str = "usr/share/observer/prometheus";
/// What Grafana may be given.
const GRAFANA: &str = "usr/share/observer/grafana";
const CONFIGURATION: &str = "etc/observer/observer.toml";
const REGISTRY: &str = "etc/observer/registry.d";
/// The daemon's own user, and its group.
const USER: &str = "observer";

/// Installs below `root`; without one on this host, service included.
///
/// # Errors
/// Without root on this host, when the build fails, and when a file cannot be written.
pub fn install(place: &Place, wanted: Option<Kind>, root: Option<&Path>) -> Result<(), Error> {
    if root.is_none() && !step::is_root() {
        return Err(Error::Privilege {
            what: "installing on this host",
            repeat: step::repeat_as_root(),
        });
    }
    compile::all(place, wanted)?;
    let prefix = root.unwrap_or(Path::new("/"));
    replace(&place.binary(), &prefix.join(BINARY), 0o755)?;
    for name in UNIT_FILES {
        let from = place.source("observer/dist").join(name);
        replace(&from, &prefix.join(UNITS).join(name), 0o644)?;
    }
    others(place, prefix)?;
    let configuration = prefix.join(CONFIGURATION);
    if configuration.exists() {
        step::say(&format!("{} stays as it is", configuration.display()));
    } else {
        replace(
            &place.source("observer/dist/observer.toml"),
            &configuration,
            0o644,
        )?;
    }
    let registry = prefix.join(REGISTRY);
    fs::create_dir_all(&registry)
        .map_err(Error::file("making the registry's folder", &registry))?;
    if root.is_some() {
        step::say("left out: user and service (--root)");
        return Ok(());
    }
    user()?;
    // Who is a customer is nobody else's business on this host.
    let mode = fs::Permissions::from_mode(0o750);
    fs::set_permissions(&registry, mode)
        .map_err(Error::file("closing the registry's folder", &registry))?;
    step::run(
        "giving the registry to the daemon's group",
        Command::new("chgrp").arg(USER).arg(&registry),
    )?;
    service()
}

/// Puts what Prometheus, Alertmanager and Grafana may be given below `prefix`.
fn others(place: &Place, prefix: &Path) -> Result<(), Error> {
    for name in ["observer.rules.yml", "alertmanager.yml", "RUNBOOK.md"] {
        let from = place.source("observer/dist/prometheus").join(name);
        replace(&from, &prefix.join(PROMETHEUS).join(name), 0o644)?;
    }
    for (name, _) in dashboards::all() {
        let from = place.source(dashboards::FOLDER).join(name);
        replace(&from, &prefix.join(GRAFANA).join(name), 0o644)?;
    }
    Ok(())
}

/// Puts a file in place in one step, so that a running daemon keeps the one it began with.
fn replace(from: &Path, to: &Path, mode: u32) -> Result<(), Error> {
    step::say(&format!("installing {}", to.display()));
    let folder = to.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    fs::create_dir_all(&folder).map_err(Error::file("making a folder", &folder))?;
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = to.with_file_name(name);
    fs::copy(from, &fresh).map_err(Error::file("copying", from))?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(mode))
        .map_err(Error::file("setting the mode", &fresh))?;
    fs::rename(&fresh, to).map_err(Error::file("installing", to))
}

/// Creates the daemon's user where there is none.
fn user() -> Result<(), Error> {
    if step::succeeds(Command::new("getent").args(["passwd", USER])) {
        return Ok(());
    }
    step::say("creating the system user observer");
    let mut command = Command::new("useradd");
    command.args([
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        "/var/lib/observer",
    ]);
    step::run(
        "creating the system user observer",
        command.args(["--shell", "/usr/sbin/nologin", USER]),
    )
}

/// Enables and starts the service, or restarts it with the new binary, where systemd runs.
fn service() -> Result<(), Error> {
    if !Path::new("/run/systemd/system").exists() {
        step::say(
            "left out: enabling and starting the service (systemd does not run here; start it with  /usr/bin/observer run)",
        );
        return Ok(());
    }
    step::say("starting the service");
    let what = "starting the service (journalctl -u observer says more)";
    for arguments in [
        &["daemon-reload"][..],
        &["enable", "observer"],
        &["restart", "observer"],
    ] {
        step::run(what, Command::new("systemctl").args(arguments))?;
    }
    Ok(())
}
