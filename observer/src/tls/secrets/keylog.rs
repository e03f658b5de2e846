//! Key logs as NSS writes them (`SSLKEYLOGFILE`): a label, the client's random and a secret a line.

use data_encoding::HEXLOWER_PERMISSIVE;
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Label, Material, Secret};

/// Why a line cannot be read. Says nothing of what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// Not a label and two numbers.
    #[error("not a label, a random and a secret")]
    Form,
    /// The random is not 32 bytes in hexadecimal.
    #[error("the random is not 64 hexadecimal digits")]
    Random,
    /// The secret is not of a length that secrets of that label have, in hexadecimal.
    #[error("the secret is not 64 or 96 hexadecimal digits")]
    Secret,
}

/// Reads a line. `None`: it is empty, a comment, or of a label that is no use here.
///
/// # Errors
/// When it is none of that.
pub fn read_line(line: &str) -> Result<Option<Material>, LineError> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace();
    let (Some(label), Some(random), Some(secret), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(LineError::Form);
    };
    let label = match label {
        "CLIENT_RANDOM" => Label::Master,
        "CLIENT_EARLY_TRAFFIC_SECRET" => Label::ClientEarly,
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Label::ClientHandshake,
        "SERVER_HANDSHAKE_TRAFFIC_SECRET" => Label::ServerHandshake,
        "CLIENT_TRAFFIC_SECRET_0" => Label::ClientTraffic,
        "SERVER_TRAFFIC_SECRET_0" => Label::ServerTraffic,
        other => {
            let is_label = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            let known = other.bytes().all(|byte| is_label(byte) || byte == b'_');
            return if known {
                Ok(None)
            } else {
                Err(LineError::Form)
            };
        }
    };
    let random = hex(random)
        .and_then(|bytes| bytes.as_slice().try_into().ok())
        .ok_or(LineError::Random)?;
    let secret = hex(secret)
        .and_then(|bytes| Secret::new(&bytes))
        .filter(|secret| label != Label::Master || secret.bytes().len() == 48)
        .ok_or(LineError::Secret)?;
    Ok(Some(Material::Logged {
        random,
        label,
        secret,
    }))
}

fn hex(digits: &str) -> Option<Zeroizing<Vec<u8>>> {
    HEXLOWER_PERMISSIVE
        .decode(digits.as_bytes())
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_or_refused_for_a_reason() {
        let random = "ab".repeat(32);
        let read = |label: &str, bytes: usize| {
            read_line(&format!("{label} {random} {}", "0F".repeat(bytes)))
        };
        let label = |line: Result<Option<Material>, LineError>| match line {
            Ok(Some(Material::Logged {
                random,
                label,
                secret,
            })) => {
                assert_eq!(random, [0xab; 32]);
                Some((label, secret.bytes().len()))
            }
            _ => None,
        };
        assert_eq!(label(read("CLIENT_RANDOM", 48)), Some((Label::Master, 48)));
        assert_eq!(
            label(read("SERVER_TRAFFIC_SECRET_0", 32)),
            Some((Label::ServerTraffic, 32))
        );
        assert!(matches!(read("EXPORTER_SECRET", 32), Ok(None)));
        assert!(matches!(read_line("# a comment"), Ok(None)));
        assert!(matches!(read_line(" \r\n"), Ok(None)));
        let error = |line: Result<Option<Material>, LineError>| line.err();
        assert_eq!(error(read("CLIENT_RANDOM", 32)), Some(LineError::Secret));
        assert_eq!(
            error(read("SERVER_TRAFFIC_SECRET_0", 31)),
            Some(LineError::Secret)
        );
        assert_eq!(
            error(read_line("CLIENT_RANDOM abc def")),
            Some(LineError::Random)
        );
        assert_eq!(error(read_line("CLIENT_RANDOM")), Some(LineError::Form));
        assert_eq!(error(read_line("a b c")), Some(LineError::Form));
    }
}
