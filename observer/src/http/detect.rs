//! What the first bytes of a segment say about the protocol that they belong to.
//!
//! Bias: prefers missing a start to seeing one inside a body; only bytes that leave no doubt count.

use super::http2::PREFACE;

/// The kind of message that starts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// An HTTP/1 request line: a token, a space, and the beginning of a target (RFC 9112 section 3).
    Request,
    /// An HTTP/1 status line (RFC 9112 section 4).
    Response,
    /// The HTTP/2 connection preface (RFC 9113 section 3.4).
    Http2,
    /// A TLS record of any content type (RFC 8446 section 5.1).
    Tls,
    /// A PROXY protocol header, version 1 or 2.
    Proxy,
}

/// What the bytes so far say, where more of them may still come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Is(Start),
    /// Whatever follows, nothing known starts here.
    Not,
    /// Too short to tell.
    Short,
}

/// Which message starts with these bytes, if that is sure.
pub fn detect(bytes: &[u8]) -> Option<Start> {
    match look(bytes) {
        Look::Is(start) => Some(start),
        Look::Not | Look::Short => None,
    }
}

/// Longest method that is looked for. The longest registered one is UPDATEREDIRECTREF with 17 bytes.
const METHOD_BYTES: usize = 64;

const STATUS_LINE: &[u8] = b"HTTP/1.";
pub(super) const PROXY_1: &[u8] = b"PROXY ";
pub(super) const PROXY_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

pub(super) fn look(bytes: &[u8]) -> Look {
    let (Some(&first), Some(_)) = (bytes.first(), bytes.last()) else {
        return Look::Short;
    };
    match first {
        20..=23 => return tls(bytes),
        b'\r' => return literal(bytes, PROXY_2, Start::Proxy),
        _ => {}
    }
    for (text, start) in [
        (STATUS_LINE, Start::Response),
        (PREFACE.as_slice(), Start::Http2),
    ] {
        match literal(bytes, text, start) {
            Look::Not => {}
            sure => return sure,
        }
    }
    if let Some(rest) = bytes.strip_prefix(PROXY_1) {
        for protocol in [&b"TCP4 "[..], b"TCP6 ", b"UNKNOWN"] {
            match literal(rest, protocol, Start::Proxy) {
                Look::Not => {}
                sure => return sure,
            }
        }
    }
    request(bytes)
}

fn literal(bytes: &[u8], text: &[u8], start: Start) -> Look {
    if bytes.starts_with(text) {
        Look::Is(start)
    } else if text.starts_with(bytes) {
        Look::Short
    } else {
        Look::Not
    }
}

fn tls(bytes: &[u8]) -> Look {
    match *bytes {
        [_, 3, 0..=4, high, low, ..]
            if usize::from(high) * 256 + usize::from(low) <= (1 << 14) + 2048 =>
        {
            Look::Is(Start::Tls)
        }
        [_] | [_, 3] | [_, 3, 0..=4] | [_, 3, 0..=4, _] => Look::Short,
        _ => Look::Not,
    }
}

/// A token, a space and a target in origin, absolute, asterisk or (after CONNECT) authority form.
fn request(bytes: &[u8]) -> Look {
    let token = bytes
        .iter()
        .take(METHOD_BYTES + 1)
        .take_while(|byte| is_token(**byte))
        .count();
    if token == 0 || token > METHOD_BYTES {
        return Look::Not;
    }
    let (method, rest) = bytes.split_at(token);
    match rest {
        [] | [b' '] => Look::Short,
        [b' ', target @ ..] => match target.first() {
            Some(b'/' | b'*') => Look::Is(Start::Request),
            Some(byte)
                if method == b"CONNECT" && (byte.is_ascii_alphanumeric() || *byte == b'[') =>
            {
                Look::Is(Start::Request)
            }
            _ => absolute(target),
        },
        _ => Look::Not,
    }
}

fn absolute(target: &[u8]) -> Look {
    let scheme = b"http";
    let shared = target.len().min(scheme.len());
    match (target.get(..shared), scheme.get(..shared)) {
        (Some(seen), Some(wanted)) if seen.eq_ignore_ascii_case(wanted) => {
            if shared == scheme.len() {
                Look::Is(Start::Request)
            } else {
                Look::Short
            }
        }
        _ => Look::Not,
    }
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_name_the_protocol() {
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1\r\n"[..], Some(Start::Request)),
            (b"M-SEARCH * HTTP/1.1\r\n", Some(Start::Request)),
            (b"OPTIONS * HTTP/1.1", Some(Start::Request)),
            (b"GET http://a/ HTTP/1.1", Some(Start::Request)),
            (b"GET HTTPS://a/ HTTP/1.1", Some(Start::Request)),
            (b"CONNECT a.example:443 HTTP/1.1", Some(Start::Request)),
            (b"CONNECT [::1]:443 HTTP/1.1", Some(Start::Request)),
            (b"PROXY /x HTTP/1.1", Some(Start::Request)),
            (b"PRI /x HTTP/1.1", Some(Start::Request)),
            (b"GET example HTTP/1.1", None),
            (b"GET", None),
            (b"GET ", None),
            (b"", None),
            (b"SSH-2.0-OpenSSH", None),
            (b"220 smtp.example ESMTP", None),
            (b"HTTP/1.1 200 OK", Some(Start::Response)),
            (b"HTTP/1.0 404", Some(Start::Response)),
            (b"HTTP/2 200", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Start::Http2)),
            (b"\x16\x03\x01\x02\x00\x01", Some(Start::Tls)),
            (b"\x17\x03\x03\xff\xff\x01", None),
            (b"PROXY TCP4 192.0.2.1", Some(Start::Proxy)),
            (b"PROXY UNKNOWN\r\n", Some(Start::Proxy)),
            (b"\r\n\r\n\0\r\nQUIT\n\x21", Some(Start::Proxy)),
            (b"\r\nGET / HTTP/1.1", None),
        ] {
            assert_eq!(
                detect(bytes),
                expected,
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn more_bytes_never_contradict_what_was_sure() {
        for text in [
            &b"GET /a HTTP/1.1\r\n"[..],
            PREFACE.as_slice(),
            b"HTTP/1.1 200 OK\r\n",
            b"PROXY TCP6 ::1",
            PROXY_2,
        ] {
            let last = look(text);
            assert_ne!(last, Look::Short);
            for length in 0..text.len() {
                let now = look(&text[..length]);
                assert!(now == Look::Short || now == last, "{now:?} then {last:?}");
            }
        }
    }
}
