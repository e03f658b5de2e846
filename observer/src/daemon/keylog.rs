//! Key logs: the secrets of TLS that a client or a server wrote down, from a file into a pipeline.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use zeroize::{Zeroize, Zeroizing};

use super::failure::Failure;
use super::host::CaptureHost;
use crate::pipeline::Pipeline;
use crate::tls::secrets::{self, Bounds};

/// Connections of which a key log may have secrets.
const CONNECTIONS: usize = 1 << 22;
/// Longest line.
const LINE_BYTES: u64 = 1024;

/// Reads a key log into a pipeline, for the whole of its captures.
///
/// # Errors
/// When the file cannot be read or is none. A last line that is cut is passed over: whoever writes the file may be at it.
pub fn learn(path: &Path, pipeline: &mut Pipeline) -> Result<(), Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::input(path.display(), why);
    let mut file = BufReader::new(File::open(path).map_err(|error| failed(&error))?);
    pipeline.keep_secrets(Bounds {
        connections: CONNECTIONS,
        lifetime: u64::MAX,
    });
    let mut host = CaptureHost::default();
    let (mut number, mut learned) = (0, 0_u64);
    let mut line = Zeroizing::new(String::with_capacity(LINE_BYTES as usize));
    loop {
        line.zeroize();
        let mut limited = (&mut file).take(LINE_BYTES);
        let length = limited.read_line(&mut line);
        if length.map_err(|error| failed(&error))? == 0 {
            break;
        }
        number += 1;
        let whole = line.ends_with('\n');
        match secrets::read_line(&line) {
            Ok(None) => {}
            Ok(Some(material)) => {
                learned += 1;
                pipeline.learn(material, 0, &mut host, &mut |_| {});
            }
            Err(_) if !whole && learned > 0 => {}
            Err(error) => {
                let why = format!("line {number}: {error} (--keylog takes the format of NSS)");
                return Err(failed(&why));
            }
        }
    }
    if learned == 0 {
        return Err(failed(
            &"holds no secrets of TLS (--keylog takes the format of NSS)",
        ));
    }
    Ok(())
}
