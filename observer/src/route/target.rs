//! The four forms of a request target (RFC 9112 section 3.2) and the host that goes with it.
//!
//! What no target may hold (RFC 3986 appendix A), or is no host name, is refused: labels are made of it.

/// A request target by its form. Query and fragment are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// Origin or absolute form. The path starts with a slash.
    Path {
        authority: Option<&'a str>,
        path: &'a str,
    },
    /// `*`, of OPTIONS.
    Asterisk,
    /// Authority form, of CONNECT.
    Authority(&'a str),
    /// None of these.
    Other,
}

impl<'a> Target<'a> {
    pub(super) fn of(method: &str, target: &'a str) -> Self {
        if method == "CONNECT" {
            return Self::Authority(target);
        }
        let end = memchr::memchr2(b'?', b'#', target.as_bytes()).unwrap_or(target.len());
        let target = target.get(..end).unwrap_or_default();
        if target == "*" {
            return Self::Asterisk;
        }
        // Without an early exit, several bytes are looked at together.
        if !target
            .bytes()
            .fold(true, |allowed, byte| allowed & is_allowed(byte))
        {
            return Self::Other;
        }
        if target.starts_with('/') {
            return Self::Path {
                authority: None,
                path: target,
            };
        }
        let Some((scheme, rest)) = target.split_once("://") else {
            return Self::Other;
        };
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Self::Other;
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        Self::Path {
            authority: Some(authority),
            path,
        }
    }

    pub(super) fn authority(&self) -> Option<&'a str> {
        match self {
            Self::Path { authority, .. } => *authority,
            Self::Authority(authority) => Some(authority),
            Self::Asterisk | Self::Other => None,
        }
    }

    pub(super) fn path(&self) -> Option<&'a str> {
        match self {
            Self::Path { path, .. } => Some(path),
            Self::Authority(_) | Self::Asterisk | Self::Other => None,
        }
    }
}

/// Whether a byte may stand in a path (RFC 3986 section 3.3), escapes included: printable ASCII but what quotes or brackets.
#[inline]
fn is_allowed(byte: u8) -> bool {
    let never = (byte == b'"')
        | (byte == b'<')
        | (byte == b'>')
        | (byte == b'\\')
        | (byte == b'^')
        | (byte == b'`')
        | (byte == b'{')
        | (byte == b'|')
        | (byte == b'}');
    byte.is_ascii_graphic() & !never
}

/// A host in lower case without port, user information and final dot; empty where it is no host.
pub(super) struct HostName {
    bytes: [u8; Self::MAX],
    length: usize,
}

impl HostName {
    /// Longest DNS name in text (RFC 1035 section 2.3.4).
    const MAX: usize = 253;

    pub(super) fn of(authority: Option<&str>) -> Self {
        let mut name = Self {
            bytes: [0; Self::MAX],
            length: 0,
        };
        let host = authority.and_then(host_of).unwrap_or_default();
        if let Some(bytes) = name.bytes.get_mut(..host.len()) {
            bytes.copy_from_slice(host.as_bytes());
            bytes.make_ascii_lowercase();
            name.length = host.len();
        }
        name
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        let bytes = self.bytes.get(..self.length)?;
        std::str::from_utf8(bytes)
            .ok()
            .filter(|name| !name.is_empty())
    }
}

/// The host of an authority: a name, an IPv4 address, or an IPv6 address in its brackets.
fn host_of(authority: &str) -> Option<&str> {
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        return is_port(port)
            .then(|| authority.get(..address.len() + 2))
            .flatten();
    }
    let colon = authority
        .bytes()
        .position(|byte| byte == b':')
        .unwrap_or(authority.len());
    let (host, port) = authority.split_at_checked(colon)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    (is_port(port) && is_name(host)).then_some(host)
}

/// Letters, digits, `-` and `_` in labels of 1 to 63 bytes (RFC 1035 section 2.3.4; an IPv4 address is one too).
fn is_name(host: &str) -> bool {
    let mut label = 0;
    for byte in host.bytes() {
        match byte {
            b'.' if label > 0 => label = 0,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' if label < 63 => label += 1,
            _ => return false,
        }
    }
    label > 0
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()))
}
