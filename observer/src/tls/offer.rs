//! What a client offers in its hello: the server's name that it asks for, and the fingerprint of what it can do.
//!
//! Everything here was chosen by the client. A name is kept only where it is one (RFC 6066 section 3): anything else is as if it
//! were not there.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tls_parser::parse_tls_handshake_client_hello;

use super::message::{ALPN, SUPPORTED_VERSIONS, extensions};

/// `server_name` (RFC 6066)
const SERVER_NAME: u16 = 0;
/// `signature_algorithms`
const SIGNATURE_ALGORITHMS: u16 = 13;
/// The most of anything that a fingerprint counts.
const MOST: usize = 99;
/// Characters of a digest in a fingerprint.
const SHORTENED: usize = 12;
/// Longest name of a host (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 253;

/// What a client offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The host that it asks for, in lower case.
    pub server_name: Option<Box<str>>,
    /// The JA4 fingerprint: `t13d1516h2_8daaf6152771_e5627efa2ab1`.
    pub ja4: Box<str>,
    /// Whether it names protocols to choose from (RFC 7301).
    pub protocols: bool,
}

/// What of a hello a fingerprint is made of.
#[derive(Debug, Default)]
struct Traits {
    version: u16,
    named: bool,
    ciphers: Vec<u16>,
    extensions: Vec<u16>,
    /// The first protocol.
    protocol: Option<Vec<u8>>,
    algorithms: Vec<u16>,
}

impl Offer {
    /// Of a ClientHello without its header. `None`: it is none.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let ([], hello) = parse_tls_handshake_client_hello(body).ok()? else {
            return None;
        };
        let mut traits = Traits {
            version: hello.version.0,
            ciphers: hello.ciphers.iter().map(|cipher| cipher.0).collect(),
            ..Traits::default()
        };
        let mut server_name = None;
        for extension in extensions(hello.ext.unwrap_or_default()) {
            let (kind, content) = extension?;
            traits.extensions.push(kind);
            match kind {
                SERVER_NAME => {
                    traits.named = true;
                    server_name = host(content);
                }
                ALPN => traits.protocol = first_protocol(content).map(<[u8]>::to_vec),
                SUPPORTED_VERSIONS => {
                    let offered = numbers(content.get(1..)?);
                    let highest = offered.filter(|version| !is_grease(*version)).max();
                    traits.version = highest.unwrap_or(traits.version);
                }
                SIGNATURE_ALGORITHMS => traits.algorithms = numbers(content.get(2..)?).collect(),
                _ => {}
            }
        }
        Some(Self {
            server_name,
            ja4: traits.ja4().into(),
            protocols: traits.extensions.contains(&ALPN),
        })
    }
}

impl Traits {
    /// As <https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md> defines it, over TCP.
    fn ja4(&self) -> String {
        let ciphers = without_grease(&self.ciphers);
        let extensions = without_grease(&self.extensions);
        let [first, last] = self.protocol.as_deref().map_or([b'0'; 2], ends);
        let mut text = format!(
            "t{}{}{:02}{:02}{}{}_",
            version(self.version),
            if self.named { 'd' } else { 'i' },
            ciphers.len().min(MOST),
            extensions.len().min(MOST),
            char::from(first),
            char::from(last),
        );
        let mut sorted = ciphers;
        sorted.sort_unstable();
        text.push_str(&shortened(&list(&sorted)));
        text.push('_');
        let mut sorted = extensions;
        sorted.retain(|kind| ![SERVER_NAME, ALPN].contains(kind));
        sorted.sort_unstable();
        let mut said = list(&sorted);
        let algorithms = without_grease(&self.algorithms);
        if !algorithms.is_empty() {
            said.push('_');
            said.push_str(&list(&algorithms));
        }
        text.push_str(&shortened(&said));
        text
    }
}

/// A name of a host in an extension, as long as it can be one.
fn host(content: &[u8]) -> Option<Box<str>> {
    // One name of the only type that there is.
    let [_, _, 0, high, low, name @ ..] = content else {
        return None;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let name = std::str::from_utf8(name.get(..length)?).ok()?;
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_host = (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(may_be);
    is_host.then(|| name.to_ascii_lowercase().into())
}

/// The first of a client's list of protocols.
fn first_protocol(content: &[u8]) -> Option<&[u8]> {
    let [_, _, length, names @ ..] = content else {
        return None;
    };
    names
        .get(..usize::from(*length))
        .filter(|name| !name.is_empty())
}

/// Numbers of two bytes each; what is left over is none.
fn numbers(content: &[u8]) -> impl Iterator<Item = u16> + '_ {
    content
        .as_chunks()
        .0
        .iter()
        .map(|pair| u16::from_be_bytes(*pair))
}

/// Whether a number means nothing, and is there so that nobody depends on it (RFC 8701).
fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0xf == 0xa
}

fn without_grease(numbers: &[u16]) -> Vec<u16> {
    let real = numbers.iter().filter(|number| !is_grease(**number));
    real.copied().collect()
}

fn version(number: u16) -> &'static str {
    match number {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character of a protocol's name; where one is neither letter nor digit, of its bytes in hexadecimal.
fn ends(name: &[u8]) -> [u8; 2] {
    let (Some(first), Some(last)) = (name.first().copied(), name.last().copied()) else {
        return [b'0'; 2];
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [first, last];
    }
    [digit(first >> 4), digit(last & 0xf)]
}

/// Numbers in hexadecimal with commas between them.
fn list(numbers: &[u16]) -> String {
    let mut text = String::with_capacity(5 * numbers.len());
    for number in numbers {
        if !text.is_empty() {
            text.push(',');
        }
        push_hex(&mut text, &number.to_be_bytes());
    }
    text
}

/// Adds bytes in hexadecimal. Digit by digit: formatting would take as long as the digests.
fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push(digit(byte >> 4).into());
        text.push(digit(byte & 0xf).into());
    }
}

fn digit(half: u8) -> u8 {
    if half < 10 {
        b'0' + half
    } else {
        b'a' + half - 10
    }
}

/// The first characters of a text's SHA-256; zeros for none.
fn shortened(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(SHORTENED);
    }
    let digest = digest(&SHA256, text.as_bytes());
    let mut short = String::with_capacity(SHORTENED);
    let shown = digest.as_ref().get(..SHORTENED / 2).unwrap_or_default();
    push_hex(&mut short, shown);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(text: &str) -> Vec<u16> {
        let numbers = text.split(',');
        numbers
            .map(|number| u16::from_str_radix(number, 16).unwrap())
            .collect()
    }

    /// A ClientHello without its header: extensions with their content.
    fn hello(ciphers: &[u16], extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.push(0);
        body.extend((2 * ciphers.len() as u16).to_be_bytes());
        body.extend(ciphers.iter().flat_map(|cipher| cipher.to_be_bytes()));
        body.extend([1, 0]);
        let mut all = Vec::new();
        for (kind, content) in extensions {
            all.extend(kind.to_be_bytes());
            all.extend((content.len() as u16).to_be_bytes());
            all.extend(content);
        }
        body.extend((all.len() as u16).to_be_bytes());
        body.extend(all);
        body
    }

    fn named(host: &str) -> (u16, Vec<u8>) {
        let length = host.len() as u16;
        let mut content = (length + 3).to_be_bytes().to_vec();
        content.push(0);
        content.extend(length.to_be_bytes());
        content.extend(host.as_bytes());
        (SERVER_NAME, content)
    }

    /// The example of the definition: Chrome's hello, with GREASE and in an order that changes.
    #[test]
    fn the_example_of_the_definition_has_its_fingerprint() {
        let mut ciphers = vec![0x2a2a];
        ciphers.extend(sequence(
            "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
        ));
        let algorithms = sequence("0403,0804,0401,0503,0805,0501,0806,0601");
        let mut content = (2 * algorithms.len() as u16).to_be_bytes().to_vec();
        content.extend(algorithms.iter().flat_map(|number| number.to_be_bytes()));
        let mut extensions = vec![(0x1a1a, vec![])];
        let others = "001b,0033,4469,0017,0023,000b,0015,0005,0012,ff01,000a,002d";
        extensions.extend(sequence(others).into_iter().map(|kind| (kind, vec![])));
        extensions.push(named("API.example"));
        extensions.push((ALPN, b"\0\x0c\x02h2\x08http/1.1".to_vec()));
        extensions.push((SIGNATURE_ALGORITHMS, content));
        extensions.push((SUPPORTED_VERSIONS, vec![6, 0x3a, 0x3a, 3, 4, 3, 3]));
        let offer = Offer::read(&hello(&ciphers, &extensions)).unwrap();
        assert_eq!(&*offer.ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
        assert_eq!(offer.server_name.as_deref(), Some("api.example"));
        assert!(offer.protocols);
    }

    #[test]
    fn what_is_not_there_is_marked() {
        let bare = Offer::read(&hello(&[], &[])).unwrap();
        assert_eq!(&*bare.ja4, "t12i000000_000000000000_000000000000");
        assert_eq!((bare.server_name, bare.protocols), (None, false));
        let odd = [(ALPN, b"\0\x03\x02\xab\xcd".to_vec())];
        assert!(
            Offer::read(&hello(&[], &odd))
                .unwrap()
                .ja4
                .starts_with("t12i0001ad_")
        );
        for wrong in ["a b", "", "<script>", "a\nb", &"a".repeat(254)] {
            let offer = Offer::read(&hello(&[0x1301], &[named(wrong)])).unwrap();
            assert_eq!(offer.server_name, None, "{wrong}");
        }
    }

    #[test]
    fn what_ends_early_is_none() {
        let whole = hello(&[0x1301], &[named("api.example")]);
        let before_extensions = whole.len() - 2 - 4 - 16;
        for end in 0..whole.len() {
            let offer = Offer::read(&whole[..end]);
            assert_eq!(offer.is_some(), end == before_extensions, "{end}");
        }
        let cut = hello(&[0x1301], &[(SUPPORTED_VERSIONS, vec![])]);
        assert_eq!(Offer::read(&cut), None);
    }
}
