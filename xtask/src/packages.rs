//! Distribution packages: what is needed, why, and how it is installed.
//!
//! Nothing that a package brings is started: the tests start what they need, where they need it.

use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::step;

/// Something that has to be there, and the Debian package that brings it.
pub struct Need {
    /// The Debian package.
    pub package: &'static str,
    /// What proves that it is there.
    pub proof: Proof,
    /// What it is for.
    pub reason: &'static str,
}

/// How to tell that a need is met, whoever met it.
#[derive(Clone, Copy)]
pub enum Proof {
    /// A program.
    Program(&'static str),
    /// A file.
    File(&'static str),
    /// Debian's package database.
    Package,
}

/// What compiles the kernel programs on Debian; `llvm-22` is the LLVM of this rustc.
pub const DEBIAN_TOOLCHAIN: &[Need] = &[
    Need {
        package: "rustc-web",
        proof: Proof::File("/usr/bin/rustc"),
        reason: "the compiler",
    },
    Need {
        package: "libstd-rust-web-dev-bpf",
        proof: Proof::File("/usr/lib/rustlib/bpfel-unknown-none/lib"),
        reason: "the core library, compiled for BPF",
    },
];

/// What building bpf-linker on Debian needs beyond a C compiler.
pub const DEBIAN_LINKER: &[Need] = &[
    Need {
        package: "llvm-22-dev",
        proof: Proof::File("/usr/lib/llvm-22/bin/llvm-config"),
        reason: "the LLVM that rustc-web uses",
    },
    Need {
        package: "libzstd-dev",
        proof: Proof::Package,
        reason: "LLVM is linked to it",
    },
    Need {
        package: "zlib1g-dev",
        proof: Proof::Package,
        reason: "LLVM is linked to it",
    },
    Need {
        package: "libxml2-dev",
        proof: Proof::Package,
        reason: "LLVM is linked to it",
    },
    Need {
        package: "g++",
        proof: Proof::Program("c++"),
        reason: "compiles and links what is written in C and C++",
    },
];

/// What the tests start or call.
pub const TESTS: &[Need] = &[
    Need {
        package: "nginx-light",
        proof: Proof::Program("nginx"),
        reason: "the observed server",
    },
    Need {
        package: "haproxy",
        proof: Proof::Program("haproxy"),
        reason: "the reverse proxy in front of it",
    },
    Need {
        package: "apache2-bin",
        proof: Proof::Program("apache2"),
        reason: "a server whose log is held against the wire",
    },
    Need {
        package: "curl",
        proof: Proof::Program("curl"),
        reason: "the client",
    },
    Need {
        package: "wrk",
        proof: Proof::Program("wrk"),
        reason: "the client under load",
    },
    Need {
        package: "nghttp2-client",
        proof: Proof::Program("h2load"),
        reason: "the client under load that speaks HTTP/2",
    },
    Need {
        package: "python3",
        proof: Proof::Program("python3"),
        reason: "the client that sends bytes as told",
    },
    Need {
        package: "golang-go",
        proof: Proof::Program("go"),
        reason: "compiles a server that speaks Go's own TLS",
    },
    Need {
        package: "nodejs",
        proof: Proof::Program("node"),
        reason: "a server that carries OpenSSL itself",
    },
    Need {
        package: "npm",
        proof: Proof::Program("npm"),
        reason: "brings what drives a browser",
    },
    Need {
        package: "chromium",
        proof: Proof::Program("chromium"),
        reason: "the browser that opens the page",
    },
    Need {
        package: "python3-venv",
        proof: Proof::Package,
        reason: "keeps servers from PyPI apart from the host's Python",
    },
    Need {
        package: "iproute2",
        proof: Proof::Program("ip"),
        reason: "namespaces and veth pairs",
    },
    Need {
        package: "util-linux",
        proof: Proof::Program("nsenter"),
        reason: "enters them",
    },
    Need {
        package: "ethtool",
        proof: Proof::Program("ethtool"),
        reason: "turns offloads off and on",
    },
    Need {
        package: "tcpdump",
        proof: Proof::Program("tcpdump"),
        reason: "writes the captures that are replayed",
    },
    Need {
        package: "socat",
        proof: Proof::Program("socat"),
        reason: "a link without Ethernet headers",
    },
    Need {
        package: "openssl",
        proof: Proof::Program("openssl"),
        reason: "a server that speaks TLS",
    },
    Need {
        package: "tmux",
        proof: Proof::Program("tmux"),
        reason: "the terminal that the live view is on",
    },
    Need {
        package: "tcpreplay",
        proof: Proof::Program("tcpreplay"),
        reason: "sends more than a daemon can read",
    },
    Need {
        package: "prometheus",
        proof: Proof::Program("promtool"),
        reason: "judges the metrics and the rules, and scrapes",
    },
    Need {
        package: "prometheus-alertmanager",
        proof: Proof::Program("prometheus-alertmanager"),
        reason: "passes the alerts on",
    },
    Need {
        package: "systemd",
        proof: Proof::Program("systemd-analyze"),
        reason: "judges the unit",
    },
];

/// Whether Debian's package tools are there.
pub fn has_apt() -> bool {
    step::find_program("apt-get").is_some() && step::find_program("dpkg-query").is_some()
}

/// Whether the package lists offer a package.
pub fn is_offered(package: &str) -> bool {
    step::output(
        Command::new("apt-cache")
            .args(["policy", package])
            .env("LC_ALL", "C"),
    )
    .is_some_and(|text| {
        text.lines()
            .any(|line| line.trim().starts_with("Candidate:") && !line.contains("(none)"))
    })
}

/// Fetches the package lists.
///
/// # Errors
/// When apt-get fails.
pub fn update() -> Result<(), Error> {
    step::say("fetching the package lists (apt-get update)");
    step::run(
        "fetching the package lists",
        Command::new("apt-get").args(["update", "-qq"]),
    )
}

/// Those of `needs` that are not met.
pub fn missing<'n>(needs: impl IntoIterator<Item = &'n Need>) -> Vec<&'n Need> {
    needs.into_iter().filter(|need| !is_met(need)).collect()
}

/// Installs what is missing of `needs`; says so when nothing is.
///
/// # Errors
/// Without apt-get, without root, and when apt-get fails; the first two name what to do.
pub fn install(what: &'static str, needs: &[&Need]) -> Result<(), Error> {
    if needs.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = needs.iter().map(|need| need.package).collect();
    let list = names.join(" ");
    if !has_apt() {
        let reasons: Vec<String> = needs
            .iter()
            .map(|need| format!("{} ({})", need.package, need.reason))
            .collect();
        return Err(Error::Lacking {
            what,
            why: format!("not here: {}", reasons.join(", ")),
            remedy: "install them with this system's package manager; the names are Debian's"
                .to_owned(),
        });
    }
    if !step::is_root() {
        return Err(Error::Lacking {
            what,
            why: format!("not installed: {list}"),
            remedy: format!(
                "sudo apt-get update && sudo apt-get install --no-install-recommends {list}"
            ),
        });
    }
    if !names.iter().all(|name| is_offered(name)) {
        update()?;
    }
    for need in needs {
        step::say(&format!("installing {}: {}", need.package, need.reason));
    }
    step::run(
        what,
        quiet_apt()
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&names),
    )
}

fn is_met(need: &Need) -> bool {
    match need.proof {
        Proof::Program(name) => step::find_program(name).is_some(),
        Proof::File(path) => Path::new(path).exists(),
        Proof::Package => step::output(Command::new("dpkg-query").args([
            "-W",
            "-f",
            "${db:Status-Status}",
            need.package,
        ]))
        .is_some_and(|status| status.trim() == "installed"),
    }
}

/// apt-get that asks nothing and starts no daemon. invoke-rc.d goes by the run level; where systemd runs, the packages' scripts
/// go by the presence of /run/systemd/system, which apt-get gets to see without, in a mount namespace of its own.
fn quiet_apt() -> Command {
    let mut command = if Path::new("/run/systemd/system").exists() {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs tmpfs /run/systemd && exec apt-get \"$@\"",
            "apt-get",
        ]);
        command
    } else {
        Command::new("apt-get")
    };
    command
        .env("RUNLEVEL", "1")
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}
