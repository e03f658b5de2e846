//! Reading one key, and `observer keys fingerprint`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::failure::Failure;
use super::rules;
use crate::identity::shown::Shown;

/// Bytes of a key that is read; the largest tokens in use have a few KiB.
const KEY_BYTES: u64 = 64 << 10;

/// `observer keys fingerprint`: a key from standard input, never from an argument that others could list.
///
/// # Errors
/// When there is no key, or no pepper.
pub fn fingerprint(config: Option<&Path>) -> Result<(), Failure> {
    let fingerprinter = rules::fingerprinter(&rules::load_config(config)?)?;
    let key = read_key(Path::new("-"))?;
    super::print(&format!("{}\n", fingerprinter.fingerprint(&key)))
}

/// One key on one line, from a file; `-`: standard input.
///
/// # Errors
/// When there is none, or more than one.
pub fn read_key(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let (name, source): (String, Box<dyn Read>) = if file == Path::new("-") {
        ("standard input".to_owned(), Box::new(io::stdin()))
    } else {
        // Somebody may have put the key itself there.
        let name = Shown(&file.to_string_lossy()).to_string();
        let open = File::open(file).map_err(|error| Failure::input(&name, error))?;
        (name, Box::new(open))
    };
    // Room from the start: nothing is copied on the way.
    let mut key = Zeroizing::new(Vec::with_capacity(KEY_BYTES as usize + 2));
    source
        .take(KEY_BYTES + 1)
        .read_to_end(&mut key)
        .map_err(|error| Failure::input(&name, error))?;
    if key.len() as u64 > KEY_BYTES {
        return Err(Failure::input(
            name,
            format_args!("a key has at most {KEY_BYTES} bytes"),
        ));
    }
    for end in [b'\n', b'\r'] {
        if key.last() == Some(&end) {
            key.pop();
        }
    }
    if key.is_empty() || key.contains(&b'\n') {
        return Err(Failure::input(name, "expected one key on one line"));
    }
    Ok(key)
}
