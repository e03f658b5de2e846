//! Message heads: where one ends, what it says, and how long the message after it is (RFC 9112 sections 2 to 6).
//!
//! Bias: a head that two recipients may read differently is read as far as it goes, and says so.

use super::wiped::Wiped;
use super::{Advice, Malformed, RequestHead, Version};
use httparse::{Header, ParserConfig};
use serde::{Deserialize, Serialize};
use std::mem::MaybeUninit;
use zeroize::Zeroizing;

/// Fields that one head may carry.
const MAX_FIELDS: usize = 128;

/// A head whose end was not in its first segment. What it holds is wiped before it is freed.
#[derive(Default)]
pub(super) struct Partial {
    bytes: Wiped,
    scan: Scan,
}

/// A search for the empty line that goes on where it stopped.
#[derive(Clone, Copy, Default)]
pub(super) struct Scan {
    at: usize,
    flaw: Option<Malformed>,
}

impl Partial {
    /// Adds bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub fn bytes(&self) -> &[u8] {
        self.bytes.bytes()
    }

    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// See [`Scan::end`].
    pub fn end(&mut self) -> Option<(usize, Option<Malformed>)> {
        self.scan.end(self.bytes.bytes())
    }
}

impl Scan {
    /// Length of the head with its empty line, and what was wrong with its lines. Bytes that were looked at once
    /// are not looked at again.
    pub fn end(&mut self, bytes: &[u8]) -> Option<(usize, Option<Malformed>)> {
        while let Some(found) = bytes
            .get(self.at..)
            .and_then(|rest| memchr::memchr(b'\n', rest))
        {
            let feed = self.at + found;
            let bare = feed == 0 || bytes.get(feed - 1) != Some(&b'\r');
            let (end, folded) = match bytes.get(feed + 1..).unwrap_or_default() {
                [b'\r', b'\n', ..] => (Some(feed + 3), false),
                [b'\n', ..] => (Some(feed + 2), false),
                [b' ' | b'\t', ..] => (None, true),
                [] | [b'\r'] => {
                    self.at = feed;
                    return None;
                }
                _ => (None, false),
            };
            if bare || end == Some(feed + 2) {
                self.flaw = self.flaw.or(Some(Malformed::BareLineFeed));
            } else if folded {
                self.flaw = self.flaw.or(Some(Malformed::ObsFold));
            }
            if let Some(end) = end {
                return Some((end, self.flaw));
            }
            self.at = feed + 1;
        }
        self.at = bytes.len();
        None
    }
}

/// What a head says of the content after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lengths {
    pub content: Option<u64>,
    pub coding: Coding,
    /// Why recipients may disagree on the length.
    pub malformed: Option<Malformed>,
}

/// What Transfer-Encoding says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    #[default]
    Absent,
    Chunked,
    /// Some coding, and chunked is not the last one.
    Other,
}

/// What a request's head says that concerns the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestFacts {
    pub method: Method,
    pub lengths: Lengths,
    /// Expect: 100-continue.
    pub expect: bool,
    /// Upgrade.
    pub upgrade: bool,
}

/// Methods that change the length of the response (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Method {
    Head,
    Connect,
    Other,
}

/// What a status line and the fields after it say that concerns the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResponseFacts {
    pub status: u16,
    pub lengths: Lengths,
    pub advice: Advice,
    pub upgrade: Upgrade,
}

/// What a response changes to (RFC 9110 section 7.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// HTTP/2 in the clear (RFC 7540 section 3.2).
    Http2,
    WebSocket,
    Other,
}

/// Reads a whole request head and hands it to `see`.
pub(super) fn request<T>(
    raw: &[u8],
    flaw: Option<Malformed>,
    see: impl FnOnce(&RequestHead<'_>) -> T,
) -> Result<(RequestFacts, T), Malformed> {
    let unfolded = (flaw == Some(Malformed::ObsFold)).then(|| unfold(raw));
    let raw = unfolded.as_ref().map_or(raw, |bytes| bytes.as_slice());
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let parsed =
        ParserConfig::default().parse_request_with_uninit_headers(&mut request, raw, &mut fields);
    match parsed {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Malformed::Head),
        Err(error) => return Err(refused(error)),
    }
    let (Some(method), Some(target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(Malformed::Head);
    };
    let version = if version == 0 {
        Version::Http10
    } else {
        Version::Http11
    };
    let head = RequestHead {
        method,
        target,
        version,
        fields: request.headers,
    };
    let mut lengths = lengths(head.fields, version);
    lengths.malformed = lengths.malformed.or(flaw);
    // A request cannot end with the close, so that other codings leave no way to find its end.
    if lengths.coding == Coding::Other {
        lengths.malformed = Some(Malformed::TransferEncoding);
    }
    let facts = RequestFacts {
        method: match method {
            "HEAD" => Method::Head,
            "CONNECT" => Method::Connect,
            _ => Method::Other,
        },
        lengths,
        expect: version == Version::Http11
            && any(head.fields, "expect", |value| {
                value.eq_ignore_ascii_case(b"100-continue")
            }),
        upgrade: version == Version::Http11
            && any(head.fields, "upgrade", |value| !value.is_empty()),
    };
    Ok((facts, see(&head)))
}

/// Reads a whole response head. The status is kept where only the fields are wrong.
pub(super) fn response(
    raw: &[u8],
    flaw: Option<Malformed>,
) -> Result<ResponseFacts, (Malformed, Option<u16>)> {
    let unfolded = (flaw == Some(Malformed::ObsFold)).then(|| unfold(raw));
    let raw = unfolded.as_ref().map_or(raw, |bytes| bytes.as_slice());
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed =
        ParserConfig::default().parse_response_with_uninit_headers(&mut response, raw, &mut fields);
    let reason = match parsed {
        Ok(httparse::Status::Complete(_)) => None,
        Ok(httparse::Status::Partial) => Some(Malformed::Head),
        Err(error) => Some(refused(error)),
    };
    if let Some(reason) = reason {
        return Err((reason, status(raw)));
    }
    let (Some(status), Some(version)) = (response.code, response.version) else {
        return Err((Malformed::Head, status(raw)));
    };
    if !(100..=999).contains(&status) {
        return Err((Malformed::Head, None));
    }
    let version = if version == 0 {
        Version::Http10
    } else {
        Version::Http11
    };
    let mut lengths = lengths(response.headers, version);
    lengths.malformed = lengths.malformed.or(flaw);
    Ok(ResponseFacts {
        status,
        lengths,
        advice: Advice::of(status, response.headers),
        upgrade: upgrade(response.headers),
    })
}

/// `HTTP/1.x NNN` at the beginning of a status line.
fn status(raw: &[u8]) -> Option<u16> {
    match raw.get(..12)? {
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            b'0' | b'1',
            b' ',
            digits @ ..,
        ] => std::str::from_utf8(digits)
            .ok()?
            .parse()
            .ok()
            .filter(|status| (100..=999).contains(status)),
        _ => None,
    }
}

fn refused(error: httparse::Error) -> Malformed {
    match error {
        httparse::Error::TooManyHeaders => Malformed::HeadTooLong,
        _ => Malformed::Head,
    }
}

fn any(fields: &[Header<'_>], name: &str, holds: impl Fn(&[u8]) -> bool) -> bool {
    fields
        .iter()
        .any(|field| field.name.eq_ignore_ascii_case(name) && holds(field.value))
}

fn upgrade(fields: &[Header<'_>]) -> Upgrade {
    let to = |protocol: &[u8]| {
        any(fields, "upgrade", |value| {
            value.trim_ascii().eq_ignore_ascii_case(protocol)
        })
    };
    if to(b"websocket") {
        Upgrade::WebSocket
    } else if to(b"h2c") {
        Upgrade::Http2
    } else {
        Upgrade::Other
    }
}

fn lengths(fields: &[Header<'_>], version: Version) -> Lengths {
    let mut lengths = Lengths::default();
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            match content_length(field.value) {
                Some(value) if lengths.content.is_none_or(|earlier| earlier == value) => {
                    lengths.content = Some(value)
                }
                _ => lengths.malformed = Some(Malformed::ContentLength),
            }
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            for coding in field
                .value
                .split(|byte| *byte == b',')
                .map(<[u8]>::trim_ascii)
                .filter(|coding| !coding.is_empty())
            {
                // Chunked twice, or anything after it, is not allowed (RFC 9112 section 6.1).
                if lengths.coding == Coding::Chunked {
                    lengths.malformed = Some(Malformed::TransferEncoding);
                }
                let chunked = coding.eq_ignore_ascii_case(b"chunked");
                lengths.coding = if chunked {
                    Coding::Chunked
                } else {
                    Coding::Other
                };
            }
            // A field without any coding, and one in HTTP/1.0, are read differently (RFC 9112 section 6.1).
            if lengths.coding == Coding::Absent || version == Version::Http10 {
                lengths.malformed = Some(Malformed::TransferEncoding);
            }
        }
    }
    if lengths.coding != Coding::Absent && lengths.content.is_some() {
        lengths.malformed = Some(Malformed::BothLengths);
    }
    lengths
}

/// A list of equal decimal numbers, as RFC 9112 section 6.3 lets a recipient take it.
fn content_length(value: &[u8]) -> Option<u64> {
    let mut length = None;
    for item in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        if item.is_empty() || !item.iter().all(u8::is_ascii_digit) {
            return None;
        }
        // Past 2^62 no stream goes; sums of lengths and offsets cannot wrap.
        let item = std::str::from_utf8(item)
            .ok()?
            .parse::<u64>()
            .ok()
            .filter(|length| length >> 62 == 0)?;
        if length.is_some_and(|earlier| earlier != item) {
            return None;
        }
        length = Some(item);
    }
    length
}

/// The head with every obs-fold replaced by blanks of the same length (RFC 9112 section 5.2).
fn unfold(raw: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(raw.to_vec());
    for at in 2..bytes.len() {
        if let Some([carriage @ b'\r', feed @ b'\n', b' ' | b'\t']) = bytes.get_mut(at - 2..=at) {
            (*carriage, *feed) = (b' ', b' ');
        }
    }
    bytes
}
