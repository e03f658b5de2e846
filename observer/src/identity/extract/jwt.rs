//! The claims of a JSON Web Token (RFC 7519) that name its subject. Decoded, not verified.
//!
//! Bias: a token that parsers read differently (a claim twice) names nobody.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor,
};
use zeroize::Zeroizing;

use super::candidates::clear;

/// Longer tokens are not decoded.
const TOKEN_BYTES: usize = 16 * 1024;
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Who a token says it is for.
pub struct Token {
    /// `iss`, or empty.
    pub issuer: String,
    /// The first claim of those asked for.
    pub subject: String,
    /// `exp`, seconds since 1970.
    pub expires: Option<i64>,
}

/// The claims of a compact signed token (RFC 7515 section 7.1); `None` for anything else, encrypted tokens included.
pub fn read(token: &[u8], claims: &[Box<str>]) -> Option<Token> {
    // {" in base64: every header that any library writes
    if !token.starts_with(b"eyJ") || token.len() > TOKEN_BYTES {
        return None;
    }
    let mut parts = token.split(|byte| *byte == b'.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let mut json = Zeroizing::new(Vec::new());
    BASE64URL.decode_vec(payload, &mut json).ok()?;
    let mut reader = serde_json::Deserializer::from_slice(&json);
    let token = Claims(claims).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    token
}

struct Claims<'a>(&'a [Box<str>]);

impl<'de> DeserializeSeed<'de> for Claims<'_> {
    type Value = Option<Token>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Claims<'_> {
    type Value = Option<Token>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut issuer: Option<Option<String>> = None;
        let mut expires: Option<Option<i64>> = None;
        let mut best: Option<(usize, String)> = None;
        // One bit a claim: more than 64 are not configurable.
        let mut seen = 0_u64;
        while let Some(Name(name)) = map.next_key()? {
            if let Some(rank) = self.0.iter().position(|claim| **claim == *name) {
                let bit = u32::try_from(rank)
                    .ok()
                    .and_then(|rank| 1_u64.checked_shl(rank))
                    .unwrap_or(0);
                if seen & bit != 0 {
                    return Err(A::Error::custom("a claim twice"));
                }
                seen |= bit;
                let Scalar { text, .. } = map.next_value()?;
                if let Some(text) = text
                    && best.as_ref().is_none_or(|(other, _)| rank < *other)
                {
                    best = Some((rank, text));
                }
            } else if name == "iss" {
                if issuer.replace(map.next_value::<Scalar>()?.text).is_some() {
                    return Err(A::Error::custom("iss twice"));
                }
            } else if name == "exp" {
                if expires
                    .replace(map.next_value::<Scalar>()?.seconds)
                    .is_some()
                {
                    return Err(A::Error::custom("exp twice"));
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        // An issuer that is there but no name would put the subject in a scope that is not its own.
        let issuer = match issuer {
            None => String::new(),
            Some(Some(issuer)) => issuer,
            Some(None) => return Ok(None),
        };
        Ok(best.map(|(_, subject)| Token {
            issuer,
            subject,
            expires: expires.flatten(),
        }))
    }
}

struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(text.into()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(text.to_owned().into()))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// A claim's value as far as it can name somebody or a time; empty for arrays, objects and the rest.
#[derive(Default)]
struct Scalar {
    text: Option<String>,
    seconds: Option<i64>,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar {
            text: clear(text.as_bytes()).map(str::to_owned),
            seconds: None,
        })
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar {
            text: Some(number.to_string()),
            seconds: i64::try_from(number).ok(),
        })
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar {
            text: Some(number.to_string()),
            seconds: Some(number),
        })
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        // NumericDate may have a fraction (RFC 7519 section 2); the cast saturates.
        #[expect(clippy::cast_possible_truncation, reason = "whole seconds are wanted")]
        let seconds = number as i64;
        Ok(Scalar {
            text: None,
            seconds: Some(seconds),
        })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::default())
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::default())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::default())
    }
}
