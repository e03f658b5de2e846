//! A certificate for servers that speak TLS.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::run;

/// Makes `key.pem` and `cert.pem` in a folder, signed by nobody. Returns both paths.
///
/// # Panics
/// When OpenSSL cannot.
pub fn make(folder: &Path) -> (PathBuf, PathBuf) {
    let (key, certificate) = (folder.join("key.pem"), folder.join("cert.pem"));
    let subject = ["-subj", "/CN=api.example"];
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"])
        .args(subject)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate));
    (key, certificate)
}
