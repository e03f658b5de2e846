//! One step: a line that says what happens, a program that does it, an error that says what failed.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use crate::error::Error;

/// Says what is about to happen, on standard error.
pub fn say(what: &str) {
    eprintln!("xtask: {what}");
}

/// Runs a program to its end, its output shown.
///
/// # Errors
/// When it cannot be started or does not end with success.
pub fn run(what: &str, command: &mut Command) -> Result<(), Error> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|source| Error::Start {
            what: what.to_owned(),
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Ended {
        what: what.to_owned(),
        command: line(command),
        status,
    })
}

/// What a program prints, where it starts and succeeds; nothing otherwise.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program starts and succeeds; its output is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    output(command).is_some()
}

/// Whether this process acts as root: the owner of its /proc entry is its effective user.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

/// Where a program lies on PATH, or in the folders for administrators that PATH may leave out.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| is_executable(candidate))
}

/// Whether `path` is a file that somebody may execute.
pub fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.mode() & 0o111 != 0)
}

/// Mounts the BPF file system where it is not: pins live there.
///
/// # Errors
/// When it cannot be mounted.
pub fn mount_bpf() -> Result<(), Error> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let is_mounted = mounts
        .lines()
        .any(|line| line.split(' ').skip(1).take(2).eq(["/sys/fs/bpf", "bpf"]));
    if is_mounted {
        return Ok(());
    }
    let what = "mounting the BPF file system at /sys/fs/bpf";
    say(what);
    run(
        what,
        Command::new("mount").args(["-t", "bpf", "bpf", "/sys/fs/bpf"]),
    )
}

/// The cargo that runs this program.
pub fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
}

/// A command as somebody would type it.
fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// The command that repeats this one as root, cargo's place and configuration kept.
pub fn repeat_as_root() -> String {
    let arguments: Vec<String> = env::args().skip(1).collect();
    format!(
        "sudo -E env \"PATH=$PATH\" cargo xtask {}",
        arguments.join(" ")
    )
    .trim_end()
    .to_owned()
}
