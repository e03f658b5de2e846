//! The systemd units, judged by systemd itself: every line is understood, and what the daemon may do stays small.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The four capabilities that attaching while running and looking up processes need.
const CAPABILITIES: &str = "CAP_BPF CAP_NET_ADMIN CAP_PERFMON CAP_SYS_PTRACE";

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../observer/dist/observer.service")
}

/// What `systemd-analyze` says; `None` where it is not installed and nothing requires it.
fn analyze(arguments: &[&str], file: &Path) -> Option<Output> {
    match Command::new("systemd-analyze")
        .args(arguments)
        .arg(file)
        .env("LC_ALL", "C")
        .output()
    {
        Ok(output) => Some(output),
        Err(error) => {
            let required = env::var_os("OBSERVER_REQUIRE").is_some();
            assert!(
                !required,
                "systemd-analyze: {error} (apt-get install systemd)"
            );
            eprintln!("skipped: systemd-analyze: {error}");
            None
        }
    }
}

#[test]
fn systemd_understands_every_line() {
    let text = fs::read_to_string(unit()).unwrap();
    // The daemon itself need not be installed for this.
    let trial = text.replace("ExecStart=/usr/bin/observer", "ExecStart=/bin/true");
    assert_ne!(trial, text, "the unit starts /usr/bin/observer");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("observer.service");
    fs::write(&file, trial).unwrap();
    let Some(output) = analyze(&["verify"], &file) else {
        return;
    };
    // Unknown keys are a complaint without an exit code.
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success() && said.trim().is_empty(),
        "systemd-analyze verify: {said}"
    );
}

#[test]
fn exposure_stays_below_three_of_ten() {
    let Some(output) = analyze(
        &["security", "--offline=true", "--threshold=30", "--no-pager"],
        &unit(),
    ) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "systemd-analyze security: {}",
        said.lines().last().unwrap_or_default()
    );
}

/// Templates of regular reports, as they are begun for somebody.
#[test]
fn templates_of_reports_are_understood_and_may_less_than_the_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../observer/dist");
    for name in ["observer-report@.service", "observer-report@.timer"] {
        let text = fs::read_to_string(dist.join(name)).unwrap();
        let trial = text.replace("ExecStart=/usr/bin/observer", "ExecStart=/bin/true");
        assert_eq!(
            trial != text,
            name.ends_with(".service"),
            "the service starts /usr/bin/observer"
        );
        let instance = name.replace('@', "@owner");
        fs::write(folder.path().join(instance), &trial).unwrap();
        fs::write(folder.path().join(name), trial).unwrap();
    }
    for unit in [
        "observer-report@owner.timer",
        "observer-report@.timer",
        "observer-report@.service",
    ] {
        let Some(output) = analyze(&["verify"], &folder.path().join(unit)) else {
            return;
        };
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            output.status.success() && said.trim().is_empty(),
            "systemd-analyze verify {unit}: {said}"
        );
    }
    let exposure = |unit: &Path| {
        let output = analyze(&["security", "--offline=true", "--no-pager"], unit)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let level = said.rsplit_once(": ")?.1.split(' ').next()?.parse::<f64>();
        Some(level.unwrap_or_else(|error| panic!("{error} in {said}")))
    };
    let report = exposure(&dist.join("observer-report@.service"));
    assert!(
        report.is_some() && report <= exposure(&unit()),
        "{report:?}"
    );
}

#[test]
fn the_daemon_has_exactly_the_capabilities_that_it_needs() {
    let text = fs::read_to_string(unit()).unwrap();
    for key in ["AmbientCapabilities", "CapabilityBoundingSet"] {
        let given: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .collect();
        assert_eq!(given, [CAPABILITIES], "{key}");
    }
    for capability in CAPABILITIES.split(' ') {
        let reason = text
            .lines()
            .any(|line| line.starts_with(&format!("# {capability}: ")));
        assert!(reason, "{capability} stands without its reason");
    }
}
