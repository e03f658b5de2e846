//! Handshake messages, read as far as keys depend on them (RFC 8446 section 4, RFC 5246 section 7.4).

use serde::{Deserialize, Serialize};
use tls_parser::{parse_tls_handshake_client_hello, parse_tls_handshake_server_hello};

use super::{Unreadable, Version};

/// `client_hello`
pub(super) const CLIENT_HELLO: u8 = 1;
/// `server_hello`
pub(super) const SERVER_HELLO: u8 = 2;
/// `end_of_early_data`
pub(super) const END_OF_EARLY_DATA: u8 = 5;
/// `encrypted_extensions`
pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;
/// `finished`
pub(super) const FINISHED: u8 = 20;
/// `key_update`
pub(super) const KEY_UPDATE: u8 = 24;

/// `application_layer_protocol_negotiation` (RFC 7301)
pub(super) const ALPN: u16 = 16;
/// `early_data`
const EARLY_DATA: u16 = 42;
/// `supported_versions`
pub(super) const SUPPORTED_VERSIONS: u16 = 43;

/// The random of a HelloRetryRequest: SHA-256 of those words (RFC 8446 section 4.1.3).
pub(super) const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Longest message that is put together: certificates are the longest.
const LONGEST: usize = 1 << 18;

/// What a ClientHello says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientHello {
    pub random: [u8; 32],
    /// Data may follow before the server answers.
    pub early: bool,
}

/// What a ServerHello says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerHello<'a> {
    pub random: [u8; 32],
    /// `None`: a draft, or no version at all.
    pub version: Option<Version>,
    pub cipher: u16,
    /// A request to try again: the hello is still to come.
    pub retry: bool,
    /// The protocol that was chosen; since TLS 1.3 it stands in [`Extensions`].
    pub protocol: Option<&'a [u8]>,
}

/// What EncryptedExtensions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extensions<'a> {
    pub protocol: Option<&'a [u8]>,
    /// What the client sent early is taken.
    pub early: bool,
}

impl ClientHello {
    /// Of a message without its header.
    pub fn read(body: &[u8]) -> Option<Self> {
        let (_, hello) = parse_tls_handshake_client_hello(body).ok()?;
        Some(Self {
            random: hello.random.try_into().ok()?,
            early: extension(hello.ext.unwrap_or_default(), EARLY_DATA)?.is_some(),
        })
    }
}

impl<'a> ServerHello<'a> {
    /// Of a message without its header.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let (_, hello) = parse_tls_handshake_server_hello(body).ok()?;
        let random: [u8; 32] = hello.random.try_into().ok()?;
        let extensions = hello.ext.unwrap_or_default();
        let number = match extension(extensions, SUPPORTED_VERSIONS)? {
            Some(content) => u16::from_be_bytes(content.try_into().ok()?),
            None => hello.version.0,
        };
        Some(Self {
            random,
            version: Version::of(number),
            cipher: hello.cipher.0,
            retry: random == RETRY,
            protocol: extension(extensions, ALPN)?.and_then(chosen_protocol),
        })
    }
}

impl<'a> Extensions<'a> {
    /// Of a message without its header.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let extensions = body.get(2..)?;
        Some(Self {
            protocol: extension(extensions, ALPN)?.and_then(chosen_protocol),
            early: extension(extensions, EARLY_DATA)?.is_some(),
        })
    }
}

/// The content of an extension; inside, `None` where it is not there. `None`: these are no extensions. Those that are not
/// asked for may have any content.
fn extension(all: &[u8], wanted: u16) -> Option<Option<&[u8]>> {
    for extension in extensions(all) {
        let (kind, content) = extension?;
        if kind == wanted {
            return Some(Some(content));
        }
    }
    Some(None)
}

/// Extensions one by one, kind and content. `None` in the place of the first that is none, which ends them.
pub(super) fn extensions(mut rest: &[u8]) -> impl Iterator<Item = Option<(u16, &[u8])>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let next = || {
            let ([high, low, long, length], after) = rest.split_first_chunk::<4>()?;
            let length = u16::from_be_bytes([*long, *length]);
            let (content, after) = after.split_at_checked(usize::from(length))?;
            Some((u16::from_be_bytes([*high, *low]), content, after))
        };
        let next = next();
        rest = next.map_or(&[], |(_, _, after)| after);
        Some(next.map(|(kind, content, _)| (kind, content)))
    })
}

/// The one name of a server's list.
fn chosen_protocol(content: &[u8]) -> Option<&[u8]> {
    let [_, _, length, rest @ ..] = content else {
        return None;
    };
    rest.get(..usize::from(*length))
}

/// Whether a protocol can be read inside.
pub(super) fn check_protocol(name: Option<&[u8]>) -> Result<(), Unreadable> {
    match name {
        None | Some(b"h2" | b"http/1.1" | b"http/1.0") => Ok(()),
        Some(_) => Err(Unreadable::NotHttp),
    }
}

/// Takes the first whole message with its header from what was put together of them.
pub(super) fn take(messages: &mut Vec<u8>) -> Result<Option<(u8, Vec<u8>)>, Unreadable> {
    let Some([kind, high, middle, low]) = messages.first_chunk::<4>().copied() else {
        return Ok(None);
    };
    let length = 4 + u32::from_be_bytes([0, high, middle, low]) as usize;
    if length > LONGEST {
        return Err(Unreadable::Malformed);
    }
    if messages.len() < length {
        return Ok(None);
    }
    let rest = messages.split_off(length);
    Ok(Some((kind, std::mem::replace(messages, rest))))
}

/// Messages of which only the kind matters, over any number of records.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Kinds {
    head: [u8; 4],
    have: usize,
    left: usize,
}

impl Kinds {
    /// Takes the next bytes and tells of every message that ends in them.
    pub fn read(&mut self, mut bytes: &[u8], mut ended: impl FnMut(u8)) {
        loop {
            while self.have < 4 {
                let Some((byte, rest)) = bytes.split_first() else {
                    return;
                };
                if let Some(place) = self.head.get_mut(self.have) {
                    *place = *byte;
                }
                (self.have, bytes) = (self.have + 1, rest);
                if self.have == 4 {
                    let [_, high, middle, low] = self.head;
                    self.left = u32::from_be_bytes([0, high, middle, low]) as usize;
                }
            }
            let taken = self.left.min(bytes.len());
            self.left -= taken;
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.left > 0 {
                return;
            }
            self.have = 0;
            ended(self.head[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_however_messages_are_cut() {
        let messages = [
            &[4, 0, 0, 3, 1, 2, 3][..],
            &[24, 0, 0, 1, 0],
            &[20, 0, 1, 0],
            &[7; 256],
            &[5, 0, 0, 0],
        ]
        .concat();
        for size in 1..messages.len() {
            let (mut kinds, mut told) = (Kinds::default(), Vec::new());
            for piece in messages.chunks(size) {
                kinds.read(piece, |kind| told.push(kind));
            }
            assert_eq!(told, [4, 24, 20, 5], "in pieces of {size}");
        }
    }

    #[test]
    fn protocols_that_can_be_read() {
        let list = |name: &[u8]| [&[0, 1 + name.len() as u8, name.len() as u8], name].concat();
        assert_eq!(
            chosen_protocol(&list(b"http/1.1")),
            Some(b"http/1.1".as_slice())
        );
        assert_eq!(chosen_protocol(&[0, 9, 9, 1]), None);
        assert_eq!(check_protocol(Some(b"h2")), Ok(()));
        assert_eq!(check_protocol(Some(b"imap")), Err(Unreadable::NotHttp));
        assert_eq!(check_protocol(None), Ok(()));
    }
}
