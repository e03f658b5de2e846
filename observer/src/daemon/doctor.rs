//! `observer doctor`: what this host supports, what will be used and why, and which ports cannot be read.

mod checks;
mod ports;
mod tls;

use std::fmt::Write;

use serde::Serialize;

use super::failure::Failure;
use super::{cli, rules, run};
use crate::kernel::{attach, driver_of, links};

/// Everything that is said.
#[derive(Debug, Serialize)]
struct Report {
    checks: Vec<checks::Check>,
    interfaces: Vec<InterfaceReport>,
    ports: Vec<ports::Port>,
    tls: Vec<tls::Library>,
    /// Whether a running daemon could be asked what it sees of the ports.
    daemon: bool,
}

#[derive(Debug, Serialize)]
struct InterfaceReport {
    name: String,
    observed: bool,
    ingress: Option<&'static str>,
    reason: String,
}

/// Looks at this host. True: everything that observing needs is there.
///
/// # Errors
/// When the configuration is not valid, or interfaces cannot be listed.
pub fn doctor(arguments: &cli::Doctor) -> Result<bool, Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let interfaces =
        links::list().map_err(|error| Failure::support("listing interfaces", error))?;
    let mode = run::mode(config.capture.mode);
    let named = &config.capture.interfaces;
    let absent = named.iter().filter(|name| {
        let there = |interface: &links::Interface| interface.name == **name;
        !interfaces.iter().any(there)
    });
    let absent = absent.map(|name| InterfaceReport {
        name: name.clone(),
        observed: false,
        ingress: None,
        reason: "configured, and not there: it is observed once it is".to_owned(),
    });
    let interfaces = interfaces.iter().map(|interface| {
        let observed = if named.is_empty() {
            attach::is_own(interface)
        } else {
            named.contains(&interface.name)
        };
        let choice = attach::choose(mode, interface, driver_of(interface).as_deref());
        InterfaceReport {
            name: interface.name.clone(),
            observed,
            ingress: observed.then(|| choice.hook.name()),
            reason: if observed {
                choice.reason
            } else {
                left_out(interface, named)
            },
        }
    });
    let opaque = ports::ask_daemon(config.metrics.listen);
    let report = Report {
        checks: checks::all(),
        interfaces: interfaces.chain(absent).collect(),
        daemon: opaque.is_some(),
        ports: ports::listening(&opaque.unwrap_or_default()),
        tls: tls::libraries(config.tls.enabled, &config.tls.except),
    };
    let text = if arguments.json {
        serde_json::to_string_pretty(&report).map_err(|error| Failure::input("doctor", error))?
            + "\n"
    } else {
        table(&report)
    };
    super::print(&text)?;
    Ok(report.checks.iter().all(|check| check.ok || !check.needed))
}

/// Capabilities without which observing is impossible, of those that this process lacks.
pub fn lacking() -> Vec<&'static str> {
    checks::capabilities()
        .filter(|check| check.needed && !check.ok)
        .map(|check| check.name)
        .collect()
}

/// Why an interface is not observed.
fn left_out(interface: &links::Interface, named: &[String]) -> String {
    let reason = if !named.is_empty() {
        "not among the configured ones"
    } else if !interface.up {
        "down"
    } else if interface.kind.as_deref() == Some("bridge") {
        "a bridge: its traffic is seen where it enters this host"
    } else if interface.enslaved {
        "a port of another interface"
    } else if interface.layer == links::Layer::Other {
        "a kind of link that is not read"
    } else {
        "no address of this host's own"
    };
    reason.to_owned()
}

fn table(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for check in &report.checks {
        let mark = match (check.ok, check.needed) {
            (true, _) => "ok  ",
            (false, true) => "FAIL",
            (false, false) => "warn",
        };
        let _ = writeln!(text, "{mark}  {:<22} {}", check.name, check.detail);
    }
    text.push_str("\nINTERFACE        INGRESS      WHY\n");
    for interface in &report.interfaces {
        let ingress = interface.ingress.unwrap_or("-");
        let _ = writeln!(
            text,
            "{:<16} {ingress:<12} {}",
            interface.name, interface.reason
        );
    }
    text.push_str("\nPORT   PROCESS           SEEN\n");
    for port in &report.ports {
        let seen = match (&port.blind, report.daemon) {
            (Some(blind), _) => blind.as_str(),
            (None, true) => "nothing that cannot be read",
            (None, false) => "not known: no daemon answers on the configured address",
        };
        let _ = writeln!(
            text,
            "{:<6} {:<17} {seen}",
            port.port,
            port.process.as_deref().unwrap_or("-")
        );
    }
    text.push_str(&tls::rows(&report.tls));
    text
}
