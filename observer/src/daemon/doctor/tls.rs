//! What derives the keys of TLS on this host, and whether it is read.

use serde::Serialize;

use crate::kernel::keys;

/// A library, or a program that carries one.
#[derive(Debug, Serialize)]
pub struct Library {
    /// What it is.
    library: String,
    /// Its file.
    path: String,
    /// Names of the processes that use it.
    processes: Vec<String>,
    /// Whether connections are read.
    read: bool,
    /// How, or why not.
    detail: &'static str,
}

/// Every library that a process of this host uses now. `enabled`: TLS is to be read; `except`: processes that are left alone.
pub fn libraries(enabled: bool, except: &[String]) -> Vec<Library> {
    let library = |survey: keys::Survey| {
        let left_alone = survey.processes.iter().all(|name| except.contains(name));
        let (read, detail) = match survey.cheap {
            None => (
                false,
                "this library is not supported: its connections are opaque",
            ),
            Some(_) if !enabled => (false, "switched off ([tls] enabled)"),
            Some(_) if left_alone => (false, "left alone ([tls] except)"),
            Some(true) => (
                true,
                "one probe a key derivation, carried out by the kernel (about 1 us)",
            ),
            Some(false) => (
                true,
                "one probe a key derivation, single-stepped (about 15 us)",
            ),
        };
        Library {
            library: survey.library,
            path: survey.path.display().to_string(),
            processes: survey.processes.into_iter().collect(),
            read,
            detail,
        }
    };
    keys::survey().into_iter().map(library).collect()
}

/// The rows, for people.
pub fn rows(libraries: &[Library]) -> String {
    let mut text = String::from("\nTLS LIBRARY      PROCESSES         READ\n");
    for library in libraries {
        let read = if library.read { "yes: " } else { "no: " };
        text.push_str(&format!(
            "{:<16} {:<17} {read}{} ({})\n",
            library.library,
            library.processes.join(","),
            library.detail,
            library.path.escape_debug()
        ));
    }
    if libraries.is_empty() {
        text.push_str("none that a process uses now, or that can be seen\n");
    }
    text
}
