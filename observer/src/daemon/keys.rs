//! `observer keys`.

use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::failure::Failure;
use super::rules;

/// Bytes of a key that is read; the largest tokens in use have a few KiB.
const KEY_BYTES: u64 = 64 << 10;

/// `observer keys fingerprint`: a key from standard input, never from an argument that others could list.
///
/// # Errors
/// When there is no key, or no pepper.
pub fn fingerprint(config: Option<&Path>) -> Result<(), Failure> {
    let fingerprinter = rules::fingerprinter(&rules::load_config(config)?)?;
    let mut key = Zeroizing::new(Vec::new());
    io::stdin()
        .take(KEY_BYTES + 1)
        .read_to_end(&mut key)
        .map_err(|error| Failure::input("standard input", error))?;
    if key.len() as u64 > KEY_BYTES {
        return Err(Failure::input(
            "standard input",
            format_args!("a key has at most {KEY_BYTES} bytes"),
        ));
    }
    let key = key.strip_suffix(b"\n").unwrap_or(&key);
    let key = key.strip_suffix(b"\r").unwrap_or(key);
    if key.is_empty() || key.contains(&b'\n') {
        return Err(Failure::input(
            "standard input",
            "expected one key on one line",
        ));
    }
    super::print(&format!("{}\n", fingerprinter.fingerprint(key)))
}
