//! Names of protocols as servers choose them (RFC 7301), out of a bounded set.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// IANA's registry of protocol ids, and what is in use without standing there.
const NAMES: [&str; 36] = [
    "http/1.1",
    "h2",
    "http/1.0",
    "http/0.9",
    "spdy/1",
    "spdy/2",
    "spdy/3",
    "spdy/3.1",
    "stun.turn",
    "stun.nat-discovery",
    "h2c",
    "webrtc",
    "c-webrtc",
    "ftp",
    "imap",
    "pop3",
    "managesieve",
    "coap",
    "co",
    "xmpp-client",
    "xmpp-server",
    "acme-tls/1",
    "mqtt",
    "dot",
    "ntske/1",
    "sunrpc",
    "h3",
    "smb",
    "irc",
    "nntp",
    "nnsp",
    "doq",
    "sip/2",
    "tds/8.0",
    "postgresql",
    "radius/1.0",
];
const OTHER: &str = "_OTHER";
const NONE: &str = "none";
const UNKNOWN: &str = "__unknown__";

/// What a server chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// It said so where it could not be read.
    #[default]
    Unknown,
    /// Nothing.
    None,
    /// A protocol, by its registered name, or `_OTHER`.
    Chosen(&'static str),
}

impl Alpn {
    /// Of what a server said.
    pub(super) fn of(name: Option<&[u8]>) -> Self {
        let Some(name) = name else { return Self::None };
        let mut known = NAMES.into_iter();
        Self::Chosen(
            known
                .find(|known| known.as_bytes() == name)
                .unwrap_or(OTHER),
        )
    }

    /// The protocol.
    pub const fn chosen(self) -> Option<&'static str> {
        match self {
            Self::Unknown | Self::None => None,
            Self::Chosen(name) => Some(name),
        }
    }

    /// The value of a label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => UNKNOWN,
            Self::None => NONE,
            Self::Chosen(name) => name,
        }
    }
}

impl Serialize for Alpn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Alpn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        Ok(match &*name {
            UNKNOWN => Self::Unknown,
            NONE => Self::None,
            name => Self::of(Some(name.as_bytes())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_named_and_read_back() {
        let choices = [
            (Alpn::of(None), "none"),
            (Alpn::of(Some(b"h2")), "h2"),
            (Alpn::of(Some(b"sk_live_1234567890")), "_OTHER"),
            (Alpn::default(), "__unknown__"),
        ];
        for (choice, name) in choices {
            assert_eq!(choice.name(), name);
            let kept = serde_json::to_string(&choice).unwrap();
            assert_eq!(serde_json::from_str::<Alpn>(&kept).unwrap(), choice);
        }
    }
}
