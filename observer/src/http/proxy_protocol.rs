//! The PROXY protocol header that a load balancer puts before a connection's first byte, versions 1 and 2.
//!
//! Source: HAProxy, `doc/proxy-protocol.txt`. Bias: a header that is not exactly as specified is no header.

use super::detect::{PROXY_1, PROXY_2};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the bytes at the start of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// A header of `length` bytes. `source` is `None` where it names none (LOCAL, UNKNOWN, a Unix socket).
    Complete {
        length: usize,
        source: Option<SocketAddr>,
    },
    /// The beginning of a header.
    Short,
    /// No header.
    Bad,
}

/// Longest header of version 1, with its CR LF.
const VERSION_1_BYTES: usize = 107;
/// Signature, version and command, family and protocol, length.
const VERSION_2_BYTES: usize = 16;

pub(super) fn parse(bytes: &[u8]) -> Header {
    if bytes.starts_with(PROXY_1) {
        version_1(bytes)
    } else if bytes.starts_with(PROXY_2) {
        version_2(bytes)
    } else if PROXY_1.starts_with(bytes) || PROXY_2.starts_with(bytes) {
        Header::Short
    } else {
        Header::Bad
    }
}

fn version_1(bytes: &[u8]) -> Header {
    let window = bytes.get(..VERSION_1_BYTES).unwrap_or(bytes);
    let Some(end) = memchr::memmem::find(window, b"\r\n") else {
        return if bytes.len() < VERSION_1_BYTES {
            Header::Short
        } else {
            Header::Bad
        };
    };
    let Some(line) = window
        .get(PROXY_1.len()..end)
        .and_then(|line| std::str::from_utf8(line).ok())
    else {
        return Header::Bad;
    };
    let length = end + 2;
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Header::Complete {
            length,
            source: None,
        };
    }
    let mut words = line.split(' ');
    let mut word = || words.next().unwrap_or_default();
    let (family, source, _destination, port, _destination_port) =
        (word(), word(), word(), word(), word());
    let source: Option<IpAddr> = match family {
        "TCP4" => source.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => source.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    match (source, port.parse::<u16>(), words.next()) {
        (Some(address), Ok(port), None) => Header::Complete {
            length,
            source: Some(SocketAddr::new(address, port)),
        },
        _ => Header::Bad,
    }
}

fn version_2(bytes: &[u8]) -> Header {
    let Some(&[command, family, high, low]) = bytes.get(PROXY_2.len()..VERSION_2_BYTES) else {
        return Header::Short;
    };
    if !matches!(command, 0x20 | 0x21) {
        return Header::Bad;
    }
    let length = VERSION_2_BYTES + usize::from(u16::from_be_bytes([high, low]));
    let Some(addresses) = bytes.get(VERSION_2_BYTES..length) else {
        return Header::Short;
    };
    // LOCAL: the balancer's own health check; its addresses are to be discarded.
    let source = if command == 0x20 {
        None
    } else {
        source_2(family >> 4, addresses)
    };
    if command == 0x21 && source.is_none() && matches!(family >> 4, 1 | 2) {
        return Header::Bad;
    }
    Header::Complete { length, source }
}

/// Source address of an address block: source, destination, source port, destination port.
fn source_2(family: u8, addresses: &[u8]) -> Option<SocketAddr> {
    let (source, port): (IpAddr, &[u8]) = match family {
        1 => (
            <[u8; 4]>::try_from(addresses.get(..4)?).ok()?.into(),
            addresses.get(8..10)?,
        ),
        2 => (
            <[u8; 16]>::try_from(addresses.get(..16)?).ok()?.into(),
            addresses.get(32..34)?,
        ),
        _ => return None,
    };
    // The block has to hold the destination port too.
    addresses.get(if family == 1 { ..12 } else { ..36 })?;
    Some(SocketAddr::new(
        source,
        u16::from_be_bytes(port.try_into().ok()?),
    ))
}

#[cfg(test)]
mod tests {

    use super::*;

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [PROXY_2, &[command, family], &length, block].concat()
    }

    #[test]
    fn version_1_names_the_source() {
        let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\nGET /";
        let source = Some("192.0.2.7:5000".parse().unwrap());
        assert_eq!(parse(line), Header::Complete { length: 44, source });
        let line = b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n";
        let source = Some("[2001:db8::7]:5000".parse().unwrap());
        assert_eq!(parse(line), Header::Complete { length: 45, source });
        assert_eq!(
            parse(b"PROXY UNKNOWN ff:: x 1 2\r\n"),
            Header::Complete {
                length: 26,
                source: None
            }
        );
    }

    #[test]
    fn version_2_names_the_source() {
        let four = [192, 0, 2, 7, 198, 51, 100, 1, 0x13, 0x88, 1, 0xbb];
        let source = Some("192.0.2.7:5000".parse().unwrap());
        assert_eq!(
            parse(&v2(0x21, 0x11, &four)),
            Header::Complete { length: 28, source }
        );
        assert_eq!(
            parse(&v2(0x20, 0x11, &four)),
            Header::Complete {
                length: 28,
                source: None
            }
        );
        assert_eq!(
            parse(&v2(0x20, 0, &[])),
            Header::Complete {
                length: 16,
                source: None
            }
        );
        let with_extension = [&four[..], &[4, 0, 1, 0]].concat();
        assert_eq!(
            parse(&v2(0x21, 0x11, &with_extension)),
            Header::Complete { length: 32, source }
        );
    }

    #[test]
    fn what_is_not_exactly_a_header_is_none() {
        for bad in [
            &b"PROXY TCP4 300.0.2.7 198.51.100.1 5000 443\r\n"[..],
            b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443 6\r\n",
            b"PROXY TCP4 192.0.2.7\r\n",
            b"GET / HTTP/1.1\r\n",
            &v2(0x31, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 4]),
            &[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 120]].concat(),
        ] {
            assert_eq!(
                parse(bad),
                Header::Bad,
                "{:?}",
                String::from_utf8_lossy(bad)
            );
        }
    }

    #[test]
    fn a_header_in_pieces_is_waited_for() {
        for whole in [
            b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n".to_vec(),
            v2(0x21, 0x11, &[1; 12]),
        ] {
            for length in 1..whole.len() {
                assert_eq!(parse(&whole[..length]), Header::Short, "{length}");
            }
        }
    }
}
