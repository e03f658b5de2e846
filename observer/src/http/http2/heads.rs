//! Heads and trailers: what a block of fields says (RFC 9113 section 8).
//!
//! Bias: a field that cannot be resolved might be a key. Where one might be, nobody is named by the others.

use std::cell::Cell;

use httparse::Header;

use super::super::wiped::Wiped;
use super::super::{Advice, Malformed, RequestHead, Uncertain, Version};
use super::frame::{self, HEADER, Kind, flag};
use super::hpack::{Decoder, Field};

/// Fields that one head may carry.
const MAX_FIELDS: usize = 128;
/// Names that never carry a key: their values may be unknown.
const HARMLESS: [&[u8]; 13] = [
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"cache-control",
    b"content-length",
    b"date",
    b"grpc-accept-encoding",
    b"grpc-encoding",
    b"origin",
    b"priority",
    b"te",
    b"user-agent",
    b"vary",
];

/// A block's fields, resolved as far as they can be. Wiped before it is freed.
#[derive(Default)]
pub(super) struct Fields {
    bytes: Wiped,
    /// Of each field that is known: where it begins, where its value does, and where it ends.
    places: Vec<[u32; 3]>,
    /// Some field is not known, and may have been anything.
    veiled: bool,
    /// A status that is not known stands first.
    status_veiled: bool,
    /// Some field is not known, and may have been the status of a call.
    call_veiled: bool,
    /// The first field is no pseudo-field, as in trailers.
    pub trailing: bool,
    malformed: Option<Malformed>,
}

/// What a request's head says that concerns the connection.
pub(super) struct Asked<T> {
    /// What the sink made of it; `None` where it cannot be told what was asked for.
    pub request: Option<T>,
    pub length: Option<u64>,
    /// It is a call of gRPC.
    pub calls: bool,
    /// Content is another protocol's.
    pub tunnel: bool,
    /// It is a WebSocket's (RFC 8441).
    pub socket: bool,
    pub malformed: Option<Malformed>,
    pub uncertain: Option<Uncertain>,
}

impl<T> Default for Asked<T> {
    fn default() -> Self {
        Self {
            request: None,
            length: None,
            calls: false,
            tunnel: false,
            socket: false,
            malformed: None,
            uncertain: None,
        }
    }
}

/// What a response's head, or its trailers, say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// `None`: there is none, or it is not known.
    pub status: Option<u16>,
    /// There is one, and it is not known.
    pub status_veiled: bool,
    pub advice: Advice,
    pub grpc_status: Option<u32>,
    /// Some field is not known, and may have been the status of a call.
    pub call_veiled: bool,
}

/// The fields before all others.
#[derive(Clone, Copy, Default)]
struct Pseudo<'a> {
    method: Option<&'a str>,
    scheme: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    path: Option<&'a str>,
    protocol: Option<&'a [u8]>,
}

impl Fields {
    /// Resolves a block of up to so many bytes, as fields count (RFC 9113 section 6.5.2). `wanted`: the names that matter. `None`: it
    /// is malformed, and what the table held is not known any more.
    pub fn read(
        table: &mut Decoder,
        block: &[u8],
        most: usize,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Option<Self> {
        // Most blocks are not half as long as what they say.
        let mut fields = Self {
            bytes: Wiped::with_capacity(4 * block.len() + 128),
            places: Vec::with_capacity(24),
            ..Self::default()
        };
        let (first, trailing) = (Cell::new(true), Cell::new(false));
        let is_wanted = |name: &[u8]| {
            if first.replace(false) {
                trailing.set(name.first() != Some(&b':'));
            }
            wanted(name)
        };
        let outcome = table.decode_some(block, most, is_wanted, |field| {
            if field.name.is_none() {
                first.set(false);
            }
            fields.push(field);
        });
        let outcome = outcome.ok()?;
        fields.trailing = trailing.get();
        if outcome.truncated {
            fields.malformed.get_or_insert(Malformed::HeadTooLong);
        }
        Some(fields)
    }

    fn push(&mut self, field: Field<'_>) {
        let (Some(name), Some(value)) = (field.name, field.value) else {
            let harmless = field.name.is_some_and(|name| HARMLESS.contains(&name));
            self.veiled |= !harmless;
            self.status_veiled |= field.name == Some(b":status");
            self.call_veiled |= field.name.is_none_or(|name| name == b"grpc-status");
            if field.name.is_none() && self.places.is_empty() {
                self.status_veiled = true;
            }
            return;
        };
        if self.places.len() >= MAX_FIELDS {
            self.malformed.get_or_insert(Malformed::HeadTooLong);
            return;
        }
        let begin = self.bytes.bytes().len();
        self.bytes.extend(name);
        self.bytes.extend(value);
        let middle = begin + name.len();
        self.places
            .push([begin, middle, middle + value.len()].map(|place| place as u32));
    }

    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.places.iter().filter_map(|place| {
            let [begin, middle, end] = place.map(|place| place as usize);
            let bytes = self.bytes.bytes();
            Some((bytes.get(begin..middle)?, bytes.get(middle..end)?))
        })
    }

    /// Reads it as a request's head, and hands it to `see`.
    pub fn request<T>(&self, see: impl FnOnce(&RequestHead<'_>) -> T) -> Asked<T> {
        let mut pseudo = Pseudo::default();
        let mut regular: Vec<Header<'_>> = Vec::with_capacity(self.places.len() + 1);
        let mut asked = Asked {
            malformed: self.malformed,
            uncertain: self.veiled.then_some(Uncertain::HeaderTable),
            ..Asked::default()
        };
        let mut flaw = |reason| {
            asked.malformed.get_or_insert(reason);
        };
        for (name, value) in self.pairs() {
            if name.first() == Some(&b':') {
                // Behind other fields, and twice, they are malformed (RFC 9113 section 8.3).
                if !regular.is_empty() || !pseudo.take(name, value) {
                    flaw(Malformed::Head);
                }
                continue;
            }
            match std::str::from_utf8(name) {
                Ok(name) if is_name(name) => regular.push(Header { name, value }),
                _ => flaw(Malformed::Head),
            }
        }
        for field in &regular {
            match field.name {
                "content-length" => match number(field.value) {
                    Some(length) if asked.length.is_none_or(|before| before == length) => {
                        asked.length = Some(length);
                    }
                    _ => flaw(Malformed::ContentLength),
                },
                // What it means to whoever translates to HTTP/1 is not known (RFC 9113 section 8.2.2).
                "transfer-encoding" => flaw(Malformed::TransferEncoding),
                "content-type" => asked.calls = is_grpc(field.value),
                "host"
                    if pseudo
                        .authority
                        .is_some_and(|authority| authority != field.value) =>
                {
                    flaw(Malformed::Head);
                }
                _ => {}
            }
        }
        let connect = pseudo.method == Some("CONNECT");
        let plain_connect = connect && pseudo.protocol.is_none();
        let authority = pseudo
            .authority
            .and_then(|authority| std::str::from_utf8(authority).ok());
        let target = if plain_connect {
            authority
        } else {
            pseudo.path
        };
        let whole = pseudo.method.is_some()
            && target.is_some_and(|target| !target.is_empty())
            && (plain_connect || pseudo.scheme.is_some());
        if !whole && !self.veiled {
            flaw(Malformed::Head);
        }
        asked.tunnel = connect;
        asked.socket = connect && pseudo.protocol == Some(b"websocket");
        let (Some(method), Some(target)) = (pseudo.method, target) else {
            return asked;
        };
        if let Some(value) = pseudo.authority
            && !regular.iter().any(|field| field.name == "host")
        {
            let name = "host";
            regular.push(Header { name, value });
        }
        asked.request = Some(see(&RequestHead {
            method,
            target,
            version: Version::Http2,
            fields: &regular,
        }));
        asked
    }

    /// Reads it as a response's head, or as trailers.
    pub fn response(&self) -> Said {
        let mut said = Said {
            status_veiled: self.status_veiled,
            call_veiled: self.call_veiled,
            ..Said::default()
        };
        let mut regular: Vec<Header<'_>> = Vec::with_capacity(self.places.len());
        for (name, value) in self.pairs() {
            match name {
                b":status" => {
                    let status = number(value).and_then(|number| u16::try_from(number).ok());
                    said.status = status.filter(|status| (100..=999).contains(status));
                    said.status_veiled = false;
                }
                b"grpc-status" => {
                    said.grpc_status = number(value).and_then(|number| u32::try_from(number).ok());
                }
                _ => {
                    if let Ok(name) = std::str::from_utf8(name) {
                        regular.push(Header { name, value });
                    }
                }
            }
        }
        if let Some(status) = said.status {
            said.advice = Advice::of(status, &regular);
        }
        said
    }
}

impl<'a> Pseudo<'a> {
    /// Takes one; false: it is none of a request's, or it was there before, or it is no text where it has to be.
    fn take(&mut self, name: &[u8], value: &'a [u8]) -> bool {
        let text = |place: &mut Option<&'a str>| {
            let new = std::str::from_utf8(value).ok();
            let new = new.filter(|value| value.bytes().all(|byte| byte > b' ' && byte != 0x7f));
            let fits = place.is_none() && new.is_some();
            *place = place.or(new);
            fits
        };
        let octets = |place: &mut Option<&'a [u8]>| place.replace(value).is_none();
        match name {
            b":method" => text(&mut self.method),
            b":path" => text(&mut self.path),
            b":scheme" => octets(&mut self.scheme),
            b":authority" => octets(&mut self.authority),
            b":protocol" => octets(&mut self.protocol),
            _ => false,
        }
    }
}

/// Lower case, as names have to be (RFC 9113 section 8.2.1).
fn is_name(name: &str) -> bool {
    let may_be = |byte: u8| matches!(byte, 0x21..=0x39 | 0x3b..=0x40 | 0x5b..=0x7e);
    !name.is_empty() && name.bytes().all(may_be)
}

fn is_grpc(content_type: &[u8]) -> bool {
    let rest = content_type.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| rest.is_empty() || matches!(rest, [b'+' | b';', ..]))
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse::<u64>().ok()?;
    // As in HTTP/1: sums of lengths cannot wrap.
    Some(number).filter(|number| number >> 62 == 0)
}

/// Whether a field of a response, or of trailers, is looked at.
pub(super) fn is_looked_at(name: &[u8]) -> bool {
    matches!(name, b":status" | b"grpc-status" | b"retry-after" | b"date")
        || name.starts_with(b"ratelimit-")
}

/// Whether bytes that begin with a frame are likely the client's (true) or the server's (false), by the first head among them.
pub fn is_client(bytes: &[u8]) -> Option<bool> {
    let mut rest = bytes;
    while let Some(header) = rest.first_chunk::<HEADER>().map(frame::Header::read) {
        let payload = rest.get(HEADER..).unwrap_or_default();
        match header.kind {
            Kind::Push => return Some(false),
            Kind::Headers => {
                let skip = usize::from(header.has(flag::PADDED))
                    + if header.has(flag::PRIORITY) { 5 } else { 0 };
                if let asks @ Some(_) = payload.get(skip..).and_then(asks) {
                    return asks;
                }
            }
            _ => {}
        }
        rest = payload.get(header.length as usize..)?;
    }
    None
}

/// Whether a block is likely a request's (true) or a response's (false), by its first field, which the encoding shows: it is one of
/// the table that never changes (RFC 7541 appendix A), or none that says so.
fn asks(block: &[u8]) -> Option<bool> {
    // A size update may stand before it.
    let first = block.iter().find(|octet| !matches!(octet, 0x20..=0x3f))?;
    match first {
        // Indexed, then a literal that is indexed, not, or never: the name's place.
        0x82..=0x87 | 0x41..=0x47 | 0x02..=0x07 | 0x12..=0x17 => Some(true),
        0x81 | 0x01 | 0x11 => Some(true),
        0x88..=0x8e | 0x48..=0x4e | 0x08..=0x0e | 0x18..=0x1e => Some(false),
        _ => None,
    }
}
