//! What the first bytes of a segment start, if anything.
//!
//! Bias: prefers calling something a start; who reads the whole head decides.

/// First bytes of a segment's payload that are looked at.
pub const LEAD: usize = 32;

/// Something that begins with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A request line: a token, a space, and what a request target begins with (RFC 9112 section 3).
    Request,
    /// A status line (RFC 9112 section 4).
    Response,
    /// A PROXY protocol header, version 1 or 2.
    Proxy,
    /// The HTTP/2 connection preface (RFC 9113 section 3.4).
    Http2,
    /// A frame of HTTP/2 (RFC 9113 section 4.1). Says something only where a connection was joined in the middle.
    Frame,
    /// A TLS handshake record (RFC 8446 section 5.1).
    Tls,
    /// So few bytes that one of the others may begin with them. Says something only at the start of a connection.
    Prefix,
}

/// Short starts that are no token.
const STATUS: [u8; 8] = *b"HTTP/1.1";
const PROXY: [u8; 8] = *b"\r\n\r\n\0\r\nQ";

/// What `lead` begins, given its first `length` bytes.
#[inline(always)]
pub fn read(lead: &[u8; LEAD], length: u32) -> Option<Sign> {
    let [a, b, c, d, e, f, g, h, rest @ ..] = *lead;
    let first = [a, b, c, d, e, f, g, h];
    if length < 8 {
        if length >= 6 && a == 0x16 && b == 3 && c <= 4 && (f == 1 || f == 2) {
            return Some(Sign::Tls);
        }
        let known = u64::MAX << (64 - 8 * u64::from(length.max(1)));
        let start = u64::from_be_bytes(first) & known;
        if length > 0
            && (start == u64::from_be_bytes(STATUS) & known
                || start == u64::from_be_bytes(PROXY) & known)
        {
            return Some(Sign::Prefix);
        }
        return request(lead, length);
    }
    if a == 0x16 && b == 3 && c <= 4 && (f == 1 || f == 2) {
        return Some(Sign::Tls);
    }
    match &first {
        b"HTTP/1.0" | b"HTTP/1.1" => return Some(Sign::Response),
        b"PRI * HT"
            if length >= 14
                && rest[0] == b'T'
                && rest[1] == b'P'
                && rest[2] == b'/'
                && rest[3] == b'2' =>
        {
            return Some(Sign::Http2);
        }
        b"PROXY TC" | b"PROXY UN" | b"\r\n\r\n\0\r\nQ" => return Some(Sign::Proxy),
        _ => {}
    }
    if a == 0 && frame(lead, length) {
        return Some(Sign::Frame);
    }
    request(lead, length)
}

/// A frame's header: of a kind that has one length, or the head or content of one of the first streams of a client, in a frame of
/// usual size.
#[inline(always)]
fn frame(lead: &[u8; LEAD], length: u32) -> bool {
    let [_, b, c, kind, flags, f, g, h, i, ..] = *lead;
    let octets = u32::from_be_bytes([0, 0, b, c]);
    let stream = u32::from_be_bytes([f, g, h, i]);
    let asked = stream & 1 == 1 && stream >> 24 == 0 && octets > 0 && octets <= 1 << 14;
    length >= 9
        && match (kind, octets) {
            // END_STREAM, PADDED.
            (0, _) => asked && flags & !9 == 0,
            // The same, END_HEADERS, PRIORITY.
            (1, _) => asked && flags & !0x2d == 0 && flags & 4 != 0,
            (3, 4) => stream != 0 && flags == 0,
            (4, 0) => stream == 0 && flags == 1,
            (6, 8) => stream == 0 && flags & !1 == 0,
            (8, 4) => flags == 0,
            _ => false,
        }
}

/// A token of at most 24 bytes, a space, and the start of a target.
#[inline(always)]
fn request(lead: &[u8; LEAD], length: u32) -> Option<Sign> {
    if length > 8
        && lead[0] == b'C'
        && lead[1] == b'O'
        && lead[2] == b'N'
        && lead[3] == b'N'
        && lead[4] == b'E'
        && lead[5] == b'C'
        && lead[6] == b'T'
        && lead[7] == b' '
    {
        return Some(Sign::Request);
    }
    let mut at = 0;
    while at < 25 && at + 1 < LEAD {
        let byte = lead[at];
        if at as u32 == length {
            return if at > 0 { Some(Sign::Prefix) } else { None };
        }
        if byte == b' ' {
            let next = lead[at + 1];
            let target = matches!(next, b'/' | b'*' | b'h' | b'H');
            return if at > 0 && (at as u32) + 1 == length {
                Some(Sign::Prefix)
            } else if at > 0 && target {
                Some(Sign::Request)
            } else {
                None
            };
        }
        if !token(byte) {
            return None;
        }
        at += 1;
    }
    None
}

/// `tchar` of RFC 9110 section 5.6.2, as a bitmap: a table would be a map in the kernel.
#[inline(always)]
fn token(byte: u8) -> bool {
    const LOW: u64 = 0x03ff_6cfa_0000_0000;
    const HIGH: u64 = 0x57ff_ffff_c7ff_fffe;
    let bits = if byte < 64 { LOW } else { HIGH };
    byte < 128 && (bits >> (byte & 63)) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Option<Sign> {
        let mut lead = [0; LEAD];
        let length = bytes.len().min(LEAD);
        lead[..length].copy_from_slice(&bytes[..length]);
        read(&lead, length as u32)
    }

    #[test]
    fn token_is_tchar() {
        for byte in 0..=255_u8 {
            let expected = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(token(byte), expected, "{byte}");
        }
    }

    #[test]
    fn starts_are_told_from_other_bytes() {
        assert_eq!(of(b"GET / HTTP/1.1\r\n"), Some(Sign::Request));
        assert_eq!(of(b"PROPFIND /x HTTP/1.1\r\n"), Some(Sign::Request));
        assert_eq!(of(b"OPTIONS * HTTP/1.1\r\n"), Some(Sign::Request));
        assert_eq!(of(b"GET http://h/ HTTP/1.1\r\n"), Some(Sign::Request));
        assert_eq!(of(b"CONNECT h:443 HTTP/1.1\r\n"), Some(Sign::Request));
        assert_eq!(of(b"HTTP/1.1 200 OK\r\n"), Some(Sign::Response));
        assert_eq!(
            of(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
            Some(Sign::Proxy)
        );
        assert_eq!(of(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"), Some(Sign::Proxy));
        assert_eq!(of(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Some(Sign::Http2));
        assert_eq!(
            of(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
            Some(Sign::Tls)
        );
        assert_eq!(of(b"SSH-2.0-OpenSSH_9.2p1 Debian-2"), None);
        assert_eq!(of(b"EHLO example.org\r\n"), None);
        assert_eq!(of(b" / HTTP/1.1\r\n"), None);
        assert_eq!(of(b""), None);
    }

    #[test]
    fn a_start_cut_anywhere_may_be_one() {
        for (start, sign) in [
            (&b"PROPFIND /x HTTP/1.1\r\n"[..], Sign::Request),
            (b"CONNECT h:443 HTTP/1.1\r\n", Sign::Request),
            (b"HTTP/1.1 200 OK\r\n", Sign::Response),
            (b"HTTP/1.0 200 OK\r\n", Sign::Response),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", Sign::Proxy),
        ] {
            for cut in 1..start.len() {
                let found = of(&start[..cut]);
                assert!(
                    found == Some(sign) || found == Some(Sign::Prefix),
                    "{cut} {found:?}"
                );
            }
        }
        assert_eq!(of(b"GET x"), None);
        assert_eq!(of(b"*1\r\n"), None);
        assert_eq!(of(b"\0\0\0\x08"), None);
        assert_eq!(of(b"HTTP/2"), None);
    }

    #[test]
    fn frames_are_told_from_other_bytes() {
        for frame in [
            &b"\0\0\x1e\x01\x05\0\0\0\x03\x82"[..],
            b"\0\x40\0\0\0\0\0\0\x03abc",
            b"\0\0\x04\x08\0\0\0\0\0\0\x01\0\0",
            b"\0\0\0\x04\x01\0\0\0\0",
            b"\0\0\x08\x06\0\0\0\0\0abcdefgh",
        ] {
            assert_eq!(of(frame), Some(Sign::Frame), "{frame:?}");
        }
        for other in [
            &[0; 32][..],
            b"\0\0\x1e\x01\x01\0\0\0\x03\x82",
            b"\0\0\x1e\x01\x05\0\0\0\x02\x82",
            b"\0\0\x05\x08\0\0\0\0\0\0\x01\0\0",
            b"\0\0\x1e\x01\x05\0\0",
        ] {
            assert_eq!(of(other), None, "{other:?}");
        }
    }
}
