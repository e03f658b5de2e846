//! What is kept of a decoder over a restart: names, lengths, and values that are no secret.
//!
//! Invariant: no value of any other field is in it. Sizes stay exact, so that entries are evicted as before.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Decoder;
use super::table::Table;

/// Fields whose values are kept: what messages are told apart by, and nothing that may carry a credential. So not `:path`,
/// whose query may.
const HARMLESS: [&[u8]; 13] = [
    b":authority",
    b":method",
    b":scheme",
    b":status",
    b"accept",
    b"accept-encoding",
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"date",
    b"grpc-status",
    b"server",
    b"te",
];

/// A decoder as it is written.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    limit: u32,
    bound: u32,
    complete: bool,
    /// The oldest first.
    entries: Vec<Entry<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    name: Option<Cow<'a, [u8]>>,
    value: Option<Cow<'a, [u8]>>,
    /// Bytes of the value, whether it is here or not.
    length: u32,
}

impl Serialize for Decoder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.table.iter().map(|(name, value, length)| Entry {
            name: name.map(Cow::Borrowed),
            value: value
                .filter(|value| name.is_some_and(|name| is_harmless(name, value)))
                .map(Cow::Borrowed),
            length,
        });
        let kept = Kept {
            limit: self.limit,
            bound: self.table.bound(),
            complete: self.table.is_complete(),
            entries: entries.collect(),
        };
        kept.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decoder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kept = Kept::deserialize(deserializer)?;
        let entries = kept.entries.iter().map(|entry| {
            let (name, value) = (entry.name.as_deref(), entry.value.as_deref());
            (name, value, entry.length)
        });
        Ok(Self {
            table: Table::restored(kept.bound, kept.complete, entries),
            limit: kept.limit,
        })
    }
}

/// An authority may have a password in it, although it must not (RFC 9113 section 8.3.1).
fn is_harmless(name: &[u8], value: &[u8]) -> bool {
    HARMLESS.contains(&name) && !(name == b":authority" && value.contains(&b'@'))
}
