//! The arrows between the daemon's modules: a core module uses what stands before it in the data's way, never what comes after.
//!
//! Reads the source as tokens, not as text: comments, documentation and strings name what they like. Paths are followed from
//! `crate` and `super`, grouped imports included; it does not expand macros.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

mod tokens;

#[cfg(test)]
mod tests;

use tokens::Token;

/// The core, in the order in which data flows.
const CORE: [&str; 10] = [
    "segment",
    "flow",
    "tls",
    "http",
    "identity",
    "route",
    "usage",
    "awareness",
    "response",
    "pipeline",
];
/// What does I/O and may use all of the core.
const SHELL: [&str; 4] = ["kernel", "capture_file", "store", "export"];
/// What wires it all; nothing depends on it.
const TOP: &str = "daemon";
/// Pairs that do not know each other, in either direction.
const STRANGERS: [(&str, &str); 2] = [("flow", "http"), ("kernel", "export")];

/// One arrow that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The file, as it was found.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// The module that uses.
    pub from: String,
    /// The module that is used.
    pub to: String,
    /// The rule.
    pub rule: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: `{}` uses `{}`: {}",
            self.line, self.from, self.to, self.rule
        )
    }
}

/// Checks every source file below `source`, which is a crate's `src`.
///
/// # Errors
/// When a file cannot be read; the path stands with the error.
pub fn check(source: &Path) -> Result<Vec<Violation>, (PathBuf, io::Error)> {
    let mut files = Vec::new();
    collect(source, &mut files)?;
    files.sort();
    let mut violations = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| (file.clone(), error))?;
        let inside = file.strip_prefix(source).unwrap_or(&file);
        let module = module_path(inside);
        violations.extend(
            check_text(&module, &text)
                .into_iter()
                .map(|violation| Violation {
                    file: file.clone(),
                    ..violation
                }),
        );
    }
    Ok(violations)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let at = |error| (folder.to_path_buf(), error);
    for entry in fs::read_dir(folder).map_err(at)? {
        let path = entry.map_err(at)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// `flow/table.rs` is `[flow, table]`; `lib.rs` and `main.rs` are the crate's root.
fn module_path(inside: &Path) -> Vec<String> {
    let mut path: Vec<String> = inside
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if path
        .last()
        .is_some_and(|last| last == "mod" || (path.len() == 1 && (last == "lib" || last == "main")))
    {
        path.pop();
    }
    path
}

/// The violations in one file of module `module`; `file` is left empty.
fn check_text(module: &[String], text: &str) -> Vec<Violation> {
    let Some(from) = module.first() else {
        return Vec::new();
    };
    let mut found: Vec<Violation> = uses(module, &tokens::tokens(text))
        .into_iter()
        .filter_map(|(to, line)| {
            let rule = rule(from, &to)?;
            Some(Violation {
                file: PathBuf::new(),
                line,
                from: from.clone(),
                to,
                rule,
            })
        })
        .collect();
    if !is_known(from) {
        let rule = "it has no place in the order: give it one in xtask/src/layers.rs";
        found.push(Violation {
            file: PathBuf::new(),
            line: 1,
            from: from.clone(),
            to: from.clone(),
            rule,
        });
    }
    found
}

fn is_known(module: &str) -> bool {
    module == TOP || CORE.contains(&module) || SHELL.contains(&module)
}

/// The rule that forbids `from` to use `to`, if one does. Names that are no modules (macros, items of the root) are free.
fn rule(from: &str, to: &str) -> Option<&'static str> {
    if from == to || !is_known(to) {
        return None;
    }
    if STRANGERS
        .iter()
        .any(|&(a, b)| (from == a && to == b) || (from == b && to == a))
    {
        return Some("these two do not know each other");
    }
    if to == TOP {
        return Some("nothing depends on the daemon");
    }
    let place = |name: &str| CORE.iter().position(|module| *module == name);
    match (place(from), place(to)) {
        (Some(_), None) => Some("the core does not use the shell"),
        (Some(own), Some(other)) if other > own => {
            Some("a core module uses only what stands before it")
        }
        _ => None,
    }
}

/// The top-level modules that a file's paths lead to, with the line of each.
fn uses(module: &[String], tokens: &[Token<'_>]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    // The braces that are open: true where one opened an inline module.
    let mut braces: Vec<bool> = Vec::new();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let text = |offset: usize| tokens.get(index + offset).map_or("", |token| token.text);
        let after_path = index
            .checked_sub(1)
            .and_then(|before| tokens.get(before))
            .is_some_and(|before| before.text == "::");
        match token.text {
            "{" => {
                let opens_module = index >= 2
                    && tokens
                        .get(index - 2)
                        .is_some_and(|token| token.text == "mod");
                braces.push(opens_module);
            }
            "}" => {
                braces.pop();
            }
            "crate" if !after_path && text(1) == "::" => {
                index = follow(tokens, index + 2, &mut found)
            }
            "super" if !after_path => {
                let mut depth =
                    module.len() + braces.iter().filter(|opens_module| **opens_module).count();
                let mut next = index;
                while tokens.get(next).is_some_and(|token| token.text == "super") {
                    depth = depth.saturating_sub(1);
                    next += if tokens.get(next + 1).is_some_and(|token| token.text == "::") {
                        2
                    } else {
                        1
                    };
                }
                if depth == 0 {
                    index = follow(tokens, next, &mut found);
                } else {
                    index = next;
                }
                continue;
            }
            _ => {}
        }
        index += 1;
    }
    found
}

/// Notes the first name of each path that begins at `index`, a group of them included; gives the index of the last token read.
fn follow(tokens: &[Token<'_>], index: usize, found: &mut Vec<(String, usize)>) -> usize {
    let Some(first) = tokens.get(index) else {
        return index;
    };
    if first.text != "{" {
        found.push((first.text.to_owned(), first.line));
        return index;
    }
    let mut depth = 0_usize;
    let mut begins = true;
    for (offset, token) in tokens.iter().enumerate().skip(index) {
        match token.text {
            "{" => {
                depth += 1;
                begins = depth == 1;
            }
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return offset;
                }
            }
            "," => begins = depth == 1,
            name => {
                if begins && depth == 1 {
                    found.push((name.to_owned(), token.line));
                }
                begins = false;
            }
        }
    }
    tokens.len()
}
