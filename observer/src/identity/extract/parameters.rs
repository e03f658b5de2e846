//! Parameters of authentication schemes (RFC 9110 section 11.2): names, and values as tokens or quoted strings.
//!
//! Bias: a name that stands twice, where recipients may take either, has no value.

use std::borrow::Cow;

/// Parameters of one field that are looked at; one with more has none.
const MOST: usize = 64;

/// The parameters of a list, as sent: separated by commas, or as some schemes have it by semicolons or ampersands.
struct Parameters<'a>(&'a [u8]);

impl<'a> Iterator for Parameters<'a> {
    /// Name, and what follows its equals sign with the quotes still around it.
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let separator = |byte: &u8| b",;& \t".contains(byte);
        let start = self.0.iter().position(|byte| !separator(byte))?;
        let text = self.0.get(start..)?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.iter().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b',' | b';' | b'&' => return !quoted,
                _ => {}
            }
            false
        });
        let end = end.unwrap_or(text.len());
        self.0 = text.get(end..).unwrap_or_default();
        let parameter = text.get(..end).unwrap_or_default();
        let equals = memchr::memchr(b'=', parameter).unwrap_or(parameter.len());
        Some((
            parameter.get(..equals).unwrap_or_default().trim_ascii(),
            parameter.get(equals + 1..).unwrap_or_default().trim_ascii(),
        ))
    }
}

/// The value of the parameter of this name, which is compared without case. `None`: it is not there, is empty, or stands twice.
pub fn parameter<'a>(list: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let mut found = None;
    for (number, (known, value)) in Parameters(list).enumerate() {
        if number == MOST {
            return None;
        }
        if known.eq_ignore_ascii_case(name.as_bytes()) && found.replace(value).is_some() {
            return None;
        }
    }
    found.map(unquoted).filter(|value| !value.is_empty())
}

/// Whether a list has a parameter of this name.
pub fn has(list: &[u8], name: &str) -> bool {
    let mut parameters = Parameters(list).take(MOST);
    parameters.any(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
}

/// A quoted string without its quotes and escapes (RFC 9110 section 5.6.4); anything else as it is.
pub fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value.strip_prefix(b"\"") else {
        return Cow::Borrowed(value);
    };
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    if memchr::memchr(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => plain.extend(bytes.next()),
            _ => plain.push(*byte),
        }
    }
    Cow::Owned(plain)
}
